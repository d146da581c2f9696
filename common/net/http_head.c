#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/net/http.h"

/* ---- texts ---- */

bool http_text_is(struct http_text text, const char *wanted)
{
	return text.len == strlen(wanted) &&
	       (text.len == 0 || memcmp(text.at, wanted, text.len) == 0);
}

static bool is_word(struct http_text text, const char *wanted)
{
	return text.len == strlen(wanted) &&
	       (text.len == 0 || strncasecmp(text.at, wanted, text.len) == 0);
}

bool http_text_copy(struct http_text text, char *out, size_t cap)
{
	if (text.len >= cap)
		return false;
	if (text.len > 0)
		memcpy(out, text.at, text.len);
	out[text.len] = '\0';
	return true;
}

static struct http_text trim(struct http_text t)
{
	while (t.len > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* Splits at the first c: what stands before it is returned, *rest goes on behind it. Without c
 * everything is returned and *rest is empty at NULL. */
static struct http_text take_until(struct http_text *rest, char c)
{
	const char *end = rest->len > 0 ? memchr(rest->at, c, rest->len) : NULL;
	struct http_text taken = *rest;

	if (!end) {
		*rest = (struct http_text){0};
		return taken;
	}
	taken.len = (size_t)(end - rest->at);
	*rest = (struct http_text){end + 1, rest->len - taken.len - 1};
	return taken;
}

struct http_text http_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (is_word(head->fields[i].name, name))
			return head->fields[i].value;
	return (struct http_text){0};
}

bool http_has_token(const struct http_head *head, const char *name, const char *token)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct http_text rest = head->fields[i].value;

		if (!is_word(head->fields[i].name, name))
			continue;
		while (rest.at)
			if (is_word(trim(take_until(&rest, ',')), token))
				return true;
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool percent_decode(struct http_text text, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++, n++) {
		char c = text.at[i];

		if (n + 1 >= cap)
			return false;
		if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.at[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text.at[i + 2]) : -1;

			if (low < 0 || (high | low) == 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[n] = c == '+' ? ' ' : c;
	}
	out[n] = '\0';
	return cap > 0;
}

bool http_query_find(struct http_text query, const char *key, char *out, size_t cap)
{
	while (query.at) {
		struct http_text value = take_until(&query, '&');
		struct http_text name = take_until(&value, '=');

		if (http_text_is(name, key))
			return percent_decode(value, out, cap);
	}
	return false;
}

/* ---- heads ---- */

/* RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct http_text text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_token_char(text.at[i]))
			return false;
	return text.len > 0;
}

static bool is_visible(struct http_text text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
			return false;
	return text.len > 0;
}

static bool is_field_value(struct http_text text)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
			return false;
	return true;
}

/* One line without its end, CRLF or a bare LF (RFC 9112 section 2.2). False: no whole line. */
static bool take_line(struct http_text *rest, struct http_text *line)
{
	if (rest->len == 0 || !memchr(rest->at, '\n', rest->len))
		return false;
	*line = take_until(rest, '\n');
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

static int parse_field(struct http_text line, struct http_head *out)
{
	struct http_text value = line, name = take_until(&value, ':');

	/* A folded line begins with a blank: its "name" is no token (RFC 9112 section 5.2). */
	if (!value.at || !is_token(name))
		return -EBADMSG;
	value = trim(value);
	if (!is_field_value(value))
		return -EBADMSG;
	if (out->n_fields == HTTP_FIELDS_MAX)
		return -E2BIG;
	out->fields[out->n_fields++] = (struct http_field){name, value};
	return 0;
}

static int parse_length(struct http_text text, size_t *out)
{
	*out = 0;
	if (text.len == 0 || text.len > 15)
		return -EBADMSG;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EBADMSG;
		*out = *out * 10 + (size_t)(text.at[i] - '0');
	}
	return 0;
}

/* RFC 9112 section 6.3: two lengths, or a length and chunks, are how requests get smuggled. */
static int judge_body(struct http_head *out)
{
	struct http_text length = http_find(out, "Content-Length");
	size_t n_lengths = 0;

	for (size_t i = 0; i < out->n_fields; i++)
		n_lengths += is_word(out->fields[i].name, "Content-Length");
	out->chunked = http_find(out, "Transfer-Encoding").at != NULL;
	out->has_length = n_lengths > 0;
	if (n_lengths > 1 || (out->has_length && out->chunked))
		return -EBADMSG;
	return out->has_length ? parse_length(length, &out->content_length) : 0;
}

static int parse_fields(struct http_text *rest, struct http_head *out)
{
	struct http_text line;

	for (;;) {
		if (!take_line(rest, &line))
			return -EAGAIN;
		if (line.len == 0)
			return judge_body(out);
		int err = parse_field(line, out);
		if (err)
			return err;
	}
}

static bool take_version(struct http_text version, struct http_head *out)
{
	out->keep_alive = http_text_is(version, "HTTP/1.1");
	return out->keep_alive || http_text_is(version, "HTTP/1.0");
}

static int parse_request_line(struct http_text line, struct http_head *out)
{
	struct http_text rest = line;

	out->method = take_until(&rest, ' ');
	out->target = take_until(&rest, ' ');
	if (!is_token(out->method) || !is_visible(out->target) || !take_version(rest, out))
		return -EBADMSG;
	out->query = out->target;
	out->path = take_until(&out->query, '?');
	return out->path.at[0] == '/' || http_text_is(out->target, "*") ? 0 : -EBADMSG;
}

static int parse_status_line(struct http_text line, struct http_head *out)
{
	struct http_text rest = line, version = take_until(&rest, ' ');
	struct http_text status = take_until(&rest, ' ');
	size_t number;

	if (!take_version(version, out) || status.len != 3 || parse_length(status, &number) != 0 ||
	    number < 100)
		return -EBADMSG;
	out->status = (unsigned)number;
	return 0;
}

static int parse_head(const char *buf, size_t len, struct http_head *out, size_t *used,
		      int (*parse_first)(struct http_text line, struct http_head *out))
{
	struct http_text rest = {buf, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX}, line;
	struct http_text whole = rest;
	int err = -EAGAIN;

	*out = (struct http_head){0};
	if (take_line(&rest, &line))
		err = parse_first(line, out);
	if (err == 0)
		err = parse_fields(&rest, out);
	if (err == -EAGAIN && len >= HTTP_HEAD_MAX)
		return -E2BIG;
	if (err)
		return err;
	out->keep_alive = out->keep_alive && !http_has_token(out, "Connection", "close");
	*used = whole.len - rest.len;
	return 0;
}

int http_parse_request(const char *buf, size_t len, struct http_head *out, size_t *used)
{
	return parse_head(buf, len, out, used, parse_request_line);
}

int http_parse_response(const char *buf, size_t len, struct http_head *out, size_t *used)
{
	return parse_head(buf, len, out, used, parse_status_line);
}

/* ---- URLs ---- */

static int parse_port(struct http_text text, uint16_t *out)
{
	size_t number;

	if (text.len > 5 || parse_length(text, &number) != 0 || number == 0 || number > 65535)
		return -EBADMSG;
	*out = (uint16_t)number;
	return 0;
}

static int parse_authority(struct http_text text, struct http_url *out)
{
	struct http_text host, port;
	struct ip_addr ip;

	if (text.len > 0 && text.at[0] == '[') {
		port = (struct http_text){text.at + 1, text.len - 1};
		host = take_until(&port, ']');
		if (!port.at || (port.len > 0 && port.at[0] != ':'))
			return -EBADMSG;
		port = port.len > 0 ? (struct http_text){port.at + 1, port.len - 1}
				    : (struct http_text){0};
	} else {
		port = text;
		host = take_until(&port, ':');
	}
	if (!is_visible(host) || !http_text_copy(host, out->host, sizeof(out->host)))
		return -EBADMSG;
	bool bracketed = text.at[0] == '[';
	if (bracketed ? ip_parse(out->host, &ip) != 0 : strpbrk(out->host, "@[]\\\"<>") != NULL)
		return -EBADMSG;
	return port.at ? parse_port(port, &out->port) : 0;
}

int http_url_parse(const char *text, struct http_url *out)
{
	static const char secure[] = "https://", plain[] = "http://";
	struct http_url url = {0};

	url.tls = strncmp(text, secure, sizeof(secure) - 1) == 0;
	if (!url.tls && strncmp(text, plain, sizeof(plain) - 1) != 0)
		return -EBADMSG;
	url.port = url.tls ? 443 : 80;
	const char *authority = text + (url.tls ? sizeof(secure) : sizeof(plain)) - 1;
	size_t n = strcspn(authority, "/?#");
	const char *path = authority + n;
	size_t path_len = strcspn(path, "#");

	if (parse_authority((struct http_text){authority, n}, &url) != 0)
		return -EBADMSG;
	int len = snprintf(url.path, sizeof(url.path), "%s%.*s", path[0] == '/' ? "" : "/",
			   (int)path_len, path);
	if (len < 0 || (size_t)len >= sizeof(url.path) ||
	    !is_visible((struct http_text){url.path, (size_t)len}))
		return -EBADMSG;
	*out = url;
	return 0;
}

void http_url_authority(const struct http_url *url, char out[static HTTP_HOST_LEN + 16])
{
	const char *open = strchr(url->host, ':') ? "[" : "", *close = *open ? "]" : "";

	if (url->port == (url->tls ? 443 : 80))
		snprintf(out, HTTP_HOST_LEN + 16, "%s%s%s", open, url->host, close);
	else
		snprintf(out, HTTP_HOST_LEN + 16, "%s%s%s:%u", open, url->host, close, url->port);
}
