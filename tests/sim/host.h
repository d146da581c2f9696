/*
 * host: a machine on the simulated network: its name, interfaces, wall clock, and whether the
 * process on it lives, sleeps or is dead.
 *
 *	ON --crash: the process dies, its sockets are closed by the kernel--> ON, next incarnation
 *	ON --power off: nothing is told to anyone--> OFF --power on--> ON, next incarnation
 *	ON --sleep--> ASLEEP --wake--> ON          events wait, packets to it are lost, time goes on
 *
 * A crash makes the incarnation a ghost: its events never fire, its sockets neither send nor
 * receive; closing them gives the memory back. Which code runs on the host is the machines' affair.
 */
#ifndef WARREN_SIM_HOST_H
#define WARREN_SIM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "tests/sim/link.h"
#include "tests/sim/random.h"

struct host;
struct nic;
struct realm;

enum { HOST_NAME_LEN = 24, HOST_NICS_MAX = 4 };

/* Off no network and powered on. name is copied and unique in its world. */
struct host *host_new(const char *name);
/* Its streams and sockets must be closed; its events cancelled. NULL is fine. */
void host_free(struct host *h);
const char *host_name(const struct host *h);
struct random *host_dice(struct host *h); /* its own: randombytes on this host */

/* ---- life ---- */

void host_crash(struct host *h);
void host_power_off(struct host *h);
void host_power_on(struct host *h);
void host_sleep(struct host *h);
void host_wake(struct host *h);
bool host_is_on(const struct host *h);
bool host_is_asleep(const struct host *h);
uint32_t host_incarnation(const struct host *h);

/* ---- clocks ---- */

/* Time not slept since the world began (CLOCK_MONOTONIC), and the time slept. */
uint64_t host_awake_us(const struct host *h);
uint64_t host_slept_us(const struct host *h);
/* Its wall clock jumps by this much. */
void host_step_wall(struct host *h, int64_t by_us);
int64_t host_wall_offset_us(const struct host *h);

/* ---- interfaces ---- */

struct nic_config {
	const char *name;	     /* "eth0"; copied, at most 15 letters */
	struct realm *realm;	     /* where its addresses are known */
	struct ip_addr v4, v6;	     /* none: not this family */
	struct link_quality quality; /* of its link, both sides; change it by nic_link */
};

/* Up at once. The first that is up and has the family is the default route; a packet to an address
 * in the realm of another one leaves by that. */
struct nic *host_plug(struct host *h, const struct nic_config *config);
/* A changed attachment: another network, other addresses, or none. The link stays as it is. */
void nic_move(struct nic *n, struct realm *realm, const struct ip_addr *v4,
	      const struct ip_addr *v6);
void nic_set_up(struct nic *n, bool is_up);
/* To the front of the default routes. */
void nic_prefer(struct nic *n);
bool nic_is_up(const struct nic *n);
const char *nic_name(const struct nic *n);
uint32_t nic_index(const struct nic *n); /* 2 and on, as 1 is lo's */
struct ip_addr nic_v4(const struct nic *n);
struct ip_addr nic_v6(const struct nic *n);
/* The next hop of its default route: the gateway's inner address, none in the internet itself. */
struct ip_addr nic_gateway_v4(const struct nic *n);
struct link *nic_link(struct nic *n); /* LINK_UP: from the host */
struct realm *nic_realm(const struct nic *n);
struct host *nic_host(const struct nic *n);

size_t host_nics(const struct host *h);
/* In the order of preference. */
struct nic *host_nic(const struct host *h, size_t i);

/* Does an interface that is up have it? */
bool host_has_address(const struct host *h, const struct ip_addr *ip);
/* The source address that a packet to `to` leaves with. False: no route. */
bool host_source_for(const struct host *h, const struct ip_addr *to, struct ip_addr *out);

/* Called at the host after each change of interfaces and addresses; one watcher, NULL for none. */
void host_watch_network(struct host *h, void (*changed)(void *arg), void *arg);

/* A local firewall answers every UDP send with this -errno (-EPERM); 0 ends it. */
void host_refuse_udp(struct host *h, int err);

#endif
