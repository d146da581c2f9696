/* What a TUN could hand over: cut into segments, merged again. No write leaves its buffer. */
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/merge.h"
#include "agent/tunnel/mss.h"
#include "agent/tunnel/split.h"
#include "agent/tunnel/tun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct merge merge;

static void write_groups(void)
{
	struct iovec iov[MERGE_IOV_MAX];

	for (size_t i = 0; i < merge.n_groups; i++) {
		size_t n = merge_pieces(&merge, i, iov), total = 0;

		for (size_t j = 0; j < n; j++)
			total += iov[j].iov_len;
		if (n == 0 || n > MERGE_IOV_MAX || total > TUN_HDR_LEN + 65535)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *packets[MERGE_PACKETS_MAX];
	size_t n = 0, next;
	struct split s;

	merge_reset(&merge, true, true);
	if (split_begin(&s, data, len) != 0)
		return 0;
	while (n < MERGE_PACKETS_MAX && (next = split_next_len(&s)) > 0) {
		uint8_t *exact = malloc(TUN_HDR_LEN + next);

		if (!exact)
			break;
		packets[n++] = exact;
		split_next(&s, exact + TUN_HDR_LEN);
		mss_clamp(exact + TUN_HDR_LEN, next, 1280);
		if (!merge_add(&merge, exact + TUN_HDR_LEN, next))
			abort();
	}
	write_groups();
	while (n > 0)
		free(packets[--n]);
	return 0;
}
