/*
 * hub_fuzz: a relay with two honest clients and lying ones beside them, which log in with keys of
 * their own, send any bytes, claim what only mesh peers may, read slowly or not at all, and leave.
 *
 *	honest 0, honest 1 <--> relay <--> liars (one of them may know the mesh key)
 *
 * Must hold:
 *   - an honest client's packet comes out at the other's end as it went in, once, in order, from
 *     its key; what comes to an honest client from a key was sent by a holder of that key;
 *   - without the mesh key nobody watches, forwards or closes;
 *   - what waits stays under the relay's ceiling; connections are counted right;
 *   - once the liars are gone, honest packets arrive.
 */
#include "derp-relay/hub.h"

#include "common/clock.h"
#include "common/proto/derp.h"
#include "derp-relay/client_conn.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HONEST = 2, LIARS = 3, CONNS = HONEST + LIARS, KEYS = CONNS };
enum { STEPS_MAX = 200, SPAN_MAX = 3000, BUF_LEN = CLIENT_BYTES_MAX, CEILING = 1 << 19 };
static const uint8_t seed[HUB_SEED_LEN] = {1}, mesh_key[KEY_LEN] = {5};
static const uint8_t nonce[CLIENT_NONCE_LEN] = {3};

struct conn {
	struct client_conn c;
	bool open, is_mesh;
	uint8_t held[BUF_LEN]; /* of what it sent, not taken yet */
	size_t n_held;
	uint32_t next_in; /* honest: number of the other's next packet */
};

struct world {
	struct script s;
	struct hub *hub;
	struct client_env env;
	struct secret_key secret[KEYS];
	struct public_key key[KEYS];
	uint64_t now_us;
	struct conn conn[CONNS];
	uint32_t next_out[HONEST];
	unsigned forwards; /* by who knows the mesh key: it may speak for others */
	uint8_t out[BUF_LEN];
};

static struct world world;

/* ---- connections ---- */

static void hang_up(struct world *w, struct conn *c)
{
	if (!c->open)
		return;
	client_conn_wipe(&c->c, w->hub);
	c->open = false;
	c->n_held = 0;
}

static void give(struct world *w, struct conn *c, const uint8_t *bytes, size_t len)
{
	size_t used;

	if (!c->open || len > BUF_LEN - c->n_held)
		return;
	memcpy(c->held + c->n_held, bytes, len);
	c->n_held += len;
	for (;;) {
		if (client_conn_on_bytes(&c->c, &w->env, w->hub, c->held, c->n_held, w->now_us,
					 &used) != 0) {
			hang_up(w, c);
			return;
		}
		MUST(used <= c->n_held);
		memmove(c->held, c->held + used, c->n_held - used);
		c->n_held -= used;
		if (c->c.state != CLIENT_ASKING)
			return;
		if (client_conn_on_admission(&c->c, w->hub, true, w->now_us) != 0) {
			hang_up(w, c);
			return;
		}
	}
}

static void connect_as(struct world *w, unsigned i, unsigned key, bool shows_mesh_key)
{
	static const struct endpoint from = {.port = 1};
	struct derp_client_info info = {.version = DERP_VERSION, .has_mesh_key = shows_mesh_key};
	struct conn *c = &w->conn[i];
	uint8_t frame[512];
	struct writer wr = writer_init(frame, sizeof(frame));

	if (c->open)
		return;
	MUST(client_conn_init(&c->c, 0, &from, 0, nonce, 0, w->now_us) == 0);
	c->open = true;
	c->is_mesh = shows_mesh_key;
	memcpy(info.mesh_key, mesh_key, KEY_LEN);
	MUST(derp_client_info_seal(&info, &w->secret[key], &w->env.pub, nonce, &wr) == 0);
	give(w, c, frame, wr.len);
	MUST(c->open && c->c.state == CLIENT_READY);
	MUST(public_key_equal(&c->c.hub.key, &w->key[key]));
}

/* ---- what comes out ---- */

static void check_packet(struct world *w, unsigned to, const struct derp_packet *p)
{
	unsigned from = 0;

	while (from < KEYS && !public_key_equal(&p->src, &w->key[from]))
		from++;
	if (w->forwards > 0 && p->len > 0 && p->data[0] == 0xff)
		return;
	MUST(from < KEYS && from != to && p->len >= 5);
	MUST(p->data[0] == from); /* who sends writes who it is, be it a liar or not */
	for (size_t i = 5; i < p->len; i++)
		MUST(p->data[i] == 0); /* and nothing else */
	if (from < HONEST) {
		struct reader r = reader_init(p->data + 1, 4);

		MUST(read_u32be(&r) >= w->conn[to].next_in);
		r = reader_init(p->data + 1, 4);
		w->conn[to].next_in = read_u32be(&r) + 1;
	}
}

static void read_stream(struct world *w, unsigned who, uint8_t *bytes, size_t len)
{
	struct derp_reader r = {.buf = bytes, .cap = BUF_LEN, .end = len};
	struct derp_raw_frame raw;
	struct derp_frame f;

	while (derp_reader_next(&r, &raw) == 0) {
		MUST(derp_frame_decode(raw.type, raw.payload, raw.len, &f) == 0);
		if (f.type == DERP_RECV_PACKET && who < HONEST)
			check_packet(w, who, &f.packet);
		MUST(f.type != DERP_PEER_PRESENT || w->conn[who].is_mesh);
	}
	MUST(derp_reader_is_empty(&r));
}

static void pull(struct world *w, unsigned who)
{
	struct conn *c = &w->conn[who];

	while (c->open && client_conn_wants_write(&c->c)) {
		struct writer wr = writer_init(w->out, sizeof(w->out));

		(void)client_conn_pull(&c->c, &w->env, w->hub, &wr, w->now_us);
		MUST(!wr.failed && wr.len > 0);
		read_stream(w, who, w->out, wr.len);
	}
}

/* What a worker does: those marked are closed. */
static void close_marked(struct world *w)
{
	struct port *port;

	while ((port = hub_next_ready(w->hub, 0)) != NULL)
		for (unsigned i = 0; i < CONNS; i++)
			if (w->conn[i].open && port == &w->conn[i].c.hub.port && port->close)
				hang_up(w, &w->conn[i]);
	(void)hub_take_wakes(w->hub);
}

/* ---- what goes in ---- */

static void send_frame(struct world *w, unsigned who, const struct derp_frame *f)
{
	static uint8_t frame[DERP_FORWARD_FRAME_MAX];
	struct writer wr = writer_init(frame, sizeof(frame));

	MUST(derp_frame_encode(f, &wr) == 0);
	give(w, &w->conn[who], frame, wr.len);
}

static void honest_sends(struct world *w, unsigned who, size_t len)
{
	struct derp_frame f = {.type = DERP_SEND_PACKET};
	uint8_t data[SPAN_MAX + 5] = {(uint8_t)who};
	struct writer wr = writer_init(data + 1, 4);

	write_u32be(&wr, w->next_out[who]++);
	f.packet.dst = w->key[1 - who];
	f.packet.data = data;
	f.packet.len = 5 + len;
	send_frame(w, who, &f);
}

static void lie_packet(struct world *w, unsigned who)
{
	static uint8_t data[DERP_PACKET_MAX];
	struct derp_frame f = {.type = DERP_SEND_PACKET};
	struct conn *c = &w->conn[who];

	/* What it is known by; a forged sender would show. */
	for (unsigned i = 0; c->open && i < KEYS; i++)
		if (public_key_equal(&c->c.hub.key, &w->key[i]))
			data[0] = (uint8_t)i;
	f.packet.dst = w->key[script_pick(&w->s, KEYS)];
	f.packet.data = data;
	f.packet.len = 5 + script_u16(&w->s) % (DERP_PACKET_MAX - 5);
	send_frame(w, who, &f);
}

static void lie_as_mesh(struct world *w, unsigned who)
{
	struct derp_frame f = {.type = DERP_WATCH_CONNS};
	struct conn *c = &w->conn[who];
	unsigned kind = script_pick(&w->s, 3);

	if (!c->open)
		return;
	if (kind == 1) {
		f.type = DERP_FORWARD_PACKET;
		f.packet.src = w->key[script_pick(&w->s, KEYS)];
		f.packet.dst = w->key[script_pick(&w->s, KEYS)];
		f.packet.data = (const uint8_t *)"\xff....";
		f.packet.len = 5;
		w->forwards += c->is_mesh;
	} else if (kind == 2) {
		f.type = DERP_CLOSE_PEER;
		f.close_peer = w->key[HONEST + script_pick(&w->s, LIARS)];
	}
	send_frame(w, who, &f);
	MUST(c->is_mesh || !c->open); /* sent away at once */
}

static void lie_raw(struct world *w, unsigned who)
{
	size_t len;
	const uint8_t *span = script_span(&w->s, SPAN_MAX, &len);

	/* A packet of the input's own would not say who sent it. */
	if (len > 0 && span[0] != DERP_SEND_PACKET && span[0] != DERP_FORWARD_PACKET &&
	    span[0] != DERP_CLOSE_PEER && w->conn[who].n_held == 0) {
		give(w, &w->conn[who], span, len < DERP_HEADER_LEN ? len : DERP_HEADER_LEN);
		hang_up(w, &w->conn[who]);
	}
}

static void lie(struct world *w)
{
	unsigned who = HONEST + script_pick(&w->s, LIARS);
	uint8_t how = script_byte(&w->s);

	switch (how % 8) {
	case 0:
		connect_as(w, who, HONEST + how / 8 % LIARS, how & 128);
		break;
	case 1:
		lie_as_mesh(w, who);
		break;
	case 2:
		lie_raw(w, who);
		break;
	case 3:
		hang_up(w, &w->conn[who]);
		break;
	case 4:
		pull(w, who);
		break;
	default:
		lie_packet(w, who);
	}
}

static void step(struct world *w)
{
	unsigned who;

	switch (script_pick(&w->s, 8)) {
	case 0:
		w->now_us += script_pause_us(&w->s);
		break;
	case 1:
		honest_sends(w, script_pick(&w->s, HONEST), script_u16(&w->s) % SPAN_MAX);
		break;
	case 2:
		who = script_pick(&w->s, HONEST);
		pull(w, who);
		break;
	default:
		lie(w);
	}
	close_marked(w);
}

/* ---- the end ---- */

static void check_counters(const struct world *w)
{
	struct hub_counters count;
	size_t open = 0;

	hub_count(w->hub, &count);
	for (unsigned i = 0; i < CONNS; i++)
		open += w->conn[i].open;
	MUST(count.connections == open && count.keys <= open);
	MUST(w->conn[0].open && w->conn[1].open);
}

static void check_honest(struct world *w)
{
	for (unsigned i = HONEST; i < CONNS; i++)
		hang_up(w, &w->conn[i]);
	for (unsigned i = 0; i < HONEST; i++)
		pull(w, i);
	for (unsigned i = 0; i < HONEST; i++) {
		honest_sends(w, i, 1200);
		pull(w, 1 - i);
		MUST(w->conn[1 - i].next_in == w->next_out[i]);
	}
	check_counters(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;

	for (unsigned i = 0; i < CONNS; i++)
		w->conn[i].open = false;
	w->s = script_init(data, len);
	w->hub = hub_new(seed, CEILING);
	w->now_us = US_PER_S;
	w->forwards = 0;
	w->env = (struct client_env){.has_mesh_key = true, .limits = limits_make(0, 0)};
	memcpy(w->env.mesh_key, mesh_key, KEY_LEN);
	secret_key_from_random(&w->env.secret, (const uint8_t[KEY_LEN]){0, 77});
	secret_key_public(&w->env.secret, &w->env.pub);
	for (unsigned i = 0; i < KEYS; i++) {
		secret_key_from_random(&w->secret[i], (const uint8_t[KEY_LEN]){0, (uint8_t)i});
		secret_key_public(&w->secret[i], &w->key[i]);
	}
	for (unsigned i = 0; i < HONEST; i++) {
		w->conn[i].n_held = 0;
		w->conn[i].next_in = w->next_out[i] = 0;
		connect_as(w, i, i, false);
	}
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++) {
		step(w);
		check_counters(w);
	}
	check_honest(w);
	for (unsigned i = 0; i < CONNS; i++)
		hang_up(w, &w->conn[i]);
	hub_free(w->hub);
	return 0;
}
