#include "agent/cli/daemon_link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sodium.h>

/* A week of history of many peers is a long line, but no longer than this. */
enum { LINE_MAX_BYTES = 64 << 20, READ_BYTES = 64 << 10 };

static const char system_path[] = "/run/warren/warrend.sock";

static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == DAEMON_PATH_LEN, "path of a socket");

void daemon_path(const char *given, char out[static DAEMON_PATH_LEN])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (given) {
		snprintf(out, DAEMON_PATH_LEN, "%s", given);
		return;
	}
	if (runtime && *runtime && geteuid() != 0) {
		snprintf(out, DAEMON_PATH_LEN, "%s/warren/warrend.sock", runtime);
		if (access(out, F_OK) == 0)
			return;
	}
	snprintf(out, DAEMON_PATH_LEN, "%s", system_path);
}

bool daemon_has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static void explain(int err, const char *path, char error[static DAEMON_ERROR_LEN])
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		snprintf(error, DAEMON_ERROR_LEN,
			 "warrend is not running (nobody listens on %s): start it with `sudo "
			 "systemctl "
			 "start warrend`, or run `sudo warrend` in a terminal",
			 path);
	else if (err == -EACCES)
		snprintf(error, DAEMON_ERROR_LEN,
			 "not allowed to reach %s: the folder it stands in is closed to you", path);
	else
		snprintf(error, DAEMON_ERROR_LEN, "cannot reach warrend at %s: %s", path,
			 strerror(-err));
}

int daemon_connect(const char *path, int *fd, char error[static DAEMON_ERROR_LEN])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int err = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		err = -errno;
		explain(err, path, error);
		if (*fd >= 0)
			close(*fd);
	}
	return err;
}

/* ---- asking ---- */

/* The request may hold a secret. A daemon that turns us away may have closed already: what it said
 * before is read all the same. */
static void send_request(int fd, struct json *request)
{
	char *text = json_print(request);
	size_t len = strlen(text), sent = 0;

	json_free(request);
	text[len] = '\n'; /* in place of the NUL */
	while (sent <= len) {
		ssize_t n = send(fd, text + sent, len + 1 - sent, MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	sodium_memzero(text, len + 1);
	free(text);
}

struct lines {
	char *buf;
	size_t len, cap;
	daemon_line_fn *on_line;
	void *arg;
	struct daemon_answer *out;
	bool done;
};

static void fail(struct lines *l, const char *why)
{
	l->out->exit_status = 1;
	snprintf(l->out->error, sizeof(l->out->error), "%s", why);
	l->done = true;
}

static void take_line(struct lines *l, const char *text, size_t len)
{
	struct json_error err = {0};
	struct json *tree;

	if (json_parse(text, len, LINE_MAX_BYTES, &tree, &err) != 0) {
		fail(l, "warrend answered something else than JSON; are both of one version?");
		return;
	}
	struct json_in line = json_root(tree, &err);
	if (json_opt_bool(&line, "done", false)) {
		l->out->exit_status = (int)json_opt_i64(&line, "exit", 0, 255, 1);
		snprintf(l->out->error, sizeof(l->out->error), "%s",
			 json_opt_str(&line, "error", sizeof(l->out->error) - 1, ""));
		l->done = true;
	} else {
		l->on_line(l->arg, text, &line);
	}
	json_free(tree);
}

static void take_lines(struct lines *l)
{
	char *at = l->buf, *end;

	while (!l->done && (end = memchr(at, '\n', l->len - (size_t)(at - l->buf))) != NULL) {
		*end = '\0';
		take_line(l, at, (size_t)(end - at));
		at = end + 1;
	}
	l->len -= (size_t)(at - l->buf);
	memmove(l->buf, at, l->len);
}

static void make_room(struct lines *l)
{
	if (l->cap - l->len >= READ_BYTES)
		return;
	l->cap = l->cap * 2 + READ_BYTES;
	l->buf = realloc(l->buf, l->cap);
	if (!l->buf)
		abort();
}

void daemon_ask(int fd, struct json *request, daemon_line_fn *on_line, void *arg,
		const volatile sig_atomic_t *stop, struct daemon_answer *out)
{
	struct lines l = {.on_line = on_line, .arg = arg, .out = out};

	*out = (struct daemon_answer){0};
	send_request(fd, request);
	while (!l.done) {
		if (stop && *stop) {
			out->interrupted = true;
			break;
		}
		make_room(&l);
		ssize_t n = recv(fd, l.buf + l.len, READ_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(&l, "warrend went away before it had answered; its log says why");
			break;
		}
		l.len += (size_t)n;
		if (l.len > LINE_MAX_BYTES)
			fail(&l, "warrend's answer is too long");
		else
			take_lines(&l);
	}
	free(l.buf);
	close(fd);
}
