/*
 * kernel_local: the local socket of a simulated host, and `warren` at its other end, as root.
 */
#ifndef WARREN_SIM_KERNEL_LOCAL_H
#define WARREN_SIM_KERNEL_LOCAL_H

#include <stdint.h>

struct host;
struct json;

/* One line of answer; the last one has "done". Called at the host. */
typedef void kernel_local_line_fn(void *arg, uint64_t ask_id, const struct json *line);

/* Sends the request, a line of JSON, to whoever serves the host's socket; the caller has entered
 * the host. Answers may come within the call. -ECONNREFUSED: nobody serves; -EINVAL: no request. */
int kernel_local_ask(struct host *host, const char *request, uint64_t ask_id,
		     kernel_local_line_fn *on_line, void *arg);

#endif
