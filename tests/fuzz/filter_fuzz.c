/*
 * Feeds a filter a stream of hostile inner packets. Each record of the input: one byte (bit 0: to
 * the peer, bits 1-2: peer, bit 3: the rules change before it), two bytes of length, the packet.
 */
#include <stdint.h>
#include <stdlib.h>

#include "agent/filter/filter.h"
#include "common/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void publish(struct filter *f, uint64_t generation)
{
	static const struct filter_rule anything = {FILTER_ANY, 0, 65535},
					ssh = {FILTER_TCP, 22, 22};
	struct filter_rules *rules = filter_rules_new(generation);

	if (filter_rules_add(rules, 0, &ssh, 1, &anything, 1) < 0 ||
	    filter_rules_add(rules, 1, generation % 2 ? &anything : NULL, generation % 2, NULL, 0) <
		    0)
		abort();
	filter_rules_free((void *)(uintptr_t)filter_publish(f, rules));
}

static void check_save(struct filter *f, uint64_t now_us)
{
	uint8_t bytes[2048], again[2048];
	size_t len, again_len;
	struct filter *back = filter_new(16, (const uint8_t[FILTER_SEED_LEN]){1});

	if (filter_save(f, bytes, sizeof(bytes), &len, now_us) < 0 ||
	    filter_load(back, bytes, len, 0) < 0 ||
	    filter_save(back, again, sizeof(again), &again_len, 0) < 0)
		abort();
	if (again_len != len || memcmp(again, bytes, len) != 0)
		abort();
	filter_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct filter *f = filter_new(16, (const uint8_t[FILTER_SEED_LEN]){0});
	struct reader r = reader_init(data, len);
	uint64_t generation = 1, now_us = 1;

	publish(f, generation);
	while (reader_left(&r) > 0) {
		uint8_t how = read_u8(&r);
		size_t pkt_len = read_u16be(&r);
		const uint8_t *pkt = read_span(&r, pkt_len);

		if (!pkt)
			break;
		if (how & 8)
			publish(f, ++generation);
		now_us += (uint64_t)(how >> 4) * 7000000;
		if (how & 1)
			filter_out(f, how >> 1 & 3, pkt, pkt_len, now_us);
		else
			filter_in(f, how >> 1 & 3, pkt, pkt_len, now_us);
		filter_tick(f, now_us);
	}
	check_save(f, now_us);
	filter_rules_free((void *)(uintptr_t)filter_publish(f, NULL));
	filter_free(f);
	return 0;
}
