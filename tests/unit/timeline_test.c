#include "agent/measure/timeline.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S };
static const uint64_t wall_us = 1700000000ull * S;

TEST(an_active_peer_gives_a_sample_each_second)
{
	struct timeline t = {.peer_id = 7};
	struct way way = way_relay(3);
	struct sample out[TIMELINE_SAMPLES_MAX];

	CHECK_INT(timeline_step(&t, true, &way, 100, 50, 10 * S, wall_us, out), 0);
	quality_on_probe(&t.second);
	quality_on_rtt(&t.second, 23000);
	CHECK_INT(timeline_step(&t, true, &way, 110, 58, 10 * S + S / 2, wall_us, out), 0);
	CHECK(timeline_deadline_us(&t, true) == 11 * S);
	CHECK_INT(timeline_step(&t, true, &way, 120, 60, 11 * S, wall_us + S, out), 1);
	CHECK(out[0].span == SAMPLE_SECOND && out[0].unix_us == wall_us + S);
	CHECK_INT(out[0].peer_id, 7);
	CHECK_INT(out[0].data_sent, 20);
	CHECK_INT(out[0].data_heard, 10);
	CHECK(out[0].rtt_p50_us >= 21000 && out[0].rtt_p50_us <= 23000);
	CHECK_INT(out[0].loss_ppm, 0);
	CHECK(out[0].way.kind == WAY_RELAY && out[0].way.region == 3);
}

TEST(a_minute_holds_what_its_seconds_held)
{
	struct timeline t = {.peer_id = 7};
	struct way way = way_relay(3);
	struct sample out[TIMELINE_SAMPLES_MAX];
	unsigned seconds = 0, minutes = 0;

	for (uint64_t i = 0; i <= 60; i++) {
		unsigned n = timeline_step(&t, true, &way, (uint32_t)i * 5, 0, (10 + i) * S,
					   wall_us + i * S, out);

		for (unsigned k = 0; k < n; k++) {
			seconds += out[k].span == SAMPLE_SECOND;
			minutes += out[k].span == SAMPLE_MINUTE;
		}
		quality_on_probe(&t.second);
		if (i % 10 != 0)
			quality_on_rtt(&t.second, 40000);
		if (i == 30)
			timeline_on_late(&t, 70000);
	}
	CHECK_INT(seconds, 60);
	CHECK_INT(minutes, 1);
	CHECK_INT(out[1].data_sent, 300);
	CHECK_INT(out[1].loss_ppm, 100000);
	CHECK_INT(out[1].late_us, 70000);
}

TEST(an_idle_peer_gives_minutes_only_where_something_was_measured)
{
	struct timeline t = {.peer_id = 7};
	struct way way = way_none();
	struct sample out[TIMELINE_SAMPLES_MAX];

	CHECK_INT(timeline_step(&t, false, &way, 0, 0, 10 * S, wall_us, out), 0);
	CHECK(timeline_deadline_us(&t, false) == US_NEVER);
	CHECK_INT(timeline_step(&t, false, &way, 0, 0, 70 * S, wall_us, out), 0);
	quality_on_rtt(&t.second, 1000);
	CHECK(timeline_deadline_us(&t, false) == 130 * S);
	CHECK_INT(timeline_step(&t, false, &way, 0, 0, 130 * S, wall_us, out), 1);
	CHECK(out[0].span == SAMPLE_MINUTE);
}
