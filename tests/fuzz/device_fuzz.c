/*
 * device_fuzz: a WireGuard device between an honest peer and a lying one, on a wire that the input
 * bends: it drops, holds back, repeats, reflects, cuts, forges, lets time jump and clocks step.
 *
 *	honest (1) <--> device under test (0) <--> liar (2): has a key, and says what it likes
 *
 * Must hold, whatever happens:
 *   - a handshake message is taken only where the very peer it is taken for made it, and once;
 *   - what comes out of the tunnel was put in by that peer, for us, and comes out once;
 *   - a message is answered by one at most, which is no longer; initiations stay 5 s apart;
 *   - indices and keypairs are given back;
 *   - once the wire is quiet, the honest peer gets through both ways.
 */
#include "agent/wg/device.h"

#include "agent/wg/cookie.h"
#include "agent/wg/noise.h"
#include "tests/fuzz/device_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 200, INNER_LEN = 24, INDICES_PER_PEER = 4, QUIET_S = 40 };

static struct world world;

/* ---- what arrives ---- */

/* Who made exactly these bytes for this node and was not believed yet; NULL: nobody. The second MAC
 * counts under load only, and proves no more than an address. */
static struct packet *find_maker(struct world *w, unsigned from, unsigned to, const uint8_t *pkt,
				 size_t len)
{
	for (size_t i = 0; i < w->taped; i++) {
		struct packet *p = &w->tape[i];

		if (p->from == from && p->to == to && !p->taken && p->len == len &&
		    memcmp(p->bytes, pkt, len - COOKIE_MACS_LEN / 2) == 0)
			return p;
	}
	return NULL;
}

static void hear_handshake(struct world *w, unsigned self, unsigned source, const uint8_t *pkt,
			   size_t len)
{
	struct node *n = &w->node[self];
	struct wg_moment at = moment(w);
	struct wg_source from = source_of(source);
	struct wg_peer *proven = NULL;
	size_t taped = w->taped;

	n->sent_now = 0;
	int rc = wg_device_on_handshake_packet(n->dev, pkt, len, &from,
					       self == DEVICE && w->under_load, &at, &proven, NULL);
	if (rc == 0 && proven && wg_message_type(pkt, len) != WG_TYPE_COOKIE_REPLY) {
		struct link *l = wg_peer_user(proven);
		struct packet *made = find_maker(w, l->other, self, pkt, len);

		MUST(l->peer == proven);
		MUST(made || w->taped == TAPE_MAX);
		if (made)
			made->taken = true;
	}
	take_effects(w, n);
	MUST(n->sent_now <= 1);
	MUST(n->sent_now == 0 || taped == TAPE_MAX || w->tape[taped].len <= len);
}

static void check_inner(struct world *w, unsigned self, const struct link *l, const uint8_t *inner,
			size_t len)
{
	struct reader r = reader_init(inner, len);

	MUST(len >= INNER_LEN);
	(void)read_span(&r, 20);
	uint32_t number = read_u32be(&r);
	MUST(number < w->n_inner);
	struct inner *in = &w->inner[number];
	MUST(in->to == self && in->from == l->other && !in->delivered);
	in->delivered = true;
	w->delivered[in->from][self]++;
}

static void hear_data(struct world *w, unsigned self, const uint8_t *bytes, size_t len)
{
	struct node *n = &w->node[self];
	struct wg_moment at = moment(w);
	uint8_t pkt[PACKET_MAX];
	uint32_t index;

	memcpy(pkt, bytes, len);
	if (transport_receiver(pkt, len, &index) != 0)
		return;
	struct keypair *kp = index_table_find(n->table, index);
	if (!kp || transport_open(w->aead, kp, pkt, &len, w->now_us) != 0)
		return;
	struct link *l = kp->user;
	bool moved = false;
	MUST(l->peer);
	if (len > 0) {
		check_inner(w, self, l, pkt + TRANSPORT_HEADER_LEN, len);
		moved = traffic_on_data_received(&l->traffic, w->now_us);
	} else {
		traffic_on_other_received(&l->traffic, w->now_us);
	}
	if (moved)
		wg_device_on_traffic(n->dev, l->peer, &at);
	if (keypair_confirm(kp))
		wg_device_on_first_packet(n->dev, index, &at);
	take_effects(w, n);
}

/* source: whose address it comes from, which need not be true. */
static void hear(struct world *w, unsigned self, unsigned source, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	memcpy(exact, bytes, len);
	if (len > 0 && bytes[0] == WG_TYPE_TRANSPORT)
		hear_data(w, self, exact, len);
	else
		hear_handshake(w, self, source, exact, len);
	free(exact);
}

static struct packet take_oldest(struct world *w)
{
	struct packet p = w->flight[0];

	memmove(w->flight, w->flight + 1, --w->in_flight * sizeof(p));
	return p;
}

static void deliver(struct world *w)
{
	if (w->in_flight == 0)
		return;
	struct packet p = take_oldest(w);
	hear(w, p.to, p.from, p.bytes, p.len);
}

/* ---- what nodes do ---- */

static void want_handshake(struct world *w, unsigned self, struct link *l)
{
	struct wg_moment at = moment(w);

	wg_device_start_handshake(w->node[self].dev, l->peer, false, &at);
	take_effects(w, &w->node[self]);
}

/* A lane with a packet to send. */
static void send_data(struct world *w, unsigned self, unsigned to)
{
	struct node *n = &w->node[self];
	struct link *l = &n->link[to];
	struct wg_moment at = moment(w);
	uint8_t inner[INNER_LEN] = {0x45, [3] = INNER_LEN};

	if (!l->peer || w->n_inner == DATA_MAX)
		return;
	if (!l->current || !keypair_can_send(l->current, w->now_us)) {
		want_handshake(w, self, l);
		return;
	}
	struct writer wr = writer_init(inner + 20, 4);
	write_u32be(&wr, (uint32_t)w->n_inner);
	w->inner[w->n_inner++] = (struct inner){.from = (uint8_t)self, .to = (uint8_t)to};
	seal(w, n, l, inner, INNER_LEN);
	if (traffic_on_data_sent(&l->traffic, w->now_us))
		wg_device_on_traffic(n->dev, l->peer, &at);
	if (keypair_renew_on_send(l->current, w->now_us))
		want_handshake(w, self, l);
}

static void run_timers(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		struct wg_moment at = moment(w);

		if (wg_device_next_deadline_us(n->dev) > w->now_us)
			continue;
		wg_device_on_deadline(n->dev, &at);
		take_effects(w, n);
		MUST(wg_device_next_deadline_us(n->dev) > w->now_us);
	}
}

/* ---- what the liar and the wire do ---- */

/* An initiation by the liar's own key, with a stamp and an index of its choice. */
static void craft_initiation(struct world *w)
{
	struct noise_identity self = {.hash = w->hash, .aead = w->aead};
	struct noise_peer device = {.key = w->node[DEVICE].key};
	struct noise_initiation hs = {0};
	uint8_t random[KEY_LEN], stamp[TAI64N_LEN] = {0x40}, msg[WG_MESSAGE_MAX] = {0};
	struct cookie_keys keys;

	noise_identity_set(&self, &w->node[LIAR].secret);
	MUST(noise_peer_bind(&device, &self) == 0);
	script_random(&w->s, random, sizeof(random));
	stamp[4] = script_byte(&w->s);
	stamp[11] = script_byte(&w->s);
	if (noise_create_initiation(&self, &device, &hs, random, script_u16(&w->s), stamp, msg))
		return;
	cookie_keys_set(&keys, w->hash, &device.key);
	hash_mac(w->hash, keys.mac1_key, HASH_LEN, msg, NOISE_INITIATION_LEN,
		 msg + NOISE_INITIATION_LEN);
	make(w, LIAR, DEVICE, msg, WG_MESSAGE_MAX);
}

/* Bytes of the input, with a mac1 that fits: what anyone can send who knows our public key. */
static void forge(struct world *w)
{
	uint8_t msg[PACKET_MAX];
	struct cookie_keys keys;
	size_t len;
	const uint8_t *span = script_span(&w->s, PACKET_MAX, &len);

	if (len > 0)
		memcpy(msg, span, len);
	cookie_keys_set(&keys, w->hash, &w->node[DEVICE].key);
	if (len > COOKIE_MACS_LEN)
		hash_mac(w->hash, keys.mac1_key, HASH_LEN, msg, len - COOKIE_MACS_LEN,
			 msg + len - COOKIE_MACS_LEN);
	hear(w, DEVICE, script_pick(&w->s, NODES), msg, len);
}

/* Any packet there ever was, to anyone, from anywhere: replayed, reflected, bent. */
static void again(struct world *w, bool bent)
{
	if (w->taped == 0)
		return;
	struct packet p = w->tape[w->taped - 1 - script_byte(&w->s) % w->taped];
	unsigned to = script_pick(&w->s, NODES), from = script_pick(&w->s, NODES);

	if (bent) {
		size_t at = script_byte(&w->s) % p.len;

		p.bytes[at] ^= script_byte(&w->s);
		if (script_byte(&w->s) & 1)
			p.len = 1 + script_byte(&w->s) % p.len;
	}
	hear(w, to, from, p.bytes, p.len);
}

static void hold_back(struct world *w)
{
	if (w->in_flight < 2)
		return;
	struct packet p = take_oldest(w);
	fly(w, &p);
}

/* Which initiations it has taken, a WireGuard device does not know over a restart, nor of a peer
 * that was removed and added again: an old one gets an answer once more, which is of no use to who
 * replayed it. */
static void forget_taken(struct world *w, unsigned self, unsigned from)
{
	for (size_t i = 0; i < w->taped; i++) {
		struct packet *p = &w->tape[i];

		if (p->to == self && p->from == from && p->bytes[0] == WG_TYPE_INITIATION)
			p->taken = false;
	}
}

static void restart(struct world *w, unsigned self)
{
	stop(&w->node[self]);
	start(w, self);
	for (unsigned from = 0; from < NODES; from++)
		forget_taken(w, self, from);
}

static void revoke_or_admit(struct world *w)
{
	if (w->node[DEVICE].link[LIAR].peer) {
		forget(w, DEVICE, LIAR);
		return;
	}
	meet(w, DEVICE, LIAR);
	forget_taken(w, DEVICE, LIAR);
}

enum {
	STEP_DELIVER,
	STEP_SEND,
	STEP_WAIT,
	STEP_DROP,
	STEP_HOLD_BACK,
	STEP_AGAIN,
	STEP_BEND,
	STEP_FORGE,
	STEP_CRAFT,
	STEP_LOAD,
	STEP_WALL_CLOCK,
	STEP_RESTART,
	STEP_REVOKE,
	STEP_DELIVER_ALL,
	STEPS
};

static void step(struct world *w)
{
	static const uint8_t ends[][2] = {
		{DEVICE, HONEST}, {HONEST, DEVICE}, {DEVICE, LIAR}, {LIAR, DEVICE}};
	unsigned kind = script_pick(&w->s, STEPS), way;

	switch (kind) {
	case STEP_DELIVER:
		deliver(w);
		break;
	case STEP_SEND:
		way = script_pick(&w->s, 4);
		send_data(w, ends[way][0], ends[way][1]);
		break;
	case STEP_WAIT:
		w->now_us += script_pause_us(&w->s);
		run_timers(w);
		break;
	case STEP_DROP:
		if (w->in_flight > 0)
			(void)take_oldest(w);
		break;
	case STEP_HOLD_BACK:
		hold_back(w);
		break;
	case STEP_AGAIN:
	case STEP_BEND:
		again(w, kind == STEP_BEND);
		break;
	case STEP_FORGE:
		forge(w);
		break;
	case STEP_CRAFT:
		craft_initiation(w);
		break;
	case STEP_LOAD:
		w->under_load = !w->under_load;
		break;
	case STEP_WALL_CLOCK:
		w->wall_step_us += ((int64_t)script_byte(&w->s) - 128) * 600 * US_PER_S;
		break;
	case STEP_RESTART:
		restart(w, script_pick(&w->s, NODES));
		break;
	case STEP_REVOKE:
		revoke_or_admit(w);
		break;
	default:
		for (unsigned i = 0; i < FLIGHT_MAX; i++)
			deliver(w);
	}
}

/* ---- the end ---- */

/* The wire is quiet and true; the honest peer must get through, whatever was. */
static void check_honest(struct world *w)
{
	unsigned to = w->delivered[HONEST][DEVICE], from = w->delivered[DEVICE][HONEST];

	unsigned tick = 0;
	while (w->delivered[HONEST][DEVICE] == to || w->delivered[DEVICE][HONEST] == from) {
		MUST(tick < QUIET_S * 4);
		run_timers(w);
		if (tick++ % 4 == 0) {
			send_data(w, DEVICE, HONEST);
			send_data(w, HONEST, DEVICE);
		}
		while (w->in_flight > 0)
			deliver(w);
		w->now_us += 250 * 1000;
	}
}

/* Of all indices ever given, no more may still be taken than handshakes and keypairs live. */
static void check_indices(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		unsigned held = 0;

		for (size_t j = 0; j < w->taped; j++) {
			struct packet *p = &w->tape[j];
			struct reader r = reader_init(p->bytes + 4, 4);

			if (p->from == i && (p->bytes[0] == 1 || p->bytes[0] == 2))
				held += index_table_owner(w->node[i].table, read_u32le(&r)) != NULL;
		}
		MUST(held <= INDICES_PER_PEER * (i == DEVICE ? 2 : 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;

	open_world(w, data, len);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++)
		step(w);
	check_indices(w);
	check_honest(w);
	for (unsigned i = 0; i < NODES; i++)
		stop(&w->node[i]);
	return 0;
}
