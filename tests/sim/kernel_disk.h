/*
 * kernel_disk: disk.h and saver.h for simulated hosts: a platter each, and a saver that takes its
 * time.
 */
#ifndef WARREN_SIM_KERNEL_DISK_H
#define WARREN_SIM_KERNEL_DISK_H

#include <stdbool.h>

struct host;
struct platter;
struct random;

/* The host's own, made at its first use. */
struct platter *kernel_disk_of(struct host *host);

/* The host's process is about to end without a word: what its saver has in hand gets as far as the
 * dice say. To be called while the process is alive. */
void kernel_disk_interrupt(struct host *host, struct random *dice);

#endif
