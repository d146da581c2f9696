#include "tests/sim/datagram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/inside.h"
#include "tests/sim/trace.h"

enum { PORT_FIRST = 32768, PORT_LAST = 60999, MTU_BYTES = 1500 };

struct datagram_socket {
	struct host *host; /* NULL: a ghost's */
	struct world_place place;
	enum datagram_family family;
	uint16_t port;
	void (*on_arrival)(void *arg, struct datagram_socket *s);
	void *arg;
	struct transit *first, **end; /* waiting */
	size_t n_waiting;
	struct transit *taken; /* what datagram_take lent */
};

static struct table_key key_of(enum datagram_family family, uint16_t port)
{
	return (struct table_key){.w = {[0] = port, [4] = (uint64_t)family + 1}};
}

static bool is_taken(const struct host *h, enum datagram_family family, uint16_t port)
{
	struct table_key key = key_of(family, port);

	return table_find(&h->datagram_ports, &key) != NULL;
}

static uint16_t free_port(struct host *h, enum datagram_family family)
{
	do {
		h->next_port = h->next_port < PORT_LAST ? (uint16_t)(h->next_port + 1)
							: (uint16_t)PORT_FIRST;
	} while (is_taken(h, family, h->next_port));
	return h->next_port;
}

int datagram_open(enum datagram_family family, uint16_t port,
		  void (*on_arrival)(void *arg, struct datagram_socket *s), void *arg,
		  struct datagram_socket **out)
{
	struct host *h = world_here();

	if (port == 0)
		port = free_port(h, family);
	else if (is_taken(h, family, port))
		return -EADDRINUSE;
	struct datagram_socket *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	*s = (struct datagram_socket){
		.host = world_is_ghost() ? NULL : h,
		.place = world_place(),
		.family = family,
		.port = port,
		.on_arrival = on_arrival,
		.arg = arg,
	};
	s->end = &s->first;
	struct table_key key = key_of(family, port);
	if (s->host)
		table_add(&h->datagram_ports, &key)->value.ptr = s;
	*out = s;
	return 0;
}

static void drop_waiting(struct datagram_socket *s)
{
	while (s->first) {
		struct transit *p = s->first;
		s->first = p->next;
		transit_free(p);
	}
	s->end = &s->first;
	s->n_waiting = 0;
	if (s->taken)
		transit_free(s->taken);
	s->taken = NULL;
}

void datagram_close(struct datagram_socket *s)
{
	if (!s)
		return;
	struct table_key key = key_of(s->family, s->port);
	if (s->host)
		table_remove(&s->host->datagram_ports, &key);
	drop_waiting(s);
	free(s);
}

void datagram_on_death(struct host *h)
{
	struct table_entry *e;

	for (size_t at = 0; (e = table_next(&h->datagram_ports, &at));) {
		struct datagram_socket *s = e->value.ptr;
		s->host = NULL;
		drop_waiting(s);
	}
	table_wipe(&h->datagram_ports);
}

uint16_t datagram_port(const struct datagram_socket *s)
{
	return s->port;
}

/* ---- sending ---- */

static void trace_sent(const struct transit *p)
{
	char from[ENDPOINT_TEXT_LEN], to[ENDPOINT_TEXT_LEN];

	endpoint_str(&p->from, from);
	endpoint_str(&p->to, to);
	trace_line("udp", "%s -> %s %u bytes", from, to, p->len);
}

static bool is_too_big(struct nic *nic, const struct endpoint *to, size_t len)
{
	size_t mtu_bytes = nic->link.ways[LINK_UP].quality.mtu_bytes;
	size_t headers = (ip_is_v4(&to->ip) ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;

	return len > DATAGRAM_LEN_MAX || len + headers > (mtu_bytes ? mtu_bytes : MTU_BYTES);
}

int datagram_send(struct datagram_socket *s, const struct endpoint *to, const void *data,
		  size_t len)
{
	struct host *h = s->host;

	if (!h)
		return -EBADF;
	if (h->refuse_udp)
		return h->refuse_udp;
	if (ip_is_v4(&to->ip) != (s->family == DATAGRAM_V4))
		return -EAFNOSUPPORT;
	struct nic *nic = host_route(h, &to->ip);
	if (!nic)
		return -ENETUNREACH;
	if (is_too_big(nic, to, len))
		return -EMSGSIZE;
	struct transit *p = transit_new(WIRE_UDP, len);
	p->from = (struct endpoint){.ip = nic_address(nic, &to->ip), .port = s->port};
	p->to = *to;
	if (len > 0)
		memcpy(p->data, data, len);
	internet_of_world()->counters.udp_sent++;
	if (trace_is_on())
		trace_sent(p);
	internet_show_taps(p, h, false);
	transit_send(p, nic);
	return 0;
}

/* ---- receiving ---- */

void datagram_on_packet(struct host *h, struct transit *p)
{
	struct internet_counters *counters = &internet_of_world()->counters;
	struct table_key key = key_of(ip_is_v4(&p->to.ip) ? DATAGRAM_V4 : DATAGRAM_V6, p->to.port);
	const struct table_entry *e = table_find(&h->datagram_ports, &key);
	struct datagram_socket *s = e ? e->value.ptr : NULL;

	if (!s || s->n_waiting == DATAGRAM_QUEUE_MAX) {
		(*(s ? &counters->receive_queue_full : &counters->no_such_port))++;
		TRACE("drop", "udp to port %u of %s: %s", p->to.port, h->name,
		      s ? "queue full" : "nobody listens");
		transit_free(p);
		return;
	}
	counters->udp_delivered++;
	p->next = NULL;
	*s->end = p;
	s->end = &p->next;
	s->n_waiting++;
	if (!s->on_arrival)
		return;
	struct world_place previous = world_enter_place(s->place);
	s->on_arrival(s->arg, s);
	world_leave(previous);
}

const uint8_t *datagram_take(struct datagram_socket *s, size_t *len, struct endpoint *from)
{
	struct transit *p = s->first;

	if (s->taken)
		transit_free(s->taken);
	s->taken = p;
	if (!p)
		return NULL;
	s->first = p->next;
	if (!s->first)
		s->end = &s->first;
	s->n_waiting--;
	*len = p->len;
	*from = p->from;
	return p->data;
}

int datagram_receive(struct datagram_socket *s, void *data, size_t cap, size_t *len,
		     struct endpoint *from)
{
	const uint8_t *at = datagram_take(s, len, from);

	if (!at)
		return -EAGAIN;
	if (*len > cap)
		*len = cap;
	if (*len > 0)
		memcpy(data, at, *len);
	return 0;
}

bool datagram_is_waiting(const struct datagram_socket *s)
{
	return s->first != NULL;
}
