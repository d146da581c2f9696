/*
 * node_commands: what `warren` asks for, over the local socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/local/history_view.h"
#include "agent/local/ping_stats.h"
#include "agent/netcheck.h"
#include "agent/node_inside.h"
#include "agent/pinger.h"
#include "common/clock.h"
#include "common/version.h"

enum {
	PEER_TEXT_MAX = 160,
	PING_COUNT_MAX = 1000000,
};

static const uint64_t since_max_ms = 31ull * 86400 * 1000;
static const uint64_t up_timeout_us = 30 * US_PER_S;
static const uint64_t watch_every_us = 1 * US_PER_S;
static const uint64_t netcheck_timeout_us = 5 * US_PER_S;

enum work_kind { WORK_PING, WORK_UP, WORK_WATCH, WORK_NETCHECK };

struct node_work {
	enum work_kind kind;
	struct node *node;
	struct local_request *req;
	uint64_t started_us, due_us;
	bool needs_link; /* WORK_UP: the coordinator is to have its say first */
	/* WORK_PING */
	struct peer *peer;
	struct pinger pinger;
	struct ping_stats stats;
	bool until_direct;
	/* WORK_NETCHECK */
	struct netcheck *netcheck;
};

/* ---- work that goes on ---- */

static struct node_work *start_work(struct node *node, struct local_request *req,
				    enum work_kind kind)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++) {
		if (node->work[i])
			continue;
		struct node_work *w = calloc(1, sizeof(*w));

		if (!w)
			break;
		w->kind = kind;
		w->node = node;
		w->req = req;
		w->started_us = clock_now_us();
		w->due_us = US_NEVER;
		local_request_set_data(req, w);
		node->work[i] = w;
		return w;
	}
	local_done(req, 1, "the daemon is busy with other commands: try again in a moment");
	return NULL;
}

static void drop_work(struct node_work *w)
{
	struct node *node = w->node;

	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] == w)
			node->work[i] = NULL;
	netcheck_free(w->netcheck);
	free(w);
}

static void end_work(struct node_work *w, int exit_status, const char *error)
{
	struct local_request *req = w->req;

	drop_work(w);
	local_done(req, exit_status, error);
}

static void on_cancel(void *arg, struct local_request *req)
{
	struct node_work *w = local_request_data(req);

	(void)arg;
	if (w)
		drop_work(w);
}

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

/* NULL with a line in error where no peer, or more than one, is meant. */
static struct peer *find_peer(struct node *node, const char *text,
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
	struct node_work *w = start_work(node, req, WORK_WATCH);
	if (w)
		w->due_us = w->started_us + watch_every_us;
}

/* ---- ping ---- */

static void do_ping(struct node *node, struct local_request *req, const struct json_in *body)
{
	char error[LOCAL_ERROR_LEN];
	struct peer *peer = find_peer(node, json_str(body, "peer", PEER_TEXT_MAX), error);

	if (!peer) {
		local_done(req, 1, error);
		return;
	}
	struct node_work *w = start_work(node, req, WORK_PING);
	if (!w)
		return;
	uint64_t interval_ms = json_opt_u64(body, "interval_ms", 0, 3600 * 1000, 1000);
	uint64_t count = json_opt_u64(body, "count", 0, PING_COUNT_MAX, 0);
	w->peer = peer;
	w->until_direct = json_opt_bool(body, "until_direct", false);
	pinger_init(&w->pinger, interval_ms * US_PER_MS, (uint32_t)count, w->started_us);
	w->due_us = w->started_us;
	peer_want(peer, w->started_us);
}

static void finish_ping(struct node_work *w)
{
	bool any = w->stats.answered > 0;

	local_reply(w->req, ping_stats_json(&w->stats));
	end_work(w, any ? 0 : 1, any ? NULL : "nothing answered");
}

/* True where the series is over and w is gone. */
static bool take_result(struct node_work *w, const struct pinger_result *r, uint64_t now_us)
{
	bool direct = !r->timeout && r->way.kind == WAY_DIRECT;

	if (r->timeout) {
		ping_stats_on_loss(&w->stats);
		local_reply(w->req, ping_timeout_json(r->seq));
	} else {
		ping_stats_on_answer(&w->stats, r->rtt_us, direct, now_us - w->started_us);
		local_reply(w->req, ping_answer_json(r->seq, &r->way, r->rtt_us));
	}
	if (!pinger_done(&w->pinger) && !(w->until_direct && direct))
		return false;
	finish_ping(w);
	return true;
}

static void ping_step(struct node_work *w, uint64_t now_us)
{
	uint8_t txid[DISCO_TXID_LEN];
	struct way way = way_none();
	struct pinger_result r;

	while (pinger_expired(&w->pinger, now_us, &r))
		if (take_result(w, &r, now_us))
			return;
	if (pinger_is_due(&w->pinger, now_us)) {
		if (peer_ping(w->peer, now_us, txid, &way) != 0)
			randombytes_buf(txid, sizeof(txid)); /* no way: it will time out */
		pinger_on_sent(&w->pinger, txid, &way, now_us);
	}
	w->due_us = pinger_deadline_us(&w->pinger);
}

void node_commands_on_pong(struct node *node, struct peer *peer,
			   const uint8_t txid[static DISCO_TXID_LEN], uint64_t now_us)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++) {
		struct node_work *w = node->work[i];
		struct pinger_result r;

		if (!w || w->kind != WORK_PING || w->peer != peer ||
		    !pinger_on_pong(&w->pinger, txid, now_us, &r))
			continue;
		take_result(w, &r, now_us);
		return;
	}
}

void node_commands_on_peer_gone(struct node *node, struct peer *peer)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind == WORK_PING &&
		    node->work[i]->peer == peer)
			end_work(node->work[i], 1, "the peer left the mesh");
}

void node_commands_on_off(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind != WORK_WATCH)
			end_work(node->work[i], 1, "the node was taken down meanwhile");
}

void node_commands_drop(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i])
			drop_work(node->work[i]);
}

/* ---- netcheck ---- */

static void finish_netcheck(struct node_work *w)
{
	struct node *node = w->node;
	struct stun_survey_report report;

	node_reach_report(node, &report);
	local_reply(w->req, netcheck_json(w->netcheck, node->survey, &report, node->home.home));
	end_work(w, 0, NULL);
}

static void on_netcheck_progress(void *arg)
{
	struct node_work *w = arg;

	/* Not from within the call's own callback: the next round of the timer finishes it. */
	if (netcheck_is_done(w->netcheck) && stun_survey_is_done(w->node->survey))
		w->due_us = 0;
	node_arm(w->node);
}

static void do_netcheck(struct node *node, struct local_request *req)
{
	if (!node->on) {
		local_done(req, 1, "the node is down: `warren up` first");
		return;
	}
	struct node_work *w = start_work(node, req, WORK_NETCHECK);
	if (!w)
		return;
	struct netcheck_config cfg = {.base = node->base,
				      .resolver = node->resolver,
				      .relays = node->relay_map,
				      .ca_file = node->settings->ca_file,
				      .on_progress = on_netcheck_progress,
				      .arg = w};
	w->netcheck = netcheck_new(&cfg);
	if (!w->netcheck) {
		end_work(w, 1, "out of memory");
		return;
	}
	node_reach_survey(node, w->started_us);
	w->due_us = w->started_us + netcheck_timeout_us;
	if (netcheck_is_done(w->netcheck) && stun_survey_is_done(node->survey))
		w->due_us = w->started_us;
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
		struct peer *peer = find_peer(node, text, error);

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

/* ---- up and down ---- */

static int take_invitation(struct node *node, const char *text, char error[static NODE_ERROR_LEN])
{
	struct invitation invitation;

	if (invitation_parse(text, &invitation) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "that is no invitation: paste the whole line, "
			 "warren://host:port/#token=...&pin=...");
		return -EINVAL;
	}
	if (node->id.id != 0 && strcmp(node->id.url, invitation.url) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "this node belongs to %s: use another --state-dir to join a second mesh",
			 node->id.url);
		return -EINVAL;
	}
	bool other_pin = invitation.has_pin &&
			 (!node->id.has_pin ||
			  memcmp(node->id.pin, invitation.pin, sizeof(node->id.pin)) != 0);
	if (node->id.id == 0 || other_pin) {
		node_turn_off(node); /* what is under way is for another invitation */
		memcpy(node->id.url, invitation.url, sizeof(node->id.url));
		node->id.has_pin = invitation.has_pin;
		memcpy(node->id.pin, invitation.pin, sizeof(node->id.pin));
	}
	/* A node that the mesh knows needs no token; one that was removed joins anew by it. */
	if (!node->link_up)
		memcpy(node->token, invitation.token, sizeof(node->token));
	sodium_memzero(&invitation, sizeof(invitation));
	return 0;
}

static void do_up(struct node *node, struct local_request *req, const struct json_in *body)
{
	const char *text = json_opt_str(body, "invitation", INVITATION_TEXT_LEN, "");
	char error[NODE_ERROR_LEN];

	if (*text && take_invitation(node, text, error) != 0) {
		local_done(req, 1, error);
		return;
	}
	if (!node->id.url[0]) {
		local_done(req, 1,
			   "this node belongs to no mesh yet: warren up INVITATION (the "
			   "coordinator's `token create` prints one)");
		return;
	}
	node->id.up = true;
	node_save_identity(node);
	if (!node->on && node_turn_on(node, error) != 0) {
		local_done(req, 1, error);
		return;
	}
	struct node_work *w = start_work(node, req, WORK_UP);
	if (!w)
		return;
	w->needs_link = node->refused || node->token[0];
	if (node->refused)
		coordinator_link_retry(node->link);
	w->due_us = w->started_us + up_timeout_us;
	node_commands_on_change(node);
	node_arm(node);
}

static void do_down(struct node *node, struct local_request *req)
{
	node->id.up = false;
	node_save_identity(node);
	node_turn_off(node);
	local_done(req, 0, NULL);
}

static bool is_up_waiting(const struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind == WORK_UP)
			return true;
	return false;
}

static void need_no_link(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i])
			node->work[i]->needs_link = false;
}

static void end_ups(struct node *node, const char *error)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind == WORK_UP)
			end_work(node->work[i], 1, error);
}

/* What to do about it, by what the link says. Only some of it mends by itself. */
struct remedy {
	const char *sign, *advice;
	bool hopeless;
};

static const struct remedy *find_remedy(const char *error)
{
	static const struct remedy remedies[] = {
		{"pinned", "ask for a fresh invitation", true},
		{"certificate",
		 "give warrend its authority with --ca-file, or ask for an invitation with a pin",
		 true},
		{"no such host name", "check the name, or this machine's DNS", false},
		{"refused", "is the coordinator running at that address and port?", false},
		{"", "check that this machine reaches that address", false},
	};
	size_t i = 0;

	while (!strstr(error, remedies[i].sign)) /* all texts have the last one's */
		i++;
	return &remedies[i];
}

void node_commands_on_link_failed(struct node *node)
{
	const struct remedy *remedy = find_remedy(node->link_error);
	char error[LOCAL_ERROR_LEN];

	if (node->id.id != 0) { /* the saved map serves, and the link goes on trying */
		need_no_link(node);
		return;
	}
	if (!is_up_waiting(node)) /* nobody asked: the daemon goes on trying */
		return;
	snprintf(error, sizeof(error), "cannot join: %.140s; %s%s", node->link_error,
		 remedy->advice, remedy->hopeless ? "" : " (warrend goes on trying)");
	end_ups(node, error);
	if (remedy->hopeless) {
		node->id.up = false;
		node_save_identity(node);
		node_turn_off(node);
	}
}

static void up_timed_out(struct node_work *w)
{
	char error[LOCAL_ERROR_LEN];
	const char *why = w->node->link_error;

	snprintf(error, sizeof(error), "not online after 30 s: %.180s%s",
		 why[0] ? why : "the coordinator has not answered",
		 "; it goes on trying, `warren status` tells");
	end_work(w, 1, error);
}

void node_commands_on_refused(struct node *node, const char *text)
{
	end_ups(node, text);
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
		do_ping(node, req, body);
	else if (strcmp(cmd, "netcheck") == 0)
		do_netcheck(node, req);
	else if (strcmp(cmd, "history") == 0)
		do_history(node, req, body);
	else if (strcmp(cmd, "up") == 0)
		do_up(node, req, body);
	else if (strcmp(cmd, "down") == 0)
		do_down(node, req);
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
	.on_cancel = on_cancel,
};

/* ---- time and change ---- */

static void on_due(struct node_work *w, uint64_t now_us)
{
	switch (w->kind) {
	case WORK_PING:
		ping_step(w, now_us);
		break;
	case WORK_UP:
		up_timed_out(w);
		break;
	case WORK_WATCH:
		w->due_us = now_us + watch_every_us;
		local_reply(w->req, node_status_json(w->node));
		break;
	case WORK_NETCHECK:
		finish_netcheck(w);
		break;
	}
}

void node_commands_on_deadline(struct node *node, uint64_t now_us)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->due_us <= now_us)
			on_due(node->work[i], now_us);
}

uint64_t node_commands_deadline_us(const struct node *node)
{
	uint64_t due_us = US_NEVER;

	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->due_us < due_us)
			due_us = node->work[i]->due_us;
	return due_us;
}

void node_commands_on_change(struct node *node)
{
	bool online = strcmp(node_state(node), "online") == 0;

	for (size_t i = 0; i < NODE_WORK_MAX; i++) {
		struct node_work *w = node->work[i];

		if (w && w->kind == WORK_UP && online && (node->link_up || !w->needs_link))
			end_work(w, 0, NULL);
		else if (w && w->kind == WORK_NETCHECK)
			on_netcheck_progress(w);
	}
}
