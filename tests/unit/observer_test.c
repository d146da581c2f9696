#include "agent/observer.h"

#include "common/clock.h"
#include "tests/unit/test.h"

enum { MS = US_PER_MS };
static const uint64_t wall_us = 1700000000ull * US_PER_S, t0_us = 1000ull * US_PER_S;

/* One active peer on a direct way with 20 ms round trips. */
struct scene {
	struct observer observer;
	struct path_traffic traffic;
	struct path_proof proof;
	struct path_view in_use;
	struct observer_output seen;
};

static struct scene scene_new(void)
{
	struct scene s = {.in_use = {.way = way_relay(7), .rtt_us = 20 * MS}};

	observer_init(&s.observer, 42);
	return s;
}

static void step(struct scene *s, uint64_t at_ms)
{
	struct observer_times at = {t0_us + at_ms * MS, wall_us + at_ms * MS};
	struct observer_view view = {&s->traffic, &s->proof, &s->in_use, true};

	observer_step(&s->observer, &view, at, &s->seen);
}

static void send_data(struct scene *s, uint64_t at_ms)
{
	s->traffic.kind[WAY_RELAY].data_sent++;
	s->traffic.kind[WAY_RELAY].last_data_sent_us = t0_us + at_ms * MS;
}

static void prove(struct scene *s, uint64_t at_ms)
{
	s->proof.heard_us = s->proof.proved_us = t0_us + at_ms * MS;
}

/* Data each 20 ms with a proof each 100 ms, from after from_ms until until_ms. */
static void all_is_well(struct scene *s, uint64_t from_ms, uint64_t until_ms)
{
	for (uint64_t at = from_ms + 20; at <= until_ms; at += 20) {
		send_data(s, at);
		prove(s, at / 100 * 100);
		step(s, at);
		CHECK(!s->seen.has_event);
	}
}

TEST(data_that_finds_no_way_is_a_gap_too)
{
	struct scene s = scene_new();

	all_is_well(&s, 0, 1000);
	s.in_use = (struct path_view){.way = way_none()};
	for (uint64_t at = 1010; at < 3000; at += 10) {
		s.traffic.kind[WAY_NONE].last_data_sent_us = t0_us + at * MS;
		s.traffic.kind[WAY_NONE].data_sent = at < 2000 ? 0 : 7;
		step(&s, at);
		CHECK(!s.seen.has_event);
	}
	prove(&s, 3000);
	step(&s, 3000);
	CHECK(s.seen.has_event && s.seen.event.kind == EVENT_GAP);
	CHECK_INT(s.seen.event.unix_us, wall_us + 1000 * MS);
	CHECK_INT(s.seen.event.end_unix_us, wall_us + 3000 * MS);
	CHECK_INT(s.seen.event.lost_packets, 7);
}

/* Keys go out by one way and echoes come by another: probes of neither are answered. */
TEST(a_report_that_the_peer_hears_more_proves_it_whatever_way_it_came_by)
{
	struct scene s = scene_new();

	all_is_well(&s, 0, 1000);
	for (uint64_t at = 1020; at <= 5000; at += 20) {
		send_data(&s, at);
		s.proof.heard_us = t0_us + at * MS;
		if (at % 100 == 0)
			observer_on_report(&s.observer, at, (uint32_t[]){(uint32_t)at, 0},
					   t0_us + at * MS);
		step(&s, at);
		CHECK(!s.seen.has_event && !s.observer.gap.open);
	}
}

TEST(reports_that_stand_still_are_old_or_of_a_new_process_prove_nothing)
{
	struct scene s = scene_new();
	uint64_t serial = 100;

	observer_on_report(&s.observer, serial++, (uint32_t[]){900, 50}, t0_us);
	all_is_well(&s, 0, 1000);
	for (uint64_t at = 1020; at <= 3000; at += 20) {
		send_data(&s, at);
		s.proof.heard_us = t0_us + at * MS;
		observer_on_report(&s.observer, serial++, (uint32_t[]){900, 0}, t0_us + at * MS);
		observer_on_report(&s.observer, 99, (uint32_t[]){999, 99}, t0_us + at * MS);
		if (at == 1500)
			observer_on_report(&s.observer, serial++, (uint32_t[]){0, 7},
					   t0_us + at * MS);
		step(&s, at);
	}
	CHECK(s.observer.gap.open);
}

TEST(a_second_becomes_a_sample_with_round_trip_and_the_peers_losses)
{
	struct scene s = scene_new();

	step(&s, 0);
	observer_on_probe(&s.observer);
	observer_on_pong(&s.observer,
			 &(struct path_pong){.rtt_us = 20 * MS, .out_sent = 50, .out_lost = 10});
	all_is_well(&s, 0, 980);
	CHECK_INT(s.seen.n_samples, 0);
	step(&s, 1000);
	CHECK_INT(s.seen.n_samples, 1);
	CHECK_INT(s.seen.samples[0].peer_id, 42);
	CHECK_INT(s.seen.samples[0].loss_ppm, 200000);
	CHECK_INT(s.seen.samples[0].data_sent, 49);
	CHECK(s.seen.samples[0].rtt_p50_us > 18 * MS && s.seen.samples[0].rtt_p50_us < 22 * MS);
}

TEST(silence_while_data_is_sent_is_a_gap_that_its_cause_names)
{
	struct scene s = scene_new();

	all_is_well(&s, 0, 1000);
	observer_on_cause(&s.observer, CODE_PEER_RESTARTED, t0_us + 1010 * MS);
	for (uint64_t at = 1020; at < 1800; at += 20) {
		send_data(&s, at);
		step(&s, at);
		CHECK(!s.seen.has_event);
	}
	prove(&s, 1800);
	step(&s, 1810);
	CHECK(s.seen.has_event);
	CHECK_INT(s.seen.event.code, CODE_PEER_RESTARTED);
	CHECK_INT(s.seen.event.unix_us, wall_us + 1000 * MS);
}

TEST(a_handshake_proves_both_directions)
{
	struct scene s = scene_new();

	all_is_well(&s, 0, 1000);
	for (uint64_t at = 1020; at < 3000; at += 20) {
		send_data(&s, at);
		observer_on_proof(&s.observer, t0_us + at * MS);
		step(&s, at);
		CHECK(!s.seen.has_event);
	}
	CHECK(!s.observer.gap.open);
}

TEST(our_own_lateness_is_no_gap_of_the_networks)
{
	struct scene s = scene_new();

	all_is_well(&s, 0, 1000);
	send_data(&s, 1020);
	step(&s, 1020);
	observer_on_late(&s.observer, 2000 * MS);
	step(&s, 3020);
	CHECK(!s.observer.gap.open);
	prove(&s, 3040);
	step(&s, 3060);
	CHECK(!s.seen.has_event);
}

TEST(a_timer_a_little_late_is_not_noted)
{
	struct scene s = scene_new();

	observer_on_late(&s.observer, 49 * MS);
	CHECK_INT(s.observer.timeline.second_late_us, 0);
	observer_on_late(&s.observer, 60 * MS);
	CHECK_INT(s.observer.timeline.second_late_us, 60 * MS);
}
