#include "coordinator/admin_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "coordinator/manage.h"
#include "coordinator/store_sqlite.h"
#include "tests/unit/test.h"

static const struct moment now = {.now_us = 1, .unix_ms = 1700000000000};
static const struct coordinator_ops no_ops;

struct scene {
	char path[64];
	struct store *store;
	struct coordinator *c;
	unsigned status; /* of the last answer */
	char *json;
};

static void start(struct scene *s)
{
	static const uint8_t random[COORDINATOR_RANDOM_LEN] = {61};
	char error[COORDINATOR_ERROR_LEN];
	struct coordinator_config cfg = {.ops = &no_ops, .random = random};

	*s = (struct scene){.json = NULL};
	snprintf(s->path, sizeof(s->path), "/tmp/admin-api-test-%d.db", (int)getpid());
	unlink(s->path);
	CHECK_INT(store_sqlite_open(s->path, &s->store, error), 0);
	cfg.store = s->store;
	CHECK_INT(coordinator_open(&cfg, &s->c, error), 0);
}

static void end(struct scene *s)
{
	char beside[80];

	free(s->json);
	coordinator_free(s->c);
	s->store->ops->close(s->store);
	unlink(s->path);
	snprintf(beside, sizeof(beside), "%s-wal", s->path);
	unlink(beside);
	snprintf(beside, sizeof(beside), "%s-shm", s->path);
	unlink(beside);
}

static void call(struct scene *s, const char *method, const char *path, const char *body)
{
	static uint8_t random[MANAGE_RANDOM_LEN];
	struct invitation template = {
		.url = "https://mesh.example:8443", .has_pin = true, .pin = {0xab}};
	struct admin_request request = {.method = method,
					.path = path,
					.limit = 100,
					.body = body,
					.len = strlen(body),
					.random = random,
					.template = &template};
	struct admin_answer answer;

	random[0]++;
	admin_api_answer(s->c, &request, &now, &answer);
	free(s->json);
	s->status = answer.status;
	s->json = answer.json;
}

static bool says(const struct scene *s, const char *text)
{
	return strstr(s->json, text) != NULL;
}

TEST(makes_lists_and_revokes_tokens)
{
	struct scene s;

	start(&s);
	call(&s, "POST", "/v1/tokens", "{\"owner\":\"alice\",\"name\":\"dev\",\"ttl_s\":60}");
	CHECK_INT(s.status, 200);
	CHECK(says(&s, "\"token\":\"dev.alice."));
	CHECK(says(&s, "\"invitation\":\"warren://mesh.example:8443/#token=dev.alice."));
	CHECK(says(&s, "&pin=sha256:ab00") && says(&s, "\"expires\":\"2023-11-14T22:14:20.000Z\""));
	call(&s, "GET", "/v1/tokens", "");
	CHECK(says(&s, "\"state\":\"open\"") && !says(&s, "dev.alice."));
	call(&s, "DELETE", "/v1/tokens/1", "");
	CHECK_INT(s.status, 200);
	call(&s, "GET", "/v1/tokens", "");
	CHECK(says(&s, "\"state\":\"revoked\""));
	call(&s, "DELETE", "/v1/tokens/7", "");
	CHECK(s.status == 404 && says(&s, "there is no token 7"));
	end(&s);
}

TEST(says_what_is_wrong_with_a_request)
{
	static const struct {
		const char *method, *path, *body;
		unsigned status;
	} cases[] = {
		{"POST", "/v1/tokens", "{\"owner\":\"A\",\"name\":\"dev\"}", 400},
		{"POST", "/v1/tokens", "{\"owner\":\"a\",\"name\":\"dev\",\"role\":\"x\"}", 400},
		{"POST", "/v1/tokens", "{\"owner\":\"a\",\"name\":\"dev\",\"ttl_s\":0}", 400},
		{"POST", "/v1/tokens", "{", 400},
		{"DELETE", "/v1/nodes/dev", "", 404},
		{"DELETE", "/v1/relays/900", "", 404},
		{"POST", "/v1/relays", "{}", 400},
		{"PUT", "/v1/policy", "{\"rule\":1}", 400},
		{"GET", "/v1/nodes/dev", "", 405},
		{"GET", "/v1/none", "", 404},
		{"DELETE", "/v1/tokens/1/2", "", 404},
		{"POST", "/v1/admin-key", "", 403},
	};
	struct scene s;

	start(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		call(&s, cases[i].method, cases[i].path, cases[i].body);
		CHECK_INT(s.status, cases[i].status);
		CHECK(says(&s, "{\"error\":\""));
	}
	end(&s);
}

TEST(adds_and_removes_a_relay)
{
	static const char relay[] = "{\"RegionID\":900,\"RegionCode\":\"fra\",\"RegionName\":"
				    "\"Frankfurt\",\"Name\":\"900a\",\"HostName\":\"192.0.2.1\"}";
	struct scene s;

	start(&s);
	call(&s, "POST", "/v1/relays", relay);
	CHECK(s.status == 200 && says(&s, "\"region\":900,\"secret\":\""));
	call(&s, "POST", "/v1/relays", relay);
	CHECK_INT(s.status, 409);
	call(&s, "GET", "/derpmap", "");
	CHECK(says(&s, "\"HostName\":\"192.0.2.1\"") && !says(&s, "secret"));
	call(&s, "DELETE", "/v1/relays/900", "");
	CHECK_INT(s.status, 200);
	call(&s, "GET", "/v1/audit", "");
	CHECK(says(&s, "relay 900a of region 900 added") && says(&s, "region 900 removed"));
	end(&s);
}

TEST(admits_by_secret_and_node_key)
{
	static const char ask[] =
		"{\"NodePublic\":\"nodekey:"
		"0202020202020202020202020202020202020202020202020202020202020202\"}";
	struct scene s;
	struct admin_answer answer;

	start(&s);
	admin_api_admit(s.c, "wrong", ask, strlen(ask), &answer);
	CHECK_INT(answer.status, 403);
	free(answer.json);
	admin_api_admit(s.c, "wrong", "{}", 2, &answer);
	CHECK_INT(answer.status, 400);
	free(answer.json);
	end(&s);
}

TEST(keeps_a_policy_and_shows_it)
{
	struct scene s;

	start(&s);
	call(&s, "GET", "/v1/policy", "");
	CHECK_STR(s.json, "{\"default\":true,\"rules\":[]}");
	call(&s, "PUT", "/v1/policy", "{\"default\": false}");
	CHECK_INT(s.status, 200);
	call(&s, "GET", "/v1/policy", "");
	CHECK_STR(s.json, "{\"default\": false}");
	end(&s);
}
