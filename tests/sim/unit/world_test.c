#include "tests/sim/world.h"

#include <string.h>

#include "tests/sim/host.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"
#include "tests/unit/test.h"

enum { S = US_PER_S, START = 1000 * S };

struct note {
	struct world_event event;
	char name;
	struct log *log;
};

struct log {
	char text[64];
	size_t len;
	uint64_t last_us;
	struct host *here;
};

static void on_note(void *arg)
{
	struct note *n = arg;

	n->log->text[n->log->len++] = n->name;
	n->log->last_us = world_now_us();
	n->log->here = world_here();
}

static struct note note_of(char name, struct log *log)
{
	return (struct note){.event = {.fire = on_note}, .name = name, .log = log};
}

static void set(struct note *n, uint64_t at_us)
{
	n->event.arg = n;
	world_event_set(&n->event, at_us);
}

TEST(fires_in_the_order_of_time_and_of_setting_where_times_are_equal)
{
	struct world *w = world_new(1);
	struct log log = {0};
	struct note a = note_of('a', &log), b = note_of('b', &log), c = note_of('c', &log),
		    d = note_of('d', &log);

	set(&a, START + 5);
	set(&b, START + 3);
	set(&c, START + 5);
	set(&d, START + 5);
	set(&a, START + 5); /* set again: behind its equals */
	world_run_until(w, START + 4);
	CHECK_STR(log.text, "b");
	CHECK_INT(world_now_us(), START + 4);
	world_run_until(w, START + 9);
	CHECK_STR(log.text, "bcda");
	CHECK_INT(log.last_us, START + 5);
	CHECK_INT(world_now_us(), START + 9);
	world_free(w);
}

TEST(cancels_and_moves)
{
	struct world *w = world_new(1);
	struct log log = {0};
	struct note a = note_of('a', &log), b = note_of('b', &log);

	set(&a, START + 1);
	set(&b, START + 2);
	world_event_cancel(&a.event);
	CHECK(!world_event_is_set(&a.event));
	set(&b, START + 7);
	set(&b, US_NEVER);
	CHECK(!world_event_is_set(&b.event));
	set(&b, START - 5); /* past: next */
	world_run_until(w, START + 10);
	CHECK_STR(log.text, "b");
	CHECK_INT(log.last_us, START);
	world_free(w);
}

/* The heap against a naive twin: random sets, moves and cancels. */
TEST(agrees_with_a_sorted_list_on_random_input)
{
	enum { N = 200, ROUNDS = 20000 };
	struct world *w = world_new(7);
	struct random r;
	struct log log = {0};
	static struct note notes[N];
	uint64_t at_us[N] = {0};

	random_init(&r, 42, 0);
	for (size_t i = 0; i < N; i++)
		notes[i] = note_of('x', &log);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t i = random_below(&r, N);
		if (random_chance(&r, 0.3)) {
			world_event_cancel(&notes[i].event);
			at_us[i] = 0;
		} else {
			at_us[i] = world_now_us() + 1 + random_below(&r, 1000);
			set(&notes[i], at_us[i]);
		}
		uint64_t least_us = US_NEVER;
		for (size_t k = 0; k < N; k++)
			if (at_us[k] != 0 && at_us[k] < least_us)
				least_us = at_us[k];
		if (least_us == US_NEVER || random_chance(&r, 0.5))
			continue;
		log.len = 0;
		CHECK(world_step(w, US_NEVER - 1));
		CHECK_INT(log.last_us, least_us);
		for (size_t k = 0; k < N; k++)
			if (at_us[k] != 0 && !world_event_is_set(&notes[k].event))
				at_us[k] = 0;
	}
	world_free(w);
}

TEST(a_sleeping_hosts_events_wait_and_fire_in_order_when_it_wakes)
{
	struct world *w = world_new(1);
	struct host *laptop = host_new("laptop");
	struct log log = {0};
	struct note a = note_of('a', &log), b = note_of('b', &log), c = note_of('c', &log),
		    gone = note_of('g', &log), other = note_of('o', &log);

	set(&other, START + 5 * S);
	struct world_place was = world_enter(laptop);
	set(&b, START + 4 * S);
	set(&a, START + 3 * S);
	set(&gone, START + 3 * S);
	set(&c, START + 90 * S);
	world_leave(was);
	world_run_until(w, START + 2 * S);
	host_sleep(laptop);
	world_run_until(w, START + 60 * S);
	CHECK_STR(log.text, "o");
	CHECK(world_event_is_set(&a.event));
	CHECK_INT(world_events_of(laptop), 4);
	world_event_cancel(&gone.event);
	CHECK_INT(world_events_of(laptop), 3);
	host_wake(laptop);
	world_run_until(w, START + 61 * S);
	CHECK_STR(log.text, "oab");
	CHECK(log.here == laptop);
	CHECK_INT(log.last_us, START + 60 * S);
	CHECK_INT(host_slept_us(laptop), 58 * S);
	CHECK_INT(host_awake_us(laptop), START + 3 * S);
	world_run_until(w, START + 99 * S);
	CHECK_STR(log.text, "oabc");
	CHECK_INT(log.last_us, START + 90 * S);
	host_free(laptop);
	world_free(w);
}

TEST(sleep_does_not_count_towards_an_awake_delay)
{
	struct world *w = world_new(1);
	struct host *laptop = host_new("laptop");
	struct log log = {0};
	struct note early = note_of('e', &log), late = note_of('l', &log);

	struct world_place was = world_enter(laptop);
	early.event.arg = &early;
	late.event.arg = &late;
	world_event_set_awake(&early.event, 5 * S); /* falls due in sleep */
	world_event_set_awake(&late.event, 30 * S); /* falls due behind it */
	world_leave(was);
	world_run_until(w, START + 3 * S);
	host_sleep(laptop);
	world_run_until(w, START + 20 * S);
	host_wake(laptop);
	world_run_until(w, START + 22 * S - 1);
	CHECK_STR(log.text, "");
	world_run_until(w, START + 22 * S);
	CHECK_STR(log.text, "e");
	world_run_until(w, START + 47 * S - 1);
	CHECK_STR(log.text, "e");
	world_run_until(w, START + 47 * S);
	CHECK_STR(log.text, "el");
	host_free(laptop);
	world_free(w);
}

TEST(a_crashed_incarnations_events_never_fire_and_the_next_ones_do)
{
	struct world *w = world_new(1);
	struct host *agent = host_new("agent");
	struct log log = {0};
	struct note ghost = note_of('g', &log), next = note_of('n', &log);

	struct world_place was = world_enter(agent);
	set(&ghost, START + 2);
	host_crash(agent);
	CHECK(world_is_ghost());
	world_leave(was);
	was = world_enter(agent);
	CHECK(!world_is_ghost());
	set(&next, START + 2);
	world_leave(was);
	CHECK_INT(world_events_of(agent), 1);
	world_run_until(w, START + 3);
	CHECK_STR(log.text, "n");
	CHECK(!world_event_is_set(&ghost.event));
	host_free(agent);
	world_free(w);
}

TEST(each_host_has_a_wall_clock_that_may_be_wrong)
{
	struct world *w = world_new(1);
	struct host *agent = host_new("agent");

	world_run_until(w, START + 3 * S);
	CHECK_INT(world_unix_us(), 1772438403ull * S);
	host_step_wall(agent, -3600ll * S);
	CHECK_INT(world_unix_us(), 1772438403ull * S);
	struct world_place was = world_enter(agent);
	CHECK_INT(world_unix_us(), 1772434803ull * S);
	CHECK_INT(world_now_us(), START + 3 * S);
	world_leave(was);
	host_free(agent);
	world_free(w);
}

static void stop_it(void *arg)
{
	world_stop(arg);
}

TEST(stops_where_it_is_told_to)
{
	struct world *w = world_new(1);
	struct log log = {0};
	struct note after = note_of('a', &log);
	struct world_event stop;

	world_event_init(&stop, stop_it, w);
	world_event_set(&stop, START + 5);
	set(&after, START + 6);
	world_run_until(w, START + 10);
	CHECK(world_is_stopped(w));
	CHECK_INT(world_now_us(), START + 5);
	CHECK_STR(log.text, "");
	world_free(w);
}

static void free_part(void *part)
{
	struct log *log = *(struct log **)part;

	log->text[log->len++] = 'f';
}

TEST(frees_its_parts_with_it_and_when_replaced)
{
	struct world *w = world_new(1);
	struct log log = {0};
	struct log *part = &log;

	CHECK(world_part(w, WORLD_DAY) == NULL);
	world_set_part(w, WORLD_DAY, &part, free_part);
	CHECK(world_part(w, WORLD_DAY) == &part);
	world_set_part(w, WORLD_DAY, &part, free_part);
	CHECK_STR(log.text, "f");
	world_free(w);
	CHECK_STR(log.text, "ff");
	CHECK(world_running() == NULL);
}

TEST(dice_are_the_same_for_the_same_seed_and_apart_for_each_purpose)
{
	uint64_t first[2], other;

	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(99);
		other = random_u64(world_dice(WORLD_DICE_NATS));
		first[i] = random_u64(world_dice(WORLD_DICE_LINKS));
		CHECK(first[i] != other);
		struct random a = world_dice_for(WORLD_DICE_LINKS, 1);
		struct random b = world_dice_for(WORLD_DICE_LINKS, 2);
		CHECK(random_u64(&a) != random_u64(&b));
		world_free(w);
	}
	CHECK_INT(first[0], first[1]);
}

/* From the reference implementation at prng.di.unimi.it, with the state 1, 2, 3, 4. */
TEST(random_is_xoshiro256starstar)
{
	struct random r = {.s = {1, 2, 3, 4}};

	CHECK_INT(random_u64(&r), 11520);
	CHECK_INT(random_u64(&r), 0);
	CHECK_INT(random_u64(&r), 1509978240);
	CHECK_INT(random_u64(&r), 1215971899390074240ull);
}

TEST(random_numbers_keep_their_bounds_and_their_means)
{
	struct random r;
	uint64_t sum = 0, hits = 0;

	random_init(&r, 5, 5);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t x = random_between(&r, 10, 19);
		CHECK(x >= 10 && x <= 19);
		sum += random_exponential(&r, 1000);
		hits += random_chance(&r, 0.25);
	}
	CHECK(sum / 100000 > 980 && sum / 100000 < 1020);
	CHECK(hits > 24500 && hits < 25500);
	CHECK_INT(random_below(&r, 0), 0);
	CHECK_INT(random_between(&r, 7, 7), 7);
}

static void keep_line(void *arg, const char *line)
{
	strncpy(arg, line, TRACE_LINE_MAX - 1);
}

static int evaluated(unsigned *times)
{
	(*times)++;
	return 7;
}

TEST(traces_one_line_with_time_and_place_and_evaluates_nothing_when_off)
{
	struct world *w = world_new(1);
	struct host *laptop = host_new("laptop");
	char line[TRACE_LINE_MAX] = "";
	unsigned times = 0;

	TRACE("nat", "drop %d", evaluated(&times));
	CHECK_INT(times, 0);
	trace_set_sink(w, keep_line, line);
	world_run_until(w, START + 2345678);
	struct world_place was = world_enter(laptop);
	TRACE("nat", "drop %d", evaluated(&times));
	CHECK_STR(line, "1002.345678 laptop nat    drop 7");
	host_crash(laptop);
	line[0] = '\0';
	TRACE("nat", "of a ghost");
	CHECK_STR(line, "");
	world_leave(was);
	TRACE("x", "y");
	CHECK_STR(line, "1002.345678 - x      y");
	trace_set_sink(w, NULL, NULL);
	CHECK(!trace_is_on());
	host_free(laptop);
	world_free(w);
}
