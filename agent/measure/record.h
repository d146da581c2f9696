/*
 * record: samples and events as fixed-size, self-checking bytes on disk.
 *
 * Each record carries its sequence number and a checksum over all of it, so that a reader tells a
 * whole record from one that a crash tore, from an old one and from garbage. Pure; the recorder
 * has the file. Big-endian, zeros up to the checksum (FNV-1a over all before it):
 *
 *	both    magic 2 "WS" or "WE" | version 2 | number 8 | ... | zeros | checksum 8
 *	way     kind 1 | 18: address 16 and port 2, or region 4 and zeros
 *	sample  time 8 | peer 4 | span 1 | way | p50 4 | p99 4 | jitter 4 | loss 4 |
 *	        sent 4 | heard 4 | late 4
 *	event   time 8 | end 8 | kind 1 | seen by 1 | peer 4 | lost 4 | from | to |
 *	        code | name | cause
 *	text    length 1, bytes, zeros: 24 (code), 128 (name), 224 (cause) in all
 */
#ifndef WARREN_RECORD_H
#define WARREN_RECORD_H

#include <stdint.h>

#include "agent/measure/event.h"
#include "agent/measure/timeline.h"
#include "common/wire.h"

enum { RECORD_SAMPLE_LEN = 96, RECORD_EVENT_LEN = 512 };

void record_encode_sample(const struct sample *s, uint64_t seq,
			  uint8_t out[static RECORD_SAMPLE_LEN]);
void record_encode_event(const struct event *e, uint64_t seq, uint8_t out[static RECORD_EVENT_LEN]);
/* -EBADMSG where the checksum or a field is wrong; *seq is never 0. */
MUST_CHECK int record_decode_sample(const uint8_t in[static RECORD_SAMPLE_LEN], uint64_t *seq,
				    struct sample *out);
MUST_CHECK int record_decode_event(const uint8_t in[static RECORD_EVENT_LEN], uint64_t *seq,
				   struct event *out);

#endif
