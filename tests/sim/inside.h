/*
 * inside: what internet, transit, host, datagram and stream know of each other and nobody else
 * does.
 *
 * A packet walks from stage to stage; what has no state (realms, links without a rate) is passed
 * ahead of time by adding up delays, so that a datagram through two NATs is two events.
 */
#ifndef WARREN_SIM_INSIDE_H
#define WARREN_SIM_INSIDE_H

#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/table.h"
#include "tests/sim/world.h"

struct datagram_socket;
struct stream_stack;

/* ---- packets ---- */

enum transit_stage {
	TRANSIT_IN_REALM,    /* in a realm, to cross the distance to its next hop */
	TRANSIT_ROUTED,	     /* to go to its next hop */
	TRANSIT_GATEWAY_OUT, /* at transit->gateway, from inside */
	TRANSIT_UPLINK_DOWN, /* at the outer end of transit->gateway's uplink */
	TRANSIT_GATEWAY_IN,  /* at transit->gateway, from outside */
	TRANSIT_NIC_DOWN,    /* at the far end of the receiving nic's link */
	TRANSIT_ARRIVED,     /* at the nic that has its address */
	TRANSIT_GONE,
	TRANSIT_FREE /* in the pool */
};

enum { TRANSIT_SMALL_BYTES = 256, TRANSIT_DATA_MAX = 2048, TRANSIT_HOPS_MAX = 24 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 32 };

enum { SEGMENT_SYN = 1, SEGMENT_ACK = 2, SEGMENT_FIN = 4, SEGMENT_RST = 8 };

struct segment {     /* sequence numbers as TCP's, but of 64 bits from 0 on */
	uint64_t id; /* the connection's */
	uint64_t seq, ack;
	uint64_t sent_us, echo_us; /* timestamps (RFC 7323) */
	uint64_t early_us; /* when the latest of what waits out of order was sent (as of SACK) */
	uint32_t window;
	uint8_t flags;
	bool is_again; /* its bytes were sent before */
};

struct transit {
	struct world_event event;
	struct transit *next; /* in a queue, or free */
	struct realm *realm;
	struct gateway *gateway;
	uint64_t due_us; /* when it is where its stage says; may lie ahead */
	struct endpoint from, to;
	struct segment segment;
	enum transit_stage stage;
	enum wire_kind kind;
	uint16_t len, cap, hops;
	uint8_t data[];
};

/* len: of the payload, which the caller fills in. */
struct transit *transit_new(enum wire_kind kind, size_t len);
void transit_free(struct transit *p);
/* Takes it over; from and to are set. It leaves by the nic's link. */
void transit_send(struct transit *p, struct nic *nic);
/* With its headers, as links count it. */
size_t transit_wire_len(const struct transit *p);

/* ---- the internet ---- */

enum attachment_kind { ATTACHED_NIC, ATTACHED_UPLINK, ATTACHED_GATEWAY };

struct attachment { /* what an address of a realm belongs to */
	enum attachment_kind kind;
	struct nic *nic;
	struct gateway *gateway;
};

struct realm {
	const char *name;
	struct gateway *gateway; /* out of it; NULL: the internet */
	struct table addresses;	 /* -> struct attachment */
	struct table pairs;	 /* two addresses -> struct link, owned */
	struct ip_addr last_ip;	 /* what realm_find was asked for last, and said */
	const struct attachment *last;
	struct realm *next;
};

struct gateway {
	char name[HOST_NAME_LEN];
	struct realm inner_realm;
	struct realm *outer_realm;
	struct ip_addr outer, inner;
	struct nat *nat;
	struct link uplink;
	struct attachment outside, inside;
	struct gateway *next;
};

struct tap {
	internet_tap_fn *fn;
	void *arg;
};

struct slab;

struct internet { /* the world's part WORLD_INTERNET */
	struct realm root;
	struct gateway *gateways;
	size_t n_gateways, n_hosts;
	struct tap taps[INTERNET_TAPS_MAX];
	size_t n_taps;
	struct internet_counters counters;
	struct transit *free_small, *free_large;
	struct slab *slabs;
};

struct internet *internet_of_world(void);
void internet_show_taps(const struct transit *p, struct host *sender, bool is_sealed);
const struct attachment *realm_find(struct realm *r, const struct ip_addr *ip);
/* What another attachment has already is left alone. */
void realm_add_address(struct realm *r, const struct ip_addr *ip, const struct attachment *at);
void realm_remove_address(struct realm *r, const struct ip_addr *ip, const struct attachment *at);
/* Of transit.c's slabs, when the world ends. */
void transit_free_slabs(struct internet *net);

/* ---- hosts ---- */

struct nic {
	struct host *host;
	char name[16];
	struct realm *realm; /* NULL: attached to nothing */
	struct ip_addr v4, v6;
	struct link link;
	struct attachment attachment;
	uint32_t index;
	bool is_up;
};

struct host {
	char name[HOST_NAME_LEN];
	uint32_t incarnation;
	bool is_off, is_asleep;
	uint64_t asleep_since_us, slept_us;
	int64_t wall_offset_us;
	struct nic *nics[HOST_NICS_MAX]; /* in the order of preference */
	size_t n_nics;
	void (*network_changed)(void *arg);
	void *network_arg;
	struct world_place network_place;
	int refuse_udp;
	struct random dice;
	struct table datagram_ports; /* family and port -> struct datagram_socket */
	uint16_t next_port;
	struct stream_stack *streams; /* made at the first stream */
};

/* The nic that a packet to this address leaves by. */
struct nic *host_route(const struct host *h, const struct ip_addr *to);
struct ip_addr nic_address(const struct nic *n, const struct ip_addr *of_family_of);
/* A packet has come to this host's nic; takes it over. */
void host_on_packet(struct host *h, struct transit *p);

void datagram_on_packet(struct host *h, struct transit *p);
/* The process died: its sockets are nobody's. */
void datagram_on_death(struct host *h);

void stream_on_packet(struct host *h, struct transit *p);
/* The process died. With power, the kernel ends its connections; without, they are forgotten. */
void stream_on_death(struct host *h, bool has_power);
void stream_free_stack(struct host *h);

#endif
