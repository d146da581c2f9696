/*
 * node_up: `warren up` and `warren down`, and what whoever waits for `up` is told.
 */
#include "agent/node_work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

static const uint64_t up_timeout_us = 30 * US_PER_S;

static int take_invitation(struct node *node, const char *text, char error[static NODE_ERROR_LEN])
{
	struct invitation invitation;

	if (invitation_parse(text, &invitation) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "that is no invitation: paste the whole line, "
			 "warren://host:port/#token=...&pin=...");
		return -EINVAL;
	}
	if (node->id.id != 0 && strcmp(node->id.url, invitation.url) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "this node belongs to %s: use another --state-dir to join a second mesh",
			 node->id.url);
		return -EINVAL;
	}
	bool other_pin = invitation.has_pin &&
			 (!node->id.has_pin ||
			  memcmp(node->id.pin, invitation.pin, sizeof(node->id.pin)) != 0);
	if (node->id.id == 0 || other_pin) {
		node_turn_off(node); /* what is under way is for another invitation */
		memcpy(node->id.url, invitation.url, sizeof(node->id.url));
		node->id.has_pin = invitation.has_pin;
		memcpy(node->id.pin, invitation.pin, sizeof(node->id.pin));
	}
	/* A node that the mesh knows needs no token; one that was removed joins anew by it. */
	if (!node->link_up)
		memcpy(node->token, invitation.token, sizeof(node->token));
	sodium_memzero(&invitation, sizeof(invitation));
	return 0;
}

void node_do_up(struct node *node, struct local_request *req, const struct json_in *body)
{
	const char *text = json_opt_str(body, "invitation", INVITATION_TEXT_LEN, "");
	char error[NODE_ERROR_LEN];

	if (*text && take_invitation(node, text, error) != 0) {
		local_done(req, 1, error);
		return;
	}
	if (!node->id.url[0]) {
		local_done(req, 1,
			   "this node belongs to no mesh yet: warren up INVITATION (the "
			   "coordinator's `token create` prints one)");
		return;
	}
	node->id.up = true;
	node_save_identity(node);
	if (!node->on && node_turn_on(node, error) != 0) {
		local_done(req, 1, error);
		return;
	}
	struct node_work *w = node_work_start(node, req, WORK_UP);
	if (!w)
		return;
	w->needs_link = node->refused || node->token[0];
	if (w->needs_link) /* somebody waits: no back-off does */
		coordinator_link_retry(node->link);
	w->due_us = w->started_us + up_timeout_us;
	node_commands_on_change(node);
	node_arm(node);
}

void node_do_down(struct node *node, struct local_request *req)
{
	node->id.up = false;
	node_save_identity(node);
	node_turn_off(node);
	local_done(req, 0, NULL);
}

static bool is_up_waiting(const struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind == WORK_UP)
			return true;
	return false;
}

static void need_no_link(struct node *node)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i])
			node->work[i]->needs_link = false;
}

static void end_ups(struct node *node, const char *error)
{
	for (size_t i = 0; i < NODE_WORK_MAX; i++)
		if (node->work[i] && node->work[i]->kind == WORK_UP)
			node_work_end(node->work[i], 1, error);
}

/* What to do about it, by what the link says. Only some of it mends by itself. */
struct remedy {
	const char *sign, *advice;
	bool hopeless;
};

static const struct remedy *find_remedy(const char *error)
{
	static const struct remedy remedies[] = {
		{"pinned", "ask for a fresh invitation", true},
		{"certificate",
		 "give warrend its authority with --ca-file, or ask for an invitation with a pin",
		 true},
		{"no such host name", "check the name, or this machine's DNS", false},
		{"refused", "is the coordinator running at that address and port?", false},
		{"", "check that this machine reaches that address", false},
	};
	size_t i = 0;

	while (!strstr(error, remedies[i].sign)) /* all texts have the last one's */
		i++;
	return &remedies[i];
}

void node_commands_on_link_failed(struct node *node)
{
	const struct remedy *remedy = find_remedy(node->link_error);
	char error[LOCAL_ERROR_LEN];

	if (node->id.id != 0) { /* the saved map serves, and the link goes on trying */
		need_no_link(node);
		return;
	}
	if (!is_up_waiting(node)) /* nobody asked: the daemon goes on trying */
		return;
	snprintf(error, sizeof(error), "cannot join: %.140s; %s%s", node->link_error,
		 remedy->advice, remedy->hopeless ? "" : " (warrend goes on trying)");
	end_ups(node, error);
	if (remedy->hopeless) {
		node->id.up = false;
		node_save_identity(node);
		node_turn_off(node);
	}
}

void node_up_timed_out(struct node_work *w)
{
	char error[LOCAL_ERROR_LEN];
	const char *why = w->node->link_error;

	snprintf(error, sizeof(error), "not online after 30 s: %.180s%s",
		 why[0] ? why : "the coordinator has not answered",
		 "; it goes on trying, `warren status` tells");
	node_work_end(w, 1, error);
}

void node_commands_on_refused(struct node *node, const char *text)
{
	end_ups(node, text);
}
