/*
 * transport: WireGuard data packets (type 4), as lanes build and open them in place.
 *
 *	pkt -> | 4 0 0 0 | receiver u32le | counter u64le | plaintext, padded | tag |
 *	         4         4                8               len                 16
 *
 * A packet buffer holds the inner packet at pkt + TRANSPORT_HEADER_LEN and has TRANSPORT_TAG_LEN
 * and up to 15 bytes of padding of room behind it. An empty plaintext is a keep-alive. No I/O, no
 * clock; where a packet goes, or comes from, is the caller's. WireGuard paper section 5.4.6.
 */
#ifndef WARREN_TRANSPORT_H
#define WARREN_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wg/aead.h"
#include "agent/wg/keypair.h"

enum {
	WG_TYPE_INITIATION = 1,
	WG_TYPE_RESPONSE = 2,
	WG_TYPE_COOKIE_REPLY = 3,
	WG_TYPE_TRANSPORT = 4,
};
enum {
	TRANSPORT_HEADER_LEN = 16,
	TRANSPORT_TAG_LEN = 16,
	TRANSPORT_OVERHEAD = 32, /* header and tag: the size of a keep-alive on the wire */
	TRANSPORT_PADDING = 16,	 /* inner packets are padded to a multiple of this */
	TRANSPORT_BATCH_MAX = 128,
};

/* 1..4 where the first bytes are those of a WireGuard message of possible length, else 0. */
unsigned wg_message_type(const uint8_t *pkt, size_t len);

/* Where padding ends: the next multiple of 16, but not beyond mtu_bytes (0: no MTU known). */
size_t transport_padded_len(size_t len, size_t mtu_bytes);

struct transport_job {
	struct keypair *keypair; /* borrowed */
	uint8_t *pkt;		 /* start of the header; the inner packet stands 16 bytes behind */
	size_t len; /* seal: inner length in, wire length out; open: wire length in, inner out */
	int status; /* 0 or a negative errno, below */
};

/* Pads, numbers and encrypts up to TRANSPORT_BATCH_MAX packets in place, in order. status:
 * -EKEYEXPIRED where the keypair may not send any more (pkt is untouched then). Any thread, with
 * its own aead. */
void transport_seal_batch(struct aead *a, struct transport_job *jobs, size_t n, size_t mtu_bytes,
			  uint64_t now_us);

/* The same for one. -EKEYEXPIRED as above. */
MUST_CHECK int transport_seal(struct aead *a, struct keypair *kp, uint8_t *pkt, size_t *len,
			      size_t mtu_bytes, uint64_t now_us);

/* Reads the receiver index. -EBADMSG where pkt is no data packet of possible length. */
MUST_CHECK int transport_receiver(const uint8_t *pkt, size_t len, uint32_t *index);

/* Decrypts in place up to TRANSPORT_BATCH_MAX packets whose keypairs the caller has found by
 * transport_receiver and index_table_find; the lane that owns their windows only. status:
 * -EBADMSG: malformed, or the tag is wrong; -ESTALE: a copy, or older than the window;
 * -EKEYEXPIRED: the keypair is too old or used up. */
void transport_open_batch(struct aead *a, struct transport_job *jobs, size_t n, uint64_t now_us);

/* The same for one. */
MUST_CHECK int transport_open(struct aead *a, struct keypair *kp, uint8_t *pkt, size_t *len,
			      uint64_t now_us);

/* The inner packet's own length by its IP header, padding left out. -EBADMSG where the header is
 * neither IPv4 nor IPv6 or says more than len. */
MUST_CHECK int transport_inner_len(const uint8_t *inner, size_t len, size_t *inner_len);

#endif
