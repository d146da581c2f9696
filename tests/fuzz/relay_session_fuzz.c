/*
 * relay_session_fuzz: a node's session with a relay that lies: with or without the key its
 * certificate named, it hangs, answers anything, sends frames in any order, drains, and closes when
 * it likes.
 *
 * Must hold:
 *   - up only behind a ServerInfo sealed by the very key that the relay named; packets only while
 * up;
 *   - what a frame makes the node write fits, and is little;
 *   - dials are apart and few, and no timer runs in circles;
 *   - what it may send stays within the bucket it was given;
 *   - an honest relay gets the node back.
 */
#include "agent/session/relay_session.h"

#include "common/clock.h"
#include "common/net/http.h"
#include "tests/fuzz/dial_watch.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 300, SPAN_MAX = 2048, DIALS_PER_MINUTE = 80, WAIT_MAX_S = 90 };
static const uint64_t SHORTEST_WAIT_US = 10 * US_PER_MS;
static const uint8_t nonce[DERP_NONCE_LEN] = {5};

struct world {
	struct script s;
	struct relay_session session;
	struct secret_key client, relay, other;
	struct public_key client_key, relay_key;
	uint64_t now_us;
	struct dial_watch dials;
	bool proven; /* on this connection */
	uint64_t up_us, sent_bytes;
	uint8_t bytes[RELAY_SESSION_OUT_MAX];
	struct writer out;
};

static struct writer *fresh(struct world *w)
{
	w->out = writer_init(w->bytes, sizeof(w->bytes));
	return &w->out;
}

static void close_now(struct world *w)
{
	struct relay_session *s = &w->session;

	relay_session_on_closed(s, "closed", (uint32_t)script_dice(&w->s), w->now_us);
	dial_watch_on_closed(&w->dials, w->now_us);
	w->proven = false;
	MUST(s->state == RELAY_DOWN && s->retry_us - w->now_us <= WAIT_MAX_S * (uint64_t)US_PER_S);
}

static void carry_out(struct world *w, enum relay_session_do what)
{
	MUST(!w->out.failed);
	if (what == RELAY_DO_DIAL)
		dial_watch_on_dial(&w->dials, w->now_us);
	if (what == RELAY_DO_CLOSE)
		close_now(w);
}

static void wait(struct world *w, uint64_t pause_us)
{
	uint64_t until_us = w->now_us + pause_us;
	struct relay_session *s = &w->session;

	for (unsigned rounds = 0; s->deadline_us <= until_us; rounds++) {
		MUST(rounds < 20000);
		if (s->deadline_us > w->now_us)
			w->now_us = s->deadline_us;
		uint64_t before_us = s->deadline_us;
		carry_out(w, relay_session_on_deadline(s, 0, w->now_us, fresh(w)));
		MUST(s->deadline_us > w->now_us || s->deadline_us != before_us);
	}
	w->now_us = until_us;
}

static void connect_to(struct world *w, bool fast)
{
	if (w->session.state != RELAY_DIALLING)
		return;
	if (relay_session_on_connected(&w->session, "relay.example", NULL,
				       fast ? &w->relay_key : NULL, &w->client, nonce, w->now_us,
				       fresh(w)) != 0)
		close_now(w);
	MUST(!w->out.failed);
}

static void answer(struct world *w, const char *text, size_t len)
{
	struct http_head head;
	size_t used;

	if (w->session.state == RELAY_UPGRADING &&
	    http_parse_response(text, len, &head, &used) == 0 &&
	    relay_session_on_answer(&w->session, &head, w->now_us) != 0)
		close_now(w);
}

/* sealed_by: who proved itself in a ServerInfo; NULL: nobody, as the bytes came from the input. */
static void hear(struct world *w, const struct derp_raw_frame *raw,
		 const struct public_key *sealed_by)
{
	struct relay_session *s = &w->session;
	enum relay_session_state before = s->state;
	struct relay_event event;
	struct public_key key = s->server_key;

	if (before == RELAY_DOWN || before == RELAY_DIALLING || before == RELAY_UPGRADING)
		return;
	int rc = relay_session_on_frame(s, raw, &w->client, nonce, w->now_us, fresh(w), &event);
	MUST(!w->out.failed && memchr(s->reason, '\0', sizeof(s->reason)));
	if (s->state == RELAY_UP && before != RELAY_UP) {
		MUST(before == RELAY_AWAITS_INFO && sealed_by && public_key_equal(&key, sealed_by));
		w->proven = true;
		w->up_us = w->now_us;
		w->sent_bytes = 0;
	}
	if (event.kind == RELAY_EVENT_PACKET)
		MUST(w->proven && event.packet.len <= raw->len);
	if (rc != 0)
		close_now(w);
}

static void hear_raw(struct world *w)
{
	size_t len;
	uint8_t type = script_byte(&w->s);
	const uint8_t *payload = script_span(&w->s, SPAN_MAX, &len);
	struct derp_raw_frame raw = {.type = type, .payload = payload, .len = len};
	uint8_t *exact = malloc(len ? len : 1);

	if (len > 0)
		memcpy(exact, payload, len);
	raw.payload = exact;
	hear(w, &raw, NULL);
	free(exact);
}

static void hear_frame(struct world *w, const struct derp_frame *f)
{
	uint8_t bytes[SPAN_MAX];
	struct writer wr = writer_init(bytes, sizeof(bytes));

	MUST(derp_frame_encode(f, &wr) == 0);
	hear(w,
	     &(struct derp_raw_frame){bytes[0], bytes + DERP_HEADER_LEN, wr.len - DERP_HEADER_LEN},
	     NULL);
}

static void hear_server_key(struct world *w, bool is_others)
{
	struct derp_frame f = {.type = DERP_SERVER_KEY, .server_key = w->relay_key};

	if (is_others)
		secret_key_public(&w->other, &f.server_key);
	hear_frame(w, &f);
}

static void hear_server_info(struct world *w, const struct secret_key *by,
			     const struct derp_server_info *info)
{
	uint8_t bytes[512];
	struct writer wr = writer_init(bytes, sizeof(bytes));
	struct public_key key;

	secret_key_public(by, &key);
	MUST(derp_server_info_seal(info, by, &w->client_key, nonce, &wr) == 0);
	hear(w,
	     &(struct derp_raw_frame){bytes[0], bytes + DERP_HEADER_LEN, wr.len - DERP_HEADER_LEN},
	     &key);
}

static void hear_made(struct world *w)
{
	struct derp_frame f = {.type = DERP_RESTARTING};
	struct derp_server_info info = {.version = 2};
	uint8_t how = script_byte(&w->s);

	switch (how % 6) {
	case 0:
		hear_server_key(w, how & 128);
		break;
	case 1:
		info.rate_bytes_per_s = script_u16(&w->s);
		info.burst_bytes = (uint64_t)script_byte(&w->s) << (script_byte(&w->s) % 40);
		hear_server_info(w, how & 128 ? &w->other : &w->relay, &info);
		break;
	case 2:
		f.restarting.reconnect_in_ms = (uint32_t)script_byte(&w->s)
					       << (script_byte(&w->s) % 24);
		hear_frame(w, &f);
		break;
	case 3:
		f = (struct derp_frame){.type = DERP_PONG};
		f.ping[7] = (uint8_t)(w->session.asks - (how & 1));
		hear_frame(w, &f);
		break;
	case 4:
		f = (struct derp_frame){.type = DERP_RECV_PACKET};
		f.packet.data = (const uint8_t *)"abc";
		f.packet.len = 3;
		hear_frame(w, &f);
		break;
	default:
		f = (struct derp_frame){.type = DERP_PING};
		hear_frame(w, &f);
	}
}

/* The bucket: its burst, and its rate for as long as the session is up. */
static void send_some(struct world *w)
{
	struct relay_session *s = &w->session;
	size_t len = script_u16(&w->s);

	relay_session_on_use(s, w->now_us);
	if (s->state != RELAY_UP || !relay_session_may_send(s, len, w->now_us))
		return;
	w->sent_bytes += len;
	if (s->rate_bytes_per_s == 0)
		return;
	uint64_t ms = (w->now_us - w->up_us) / US_PER_MS + 1;
	MUST(w->sent_bytes <= s->burst_bytes + s->rate_bytes_per_s * ms / MS_PER_S + 1);
}

static void step(struct world *w)
{
	static const char good[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\n\r\n";
	struct relay_session *s = &w->session;
	size_t len;
	const uint8_t *span;

	switch (script_pick(&w->s, 12)) {
	case 0:
	case 1:
		wait(w, script_pause_us(&w->s));
		break;
	case 2:
		connect_to(w, script_byte(&w->s) & 1);
		break;
	case 3:
		answer(w, good, sizeof(good) - 1);
		break;
	case 4:
		span = script_span(&w->s, SPAN_MAX, &len);
		if (len > 0)
			answer(w, (const char *)span, len);
		break;
	case 5:
		hear_raw(w);
		break;
	case 6:
		if (s->state != RELAY_DOWN)
			close_now(w);
		break;
	case 7:
		dial_watch_free_next(&w->dials);
		carry_out(w, relay_session_check(s, w->now_us, fresh(w)));
		break;
	case 8:
		dial_watch_free_next(&w->dials);
		relay_session_hold(s, script_byte(&w->s) & 1, script_byte(&w->s) & 1, w->now_us,
				   fresh(w));
		break;
	case 9:
		send_some(w);
		break;
	default:
		hear_made(w);
	}
}

static void check_honest(struct world *w)
{
	struct relay_session *s = &w->session;
	const struct derp_server_info info = {.version = 2};

	relay_session_hold(s, true, true, w->now_us, fresh(w));
	if (s->state != RELAY_DOWN)
		close_now(w);
	dial_watch_free_next(&w->dials);
	wait(w, s->deadline_us > w->now_us ? s->deadline_us - w->now_us : 0);
	MUST(s->state == RELAY_DIALLING);
	connect_to(w, true);
	hear_server_info(w, &w->relay, &info);
	MUST(s->state == RELAY_UP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct world w;

	w = (struct world){
		.s = script_init(data, len),
		.now_us = 1000 * (uint64_t)US_PER_S,
		.dials = {.shortest_wait_us = SHORTEST_WAIT_US, .per_minute = DIALS_PER_MINUTE}};
	secret_key_from_random(&w.client, (const uint8_t[KEY_LEN]){8});
	secret_key_from_random(&w.relay, (const uint8_t[KEY_LEN]){16});
	secret_key_from_random(&w.other, (const uint8_t[KEY_LEN]){24});
	secret_key_public(&w.client, &w.client_key);
	secret_key_public(&w.relay, &w.relay_key);
	relay_session_hold(&w.session, true, true, w.now_us, fresh(&w));
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w.s); i++)
		step(&w);
	check_honest(&w);
	return 0;
}
