/*
 * admin_api_fuzz: requests of admins and relays, several in a row: of each a byte that picks method
 * and path, a length and the end of the path, a length and the body.
 *
 * Must hold: every request is answered, with a status and one JSON document; no
 * secret that was not given to a relay is good for an answer.
 */
#include "coordinator/admin_api.h"

#include "coordinator/manage.h"
#include "tests/fuzz/memory_store.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { REQUESTS_MAX = 24, BODY_MAX = 4096 };
static const struct moment now = {.now_us = 1000000, .unix_ms = 1700000000000};

static const struct route {
	const char *method, *path;
} routes[] = {
	{"POST", "/v1/tokens"},	   {"GET", "/v1/tokens"},	{"DELETE", "/v1/tokens/"},
	{"GET", "/v1/nodes"},	   {"DELETE", "/v1/nodes/"},	{"GET", "/v1/policy"},
	{"PUT", "/v1/policy"},	   {"GET", "/v1/relays"},	{"GET", "/derpmap"},
	{"POST", "/v1/relays"},	   {"DELETE", "/v1/relays/"},	{"GET", "/v1/audit"},
	{"POST", "/v1/admin-key"}, {"POST", "/v1/relay/admit"}, {"GET", "/"},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static void no_send(void *link, const char *text, size_t len)
{
	(void)link;
	(void)text;
	(void)len;
}

static void no_close(void *link, const char *reason)
{
	(void)link;
	(void)reason;
}

static const struct coordinator_ops ops = {no_send, no_close};

static void check_answer(struct admin_answer *a)
{
	struct json_error err = {0};
	struct json *tree;

	MUST(a->status >= 200 && a->status < 600 && a->json);
	MUST(json_parse(a->json, strlen(a->json), SIZE_MAX, &tree, &err) == 0);
	json_free(tree);
	free(a->json);
}

static void admit(struct coordinator *c, const char *secret, const char *body, size_t len)
{
	struct admin_answer answer = {0};

	admin_api_admit(c, secret, body, len, &answer);
	MUST(answer.status != 200); /* the input cannot know what was drawn at random */
	check_answer(&answer);
}

static void ask(struct coordinator *c, struct script *s)
{
	const struct route *route = &routes[script_pick(s, ROUTES)];
	struct invitation template = {.url = "https://mesh.example", .has_pin = true};
	char path[ADMIN_PATH_LEN], body[BODY_MAX + 1] = "";
	uint8_t random[MANAGE_RANDOM_LEN], how = script_byte(s);
	size_t tail_len, len;

	script_random(s, random, sizeof(random));
	const uint8_t *tail = script_span(s, 80, &tail_len);
	snprintf(path, sizeof(path), "%s%.*s", route->path, (int)tail_len,
		 tail ? (const char *)tail : "");
	const uint8_t *span = script_span(s, BODY_MAX, &len);
	if (len > 0)
		memcpy(body, span, len);
	struct admin_request request = {.method = route->method,
					.path = path,
					.after = how,
					.limit = 1 + how,
					.newest = how & 1,
					.body = body,
					.len = len,
					.is_local = how & 2,
					.random = random,
					.template = &template};
	struct admin_answer answer = {0};

	if (strcmp(route->path, "/v1/relay/admit") == 0) {
		admit(c, path + strlen(route->path), body, len);
		return;
	}
	admin_api_answer(c, &request, &now, &answer);
	check_answer(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[COORDINATOR_RANDOM_LEN] = {61};
	struct memory_store store = {.store.ops = &memory_store_ops};
	struct coordinator_config cfg = {.ops = &ops, .random = random, .store = &store.store};
	struct script s = script_init(data, len);
	char error[COORDINATOR_ERROR_LEN];
	struct coordinator *c;

	MUST(coordinator_open(&cfg, &c, error) == 0);
	for (unsigned i = 0; i < REQUESTS_MAX && script_has_more(&s); i++) {
		store.fails = script_byte(&s) == 255;
		ask(c, &s);
		coordinator_flush(c);
	}
	coordinator_free(c);
	return 0;
}
