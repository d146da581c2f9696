/*
 * server_life: a server's process on a simulated host: it starts, says goodbye and ends, is killed,
 * loses its power, and is started again.
 *
 *	OFF --start--> ON --leave--> LEAVING --it says that it has ended--> OFF, or ON again where
 *	somebody started it meanwhile;	crash and power cut: OFF from anywhere
 *
 * What coordinator_machine and relay_machine have in common; they embed one and give the program's
 * own functions.
 */
#ifndef WARREN_SIM_SERVER_LIFE_H
#define WARREN_SIM_SERVER_LIFE_H

#include <stdbool.h>

#include "tests/sim/world.h"

struct event_base;
struct host;

struct server_life_ops { /* all called at the host */
	/* Makes the program on base. It calls server_life_ended at its end. -errno. */
	int (*start)(void *arg, struct event_base *base);
	/* Asks it to go. */
	void (*leave)(void *arg);
	/* It has ended of its own accord: what it still writes. */
	void (*flush)(void *arg);
	void (*free)(void *arg);
};

struct server_life {
	struct host *host;
	const struct server_life_ops *ops;
	void *arg;
	struct event_base *base; /* NULL: OFF */
	struct world_event end;	 /* it has said goodbye */
	bool is_leaving, starts_again;
};

/* host: borrowed. OFF. */
void server_life_init(struct server_life *l, struct host *host, const struct server_life_ops *ops,
		      void *arg);
/* OFF, whatever it did. */
void server_life_wipe(struct server_life *l);

/* Powers the host where it has none. LEAVING: it will start again. -EALREADY: ON; or ops->start's
 * error. */
int server_life_start(struct server_life *l);
/* why: a word for the trace. OFF: nothing. */
void server_life_leave(struct server_life *l, const char *why);
void server_life_crash(struct server_life *l);
void server_life_power_cut(struct server_life *l);
bool server_life_is_on(const struct server_life *l);

/* For ops->start's program: it has said goodbye. arg: the life. */
void server_life_ended(void *arg);

#endif
