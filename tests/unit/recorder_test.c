#include "agent/measure/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/measure/record.h"
#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S };
static const uint64_t wall_us = 1700000000ull * S;

struct found {
	size_t n;
	uint64_t first_us, last_us;
	unsigned minutes;
	bool sorted;
};

static bool take_sample(void *arg, const struct sample *s)
{
	struct found *f = arg;

	f->sorted = f->n == 0 || (f->sorted && s->unix_us >= f->last_us);
	if (f->n++ == 0)
		f->first_us = s->unix_us;
	f->last_us = s->unix_us;
	f->minutes += s->span == SAMPLE_MINUTE;
	return true;
}

static bool take_event(void *arg, const struct event *e)
{
	struct found *f = arg;

	if (f->n++ == 0)
		f->first_us = e->unix_us;
	f->last_us = e->unix_us;
	return true;
}

static struct found samples_of(struct recorder *r, uint32_t peer, uint64_t since_us)
{
	struct found f = {0};

	recorder_read_samples(r, peer, since_us, take_sample, &f);
	return f;
}

static struct found events_of(struct recorder *r, uint32_t peer)
{
	struct found f = {0};

	recorder_read_events(r, peer, 0, take_event, &f);
	return f;
}

static void add_second(struct recorder *r, uint32_t peer, uint64_t second)
{
	struct sample s = {.unix_us = wall_us + second * S, .peer_id = peer};

	recorder_add_sample(r, &s);
}

static void add_minute(struct recorder *r, uint32_t peer, uint64_t second)
{
	struct sample s = {.unix_us = wall_us + second * S, .peer_id = peer, .span = SAMPLE_MINUTE};

	recorder_add_sample(r, &s);
}

static void add_event(struct recorder *r, uint32_t peer, uint64_t second)
{
	struct event e = event_make(EVENT_PATH, CODE_PATH_FIRST, peer, "dev.alice", NULL,
				    wall_us + second * S);

	recorder_add_event(r, &e);
}

static void make_dir(char dir[static 32])
{
	snprintf(dir, 32, "/tmp/warren-rec-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
}

static void remove_dir(const char *dir)
{
	const char *const names[] = {"history-seconds", "history-minutes", "history-events"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

TEST(what_was_recorded_is_there_after_a_restart)
{
	char dir[32];
	int err = 1;

	make_dir(dir);
	struct recorder *r = recorder_open(dir, &err);

	CHECK_INT(err, 0);
	for (uint64_t i = 0; i < 100; i++)
		add_second(r, 1 + i % 2, i);
	add_event(r, 1, 50);
	add_event(r, 2, 60);
	recorder_close(r);

	r = recorder_open(dir, &err);
	CHECK_INT(samples_of(r, 1, 0).n, 50);
	CHECK_INT(samples_of(r, 0, 0).n, 100);
	CHECK(samples_of(r, 0, 0).sorted);
	CHECK_INT(events_of(r, 0).n, 2);
	CHECK_INT(events_of(r, 2).n, 1);
	struct found f = samples_of(r, 2, wall_us + 90 * S);

	CHECK(f.n == 5 && f.first_us == wall_us + 91 * S && f.last_us == wall_us + 99 * S);
	recorder_close(r);
	remove_dir(dir);
}

TEST(the_gap_of_a_restart_starts_at_the_last_sample_on_disk)
{
	char dir[32];
	struct sample s;

	make_dir(dir);
	struct recorder *r = recorder_open(dir, NULL);

	CHECK(!recorder_last_sample(r, 0, &s));
	add_second(r, 1, 10);
	add_second(r, 2, 11);
	add_minute(r, 1, 5);
	recorder_close(r);
	r = recorder_open(dir, NULL);
	add_second(r, 1, 500); /* after the restart: does not count */
	CHECK(recorder_last_sample(r, 1, &s) && s.unix_us == wall_us + 10 * S);
	CHECK(recorder_last_sample(r, 0, &s) && s.unix_us == wall_us + 11 * S);
	CHECK(!recorder_last_sample(r, 3, &s));
	recorder_close(r);
	remove_dir(dir);
}

TEST(the_ring_keeps_the_newest_and_its_size)
{
	char dir[32], path[64];
	struct stat st;

	make_dir(dir);
	struct recorder *r = recorder_open(dir, NULL);

	for (uint64_t i = 0; i < 20000; i++)
		add_second(r, 1, i);
	recorder_close(r);
	snprintf(path, sizeof(path), "%s/history-seconds", dir);
	CHECK(stat(path, &st) == 0 && st.st_size == 14400 * RECORD_SAMPLE_LEN);
	CHECK_INT(st.st_mode & 0777, 0600);
	r = recorder_open(dir, NULL);
	struct found f = samples_of(r, 1, 0);

	CHECK(f.n == 14400 && f.last_us == wall_us + 19999ull * S && f.sorted);
	add_second(r, 1, 20000); /* goes on where it was */
	CHECK(samples_of(r, 1, 0).last_us == wall_us + 20000ull * S);
	recorder_close(r);
	remove_dir(dir);
}

TEST(a_torn_record_costs_itself_only)
{
	char dir[32], path[64];

	make_dir(dir);
	struct recorder *r = recorder_open(dir, NULL);

	for (uint64_t i = 0; i < 10; i++)
		add_second(r, 1, i);
	recorder_close(r);
	snprintf(path, sizeof(path), "%s/history-seconds", dir);
	int fd = open(path, O_WRONLY);

	/* The first record lies at slot 1. Garbage in the fifth, and the tenth is cut in half. */
	CHECK(pwrite(fd, "garbage", 7, 5 * RECORD_SAMPLE_LEN + 20) == 7);
	CHECK(ftruncate(fd, 10 * RECORD_SAMPLE_LEN + RECORD_SAMPLE_LEN / 2) == 0);
	close(fd);
	r = recorder_open(dir, NULL);
	CHECK_INT(samples_of(r, 1, 0).n, 8);
	add_second(r, 1, 100);
	CHECK_INT(samples_of(r, 1, 0).n, 9);
	recorder_close(r);
	remove_dir(dir);
}

TEST(minutes_stand_where_no_seconds_are)
{
	struct recorder *r = recorder_open(NULL, NULL);

	for (uint64_t minute = 1; minute <= 5; minute++) {
		for (uint64_t i = 0; minute == 3 && i < 60; i++)
			add_second(r, 1, 120 + i + 1);
		add_minute(r, 1, minute * 60);
	}
	struct found f = samples_of(r, 1, 0);

	CHECK(f.sorted);
	CHECK_INT(f.minutes, 4); /* the third is told by its seconds */
	CHECK_INT(f.n, 64);
	recorder_close(r);
}

TEST(a_full_disk_is_no_end_of_recording)
{
	char dir[32];
	struct rlimit old, small = {4096, 0};

	make_dir(dir);
	struct recorder *r = recorder_open(dir, NULL);

	add_event(r, 1, 0);
	CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	for (uint64_t i = 1; i < 40; i++)
		add_event(r, 1, i);
	CHECK(recorder_error(r) < 0);
	CHECK_INT(events_of(r, 1).n, 40);
	CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	add_event(r, 1, 40);
	CHECK_INT(recorder_error(r), 0);
	recorder_close(r);
	r = recorder_open(dir, NULL);
	CHECK_INT(events_of(r, 1).n, 41);
	recorder_close(r);
	remove_dir(dir);
}

TEST(a_folder_that_cannot_be_written_leaves_memory)
{
	int err = 0;
	struct recorder *r = recorder_open("/nonexistent/warren", &err);

	CHECK_INT(err, -ENOENT);
	for (uint64_t i = 0; i < 300; i++)
		add_second(r, 1, i);
	CHECK_INT(samples_of(r, 1, 0).n, 256);
	CHECK(samples_of(r, 1, 0).last_us == wall_us + 299 * S);
	recorder_close(r);
}
