#include "tests/sim/crew.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/sim/alone.h"
#include "tests/sim/play.h"

struct worker {
	pid_t pid;     /* 0: none */
	uint64_t seed; /* being played; 0: none */
	uint64_t played, events, packets, delivered;
	struct coverage coverage;
};

struct crew { /* shared by all processes */
	_Atomic uint64_t next;
	uint64_t end;
	time_t until; /* 0: no limit */
	atomic_flag lock;
	uint64_t failed, failed_seeds[CREW_KEPT_MAX];
	size_t n_kept;
	struct worker workers[CREW_JOBS_MAX];
};

static void tell(struct crew *c, uint64_t seed, const struct verdict *v)
{
	printf("seed %" PRIu64 ": %s at %.3f s: %s\n", seed, v->invariant,
	       (double)v->at_us / US_PER_S, v->text);
	fflush(stdout);
	while (atomic_flag_test_and_set(&c->lock))
		;
	c->failed++;
	if (c->n_kept < CREW_KEPT_MAX)
		c->failed_seeds[c->n_kept++] = seed;
	atomic_flag_clear(&c->lock);
}

static void play_one(struct crew *c, struct worker *w, uint64_t seed)
{
	const struct play_options options = {.coverage = &w->coverage};
	struct play_result result;
	struct day day;

	w->seed = seed;
	alone_limit(true);
	day_draw(&day, seed);
	play_day(&day, &options, &result);
	alone_limit(false);
	w->seed = 0;
	w->played++;
	w->events += result.events;
	w->packets += result.packets;
	w->delivered += result.delivered;
	if (result.verdict.failed)
		tell(c, seed, &result.verdict);
}

static void work(struct crew *c, struct worker *w)
{
	while (c->until == 0 || time(NULL) < c->until) {
		uint64_t seed = atomic_fetch_add(&c->next, 1);

		if (seed >= c->end)
			break;
		play_one(c, w, seed);
	}
}

static void hire(struct crew *c, struct worker *w)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		work(c, w);
		_exit(0);
	}
	w->pid = pid;
}

static struct worker *worker_of(struct crew *c, pid_t pid)
{
	for (unsigned i = 0; i < CREW_JOBS_MAX; i++)
		if (c->workers[i].pid == pid)
			return &c->workers[i];
	return NULL;
}

static void wait_for_all(struct crew *c)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		struct worker *w = worker_of(c, pid);
		struct verdict v = {0};

		if (!w)
			continue;
		w->pid = 0;
		alone_judge(&v, status);
		if (!v.failed)
			continue;
		w->played++;
		tell(c, w->seed, &v);
		hire(c, w);
	}
}

static void sum_up(const struct crew *c, struct crew_report *out)
{
	*out = (struct crew_report){.failed = c->failed, .n_kept = c->n_kept};
	for (size_t i = 0; i < c->n_kept; i++)
		out->failed_seeds[i] = c->failed_seeds[i];
	for (unsigned i = 0; i < CREW_JOBS_MAX; i++) {
		const struct worker *w = &c->workers[i];

		out->played += w->played;
		out->events += w->events;
		out->packets += w->packets;
		out->delivered += w->delivered;
		coverage_add(&out->coverage, &w->coverage);
	}
}

void crew_play(uint64_t from, uint64_t n, unsigned jobs, unsigned seconds, struct crew_report *out)
{
	struct crew *c =
		mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		abort();
	atomic_init(&c->next, from);
	c->end = from + n;
	c->until = seconds ? time(NULL) + (time_t)seconds : 0;
	for (unsigned i = 0; i < jobs && i < CREW_JOBS_MAX; i++)
		hire(c, &c->workers[i]);
	wait_for_all(c);
	sum_up(c, out);
	munmap(c, sizeof(*c));
}
