#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/host.h"
#include "tests/sim/play_inside.h"
#include "tests/sim/relay_machine.h"

enum { BULK_PACKET_BYTES = 1100 };

/* Waits between two dials grow up to a minute. */
static const uint64_t redial_us = 65 * US_PER_S;
static const uint64_t trespass_interval_us = 500 * US_PER_MS;

static struct node_machine *machine(struct play *p, const struct day_event *e)
{
	return p->town.nodes[e->who].machine;
}

static void fail(struct play *p, const struct day_event *e, const char *error)
{
	verdict_fail(&p->result->verdict, play_now_us(p), "start", "%s at %.3f s: %s",
		     day_word_str(e->word), (double)e->at_us / US_PER_S, error);
}

/* ---- traffic ---- */

static void begin_traffic(struct play *p, const struct day_event *e)
{
	unsigned flow = (unsigned)(e - p->day->events);
	uint64_t until_us = world_now_us() + e->for_us, interval_us = trespass_interval_us;
	enum traffic_kind kind = TRAFFIC_TRESPASS;
	size_t len = 0;

	if (e->word == DAY_TYPE) {
		kind = TRAFFIC_KEY;
		interval_us = (uint64_t)e->amount * US_PER_MS;
		play_watch_typing(p, flow, e);
	} else if (e->word == DAY_BULK) {
		kind = TRAFFIC_BULK;
		len = BULK_PACKET_BYTES;
		interval_us = BULK_PACKET_BYTES * US_PER_S / (e->amount ? e->amount : 1);
	}
	traffic_start(p->traffic, flow, kind, e->who, e->whom, interval_us, until_us, len,
		      e->is_v6 != 0);
}

static void account(struct play *p, const struct day_event *e)
{
	play_watch_account(p, (unsigned)(e - p->day->events));
}

/* ---- nodes ---- */

static void join(struct play *p, const struct day_event *e)
{
	char error[TOWN_ERROR_LEN];
	int err = town_join(&p->town, e->who, error);

	if (err && err != -ENOTCONN)
		fail(p, e, error);
	if (!err) {
		watch_delivery_on_join(&p->delivery, e->who);
		watch_member_on_join(&p->member[e->who]);
	}
}

/* Starts it from what its disk holds. */
static void start(struct play *p, const struct day_event *e)
{
	char error[NODE_MACHINE_ERROR_LEN];

	if (!p->town.nodes[e->who].was_started || node_machine_runs(machine(p, e)) ||
	    node_machine_is_asleep(machine(p, e)))
		return;
	if (node_machine_start(machine(p, e), error) != 0) {
		if (!node_machine_loses_power(machine(p, e)))
			fail(p, e, error);
	} else if (strcmp(node_machine_state(machine(p, e)), "offline") == 0) {
		node_machine_ask(machine(p, e), "{\"cmd\":\"up\"}"); /* `down` outlives a process */
	}
}

static bool is_down_by_wish(const struct play *p, unsigned who)
{
	uint64_t now_us = play_now_us(p);

	for (size_t i = 0; i < p->day->n_events; i++) {
		const struct day_event *e = &p->day->events[i];

		if (e->word == DAY_DOWN && e->who == who && e->at_us <= now_us &&
		    now_us < e->at_us + e->for_us)
			return true;
	}
	return false;
}

/* The end of a `down`, or of the sleep or the death that its end fell into. */
static void come_back(struct play *p, const struct day_event *e)
{
	struct node_machine *m = machine(p, e);

	start(p, e);
	if (node_machine_runs(m) && !node_machine_is_asleep(m) && !is_down_by_wish(p, e->who))
		node_machine_ask(m, "{\"cmd\":\"up\"}");
}

static void revoke(struct play *p, const struct day_event *e)
{
	char error[TOWN_ERROR_LEN];

	if (town_revoke(&p->town, e->who, error) == 0)
		watch_delivery_on_revoke(&p->delivery, e->who, play_now_us(p));
}

static void step_clock(struct play *p, const struct day_event *e)
{
	int64_t by_us = (int64_t)e->amount * (int64_t)US_PER_S;

	host_step_wall(p->town.nodes[e->who].host, e->way == DAY_BACK ? -by_us : by_us);
}

static void sleep_now(struct play *p, const struct day_event *e)
{
	node_machine_sleep(machine(p, e));
}

static void wake(struct play *p, const struct day_event *e)
{
	node_machine_wake(machine(p, e));
	come_back(p, e);
}

/* A machine that sleeps takes no signal and no command; when it wakes, start() sees to it. */
static void restart(struct play *p, const struct day_event *e)
{
	if (node_machine_is_asleep(machine(p, e)))
		return;
	node_machine_term(machine(p, e));
	start(p, e);
}

static void crash(struct play *p, const struct day_event *e)
{
	if (!node_machine_is_asleep(machine(p, e)))
		node_machine_crash(machine(p, e));
}

static void leave(struct play *p, const struct day_event *e)
{
	node_machine_ask(machine(p, e), "{\"cmd\":\"down\"}");
}

static void cut_power(struct play *p, const struct day_event *e)
{
	if (!node_machine_is_asleep(machine(p, e)))
		node_machine_power_cut(machine(p, e));
}

static void tear(struct play *p, const struct day_event *e)
{
	if (!node_machine_is_asleep(machine(p, e)))
		node_machine_plan_power_cut(machine(p, e), e->amount ? e->amount : 1,
					    world_now_us() + DAY_WRITES_MS * US_PER_MS);
}

static void fill_disk(struct play *p, const struct day_event *e)
{
	node_machine_set_disk_full(machine(p, e), true);
}

static void clear_disk(struct play *p, const struct day_event *e)
{
	node_machine_set_disk_full(machine(p, e), false);
}

/* ---- networks ---- */

static void set_cut(struct play *p, const struct day_event *e, bool is_cut)
{
	town_cut(&p->town, e->who, e->whom, e->way != DAY_BACK, e->way != DAY_THERE, is_cut);
}

static void cut(struct play *p, const struct day_event *e)
{
	set_cut(p, e, true);
}

static void mend(struct play *p, const struct day_event *e)
{
	set_cut(p, e, false);
}

static void block(struct play *p, const struct day_event *e)
{
	town_block(&p->town, e->who, true);
}

static void unblock(struct play *p, const struct day_event *e)
{
	town_block(&p->town, e->who, false);
}

static void darken(struct play *p, const struct day_event *e)
{
	town_dark(&p->town, e->who, true);
}

static void lighten(struct play *p, const struct day_event *e)
{
	town_dark(&p->town, e->who, false);
}

static void rebind(struct play *p, const struct day_event *e)
{
	town_rebind(&p->town, e->who);
}

static void move(struct play *p, const struct day_event *e)
{
	town_move(&p->town, e->who);
}

static void spoil(struct play *p, const struct day_event *e)
{
	town_spoil(&p->town, e->who, e->word == DAY_WORSE ? e->amount : 0,
		   e->word == DAY_LOSSY ? e->amount : 0);
}

static void repair(struct play *p, const struct day_event *e)
{
	town_spoil(&p->town, e->who, 0, 0);
}

/* ---- servers ---- */

static void start_relay(struct play *p, const struct day_event *e)
{
	char error[RELAY_MACHINE_ERROR_LEN];
	struct relay_machine *m = p->town.relays[e->who];

	relay_machine_crash(m); /* one that still says goodbye has had its time */
	if (relay_machine_start(m, error) != 0)
		fail(p, e, error);
}

static void start_coordinator(struct play *p, const struct day_event *e)
{
	struct coordinator_machine *m = p->town.coordinator;

	coordinator_machine_crash(m);
	int err = coordinator_machine_start(m);

	watch_delivery_on_outage(&p->delivery, play_now_us(p) + redial_us);
	if (err)
		fail(p, e, strerror(-err));
	play_tell_policy(p);
}

static void crash_relay(struct play *p, const struct day_event *e)
{
	relay_machine_crash(p->town.relays[e->who]);
}

static void cut_relays_power(struct play *p, const struct day_event *e)
{
	relay_machine_power_cut(p->town.relays[e->who]);
}

static void drain_relay(struct play *p, const struct day_event *e)
{
	relay_machine_drain(p->town.relays[e->who]);
}

static void crash_coordinator(struct play *p, const struct day_event *e)
{
	(void)e;
	coordinator_machine_crash(p->town.coordinator);
}

static void end_coordinator(struct play *p, const struct day_event *e)
{
	(void)e;
	coordinator_machine_term(p->town.coordinator);
}

static void tear_coordinator(struct play *p, const struct day_event *e)
{
	coordinator_machine_plan_power_cut(p->town.coordinator, e->amount ? e->amount : 1,
					   world_now_us() + DAY_WRITES_MS * US_PER_MS);
}

/* ---- all of them ---- */

static const struct {
	void (*begin)(struct play *p, const struct day_event *e);
	void (*end)(struct play *p, const struct day_event *e); /* NULL: nothing is left to do */
} acts[DAY_WORDS] = {
	[DAY_JOIN] = {join, NULL},
	[DAY_TYPE] = {begin_traffic, account},
	[DAY_BULK] = {begin_traffic, NULL},
	[DAY_TRESPASS] = {begin_traffic, NULL},
	[DAY_CUT] = {cut, mend},
	[DAY_BLOCK] = {block, unblock},
	[DAY_DARK] = {darken, lighten},
	[DAY_REBIND] = {rebind, NULL},
	[DAY_MOVE] = {move, NULL},
	[DAY_SLEEP] = {sleep_now, wake},
	[DAY_RESTART] = {restart, NULL},
	[DAY_CRASH] = {crash, start},
	[DAY_DOWN] = {leave, come_back},
	[DAY_POWER] = {cut_power, start},
	[DAY_TORN] = {tear, start},
	[DAY_REVOKE] = {revoke, NULL},
	[DAY_FORBID] = {play_forbid, play_allow},
	[DAY_CLOCK] = {step_clock, NULL},
	[DAY_FULL] = {fill_disk, clear_disk},
	[DAY_WORSE] = {spoil, repair},
	[DAY_LOSSY] = {spoil, repair},
	[DAY_RELAY_CRASH] = {crash_relay, start_relay},
	[DAY_RELAY_POWER] = {cut_relays_power, start_relay},
	[DAY_RELAY_DRAIN] = {drain_relay, start_relay},
	[DAY_COORDINATOR] = {crash_coordinator, start_coordinator},
	[DAY_COORDINATOR_TERM] = {end_coordinator, start_coordinator},
	[DAY_COORDINATOR_TORN] = {tear_coordinator, start_coordinator},
	[DAY_INTRUDE] = {play_intrude, play_intruded},
	[DAY_LIE] = {play_lie, play_lied},
};

void play_begin_event(struct play *p, const struct day_event *e)
{
	acts[e->word].begin(p, e);
}

void play_end_event(struct play *p, const struct day_event *e)
{
	if (acts[e->word].end)
		acts[e->word].end(p, e);
}
