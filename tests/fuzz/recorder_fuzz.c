/*
 * The history's three files as a disk may give them back: whole records with any number at any
 * place, torn ones, garbage between. The input: which file, a place, a number, bytes laid over it.
 *
 * Must hold: reading ends and gives no more than there is room for; what is added afterwards is
 * read back.
 */
#include "agent/measure/recorder.h"

#include "agent/measure/record.h"
#include "common/clock.h"
#include "tests/fuzz/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { WRITES_MAX = 24, PLACES = 40, READ_MAX = 100000 };
static const char *const names[] = {"history-seconds", "history-minutes", "history-events"};
static const uint64_t unix_us = 1800000000000000;

static void write_record(struct script *s, unsigned file, uint8_t *image, size_t *image_len)
{
	size_t record_len = file == 2 ? RECORD_EVENT_LEN : RECORD_SAMPLE_LEN, bent_len;
	size_t place = script_pick(s, PLACES);
	uint64_t number = script_u16(s);
	uint8_t *record = image + place * record_len;
	struct sample sample = {.unix_us = unix_us + number * US_PER_S, .peer_id = 1};
	struct event event = {.unix_us = unix_us + number * US_PER_S, .peer_id = 1};

	if (file == 1)
		sample.span = SAMPLE_MINUTE;
	if (file == 2)
		record_encode_event(&event, number, record);
	else
		record_encode_sample(&sample, number, record);
	const uint8_t *bent = script_span(s, 32, &bent_len);
	size_t at = script_byte(s);
	for (size_t i = 0; i < bent_len; i++)
		record[(at + i) % record_len] ^= bent[i];
	size_t end = (place + 1) * record_len - script_byte(s) % record_len;
	*image_len = end > *image_len ? end : *image_len;
}

static void write_files(struct script *s, const struct folder *folder)
{
	static uint8_t image[3][PLACES * RECORD_EVENT_LEN];
	size_t len[3] = {0};

	memset(image, 0, sizeof(image));
	for (unsigned i = 0; i < WRITES_MAX && script_has_more(s); i++) {
		unsigned file = script_pick(s, 3);
		write_record(s, file, image[file], &len[file]);
	}
	for (unsigned file = 0; file < 3; file++)
		folder_put(folder, names[file], image[file], len[file]);
}

struct seen {
	unsigned n;
	bool ours;
};

static bool on_event(void *arg, const struct event *e)
{
	struct seen *seen = arg;

	MUST(seen->n++ < READ_MAX);
	seen->ours |= e->peer_id == 77;
	return true;
}

static bool on_sample(void *arg, const struct sample *s)
{
	struct seen *seen = arg;

	MUST(seen->n++ < READ_MAX);
	seen->ours |= s->peer_id == 77;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct folder folder;
	struct script s = script_init(data, len);
	const struct sample sample = {.unix_us = unix_us + 1, .peer_id = 77};
	struct event event = event_make(EVENT_DAEMON, CODE_UNKNOWN, 77, "a.b", NULL, unix_us + 1);
	struct seen events = {0}, samples = {0};
	struct sample last;

	folder_open(&folder);
	write_files(&s, &folder);
	struct recorder *r = recorder_open(folder.path, NULL);
	(void)recorder_last_sample(r, 0, &last);
	recorder_add_event(r, &event);
	recorder_add_sample(r, &sample);
	recorder_read_events(r, 0, 0, on_event, &events);
	recorder_read_samples(r, 77, 0, on_sample, &samples);
	MUST(events.ours && samples.ours);
	recorder_close(r);
	for (unsigned i = 0; i < 3; i++)
		folder_remove(&folder, names[i]);
	folder_close(&folder);
	return 0;
}
