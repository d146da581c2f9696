#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/coverage.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/play_inside.h"
#include "tests/sim/trace.h"

static const char *const kind_names[TRAFFIC_KINDS] = {"key", "echo", "bulk", "trespass"};

static struct verdict *verdict_of(struct play *p)
{
	return &p->result->verdict;
}

/* Two that nothing happened to for so long know each other as they are. */
static const uint64_t agree_after_us = 3 * US_PER_S;

/* DAY_NODES: nobody of the day. */
static unsigned node_of(const struct play *p, const char *full_name)
{
	unsigned i = 0;

	while (i < DAY_NODES) {
		const char *name = p->day->nodes[i].name;
		size_t len = strlen(name);

		if (strncmp(full_name, name, len) == 0 && full_name[len] == '.')
			break;
		i++;
	}
	return i;
}

/* ---- packets inside ---- */

static int on_send(void *arg, unsigned node, const uint8_t *packet, size_t len)
{
	struct play *p = arg;

	return node_machine_send_inner(p->town.nodes[node].machine, packet, len);
}

static struct ip_addr on_address(void *arg, unsigned node, bool is_v6)
{
	struct play *p = arg;
	const struct node_machine *m = p->town.nodes[node].machine;
	struct ip_addr ip = is_v6 ? node_machine_v6(m) : node_machine_v4(m);

	/* A machine without power has no TUN; its peers go on typing to where it was. */
	if (!ip_is_none(&ip))
		watch_wire_on_address(&p->wire, node, &ip);
	return p->wire.mesh[is_v6][node];
}

static void on_sent(void *arg, const struct traffic_packet *packet, int err)
{
	struct play *p = arg;

	TRACE("app", "%s %u.%u %s to %s: %s", kind_names[packet->kind], packet->flow, packet->seq,
	      p->day->nodes[packet->from].name, p->day->nodes[packet->to].name,
	      err ? strerror(-err) : "sent");
	if (err == 0)
		watch_delivery_on_sent(&p->delivery, packet);
}

static void on_delivered(void *arg, unsigned at_node, const struct traffic_packet *packet)
{
	struct play *p = arg;
	uint64_t now_us = play_now_us(p);

	TRACE("app", "%s %u.%u %s to %s: delivered", kind_names[packet->kind], packet->flow,
	      packet->seq, p->day->nodes[packet->from].name, p->day->nodes[packet->to].name);
	p->result->delivered++;
	watch_delivery_on_delivered(&p->delivery, at_node, packet, now_us, verdict_of(p));
	if (packet->kind == TRAFFIC_ECHO && p->echo[packet->flow].expect) {
		watch_echo_on_echo(&p->echo[packet->flow], now_us, verdict_of(p));
		watch_gap_on_echo(&p->gap[packet->flow], now_us);
		p->talked_us[packet->from][packet->to] = now_us;
		p->talked_us[packet->to][packet->from] = now_us;
	}
	play_check(p);
}

/* ---- who they are ---- */

static struct watch_member_view own_view(const struct play *p, unsigned node)
{
	const struct node_machine *m = p->town.nodes[node].machine;
	struct watch_member_view view = {.is_there = node_machine_runs(m)};

	if (view.is_there)
		view.is_there = node_machine_node_key(m, &view.key);
	if (view.is_there)
		view.mesh = node_machine_v4(m);
	view.member_id = node_machine_member_id(m);
	return view;
}

static struct watch_member_view seen_view(const struct play *p, unsigned observer, unsigned node)
{
	struct node_machine_peer peers[DAY_NODES];
	size_t n = node_machine_peers(p->town.nodes[observer].machine, peers, DAY_NODES);

	for (size_t i = 0; i < n; i++)
		if (node_of(p, peers[i].name) == node)
			return (struct watch_member_view){
				.is_there = true, .key = peers[i].key, .mesh = peers[i].v4};
	return (struct watch_member_view){0};
}

void play_watch_agreement(struct play *p, unsigned observer, unsigned node)
{
	struct watch_member_view own = own_view(p, node), seen = seen_view(p, observer, node);

	if (node_machine_runs(p->town.nodes[observer].machine))
		watch_member_on_talk(&p->member[node], p->day->nodes[observer].name, &own, &seen,
				     play_now_us(p), verdict_of(p));
}

/* Somebody has typed to the end: how did they talk, and with whom? */
static void judge_talk(struct play *p, unsigned flow)
{
	const struct day_event *e = &p->day->events[flow];
	const struct expect *expect = play_expect(p, e->who, e->whom);
	uint64_t now_us = play_now_us(p);

	watch_choice_on_typed(&p->choice[e->who][e->whom], now_us, verdict_of(p));
	watch_choice_on_typed(&p->choice[e->whom][e->who], now_us, verdict_of(p));
	if (now_us < agree_after_us || !expect_is_calm(expect, now_us - agree_after_us, now_us) ||
	    p->echo[flow].echoes == 0)
		return;
	play_watch_agreement(p, e->who, e->whom);
	play_watch_agreement(p, e->whom, e->who);
}

static void on_flow_ended(void *arg, unsigned flow)
{
	struct play *p = arg;
	struct watch_echo *w = &p->echo[flow];

	if (!w->expect)
		return;
	judge_talk(p, flow);
	const struct day_event *e = &p->day->events[flow];

	p->silent_since_us[e->who][e->whom] = watch_gap_silent_since(&p->gap[flow], play_now_us(p));
	watch_gap_on_typed(&p->gap[flow]);
	watch_echo_on_end(w, play_now_us(p), verdict_of(p));
	TRACE("day", "%s to %s: %u echoes, longest silence %.3f s", w->from, w->to, w->echoes,
	      (double)w->longest_us / US_PER_S);
	play_check(p);
}

const struct traffic_ops play_traffic_ops = {
	.send = on_send,
	.address = on_address,
	.on_sent = on_sent,
	.on_delivered = on_delivered,
	.on_ended = on_flow_ended,
};

/* By the choice of either, numbered as coverage.c does. */
static bool is_by_relay(const struct play *p, const struct day_event *e)
{
	unsigned there = p->choice_state[e->who][e->whom], back = p->choice_state[e->whom][e->who];

	return there == 1 || there > 3 || back == 1 || back > 3;
}

void play_watch_typing(struct play *p, unsigned flow, const struct day_event *e)
{
	watch_echo_on_begin(&p->echo[flow], play_expect(p, e->who, e->whom),
			    p->day->nodes[e->who].name, p->day->nodes[e->whom].name,
			    (uint64_t)e->amount * US_PER_MS, p->talked_us[e->who][e->whom],
			    play_now_us(p));
	watch_gap_on_begin(&p->gap[flow], play_expect(p, e->who, e->whom),
			   p->day->nodes[e->who].name, p->day->nodes[e->whom].name,
			   (uint64_t)e->amount * US_PER_MS, play_now_us(p));
	watch_gap_on_way(&p->gap[flow], is_by_relay(p, e));
	if (p->silent_since_us[e->who][e->whom] != 0)
		watch_gap_on_silence_before(&p->gap[flow], p->silent_since_us[e->who][e->whom],
					    play_now_us(p));
	watch_choice_on_typing(&p->choice[e->who][e->whom], play_now_us(p));
	watch_choice_on_typing(&p->choice[e->whom][e->who], play_now_us(p));
}

void play_watch_account(struct play *p, unsigned flow)
{
	if (p->gap[flow].expect)
		watch_gap_on_end(&p->gap[flow], play_now_us(p), verdict_of(p));
}

/* ---- what happens ---- */

static void cover(struct play *p, enum coverage_machine machine, unsigned *state, unsigned now)
{
	if (p->options->coverage && *state != now)
		coverage_note(p->options->coverage, machine, *state, now);
	*state = now;
}

/* As coverage.c names them. */
static unsigned state_of(const struct node_machine *m)
{
	static const char *const words[] = {"off", "offline", "connecting", "online"};
	unsigned i = 0;

	while (i < 3 && strcmp(words[i], node_machine_state(m)) != 0)
		i++;
	return i;
}

static unsigned state_of_choice(const struct path_choice *choice)
{
	enum way_kind first = choice->first.kind, copy = choice->copy.kind;

	if (first == WAY_NONE)
		return 0;
	if (first == WAY_RELAY)
		return copy == WAY_NONE ? 1 : copy == WAY_DIRECT ? 4 : 5;
	return copy == WAY_NONE ? 2 : 3;
}

/* Of the whole mesh: what programs keep is not told apart. Nothing under a sanitizer's allocator,
 * which looks for leaks itself. */
static size_t heap_bytes(void)
{
	struct mallinfo2 heap = mallinfo2();

	return heap.uordblks + heap.hblkhd;
}

static void look(struct play *p)
{
	watch_budget_on_heap(heap_bytes(), play_now_us(p), verdict_of(p));
	for (unsigned i = 0; i < DAY_NODES; i++)
		cover(p, COVERAGE_NODE, &p->node_state[i], state_of(p->town.nodes[i].machine));
	for (unsigned i = 0; i < DAY_NODES; i++) {
		const struct node_machine *m = p->town.nodes[i].machine;
		struct watch_member_view own = own_view(p, i);
		struct node_machine_counters n;

		if (!node_machine_runs(m))
			continue;
		node_machine_counters(m, &n);
		watch_budget_on_timers(&p->budget[i], n.timers, play_now_us(p), verdict_of(p));
		watch_member_on_look(&p->member[i], &own, play_now_us(p), verdict_of(p));
	}
}

static void set_busy(struct play *p, bool is_busy)
{
	for (unsigned i = 0; i < DAY_NODES; i++)
		if (is_busy)
			watch_budget_on_busy(&p->budget[i], play_now_us(p), verdict_of(p));
		else
			watch_budget_on_calm(&p->budget[i], play_now_us(p));
}

/* The node's process ends, or does not run for a while. */
static void on_absence(struct play *p, unsigned node, bool says_goodbye)
{
	for (size_t i = 0; i < p->day->n_events; i++) {
		if (!p->gap[i].expect || p->day->events[i].who != node)
			continue;
		if (says_goodbye)
			watch_gap_on_goodbye(&p->gap[i], play_now_us(p));
		else
			watch_gap_on_absence(&p->gap[i], play_now_us(p));
	}
}

static void on_process_end(struct play *p, unsigned node)
{
	for (unsigned i = 0; i < DAY_NODES; i++)
		if (i != node)
			watch_choice_on_end(&p->choice[node][i]);
}

static bool ends_process(const struct day_event *e)
{
	return e->word == DAY_RESTART || e->word == DAY_CRASH || e->word == DAY_POWER ||
	       e->word == DAY_DOWN;
}

static bool makes_absent(const struct day_event *e)
{
	return ends_process(e) || e->word == DAY_SLEEP || e->word == DAY_FORBID ||
	       e->word == DAY_REVOKE || e->word == DAY_JOIN;
}

/* It has the time to write down what it knows. */
static bool says_goodbye(const struct play *p, const struct day_event *e)
{
	return (e->word == DAY_RESTART || e->word == DAY_DOWN) &&
	       !node_machine_is_asleep(p->town.nodes[e->who].machine);
}

void play_watch_begun(struct play *p, const struct day_event *e)
{
	if (day_word_is_unfelt(e->word))
		return;
	set_busy(p, true);
	look(p);
	p->n_open += (day_fields(e->word) & DAY_HAS_FOR) != 0;
	if (makes_absent(e))
		on_absence(p, e->who, says_goodbye(p, e));
	if (ends_process(e) && !node_machine_is_asleep(p->town.nodes[e->who].machine))
		on_process_end(p, e->who);
	if (p->n_open == 0)
		set_busy(p, false);
}

void play_watch_ended(struct play *p, const struct day_event *e)
{
	if (day_word_is_unfelt(e->word))
		return;
	set_busy(p, true);
	look(p);
	if (makes_absent(e) || e->word == DAY_TORN)
		on_absence(p, e->who, false);
	if (--p->n_open == 0)
		set_busy(p, false);
}

/* ---- machines ---- */

static void on_inner(void *arg, struct node_machine *m, const uint8_t *packet, size_t len)
{
	struct play *p = arg;

	traffic_on_inner(p->traffic, town_index(&p->town, m), packet, len);
}

static void on_choice(void *arg, struct node_machine *m, const char *peer,
		      const struct path_choice *choice)
{
	struct play *p = arg;
	unsigned node = town_index(&p->town, m), other = node_of(p, peer);

	if (other == DAY_NODES)
		return;
	cover(p, COVERAGE_CHOICE, &p->choice_state[node][other], state_of_choice(choice));
	watch_choice_on_choice(&p->choice[node][other], &choice->first, play_now_us(p),
			       verdict_of(p));
	for (size_t i = 0; i < p->day->n_events; i++)
		if (p->gap[i].expect)
			watch_gap_on_way(&p->gap[i], is_by_relay(p, &p->day->events[i]));
	play_check(p);
}

static void on_event(void *arg, struct node_machine *m, const struct event *event)
{
	struct play *p = arg;
	unsigned node = town_index(&p->town, m), other = node_of(p, event->peer);
	uint64_t now_us = play_now_us(p);

	if (event->kind == EVENT_IDENTITY)
		watch_lie_on_told(&p->lied[node], event->peer, event->cause, now_us, verdict_of(p));
	if (event->kind != EVENT_GAP || event->end_unix_us <= event->unix_us)
		return;
	uint64_t span_us = event->end_unix_us - event->unix_us;
	uint64_t until_us = now_us - (clock_unix_us() - event->end_unix_us);
	uint64_t from_us = until_us > span_us ? until_us - span_us : 0;

	for (size_t i = 0; i < p->day->n_events; i++)
		if (p->gap[i].expect && p->day->events[i].who == node &&
		    p->day->events[i].whom == other)
			watch_gap_on_told(&p->gap[i], from_us, until_us);
}

static void on_power_cut(void *arg, struct node_machine *m)
{
	struct play *p = arg;
	unsigned node = town_index(&p->town, m);

	on_absence(p, node, false);
	on_process_end(p, node);
}

const struct node_taps play_taps = {
	.on_inner = on_inner,
	.on_choice = on_choice,
	.on_event = on_event,
	.on_power_cut = on_power_cut,
};

/* ---- the wire ---- */

static void on_wire(void *arg, const struct wire_packet *packet)
{
	struct play *p = arg;

	p->result->packets++;
	/* What TCP repeats is the network's doing. */
	for (unsigned i = 0; i < DAY_NODES && !packet->is_again; i++)
		if (p->town.nodes[i].host == packet->sender)
			watch_budget_on_packet(&p->budget[i], packet->data, packet->len,
					       packet->kind == WIRE_UDP, play_now_us(p),
					       verdict_of(p));
	watch_wire_on_packet(&p->wire, host_name(packet->sender), &packet->from, &packet->to,
			     packet->data, packet->len, play_now_us(p), verdict_of(p));
	play_check(p);
}

void play_watch_begin(struct play *p)
{
	watch_delivery_init(&p->delivery, p->day, 2 * US_PER_S);
	watch_wire_init(&p->wire, traffic_marker(p->traffic));
	for (unsigned i = 0; i < DAY_NODES; i++) {
		const char *name = p->day->nodes[i].name;

		watch_budget_init(&p->budget[i], name);
		watch_member_init(&p->member[i], name);
		watch_lie_init(&p->lied[i], name);
		for (unsigned j = 0; j < DAY_NODES; j++)
			if (i != j)
				watch_choice_init(&p->choice[i][j], play_expect(p, i, j), name,
						  p->day->nodes[j].name);
	}
	internet_add_tap(on_wire, p);
}

void play_watch_end(struct play *p)
{
	for (unsigned i = 0; i < TRAFFIC_FLOWS_MAX; i++)
		if (p->echo[i].expect && !verdict_of(p)->failed)
			on_flow_ended(p, i);
}
