/*
 * node_ping: `warren ping` and `warren netcheck`.
 */
#include "agent/node_work.h"

#include <sodium.h>

enum { PING_COUNT_MAX = 1000000 };

static const uint64_t netcheck_timeout_us = 5 * US_PER_S;

/* ---- ping ---- */

void node_do_ping(struct node *node, struct local_request *req, const struct json_in *body)
{
	char error[LOCAL_ERROR_LEN];
	struct peer *peer = node_named_peer(node, json_str(body, "peer", PEER_TEXT_MAX), error);

	if (!peer) {
		local_done(req, 1, error);
		return;
	}
	struct node_work *w = node_work_start(node, req, WORK_PING);
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
	node_work_end(w, any ? 0 : 1, any ? NULL : "nothing answered");
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

void node_ping_step(struct node_work *w, uint64_t now_us)
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
			node_work_end(node->work[i], 1, "the peer left the mesh");
}

/* ---- netcheck ---- */

void node_netcheck_finish(struct node_work *w)
{
	struct node *node = w->node;
	struct stun_survey_report report;

	node_reach_report(node, &report);
	local_reply(w->req, netcheck_json(w->netcheck, node->survey, &report, node->home.home));
	node_work_end(w, 0, NULL);
}

void node_netcheck_progress(void *arg)
{
	struct node_work *w = arg;

	/* Not from within the call's own callback: the next round of the timer finishes it. */
	if (netcheck_is_done(w->netcheck) && stun_survey_is_done(w->node->survey))
		w->due_us = 0;
	node_arm(w->node);
}

void node_do_netcheck(struct node *node, struct local_request *req)
{
	if (!node->on) {
		local_done(req, 1, "the node is down: `warren up` first");
		return;
	}
	struct node_work *w = node_work_start(node, req, WORK_NETCHECK);
	if (!w)
		return;
	struct netcheck_config cfg = {.base = node->base,
				      .resolver = node->resolver,
				      .relays = node->relay_map,
				      .ca_file = node->settings->ca_file,
				      .on_progress = node_netcheck_progress,
				      .arg = w};
	w->netcheck = netcheck_new(&cfg);
	if (!w->netcheck) {
		node_work_end(w, 1, "out of memory");
		return;
	}
	node_reach_survey(node, w->started_us);
	w->due_us = w->started_us + netcheck_timeout_us;
	if (netcheck_is_done(w->netcheck) && stun_survey_is_done(node->survey))
		w->due_us = w->started_us;
}
