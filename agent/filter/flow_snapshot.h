/*
 * flow_snapshot: a flow table as bytes, so that a restart cuts nothing.
 *
 * Layout, all big-endian: magic "WFLT", version u16, count u16, then count flows of 48 bytes in the
 * order of flow_table_next, then 16 bytes of BLAKE2b over everything before. A flow: peer id u32,
 * protocol u8, state u8, starter u8, FINs u8, local and remote address 16 bytes each, local and
 * remote port u16 each, milliseconds left u32. Times are relative: the time the daemon was not
 * there does not count.
 */
#ifndef WARREN_FLOW_SNAPSHOT_H
#define WARREN_FLOW_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/filter/flow_table.h"

enum { FLOW_SNAPSHOT_HEADER_LEN = 8, FLOW_SNAPSHOT_FLOW_LEN = 48, FLOW_SNAPSHOT_SUM_LEN = 16 };

/* Bytes needed for a table of this capacity. */
size_t flow_snapshot_max(size_t capacity);

/* Flows dead at now_us are left out. -ENOBUFS where cap is too small. */
MUST_CHECK int flow_snapshot_encode(const struct flow_table *t, uint8_t *buf, size_t cap,
				    size_t *len, uint64_t now_us);

/* Fills an empty table; flows beyond its capacity are left out, the oldest of them first.
 * -EBADMSG, and an empty table, where the bytes are not exactly a snapshot. */
MUST_CHECK int flow_snapshot_decode(struct flow_table *t, const uint8_t *buf, size_t len,
				    uint64_t now_us);

#endif
