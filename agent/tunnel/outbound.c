#include "agent/tunnel/outbound.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/tunnel/inner.h"
#include "agent/tunnel/mss.h"
#include "agent/tunnel/split.h"

/* As many reads in a turn before the other way has its turn. */
enum { READS_MAX = 64 };
/* Above this a sealed packet is no keystroke. */
enum { SPARSE_MAX = BACKLOG_SHORT_MAX };
/* Room for one packet with everything around it. */
enum { PACKET_ROOM = 65536 + TRANSPORT_OVERHEAD + TRANSPORT_PADDING };

static_assert((size_t)LANE_OUT_BYTES >= (size_t)PACKET_ROOM,
	      "the largest packet fits an empty batch");

/* ---- sending ---- */

/* Datagrams for one peer that lie one behind the other. */
struct run {
	const uint8_t *bytes;
	size_t len, segment_len, n;
	uint32_t relay_flags;
};

static void on_send_error(struct lane *lane, struct lane_peer *peer, int err)
{
	if (lane->now_us - peer->error_us < US_PER_S)
		return;
	peer->error_us = lane->now_us;
	atomic_store(&peer->send_error, -err);
	lane_post(lane, peer, MAIN_SEND_ERROR);
}

static void send_direct(struct lane *lane, struct lane_peer *peer, const struct way *way,
			const struct run *run)
{
	struct udp *udp = atomic_load(&lane->view->udp);
	int err = udp_send_run(udp, &way->addr, run->bytes, run->len, run->segment_len);

	if (err) {
		lane_drop(lane, peer, DROP_SEND_FAILED, run->n);
		on_send_error(lane, peer, err);
		return;
	}
	lane_count(lane, FLOW_SENT_UDP, run->n);
}

static void send_relay(struct lane *lane, struct lane_peer *peer, const struct way *way,
		       const struct run *run, uint32_t flags)
{
	struct engine_relay_head head = {.region = way->region, .now_us = lane->now_us};
	struct ring *ring = lane->view->to_relay;

	head.key = peer->key;
	for (size_t at = 0; at < run->len; at += run->segment_len) {
		size_t left = run->len - at;
		size_t len = left < run->segment_len ? left : run->segment_len;

		head.flags = flags | (len <= SPARSE_MAX ? ENGINE_RELAY_SPARSE : 0);
		if (!ring ||
		    ring_push_quietly(ring, &head, sizeof(head), run->bytes + at, len) != 0)
			lane_drop(lane, peer, DROP_RELAY_FULL, 1);
		else
			lane_count(lane, FLOW_SENT_RELAY, 1);
	}
	if (ring)
		ring_wake(ring);
}

static void send_by(struct lane *lane, struct lane_peer *peer, const struct way *way,
		    const struct run *run, uint32_t flags)
{
	struct lane_way_counters *c = &peer->way[way->kind];

	switch (way->kind) {
	case WAY_NONE:
		return;
	case WAY_DIRECT:
		send_direct(lane, peer, way, run);
		break;
	case WAY_RELAY:
		send_relay(lane, peer, way, run, flags | run->relay_flags);
		break;
	}
	counter_set(&c->last_sent_us, lane->now_us);
}

static void count_data(struct lane *lane, struct lane_peer *peer, const struct way *way, size_t n)
{
	struct lane_way_counters *c = &peer->way[way->kind];

	if (way->kind == WAY_NONE)
		return;
	counter_add(&c->data_sent, n);
	counter_set(&c->last_data_sent_us, lane->now_us);
}

/* The resend ring holds less than a bulk batch: only the end of the run could stay in it. */
static void keep_sealed(struct lane *lane, struct lane_peer *peer, const struct run *run)
{
	size_t keep_max = RESEND_HALF_BYTES / run->segment_len + 1;
	size_t first = run->n > keep_max ? run->n - keep_max : 0;

	for (size_t at = first * run->segment_len; at < run->len; at += run->segment_len) {
		size_t left = run->len - at;
		size_t len = left < run->segment_len ? left : run->segment_len;

		resend_keep(&peer->sealed, lane->now_us, run->bytes + at, len);
	}
}

static void send_run(struct lane *lane, struct lane_peer *peer, const struct run *run, bool is_data)
{
	const struct choice *choice = choice_read(&peer->choice);

	if (!choice || choice->first.kind == WAY_NONE) {
		lane_drop(lane, peer, DROP_NO_CHOICE, run->n);
		return;
	}
	bool is_twice = choice->copy.kind != WAY_NONE;
	send_by(lane, peer, &choice->first, run, 0);
	send_by(lane, peer, &choice->copy, run, ENGINE_RELAY_COPY);
	lane_count(lane, FLOW_SENT_AGAIN, is_twice ? run->n : 0);
	counter_add(&peer->tx_bytes, is_twice ? 2 * run->len : run->len);
	if (!is_data) {
		traffic_on_other_sent(&peer->traffic, lane->now_us);
		return;
	}
	count_data(lane, peer, &choice->first, run->n);
	count_data(lane, peer, &choice->copy, run->n);
	if (peer->keeps_sealed)
		keep_sealed(lane, peer, run);
	if (traffic_on_data_sent(&peer->traffic, lane->now_us))
		lane_post(lane, peer, MAIN_TRAFFIC);
}

/* How many jobs from i on make one run: same peer, one behind the other, one length but for a
 * shorter last. */
static size_t run_length(const struct outbound *o, size_t i)
{
	size_t n = 1;

	while (i + n < o->n && o->jobs[i + n].status == 0 && o->peers[i + n] == o->peers[i] &&
	       o->is_data[i + n] == o->is_data[i] &&
	       o->jobs[i + n].pkt == o->jobs[i + n - 1].pkt + o->jobs[i + n - 1].len &&
	       o->jobs[i + n - 1].len == o->jobs[i].len && o->jobs[i + n].len <= o->jobs[i].len)
		n++;
	return n;
}

void outbound_flush(struct lane *lane)
{
	struct outbound *o = &lane->out;
	unsigned mtu_bytes = atomic_load_explicit(&lane->view->mtu_bytes, memory_order_relaxed);
	size_t n;

	if (o->n == 0)
		return;
	transport_seal_batch(lane->aead, o->jobs, o->n, mtu_bytes, lane->now_us);
	for (size_t i = 0; i < o->n; i += n) {
		const struct transport_job *job = &o->jobs[i], *last;

		n = 1;
		if (job->status != 0) {
			lane_drop(lane, o->peers[i], DROP_NO_KEYPAIR, 1);
			continue;
		}
		n = run_length(o, i);
		last = &o->jobs[i + n - 1];
		struct run run = {
			.bytes = job->pkt,
			.len = (size_t)(last->pkt - job->pkt) + last->len,
			.segment_len = job->len,
			.n = n,
		};
		send_run(lane, o->peers[i], &run, o->is_data[i]);
		if (keypair_renew_on_send(job->keypair, lane->now_us))
			lane_want_handshake(lane, o->peers[i]);
	}
	o->n = o->used = 0;
}

/* ---- filling the batch ---- */

/* Where the inner packet goes: room for len bytes, flushed before where there is none. */
static uint8_t *reserve(struct lane *lane, size_t len)
{
	struct outbound *o = &lane->out;

	if (o->n == TRANSPORT_BATCH_MAX ||
	    len + TRANSPORT_OVERHEAD + TRANSPORT_PADDING > LANE_OUT_BYTES - o->used)
		outbound_flush(lane);
	return o->bytes + o->used + TRANSPORT_HEADER_LEN;
}

/* What was written to the reserved room is a packet. */
static void commit(struct lane *lane, struct lane_peer *peer, struct keypair *kp, size_t len,
		   bool is_data)
{
	struct outbound *o = &lane->out;
	unsigned mtu_bytes = atomic_load_explicit(&lane->view->mtu_bytes, memory_order_relaxed);

	o->jobs[o->n] = (struct transport_job){
		.keypair = kp, .pkt = o->bytes + o->used, .len = len, .status = 0};
	o->peers[o->n] = peer;
	o->is_data[o->n] = is_data;
	o->n++;
	o->used += TRANSPORT_OVERHEAD + transport_padded_len(len, mtu_bytes);
}

static bool has_choice(struct lane_peer *peer)
{
	const struct choice *choice = choice_read(&peer->choice);

	return choice && choice->first.kind != WAY_NONE;
}

static bool is_held(struct lane *lane, struct lane_peer *peer)
{
	return lane->now_us < counter_read(&peer->hold_until_us);
}

/* NULL while nothing may be sealed for the peer. */
static struct keypair *usable_keypair(struct lane *lane, struct lane_peer *peer)
{
	struct keypair *kp = atomic_load(&peer->keypair);

	return kp && keypair_can_send(kp, lane->now_us) && !is_held(lane, peer) ? kp : NULL;
}

/* Somebody sends, though nothing leaves: the peer is active, and what he feels is a gap. */
static void note_waiting(struct lane *lane, struct lane_peer *peer)
{
	_Atomic uint64_t *last_us = &peer->way[WAY_NONE].last_data_sent_us;
	bool is_news = lane->now_us - counter_read(last_us) >= US_PER_S;

	counter_set(last_us, lane->now_us);
	if (is_news)
		lane_post(lane, peer, MAIN_TRAFFIC);
}

/* A keep-alive that waits is one of no bytes. */
static void wait_for_later(struct lane *lane, struct lane_peer *peer, const uint8_t *pkt,
			   size_t len)
{
	unsigned dropped = backlog_pair_push(&peer->waiting, lane->now_us, pkt, len);

	counter_add(&lane->waiting, 1);
	if (dropped)
		lane_drop_waiting(lane, peer, DROP_STAGING_FULL, dropped);
	lane_list(lane, peer);
	if (len > 0)
		note_waiting(lane, peer);
}

/* One read of the TUN for one peer. */
static void send_split(struct lane *lane, struct lane_peer *peer, struct split *s)
{
	struct keypair *kp = usable_keypair(lane, peer);
	bool is_ready = kp && has_choice(peer);
	size_t len;

	while ((len = split_next_len(s)) > 0) {
		uint8_t *pkt = reserve(lane, len);

		split_next(s, pkt);
		lane_count(lane, FLOW_TUN_READ, 1);
		if (lane->view->mss_mtu_bytes)
			mss_clamp(pkt, len, lane->view->mss_mtu_bytes);
		if (is_ready)
			commit(lane, peer, kp, len, true);
		else
			wait_for_later(lane, peer, pkt, len);
	}
	if (!kp && !is_held(lane, peer)) /* who restarts handshakes by itself */
		lane_want_handshake(lane, peer);
}

/* Dropped before it was cut: one packet, however large. */
static void drop_read(struct lane *lane, struct lane_peer *peer, enum engine_drop reason)
{
	lane_count(lane, FLOW_TUN_READ, 1);
	lane_drop(lane, peer, reason, 1);
}

static void on_tun_packet(struct lane *lane, size_t len)
{
	struct lane_view *view = lane->view;
	struct split s;

	if (split_begin(&s, lane->tun_buf, len) != 0) {
		drop_read(lane, NULL, DROP_BAD_OUTGOING);
		return;
	}
	struct ip_addr to = inner_destination(&s.inner, s.pkt);
	struct lane_peer *peer = allowed_ips_snapshot_find(atomic_load(&view->routes), &to);
	if (!peer) {
		drop_read(lane, NULL, DROP_NO_PEER);
		return;
	}
	if (view->filter && filter_out(view->filter, peer->filter_id, s.pkt, len - TUN_HDR_LEN,
				       lane->now_us) != FILTER_PASS) {
		drop_read(lane, peer, DROP_FILTER_OUT);
		return;
	}
	send_split(lane, peer, &s);
}

bool outbound_read_tun(struct lane *lane)
{
	bool has_more = true;

	for (unsigned reads = 0; reads < READS_MAX && has_more; reads++) {
		size_t len = 0;

		has_more =
			tun_read(lane->tun_fd, lane->tun_buf, LANE_TUN_BYTES, &len) == 0 && len > 0;
		if (has_more)
			on_tun_packet(lane, len);
		if (lane->out.used > LANE_OUT_BYTES / 2)
			break;
	}
	outbound_flush(lane);
	return has_more;
}

/* ---- what waits ---- */

void outbound_release(struct lane *lane, struct lane_peer *peer)
{
	struct keypair *kp = usable_keypair(lane, peer);
	struct backlog_entry e;

	if (!kp || !has_choice(peer))
		return;
	while (backlog_pair_peek(&peer->waiting, &e)) {
		backlog_pair_pop(&peer->waiting, reserve(lane, e.len));
		lane_count_unwaited(lane, 1);
		commit(lane, peer, kp, e.len, e.len > 0);
	}
}

void outbound_keepalive(struct lane *lane, struct lane_peer *peer)
{
	struct keypair *kp = usable_keypair(lane, peer);

	if (!kp)
		return;
	lane_count(lane, FLOW_KEEPALIVE_MADE, 1);
	if (!has_choice(peer)) {
		/* It may confirm a keypair, without which the peer can send nothing: the first way
		 * there is takes it. */
		wait_for_later(lane, peer, (const uint8_t *)"", 0);
		return;
	}
	(void)reserve(lane, 0);
	commit(lane, peer, kp, 0, false);
}

void outbound_resend(struct lane *lane, struct lane_peer *peer)
{
	const struct choice *choice = choice_read(&peer->choice);
	uint8_t *pkt = lane->tun_buf; /* free between two reads */
	size_t len;

	if (!choice || choice->first.kind == WAY_NONE || !peer->keeps_sealed)
		return;
	/* Before anything newer: but what stands in the batch is older. */
	outbound_flush(lane);
	while ((len = resend_next(&peer->sealed, lane->now_us, pkt, LANE_TUN_BYTES)) > 0) {
		struct run run = {
			.bytes = pkt,
			.len = len,
			.segment_len = len,
			.n = 1,
			.relay_flags = ENGINE_RELAY_URGENT,
		};
		send_by(lane, peer, &choice->first, &run, 0);
		lane_count(lane, FLOW_SENT_AGAIN, 1);
		counter_add(&peer->tx_bytes, len);
	}
}

void outbound_expire(struct lane *lane, struct lane_peer *peer)
{
	uint64_t oldest_us = lane->now_us > WAITING_US ? lane->now_us - WAITING_US : 0;
	unsigned dropped = backlog_pair_expire(&peer->waiting, oldest_us);

	if (dropped)
		lane_drop_waiting(lane, peer, has_choice(peer) ? DROP_NO_KEYPAIR : DROP_NO_CHOICE,
				  dropped);
}
