#include "coordinator/admin_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/key.h"
#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/statefile.h"
#include "coordinator/admin_socket.h"

enum { ANSWER_MAX = 64 << 20, PATH_LEN = 1024, KEY_FILE_MAX = 256 };

__attribute__((format(printf, 3, 4))) static int fail(char *error, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, ADMIN_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

/* Takes the body where all is well, else says what the server said. */
static int judge_answer(unsigned status, const char *body, size_t len, char **answer, char *error)
{
	struct json_error wrong = {0};
	struct json *tree;

	if (status == 200) {
		*answer = strndup(body, len);
		return *answer ? 0 : -ENOMEM;
	}
	if (status == 401)
		return fail(error, -EACCES,
			    "the server does not accept this admin key: make one there with "
			    "warren-coordinator admin-key");
	if (json_parse(body, len, ANSWER_MAX, &tree, &wrong) != 0)
		return fail(error, -EPROTO, "the server answered with status %u", status);
	struct json_in root = json_root(tree, &wrong);
	fail(error, -EPROTO, "%s", json_opt_str(&root, "error", ADMIN_ERROR_LEN, "it failed"));
	json_free(tree);
	return -EPROTO;
}

/* ---- the local socket ---- */

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Everything until the other side closes; a NUL stands behind it. */
static int read_all(int fd, char **out, size_t *len)
{
	size_t cap = 64 << 10, got = 0;
	char *buf = malloc(cap);

	for (;;) {
		if (buf && got + 1 == cap && cap < ANSWER_MAX) {
			cap *= 2;
			buf = realloc(buf, cap);
		}
		if (!buf)
			abort();
		ssize_t n = read(fd, buf + got, cap - got - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			buf[got] = '\0';
			*out = buf;
			*len = got;
			return n == 0 ? 0 : -errno;
		}
		got += (size_t)n;
	}
}

static int exchange(int fd, const char *method, const char *path, const char *body, size_t len,
		    char **answer, char *error)
{
	struct http_head head;
	char request[PATH_LEN], *got;
	size_t got_len, used;

	int head_len = snprintf(request, sizeof(request),
				"%s %s HTTP/1.1\r\nHost: local\r\nConnection: close\r\n"
				"Content-Length: %zu\r\n\r\n",
				method, path, len);
	if (head_len < 0 || (size_t)head_len >= sizeof(request))
		return fail(error, -EINVAL, "this name is too long");
	int err = write_all(fd, request, (size_t)head_len);
	if (err == 0)
		err = write_all(fd, body, len);
	if (err)
		return fail(error, err, "the coordinator went away: %s", strerror(-err));
	err = read_all(fd, &got, &got_len);
	if (err == 0)
		err = http_parse_response(got, got_len, &head, &used);
	if (err)
		fail(error, err, "the coordinator's answer was cut short");
	else
		err = judge_answer(head.status, got + used, got_len - used, answer, error);
	sodium_memzero(got, got_len);
	free(got);
	return err;
}

static int call_local(const struct admin_target *target, const char *method, const char *path,
		      const char *body, size_t len, char **answer, char *error)
{
	char socket_path[PATH_LEN];
	int fd;

	snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", target->state_dir);
	int err = admin_socket_connect(socket_path, &fd);
	if (err == -EACCES || err == -EPERM)
		return fail(error, err, "not allowed to open %.300s: run this as its owner",
			    socket_path);
	if (err)
		return fail(error, err,
			    "no coordinator answers at %.300s: start warren-coordinator serve, or "
			    "name its folder with --state-dir",
			    socket_path);
	err = exchange(fd, method, path, body, len, answer, error);
	close(fd);
	return err;
}

/* ---- a server afar ---- */

struct remote {
	struct event_base *base;
	int err;
	char **answer;
	char *error;
};

static void on_result(void *arg, const struct http_result *result)
{
	struct remote *r = arg;

	if (result->error)
		r->err = fail(r->error, -EIO, "%s", result->error);
	else
		r->err = judge_answer(result->status, result->body, result->len, r->answer,
				      r->error);
	loop_stop(r->base);
}

static int read_key(const struct admin_target *target, char fields[static KEY_FILE_MAX + 64],
		    char *error)
{
	char *key;
	size_t len;

	if (!target->admin_key_file)
		return fail(error, -EINVAL, "--server needs --admin-key-file");
	int err = statefile_read(target->admin_key_file, KEY_FILE_MAX - 1, &key, &len);
	if (err)
		return fail(error, err, "cannot read %s: %s", target->admin_key_file,
			    strerror(-err));
	snprintf(fields, KEY_FILE_MAX + 64, "Authorization: Bearer %.*s\r\n",
		 (int)strcspn(key, " \r\n\t"), key);
	sodium_memzero(key, len);
	free(key);
	return 0;
}

static int choose_trust(const struct admin_target *target, struct dial_config *dial, char *error)
{
	static const char prefix[] = "sha256:";
	struct http_url url;
	char tls_error[TLS_ERROR_LEN];

	if (http_url_parse(target->server, &url) != 0 || !url.tls)
		return fail(error, -EINVAL, "--server is https://HOST[:PORT]");
	snprintf(dial->host, sizeof(dial->host), "%s", url.host);
	dial->port = url.port;
	if (target->pin) {
		dial->trust.kind = TLS_TRUST_SPKI_PIN;
		if (strncmp(target->pin, prefix, strlen(prefix)) != 0 ||
		    hex_decode(target->pin + strlen(prefix), dial->trust.pin, TLS_HASH_LEN) != 0)
			return fail(error, -EINVAL, "--pin is sha256: and 64 hexadecimal digits");
	}
	if (tls_client_context_new(target->ca_file, &dial->tls, tls_error) != 0)
		return fail(error, -EINVAL, "%s", tls_error);
	return 0;
}

static int call_remote(const struct admin_target *target, const char *method, const char *path,
		       const char *body, size_t len, char **answer, char *error)
{
	char fields[KEY_FILE_MAX + 64];
	struct dial_config dial = {.port = 0};
	struct remote r = {.answer = answer, .error = error};

	int err = read_key(target, fields, error);
	if (err == 0)
		err = choose_trust(target, &dial, error);
	if (err)
		return err;
	r.base = loop_base_new();
	struct resolver *resolver = resolver_new(r.base);
	struct http_call_config cfg = {.dial = &dial,
				       .method = method,
				       .path = path,
				       .fields = fields,
				       .body = body,
				       .body_len = len,
				       .answer_max = ANSWER_MAX};
	struct http_call *call = http_call_new(r.base, resolver, &cfg, on_result, &r);
	loop_run(r.base);
	http_call_free(call);
	resolver_free(resolver);
	loop_base_free(r.base);
	tls_context_free(dial.tls);
	sodium_memzero(fields, sizeof(fields));
	return r.err;
}

int admin_call(const struct admin_target *target, const char *method, const char *path,
	       const char *body, size_t len, char **answer, char error[static ADMIN_ERROR_LEN])
{
	return target->server ? call_remote(target, method, path, body, len, answer, error)
			      : call_local(target, method, path, body, len, answer, error);
}
