#include "coordinator/admin_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "coordinator/manage.h"
#include "coordinator/node_session.h"

enum { BODY_MAX = 1 << 20, AUDIT_LIMIT_MAX = 10000 };

static void answer_tree(struct admin_answer *out, unsigned status, struct json *tree)
{
	out->status = status;
	out->json = json_print(tree);
	json_free(tree);
}

static void answer_error(struct admin_answer *out, unsigned status, const char *text)
{
	struct json *tree = json_object_new();

	json_add_str(tree, "error", text);
	answer_tree(out, status, tree);
}

static void answer_done(struct admin_answer *out)
{
	answer_tree(out, 200, json_object_new());
}

static unsigned status_of(int err)
{
	switch (err) {
	case -ENOENT:
		return 404;
	case -EEXIST:
	case -EPERM:
	case -ENOTUNIQ:
		return 409;
	case -EIO:
	case -ENOSPC:
		return 500;
	default:
		return 400;
	}
}

/* 200 and nothing, or the error. */
static void answer_result(struct admin_answer *out, int err, const char *error)
{
	if (err)
		answer_error(out, status_of(err), error);
	else
		answer_done(out);
}

static void add_time(struct json *obj, const char *key, uint64_t unix_ms)
{
	char text[RFC3339_LEN];

	clock_rfc3339(unix_ms * US_PER_MS, text);
	json_add_str(obj, key, unix_ms ? text : NULL);
}

/* ---- tokens ---- */

static void answer_token(const struct admin_request *request, const struct token *t,
			 const char *text, struct admin_answer *out)
{
	struct invitation inv = *request->template;
	char line[INVITATION_TEXT_LEN] = "";
	struct json *tree = json_object_new();

	snprintf(inv.token, sizeof(inv.token), "%s", text);
	if (invitation_str(&inv, line) != 0)
		line[0] = '\0';
	json_add_str(tree, "token", text);
	json_add_str(tree, "invitation", line);
	add_time(tree, "expires", t->expires_unix_s * MS_PER_S);
	json_add_u64(tree, "id", t->id);
	answer_tree(out, 200, tree);
	sodium_memzero(&inv, sizeof(inv));
	sodium_memzero(line, sizeof(line));
}

static void create_token(struct coordinator *c, const struct admin_request *request,
			 const struct moment *now, struct admin_answer *out)
{
	struct json_error wrong = {0};
	struct json *tree;
	struct token t;
	char text[CONTROL_TOKEN_LEN], error[COORDINATOR_ERROR_LEN];

	if (json_parse(request->body, request->len, BODY_MAX, &tree, &wrong) != 0) {
		answer_error(out, 400, wrong.text);
		return;
	}
	struct json_in in = json_root(tree, &wrong);
	struct token_request asked = {
		.name = json_str(&in, "name", CONTROL_NAME_LEN - 1),
		.owner = json_str(&in, "owner", CONTROL_NAME_LEN - 1),
		.role = json_opt_str(&in, "role", 16, NULL),
		.ttl_s = json_opt_u64(&in, "ttl_s", 1, JSON_INT_MAX, 24 * 3600),
		.reusable = json_opt_bool(&in, "reusable", false),
		.ephemeral = json_opt_bool(&in, "ephemeral", false),
	};
	if (wrong.failed) {
		answer_error(out, 400, wrong.text);
	} else {
		int err = manage_token_create(c, &asked, request->random, now, text, &t, error);

		if (err)
			answer_error(out, status_of(err), error);
		else
			answer_token(request, &t, text, out);
		sodium_memzero(text, sizeof(text));
	}
	json_free(tree);
}

static const char *token_state(const struct token *t, uint64_t now_unix_s)
{
	if (t->revoked)
		return "revoked";
	if (now_unix_s >= t->expires_unix_s)
		return "expired";
	return public_key_is_zero(&t->spent_by) ? "open" : "used";
}

static void list_tokens(struct coordinator *c, const struct admin_request *request,
			const struct moment *now, struct admin_answer *out)
{
	struct json *tree = json_object_new();
	struct json *list = json_add_array(tree, "tokens");

	(void)request;
	for (size_t i = 0; i < c->tokens.count; i++) {
		const struct token *t = &c->tokens.list[i];
		struct json *item = json_append_object(list);

		json_add_u64(item, "id", t->id);
		json_add_str(item, "name", t->name);
		json_add_str(item, "owner", t->owner);
		json_add_str(item, "role", t->has_role ? control_role_str(t->role) : NULL);
		json_add_str(item, "state", token_state(t, now->unix_ms / MS_PER_S));
		json_add_bool(item, "reusable", t->reusable);
		json_add_bool(item, "ephemeral", t->ephemeral);
		add_time(item, "created", t->created_unix_s * MS_PER_S);
		add_time(item, "expires", t->expires_unix_s * MS_PER_S);
	}
	answer_tree(out, 200, tree);
}

/* The decimal number behind the path's last slash; 0 where it is none. */
static uint32_t path_number(const char *path)
{
	char *end;
	const char *text = strrchr(path, '/') + 1;
	unsigned long long value = strtoull(text, &end, 10);

	return *text == '\0' || *end != '\0' || value > UINT32_MAX ? 0 : (uint32_t)value;
}

static void revoke_token(struct coordinator *c, const struct admin_request *request,
			 const struct moment *now, struct admin_answer *out)
{
	char error[COORDINATOR_ERROR_LEN];

	answer_result(out, manage_token_revoke(c, path_number(request->path), now, error), error);
}

/* ---- nodes ---- */

static void add_node(struct json *item, const struct node *n)
{
	char key[KEY_TEXT_LEN], v4[IP_TEXT_LEN], v6[IP_TEXT_LEN];
	struct json *addresses;

	ip_str(&n->v4, v4);
	ip_str(&n->v6, v6);
	public_key_str(&n->node_key.key, "nodekey", key);
	json_add_u64(item, "id", n->id);
	json_add_str(item, "name", n->name);
	json_add_str(item, "owner", n->owner);
	json_add_str(item, "role", control_role_str(n->role));
	addresses = json_add_array(item, "addresses");
	json_append_str(addresses, v4);
	json_append_str(addresses, v6);
	json_add_str(item, "node_key", key);
	json_add_bool(item, "online", n->online);
	json_add_bool(item, "ephemeral", n->ephemeral);
	json_add_u64(item, "home_region", n->home_region);
	json_add_str(item, "version", n->version);
	add_time(item, "joined", n->joined_unix_s * MS_PER_S);
	add_time(item, "seen", n->seen_unix_s * MS_PER_S);
	if (n->session)
		json_add_u64(item, "acked", n->session->acked);
}

static int by_owner_and_name(const void *a, const void *b)
{
	const struct node *left = *(struct node *const *)a, *right = *(struct node *const *)b;
	int order = strcmp(left->owner, right->owner);

	return order ? order : strcmp(left->name, right->name);
}

static void list_nodes(struct coordinator *c, const struct admin_request *request,
		       const struct moment *now, struct admin_answer *out)
{
	struct json *tree = json_object_new();
	struct json *list = json_add_array(tree, "nodes");
	size_t count;
	struct node *const *all = registry_all(c->registry, &count);
	struct node **sorted = calloc(count + 1, sizeof(struct node *));

	(void)request, (void)now;
	if (!sorted)
		abort();
	if (count > 0)
		memcpy(sorted, all, count * sizeof(struct node *));
	qsort(sorted, count, sizeof(struct node *), by_owner_and_name);
	for (size_t i = 0; i < count; i++)
		add_node(json_append_object(list), sorted[i]);
	free(sorted);
	json_add_u64(tree, "map_number", netmap_number(c->netmap));
	answer_tree(out, 200, tree);
}

static void remove_node(struct coordinator *c, const struct admin_request *request,
			const struct moment *now, struct admin_answer *out)
{
	char error[COORDINATOR_ERROR_LEN];
	const char *name = strrchr(request->path, '/') + 1;

	answer_result(out, manage_node_remove(c, name, now, error), error);
}

/* ---- policy ---- */

static void show_policy(struct coordinator *c, const struct admin_request *request,
			const struct moment *now, struct admin_answer *out)
{
	static const char built_in[] = "{\"default\":true,\"rules\":[]}";

	(void)request, (void)now;
	out->status = 200;
	out->json = strdup(c->policy_text ? c->policy_text : built_in);
}

static void set_policy(struct coordinator *c, const struct admin_request *request,
		       const struct moment *now, struct admin_answer *out)
{
	char error[COORDINATOR_ERROR_LEN];

	answer_result(out, manage_policy_set(c, request->body, request->len, false, now, error),
		      error);
}

/* ---- relays ---- */

static void show_relay_map(struct coordinator *c, const struct admin_request *request,
			   const struct moment *now, struct admin_answer *out)
{
	(void)request, (void)now;
	out->status = 200;
	out->json = strdup(c->relays.text);
}

static void add_relay(struct coordinator *c, const struct admin_request *request,
		      const struct moment *now, struct admin_answer *out)
{
	char secret[RELAY_SECRET_LEN], error[COORDINATOR_ERROR_LEN];
	uint32_t region;

	int err = manage_relay_add(c, request->body, request->len, request->random, now, secret,
				   &region, error);
	if (err) {
		answer_error(out, status_of(err), error);
		return;
	}
	struct json *tree = json_object_new();
	json_add_u64(tree, "region", region);
	json_add_str(tree, "secret", secret);
	answer_tree(out, 200, tree);
	sodium_memzero(secret, sizeof(secret));
}

static void remove_relay(struct coordinator *c, const struct admin_request *request,
			 const struct moment *now, struct admin_answer *out)
{
	char error[COORDINATOR_ERROR_LEN];

	answer_result(out, manage_relay_remove(c, path_number(request->path), now, error), error);
}

void admin_api_admit(struct coordinator *c, const char *secret, const char *body, size_t len,
		     struct admin_answer *out)
{
	struct json_error wrong = {0};
	struct public_key key;
	struct json *tree;
	bool allow;

	if (json_parse(body, len, 4096, &tree, &wrong) != 0) {
		answer_error(out, 400, wrong.text);
		return;
	}
	struct json_in in = json_root(tree, &wrong);
	int err = public_key_parse(json_str(&in, "NodePublic", KEY_TEXT_LEN), "nodekey", &key);
	json_free(tree);
	if (err) {
		answer_error(out, 400, "NodePublic is not nodekey:HEX");
		return;
	}
	if (manage_admit(c, secret, &key, &allow) != 0) {
		answer_error(out, 403, "no relay has this admission secret: see relay add");
		return;
	}
	struct json *answer = json_object_new();
	json_add_bool(answer, "Allow", allow);
	answer_tree(out, 200, answer);
}

/* ---- audit ---- */

static void add_row(void *arg, const struct audit_row *row)
{
	struct json *item = json_append_object(arg);

	json_add_u64(item, "id", row->id);
	add_time(item, "t", row->unix_ms);
	json_add_str(item, "kind", row->kind);
	json_add_str(item, "who", row->who);
	json_add_str(item, "what", row->what);
}

static void list_audit(struct coordinator *c, const struct admin_request *request,
		       const struct moment *now, struct admin_answer *out)
{
	struct json *tree = json_object_new();
	struct json *list = json_add_array(tree, "rows");
	size_t limit = request->limit < AUDIT_LIMIT_MAX ? request->limit : AUDIT_LIMIT_MAX;

	(void)now;
	coordinator_flush(c);
	if (c->store->ops->audit_read(c->store, request->after, limit, request->newest, add_row,
				      list) != 0) {
		json_free(tree);
		answer_error(out, 500, "the store cannot be read");
		return;
	}
	answer_tree(out, 200, tree);
}

/* ---- the admin key ---- */

static void make_admin_key(struct coordinator *c, const struct admin_request *request,
			   const struct moment *now, struct admin_answer *out)
{
	char key[ADMIN_KEY_LEN], error[COORDINATOR_ERROR_LEN];

	if (!request->is_local) {
		answer_error(out, 403, "an admin key is made on the server itself only");
		return;
	}
	int err = manage_admin_key_make(c, request->random, now, key, error);
	if (err) {
		answer_error(out, status_of(err), error);
		return;
	}
	struct json *tree = json_object_new();
	json_add_str(tree, "admin_key", key);
	answer_tree(out, 200, tree);
	sodium_memzero(key, sizeof(key));
}

/* ---- which is which ---- */

static const struct route {
	const char *method, *path; /* a path that ends in '/' takes one more word */
	void (*answer)(struct coordinator *c, const struct admin_request *request,
		       const struct moment *now, struct admin_answer *out);
} routes[] = {
	{"POST", "/v1/tokens", create_token},	   {"GET", "/v1/tokens", list_tokens},
	{"DELETE", "/v1/tokens/", revoke_token},   {"GET", "/v1/nodes", list_nodes},
	{"DELETE", "/v1/nodes/", remove_node},	   {"GET", "/v1/policy", show_policy},
	{"PUT", "/v1/policy", set_policy},	   {"GET", "/v1/relays", show_relay_map},
	{"GET", "/derpmap", show_relay_map},	   {"POST", "/v1/relays", add_relay},
	{"DELETE", "/v1/relays/", remove_relay},   {"GET", "/v1/audit", list_audit},
	{"POST", "/v1/admin-key", make_admin_key},
};

static bool path_fits(const struct route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (route->path[len - 1] != '/')
		return strcmp(path, route->path) == 0;
	return strncmp(path, route->path, len) == 0 && path[len] != '\0' &&
	       strchr(path + len, '/') == NULL;
}

void admin_api_answer(struct coordinator *c, const struct admin_request *request,
		      const struct moment *now, struct admin_answer *out)
{
	bool path_known = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!path_fits(&routes[i], request->path))
			continue;
		path_known = true;
		if (strcmp(routes[i].method, request->method) != 0)
			continue;
		routes[i].answer(c, request, now, out);
		return;
	}
	answer_error(out, path_known ? 405 : 404,
		     path_known ? "this path has no such method" : "there is no such path");
}
