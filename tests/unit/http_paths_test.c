#include "derp-relay/http_paths.h"

#include <stdio.h>

#include "common/net/http.h"
#include "tests/unit/test.h"

static const struct public_key pub = {.b = {0xab, 0xcd}};
static char request[1024];

static struct http_path_answer ask(const char *line, const char *fields, bool serves_derp)
{
	struct http_path_answer out;
	struct http_head head;
	size_t used;
	int n = snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", line,
			 fields);

	CHECK(http_parse_request(request, (size_t)n, &head, &used) == 0);
	http_paths_answer(&head, &pub, serves_derp, &out);
	return out;
}

TEST(the_raw_upgrade_names_version_and_key)
{
	struct http_path_answer a =
		ask("GET /derp", "Upgrade: DERP\r\nConnection: Upgrade\r\n", true);

	CHECK_INT(a.kind, HTTP_PATH_RAW);
	CHECK(!a.not_ideal);
	CHECK_STR(a.fields, "Upgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\n"
			    "Derp-Public-Key: "
			    "abcd000000000000000000000000000000000000000000000000000000000000\r\n");
}

TEST(each_way_to_ask_for_derp_is_known)
{
	static const struct {
		const char *fields;
		enum http_path_kind kind;
	} cases[] = {
		{"Upgrade: derp\r\n", HTTP_PATH_RAW},
		{"Upgrade: websocket\r\n", HTTP_PATH_RAW}, /* old clients of the raw protocol */
		{"Upgrade: DERP\r\nDerp-Fast-Start: 1\r\n", HTTP_PATH_FAST},
		{"Upgrade: WebSocket\r\nSec-WebSocket-Protocol: derp\r\n", HTTP_PATH_WEBSOCKET},
		{"Upgrade: websocket\r\nSec-WebSocket-Protocol: x, derp\r\n", HTTP_PATH_WEBSOCKET},
		{"Upgrade: h2c\r\n", HTTP_PATH_REPLY},
		{"", HTTP_PATH_REPLY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_path_answer a = ask("GET /derp", cases[i].fields, true);
		CHECK_INT(a.kind, cases[i].kind);
		CHECK(a.kind != HTTP_PATH_REPLY || a.status == 426);
	}
	CHECK(ask("GET /derp", "Upgrade: DERP\r\nIdeal-Node: 1a\r\n", true).not_ideal);
}

TEST(the_plain_port_has_no_derp_beside_tls)
{
	CHECK_INT(ask("GET /derp", "Upgrade: DERP\r\n", false).status, 404);
}

TEST(probes_take_get_and_head_from_anywhere)
{
	static const char *const good[] = {"GET /derp/probe", "HEAD /derp/latency-check"};

	for (size_t i = 0; i < 2; i++) {
		struct http_path_answer a = ask(good[i], "", true);
		CHECK_INT(a.status, 200);
		CHECK_STR(a.fields, "Access-Control-Allow-Origin: *\r\n");
	}
	CHECK_INT(ask("POST /derp/probe", "", true).status, 405);
}

TEST(a_challenge_is_answered_only_in_its_form)
{
	char fields[160];
	struct http_path_answer a =
		ask("GET /generate_204", "X-Tailscale-Challenge: ts_a.b:c-1\r\n", false);

	CHECK_INT(a.status, 204);
	CHECK(strstr(a.fields, "X-Tailscale-Response: response ts_a.b:c-1\r\n") != NULL);
	a = ask("GET /generate_204", "X-Tailscale-Challenge: a b\r\n", false);
	CHECK(a.status == 204 && strstr(a.fields, "X-Tailscale-Response") == NULL);
	snprintf(fields, sizeof(fields), "X-Tailscale-Challenge: %065d\r\n", 1);
	CHECK(strstr(ask("GET /generate_204", fields, false).fields, "Response") == NULL);
}

TEST(other_paths)
{
	CHECK_STR(ask("GET /healthz", "", true).body, "ok\n");
	CHECK_STR(ask("GET /robots.txt", "", true).body, "User-agent: *\nDisallow: /\n");
	CHECK_INT(ask("GET /", "", true).status, 200);
	CHECK_INT(ask("GET /derper", "", true).status, 404);
}
