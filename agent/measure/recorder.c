#include "agent/measure/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/measure/disk_ring.h"
#include "agent/measure/record.h"
#include "common/clock.h"

/* An hour of seconds for four active peers, 7 days of minutes for eight, 30 days of events. */
enum { SECONDS = 4 * 3600, MINUTES = 8 * 7 * 1440, EVENTS = 8192 };
enum { KEEP_SAMPLES = 256, KEEP_EVENTS = 64 };

static const uint64_t minute_us = 60 * US_PER_S;
/* Wall clocks step; a reader that looks for a time looks a little before it too. */
static const uint64_t step_slack_us = (uint64_t)3600 * US_PER_S;
enum { SEARCH_STEP = 256, PATH_MAX_LEN = 512 };

struct recorder {
	struct disk_ring seconds, minutes, events;
	uint64_t opened_seconds, opened_minutes; /* their next numbers at recorder_open */
};

static uint64_t sample_number(const uint8_t *record)
{
	uint64_t seq;
	struct sample s;

	return record_decode_sample(record, &seq, &s) == 0 ? seq : 0;
}

static uint64_t event_number(const uint8_t *record)
{
	uint64_t seq;
	struct event e;

	return record_decode_event(record, &seq, &e) == 0 ? seq : 0;
}

static int open_ring(struct disk_ring *r, const char *dir, const char *name, size_t record_len,
		     uint64_t capacity, size_t keep, disk_ring_number_fn *number)
{
	char path[PATH_MAX_LEN];
	int n = dir ? snprintf(path, sizeof(path), "%s/%s", dir, name) : 0;
	bool has_path = n > 0 && (size_t)n < sizeof(path);

	return disk_ring_open(r, has_path ? path : NULL, record_len, capacity, keep, number);
}

struct recorder *recorder_open(const char *dir, int *error)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	int seconds = open_ring(&r->seconds, dir, "history-seconds", RECORD_SAMPLE_LEN, SECONDS,
				KEEP_SAMPLES, sample_number);
	int minutes = open_ring(&r->minutes, dir, "history-minutes", RECORD_SAMPLE_LEN, MINUTES,
				KEEP_SAMPLES, sample_number);
	int events = open_ring(&r->events, dir, "history-events", RECORD_EVENT_LEN, EVENTS,
			       KEEP_EVENTS, event_number);

	r->opened_seconds = r->seconds.next;
	r->opened_minutes = r->minutes.next;
	if (error)
		*error = events ? events : seconds ? seconds : minutes;
	return r;
}

void recorder_close(struct recorder *r)
{
	if (!r)
		return;
	disk_ring_close(&r->seconds);
	disk_ring_close(&r->minutes);
	disk_ring_close(&r->events);
	free(r);
}

void recorder_add_sample(struct recorder *r, const struct sample *s)
{
	struct disk_ring *ring = s->span == SAMPLE_SECOND ? &r->seconds : &r->minutes;
	uint8_t record[RECORD_SAMPLE_LEN];

	record_encode_sample(s, ring->next, record);
	disk_ring_append(ring, record);
}

void recorder_add_event(struct recorder *r, const struct event *e)
{
	uint8_t record[RECORD_EVENT_LEN];

	record_encode_event(e, r->events.next, record);
	disk_ring_append(&r->events, record);
}

int recorder_error(const struct recorder *r)
{
	if (r->events.error != 0)
		return r->events.error;
	return r->seconds.error != 0 ? r->seconds.error : r->minutes.error;
}

/* ---- reading ---- */

typedef bool decode_time_fn(const uint8_t *record, uint64_t *unix_us);

static bool sample_time(const uint8_t *record, uint64_t *unix_us)
{
	uint64_t seq;
	struct sample s = {0};
	bool is_good = record_decode_sample(record, &seq, &s) == 0;

	*unix_us = s.unix_us;
	return is_good;
}

static bool event_time(const uint8_t *record, uint64_t *unix_us)
{
	uint64_t seq;
	struct event e = {0};
	bool is_good = record_decode_event(record, &seq, &e) == 0;

	*unix_us = e.unix_us;
	return is_good;
}

/* A number before which nothing is as young as since, found by great steps from the end. */
static uint64_t find_since(const struct disk_ring *ring, uint64_t since_us, decode_time_fn *time_of)
{
	uint64_t oldest = disk_ring_oldest(ring), number = ring->next;
	uint8_t record[DISK_RING_RECORD_MAX];

	while (number > oldest + SEARCH_STEP) {
		uint64_t unix_us;

		number -= SEARCH_STEP;
		if (disk_ring_read(ring, number, record) && time_of(record, &unix_us) &&
		    unix_us + step_slack_us < since_us)
			return number;
	}
	return oldest;
}

struct sample_reader {
	const struct disk_ring *ring;
	uint32_t peer_id;
	uint64_t since_us;
	struct disk_ring_cursor cursor;
	bool has_next;
	struct sample next;
};

static void advance(struct sample_reader *in)
{
	const uint8_t *record;

	in->has_next = false;
	while (!in->has_next && (record = disk_ring_next(in->ring, &in->cursor)) != NULL) {
		uint64_t seq;

		if (record_decode_sample(record, &seq, &in->next) != 0)
			continue;
		bool is_peers = in->peer_id == 0 || in->next.peer_id == in->peer_id;

		in->has_next = is_peers && in->next.unix_us >= in->since_us;
	}
}

static void start_reader(struct sample_reader *in, const struct disk_ring *ring, uint32_t peer_id,
			 uint64_t since_us)
{
	in->ring = ring;
	in->peer_id = peer_id;
	in->since_us = since_us;
	disk_ring_seek(&in->cursor, find_since(ring, since_us, sample_time));
	advance(in);
}

void recorder_read_samples(struct recorder *r, uint32_t peer_id, uint64_t since_unix_us,
			   recorder_sample_fn *fn, void *arg)
{
	struct sample_reader seconds, minutes;
	uint64_t last_second_us = 0;

	start_reader(&seconds, &r->seconds, peer_id, since_unix_us);
	start_reader(&minutes, &r->minutes, peer_id, since_unix_us);
	while (seconds.has_next || minutes.has_next) {
		bool takes_second =
			seconds.has_next &&
			(!minutes.has_next || seconds.next.unix_us <= minutes.next.unix_us);

		if (takes_second) {
			last_second_us = seconds.next.unix_us;
			if (!fn(arg, &seconds.next))
				return;
			advance(&seconds);
			continue;
		}
		/* A minute that seconds tell in full is left out. */
		bool is_told = peer_id != 0 && last_second_us + minute_us > minutes.next.unix_us;

		if (!is_told && !fn(arg, &minutes.next))
			return;
		advance(&minutes);
	}
}

void recorder_read_events(struct recorder *r, uint32_t peer_id, uint64_t since_unix_us,
			  recorder_event_fn *fn, void *arg)
{
	struct disk_ring_cursor cursor;
	const uint8_t *record;

	disk_ring_seek(&cursor, find_since(&r->events, since_unix_us, event_time));
	while ((record = disk_ring_next(&r->events, &cursor)) != NULL) {
		uint64_t seq;
		struct event e;

		if (record_decode_event(record, &seq, &e) != 0 || e.unix_us < since_unix_us)
			continue;
		if ((peer_id == 0 || e.peer_id == peer_id) && !fn(arg, &e))
			return;
	}
}

/* The newest sample of the peer before that number. */
static bool find_before(const struct disk_ring *ring, uint64_t before, uint32_t peer_id,
			struct sample *out)
{
	uint8_t record[DISK_RING_RECORD_MAX];
	uint64_t oldest = disk_ring_oldest(ring);

	for (uint64_t number = before; number-- > oldest;) {
		uint64_t seq;

		if (disk_ring_read(ring, number, record) &&
		    record_decode_sample(record, &seq, out) == 0 &&
		    (peer_id == 0 || out->peer_id == peer_id))
			return true;
	}
	return false;
}

bool recorder_last_sample(const struct recorder *r, uint32_t peer_id, struct sample *out)
{
	struct sample second = {0}, minute = {0};
	bool has_second = find_before(&r->seconds, r->opened_seconds, peer_id, &second);
	bool has_minute = find_before(&r->minutes, r->opened_minutes, peer_id, &minute);

	if (!has_second && !has_minute)
		return false;
	bool takes_second = has_second && (!has_minute || second.unix_us >= minute.unix_us);

	*out = takes_second ? second : minute;
	return true;
}
