/*
 * merge: gathers opened packets of one flow into super-packets for the TUN: consecutive TCP
 * segments (TSO) and UDP datagrams of one length (USO), so that the kernel's stack runs once for
 * many.
 *
 * What GRO asks of packets that it merges is asked here too: same headers but for lengths, sequence
 * numbers and identification, in order, right checksums. All others pass one by one, unchanged.
 * Within a flow the order stays. A core over borrowed bytes: nothing is copied, each super-packet
 * becomes a list of pieces for one writev.
 */
#ifndef WARREN_MERGE_H
#define WARREN_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/tunnel/inner.h"

enum { MERGE_PACKETS_MAX = 128, MERGE_SEGMENTS_MAX = 64, MERGE_NONE = 0xffff };
enum { MERGE_IOV_MAX = MERGE_SEGMENTS_MAX };

struct merge_packet {
	uint8_t *pkt;
	size_t len;
	uint16_t next; /* the group's next packet, MERGE_NONE at its end */
};

struct merge_group {
	uint32_t flow; /* a hash of addresses and ports; 0: cannot grow */
	struct inner inner;
	size_t headers_len, segment_len, len; /* len: of the super-packet so far */
	uint32_t next_seq;
	uint16_t first, last; /* packets */
	uint16_t n;
	bool is_checked; /* the first packet's checksum is known to be right */
};

struct merge {
	bool tso, uso; /* what the TUN takes */
	struct merge_packet packets[MERGE_PACKETS_MAX];
	struct merge_group groups[MERGE_PACKETS_MAX];
	size_t n_packets, n_groups;
};

/* Empties it. */
void merge_reset(struct merge *m, bool tso, bool uso);

/* Adds an IP packet of exactly len bytes, in the order received. It has TUN_HDR_LEN bytes of room
 * in front and stays where it is until the groups are written. False where no more fit: write the
 * groups, reset, add again. */
bool merge_add(struct merge *m, uint8_t *pkt, size_t len);

/* Finishes group i's headers and gives the pieces of its one write, virtio header first. Each group
 * once. Returns the number of pieces. */
size_t merge_pieces(struct merge *m, size_t i, struct iovec iov[static MERGE_IOV_MAX]);

#endif
