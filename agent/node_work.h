/*
 * node_work: commands that are not answered at once: `warren ping`, `up`, `status --watch`,
 * `netcheck`. For the files of node that carry them out:
 *
 *	node_commands.c  every command's entry; those that are answered at once
 *	node_work.c      what goes on, and when it is due
 *	node_ping.c      ping, netcheck
 *	node_up.c        up, down
 */
#ifndef WARREN_NODE_WORK_H
#define WARREN_NODE_WORK_H

#include "agent/local/ping_stats.h"
#include "agent/netcheck.h"
#include "agent/node_inside.h"
#include "agent/pinger.h"
#include "common/clock.h"

enum { PEER_TEXT_MAX = 160, WATCH_EVERY_US = 1 * US_PER_S };

enum work_kind { WORK_PING, WORK_UP, WORK_WATCH, WORK_NETCHECK };

struct node_work {
	enum work_kind kind;
	struct node *node;
	struct local_request *req;
	uint64_t started_us, due_us;
	bool needs_link; /* WORK_UP: the coordinator is to have its say first */
	/* WORK_PING */
	struct peer *peer;
	struct pinger pinger;
	struct ping_stats stats;
	bool until_direct;
	/* WORK_NETCHECK */
	struct netcheck *netcheck;
};

/* NULL where too much goes on already; req was answered then. */
struct node_work *node_work_start(struct node *node, struct local_request *req,
				  enum work_kind kind);
/* Answers and frees it. */
void node_work_end(struct node_work *w, int exit_status, const char *error);
void node_work_on_cancel(void *arg, struct local_request *req);

/* The peer that a text means: NAME, NAME.OWNER, an address or the only one that begins so. NULL
 * with a line in error where no peer, or more than one, is meant. */
struct peer *node_named_peer(struct node *node, const char *text,
			     char error[static LOCAL_ERROR_LEN]);

void node_do_ping(struct node *node, struct local_request *req, const struct json_in *body);
void node_ping_step(struct node_work *w, uint64_t now_us);
void node_do_netcheck(struct node *node, struct local_request *req);
void node_netcheck_progress(void *arg);
void node_netcheck_finish(struct node_work *w);

void node_do_up(struct node *node, struct local_request *req, const struct json_in *body);
void node_do_down(struct node *node, struct local_request *req);
void node_up_timed_out(struct node_work *w);

#endif
