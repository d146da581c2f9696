/* local_server.h and uapi_socket.h for simulated hosts: requests are handed over directly, and
 * nobody runs wg(8). */
#include "tests/sim/kernel_local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/local/local_server.h"
#include "agent/tunnel/uapi_socket.h"
#include "tests/sim/host_part.h"
#include "tests/sim/world.h"

enum { LINE_MAX_LEN = 8 << 20 };

struct local_request {
	struct local_server *server;
	struct local_request *next;
	uint64_t ask_id;
	kernel_local_line_fn *on_line;
	void *arg;
	struct json *body;
	char cmd[32];
	void *data;
};

struct local_server {
	struct host *host;
	const struct local_server_ops *ops;
	void *arg;
	struct local_request *requests;
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
	(void)req;
	return 0;
}

bool local_request_is_privileged(const struct local_request *req)
{
	(void)req;
	return true;
}

void local_request_set_data(struct local_request *req, void *data)
{
	req->data = data;
}

void *local_request_data(const struct local_request *req)
{
	return req->data;
}

static void free_request(struct local_request *req)
{
	struct local_request **at = &req->server->requests;

	while (*at != req)
		at = &(*at)->next;
	*at = req->next;
	json_free(req->body);
	free(req);
}

/* As text, and read again, as the one at the other end of a socket does. */
void local_reply(struct local_request *req, struct json *tree)
{
	char *text = json_print(tree);
	struct json_error why = {0};
	struct json *line;

	json_free(tree);
	if (!world_is_ghost() && json_parse(text, strlen(text), LINE_MAX_LEN, &line, &why) == 0) {
		req->on_line(req->arg, req->ask_id, line);
		json_free(line);
	}
	free(text);
}

void local_done(struct local_request *req, int exit_status, const char *error)
{
	struct json *tree = json_object_new();

	json_add_bool(tree, "done", true);
	json_add_i64(tree, "exit", exit_status);
	if (error)
		json_add_str(tree, "error", error);
	local_reply(req, tree);
	free_request(req);
}

int kernel_local_ask(struct host *host, const char *request, uint64_t ask_id,
		     kernel_local_line_fn *on_line, void *arg)
{
	struct local_server *server = host_part(host, HOST_LOCAL);
	struct json_error why = {0};
	struct json *body;

	if (!server)
		return -ECONNREFUSED;
	if (json_parse(request, strlen(request), LOCAL_REQUEST_MAX, &body, &why) != 0)
		return -EINVAL;
	struct local_request *req = calloc(1, sizeof(*req));
	if (!req)
		abort();
	struct json_in root = json_root(body, &why);

	*req = (struct local_request){.server = server,
				      .next = server->requests,
				      .ask_id = ask_id,
				      .on_line = on_line,
				      .arg = arg,
				      .body = body};
	snprintf(req->cmd, sizeof(req->cmd), "%s", json_str(&root, "cmd", sizeof(req->cmd) - 1));
	server->requests = req;
	server->ops->on_request(server->arg, req);
	return 0;
}

/* ---- the server ---- */

int local_server_new(struct event_base *base, const char *path, uid_t operator_uid,
		     const struct local_server_ops *ops, void *arg, struct local_server **out,
		     char error[static LOCAL_ERROR_LEN])
{
	struct local_server *server = calloc(1, sizeof(*server));

	(void)base, (void)path, (void)operator_uid, (void)error;
	if (!server)
		abort();
	*server = (struct local_server){.host = world_here(), .ops = ops, .arg = arg};
	host_set_part(server->host, HOST_LOCAL, server, NULL);
	*out = server;
	return 0;
}

void local_server_free(struct local_server *server)
{
	if (!server)
		return;
	while (server->requests)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		free_request(server->requests);
	if (host_part(server->host, HOST_LOCAL) == server)
		host_set_part(server->host, HOST_LOCAL, NULL, NULL);
	free(server);
}

/* ---- wg(8)'s socket ---- */

int uapi_socket_open(const char *interface, struct uapi_socket **out)
{
	(void)interface;
	*out = NULL;
	return 0;
}

int uapi_socket_serve(struct uapi_socket *s, struct event_base *base, struct engine *engine,
		      bool may_change, void (*gone)(void *arg), void *arg)
{
	(void)s, (void)base, (void)engine, (void)may_change, (void)gone, (void)arg;
	return 0;
}

void uapi_socket_close(struct uapi_socket *s)
{
	(void)s;
}
