/*
 * segment: one TCP segment, written from what its connection knows and sent by the interface that
 * has the connection's address.
 */
#include <string.h>

#include "tests/sim/stream_inside.h"
#include "tests/sim/trace.h"

uint32_t segment_window(const struct stream *s)
{
	size_t held = byte_queue_len(&s->in);

	return held < STREAM_BUFFER_BYTES ? (uint32_t)(STREAM_BUFFER_BYTES - held) : 0;
}

/* The interface that has the connection's address: with any other the network would drop it. */
static struct nic *nic_of(const struct host *h, const struct ip_addr *local)
{
	for (size_t i = 0; i < h->n_nics; i++) {
		struct nic *n = h->nics[i];
		if (n->is_up && n->realm && (ip_equal(&n->v4, local) || ip_equal(&n->v6, local)))
			return n;
	}
	return NULL;
}

static void trace_segment(const struct transit *p, const struct host *h)
{
	char from[ENDPOINT_TEXT_LEN], to[ENDPOINT_TEXT_LEN];
	const struct segment *g = &p->segment;

	endpoint_str(&p->from, from);
	endpoint_str(&p->to, to);
	trace_line("tcp", "%s: %s -> %s%s%s%s%s seq=%llu ack=%llu %u bytes", h->name, from, to,
		   g->flags & SEGMENT_SYN ? " syn" : "", g->flags & SEGMENT_ACK ? " ack" : "",
		   g->flags & SEGMENT_FIN ? " fin" : "", g->flags & SEGMENT_RST ? " rst" : "",
		   (unsigned long long)g->seq, (unsigned long long)g->ack, p->len);
}

static void send_off(struct host *h, struct transit *p, bool is_sealed)
{
	struct nic *nic = nic_of(h, &p->from.ip);

	if (!nic || h->is_off || h->is_asleep) {
		transit_free(p);
		return;
	}
	internet_of_world()->counters.tcp_sent++;
	if (trace_is_on())
		trace_segment(p, h);
	internet_show_taps(p, h, is_sealed);
	transit_send(p, nic);
}

void segment_send(struct stream *s, uint8_t flags, uint64_t seq, size_t len)
{
	struct transit *p = transit_new(WIRE_TCP, len);

	p->from = s->local;
	p->to = s->remote;
	s->told_window = segment_window(s);
	p->segment = (struct segment){.id = s->id,
				      .seq = seq,
				      .ack = s->expected,
				      .window = s->told_window,
				      .sent_us = world_now_us(),
				      .echo_us = s->echo_us,
				      .early_us = s->early ? s->early_us : 0,
				      .flags = flags,
				      .is_again = len > 0 && seq < s->highest};
	if (len > 0)
		memcpy(p->data, byte_queue_front(&s->out) + (seq - s->una), len);
	if (flags & SEGMENT_ACK)
		s->owes_ack = false;
	send_off(s->host, p, s->is_sealed);
}

void segment_refuse(struct host *h, const struct transit *p)
{
	if (p->segment.flags & SEGMENT_RST)
		return;
	struct transit *answer = transit_new(WIRE_TCP, 0);
	answer->from = p->to;
	answer->to = p->from;
	answer->segment = (struct segment){.id = p->segment.id, .flags = SEGMENT_RST};
	send_off(h, answer, false);
}
