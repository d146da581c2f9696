#include "agent/filter/filter.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "agent/filter/flow_snapshot.h"
#include "agent/filter/flow_table.h"
#include "agent/filter/inner_packet.h"
#include "common/clock.h"

static_assert((int)FILTER_SEED_LEN == (int)FLOW_SEED_LEN, "the filter's seed is its table's");
static_assert(FILTER_VERDICTS == 9, "filter_verdict_str names every verdict");

enum { FRAGMENTS_MAX = 64, TICK_PARTS = 8, ALL_FINS = 1 << FILTER_IN | 1 << FILTER_OUT };

/* Longer than the parts of one datagram stay apart on any path that works (RFC 8900 section 3). */
static const uint64_t fragment_patience_us = 2 * US_PER_S;

/* A datagram whose first fragment passed: the later ones may follow. */
struct fragment {
	struct ip_addr src, dst;
	uint64_t deadline_us;
	uint32_t peer_id, id;
	uint8_t proto;
	enum filter_direction direction;
};

/* Written by the lane alone, read by anyone. */
struct counter {
	_Atomic uint64_t n;
};

struct filter {
	_Atomic(const struct filter_rules *) rules; /* borrowed: filter_publish says until when */
	struct flow_table *table;
	struct fragment fragments[FRAGMENTS_MAX]; /* a ring */
	size_t next_fragment;
	size_t next_tick; /* the slot where the next filter_tick goes on */

	struct counter verdicts[2][FILTER_VERDICTS]; /* by direction */
	struct counter flows, made, expired, evicted, revoked, changes;
};

/* What one packet is judged by. */
struct case_file {
	const struct filter_rules *rules;
	enum filter_direction direction;
	uint32_t peer_id;
	const struct inner_packet *packet;
	uint64_t now_us;
};

const char *filter_verdict_str(enum filter_verdict verdict)
{
	static const char *const names[FILTER_VERDICTS] = {
		"pass",	   "malformed", "extension", "fragment",     "policy",
		"no-flow", "unrelated", "revoked",   "unknown-peer",
	};

	return names[verdict];
}

struct filter *filter_new(size_t flows, const uint8_t seed[static FILTER_SEED_LEN])
{
	struct filter *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->table = flow_table_new(flows, seed);
	if (!f->table) {
		free(f);
		return NULL;
	}
	return f;
}

void filter_free(struct filter *f)
{
	if (f)
		flow_table_free(f->table);
	free(f);
}

const struct filter_rules *filter_publish(struct filter *f, const struct filter_rules *rules)
{
	return atomic_exchange_explicit(&f->rules, rules, memory_order_acq_rel);
}

/* One writer, so a load and a store do; no lane pays for a locked instruction. */
static void count(struct counter *c)
{
	uint64_t n = atomic_load_explicit(&c->n, memory_order_relaxed);

	atomic_store_explicit(&c->n, n + 1, memory_order_relaxed);
}

static uint64_t read_counter(const struct counter *c)
{
	return atomic_load_explicit(&c->n, memory_order_relaxed);
}

static void note_change(struct filter *f)
{
	count(&f->changes);
	atomic_store_explicit(&f->flows.n, flow_table_count(f->table), memory_order_relaxed);
}

static void drop_flow(struct filter *f, struct flow *flow, struct counter *why)
{
	flow_table_remove(f->table, flow);
	count(why);
	note_change(f);
}

/* ---- rules ---- */

static bool starter_may(const struct filter_rules *rules, const struct flow_key *key,
			enum filter_direction started)
{
	uint16_t called = started == FILTER_IN ? key->local_port : key->remote_port;

	return filter_rules_allow(rules, key->peer_id, started, key->proto, called);
}

static bool still_allowed(const struct filter_rules *rules, struct flow *flow)
{
	uint64_t generation = filter_rules_generation(rules);

	if (flow->generation == generation)
		return true;
	if (!starter_may(rules, &flow->key, flow->started))
		return false;
	flow->generation = generation;
	return true;
}

/* ---- flows ---- */

static struct flow_key key_of(const struct inner_tuple *t, uint32_t peer_id, bool src_is_local)
{
	return (struct flow_key){
		.local = src_is_local ? t->src : t->dst,
		.remote = src_is_local ? t->dst : t->src,
		.peer_id = peer_id,
		.local_port = src_is_local ? t->src_port : t->dst_port,
		.remote_port = src_is_local ? t->dst_port : t->src_port,
		.proto = t->proto,
	};
}

static struct flow *find_live(struct filter *f, const struct flow_key *key, uint64_t now_us)
{
	struct flow *flow = flow_table_find(f->table, key);

	if (flow && flow->deadline_us <= now_us) {
		drop_flow(f, flow, &f->expired);
		return NULL;
	}
	return flow;
}

static bool has_flags(const struct case_file *c, uint8_t flags)
{
	return (c->packet->tcp_flags & flags) == flags;
}

/* A SYN by itself asks for a new connection (RFC 9293 section 3.5). */
static bool is_tcp_opening(const struct case_file *c)
{
	return has_flags(c, TCP_FLAG_SYN) && !has_flags(c, TCP_FLAG_ACK);
}

static enum flow_state state_after(struct flow *flow, const struct case_file *c)
{
	bool by_starter = c->direction == flow->started;

	if (by_starter && flow->state == FLOW_CLOSING && is_tcp_opening(c)) {
		flow->fins = 0;
		return FLOW_ONE_WAY;
	}
	if (has_flags(c, TCP_FLAG_FIN))
		flow->fins |= (uint8_t)(1U << c->direction);
	if (has_flags(c, TCP_FLAG_RST) || flow->fins == ALL_FINS || flow->state == FLOW_CLOSING)
		return FLOW_CLOSING;
	return by_starter ? flow->state : FLOW_BOTH_WAYS;
}

static enum filter_verdict continue_flow(struct filter *f, struct flow *flow,
					 const struct case_file *c)
{
	enum flow_state was = flow->state;
	enum flow_state now = state_after(flow, c);

	flow_table_touch(f->table, flow, now, c->now_us);
	if (now != was)
		note_change(f);
	return FILTER_PASS;
}

static enum filter_verdict start_flow(struct filter *f, const struct flow_key *key,
				      const struct case_file *c)
{
	bool is_tcp = key->proto == IPPROTO_TCP;
	bool evicted;

	if (!filter_rules_know(c->rules, c->peer_id))
		return FILTER_DROP_PEER;
	if (!c->packet->can_start)
		return FILTER_DROP_NO_FLOW;
	if (!starter_may(c->rules, key, c->direction))
		return is_tcp && !is_tcp_opening(c) ? FILTER_DROP_NO_FLOW : FILTER_DROP_POLICY;
	if (has_flags(c, TCP_FLAG_RST)) /* it ends what is there; nothing is to follow it */
		return FILTER_PASS;

	struct flow *flow = flow_table_add(f->table, key, c->direction, c->now_us, &evicted);
	flow->generation = filter_rules_generation(c->rules);
	if (has_flags(c, TCP_FLAG_FIN))
		flow->fins = (uint8_t)(1U << c->direction);
	count(&f->made);
	if (evicted)
		count(&f->evicted);
	note_change(f);
	return FILTER_PASS;
}

static enum filter_verdict judge_plain(struct filter *f, const struct case_file *c)
{
	struct flow_key key = key_of(&c->packet->tuple, c->peer_id, c->direction == FILTER_OUT);
	struct flow *flow = find_live(f, &key, c->now_us);

	if (!flow)
		return start_flow(f, &key, c);
	if (!still_allowed(c->rules, flow)) {
		drop_flow(f, flow, &f->revoked);
		return FILTER_DROP_REVOKED;
	}
	/* The called side answers; to open a connection of its own over the same ports it needs a
	 * rule like any other. */
	if (is_tcp_opening(c) && c->direction != flow->started &&
	    !starter_may(c->rules, &key, c->direction))
		return FILTER_DROP_POLICY;
	return continue_flow(f, flow, c);
}

/* The quoted packet went the other way, so its source is the error's receiver. */
static enum filter_verdict judge_error(struct filter *f, const struct case_file *c)
{
	struct flow_key key = key_of(&c->packet->about, c->peer_id, c->direction == FILTER_IN);
	struct flow *flow = find_live(f, &key, c->now_us);

	if (!flow)
		return FILTER_DROP_UNRELATED;
	return still_allowed(c->rules, flow) ? FILTER_PASS : FILTER_DROP_REVOKED;
}

/* ---- fragments ---- */

static void remember_first(struct filter *f, const struct case_file *c)
{
	f->fragments[f->next_fragment] = (struct fragment){
		.src = c->packet->tuple.src,
		.dst = c->packet->tuple.dst,
		.deadline_us = c->now_us + fragment_patience_us,
		.peer_id = c->peer_id,
		.id = c->packet->fragment_id,
		.proto = c->packet->fragment_proto,
		.direction = c->direction,
	};
	f->next_fragment = (f->next_fragment + 1) % FRAGMENTS_MAX;
}

static bool follows(const struct fragment *first, const struct case_file *c)
{
	const struct inner_packet *p = c->packet;

	return first->deadline_us > c->now_us && first->id == p->fragment_id &&
	       first->peer_id == c->peer_id && first->direction == c->direction &&
	       first->proto == p->fragment_proto && ip_equal(&first->src, &p->tuple.src) &&
	       ip_equal(&first->dst, &p->tuple.dst);
}

static enum filter_verdict judge_fragment(struct filter *f, const struct case_file *c)
{
	if (!filter_rules_know(c->rules, c->peer_id))
		return FILTER_DROP_PEER;
	for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
		if (follows(&f->fragments[i], c))
			return FILTER_PASS;
	}
	return FILTER_DROP_FRAGMENT;
}

/* ---- the verdict ---- */

static enum filter_verdict judge(struct filter *f, const struct case_file *c)
{
	enum filter_verdict verdict = FILTER_DROP_MALFORMED;

	switch (c->packet->kind) {
	case INNER_FRAGMENT:
		return judge_fragment(f, c);
	case INNER_ICMP_ERROR:
		verdict = judge_error(f, c);
		break;
	case INNER_PLAIN:
		verdict = judge_plain(f, c);
		break;
	}
	if (verdict == FILTER_PASS && c->packet->first_fragment)
		remember_first(f, c);
	return verdict;
}

static enum filter_verdict judge_bytes(struct filter *f, enum filter_direction direction,
				       uint32_t peer_id, const uint8_t *pkt, size_t len,
				       uint64_t now_us)
{
	struct inner_packet packet;
	struct case_file c = {
		.rules = atomic_load_explicit(&f->rules, memory_order_acquire),
		.direction = direction,
		.peer_id = peer_id,
		.packet = &packet,
		.now_us = now_us,
	};

	if (!c.rules)
		return FILTER_DROP_PEER;
	int rc = inner_packet_decode(pkt, len, &packet);
	if (rc < 0)
		return rc == -EPROTO ? FILTER_DROP_EXTENSION : FILTER_DROP_MALFORMED;
	return judge(f, &c);
}

enum filter_verdict filter_in(struct filter *f, uint32_t peer_id, const uint8_t *pkt, size_t len,
			      uint64_t now_us)
{
	enum filter_verdict verdict = judge_bytes(f, FILTER_IN, peer_id, pkt, len, now_us);

	count(&f->verdicts[FILTER_IN][verdict]);
	return verdict;
}

enum filter_verdict filter_out(struct filter *f, uint32_t peer_id, const uint8_t *pkt, size_t len,
			       uint64_t now_us)
{
	enum filter_verdict verdict = judge_bytes(f, FILTER_OUT, peer_id, pkt, len, now_us);

	count(&f->verdicts[FILTER_OUT][verdict]);
	return verdict;
}

void filter_tick(struct filter *f, uint64_t now_us)
{
	const struct filter_rules *rules = atomic_load_explicit(&f->rules, memory_order_acquire);
	size_t reach = flow_table_reach(f->table);

	for (size_t n = 0; n < (reach + TICK_PARTS - 1) / TICK_PARTS; n++) {
		struct flow *flow = flow_table_at(f->table, f->next_tick);

		f->next_tick = (f->next_tick + 1) % reach;
		if (!flow)
			continue;
		if (flow->deadline_us <= now_us)
			drop_flow(f, flow, &f->expired);
		else if (rules && !still_allowed(rules, flow))
			drop_flow(f, flow, &f->revoked);
	}
}

uint64_t filter_changes(const struct filter *f)
{
	return read_counter(&f->changes);
}

size_t filter_save_max(const struct filter *f)
{
	return flow_snapshot_max(flow_table_capacity(f->table));
}

int filter_save(const struct filter *f, uint8_t *buf, size_t cap, size_t *len, uint64_t now_us)
{
	return flow_snapshot_encode(f->table, buf, cap, len, now_us);
}

int filter_load(struct filter *f, const uint8_t *buf, size_t len, uint64_t now_us)
{
	int rc = flow_snapshot_decode(f->table, buf, len, now_us);

	atomic_store_explicit(&f->flows.n, flow_table_count(f->table), memory_order_relaxed);
	return rc;
}

void filter_read_counters(const struct filter *f, struct filter_counters *out)
{
	for (size_t i = 0; i < FILTER_VERDICTS; i++) {
		out->in[i] = read_counter(&f->verdicts[FILTER_IN][i]);
		out->out[i] = read_counter(&f->verdicts[FILTER_OUT][i]);
	}
	out->flows = read_counter(&f->flows);
	out->made = read_counter(&f->made);
	out->expired = read_counter(&f->expired);
	out->evicted = read_counter(&f->evicted);
	out->revoked = read_counter(&f->revoked);
}
