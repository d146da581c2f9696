#include "agent/tunnel/uapi_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/tunnel/uapi.h"
#include "agent/tunnel/uapi_engine.h"

#define FOLDER "/var/run/wireguard"

/* A configuration of some 10,000 peers; answers grow as they must. */
enum { CLIENTS_MAX = 16, MESSAGE_MAX = 8 << 20, FIRST_BYTES = 4096, IDLE_S = 30 };

struct client {
	struct uapi_socket *owner;
	struct event *event;
	int fd;
	char *in;
	size_t in_len, in_cap;
	uint8_t *out; /* the answer being sent; NULL: none */
	size_t out_len, out_at;
};

struct uapi_socket {
	struct sockaddr_un addr;
	int fd, inotify_fd;
	dev_t dev;
	ino_t ino;
	struct engine *engine;
	bool may_change;
	void (*gone)(void *arg);
	void *arg;
	struct event_base *base;
	struct event *on_accept, *on_folder;
	struct client clients[CLIENTS_MAX]; /* fd -1: free */
};

/* ---- one client ---- */

static void drop_client(struct client *c)
{
	if (c->fd < 0)
		return;
	event_free(c->event);
	close(c->fd);
	if (c->in)
		sodium_memzero(c->in, c->in_cap);
	if (c->out)
		sodium_memzero(c->out, c->out_len);
	free(c->in);
	free(c->out);
	*c = (struct client){.owner = c->owner, .fd = -1};
}

static int make_answer(struct client *c, size_t message_len)
{
	struct uapi_socket *s = c->owner;

	for (size_t cap = FIRST_BYTES; cap <= MESSAGE_MAX; cap *= 2) {
		uint8_t *buf = malloc(cap);
		if (!buf)
			return -ENOMEM;
		struct writer w = writer_init(buf, cap);
		uapi_engine_answer(s->engine, s->may_change, c->in, message_len, &w);
		if (!w.failed) {
			c->out = buf;
			c->out_len = w.len;
			c->out_at = 0;
			return 0;
		}
		sodium_memzero(buf, cap);
		free(buf);
	}
	return -ENOBUFS;
}

/* Answers the next whole message, if there is one and the answer before is out. */
static int answer(struct client *c)
{
	size_t len = c->out ? 0 : uapi_message_len(c->in, c->in_len);

	if (len == 0)
		return 0;
	int err = make_answer(c, len);
	memmove(c->in, c->in + len, c->in_len - len);
	c->in_len -= len;
	return err;
}

/* -EPIPE: the client has said all it wanted. */
static int read_client(struct client *c)
{
	if (c->in_len == c->in_cap) {
		size_t cap = c->in_cap ? 2 * c->in_cap : FIRST_BYTES;
		char *in = cap <= MESSAGE_MAX ? realloc(c->in, cap) : NULL;

		if (!in)
			return -ENOBUFS;
		c->in = in;
		c->in_cap = cap;
	}
	ssize_t got = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);
	if (got == 0)
		return -EPIPE;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->in_len += (size_t)got;
	return 0;
}

static int write_client(struct client *c)
{
	while (c->out) {
		ssize_t sent =
			send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->out_at += (size_t)sent;
		if (c->out_at < c->out_len)
			continue;
		sodium_memzero(c->out, c->out_len);
		free(c->out);
		c->out = NULL;
		int err = answer(c);
		if (err)
			return err;
	}
	return 0;
}

static void wait_for(struct client *c, short what, void (*then)(evutil_socket_t, short, void *))
{
	static const struct timeval idle = {.tv_sec = IDLE_S};

	event_assign(c->event, c->owner->base, c->fd, what, then, c);
	event_add(c->event, &idle);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	int err = what & EV_TIMEOUT ? -ETIMEDOUT : 0;

	(void)fd;
	if (!err && (what & EV_READ))
		err = read_client(c);
	if (!err)
		err = answer(c);
	if (!err)
		err = write_client(c);
	if (err) {
		drop_client(c);
		return;
	}
	wait_for(c, c->out ? EV_WRITE : EV_READ, on_client);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct uapi_socket *s = arg;
	struct client *c = NULL;

	(void)what;
	int client_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client_fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX && !c; i++) {
		if (s->clients[i].fd < 0)
			c = &s->clients[i];
	}
	struct event *event = c ? event_new(s->base, -1, 0, on_client, c) : NULL;
	if (!event) {
		close(client_fd);
		return;
	}
	c->fd = client_fd;
	c->event = event;
	wait_for(c, EV_READ, on_client);
}

/* ---- the socket ---- */

static bool is_ours(const struct uapi_socket *s)
{
	struct stat st;

	return stat(s->addr.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

static void on_folder(evutil_socket_t fd, short what, void *arg)
{
	struct uapi_socket *s = arg;
	char events[4096];

	(void)what;
	while (read(fd, events, sizeof(events)) > 0)
		;
	if (!is_ours(s) && s->gone) {
		void (*gone)(void *) = s->gone;

		s->gone = NULL;
		gone(s->arg);
	}
}

/* Somebody answers on it. */
static bool is_live(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool live = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

	if (fd >= 0)
		close(fd);
	return live;
}

static int bind_socket(struct uapi_socket *s)
{
	struct stat st;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	if (is_live(&s->addr))
		return -EADDRINUSE;
	(void)unlink(s->addr.sun_path);
	mode_t before = umask(0177);
	int rc = bind(s->fd, (const struct sockaddr *)&s->addr, sizeof(s->addr));
	umask(before);
	if (rc < 0 || listen(s->fd, CLIENTS_MAX) < 0 || stat(s->addr.sun_path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int uapi_socket_open(const char *interface, struct uapi_socket **out)
{
	struct uapi_socket *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = s->inotify_fd = -1;
	s->addr.sun_family = AF_UNIX;
	snprintf(s->addr.sun_path, sizeof(s->addr.sun_path), FOLDER "/%s.sock", interface);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		s->clients[i] = (struct client){.owner = s, .fd = -1};

	int err = mkdir(FOLDER, 0755) < 0 && errno != EEXIST ? -errno : bind_socket(s);
	if (err) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

int uapi_socket_serve(struct uapi_socket *s, struct event_base *base, struct engine *engine,
		      bool may_change, void (*gone)(void *arg), void *arg)
{
	s->base = base;
	s->engine = engine;
	s->may_change = may_change;
	s->gone = gone;
	s->arg = arg;
	s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->inotify_fd < 0 ||
	    inotify_add_watch(s->inotify_fd, FOLDER, IN_DELETE | IN_MOVED_FROM) < 0)
		return -errno;
	s->on_accept = event_new(base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
	s->on_folder = event_new(base, s->inotify_fd, EV_READ | EV_PERSIST, on_folder, s);
	if (!s->on_accept || !s->on_folder || event_add(s->on_accept, NULL) != 0 ||
	    event_add(s->on_folder, NULL) != 0)
		return -ENOMEM;
	return 0;
}

void uapi_socket_close(struct uapi_socket *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		drop_client(&s->clients[i]);
	if (s->on_accept)
		event_free(s->on_accept);
	if (s->on_folder)
		event_free(s->on_folder);
	if (is_ours(s))
		(void)unlink(s->addr.sun_path);
	close(s->fd);
	if (s->inotify_fd >= 0)
		close(s->inotify_fd);
	free(s);
}
