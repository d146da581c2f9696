/*
 * node_commands: what `warren` asks for, over the local socket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/local/history_view.h"
#include "agent/node_work.h"
#include "common/clock.h"
#include "common/version.h"

static const uint64_t since_max_ms = 31ull * 86400 * 1000;

/* ---- whom a text means ---- */

static bool names_exactly(const struct control_peer *p, const char *text)
{
	char full[2 * CONTROL_NAME_LEN], mesh[2 * CONTROL_NAME_LEN + 8];
	struct ip_addr ip;

	snprintf(full, sizeof(full), "%s.%s", p->name, p->owner);
	snprintf(mesh, sizeof(mesh), "%s.%s.warren", p->name, p->owner);
	if (strcmp(text, p->name) == 0 || strcmp(text, full) == 0 || strcmp(text, mesh) == 0)
		return true;
	return ip_parse(text, &ip) == 0 && (ip_equal(&ip, &p->v4) || ip_equal(&ip, &p->v6));
}

struct peer *node_named_peer(struct node *node, const char *text,
			     char error[static LOCAL_ERROR_LEN])
{
	struct peer *exact = NULL, *prefixed = NULL;
	unsigned n_exact = 0, n_prefixed = 0;

	for (size_t i = 0; i < node->n_peers; i++) {
		struct peer *peer = node->peers[i].peer;

		if (!peer)
			continue;
		if (names_exactly(peer_info(peer), text)) {
			exact = peer;
			n_exact++;
		} else if (strncmp(peer_info(peer)->name, text, strlen(text)) == 0) {
			prefixed = peer;
			n_prefixed++;
		}
	}
	if (n_exact == 1)
		return exact;
	if (n_exact == 0 && n_prefixed == 1)
		return prefixed;
	if (n_exact + n_prefixed > 1)
		snprintf(error, LOCAL_ERROR_LEN, "%s means more than one peer: say NAME.OWNER",
			 text);
	else
		snprintf(error, LOCAL_ERROR_LEN,
			 "there is no peer %s in the mesh; `warren status` lists them", text);
	return NULL;
}

/* ---- status ---- */

static void do_status(struct node *node, struct local_request *req, const struct json_in *body)
{
	local_reply(req, node_status_json(node));
	if (!json_opt_bool(body, "watch", false)) {
		local_done(req, 0, NULL);
		return;
	}
	struct node_work *w = node_work_start(node, req, WORK_WATCH);
	if (w)
		w->due_us = w->started_us + WATCH_EVERY_US;
}

/* ---- history ---- */

struct history_reader {
	struct json *samples, *events;
	uint32_t peer_id;
};

static bool add_sample(void *arg, const struct sample *s)
{
	struct history_reader *reader = arg;

	history_view_add_sample(reader->samples, s);
	return true;
}

/* The node's own events (coordinator, relay, daemon) belong to every peer's story. */
static bool add_event(void *arg, const struct event *e)
{
	struct history_reader *reader = arg;

	if (e->peer_id == 0 || e->peer_id == reader->peer_id)
		history_view_add_event(reader->events, e);
	return true;
}

static struct json *read_history(struct node *node, const struct control_peer *p,
				 uint64_t since_unix_us)
{
	struct history_reader reader = {.peer_id = p->id};
	char name[2 * CONTROL_NAME_LEN];

	snprintf(name, sizeof(name), "%s.%s", p->name, p->owner);
	struct json *doc = history_view_new(name, &reader.samples, &reader.events);
	recorder_read_samples(node->recorder, p->id, since_unix_us, add_sample, &reader);
	recorder_read_events(node->recorder, 0, since_unix_us, add_event, &reader);
	return doc;
}

static struct json *read_all_history(struct node *node, uint64_t since_unix_us)
{
	struct json *root = json_object_new(), *list = json_add_array(root, "peers");

	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			json_append_tree(list, read_history(node, peer_info(node->peers[i].peer),
							    since_unix_us));
	return root;
}

static void do_history(struct node *node, struct local_request *req, const struct json_in *body)
{
	uint64_t since_ms = json_opt_u64(body, "since_ms", 1, since_max_ms, 3600 * 1000);
	uint64_t unix_us = clock_unix_us();
	uint64_t since = unix_us > since_ms * 1000 ? unix_us - since_ms * 1000 : 0;
	const char *text = json_opt_str(body, "peer", PEER_TEXT_MAX, "");
	char error[LOCAL_ERROR_LEN];

	if (*text) {
		struct peer *peer = node_named_peer(node, text, error);

		if (!peer) {
			local_done(req, 1, error);
			return;
		}
		local_reply(req, read_history(node, peer_info(peer), since));
		local_done(req, 0, NULL);
		return;
	}
	local_reply(req, read_all_history(node, since));
	local_done(req, 0, NULL);
}

/* ---- trust ---- */

static const struct trust_entry *find_remembered(const struct node *node, const char *text)
{
	for (size_t i = 0; i < node->trust.count; i++) {
		const struct trust_entry *e = &node->trust.entries[i];
		char full[2 * TRUST_NAME_LEN];

		snprintf(full, sizeof(full), "%s.%s", e->known.name, e->known.owner);
		if (strcmp(text, e->known.name) == 0 || strcmp(text, full) == 0)
			return e;
	}
	return NULL;
}

static struct json *describe_offer(const struct trust_entry *e)
{
	struct json *doc = json_object_new();
	char print[FINGERPRINT_LEN];

	json_add_str(doc, "name", e->known.name);
	json_add_str(doc, "owner", e->known.owner);
	trust_fingerprint(&e->known.machine_key, print);
	json_add_str(doc, "old", public_key_is_zero(&e->known.machine_key) ? NULL : print);
	trust_fingerprint(&e->offer.machine_key, print);
	json_add_str(doc, "new", e->has_offer ? print : NULL);
	return doc;
}

static void do_trust(struct node *node, struct local_request *req, const struct json_in *body)
{
	const char *name = json_str(body, "name", PEER_TEXT_MAX);
	const char *print = json_opt_str(body, "fingerprint", FINGERPRINT_LEN, "");
	const struct trust_entry *e = find_remembered(node, name);

	if (!e) {
		local_done(req, 1, "no node of that name was ever seen");
		return;
	}
	if (!*print) {
		local_reply(req, describe_offer(e));
		local_done(req, 0, NULL);
		return;
	}
	int err = trust_accept(&node->trust, e->known.name, e->known.owner, print);
	if (err != 0) {
		local_done(req, 1,
			   err == -ENOENT
				   ? "nothing waits to be trusted under that name"
				   : "that is not the fingerprint shown: nothing was changed");
		return;
	}
	node_apply_map(node, clock_now_us());
	struct json *doc = json_object_new();
	json_add_bool(doc, "accepted", true);
	local_reply(req, doc);
	local_done(req, 0, NULL);
}

/* ---- requests ---- */

static void do_version(struct local_request *req)
{
	struct json *doc = json_object_new();

	json_add_str(doc, "version", version_number());
	json_add_str(doc, "commit", version_commit());
	local_reply(req, doc);
	local_done(req, 0, NULL);
}

static bool needs_privilege(const char *cmd)
{
	return strcmp(cmd, "up") == 0 || strcmp(cmd, "down") == 0 || strcmp(cmd, "trust") == 0;
}

static void dispatch(struct node *node, struct local_request *req, const struct json_in *body)
{
	const char *cmd = local_request_cmd(req);

	if (strcmp(cmd, "status") == 0)
		do_status(node, req, body);
	else if (strcmp(cmd, "ping") == 0)
		node_do_ping(node, req, body);
	else if (strcmp(cmd, "netcheck") == 0)
		node_do_netcheck(node, req);
	else if (strcmp(cmd, "history") == 0)
		do_history(node, req, body);
	else if (strcmp(cmd, "up") == 0)
		node_do_up(node, req, body);
	else if (strcmp(cmd, "down") == 0)
		node_do_down(node, req);
	else if (strcmp(cmd, "trust") == 0)
		do_trust(node, req, body);
	else if (strcmp(cmd, "version") == 0)
		do_version(req);
	else
		local_done(req, 2, "this daemon does not know that command");
}

static void on_request(void *arg, struct local_request *req)
{
	struct node *node = arg;
	struct json_error err = {0};
	struct json_in body = json_root(local_request_body(req), &err);
	const char *cmd = local_request_cmd(req);

	if (needs_privilege(cmd)) {
		if (!local_request_is_privileged(req)) {
			local_done(
				req, 1,
				"not allowed: use sudo, or name this user with warrend --operator");
			return;
		}
		log_info("local", log_event(cmd), log_u64("uid", local_request_uid(req)));
	}
	dispatch(node, req, &body);
	node_arm(node);
}

const struct local_server_ops node_local_ops = {
	.on_request = on_request,
	.on_cancel = node_work_on_cancel,
};
