#include "agent/filter/flow_snapshot.h"

#include <errno.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/wire.h"

enum { MAGIC = 0x57464c54, VERSION = 1, ALL_FINS = 3 };

size_t flow_snapshot_max(size_t capacity)
{
	return FLOW_SNAPSHOT_HEADER_LEN + capacity * FLOW_SNAPSHOT_FLOW_LEN + FLOW_SNAPSHOT_SUM_LEN;
}

static uint32_t left_ms(const struct flow *flow, uint64_t now_us)
{
	return flow->deadline_us > now_us ? (uint32_t)((flow->deadline_us - now_us) / US_PER_MS)
					  : 0;
}

static void write_flow(struct writer *w, const struct flow *flow, uint64_t now_us)
{
	write_u32be(w, flow->key.peer_id);
	write_u8(w, flow->key.proto);
	write_u8(w, (uint8_t)flow->state);
	write_u8(w, (uint8_t)flow->started);
	write_u8(w, flow->fins);
	write_bytes(w, flow->key.local.b, sizeof(flow->key.local.b));
	write_bytes(w, flow->key.remote.b, sizeof(flow->key.remote.b));
	write_u16be(w, flow->key.local_port);
	write_u16be(w, flow->key.remote_port);
	write_u32be(w, left_ms(flow, now_us));
}

static void checksum(const uint8_t *bytes, size_t len, uint8_t sum[static FLOW_SNAPSHOT_SUM_LEN])
{
	crypto_generichash(sum, FLOW_SNAPSHOT_SUM_LEN, bytes, len, NULL, 0);
}

int flow_snapshot_encode(const struct flow_table *t, uint8_t *buf, size_t cap, size_t *len,
			 uint64_t now_us)
{
	struct writer w = writer_init(buf, cap);
	uint8_t sum[FLOW_SNAPSHOT_SUM_LEN];
	uint16_t count = 0;

	write_u32be(&w, MAGIC);
	write_u16be(&w, VERSION);
	write_u16be(&w, 0);
	for (const struct flow *flow = flow_table_next(t, NULL); flow;
	     flow = flow_table_next(t, flow)) {
		if (left_ms(flow, now_us) == 0)
			continue;
		write_flow(&w, flow, now_us);
		count++;
	}
	write_u16be_at(&w, FLOW_SNAPSHOT_HEADER_LEN - 2, count);
	if (w.failed)
		return -ENOBUFS;
	checksum(w.buf, w.len, sum);
	write_bytes(&w, sum, sizeof(sum));
	*len = w.len;
	return w.failed ? -ENOBUFS : 0;
}

/* One saved flow and the time it has left, read from 48 bytes. */
static struct flow read_flow(struct reader *r, uint64_t *left_us)
{
	struct flow flow = {.key.peer_id = read_u32be(r)};

	flow.key.proto = read_u8(r);
	flow.state = (enum flow_state)read_u8(r);
	flow.started = (enum filter_direction)read_u8(r);
	flow.fins = read_u8(r);
	read_bytes(r, flow.key.local.b, sizeof(flow.key.local.b));
	read_bytes(r, flow.key.remote.b, sizeof(flow.key.remote.b));
	flow.key.local_port = read_u16be(r);
	flow.key.remote_port = read_u16be(r);
	*left_us = (uint64_t)read_u32be(r) * US_PER_MS;
	return flow;
}

static bool is_valid(const struct flow *flow, uint64_t left_us)
{
	bool known_values = flow->state < FLOW_STATES &&
			    (flow->started == FILTER_IN || flow->started == FILTER_OUT) &&
			    flow->fins <= ALL_FINS;
	bool one_family = ip_is_v4(&flow->key.local) == ip_is_v4(&flow->key.remote);

	return known_values && one_family && left_us > 0 &&
	       left_us <= flow_patience_us(flow->key.proto, flow->state);
}

/* Those beyond the capacity were the first to go anyway, and stand in front. */
static void restore(struct flow_table *t, const struct flow *flow, uint64_t left_us,
		    uint64_t now_us)
{
	bool evicted;
	struct flow *kept = flow_table_add(t, &flow->key, flow->started, now_us, &evicted);

	flow_table_touch(t, kept, flow->state, now_us);
	kept->fins = flow->fins;
	kept->deadline_us = now_us + left_us;
}

static int read_flows(struct flow_table *t, struct reader *r, size_t count, uint64_t now_us)
{
	bool settled_seen = false;

	for (size_t i = 0; i < count; i++) {
		uint64_t left_us;
		struct flow flow = read_flow(r, &left_us);
		bool out_of_order = settled_seen && flow.state != FLOW_BOTH_WAYS;

		if (r->failed || !is_valid(&flow, left_us) || out_of_order)
			return -EBADMSG;
		if (flow_table_find(t, &flow.key))
			return -EBADMSG;
		settled_seen = flow.state == FLOW_BOTH_WAYS;
		restore(t, &flow, left_us, now_us);
	}
	return 0;
}

static void clear(struct flow_table *t)
{
	for (size_t i = 0; i < flow_table_reach(t); i++) {
		struct flow *flow = flow_table_at(t, i);

		if (flow)
			flow_table_remove(t, flow);
	}
}

int flow_snapshot_decode(struct flow_table *t, const uint8_t *buf, size_t len, uint64_t now_us)
{
	struct reader r = reader_init(buf, len);
	bool right_kind = read_u32be(&r) == MAGIC && read_u16be(&r) == VERSION;
	size_t count = read_u16be(&r);
	uint8_t sum[FLOW_SNAPSHOT_SUM_LEN];

	if (!right_kind || len != flow_snapshot_max(count))
		return -EBADMSG;
	checksum(buf, len - FLOW_SNAPSHOT_SUM_LEN, sum);
	if (sodium_memcmp(sum, buf + len - FLOW_SNAPSHOT_SUM_LEN, sizeof(sum)) != 0)
		return -EBADMSG;

	int rc = read_flows(t, &r, count, now_us);
	if (rc < 0)
		clear(t);
	return rc;
}
