#include "tests/sim/play.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/internet.h"
#include "tests/sim/kernel_random.h"
#include "tests/sim/play_inside.h"
#include "tests/sim/trace.h"

/* After the last keystroke: what the history has to say, it has said by then. */
static const uint64_t account_us = 3 * US_PER_S;

uint64_t play_now_us(const struct play *p)
{
	return world_now_us() - p->start_us;
}

const struct expect *play_expect(const struct play *p, unsigned a, unsigned b)
{
	return a < b ? &p->expect[a][b] : &p->expect[b][a];
}

void play_check(struct play *p)
{
	if (p->result->verdict.failed)
		world_stop(p->town.world);
}

static void trace_event(const struct play *p, const struct day_event *e, const char *what)
{
	char line[160] = "";
	FILE *f;

	if (!trace_is_on() || !(f = fmemopen(line, sizeof(line) - 1, "w")))
		return;
	day_print_event(p->day, e, f);
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	TRACE("day", "%s: %s", what, line);
}

static void on_begin(void *arg)
{
	struct play_moment *m = arg;

	trace_event(m->play, m->event, "now");
	play_watch_begun(m->play, m->event);
	play_begin_event(m->play, m->event);
	if (day_fields(m->event->word) & DAY_HAS_FOR)
		world_event_set(&m->end, world_now_us() + m->event->for_us +
						 (m->event->word == DAY_TYPE ? account_us : 0));
	play_check(m->play);
}

static void on_end(void *arg)
{
	struct play_moment *m = arg;

	if (!day_word_is_traffic(m->event->word))
		trace_event(m->play, m->event, "over");
	play_watch_ended(m->play, m->event);
	play_end_event(m->play, m->event);
	play_check(m->play);
}

static void plan(struct play *p)
{
	for (size_t i = 0; i < p->day->n_events; i++) {
		struct play_moment *m = &p->moments[i];

		m->play = p;
		m->event = &p->day->events[i];
		world_event_init(&m->begin, on_begin, m);
		world_event_init(&m->end, on_end, m);
		world_event_set(&m->begin, p->start_us + m->event->at_us);
	}
	for (unsigned a = 0; a < DAY_NODES; a++)
		for (unsigned b = a + 1; b < DAY_NODES; b++)
			expect_init(&p->expect[a][b], p->day, a, b);
}

static void unplan(struct play *p)
{
	for (size_t i = 0; i < p->day->n_events; i++) {
		world_event_cancel(&p->moments[i].begin);
		world_event_cancel(&p->moments[i].end);
	}
}

static void print_line(void *arg, const char *line)
{
	fprintf(arg, "%s\n", line);
}

static void run(struct play *p, struct world *world)
{
	char error[TOWN_ERROR_LEN];
	int err = town_build(&p->town, p->day, world, &play_taps, p, error);

	if (err) {
		verdict_fail(&p->result->verdict, 0, "town", "the servers do not start: %s", error);
	} else {
		p->traffic = traffic_new(&play_traffic_ops, p, p->day->seed);
		play_watch_begin(p);
		plan(p);
		world_run_until(world, p->start_us + p->day->end_us);
		play_watch_end(p);
		unplan(p);
	}
	p->result->events = world_events_fired(world);
	traffic_free(p->traffic);
	p->traffic = NULL;
	play_free_strangers(p);
	town_raze(&p->town);
}

void play_day(const struct day *day, const struct play_options *options, struct play_result *result)
{
	struct play *p = calloc(1, sizeof(*p));

	if (!p || !kernel_random_install())
		abort();
	*result = (struct play_result){0};
	p->day = day;
	p->options = options;
	p->result = result;
	struct world *world = world_new(day->seed);

	p->start_us = world_now_us();
	world_set_part(world, WORLD_WATCHES, options->coverage, NULL);
	if (options->trace)
		trace_set_sink(world, print_line, options->trace);
	run(p, world);
	watch_delivery_wipe(&p->delivery);
	world_free(world);
	free(p);
}
