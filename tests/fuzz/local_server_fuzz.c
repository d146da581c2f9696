/*
 * local_server_fuzz: people and programs of this machine at warrend's socket: several connections,
 * each says bytes of the input in pieces, hangs up, and is answered at once, later or never.
 *
 * Must hold:
 *   - a connection asks once at most, by a JSON object with a command that fits;
 *   - an answer is lines of JSON, of which the last and no other says "done";
 *   - who hangs up before that is reported gone, once, and nobody else is.
 */
#include "agent/local/local_server.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <event2/event.h>

#include "common/net/loop.h"
#include "tests/fuzz/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CLIENTS = 3, STEPS_MAX = 60, PIECE_MAX = 512, ANSWER_MAX = 8192, TURNS = 3 };
static const char socket_name[] = "warrend.sock";

struct client {
	int fd; /* -1: not connected */
	struct local_request *open;
	bool has_asked, wants_later;
};

static struct world {
	struct script s;
	struct folder folder;
	struct event_base *base;
	struct local_server *server;
	struct client client[CLIENTS];
	unsigned answers_open;
} world;

static void answer(struct local_request *req, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++) {
		struct json *tree = json_object_new();

		json_add_str(tree, "cmd", local_request_cmd(req));
		local_reply(req, tree);
	}
	local_done(req, 0, lines & 1 ? "enough" : NULL);
}

static void on_request(void *arg, struct local_request *req)
{
	struct world *w = arg;
	struct json_error err = {0};
	struct json_in root = json_root(local_request_body(req), &err);
	const char *cmd = json_str(&root, "cmd", 31);

	MUST(!err.failed && strcmp(cmd, local_request_cmd(req)) == 0);
	MUST(!local_request_data(req) && local_request_uid(req) == geteuid());
	MUST(local_request_is_privileged(req));
	if (strncmp(cmd, "later", 5) != 0) {
		answer(req, (unsigned)(uint8_t)cmd[0] % 4);
		return;
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];

		if (c->open || c->fd < 0)
			continue;
		c->open = req;
		local_request_set_data(req, c);
		w->answers_open++;
		return;
	}
	abort(); /* more requests than connections */
}

static void on_cancel(void *arg, struct local_request *req)
{
	struct world *w = arg;
	struct client *c = local_request_data(req);

	MUST(c && c->open == req && w->answers_open > 0);
	c->open = NULL;
	w->answers_open--;
}

static const struct local_server_ops ops = {on_request, on_cancel};

static void open_world(struct world *w)
{
	char path[FOLDER_PATH_LEN], error[LOCAL_ERROR_LEN];

	folder_open(&w->folder);
	folder_path(&w->folder, socket_name, path);
	w->base = loop_base_new();
	MUST(w->base &&
	     local_server_new(w->base, path, LOCAL_NO_OPERATOR, &ops, w, &w->server, error) == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		w->client[i] = (struct client){.fd = -1};
}

static void close_world(struct world *w)
{
	local_server_free(w->server);
	loop_base_free(w->base);
	folder_close(&w->folder);
}

static void turn(struct world *w)
{
	for (int i = 0; i < TURNS; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static void come(struct world *w, struct client *c)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[FOLDER_PATH_LEN];

	if (c->fd >= 0 || c->open)
		return;
	folder_path(&w->folder, socket_name, path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
}

static void say(struct world *w, struct client *c)
{
	size_t len;
	const uint8_t *piece = script_span(&w->s, PIECE_MAX, &len);

	if (c->fd >= 0 && len > 0)
		(void)!send(c->fd, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Whole lines of JSON; "done" in the last one only. */
static void check_answer(const char *text, size_t len)
{
	for (const char *end; len > 0; len -= (size_t)(end + 1 - text), text = end + 1) {
		struct json_error err = {0};
		struct json *tree;

		end = memchr(text, '\n', len);
		MUST(end && json_parse(text, (size_t)(end - text), ANSWER_MAX, &tree, &err) == 0);
		struct json_in root = json_root(tree, &err);
		bool is_last = text + len == end + 1;
		MUST(json_opt_bool(&root, "done", false) == is_last && !err.failed);
		json_free(tree);
	}
}

static void leave(struct client *c)
{
	char text[ANSWER_MAX];

	if (c->fd < 0)
		return;
	ssize_t got = recv(c->fd, text, sizeof(text), MSG_DONTWAIT);
	MUST(got < (ssize_t)sizeof(text));
	if (got > 0)
		check_answer(text, (size_t)got);
	close(c->fd);
	c->fd = -1;
}

static void answer_later(struct world *w, struct client *c)
{
	struct local_request *req = c->open;

	if (!req)
		return;
	c->open = NULL;
	w->answers_open--;
	answer(req, script_pick(&w->s, 4));
}

static void step(struct world *w)
{
	struct client *c = &w->client[script_pick(&w->s, CLIENTS)];

	switch (script_pick(&w->s, 8)) {
	case 0:
		come(w, c);
		break;
	case 1:
		leave(c);
		break;
	case 2:
		answer_later(w, c);
		break;
	case 3:
		turn(w);
		break;
	default:
		come(w, c);
		say(w, c);
		turn(w);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;

	w->s = script_init(data, len);
	open_world(w);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++)
		step(w);
	turn(w);
	for (unsigned i = 0; i < CLIENTS; i++)
		leave(&w->client[i]);
	turn(w);
	MUST(w->answers_open == 0);
	close_world(w);
	return 0;
}
