/*
 * peer_hear: what comes from a peer and is main's: disco, and handshakes that the engine passes on.
 */
#include "agent/peer_inside.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/clock.h"

/* WireGuard renews a keypair after 120 s, or where 15 s brought no answer. Who shakes hands sooner
 * has lost its keys; in the first seconds both ends may, each having begun. */
static const uint64_t renewal_us = 120 * US_PER_S, no_answer_us = 15 * US_PER_S;
static const uint64_t both_began_us = 5 * US_PER_S;
/* What an answer to our first initiation may take beyond four round trips; doubled each time. */
static const uint64_t answer_us = 250 * US_PER_MS;
/* The same for what the peer sends once we have confirmed a keypair, beyond one round trip. */
static const uint64_t confirm_us = 50 * US_PER_MS;
/* What a confirmation may take. Where it is lost, packets go with the keys there are. */
static const uint64_t confirmed_us = 500 * US_PER_MS;
/* Of one that nobody used so long, the peer's next packet tells. Confirmed when it is old enough to
 * be renewed, it would be renewed, and both ends of an idle pair would look for ways. */
static const uint64_t confirm_for_us = 60 * US_PER_S;
enum { HURRIES_MAX = 4, CONFIRMS_MAX = 5 };
/* By a relay whose round trip we have not measured. */
static const uint64_t relay_rtt_us = 100 * US_PER_MS;

static struct path_report report_from_wire(const struct disco_report *report,
					   const struct way *from)
{
	enum disco_way way = peer_disco_way(from);

	return (struct path_report){
		.serial = report->serial,
		.number = report->probe,
		.heard = report->heard_probe,
		.data_sent = report->data_sent[way],
		.data_heard = report->data_heard[way],
	};
}

/* ---- disco ---- */

/* In the life of this process. */
static bool never_shook_hands(const struct peer *peer)
{
	struct engine_peer_stats stats;

	engine_peer_stats(peer->engine, &stats);
	return stats.last_handshake_unix_us == 0;
}

/* It has sent data, so it believes in keys of a process before ours: they are gone, and with the
 * power went perhaps what a warm start reads. Left alone it would notice after 15 s (WireGuard's
 * KEEPALIVE_TIMEOUT + REKEY_TIMEOUT). */
static bool believes_in_lost_keys(const struct peer *peer, const struct disco_ping *ping)
{
	const struct disco_report *report = &ping->report;

	if (!ping->has_report ||
	    (report->data_sent[DISCO_WAY_DIRECT] == 0 && report->data_sent[DISCO_WAY_RELAY] == 0))
		return false;
	return never_shook_hands(peer);
}

/* A way works, but our first initiation went unanswered: it or the answer was lost, and nobody
 * waits for WireGuard's 5 s. A new one, as the same is answered a few times only. True
 * where it went: what went before is no longer waited for. */
static bool hurry_handshake(struct peer *peer, uint64_t rtt_us, uint64_t now_us)
{
	uint64_t wait_us = (answer_us + 4 * rtt_us) << peer->n_hurried;

	if (peer->initiation.len == 0 || peer->n_hurried == HURRIES_MAX ||
	    now_us - peer->initiation.sent_us < wait_us || !never_shook_hands(peer))
		return false;
	peer->n_hurried++;
	engine_peer_start_handshake(peer->engine, true);
	return true;
}

static bool was_heard_since(const struct peer *peer, uint64_t since_us)
{
	return engine_peer_way_stats(peer->engine, WAY_DIRECT).last_received_us >= since_us ||
	       engine_peer_way_stats(peer->engine, WAY_RELAY).last_received_us >= since_us;
}

/* We began this keypair, and nothing came under it yet. The peer may have missed the packet by
 * which we confirmed it, and goes on with keys that are lost. */
static void confirm_again(struct peer *peer, const struct way *heard, uint64_t rtt_us,
			  uint64_t now_us)
{
	uint64_t wait_us = (confirm_us + rtt_us) << peer->n_confirmed;

	if (peer->shook_us == 0 || now_us - peer->shook_us < wait_us)
		return;
	bool is_over = peer->n_confirmed == CONFIRMS_MAX ||
		       now_us - peer->shook_us > confirm_for_us ||
		       was_heard_since(peer, peer->shook_us);

	if (is_over)
		peer->shook_us = 0;
	else
		engine_peer_confirm(peer->engine, heard);
	peer->n_confirmed++;
}

static void on_report(struct peer *peer, const struct disco_report *report, uint64_t now_us)
{
	static_assert((int)DISCO_WAYS == (int)OBSERVER_WAYS, "each kind of way is counted");
	observer_on_report(&peer->observer, report->serial, report->data_heard, now_us);
}

static uint32_t data_sent(const struct peer *peer)
{
	return (uint32_t)(engine_peer_way_stats(peer->engine, WAY_DIRECT).data_sent +
			  engine_peer_way_stats(peer->engine, WAY_RELAY).data_sent);
}

/* What the peer reports of our data, by this way; pong is NULL where it asks itself. */
static void note_heard_data(struct peer *peer, const struct disco_report *said,
			    const struct way *from, const struct path_pong *pong, uint64_t now_us)
{
	struct unheard_report report = {
		.kind = from->kind,
		.heard = said->data_heard[peer_disco_way(from)],
		.sent = data_sent(peer),
		.is_proof = pong && peer_is_in_use(peer, &pong->way),
		.rtt_us = pong ? pong->rtt_us : 0,
	};

	if (unheard_on_report(&peer->unheard, &report, now_us))
		engine_peer_start_handshake(peer->engine, true);
}

static bool is_answered(const struct path_actions *actions, const struct way *from)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->list[i].kind == PATH_SEND_PONG &&
		    way_equal(&actions->list[i].way, from))
			return true;
	return false;
}

static void on_ping(struct peer *peer, const struct disco_ping *ping, const struct way *from,
		    uint64_t now_us, struct path_actions *actions)
{
	struct path_report report = report_from_wire(&ping->report, from);

	if (ping->has_report)
		on_report(peer, &ping->report, now_us);
	/* It asks, and we may have nothing to send. */
	confirm_again(peer, from, relay_rtt_us, now_us);
	/* Where a relay brings its packets, it takes ours. */
	if (!hurry_handshake(peer, relay_rtt_us, now_us) && from->kind == WAY_RELAY)
		peer_repeat_initiation(peer, from, now_us);
	if (ping->has_report)
		note_heard_data(peer, &ping->report, from, NULL, now_us);
	path_peer_on_ping(&peer->path, from, ping->txid, ping->has_report ? &report : NULL, now_us,
			  actions);
	if (!believes_in_lost_keys(peer, ping))
		return;
	engine_peer_start_handshake(peer->engine, false);
	if (is_answered(actions, from)) /* where a pong may go, before the way is proved */
		peer_send_initiation_by(peer, from);
}

static void on_pong(struct peer *peer, const struct disco_pong *pong, const struct way *from,
		    uint64_t now_us, struct path_actions *actions)
{
	struct path_report report = report_from_wire(&pong->report, from);
	struct path_pong proved = path_peer_on_pong(
		&peer->path, from, pong->txid, pong->has_report ? &report : NULL, now_us, actions);

	if (pong->has_report)
		on_report(peer, &pong->report, now_us);
	if (!proved.matched)
		return;
	if (peer_is_in_use(peer, &proved.way))
		observer_on_pong(&peer->observer, &proved);
	if (proved.rtt_us == 0)
		proved.rtt_us = relay_rtt_us;
	if (!hurry_handshake(peer, proved.rtt_us, now_us))
		peer_repeat_initiation(peer, &proved.way, now_us);
	confirm_again(peer, &proved.way, proved.rtt_us, now_us);
	if (pong->has_report)
		note_heard_data(peer, &pong->report, from, &proved, now_us);
	peer->env->on_pong(peer->env->arg, peer, pong->txid, now_us);
}

static void on_notice(struct peer *peer, const struct disco_notice *notice, uint64_t now_us,
		      struct path_actions *actions)
{
	enum way_kind about = notice->way == DISCO_WAY_RELAY ? WAY_RELAY : WAY_DIRECT;

	switch (notice->reason) {
	case DISCO_LEAVING:
		observer_on_cause(&peer->observer, CODE_PEER_LEFT, now_us);
		path_peer_on_notice(&peer->path, PATH_LEAVING, about, notice->serial, now_us,
				    actions);
		break;
	case DISCO_RESTARTING:
		observer_on_cause(&peer->observer, CODE_PEER_RESTARTED, now_us);
		path_peer_on_notice(&peer->path, PATH_RESTARTING, about, notice->serial, now_us,
				    actions);
		break;
	case DISCO_NOT_HEARING:
		observer_on_peer_saw(&peer->observer);
		path_peer_on_notice(&peer->path, PATH_NOT_HEARING, about, notice->serial, now_us,
				    actions);
		break;
	}
}

int peer_on_disco(struct peer *peer, const uint8_t *packet, size_t len, const struct way *from,
		  uint64_t now_us)
{
	struct path_actions actions;
	struct disco_message m;
	int err = disco_box_open(&peer->box, packet, len, now_us, &m);

	path_actions_init(&actions);
	if (err != 0)
		return err;
	switch (m.type) {
	case DISCO_PING:
		on_ping(peer, &m.ping, from, now_us, &actions);
		break;
	case DISCO_PONG:
		on_pong(peer, &m.pong, from, now_us, &actions);
		break;
	case DISCO_CALL_ME_MAYBE:
		if (from->kind != WAY_RELAY)
			return -EPROTO;
		path_peer_on_call_me_maybe(&peer->path, m.call_me_maybe.endpoints,
					   m.call_me_maybe.n, now_us, &actions);
		break;
	case DISCO_NOTICE:
		on_notice(peer, &m.notice, now_us, &actions);
		break;
	}
	peer_carry_out(peer, &actions, now_us);
	return 0;
}

/* ---- handshakes ---- */

/* A handshake packet of the peer, which authenticates itself, came by this way. */
static void on_heard(struct peer *peer, const struct way *from, uint64_t now_us)
{
	struct path_actions actions;

	path_actions_init(&actions);
	path_peer_on_heard(&peer->path, from, now_us, &actions);
	peer_carry_out(peer, &actions, now_us);
}

/* The peer shakes hands, although the keys that we share are neither new nor due. */
static bool shakes_early(const struct peer *peer)
{
	uint64_t unix_us = clock_unix_us();
	struct engine_peer_stats stats;

	engine_peer_stats(peer->engine, &stats);
	uint64_t shook_unix_us = stats.last_handshake_unix_us;
	uint64_t age_us =
		shook_unix_us != 0 && unix_us > shook_unix_us ? unix_us - shook_unix_us : 0;
	return age_us > both_began_us && age_us < renewal_us;
}

static bool has_lost_its_keys(const struct peer *peer, uint64_t now_us)
{
	uint64_t heard_us = path_peer_proof(&peer->path).heard_us;

	return shakes_early(peer) && heard_us != 0 && now_us - heard_us < no_answer_us;
}

static void on_answer_send(struct peer *peer, const uint8_t *packet, size_t len,
			   const struct way *reply_to, uint64_t now_us)
{
	struct way ways[PEER_HANDSHAKE_WAYS_MAX];
	size_t n = path_peer_handshake_ways(&peer->path, ways, PEER_HANDSHAKE_WAYS_MAX - 1);

	if (!way_among(ways, n, reply_to))
		ways[n++] = *reply_to;
	for (size_t i = 0; i < n; i++)
		(void)peer_send_by(peer, &ways[i], packet,
				   len); /* the handshake's own timer retries */
	if (has_lost_its_keys(peer, now_us))
		observer_on_cause(&peer->observer, CODE_PEER_RESTARTED, now_us);
	/* What is sealed with keys that it lost is lost too: it waits for the peer to confirm. */
	if (shakes_early(peer))
		engine_peer_hold(peer->engine, now_us + confirmed_us);
	on_heard(peer, reply_to, now_us);
}

void peer_on_handshake_send(struct peer *peer, const uint8_t *packet, size_t len,
			    const struct way *reply_to, bool is_retry, uint64_t now_us)
{
	if (reply_to->kind != WAY_NONE && is_retry) {
		(void)peer_send_by(peer, reply_to, packet, len);
		return;
	}
	if (reply_to->kind != WAY_NONE) {
		on_answer_send(peer, packet, len, reply_to, now_us);
		return;
	}
	peer->initiation = (struct initiation){
		.len = len < PEER_INITIATION_MAX ? len : PEER_INITIATION_MAX, .sent_us = now_us};
	memcpy(peer->initiation.bytes, packet, peer->initiation.len);
	peer_send_initiation(peer);
	peer_want(peer, now_us);
}

void peer_on_handshake_done(struct peer *peer, uint64_t now_us)
{
	peer->shook_us = peer->initiation.len > 0 ? now_us : 0;
	peer->n_confirmed = 0;
	peer->initiation.len = 0;
	peer->n_hurried = 0;
	unheard_on_keys(&peer->unheard, data_sent(peer), now_us);
	observer_on_proof(&peer->observer, now_us);
}
