/* Heads of requests and answers, and URLs: first byte says which. */
#include "common/net/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every text a head gives must lie within the bytes read. */
static void check_text(struct http_text t, const char *buf, size_t used)
{
	if (t.at && (t.at < buf || t.at + t.len > buf + used))
		abort();
}

static void check_head(const struct http_head *head, const char *buf, size_t used)
{
	char value[64];

	check_text(head->method, buf, used);
	check_text(head->path, buf, used);
	check_text(head->query, buf, used);
	for (size_t i = 0; i < head->n_fields; i++) {
		check_text(head->fields[i].name, buf, used);
		check_text(head->fields[i].value, buf, used);
	}
	(void)http_has_token(head, "Upgrade", "websocket");
	(void)!http_query_find(head->query, "name", value, sizeof(value));
}

static void check_url(const char *text, size_t len)
{
	char *copy = malloc(len + 1), authority[HTTP_HOST_LEN + 16];
	struct http_url url;

	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (http_url_parse(copy, &url) == 0)
		http_url_authority(&url, authority);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;
	struct http_head head;
	size_t used;

	if (len == 0)
		return 0;
	len--;
	if (data[0] == 'u')
		check_url(text, len);
	else if (data[0] == 'a' && http_parse_response(text, len, &head, &used) == 0)
		check_head(&head, text, used);
	else if (data[0] == 'r' && http_parse_request(text, len, &head, &used) == 0)
		check_head(&head, text, used);
	return 0;
}
