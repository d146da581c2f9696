/*
 * host_part: what a host's kernel keeps beside its processes: disk, TUN, who takes its signals,
 * hung on the host by the module that knows what it is, so that none has state of its own.
 */
#ifndef WARREN_SIM_HOST_PART_H
#define WARREN_SIM_HOST_PART_H

struct host;

enum host_part {
	HOST_DISK,
	HOST_TUN,
	HOST_UDP,
	HOST_SIGNALS,
	HOST_LOCAL,
	HOST_SAVER,
	HOST_PLAIN_RELAY, /* set: kernel_tls_withhold_derp_key */
	HOST_WARREND,	  /* its node_machine */
	HOST_PARTS
};

/* NULL where none was set. host may not be NULL. */
void *host_part(struct host *host, enum host_part part);
/* Freed by free_part (may be NULL) with the world, by host_parts_drop, or when another takes its
 * place. */
void host_set_part(struct host *host, enum host_part part, void *ptr, void (*free_part)(void *ptr));
/* Before the host goes, or where a new one may be made in its place. */
void host_parts_drop(struct host *host);

#endif
