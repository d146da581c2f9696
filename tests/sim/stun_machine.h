/*
 * stun_machine: a host that runs warren-stun: stun/stun_udp's interface over the world's UDP, with
 * the real stun_server behind it. kernel_stun.c supplies the sockets, to a relay's own STUN too.
 */
#ifndef WARREN_SIM_STUN_MACHINE_H
#define WARREN_SIM_STUN_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "stun/stun_udp.h"

struct host;
struct stun_machine;
struct world;

struct stun_machine_config {
	struct host *host; /* borrowed for the machine's life */
	uint16_t port;	   /* 0: 3478 */
};

struct stun_machine *stun_machine_new(struct world *world,
				      const struct stun_machine_config *config);
void stun_machine_free(struct stun_machine *m);

MUST_CHECK int stun_machine_start(struct stun_machine *m, char error[static STUN_UDP_ERROR_LEN]);
/* It keeps nothing: an orderly end and a crash are the same. */
void stun_machine_stop(struct stun_machine *m);
bool stun_machine_runs(const struct stun_machine *m);
void stun_machine_counts(const struct stun_machine *m, struct stun_udp_counts *out);

#endif
