#include "coordinator/front.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/net/http.h"
#include "coordinator/admin_api.h"
#include "coordinator/manage.h"

/* The bearer token of the request; "" where it has none, or one too long to be one of ours. */
static void read_bearer(const struct http_head *head, char *out, size_t cap)
{
	static const char scheme[] = "Bearer ";
	struct http_text field = http_find(head, "Authorization");
	size_t skip = strlen(scheme);

	out[0] = '\0';
	if (field.len <= skip || memcmp(field.at, scheme, skip) != 0)
		return;
	struct http_text token = {field.at + skip, field.len - skip};
	if (!http_text_copy(token, out, cap))
		out[0] = '\0';
}

static void reply_json(struct http_exchange *x, struct admin_answer *answer)
{
	size_t len = strlen(answer->json);

	http_reply(x, answer->status, "application/json", "Cache-Control: no-store\r\n",
		   answer->json, len);
	sodium_memzero(answer->json, len);
	free(answer->json);
}

static uint64_t query_number(const struct http_head *head, const char *key, uint64_t fallback)
{
	char text[24];

	return http_query_find(head->query, key, text, sizeof(text)) ? strtoull(text, NULL, 10)
								     : fallback;
}

static void answer_admin(struct front *f, struct http_exchange *x, bool is_local)
{
	const struct http_head *head = http_exchange_head(x);
	struct moment now = {clock_now_us(), clock_unix_us() / US_PER_MS};
	uint8_t random[MANAGE_RANDOM_LEN];
	char method[16], path[ADMIN_PATH_LEN];
	struct admin_request request = {.method = method,
					.path = path,
					.after = query_number(head, "after", 0),
					.limit = query_number(head, "limit", 1000),
					.newest = query_number(head, "newest", 0) != 0,
					.is_local = is_local,
					.random = random,
					.template = &f->template};
	struct admin_answer answer;

	if (!http_text_copy(head->method, method, sizeof(method)) ||
	    !http_text_copy(head->path, path, sizeof(path))) {
		http_reply_text(x, 400, "this request is too long\n");
		return;
	}
	randombytes_buf(random, sizeof(random));
	request.body = http_exchange_body(x, &request.len);
	admin_api_answer(f->core, &request, &now, &answer);
	reply_json(x, &answer);
	sodium_memzero(random, sizeof(random));
}

static void answer_admit(struct front *f, struct http_exchange *x)
{
	struct admin_answer answer;
	char secret[RELAY_SECRET_LEN];
	size_t len;
	const char *body = http_exchange_body(x, &len);

	read_bearer(http_exchange_head(x), secret, sizeof(secret));
	admin_api_admit(f->core, secret, body, len, &answer);
	reply_json(x, &answer);
	sodium_memzero(secret, sizeof(secret));
}

static bool has_admin_key(const struct front *f, const struct http_head *head)
{
	char key[ADMIN_KEY_LEN];

	read_bearer(head, key, sizeof(key));
	bool fits = manage_admin_key_fits(f->core, key);
	sodium_memzero(key, sizeof(key));
	return fits;
}

void front_on_public_request(void *arg, struct http_exchange *x)
{
	struct front *f = arg;
	const struct http_head *head = http_exchange_head(x);
	bool is_post = http_text_is(head->method, "POST");

	if (http_text_is(head->path, "/healthz"))
		http_reply_text(x, 200, "ok\n");
	else if (http_text_is(head->path, "/v1/session"))
		node_links_open(&f->links, f->core, x);
	else if (http_text_is(head->path, "/v1/relay/admit") && is_post)
		answer_admit(f, x);
	else if (has_admin_key(f, head))
		answer_admin(f, x, false);
	else
		http_reply_text(x, 401, "an admin key is needed (Authorization: Bearer KEY)\n");
}

void front_on_local_request(void *arg, struct http_exchange *x)
{
	answer_admin(arg, x, true);
}
