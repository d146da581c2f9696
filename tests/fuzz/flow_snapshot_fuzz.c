/*
 * Reads hostile snapshot bytes, as they are and with their checksum put right (else no input would
 * get past it); what is accepted must be written back as the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/filter/flow_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CAPACITY = 64, BUF_LEN = 4096 };

static void try_decode(const uint8_t *bytes, size_t len)
{
	struct flow_table *t = flow_table_new(CAPACITY, (const uint8_t[FLOW_SEED_LEN]){0});
	uint8_t again[BUF_LEN];
	size_t again_len;

	if (flow_snapshot_decode(t, bytes, len, 1000) == 0 && len <= flow_snapshot_max(CAPACITY)) {
		if (flow_snapshot_encode(t, again, sizeof(again), &again_len, 1000) < 0)
			abort();
		if (again_len != len || memcmp(again, bytes, len) != 0)
			abort();
	}
	flow_table_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t fixed[BUF_LEN];

	try_decode(data, len);
	if (len > sizeof(fixed) || len < FLOW_SNAPSHOT_SUM_LEN)
		return 0;
	memcpy(fixed, data, len);
	crypto_generichash(fixed + len - FLOW_SNAPSHOT_SUM_LEN, FLOW_SNAPSHOT_SUM_LEN, fixed,
			   len - FLOW_SNAPSHOT_SUM_LEN, NULL, 0);
	try_decode(fixed, len);
	return 0;
}
