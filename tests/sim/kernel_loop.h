/*
 * kernel_loop: loop.h for simulated hosts, and the signals that a machine sends its process.
 */
#ifndef WARREN_SIM_KERNEL_LOOP_H
#define WARREN_SIM_KERNEL_LOOP_H

#include <stdbool.h>

struct host;

/* SIGTERM, or SIGHUP with is_reload, to the process that asked for signals last. False: there is
 * none. The caller has entered the host. */
bool kernel_loop_signal(struct host *host, bool is_reload);

#endif
