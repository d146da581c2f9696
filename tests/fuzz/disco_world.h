/*
 * disco_world: two conversations of nodes that look for a way, for disco_box_fuzz: what each end
 * sends, what it hears, and what must hold of both. What the wire and the liar do is the target's.
 */
#ifndef WARREN_FUZZ_DISCO_WORLD_H
#define WARREN_FUZZ_DISCO_WORLD_H

#include "agent/disco_box.h"
#include "agent/path/path_peer.h"
#include "common/clock.h"
#include "tests/fuzz/script.h"

enum { FLIGHT_MAX = 32, TAPE_MAX = 128, CARRIED_MAX = 64, PINGS_MAX = 1024 };
enum { TO_HONEST, TO_LIAR, OF_HONEST, OF_LIAR, PARTIES }; /* whose view of whom */
enum { ANSWERS_MAX = 2 + CANDIDATES_MAX + PATH_RELAYS_MAX };
static const uint64_t HOUR_US = 3600 * (uint64_t)US_PER_S;

struct packet {
	unsigned to;	/* party that it was made for */
	struct way way; /* by which it was sent */
	struct endpoint from;
	size_t len;
	uint8_t bytes[DISCO_PACKET_MAX];
};

/* One end of one conversation. */
struct party {
	struct disco_keys keys;
	uint8_t key_number;
	struct disco_box box;
	struct path_peer path;
	struct endpoint addr;
	uint64_t serial;
	struct path_traffic traffic;
	struct way carried[CARRIED_MAX]; /* by which a ping of ours was heard by the other */
	size_t n_carried;
	uint64_t pings_us[PINGS_MAX]; /* to unproved endpoints: when */
	size_t n_pings;
	unsigned sent_now;
};

struct world {
	struct script s;
	uint64_t now_us;
	struct candidate_rules rules;
	bool relay_up[3];
	struct party party[PARTIES];
	struct packet flight[FLIGHT_MAX], tape[TAPE_MAX];
	size_t in_flight, taped;
};

/* Who hears what a party sends, and back. */
static inline unsigned other_of(unsigned party)
{
	return (party + 2) % PARTIES;
}

static inline struct endpoint address(uint8_t n)
{
	return (struct endpoint){.ip.b = {[10] = 0xff, 0xff, 198, 51, 100, n}, .port = 41641};
}

/* ---- sending ---- */

static inline bool is_carried(const struct party *p, const struct way *way)
{
	return way_among(p->carried, p->n_carried, way);
}

/* What budget promises, counted anew. */
static inline void count_ping(struct world *w, struct party *p, const struct way *way)
{
	size_t second = 0, hour = 0;

	if (way->kind != WAY_DIRECT)
		return;
	MUST(ip_is_dialable(&way->addr.ip) && way->addr.port != 0);
	MUST(!prefix_contains(&w->rules.mesh[0], &way->addr.ip));
	MUST(!endpoint_equal(&way->addr, &w->rules.own[0]));
	if (is_carried(p, way))
		return;
	p->pings_us[p->n_pings++ % PINGS_MAX] = w->now_us;
	for (size_t i = 0; i < PINGS_MAX && i < p->n_pings; i++) {
		second += w->now_us - p->pings_us[i] < US_PER_S;
		hour += w->now_us - p->pings_us[i] < HOUR_US;
	}
	MUST(second <= BUDGET_PER_SECOND && hour <= BUDGET_PER_HOUR);
}

static inline void seal(struct world *w, unsigned self, const struct way *way,
			const struct disco_message *m)
{
	struct party *p = &w->party[self];
	uint8_t nonce[DISCO_NONCE_LEN];

	for (size_t copy = 0; copy < disco_box_copies(&p->box); copy++) {
		struct packet pkt = {.to = other_of(self), .way = *way, .from = p->addr};

		script_random(&w->s, nonce, sizeof(nonce));
		MUST(disco_box_seal(&p->box, copy, m, nonce, pkt.bytes, sizeof(pkt.bytes),
				    &pkt.len) == 0);
		w->tape[w->taped++ % TAPE_MAX] = pkt;
		if (w->in_flight == FLIGHT_MAX)
			memmove(w->flight, w->flight + 1, --w->in_flight * sizeof(pkt));
		w->flight[w->in_flight++] = pkt;
	}
}

static inline struct disco_report report_of(struct party *p, const struct path_action *a)
{
	enum disco_way way = a->way.kind == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
	struct disco_report r = {
		.serial = ++p->serial, .probe = a->report.number, .heard_probe = a->report.heard};

	r.data_sent[way] = a->report.data_sent;
	r.data_heard[way] = a->report.data_heard;
	return r;
}

static inline void send_action(struct world *w, unsigned self, const struct path_action *a)
{
	struct party *p = &w->party[self];
	struct disco_message m = {0};

	switch (a->kind) {
	case PATH_SEND_PING:
		m.type = DISCO_PING;
		memcpy(m.ping.txid, a->txid, DISCO_TXID_LEN);
		m.ping.has_node_key = m.ping.has_report = true;
		m.ping.report = report_of(p, a);
		count_ping(w, p, &a->way);
		break;
	case PATH_SEND_PONG:
		m.type = DISCO_PONG;
		memcpy(m.pong.txid, a->txid, DISCO_TXID_LEN);
		m.pong.seen = a->observed;
		m.pong.has_report = true;
		m.pong.report = report_of(p, a);
		break;
	case PATH_SEND_CALL_ME_MAYBE:
		MUST(a->way.kind == WAY_RELAY);
		m.type = DISCO_CALL_ME_MAYBE;
		m.call_me_maybe.endpoints[0] = p->addr;
		m.call_me_maybe.n = 1;
		break;
	case PATH_SEND_NOTICE:
		m.type = DISCO_NOTICE;
		m.notice.serial = ++p->serial;
		m.notice.reason = a->notice == PATH_LEAVING	 ? DISCO_LEAVING
				  : a->notice == PATH_RESTARTING ? DISCO_RESTARTING
								 : DISCO_NOT_HEARING;
		m.notice.way = a->about == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;
		break;
	case PATH_SET_CHOICE:
	case PATH_RESEND:
	case PATH_HOLD:
	case PATH_HANDSHAKE:
	case PATH_ASK_ENDPOINTS:
		return;
	}
	p->sent_now++;
	seal(w, self, &a->way, &m);
}

static inline void check_choice(const struct party *p)
{
	const struct path_choice *c = path_peer_choice(&p->path);

	MUST(c->first.kind != WAY_DIRECT || is_carried(p, &c->first));
	MUST(c->copy.kind != WAY_DIRECT || is_carried(p, &c->copy));
	MUST(memchr(c->why, '\0', sizeof(c->why)) && memchr(c->why_code, '\0', PATH_CODE_LEN));
}

/* Only node 0's and the honest node's paths run by themselves; the liar does what the input says.
 */
static inline void carry_out(struct world *w, unsigned self, const struct path_actions *actions)
{
	MUST(actions->n <= PATH_ACTIONS_MAX);
	for (size_t i = 0; i < actions->n; i++)
		send_action(w, self, &actions->list[i]);
	check_choice(&w->party[self]);
}

/* ---- hearing ---- */

static inline struct path_report report_from(const struct disco_report *r, const struct way *from)
{
	enum disco_way way = from->kind == WAY_RELAY ? DISCO_WAY_RELAY : DISCO_WAY_DIRECT;

	return (struct path_report){.serial = r->serial,
				    .number = r->probe,
				    .heard = r->heard_probe,
				    .data_sent = r->data_sent[way],
				    .data_heard = r->data_heard[way]};
}

static inline void hear_message(struct party *p, const struct disco_message *m,
				const struct way *from, uint64_t now_us,
				struct path_actions *actions)
{
	struct path_report report;

	switch (m->type) {
	case DISCO_PING:
		report = report_from(&m->ping.report, from);
		path_peer_on_ping(&p->path, from, m->ping.txid, m->ping.has_report ? &report : NULL,
				  now_us, actions);
		break;
	case DISCO_PONG:
		report = report_from(&m->pong.report, from);
		(void)path_peer_on_pong(&p->path, from, m->pong.txid,
					m->pong.has_report ? &report : NULL, now_us, actions);
		break;
	case DISCO_CALL_ME_MAYBE:
		if (from->kind == WAY_RELAY)
			path_peer_on_call_me_maybe(&p->path, m->call_me_maybe.endpoints,
						   m->call_me_maybe.n, now_us, actions);
		break;
	case DISCO_NOTICE:
		path_peer_on_notice(&p->path,
				    m->notice.reason == DISCO_LEAVING	   ? PATH_LEAVING
				    : m->notice.reason == DISCO_RESTARTING ? PATH_RESTARTING
									   : PATH_NOT_HEARING,
				    m->notice.way == DISCO_WAY_RELAY ? WAY_RELAY : WAY_DIRECT,
				    m->notice.serial, now_us, actions);
		break;
	}
}

/* Made by the other end of this conversation, for this end, and not a bit changed. */
static inline bool is_genuine(const struct world *w, unsigned self, const uint8_t *bytes,
			      size_t len)
{
	for (size_t i = 0; i < TAPE_MAX; i++)
		if (w->tape[i].len == len && w->tape[i].to == self &&
		    memcmp(w->tape[i].bytes, bytes, len) == 0)
			return true;
	return false;
}

static inline void hear(struct world *w, unsigned self, const struct packet *pkt,
			const struct way *from)
{
	struct path_actions actions = {.n = 0};
	struct party *p = &w->party[self];
	struct disco_message m;

	if (disco_box_open(&p->box, pkt->bytes, pkt->len, w->now_us, &m) != 0)
		return;
	MUST(is_genuine(w, self, pkt->bytes, pkt->len));
	if (m.type == DISCO_PING) {
		struct party *sender = &w->party[other_of(self)];

		if (!is_carried(sender, &pkt->way) && sender->n_carried < CARRIED_MAX)
			sender->carried[sender->n_carried++] = pkt->way;
	}
	if (self == OF_LIAR)
		return;
	p->sent_now = 0;
	hear_message(p, &m, from, w->now_us, &actions);
	carry_out(w, self, &actions);
	MUST(p->sent_now <= ANSWERS_MAX);
}

static inline struct packet take_oldest(struct world *w)
{
	struct packet p = w->flight[0];

	memmove(w->flight, w->flight + 1, --w->in_flight * sizeof(p));
	return p;
}

/* As it was sent, by a true wire: to the address, or through the relay if that stands. */
static inline void deliver(struct world *w)
{
	if (w->in_flight == 0)
		return;
	struct packet p = take_oldest(w);
	struct way from = p.way.kind == WAY_DIRECT ? way_direct(p.from) : p.way;

	if (p.way.kind == WAY_DIRECT && !endpoint_equal(&p.way.addr, &w->party[p.to].addr))
		return;
	if (p.way.kind == WAY_RELAY && !w->relay_up[p.way.region])
		return;
	hear(w, p.to, &p, &from);
}

#endif
