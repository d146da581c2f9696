/*
 * mesh_session_fuzz: a relay's session to another relay of its region, which lies: it says of any
 * key that it is there or gone, of the relay's own clients too, and sends any frames.
 *
 * Must hold:
 *   - up only behind a ServerInfo sealed by the key that the other named; nothing believed before;
 *   - the mesh key goes to nobody in the clear, and once;
 *   - clients here that talk to each other never go by the liar;
 *   - when the session ends, nothing that the other said is left.
 */
#include "derp-relay/mesh_session.h"

#include "common/clock.h"
#include "tests/fuzz/fixed_key.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 200, SPAN_MAX = 1024, KEYS = 6, BUF_LEN = CLIENT_BYTES_MAX };
static const uint8_t seed[HUB_SEED_LEN] = {1}, mesh_key[KEY_LEN] = {5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t nonce[CLIENT_NONCE_LEN] = {3};

struct world {
	struct script s;
	struct hub *hub;
	struct client_env env;
	struct secret_key other, third;
	struct public_key other_key, third_key, keys[KEYS]; /* 0 and 1: our clients */
	struct client_conn client[2];
	struct mesh_session session;
	uint64_t now_us;
	unsigned logins;
	uint8_t out[BUF_LEN];
};

struct sealed { /* len 0: not yet */
	uint8_t bytes[512];
	size_t len;
};

static struct world world;

static void hear(struct world *w, const uint8_t *bytes, size_t len,
		 const struct public_key *sealed_by)
{
	uint8_t *exact = malloc(len);
	struct derp_raw_frame raw = {bytes[0], exact + DERP_HEADER_LEN, len - DERP_HEADER_LEN};
	enum mesh_state before = w->session.state;
	struct public_key server = w->session.server;
	struct hub_counters count;

	memcpy(exact, bytes, len);
	int rc = mesh_session_on_frame(&w->session, &w->env, w->hub, &raw, w->now_us);
	if (w->session.state == MESH_UP && before != MESH_UP)
		MUST(before == MESH_LOGIN && sealed_by && public_key_equal(sealed_by, &server));
	hub_count(w->hub, &count);
	MUST(w->session.state == MESH_UP || count.forwarders == 0);
	if (rc != 0) {
		mesh_session_on_down(&w->session, w->hub);
		hub_count(w->hub, &count);
		MUST(count.forwarders == 0 && count.connections == 2);
		mesh_session_init(&w->session, 1, nonce, w->now_us);
		w->logins = 0;
	}
	free(exact);
}

static void hear_frame(struct world *w, const struct derp_frame *f)
{
	uint8_t bytes[512];
	struct writer wr = writer_init(bytes, sizeof(bytes));

	MUST(derp_frame_encode(f, &wr) == 0);
	hear(w, bytes, wr.len, NULL);
}

/* The same bytes each time, so they are sealed once. */
static void hear_server_info(struct world *w, bool is_thirds)
{
	static struct sealed made[2];
	struct sealed *info = &made[is_thirds];

	if (info->len == 0) {
		const struct derp_server_info plain = {.version = 2};
		struct writer wr = writer_init(info->bytes, sizeof(info->bytes));

		MUST(derp_server_info_seal(&plain, is_thirds ? &w->third : &w->other, &w->env.pub,
					   nonce, &wr) == 0);
		info->len = wr.len;
	}
	hear(w, info->bytes, info->len, is_thirds ? &w->third_key : &w->other_key);
}

static void hear_made(struct world *w)
{
	struct derp_frame f = {.type = DERP_SERVER_KEY, .server_key = w->other_key};
	uint8_t how = script_byte(&w->s), key = script_byte(&w->s) % KEYS;

	switch (how % 5) {
	case 0:
		if (how & 128)
			f.server_key = how & 64 ? w->env.pub : w->keys[key];
		break;
	case 1:
		hear_server_info(w, how & 128);
		return;
	case 2:
		f = (struct derp_frame){.type = DERP_PEER_PRESENT};
		f.present.key = w->keys[key];
		break;
	case 3:
		f = (struct derp_frame){.type = DERP_PEER_GONE};
		f.gone.key = w->keys[key];
		f.gone.reason = how & 128 ? DERP_GONE_NOT_HERE : DERP_GONE_DISCONNECTED;
		break;
	default:
		f = (struct derp_frame){.type = DERP_PING};
	}
	hear_frame(w, &f);
}

static void hear_raw(struct world *w)
{
	uint8_t bytes[DERP_HEADER_LEN + SPAN_MAX] = {script_byte(&w->s)};
	size_t len;
	const uint8_t *span = script_span(&w->s, SPAN_MAX, &len);

	if (len > 0)
		memcpy(bytes + DERP_HEADER_LEN, span, len);
	hear(w, bytes, DERP_HEADER_LEN + len, NULL);
}

/* What the session writes: a login once, never with the mesh key readable, and no client's packet
 * to another client. */
static void pull(struct world *w)
{
	struct writer wr = writer_init(w->out, sizeof(w->out));
	struct derp_reader r = {.buf = w->out, .cap = sizeof(w->out)};
	struct derp_raw_frame raw;
	struct derp_frame f;

	mesh_session_pull(&w->session, &w->env, w->hub, &wr, w->now_us);
	MUST(!wr.failed);
	MUST(!memmem(w->out, wr.len, mesh_key, 8));
	r.end = wr.len;
	while (derp_reader_next(&r, &raw) == 0) {
		MUST(derp_frame_decode(raw.type, raw.payload, raw.len, &f) == 0);
		w->logins += f.type == DERP_CLIENT_INFO;
		MUST(w->logins <= 1);
		if (f.type != DERP_FORWARD_PACKET)
			continue;
		MUST(w->session.state == MESH_UP);
		MUST(!public_key_equal(&f.packet.dst, &w->keys[0]));
		MUST(!public_key_equal(&f.packet.dst, &w->keys[1]));
	}
	MUST(derp_reader_is_empty(&r));
}

static size_t client_hears(struct world *w, unsigned who)
{
	struct writer wr = writer_init(w->out, sizeof(w->out));
	size_t n = client_conn_pull(&w->client[who], &w->env, w->hub, &wr, w->now_us);

	MUST(!wr.failed);
	return n;
}

/* One client of ours to the other: it arrives, whatever the liar claims of either. */
static void clients_talk(struct world *w, unsigned who)
{
	(void)client_hears(w, 1 - who);
	hub_on_packet(w->hub, &w->client[who].hub, &w->keys[1 - who], (const uint8_t *)"abc", 3,
		      w->now_us);
	MUST(client_hears(w, 1 - who) == 1);
}

static void step(struct world *w)
{
	switch (script_pick(&w->s, 8)) {
	case 0:
		w->now_us += script_pause_us(&w->s);
		break;
	case 1:
		pull(w);
		break;
	case 2:
		clients_talk(w, script_pick(&w->s, 2));
		break;
	case 3:
		hub_on_packet(w->hub, &w->client[0].hub, &w->keys[script_pick(&w->s, KEYS)],
			      (const uint8_t *)"abc", 3, w->now_us);
		break;
	case 4:
		hear_raw(w);
		break;
	default:
		hear_made(w);
	}
	while (hub_next_ready(w->hub, 0) || hub_next_ready(w->hub, 1))
		;
	(void)hub_take_wakes(w->hub);
}

/* The login of one of our clients, sealed once; a copy, as it is opened in place. */
static struct sealed login_of(const struct world *w, unsigned i)
{
	static struct sealed made[2];

	if (made[i].len == 0) {
		const struct derp_client_info info = {.version = DERP_VERSION};
		struct writer wr = writer_init(made[i].bytes, sizeof(made[i].bytes));
		struct secret_key secret;
		struct public_key key;

		fixed_key(i, &secret, &key);
		MUST(derp_client_info_seal(&info, &secret, &w->env.pub, nonce, &wr) == 0);
		made[i].len = wr.len;
	}
	return made[i];
}

static void add_client(struct world *w, unsigned i)
{
	static const struct endpoint from = {.port = 1};
	struct sealed login = login_of(w, i);
	size_t used;

	MUST(client_conn_init(&w->client[i], 0, &from, 0, nonce, 0, w->now_us) == 0);
	MUST(client_conn_on_bytes(&w->client[i], &w->env, w->hub, login.bytes, login.len, w->now_us,
				  &used) == 0);
	MUST(client_conn_on_admission(&w->client[i], w->hub, true, w->now_us) == 0);
}

static void open_world(struct world *w, const uint8_t *data, size_t len)
{
	w->s = script_init(data, len);
	w->now_us = 1000 * (uint64_t)US_PER_S;
	w->logins = 0;
	w->hub = hub_new(seed, 1 << 20);
	w->env = (struct client_env){.has_mesh_key = true, .limits = limits_make(0, 0)};
	memcpy(w->env.mesh_key, mesh_key, KEY_LEN);
	fixed_key(77, &w->env.secret, &w->env.pub);
	fixed_key(88, &w->other, &w->other_key);
	fixed_key(99, &w->third, &w->third_key);
	for (unsigned i = 0; i < KEYS; i++) {
		struct secret_key secret;

		fixed_key(i, &secret, &w->keys[i]);
	}
	add_client(w, 0);
	add_client(w, 1);
	mesh_session_init(&w->session, 1, nonce, w->now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;
	struct hub_counters count;

	open_world(w, data, len);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++)
		step(w);
	pull(w);
	clients_talk(w, 0);
	clients_talk(w, 1);
	mesh_session_on_down(&w->session, w->hub);
	hub_count(w->hub, &count);
	MUST(count.forwarders == 0 && count.connections == 2);
	client_conn_wipe(&w->client[0], w->hub);
	client_conn_wipe(&w->client[1], w->hub);
	hub_free(w->hub);
	return 0;
}
