/*
 * transport_fuzz: data packets into a keypair.
 *
 *	input: flag, counter (8, little-endian), bytes
 *	  0: the bytes are a packet as it came    1: they are sealed, and must open to themselves
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/transport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { LEN_MAX = 4096, MTU = 1420 };
static const uint64_t NOW_US = 1000000;

static struct keypair *new_keypair(uint64_t counter)
{
	struct keypair *kp = keypair_new();

	if (!kp)
		abort();
	kp->birth_us = NOW_US;
	kp->local_index = kp->remote_index = 0x04030201;
	kp->send_counter = counter;
	return kp;
}

/* The buffer has no byte more than the wire takes. */
static void check_round_trip(struct aead *a, struct keypair *kp, const uint8_t *inner, size_t len)
{
	size_t wire_len = len, padded = transport_padded_len(len, MTU), at;
	uint8_t *pkt = malloc(padded + TRANSPORT_OVERHEAD);

	memcpy(pkt + TRANSPORT_HEADER_LEN, inner, len);
	if (transport_seal(a, kp, pkt, &wire_len, MTU, NOW_US) == 0) {
		assert(wire_len == padded + TRANSPORT_OVERHEAD);
		assert(wg_message_type(pkt, wire_len) == WG_TYPE_TRANSPORT);
		at = wire_len;
		assert(transport_open(a, kp, pkt, &at, NOW_US) == 0 && at == padded);
		assert(memcmp(pkt + TRANSPORT_HEADER_LEN, inner, len) == 0);
	}
	free(pkt);
}

static void check_hostile(struct aead *a, struct keypair *kp, const uint8_t *bytes, size_t len)
{
	uint8_t *pkt = malloc(len ? len : 1);
	size_t got = len, inner_len;
	uint32_t index;

	memcpy(pkt, bytes, len);
	(void)wg_message_type(pkt, len);
	if (transport_receiver(pkt, len, &index) == 0)
		assert(len >= TRANSPORT_OVERHEAD);
	if (transport_inner_len(pkt, len, &inner_len) == 0)
		assert(inner_len <= len && inner_len >= 20);
	assert(transport_open(a, kp, pkt, &got, NOW_US) != 0);
	assert(kp->window.next == 0);
	free(pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct aead *a;
	struct reader r = reader_init(data, len);
	bool seals = read_u8(&r) & 1;
	struct keypair *kp = new_keypair(read_u64le(&r));

	if (!a)
		a = aead_new();
	if (!r.failed && reader_left(&r) <= LEN_MAX) {
		if (seals)
			check_round_trip(a, kp, r.at, reader_left(&r));
		else
			check_hostile(a, kp, r.at, reader_left(&r));
	}
	keypair_free(kp);
	return 0;
}
