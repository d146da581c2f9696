#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/play_inside.h"
#include "tests/sim/trace.h"

static const char *const kind_names[TRAFFIC_KINDS] = {"key", "echo", "bulk", "trespass"};

static struct verdict *verdict_of(struct play *p)
{
	return &p->result->verdict;
}

/* ---- packets inside ---- */

static int on_send(void *arg, unsigned node, const uint8_t *packet, size_t len)
{
	struct play *p = arg;

	return node_machine_send_inner(p->town.nodes[node].machine, packet, len);
}

static struct ip_addr on_address(void *arg, unsigned node)
{
	struct play *p = arg;
	struct ip_addr ip = node_machine_v4(p->town.nodes[node].machine);

	watch_wire_on_address(&p->wire, node, &ip);
	return ip;
}

static void on_sent(void *arg, const struct traffic_packet *packet, int err)
{
	struct play *p = arg;

	TRACE("app", "%s %u.%u %s to %s: %s", kind_names[packet->kind], packet->flow, packet->seq,
	      p->day->nodes[packet->from].name, p->day->nodes[packet->to].name,
	      err ? strerror(-err) : "sent");
	if (err == 0)
		watch_delivery_on_sent(&p->delivery, packet);
}

static void on_delivered(void *arg, unsigned at_node, const struct traffic_packet *packet)
{
	struct play *p = arg;
	uint64_t now_us = play_now_us(p);

	TRACE("app", "%s %u.%u %s to %s: delivered", kind_names[packet->kind], packet->flow,
	      packet->seq, p->day->nodes[packet->from].name, p->day->nodes[packet->to].name);
	p->result->delivered++;
	watch_delivery_on_delivered(&p->delivery, at_node, packet, now_us, verdict_of(p));
	if (packet->kind == TRAFFIC_ECHO && p->echo[packet->flow].expect)
		watch_echo_on_echo(&p->echo[packet->flow], now_us, verdict_of(p));
	play_check(p);
}

static void on_flow_ended(void *arg, unsigned flow)
{
	struct play *p = arg;
	struct watch_echo *w = &p->echo[flow];

	if (!w->expect)
		return;
	watch_echo_on_end(w, play_now_us(p), verdict_of(p));
	TRACE("day", "%s to %s: %u echoes, longest silence %.3f s", w->from, w->to, w->echoes,
	      (double)w->longest_us / US_PER_S);
	play_check(p);
}

const struct traffic_ops play_traffic_ops = {
	.send = on_send,
	.address = on_address,
	.on_sent = on_sent,
	.on_delivered = on_delivered,
	.on_ended = on_flow_ended,
};

void play_watch_typing(struct play *p, unsigned flow, const struct day_event *e)
{
	watch_echo_on_begin(&p->echo[flow], play_expect(p, e->who, e->whom),
			    p->day->nodes[e->who].name, p->day->nodes[e->whom].name,
			    (uint64_t)e->amount * US_PER_MS, play_now_us(p));
}

/* ---- machines ---- */

static void on_inner(void *arg, struct node_machine *m, const uint8_t *packet, size_t len)
{
	struct play *p = arg;

	traffic_on_inner(p->traffic, town_index(&p->town, m), packet, len);
}

const struct node_taps play_taps = {.on_inner = on_inner};

/* ---- the wire ---- */

static void on_wire(void *arg, const struct wire_packet *packet)
{
	struct play *p = arg;

	p->result->packets++;
	watch_wire_on_packet(&p->wire, host_name(packet->sender), &packet->from, &packet->to,
			     packet->data, packet->len, play_now_us(p), verdict_of(p));
	play_check(p);
}

void play_watch_begin(struct play *p)
{
	watch_delivery_init(&p->delivery, p->day, 2 * US_PER_S);
	watch_wire_init(&p->wire, traffic_marker(p->traffic));
	internet_add_tap(on_wire, p);
}

void play_watch_end(struct play *p)
{
	for (unsigned i = 0; i < TRAFFIC_FLOWS_MAX; i++)
		if (p->echo[i].expect && !verdict_of(p)->failed)
			on_flow_ended(p, i);
}
