#include "agent/node_work.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

struct node_work *node_work_start(struct node *node, struct local_request *req, enum work_kind kind)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++) {
		if (node->work[i])
			continue;
		struct node_work *w = calloc(1, sizeof(*w));

		if (!w)
			break;
		w->kind = kind;
		w->node = node;
		w->req = req;
		w->started_us = clock_now_us();
		w->due_us = US_NEVER;
		local_request_set_data(req, w);
		node->work[i] = w;
		return w;
	}
	local_done(req, 1, "the daemon is busy with other commands: try again in a moment");
	return NULL;
}

static void node_work_drop(struct node_work *w)
{
	struct node *node = w->node;

	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] == w)
			node->work[i] = NULL;
	netcheck_free(w->netcheck);
	free(w);
}

void node_work_end(struct node_work *w, int exit_status, const char *error)
{
	struct local_request *req = w->req;

	node_work_drop(w);
	local_done(req, exit_status, error);
}

void node_work_on_cancel(void *arg, struct local_request *req)
{
	struct node_work *w = local_request_data(req);

	(void)arg;
	if (w)
		node_work_drop(w);
}

void node_commands_on_off(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind != WORK_WATCH)
			node_work_end(node->work[i], 1, "the node was taken down meanwhile");
}

void node_commands_drop(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i])
			node_work_drop(node->work[i]);
}

/* ---- time and change ---- */

static void on_due(struct node_work *w, uint64_t now_us)
{
	switch (w->kind) {
	case WORK_PING:
		node_ping_step(w, now_us);
		break;
	case WORK_UP:
		node_up_timed_out(w);
		break;
	case WORK_WATCH:
		w->due_us = now_us + WATCH_EVERY_US;
		local_reply(w->req, node_status_json(w->node));
		break;
	case WORK_NETCHECK:
		node_netcheck_finish(w);
		break;
	}
}

void node_commands_on_deadline(struct node *node, uint64_t now_us)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->due_us <= now_us)
			on_due(node->work[i], now_us);
}

uint64_t node_commands_deadline_us(const struct node *node)
{
	uint64_t due_us = US_NEVER;

	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->due_us < due_us)
			due_us = node->work[i]->due_us;
	return due_us;
}

void node_commands_on_change(struct node *node)
{
	bool online = strcmp(node_state(node), "online") == 0;

	for (size_t i = 0; i < NODE_WORK_MAX; i++) {
		struct node_work *w = node->work[i];

		if (w && w->kind == WORK_UP && online && (node->link_up || !w->needs_link))
			node_work_end(w, 0, NULL);
		else if (w && w->kind == WORK_NETCHECK)
			node_netcheck_progress(w);
	}
}
