/*
 * relay_machine: a host that runs warren-relay: derp-relay/relay_server with its workers, hub,
 * admission, mesh and STUN, on the world's sockets, clock and disk.
 *
 *	OFF --start--> RUNNING --drain--> DRAINING --a second at most--> OFF
 *	RUNNING, DRAINING --crash, power_cut--> OFF     key, certificate and admitted keys stay
 *
 * Its host has its addresses already. Decides nothing: a day calls it. Every function may be called
 * from any event of the world.
 */
#ifndef WARREN_SIM_RELAY_MACHINE_H
#define WARREN_SIM_RELAY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct host;
struct relay_machine;
struct world;

enum { RELAY_MACHINE_ERROR_LEN = 400 };

struct relay_machine_config {
	struct host *host; /* borrowed for the machine's life */
	const char
		*hostname;  /* what nodes dial: an address, or a name that dns.h knows; borrowed */
	uint32_t region_id; /* 1, 2, ... */
	const char *region_code; /* "eu"; borrowed */
	bool stun_off;		 /* without STUN beside it */
	bool fail_open;		 /* --admit-fail-open */
	bool is_plain;		 /* of another make: it knows no fast start */
	uint64_t rate_bytes;	 /* --rate-bytes; 0: no limit */
};

struct relay_machine *relay_machine_new(struct world *world,
					const struct relay_machine_config *config);
/* Whatever state it is in. NULL is fine. */
void relay_machine_free(struct relay_machine *m);

/* While it drains: as soon as it has ended, as an init system starts a service anew. -EALREADY: it
 * runs; else what warren-relay would end with, and its line in error. */
MUST_CHECK int relay_machine_start(struct relay_machine *m,
				   char error[static RELAY_MACHINE_ERROR_LEN]);
/* SIGTERM: says goodbye, serves on for a second, ends. */
void relay_machine_drain(struct relay_machine *m);
/* kill -9: its connections are reset by the kernel it leaves behind. */
void relay_machine_crash(struct relay_machine *m);
/* The host loses power: nothing is sent any more, and its disk keeps what was synced. */
void relay_machine_power_cut(struct relay_machine *m);

bool relay_machine_runs(const struct relay_machine *m); /* draining or not */
struct host *relay_machine_host(const struct relay_machine *m);
uint32_t relay_machine_region(const struct relay_machine *m);

/* Its entry for the relay map, as it prints it at start: JSON, the caller's to free. NULL while it
 * does not run. */
char *relay_machine_entry(const struct relay_machine *m);
/* Starts it anew with admission: it asks url (with "#pin=sha256:HEX") whom to let in, with secret,
 * which its disk keeps. What coordinator_machine_add_relay does. */
MUST_CHECK int relay_machine_set_admission(struct relay_machine *m, const char *url,
					   const char *secret,
					   char error[static RELAY_MACHINE_ERROR_LEN]);

struct relay_machine_counters {
	uint64_t connections; /* logged in, now */
	uint64_t homes;	      /* of those, who call it home */
	uint64_t packets_in, packets_out, dropped;
};
/* All zero while it does not run. */
void relay_machine_counters(const struct relay_machine *m, struct relay_machine_counters *out);

#endif
