#include "agent/tunnel/inbound.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/tunnel/inner.h"
#include "agent/tunnel/mss.h"

static_assert((int)LANE_IN_HEADROOM >= (int)TUN_HDR_LEN,
	      "merge writes its header in front of a packet");
static_assert((int)TRANSPORT_HEADER_LEN >= (int)TUN_HDR_LEN, "merge writes it where ours was");

/* ---- to the TUN ---- */

static void write_tun(struct lane *lane)
{
	struct merge *m = &lane->in.merge;
	struct iovec iov[MERGE_IOV_MAX];

	for (size_t i = 0; i < m->n_groups; i++) {
		size_t n = merge_pieces(m, i, iov);

		if (tun_write(lane->tun_fd, iov, n) != 0)
			lane_drop(lane, NULL, DROP_TUN_WRITE, m->groups[i].n);
		else
			lane_count(lane, FLOW_TUN_WRITTEN, m->groups[i].n);
	}
	merge_reset(m, lane->tso, lane->uso);
}

static void add_to_tun(struct lane *lane, uint8_t *pkt, size_t len)
{
	if (merge_add(&lane->in.merge, pkt, len))
		return;
	write_tun(lane);
	(void)merge_add(&lane->in.merge, pkt, len); /* fits: it is empty */
}

/* ---- opened ---- */

/* Where data goes is where it comes from, also after the user has named another endpoint. */
static bool is_where_we_send(struct lane_peer *peer, const struct way *from)
{
	const struct choice *choice = choice_read(&peer->choice);

	return choice && way_equal(&choice->first, from);
}

static bool is_known(struct lane_peer *peer, const struct way *from)
{
	return endpoint_equal(&from->addr, &peer->last_from) &&
	       (peer->keeps_sealed || is_where_we_send(peer, from));
}

/* What plain WireGuard calls roaming; in the mesh main only keeps it for status. */
static void note_source(struct lane *lane, struct lane_peer *peer, const struct way *from)
{
	if (from->kind != WAY_DIRECT || is_known(peer, from) ||
	    (peer->roamed_us && lane->now_us - peer->roamed_us < US_PER_S))
		return;

	struct lane_record record = {
		.kind = RECORD_ROAMED, .way = *from, .peer = peer, .now_us = lane->now_us};
	record.key = peer->key;
	if (ring_push(lane->to_main, &record, sizeof(record), NULL, 0) != 0)
		return;
	peer->last_from = from->addr;
	peer->roamed_us = lane->now_us;
}

/* Everything that any authenticated packet tells. */
static void on_authentic(struct lane *lane, const struct transport_job *job, size_t wire_len,
			 const struct way *from)
{
	struct lane_peer *peer = job->keypair->user;

	counter_add(&peer->rx_bytes, wire_len);
	counter_set(&peer->way[from->kind].last_received_us, lane->now_us);
	note_source(lane, peer, from);
	if (keypair_confirm(job->keypair)) {
		atomic_store(&peer->first_index, job->keypair->local_index);
		lane_post(lane, peer, MAIN_FIRST_PACKET);
	}
	if (keypair_renew_on_receive(job->keypair, lane->now_us))
		lane_want_handshake(lane, peer);
}

/* True: pkt is an IP packet of *len bytes that the peer may send us. */
static bool may_enter(struct lane *lane, struct lane_peer *peer, uint8_t *pkt, size_t *len)
{
	struct lane_view *view = lane->view;
	struct inner inner;

	if (inner_decode(pkt, *len, &inner) != 0) {
		lane_drop(lane, peer, DROP_BAD_INNER, 1);
		return false;
	}
	*len = inner.len;
	struct ip_addr from = inner_source(&inner, pkt);
	if (allowed_ips_snapshot_find(atomic_load(&view->routes), &from) != peer) {
		lane_drop(lane, peer, DROP_SOURCE, 1);
		return false;
	}
	if (view->filter &&
	    filter_in(view->filter, peer->filter_id, pkt, *len, lane->now_us) != FILTER_PASS) {
		lane_drop(lane, peer, DROP_FILTER_IN, 1);
		return false;
	}
	return true;
}

static void on_opened(struct lane *lane, const struct transport_job *job, size_t wire_len,
		      const struct way *from)
{
	struct lane_peer *peer = job->keypair->user;
	struct lane_way_counters *c = &peer->way[from->kind];
	uint8_t *pkt = job->pkt + TRANSPORT_HEADER_LEN;
	size_t len = job->len;

	on_authentic(lane, job, wire_len, from);
	if (len == 0) {
		lane_count(lane, FLOW_KEEPALIVE_READ, 1);
		traffic_on_other_received(&peer->traffic, lane->now_us);
		return;
	}
	counter_add(&c->data_received, 1);
	counter_set(&c->last_data_received_us, lane->now_us);
	if (traffic_on_data_received(&peer->traffic, lane->now_us))
		lane_post(lane, peer, MAIN_TRAFFIC);
	if (!may_enter(lane, peer, pkt, &len))
		return;
	if (lane->view->mss_mtu_bytes)
		mss_clamp(pkt, len, lane->view->mss_mtu_bytes);
	add_to_tun(lane, pkt, len);
}

static enum engine_drop drop_of(int status)
{
	switch (status) {
	case -ESTALE:
		return DROP_REPLAYED;
	case -EKEYEXPIRED:
		return DROP_EXPIRED;
	default:
		return DROP_FORGED;
	}
}

static void open_batch(struct lane *lane)
{
	struct inbound *in = &lane->in;
	size_t wire_len[TRANSPORT_BATCH_MAX], n = in->n;

	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		wire_len[i] = in->jobs[i].len;
	transport_open_batch(lane->aead, in->jobs, n, lane->now_us);
	for (size_t i = 0; i < n; i++) {
		const struct transport_job *job = &in->jobs[i];

		if (job->status == 0)
			on_opened(lane, job, wire_len[i], &in->sources[i]);
		else
			lane_drop(lane, job->keypair->user, drop_of(job->status), 1);
	}
	in->n = 0;
}

/* Nothing of the receive buffers is in use afterwards. */
static void finish(struct lane *lane)
{
	open_batch(lane);
	write_tun(lane);
	lane->in.used = LANE_IN_HEADROOM;
}

/* ---- telling packets apart ---- */

static void to_main(struct lane *lane, enum lane_record_kind kind, const uint8_t *pkt, size_t len,
		    const struct way *from, const struct public_key *key)
{
	struct lane_record record = {.kind = kind, .way = *from, .now_us = lane->now_us};

	if (key)
		record.key = *key;
	if (ring_push(lane->to_main, &record, sizeof(record), pkt, len) != 0)
		lane_drop(lane, NULL, DROP_MAIN_FULL, 1);
	else
		lane_count(lane, FLOW_TO_MAIN, 1);
}

static void on_data(struct lane *lane, uint8_t *pkt, size_t len, const struct way *from)
{
	struct inbound *in = &lane->in;
	struct keypair *kp;
	uint32_t index;

	if (transport_receiver(pkt, len, &index) != 0) {
		lane_drop(lane, NULL, DROP_SHORT, 1);
		return;
	}
	kp = index_table_find(lane->view->indices, index);
	if (!kp) {
		lane_drop(lane, NULL, DROP_UNKNOWN_INDEX, 1);
		return;
	}
	if (in->n == TRANSPORT_BATCH_MAX)
		open_batch(lane);
	in->jobs[in->n] = (struct transport_job){.keypair = kp, .pkt = pkt, .len = len};
	in->sources[in->n] = *from;
	in->n++;
}

/* RFC 8489 section 5: two zero bits, and the magic cookie behind type and length. */
static bool is_stun(const uint8_t *pkt, size_t len)
{
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

	return len >= 20 && (pkt[0] & 0xc0) == 0 && memcmp(pkt + 4, cookie, sizeof(cookie)) == 0;
}

static bool is_disco(const uint8_t *pkt, size_t len)
{
	static const uint8_t magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};

	return len >= sizeof(magic) && memcmp(pkt, magic, sizeof(magic)) == 0;
}

/* key: the relay's word on who sent it, NULL by UDP. */
static void on_datagram(struct lane *lane, uint8_t *pkt, size_t len, const struct way *from,
			const struct public_key *key)
{
	switch (wg_message_type(pkt, len)) {
	case WG_TYPE_TRANSPORT:
		on_data(lane, pkt, len, from);
		return;
	case WG_TYPE_INITIATION:
	case WG_TYPE_RESPONSE:
	case WG_TYPE_COOKIE_REPLY:
		to_main(lane, RECORD_HANDSHAKE, pkt, len, from, key);
		return;
	default:
		break;
	}
	if (!key && is_stun(pkt, len))
		to_main(lane, RECORD_STUN, pkt, len, from, NULL);
	else if (!key && is_disco(pkt, len))
		to_main(lane, RECORD_DISCO, pkt, len, from, NULL);
	else
		lane_drop(lane, NULL, DROP_UNKNOWN_TYPE, 1);
}

/* One datagram, or several of one sender and length that the kernel has joined. */
static void on_message(struct lane *lane, const struct udp_received *got, const struct way *from)
{
	if (got->len == 0) { /* a datagram without a byte is one, too */
		lane_count(lane, FLOW_UDP_READ, 1);
		lane_drop(lane, NULL, DROP_SHORT, 1);
	}
	for (size_t at = 0; at < got->len; at += got->segment_len) {
		size_t left = got->len - at;

		lane_count(lane, FLOW_UDP_READ, 1);
		on_datagram(lane, got->buf + at, left < got->segment_len ? left : got->segment_len,
			    from, NULL);
	}
}

bool inbound_read_udp(struct lane *lane, int fd)
{
	struct inbound *in = &lane->in;
	struct udp_received got;

	in->used = LANE_IN_HEADROOM;
	while (LANE_IN_BYTES - in->used >= LANE_MESSAGE_BYTES) {
		int err = udp_receive(fd, in->bytes + in->used, LANE_MESSAGE_BYTES, &got);

		if (err) { /* EAGAIN; or the socket is being replaced */
			finish(lane);
			return false;
		}
		struct way from = way_direct(got.from);
		in->used += got.len;
		on_message(lane, &got, &from);
	}
	finish(lane);
	return true;
}

bool inbound_read_relay(struct lane *lane)
{
	struct inbound *in = &lane->in;
	const uint8_t *record;
	size_t len;
	bool has_more = true;

	in->used = LANE_IN_HEADROOM;
	while ((has_more = ring_peek(lane->from_relay, &record, &len))) {
		struct engine_relay_head head;

		if (len > LANE_IN_BYTES - in->used)
			break;
		lane_count(lane, FLOW_RELAY_READ, 1);
		if (len > sizeof(head)) {
			uint8_t *pkt = in->bytes + in->used;
			size_t pkt_len = len - sizeof(head);

			memcpy(&head, record, sizeof(head));
			memcpy(pkt, record + sizeof(head), pkt_len);
			in->used += pkt_len;
			struct way from = way_relay(head.region);
			on_datagram(lane, pkt, pkt_len, &from, &head.key);
		} else {
			lane_drop(lane, NULL, DROP_SHORT, 1);
		}
		ring_pop(lane->from_relay);
	}
	finish(lane);
	return has_more;
}
