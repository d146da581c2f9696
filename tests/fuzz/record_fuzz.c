/*
 * Records of the history as bytes from a disk that may hold anything: what decodes encodes to the
 * same bytes again.
 */
#include "agent/measure/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void sum_up(uint8_t *record, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < len - 8; i++)
		sum = (sum ^ record[i]) * 0x100000001b3;
	for (size_t i = 0; i < 8; i++)
		record[len - 1 - i] = (uint8_t)(sum >> 8 * i);
}

static void try_sample(const uint8_t *record)
{
	uint8_t again[RECORD_SAMPLE_LEN];
	struct sample s;
	uint64_t seq;

	if (record_decode_sample(record, &seq, &s) != 0)
		return;
	record_encode_sample(&s, seq, again);
	if (memcmp(record, again, sizeof(again)) != 0)
		abort();
}

static void try_event(const uint8_t *record)
{
	uint8_t again[RECORD_EVENT_LEN];
	struct event e;
	uint64_t seq;

	if (record_decode_event(record, &seq, &e) != 0)
		return;
	record_encode_event(&e, seq, again);
	/* A word of a later version reads as "unknown"; all else is the same. */
	if (e.code != CODE_UNKNOWN && memcmp(record, again, sizeof(again)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t record[RECORD_EVENT_LEN] = {0};

	memcpy(record, data, len < sizeof(record) ? len : sizeof(record));
	try_sample(record);
	try_event(record);
	/* And past the checksum, which no fuzzer guesses. */
	sum_up(record, RECORD_EVENT_LEN);
	try_event(record);
	sum_up(record, RECORD_SAMPLE_LEN);
	try_sample(record);
	return 0;
}
