/*
 * play_inside: what the files of play share: play.c (a day's life), play_event.c (its events),
 * play_watch.c (what the watches are shown).
 */
#ifndef WARREN_SIM_PLAY_INSIDE_H
#define WARREN_SIM_PLAY_INSIDE_H

#include "tests/sim/expect.h"
#include "tests/sim/liar.h"
#include "tests/sim/play.h"
#include "tests/sim/town.h"
#include "tests/sim/traffic.h"
#include "tests/sim/watch_budget.h"
#include "tests/sim/watch_choice.h"
#include "tests/sim/watch_delivery.h"
#include "tests/sim/watch_echo.h"
#include "tests/sim/watch_gap.h"
#include "tests/sim/watch_lie.h"
#include "tests/sim/watch_member.h"
#include "tests/sim/watch_wire.h"
#include "tests/sim/world.h"

struct play;
struct play_stranger;

struct play_lie { /* event NULL: none is told now */
	const struct day_event *event;
	struct lie lie;
};

struct play_moment { /* one event of the day: its beginning and its end */
	struct play *play;
	const struct day_event *event;
	struct world_event begin, end;
};

struct play {
	const struct day *day;
	const struct play_options *options;
	struct play_result *result;
	uint64_t start_us;
	struct town town;
	struct traffic *traffic;
	struct expect expect[DAY_NODES][DAY_NODES]; /* [smaller][larger] */
	struct play_moment moments[DAY_EVENTS_MAX];
	struct watch_echo echo[TRAFFIC_FLOWS_MAX];
	struct watch_gap gap[TRAFFIC_FLOWS_MAX];
	uint64_t talked_us[DAY_NODES][DAY_NODES];	/* the last echo between the two; 0: none */
	uint64_t silent_since_us[DAY_NODES][DAY_NODES]; /* [who typed][to whom]; 0: answered */
	struct watch_choice choice[DAY_NODES][DAY_NODES]; /* [node][its peer] */
	struct watch_budget budget[DAY_NODES];
	struct watch_member member[DAY_NODES];
	struct watch_lie lied[DAY_NODES];
	struct watch_delivery delivery;
	struct watch_wire wire;
	unsigned node_state[DAY_NODES], choice_state[DAY_NODES][DAY_NODES]; /* for coverage */
	const struct day_event *forbidden[DAY_NODES]; /* what the admin forbids whom; NULL */
	bool owes_policy; /* the coordinator was away when it should have heard of an end of it */
	struct play_stranger *strangers; /* all that came, the last first */
	struct play_lie lies[DAY_NODES]; /* [to whom] */
	unsigned n_open;		 /* events that have begun and not ended */
};

/* Since the day began. */
uint64_t play_now_us(const struct play *p);
const struct expect *play_expect(const struct play *p, unsigned a, unsigned b);
/* Ends the day where the verdict has fallen. */
void play_check(struct play *p);

/* ---- play_event.c ---- */

void play_begin_event(struct play *p, const struct day_event *e);
void play_end_event(struct play *p, const struct day_event *e);

/* ---- play_policy.c ---- */

void play_forbid(struct play *p, const struct day_event *e);
void play_allow(struct play *p, const struct day_event *e);
/* The coordinator is there again. */
void play_tell_policy(struct play *p);

/* ---- play_stranger.c ---- */

void play_intrude(struct play *p, const struct day_event *e);
void play_intruded(struct play *p, const struct day_event *e);
/* Before the town goes. */
void play_free_strangers(struct play *p);

/* ---- play_lie.c ---- */

void play_lie(struct play *p, const struct day_event *e);
void play_lied(struct play *p, const struct day_event *e);

/* ---- play_watch.c ---- */

extern const struct node_taps play_taps;
extern const struct traffic_ops play_traffic_ops;
/* After town and traffic are made. */
void play_watch_begin(struct play *p);
void play_watch_end(struct play *p);
/* Something of the day begins or ends: before it is carried out. */
void play_watch_begun(struct play *p, const struct day_event *e);
void play_watch_ended(struct play *p, const struct day_event *e);
/* A flow of keystrokes begins; and its account, a while after it has ended. */
void play_watch_typing(struct play *p, unsigned flow, const struct day_event *e);
void play_watch_account(struct play *p, unsigned flow);
/* observer knows node well: does it take it for who it is? */
void play_watch_agreement(struct play *p, unsigned observer, unsigned node);

#endif
