/*
 * split: cuts what the TUN hands over into packets for the wire: TCP and UDP super-packets into
 * segments with headers and checksums of their own, single packets with their checksum finished.
 *
 * A core over borrowed bytes. The virtio header comes from the kernel, so what it says is trusted
 * as far as it cannot lead out of the packet.
 */
#ifndef WARREN_SPLIT_H
#define WARREN_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/tunnel/inner.h"
#include "common/wire.h"

struct split {
	const uint8_t *pkt; /* borrowed until the last split_next */
	struct inner inner;
	size_t headers_len; /* IP and transport: what each segment repeats */
	size_t segment_len; /* payload of each but the last */
	size_t at;	    /* payload handed out so far, counted from headers_len */
	size_t n;	    /* segments handed out */
	size_t csum_start, csum_offset;
	bool finish_csum; /* a single packet whose checksum is the pseudo-header's */
	bool is_done;
};

/* buf: what one read brought, TUN_HDR_LEN bytes of virtio header in front. -EBADMSG where header
 * and packet disagree, or the packet is none. */
MUST_CHECK int split_begin(struct split *s, const uint8_t *buf, size_t len);

/* Length of the next packet, 0 at the end. */
size_t split_next_len(const struct split *s);
/* Writes it to out, which has split_next_len bytes. */
void split_next(struct split *s, uint8_t *out);

#endif
