#include "derp-relay/http_paths.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/net/http.h"

enum { CHALLENGE_MAX = 64 };

static const char info_page[] =
	"<html><head><title>Warren relay</title></head><body>\n"
	"<h1>Warren relay</h1>\n"
	"<p>This is a relay of a Warren mesh. It carries sealed packets between nodes that cannot\n"
	"reach each other directly, and cannot read them.</p>\n"
	"</body></html>\n";

static void reply(struct http_path_answer *out, unsigned status, const char *body)
{
	out->kind = HTTP_PATH_REPLY;
	out->status = status;
	out->type = "text/plain; charset=utf-8";
	out->body = body;
}

static bool is_get(const struct http_head *head)
{
	return http_text_is(head->method, "GET") || http_text_is(head->method, "HEAD");
}

/* ---- the plain ones ------------------------------------------------------------------------ */

static void answer_probe(const struct http_head *head, struct http_path_answer *out)
{
	if (!is_get(head)) {
		reply(out, 405, "method not allowed\n");
		return;
	}
	reply(out, 200, "");
	snprintf(out->fields, sizeof(out->fields), "Access-Control-Allow-Origin: *\r\n");
}

static bool is_challenge(struct http_text text)
{
	if (text.len == 0 || text.len > CHALLENGE_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!isalnum((unsigned char)text.at[i]) && !memchr(".:_-", text.at[i], 4))
			return false;
	}
	return true;
}

/* Answers the client's own challenge, so that a captive portal cannot pass for the network. */
static void answer_generate_204(const struct http_head *head, struct http_path_answer *out)
{
	struct http_text challenge = http_find(head, "X-Tailscale-Challenge");
	int n = snprintf(out->fields, sizeof(out->fields),
			 "Cache-Control: no-cache, no-store, must-revalidate, no-transform, "
			 "max-age=0\r\n");

	reply(out, 204, "");
	out->type = NULL;
	if (is_challenge(challenge))
		snprintf(out->fields + n, sizeof(out->fields) - (size_t)n,
			 "X-Tailscale-Response: response %.*s\r\n", (int)challenge.len,
			 challenge.at);
}

static void answer_robots(const struct http_head *head, struct http_path_answer *out)
{
	(void)head;
	reply(out, 200, "User-agent: *\nDisallow: /\n");
}

static void answer_health(const struct http_head *head, struct http_path_answer *out)
{
	(void)head;
	reply(out, 200, "ok\n");
}

static void answer_info(const struct http_head *head, struct http_path_answer *out)
{
	(void)head;
	reply(out, 200, info_page);
	out->type = "text/html; charset=utf-8";
}

static const struct {
	const char *path;
	void (*answer)(const struct http_head *head, struct http_path_answer *out);
} paths[] = {
	{"/derp/probe", answer_probe},
	{"/derp/latency-check", answer_probe},
	{"/generate_204", answer_generate_204},
	{"/robots.txt", answer_robots},
	{"/healthz", answer_health},
	{"/", answer_info},
};

/* ---- /derp --------------------------------------------------------------------------------- */

static bool wants_websocket(const struct http_head *head)
{
	return http_has_token(head, "Upgrade", "websocket") &&
	       http_has_token(head, "Sec-WebSocket-Protocol", "derp");
}

/* "websocket" without the subprotocol is what old clients of the raw protocol say. */
static bool wants_raw(const struct http_head *head)
{
	return http_has_token(head, "Upgrade", "derp") ||
	       http_has_token(head, "Upgrade", "websocket");
}

static void answer_raw(const struct http_head *head, const struct public_key *pub,
		       struct http_path_answer *out)
{
	char hex[KEY_HEX_LEN + 1];
	bool fast = http_text_is(http_find(head, "Derp-Fast-Start"), "1");

	out->kind = fast ? HTTP_PATH_FAST : HTTP_PATH_RAW;
	public_key_hex(pub, hex);
	snprintf(out->fields, sizeof(out->fields),
		 "Upgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\nDerp-Public-Key: "
		 "%s\r\n",
		 hex);
}

static void answer_derp(const struct http_head *head, const struct public_key *pub,
			struct http_path_answer *out)
{
	out->not_ideal = http_find(head, "Ideal-Node").at != NULL;
	if (wants_websocket(head)) {
		out->kind = HTTP_PATH_WEBSOCKET;
		snprintf(out->fields, sizeof(out->fields), "Sec-WebSocket-Protocol: derp\r\n");
	} else if (wants_raw(head)) {
		answer_raw(head, pub, out);
	} else {
		reply(out, 426, "DERP requires connection upgrade\n");
		snprintf(out->fields, sizeof(out->fields), "Upgrade: DERP\r\n");
	}
}

void http_paths_answer(const struct http_head *head, const struct public_key *pub, bool serves_derp,
		       struct http_path_answer *out)
{
	*out = (struct http_path_answer){0};
	if (serves_derp && http_text_is(head->path, "/derp")) {
		answer_derp(head, pub, out);
		return;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (http_text_is(head->path, paths[i].path)) {
			paths[i].answer(head, out);
			return;
		}
	}
	reply(out, 404, "not found\n");
}
