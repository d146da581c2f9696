/*
 * warren-sim: days of a whole mesh, each in a moment.
 *
 *	warren-sim        what make check runs: the cases, then some hundred seeds
 *	warren-sim --seeds N [--from S] [--jobs J] [--seconds T] [--coverage]
 *	warren-sim --seed S [--trace] [--shrink]
 *	warren-sim --replay FILE [--trace] [--shrink]
 */
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/sim/alone.h"
#include "tests/sim/crew.h"
#include "tests/sim/shrink.h"

enum { CHECK_SEEDS = 300, CHECK_SECONDS = 25, SHRINK_TRIALS = 400, SHRUNK_MAX = 3 };
enum { TEXT_MAX = 64 << 10 };

static const char cases_glob[] = "tests/sim/cases/*.day";

struct settings {
	uint64_t seed, from, seeds; /* seed 0: none */
	const char *replay;
	unsigned jobs, seconds;
	bool trace, shrink, coverage;
};

/* ---- one day ---- */

static void print_verdict(const struct verdict *v)
{
	printf("%s at %.3f s: %s\n", v->invariant, (double)v->at_us / US_PER_S, v->text);
}

static bool fails_alike(void *arg, const struct day *day)
{
	const struct verdict *wanted = arg;
	const struct play_options quiet = {0};
	struct play_result result;

	alone_play(day, &quiet, &result);
	return result.verdict.failed && strcmp(result.verdict.invariant, wanted->invariant) == 0;
}

/* Makes it small and says how to see it again. */
static void shrink_and_print(struct day *day, const struct verdict *v)
{
	const struct play_options quiet = {0};
	struct verdict wanted = *v;
	struct play_result result;
	char file[64];

	unsigned trials = shrink_day(day, fails_alike, &wanted, SHRINK_TRIALS);

	alone_play(day, &quiet, &result);
	snprintf(file, sizeof(file), "/tmp/warren-%" PRIu64 ".day", day->seed);
	FILE *f = fopen(file, "w");

	if (f) {
		day_print(day, f);
		fclose(f);
	}
	printf("---- seed %" PRIu64 " after %u trials: ", day->seed, trials);
	print_verdict(&result.verdict);
	day_print(day, stdout);
	printf("---- replay: warren-sim --replay %s --trace\n", file);
}

static int play_one(struct day *day, const struct settings *s)
{
	const struct play_options options = {.trace = s->trace ? stdout : NULL};
	struct play_result result;

	day_print(day, stdout);
	alone_play(day, &options, &result);
	if (!result.verdict.failed) {
		printf("ok: %" PRIu64 " events, %" PRIu64 " packets on the wire, %" PRIu64
		       " delivered\n",
		       result.events, result.packets, result.delivered);
		return 0;
	}
	print_verdict(&result.verdict);
	if (s->shrink)
		shrink_and_print(day, &result.verdict);
	return 1;
}

static int read_day(const char *path, struct day *day)
{
	char *text = calloc(1, TEXT_MAX), error[DAY_ERROR_LEN] = "not to be read";
	FILE *f = fopen(path, "r");
	int err = f && text ? 0 : -EIO;

	if (!err && fread(text, 1, TEXT_MAX - 1, f) == 0)
		err = -EIO;
	if (f)
		fclose(f);
	if (!err)
		err = day_parse(day, text, error);
	if (err)
		fprintf(stderr, "warren-sim: %s: %s\n", path, error);
	free(text);
	return err;
}

static int replay(const struct settings *s)
{
	struct day day;

	return read_day(s->replay, &day) == 0 ? play_one(&day, s) : 2;
}

/* ---- many days ---- */

static double real_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_rate(const struct crew_report *r, double seconds)
{
	const double day_s = 600;

	printf("%" PRIu64 " seeds, %" PRIu64 " failed; %.1f s, %.1f seeds/s, %.0f times real time; "
	       "%" PRIu64 " events, %" PRIu64 " packets on the wire, %" PRIu64 " delivered\n",
	       r->played, r->failed, seconds, (double)r->played / seconds,
	       (double)r->played * day_s / seconds, r->events, r->packets, r->delivered);
}

static uint64_t play_many(const struct settings *s)
{
	struct crew_report *r = calloc(1, sizeof(*r));
	double began = real_s();

	if (!r)
		abort();
	crew_play(s->from, s->seeds, s->jobs, s->seconds, r);
	print_rate(r, real_s() - began);
	for (size_t i = 0; i < r->n_kept && i < SHRUNK_MAX; i++) {
		const struct play_options quiet = {0};
		struct play_result result;
		struct day day;

		day_draw(&day, r->failed_seeds[i]);
		alone_play(&day, &quiet, &result);
		shrink_and_print(&day, &result.verdict);
	}
	if (s->coverage)
		coverage_print(&r->coverage, stdout);
	uint64_t failed = r->failed;

	free(r);
	return failed;
}

/* The last lines are cmocka's, so that one script counts all tests. */
static int check(struct settings *s)
{
	glob_t cases = {0};
	const struct play_options quiet = {0};
	unsigned passed = 0;
	uint64_t failed = 0;

	glob(cases_glob, 0, NULL, &cases);
	for (size_t i = 0; i < cases.gl_pathc; i++) {
		struct play_result result = {.verdict.failed = true};
		struct day day;

		if (read_day(cases.gl_pathv[i], &day) == 0)
			alone_play(&day, &quiet, &result);
		if (result.verdict.failed) {
			printf("%s: ", cases.gl_pathv[i]);
			print_verdict(&result.verdict);
			failed++;
		} else {
			passed++;
		}
	}
	globfree(&cases);
	s->seeds = CHECK_SEEDS;
	s->seconds = CHECK_SECONDS;
	uint64_t bad = play_many(s);

	printf("[  PASSED  ] %u test(s).\n", passed + (bad == 0));
	if (failed + bad > 0)
		printf(" %" PRIu64 " FAILED TEST(S)\n", failed + bad);
	return failed + bad > 0;
}

/* ---- the command line ---- */

enum option_id { SEED, FROM, SEEDS, REPLAY, JOBS, SECONDS, TRACE_IT, SHRINK, COVERAGE };

static const struct option options[] = {
	{"seed", required_argument, NULL, SEED},   {"from", required_argument, NULL, FROM},
	{"seeds", required_argument, NULL, SEEDS}, {"replay", required_argument, NULL, REPLAY},
	{"jobs", required_argument, NULL, JOBS},   {"seconds", required_argument, NULL, SECONDS},
	{"trace", no_argument, NULL, TRACE_IT},	   {"shrink", no_argument, NULL, SHRINK},
	{"coverage", no_argument, NULL, COVERAGE}, {0},
};

static bool take_option(struct settings *s, int id)
{
	uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;

	switch (id) {
	case SEED:
		s->seed = number;
		return true;
	case FROM:
		s->from = number;
		return true;
	case SEEDS:
		s->seeds = number;
		return true;
	case REPLAY:
		s->replay = optarg;
		return true;
	case JOBS:
		s->jobs = (unsigned)number;
		return true;
	case SECONDS:
		s->seconds = (unsigned)number;
		return true;
	case TRACE_IT:
		return s->trace = true;
	case SHRINK:
		return s->shrink = true;
	case COVERAGE:
		return s->coverage = true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct settings s = {.from = 1, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	int id;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(&s, id))
			return 2;
	if (s.replay)
		return replay(&s);
	if (s.seed) {
		struct day day;

		day_draw(&day, s.seed);
		return play_one(&day, &s);
	}
	return s.seeds ? play_many(&s) > 0 : check(&s);
}
