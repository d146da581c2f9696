#include "agent/wg/exchange.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/wg/aead.h"
#include "agent/wg/transport.h"

enum { REPEATS_MAX = 4 }; /* of one answer */

_Static_assert(NOISE_INITIATION_LEN + COOKIE_MACS_LEN == WG_MESSAGE_MAX, "the longest message");
_Static_assert(randombytes_SEEDBYTES == 32, "the seed of an event");

struct event event_begin(const struct wg_moment *at)
{
	struct event ev = {.now_us = at->now_us, .unix_us = at->unix_us};

	memcpy(ev.seed, at->random, sizeof(ev.seed));
	return ev;
}

void event_draw(struct event *ev, void *out, size_t len)
{
	uint8_t stream[32 + 64];

	/* The stream's first half replaces the seed, so that what was drawn can't be drawn again.
	 */
	randombytes_buf_deterministic(stream, sizeof(stream), ev->seed);
	memcpy(ev->seed, stream, sizeof(ev->seed));
	memcpy(out, stream + sizeof(ev->seed), len);
	sodium_memzero(stream, sizeof(stream));
}

static uint32_t draw_u32(struct event *ev)
{
	uint32_t n;

	event_draw(ev, &n, sizeof(n));
	return n;
}

/* ---- keypairs ---- */

static void retire(struct exchange *x, struct wg_peer *peer, const struct rotation_drops *drops)
{
	for (size_t i = 0; i < drops->n; i++) {
		index_table_release(x->table, drops->keypair[i]->local_index);
		effects_push(&x->effects, WG_RETIRED, peer)->keypair = drops->keypair[i];
	}
}

void exchange_retire_keypairs(struct exchange *x, struct wg_peer *peer)
{
	bool had_current = peer->keypairs.slot[SLOT_CURRENT] != NULL;
	struct rotation_drops drops;

	rotation_clear(&peer->keypairs, &drops);
	if (had_current)
		effects_push(&x->effects, WG_CURRENT, peer);
	retire(x, peer, &drops);
}

void exchange_cancel_initiation(struct exchange *x, struct wg_peer *peer)
{
	if (peer->initiation.is_waiting)
		index_table_release(x->table, peer->initiation.local_index);
	sodium_memzero(&peer->initiation, sizeof(peer->initiation));
	timers_cancel_retry(&peer->timers);
}

/* The new CURRENT is told first, so that the shell stops using what is retired behind it. */
static void on_complete(struct exchange *x, struct wg_peer *peer,
			const struct rotation_drops *drops, const struct event *ev)
{
	effects_push(&x->effects, WG_CURRENT, peer)->keypair = peer->keypairs.slot[SLOT_CURRENT];
	retire(x, peer, drops);
	peer->last_handshake_unix_us = ev->unix_us;
	timers_on_handshake_complete(&peer->timers);
}

void exchange_on_first_packet(struct exchange *x, struct wg_peer *peer, struct event *ev)
{
	struct keypair *next = peer->keypairs.slot[SLOT_NEXT];
	struct rotation_drops drops;

	/* NEXT itself is asked, as two first packets may come as one message from the lane. */
	if (!next || !atomic_load(&next->confirmed))
		return;
	(void)rotation_promote(&peer->keypairs, next, &drops);
	/* The peer that answers us is there: our own initiation, if any, need not be repeated. */
	on_complete(x, peer, &drops, ev);
}

static void install(struct exchange *x, struct wg_peer *peer, struct keypair *kp,
		    const struct event *ev)
{
	kp->user = peer->user;
	kp->birth_us = ev->now_us;
	atomic_store(&kp->confirmed, kp->is_initiator);
	index_table_publish(x->table, kp);
	timers_on_keys_made(&peer->timers, ev->now_us);
}

/* ---- sending ---- */

static void send_message(struct exchange *x, struct wg_peer *peer, enum wg_message message,
			 const uint8_t *bytes, size_t len, bool is_retry, const struct event *ev)
{
	struct wg_effect *e = effects_push(&x->effects, WG_SEND, peer);

	e->message = message;
	e->is_retry = is_retry;
	e->len = len + COOKIE_MACS_LEN;
	memcpy(e->bytes, bytes, len);
	cookie_add_macs(&peer->cookie, x->hash, e->bytes, len, ev->now_us);
	traffic_on_other_sent(peer->traffic, ev->now_us);
}

void exchange_initiate(struct exchange *x, struct wg_peer *peer, bool is_retry, struct event *ev)
{
	uint8_t msg[NOISE_INITIATION_LEN], ephemeral[KEY_LEN], stamp[TAI64N_LEN];
	uint32_t index;

	exchange_cancel_initiation(x, peer);
	/* Counted as sent whatever comes, so that a failure is not repeated before its time. */
	timers_on_initiation_sent(&peer->timers, ev->now_us, draw_u32(ev));
	if (index_table_reserve(x->table, peer, draw_u32(ev), &index) != 0)
		return;
	event_draw(ev, ephemeral, sizeof(ephemeral));
	if (tai64n_next(&x->tai, ev->unix_us, stamp))
		effects_push(&x->effects, WG_RESERVE, NULL)->unix_us = x->tai.reserved_us;
	if (noise_create_initiation(&x->identity, &peer->noise, &peer->initiation, ephemeral, index,
				    stamp, msg) == 0)
		send_message(x, peer, WG_INITIATION, msg, sizeof(msg), is_retry, ev);
	else
		index_table_release(x->table, index);
	sodium_memzero(ephemeral, sizeof(ephemeral));
}

static void send_cookie_reply(struct exchange *x, const uint8_t *pkt, size_t len,
			      const struct wg_source *source, struct event *ev)
{
	uint8_t secret[HASH_LEN], nonce[COOKIE_NONCE_LEN];
	struct wg_effect *e = effects_push(&x->effects, WG_SEND, NULL);
	struct reader r = reader_init(pkt + 4, len - 4);

	event_draw(ev, secret, sizeof(secret));
	event_draw(ev, nonce, sizeof(nonce));
	e->message = WG_COOKIE_REPLY;
	e->len = COOKIE_REPLY_LEN;
	cookie_reply_create(&x->checker, pkt, len, read_u32le(&r), source, secret, nonce,
			    ev->now_us, e->bytes);
	sodium_memzero(secret, sizeof(secret));
}

/* ---- receiving: each returns WG_DROP_COUNT where the message was taken ---- */

static bool may_pass_under_load(struct exchange *x, uint64_t network, struct event *ev)
{
	if (!x->ratelimit) {
		uint8_t key[RATELIMIT_KEY_LEN];

		event_draw(ev, key, sizeof(key));
		x->ratelimit = ratelimit_new(key);
	}
	return x->ratelimit && ratelimit_allow(x->ratelimit, network, ev->now_us);
}

static enum wg_drop check_macs(struct exchange *x, const uint8_t *pkt, size_t len,
			       const struct wg_source *source, bool under_load, struct event *ev)
{
	switch (cookie_check(&x->checker, pkt, len, source, under_load, ev->now_us)) {
	case COOKIE_MAC1_WRONG:
		return WG_DROP_MAC1;
	case COOKIE_MAC1_RIGHT:
		if (!under_load)
			return WG_DROP_COUNT;
		send_cookie_reply(x, pkt, len, source, ev);
		return WG_DROP_UNDER_LOAD;
	case COOKIE_MAC2_RIGHT:
		break;
	}
	return may_pass_under_load(x, source->network, ev) ? WG_DROP_COUNT : WG_DROP_RATELIMIT;
}

/* Who asks the same again has no answer yet: the first was lost, or went by a way that the peer
 * could not hear. The same bytes once more cost nothing and tell nothing. What others replay gets a
 * few of them, each shorter than what it took. */
static void answer_again(struct exchange *x, struct wg_peer *peer, const struct event *ev)
{
	const struct keypair *next = peer->keypairs.slot[SLOT_NEXT];
	struct answer *last = &peer->answer;
	bool is_open = next && next->local_index == last->local_index;

	if (!is_open || last->repeats == REPEATS_MAX || ev->now_us - last->sent_us < NOISE_FLOOD_US)
		return;
	last->repeats++;
	last->sent_us = ev->now_us;
	send_message(x, peer, WG_RESPONSE, last->bytes, sizeof(last->bytes), true, ev);
}

/* Answers an initiation that has proved to be peer's. */
static enum wg_drop respond(struct exchange *x, struct wg_peer *peer, struct noise_opened *opened,
			    struct event *ev)
{
	uint8_t msg[NOISE_RESPONSE_LEN], ephemeral[KEY_LEN];
	struct keypair *kp = keypair_new();
	struct rotation_drops drops;
	enum wg_drop why = WG_DROP_NO_MEMORY;
	uint32_t index;

	if (!kp || index_table_reserve(x->table, peer, draw_u32(ev), &index) != 0)
		goto out;
	event_draw(ev, ephemeral, sizeof(ephemeral));
	if (noise_create_response(&x->identity, &peer->noise, opened, ephemeral, index, msg, kp) !=
	    0) {
		index_table_release(x->table, index);
		why = WG_DROP_DECRYPT;
		goto out;
	}
	install(x, peer, kp, ev);
	rotation_add_as_responder(&peer->keypairs, kp, &drops);
	retire(x, peer, &drops);
	kp = NULL;
	peer->answer = (struct answer){.local_index = index, .sent_us = ev->now_us};
	memcpy(peer->answer.bytes, msg, sizeof(msg));
	send_message(x, peer, WG_RESPONSE, msg, sizeof(msg), false, ev);
	why = WG_DROP_COUNT;
out:
	keypair_free(kp);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	return why;
}

static enum wg_drop on_initiation(struct exchange *x, const uint8_t *pkt, struct event *ev,
				  struct wg_peer **from)
{
	struct noise_opened opened;
	struct wg_peer *peer;
	enum wg_drop why;

	if (noise_open_initiation(&x->identity, pkt, &opened) != 0)
		return WG_DROP_DECRYPT;
	peer = roster_find(&x->roster, &opened.key);
	if (!peer) {
		why = WG_DROP_UNKNOWN_PEER;
		goto out;
	}
	switch (noise_accept_initiation(&x->identity, &peer->noise, pkt, &opened, ev->now_us)) {
	case 0:
		traffic_on_other_received(peer->traffic, ev->now_us);
		*from = peer;
		why = respond(x, peer, &opened, ev);
		break;
	case -EALREADY:
		answer_again(x, peer, ev);
		why = WG_DROP_REPLAY;
		break;
	case -ESTALE:
		ev->outdated = peer;
		why = WG_DROP_REPLAY;
		break;
	case -EAGAIN:
		why = WG_DROP_FLOOD;
		break;
	default:
		why = WG_DROP_DECRYPT;
	}
out:
	sodium_memzero(&opened, sizeof(opened));
	return why;
}

static enum wg_drop on_response(struct exchange *x, const uint8_t *pkt, size_t len,
				struct event *ev, struct wg_peer **from)
{
	struct reader r = reader_init(pkt + 8, len - 8);
	uint32_t index = read_u32le(&r);
	struct wg_peer *peer = index_table_owner(x->table, index);
	struct rotation_drops drops;
	struct keypair *kp;

	if (!peer || !peer->initiation.is_waiting || peer->initiation.local_index != index)
		return WG_DROP_UNKNOWN_INDEX;
	kp = keypair_new();
	if (!kp)
		return WG_DROP_NO_MEMORY;
	if (noise_consume_response(&x->identity, &peer->noise, &peer->initiation, pkt, kp) != 0) {
		keypair_free(kp);
		return WG_DROP_DECRYPT;
	}
	traffic_on_other_received(peer->traffic, ev->now_us);
	install(x, peer, kp, ev);
	rotation_add_as_initiator(&peer->keypairs, kp, &drops);
	on_complete(x, peer, &drops, ev);
	effects_push(&x->effects, WG_CONFIRM, peer);
	*from = peer;
	return WG_DROP_COUNT;
}

static enum wg_drop on_cookie_reply(struct exchange *x, const uint8_t *pkt, size_t len,
				    struct event *ev)
{
	struct reader r = reader_init(pkt + 4, len - 4);
	struct wg_peer *peer = index_table_owner(x->table, read_u32le(&r));

	if (!peer)
		return WG_DROP_UNKNOWN_INDEX;
	return cookie_reply_consume(&peer->cookie, pkt, ev->now_us) == 0 ? WG_DROP_COUNT
									 : WG_DROP_DECRYPT;
}

static enum wg_drop dispatch(struct exchange *x, const uint8_t *pkt, size_t len,
			     const struct wg_source *source, bool under_load, struct event *ev,
			     struct wg_peer **from)
{
	unsigned type = wg_message_type(pkt, len);
	enum wg_drop why = WG_DROP_COUNT;

	if (type == WG_TYPE_INITIATION || type == WG_TYPE_RESPONSE)
		why = check_macs(x, pkt, len, source, under_load, ev);
	if (why != WG_DROP_COUNT)
		return why;
	switch (type) {
	case WG_TYPE_INITIATION:
		return on_initiation(x, pkt, ev, from);
	case WG_TYPE_RESPONSE:
		return on_response(x, pkt, len, ev, from);
	case WG_TYPE_COOKIE_REPLY:
		return on_cookie_reply(x, pkt, len, ev);
	default:
		return WG_DROP_MALFORMED;
	}
}

static int errno_of(enum wg_drop why)
{
	switch (why) {
	case WG_DROP_COUNT:
		return 0;
	case WG_DROP_MALFORMED:
		return -EBADMSG;
	case WG_DROP_REPLAY:
	case WG_DROP_UNKNOWN_INDEX:
		return -ESTALE;
	case WG_DROP_UNDER_LOAD:
	case WG_DROP_RATELIMIT:
	case WG_DROP_FLOOD:
		return -EAGAIN;
	case WG_DROP_NO_MEMORY:
		return -ENOMEM;
	case WG_DROP_MAC1:
	case WG_DROP_DECRYPT:
	case WG_DROP_UNKNOWN_PEER:
		return -EACCES;
	}
	return -EACCES;
}

int exchange_on_packet(struct exchange *x, const uint8_t *pkt, size_t len,
		       const struct wg_source *source, bool under_load, struct event *ev,
		       struct wg_peer **from, enum wg_drop *why)
{
	*from = NULL;
	*why = dispatch(x, pkt, len, source, under_load, ev, from);
	if (*why != WG_DROP_COUNT)
		x->dropped[*why]++;
	aead_forget_keys(x->aead);
	return errno_of(*why);
}
