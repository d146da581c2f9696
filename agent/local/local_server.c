#include "agent/local/local_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sodium.h>

enum {
	CONNS_MAX = 64,	       /* further ones are told so and closed */
	CONNS_GUESTS_MAX = 48, /* of those who may not command, and of one of them */
	CONNS_OF_UID_MAX = 16,
	OUTPUT_MAX = 32 << 20,	/* unread answers; a client that lets them grow so far is cut */
	REQUEST_TIMEOUT_S = 10, /* for the request line, and for reading the last answer */
	BACKLOG = 16
};

/* A connection is its request: one each.
 *
 *	READING --line--> ANSWERING --local_done--> FLUSHING --all written--> freed
 */
enum conn_state { READING, ANSWERING, FLUSHING };

struct local_request {
	struct local_server *server;
	struct local_request *next;
	struct bufferevent *bev;
	enum conn_state state;
	uid_t uid;
	struct json *body; /* from ANSWERING on */
	char cmd[32];
	void *data;
};

struct local_server {
	struct event_base *base;
	struct event *accepting;
	int fd;
	uid_t operator_uid;
	const struct local_server_ops *ops;
	void *arg;
	struct local_request *requests;
	size_t n_requests;
	struct sockaddr_un addr;
	dev_t dev; /* of the socket made here, so that a successor's is not removed */
	ino_t ino;
};

/* ---- requests ---- */

const char *local_request_cmd(const struct local_request *req)
{
	return req->cmd;
}

const struct json *local_request_body(const struct local_request *req)
{
	return req->body;
}

uid_t local_request_uid(const struct local_request *req)
{
	return req->uid;
}

static bool is_privileged(const struct local_server *server, uid_t uid)
{
	return uid == 0 || uid == geteuid() ||
	       (server->operator_uid != LOCAL_NO_OPERATOR && uid == server->operator_uid);
}

bool local_request_is_privileged(const struct local_request *req)
{
	return is_privileged(req->server, req->uid);
}

void local_request_set_data(struct local_request *req, void *data)
{
	req->data = data;
}

void *local_request_data(const struct local_request *req)
{
	return req->data;
}

static void request_free(struct local_request *req)
{
	struct local_request **at = &req->server->requests;

	while (*at != req)
		at = &(*at)->next;
	*at = req->next;
	req->server->n_requests--;
	bufferevent_free(req->bev);
	json_free(req->body);
	free(req);
}

/* The client went away, or is to go. */
static void request_drop(struct local_request *req)
{
	if (req->state == ANSWERING)
		req->server->ops->on_cancel(req->server->arg, req);
	request_free(req);
}

static void write_line(struct local_request *req, struct json *tree)
{
	char *text = json_print(tree);

	bufferevent_write(req->bev, text, strlen(text));
	bufferevent_write(req->bev, "\n", 1);
	free(text);
	json_free(tree);
}

void local_reply(struct local_request *req, struct json *tree)
{
	/* The caller is in the middle of something: a client that does not read is cut by its
	 * own next event, not from within here. */
	if (evbuffer_get_length(bufferevent_get_output(req->bev)) > OUTPUT_MAX) {
		json_free(tree);
		shutdown(bufferevent_getfd(req->bev), SHUT_RDWR);
		return;
	}
	write_line(req, tree);
}

static void on_flushed(struct bufferevent *bev, void *arg)
{
	(void)bev;
	request_free(arg);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	request_drop(arg);
}

void local_done(struct local_request *req, int exit_status, const char *error)
{
	static const struct timeval timeout = {.tv_sec = REQUEST_TIMEOUT_S};
	struct json *tree = json_object_new();

	json_add_bool(tree, "done", true);
	json_add_i64(tree, "exit", exit_status);
	if (error)
		json_add_str(tree, "error", error);
	write_line(req, tree);
	req->state = FLUSHING;
	bufferevent_disable(req->bev, EV_READ);
	bufferevent_setcb(req->bev, NULL, on_flushed, on_gone, req);
	bufferevent_set_timeouts(req->bev, NULL, &timeout);
}

/* ---- the request line ---- */

/* Takes the line apart into req->body and req->cmd; false with why where it is no request. */
static bool parse_line(struct local_request *req, const char *line, size_t len,
		       struct json_error *why)
{
	if (json_parse(line, len, LOCAL_REQUEST_MAX, &req->body, why) != 0)
		return false;
	struct json_in root = json_root(req->body, why);
	snprintf(req->cmd, sizeof(req->cmd), "%s", json_str(&root, "cmd", sizeof(req->cmd) - 1));
	return !why->failed;
}

static void begin_answering(struct local_request *req, char *line, size_t len)
{
	struct local_server *server = req->server;
	struct json_error why = {0};
	char error[sizeof(why.text) + 32];
	bool good = parse_line(req, line, len, &why);

	/* An invitation's secret may have been in it. */
	sodium_memzero(line, len);
	bufferevent_set_timeouts(req->bev, NULL, NULL);
	req->state = ANSWERING;
	if (good) {
		server->ops->on_request(server->arg, req);
		return;
	}
	snprintf(error, sizeof(error), "not a request: %s", why.text);
	local_done(req, 2, error);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct local_request *req = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;

	if (req->state != READING) { /* nothing more is expected */
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
	if (line) {
		begin_answering(req, line, len);
		free(line);
	} else if (evbuffer_get_length(in) > LOCAL_REQUEST_MAX) {
		request_free(req);
	}
}

/* ---- connections ---- */

static bool peer_uid(int fd, uid_t *out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	*out = cred.uid;
	return true;
}

static void add_request(struct local_server *server, int fd, uid_t uid)
{
	static const struct timeval timeout = {.tv_sec = REQUEST_TIMEOUT_S};
	struct local_request *req = calloc(1, sizeof(*req));
	struct bufferevent *bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);

	if (!req || !bev) {
		free(req);
		if (bev)
			bufferevent_free(bev);
		else
			close(fd);
		return;
	}
	req->server = server;
	req->bev = bev;
	req->uid = uid;
	req->next = server->requests;
	server->requests = req;
	server->n_requests++;
	bufferevent_setcb(bev, on_readable, NULL, on_gone, req);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

bool local_has_room(bool privileged, size_t n_all, size_t n_of_uid)
{
	if (privileged)
		return n_all < CONNS_MAX;
	return n_all < CONNS_GUESTS_MAX && n_of_uid < CONNS_OF_UID_MAX;
}

static bool has_room_for(const struct local_server *server, uid_t uid)
{
	size_t n_of_uid = 0;

	for (const struct local_request *r = server->requests; r; r = r->next)
		n_of_uid += r->uid == uid;
	return local_has_room(is_privileged(server, uid), server->n_requests, n_of_uid);
}

static void turn_away(int fd)
{
	static const char answer[] =
		"{\"done\":true,\"exit\":1,\"error\":\"too many commands are running\"}\n";

	(void)send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct local_server *server = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uid_t uid;

	(void)what;
	if (fd < 0)
		return;
	if (!peer_uid(fd, &uid))
		close(fd);
	else if (has_room_for(server, uid))
		add_request(server, fd, uid);
	else
		turn_away(fd);
}

/* ---- the socket ---- */

/* Makes the folder that path stands in, and missing parents, mode 0755; an existing one keeps its
 * mode. */
static int make_folder(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(dir, 0755) == 0)
			(void)chmod(dir, 0755); /* whatever the umask */
		else if (errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* Removes a socket that nobody listens on. -EADDRINUSE: somebody does; -EEXIST: it is no socket. */
static int clear_stale(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	bool dead = rc != 0 && errno == ECONNREFUSED;
	close(fd);
	if (!dead)
		return -EADDRINUSE;
	return unlink(addr->sun_path) == 0 ? 0 : -errno;
}

static int open_listener(struct local_server *server)
{
	struct stat st;
	int err = make_folder(server->addr.sun_path);

	if (!err)
		err = clear_stale(&server->addr);
	if (err)
		return err;
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return -errno;
	if (bind(server->fd, (struct sockaddr *)&server->addr, sizeof(server->addr)) != 0 ||
	    chmod(server->addr.sun_path, 0666) != 0 || listen(server->fd, BACKLOG) != 0 ||
	    lstat(server->addr.sun_path, &st) != 0)
		return -errno;
	server->dev = st.st_dev;
	server->ino = st.st_ino;
	return 0;
}

static void explain(int err, const char *path, char error[static LOCAL_ERROR_LEN])
{
	if (err == -EADDRINUSE)
		snprintf(error, LOCAL_ERROR_LEN,
			 "another warrend listens on %.100s; stop it, or choose another --socket",
			 path);
	else if (err == -EEXIST)
		snprintf(error, LOCAL_ERROR_LEN, "%.100s is there and is no socket", path);
	else
		snprintf(error, LOCAL_ERROR_LEN, "cannot listen on %.100s: %s", path,
			 strerror(-err));
}

int local_server_new(struct event_base *base, const char *path, uid_t operator_uid,
		     const struct local_server_ops *ops, void *arg, struct local_server **out,
		     char error[static LOCAL_ERROR_LEN])
{
	struct local_server *server = calloc(1, sizeof(*server));
	int err = -ENAMETOOLONG;

	if (!server) {
		explain(-ENOMEM, path, error);
		return -ENOMEM;
	}
	server->fd = -1;
	server->base = base;
	server->operator_uid = operator_uid;
	server->ops = ops;
	server->arg = arg;
	server->addr.sun_family = AF_UNIX;
	if (strlen(path) < sizeof(server->addr.sun_path)) {
		memcpy(server->addr.sun_path, path, strlen(path) + 1);
		err = open_listener(server);
	}
	if (!err) {
		server->accepting =
			event_new(base, server->fd, EV_READ | EV_PERSIST, on_connection, server);
		err = server->accepting && event_add(server->accepting, NULL) == 0 ? 0 : -ENOMEM;
	}
	if (err) {
		explain(err, path, error);
		local_server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

void local_server_free(struct local_server *server)
{
	struct stat st;

	if (!server)
		return;
	while (server->requests)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		request_free(server->requests);
	if (server->accepting)
		event_free(server->accepting);
	if (server->fd >= 0)
		close(server->fd);
	if (server->ino && lstat(server->addr.sun_path, &st) == 0 && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		(void)unlink(server->addr.sun_path);
	free(server);
}
