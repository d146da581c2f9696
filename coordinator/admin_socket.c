#include "coordinator/admin_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

enum { BACKLOG = 64, ACCEPTS_A_ROUND = 16 };

struct admin_socket {
	struct sockaddr_un addr;
	int fd;
	struct event *event;
	void (*accepted)(void *arg, int fd);
	void *arg;
};

static int address_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, strlen(path));
	return 0;
}

int admin_socket_connect(const char *path, int *fd)
{
	struct sockaddr_un addr;

	int err = address_of(path, &addr);
	if (err)
		return err;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	if (connect(s, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		err = -errno;
		close(s);
		return err;
	}
	*fd = s;
	return 0;
}

static bool is_live(const char *path)
{
	int fd = -1;

	if (admin_socket_connect(path, &fd) != 0)
		return false;
	close(fd);
	return true;
}

static int listen_at(const struct sockaddr_un *addr, int *fd)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0)
		return -errno;
	unlink(addr->sun_path);
	mode_t before = umask(0177);
	int rc = bind(s, (const struct sockaddr *)addr, sizeof(*addr));
	int err = rc == 0 ? 0 : -errno;
	umask(before);
	if (err == 0 && listen(s, BACKLOG) != 0)
		err = -errno;
	if (err)
		close(s);
	else
		*fd = s;
	return err;
}

static void on_acceptable(evutil_socket_t listening, short what, void *arg)
{
	struct admin_socket *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		s->accepted(s->arg, fd);
	}
}

int admin_socket_new(struct event_base *base, const char *path, void (*accepted)(void *arg, int fd),
		     void *arg, struct admin_socket **out,
		     char error[static ADMIN_SOCKET_ERROR_LEN])
{
	struct sockaddr_un addr;
	int fd = -1;

	int err = address_of(path, &addr);
	if (err == 0 && is_live(path))
		err = -EADDRINUSE;
	if (err == 0)
		err = listen_at(&addr, &fd);
	if (err) {
		snprintf(error, ADMIN_SOCKET_ERROR_LEN, "cannot listen on %.128s: %s", path,
			 err == -EADDRINUSE ? "a warren-coordinator runs with this --state-dir"
					    : strerror(-err));
		return err;
	}
	struct admin_socket *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	*s = (struct admin_socket){.addr = addr, .fd = fd, .accepted = accepted, .arg = arg};
	s->event = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, s);
	if (!s->event || event_add(s->event, NULL) != 0)
		abort();
	*out = s;
	return 0;
}

void admin_socket_free(struct admin_socket *s)
{
	if (!s)
		return;
	event_free(s->event);
	close(s->fd);
	unlink(s->addr.sun_path);
	free(s);
}
