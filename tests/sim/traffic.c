#include "tests/sim/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/wire.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

enum {
	V4_LEN = 20,
	V6_LEN = 40,
	UDP_LEN = 8,
	TCP_LEN = 20,
	PAYLOAD_LEN = TRAFFIC_MARKER_LEN + 4 + 2 + 4 + 8,
	PACKET_MAX = 1280,
	REPLIES_MAX = 256, /* waiting for their turn; more at one instant are lost */
	PROTO_TCP = 6,
	PROTO_UDP = 17
};

struct flow {
	struct traffic *traffic;
	struct world_event event;
	struct traffic_packet next;
	uint64_t interval_us, until_us;
	size_t len;
	bool is_tcp, is_v6;
};

struct traffic {
	const struct traffic_ops *ops;
	void *arg;
	uint8_t marker[TRAFFIC_MARKER_LEN];
	struct flow flows[TRAFFIC_FLOWS_MAX];
	struct world_event answer;
	struct traffic_packet replies[REPLIES_MAX];
	size_t first, n_replies;
};

/* ---- packets ---- */

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void write_v4(struct writer *w, size_t len, uint8_t proto, const struct ip_addr *from,
		     const struct ip_addr *to)
{
	uint8_t *head = w->buf + w->len;

	write_u8(w, 0x45);
	write_u8(w, 0);
	write_u16be(w, (uint16_t)(V4_LEN + len));
	write_u32be(w, 0x4000); /* don't fragment */
	write_u8(w, 64);
	write_u8(w, proto);
	write_u16be(w, 0);
	write_bytes(w, from->b + 12, 4);
	write_bytes(w, to->b + 12, 4);
	uint16_t sum = checksum(head, V4_LEN);

	head[10] = (uint8_t)(sum >> 8);
	head[11] = (uint8_t)sum;
}

static void write_v6(struct writer *w, size_t len, uint8_t proto, const struct ip_addr *from,
		     const struct ip_addr *to)
{
	write_u32be(w, 0x60000000);
	write_u16be(w, (uint16_t)len);
	write_u8(w, proto);
	write_u8(w, 64);
	write_bytes(w, from->b, sizeof(from->b));
	write_bytes(w, to->b, sizeof(to->b));
}

/* Ports say the flow, so that each has a state of its own in the filters. */
static void write_transport(struct writer *w, bool is_tcp, const struct traffic_packet *p,
			    size_t len)
{
	uint16_t mine = (uint16_t)(20000 + p->flow), well_known = 22;
	bool is_back = p->kind == TRAFFIC_ECHO;

	write_u16be(w, is_back ? well_known : mine);
	write_u16be(w, is_back ? mine : well_known);
	if (is_tcp) {
		write_u32be(w, p->seq * 64 + 1);
		write_u32be(w, p->seq * 64 + 1);
		write_u16be(w, p->is_last ? 0x5019 : 0x5018); /* five words; ACK, PSH, FIN */
		write_u16be(w, 512);
		write_u32be(w, 0);
	} else {
		write_u16be(w, (uint16_t)(UDP_LEN + len));
		write_u16be(w, 0); /* RFC 768: no checksum; with IPv6 nobody here asks for it */
	}
}

static void write_payload(struct writer *w, const uint8_t *marker, const struct traffic_packet *p,
			  size_t len)
{
	write_bytes(w, marker, TRAFFIC_MARKER_LEN);
	write_u8(w, (uint8_t)p->kind);
	write_u8(w, (uint8_t)p->from);
	write_u8(w, (uint8_t)p->to);
	write_u8(w, p->is_last);
	write_u16be(w, (uint16_t)p->flow);
	write_u32be(w, p->seq);
	write_u64be(w, p->sent_us);
	for (size_t i = PAYLOAD_LEN; i < len; i++)
		write_u8(w, (uint8_t)i);
}

static int send_packet(struct traffic *t, const struct flow *f, const struct traffic_packet *p)
{
	uint8_t packet[PACKET_MAX];
	struct writer w = writer_init(packet, sizeof(packet));
	unsigned sender = p->kind == TRAFFIC_ECHO ? p->to : p->from;
	unsigned other = sender == p->from ? p->to : p->from;
	struct ip_addr from = t->ops->address(t->arg, sender, f->is_v6);
	struct ip_addr to = t->ops->address(t->arg, other, f->is_v6);
	size_t len = (f->is_tcp ? TCP_LEN : UDP_LEN) + f->len;

	(f->is_v6 ? write_v6 : write_v4)(&w, len, f->is_tcp ? PROTO_TCP : PROTO_UDP, &from, &to);
	write_transport(&w, f->is_tcp, p, f->len);
	write_payload(&w, t->marker, p, f->len);
	if (w.failed)
		abort();
	return t->ops->send(t->arg, sender, packet, w.len);
}

static bool read_packet(const struct traffic *t, const uint8_t *packet, size_t len,
			struct traffic_packet *out)
{
	bool is_v6 = len >= V6_LEN && packet[0] >> 4 == 6;

	if (!is_v6 && (len < V4_LEN || packet[0] != 0x45))
		return false;
	uint8_t proto = packet[is_v6 ? 6 : 9];
	size_t head = (size_t)(is_v6 ? V6_LEN : V4_LEN) + (proto == PROTO_TCP ? TCP_LEN : UDP_LEN);

	if (len < head + PAYLOAD_LEN || memcmp(packet + head, t->marker, TRAFFIC_MARKER_LEN) != 0)
		return false;
	struct reader r =
		reader_init(packet + head + TRAFFIC_MARKER_LEN, len - head - TRAFFIC_MARKER_LEN);

	out->kind = (enum traffic_kind)read_u8(&r);
	out->from = read_u8(&r);
	out->to = read_u8(&r);
	out->is_last = read_u8(&r) != 0;
	out->flow = read_u16be(&r);
	out->seq = read_u32be(&r);
	out->sent_us = read_u64be(&r);
	return out->flow < TRAFFIC_FLOWS_MAX;
}

/* ---- applications ---- */

static void on_due(void *arg)
{
	struct flow *f = arg;
	struct traffic *t = f->traffic;
	uint64_t now_us = world_now_us();

	if (now_us >= f->until_us) {
		t->ops->on_ended(t->arg, f->next.flow);
		return;
	}
	f->next.sent_us = now_us;
	f->next.is_last = now_us + f->interval_us >= f->until_us;
	int err = send_packet(t, f, &f->next);

	t->ops->on_sent(t->arg, &f->next, err);
	f->next.seq++;
	world_event_set(&f->event, now_us + f->interval_us < f->until_us ? now_us + f->interval_us
									 : f->until_us);
}

static void on_answers(void *arg)
{
	struct traffic *t = arg;

	while (t->n_replies > 0) {
		struct traffic_packet p = t->replies[t->first];

		t->first = (t->first + 1) % REPLIES_MAX;
		t->n_replies--;
		p.kind = TRAFFIC_ECHO;
		t->ops->on_sent(t->arg, &p, send_packet(t, &t->flows[p.flow], &p));
	}
}

struct traffic *traffic_new(const struct traffic_ops *ops, void *arg, uint64_t seed)
{
	struct traffic *t = calloc(1, sizeof(*t));
	uint64_t marker = random_mix(seed ^ 0x6d61726b6572);

	if (!t)
		abort();
	t->ops = ops;
	t->arg = arg;
	memcpy(t->marker, &marker, sizeof(t->marker));
	world_event_init(&t->answer, on_answers, t);
	for (unsigned i = 0; i < TRAFFIC_FLOWS_MAX; i++) {
		t->flows[i].traffic = t;
		world_event_init(&t->flows[i].event, on_due, &t->flows[i]);
	}
	return t;
}

void traffic_free(struct traffic *t)
{
	if (!t)
		return;
	world_event_cancel(&t->answer);
	for (unsigned i = 0; i < TRAFFIC_FLOWS_MAX; i++)
		world_event_cancel(&t->flows[i].event);
	free(t);
}

const uint8_t *traffic_marker(const struct traffic *t)
{
	return t->marker;
}

void traffic_start(struct traffic *t, unsigned flow, enum traffic_kind kind, unsigned from,
		   unsigned to, uint64_t interval_us, uint64_t until_us, size_t len, bool is_v6)
{
	struct flow *f = &t->flows[flow];

	f->next = (struct traffic_packet){.kind = kind, .from = from, .to = to, .flow = flow};
	f->interval_us = interval_us;
	f->until_us = until_us;
	f->len = len > PAYLOAD_LEN ? len : PAYLOAD_LEN;
	f->is_tcp = flow % 2 == 1;
	f->is_v6 = is_v6;
	world_event_set(&f->event, world_now_us());
}

/* Its taps forbid to send: answers go in an event of their own. */
bool traffic_on_inner(struct traffic *t, unsigned node, const uint8_t *packet, size_t len)
{
	struct traffic_packet p;

	if (!read_packet(t, packet, len, &p))
		return false;
	if (p.kind == TRAFFIC_KEY && node == p.to && t->n_replies < REPLIES_MAX) {
		struct world_place nowhere = {0};

		t->replies[(t->first + t->n_replies++) % REPLIES_MAX] = p;
		world_event_set_at_place(&t->answer, world_now_us(), nowhere);
	}
	t->ops->on_delivered(t->arg, node, &p);
	return true;
}
