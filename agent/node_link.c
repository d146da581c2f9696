/*
 * node_link: what is said to the coordinator and what it answers: hello, welcome, relays, refusals.
 */
#include "agent/node_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/system/interface.h"
#include "common/clock.h"
#include "common/version.h"

enum { INNER_MTU = 1280 };

/* ---- hello ---- */

static struct control_key own_key(const struct secret_key *secret, uint64_t serial)
{
	struct control_key key = {.serial = serial};

	secret_key_public(secret, &key.key);
	return key;
}

/* The name we join under: our own once we have one, else --name's or the token's. */
static void own_name(const struct node *node, char name[static CONTROL_NAME_LEN],
		     char owner[static CONTROL_NAME_LEN])
{
	char token_name[CONTROL_NAME_LEN];

	snprintf(name, CONTROL_NAME_LEN, "%s", node->id.name);
	snprintf(owner, CONTROL_NAME_LEN, "%s", node->id.owner);
	if (node->id.id != 0 || control_token_split(node->token, token_name, owner, NULL) != 0)
		return;
	if (!name[0])
		memcpy(name, token_name, sizeof(token_name));
}

static void sign_keys(const struct node *node, const char *name, const char *owner,
		      struct control_key *node_key, struct control_key *disco_key)
{
	*node_key = own_key(&node->id.node, node->id.node_serial);
	*disco_key = own_key(&node->id.disco, node->id.disco_serial);
	if (!name[0] || !owner[0])
		return;
	control_key_sign(CONTROL_NODE_KEY, &node->id.machine, name, owner, node_key);
	control_key_sign(CONTROL_DISCO_KEY, &node->id.machine, name, owner, disco_key);
}

static void make_hello(void *arg, struct control_hello *out)
{
	struct node *node = arg;

	out->machine_key = node->id.machine_public;
	own_name(node, out->name, out->owner);
	sign_keys(node, out->name, out->owner, &out->node_key, &out->disco_key);
	memcpy(out->token, node->token, sizeof(out->token)); /* empty once it is spent */
	node->is_token_said = node->token[0] != '\0';
	out->role = node->id.role;
	snprintf(out->version, sizeof(out->version), "%s", version_number());
	out->caps = CONTROL_CAPS_ALL;
	if (node->has_map && !node->token[0]) { /* a join wants the whole map */
		out->epoch = node->map.epoch;
		out->map_number = node->map.map.number;
	}
	out->endpoints = node->where.endpoints;
	out->home_region = node->where.home_region;
}

/* ---- welcome ---- */

static struct interface_config interface_of(const struct node *node)
{
	struct interface_config config = {.name = node->tun.name, .mtu_bytes = INNER_MTU};

	if (!ip_is_none(&node->id.v4)) {
		config.addresses[config.n_addresses++] = (struct prefix){node->id.v4, 32};
		config.routes[config.n_routes++] = node->id.mesh_v4;
	}
	if (!ip_is_none(&node->id.v6)) {
		config.addresses[config.n_addresses++] = (struct prefix){node->id.v6, 128};
		config.routes[config.n_routes++] = node->id.mesh_v6;
	}
	return config;
}

int node_configure_tun(struct node *node, char error[static NODE_ERROR_LEN])
{
	struct interface_config config = interface_of(node);
	enum interface_step step;

	node->rules.mesh[0] = node->id.mesh_v4;
	node->rules.mesh[1] = node->id.mesh_v6;
	node->rules.mesh_n = 2;
	int err = interface_configure(&config, &step);
	if (err == -EEXIST)
		snprintf(error, NODE_ERROR_LEN,
			 "another interface of this machine already routes the mesh's addresses");
	else if (err != 0)
		snprintf(error, NODE_ERROR_LEN, "cannot set addresses and routes of %s: %s",
			 node->tun.name, strerror(-err));
	return err;
}

void node_hold_tun(struct node *node)
{
	struct interface_config config = interface_of(node);
	int err = config.n_routes > 0 ? interface_hold(&config) : 0;

	if (err != 0)
		log_warn("node", log_event("hold"), log_str("error", strerror(-err)));
}

static void warn_of_overlap(struct node *node)
{
	for (size_t i = 0; i < node->network.n_addresses; i++) {
		const struct ip_addr *own = &node->network.addresses[i];
		char text[IP_TEXT_LEN];

		if (!prefix_contains(&node->id.mesh_v4, own) &&
		    !prefix_contains(&node->id.mesh_v6, own))
			continue;
		ip_str(own, text);
		log_warn("node", log_event("address-overlap"), log_str("own", text));
		struct event event = event_make(EVENT_NETWORK, CODE_ADDRESS_OVERLAP, 0, NULL, NULL,
						clock_unix_us());
		node_record(node, &event);
	}
}

void node_send_keys(struct node *node)
{
	struct control_keys keys;

	sign_keys(node, node->id.name, node->id.owner, &keys.node_key, &keys.disco_key);
	coordinator_link_send_keys(node->link, &keys);
}

static bool is_who_we_are(const struct control_welcome *w, const struct state_identity *id)
{
	return w->id == id->id && strcmp(w->name, id->name) == 0 &&
	       strcmp(w->owner, id->owner) == 0 && ip_equal(&w->v4, &id->v4) &&
	       ip_equal(&w->v6, &id->v6) && prefix_equal(&w->mesh_v4, &id->mesh_v4) &&
	       prefix_equal(&w->mesh_v6, &id->mesh_v6);
}

static void on_welcome(struct node *node, const struct control_welcome *w)
{
	char signed_name[CONTROL_NAME_LEN], signed_owner[CONTROL_NAME_LEN];
	char error[NODE_ERROR_LEN];
	bool is_news = !is_who_we_are(w, &node->id);

	own_name(node, signed_name, signed_owner);
	node->id.id = w->id;
	memcpy(node->id.name, w->name, sizeof(node->id.name));
	memcpy(node->id.owner, w->owner, sizeof(node->id.owner));
	node->id.v4 = w->v4;
	node->id.v6 = w->v6;
	node->id.mesh_v4 = w->mesh_v4;
	node->id.mesh_v6 = w->mesh_v6;
	sodium_memzero(node->token, sizeof(node->token));
	node->is_removed = false;
	if (is_news) {
		node_save_identity(node);
		if (node_configure_tun(node, error) != 0)
			log_error("node", log_event("interface"), log_str("error", error));
		warn_of_overlap(node);
	}
	node->keys_due_us = clock_now_us();
	if (strcmp(signed_name, w->name) != 0 || strcmp(signed_owner, w->owner) != 0)
		node_send_keys(node);
	if (node->map.epoch != w->epoch)
		node->map.map.number = 0;
	node->map.epoch = w->epoch;
}

/* ---- relays ---- */

static void on_relays(struct node *node, const char *text)
{
	struct json_error err = {0};
	struct derp_map *map;

	if (derp_map_parse(text, strlen(text), &map, &err) != 0) {
		log_warn("map", log_event("relay-map-refused"), log_str("error", err.text));
		return;
	}
	node_warn_state(node, state_save_relays(&node->state, text));
	node_relays_set_map(node, map, clock_now_us());
}

void node_load_relays(struct node *node, uint64_t now_us)
{
	struct json_error err = {0};
	struct derp_map *map;
	char *text;
	int rc = state_load_relays(&node->state, &text);

	node_warn_state(node, rc);
	if (rc != 0)
		return;
	if (derp_map_parse(text, strlen(text), &map, &err) == 0)
		node_relays_set_map(node, map, now_us);
	else
		log_warn("state", log_event("relay-map-damaged"), log_str("error", err.text));
	free(text);
}

/* ---- the link ---- */

static void record_return(struct node *node)
{
	struct event event = event_make(EVENT_COORDINATOR, CODE_COORDINATOR_UNREACHABLE, 0, NULL,
					NULL, node->link_since_unix_us);

	event.end_unix_us = clock_unix_us();
	node_record(node, &event);
}

/* Where a NAT has forgotten one connection, it has forgotten all. */
static void on_broken(void *arg)
{
	struct node *node = arg;

	if (node->relay_thread)
		relay_thread_doubt(node->relay_thread);
}

static void on_state(void *arg, bool connected, const char *error)
{
	struct node *node = arg;

	if (connected && !node->link_up && node->link_error[0] && node->link_since_unix_us != 0)
		record_return(node);
	if (connected != node->link_up)
		node->link_since_unix_us = clock_unix_us();
	if (connected)
		log_info("coordinator", log_event("connected"), log_str("url", node->id.url));
	else if (node->link_up || strcmp(node->link_error, error ? error : "") != 0)
		log_warn("coordinator", log_event("unreachable"), log_str("error", error));
	if (!connected)
		node_map_heard(node);
	node->link_up = connected;
	if (connected && node->refused) /* relays refused us as well, and wait ever longer */
		relay_thread_check(node->relay_thread);
	node->refused = node->refused && !connected;
	snprintf(node->link_error, sizeof(node->link_error), "%s",
		 connected || !error ? "" : error);
	if (!connected)
		node_commands_on_link_failed(node);
	node_commands_on_change(node);
	node_arm(node);
}

static void on_message(void *arg, const struct control_message *m)
{
	struct node *node = arg;

	if (m->type == CONTROL_WELCOME)
		on_welcome(node, &m->welcome);
	else if (m->type == CONTROL_RELAYS)
		on_relays(node, m->relays);
	else if (m->type == CONTROL_MAP)
		node_on_map(node, &m->map);
	node_commands_on_change(node);
	node_arm(node);
}

static void on_refused(void *arg, const struct control_error *error)
{
	struct node *node = arg;

	/* The user's invitation came amid a login of whom the mesh no longer knows: the next joins.
	 */
	if (error->code == CONTROL_REMOVED && node->token[0] && !node->is_token_said) {
		coordinator_link_retry(node->link);
		return;
	}
	log_error("coordinator", log_event("refused"),
		  log_str("code", control_error_str(error->code)), log_str("error", error->text));
	node->refused = true;
	if (node->link_up)
		node->link_since_unix_us = clock_unix_us();
	node->link_up = false;
	snprintf(node->link_error, sizeof(node->link_error), "%s", error->text);
	node_commands_on_refused(node, error->text);
	node->is_removed = error->code == CONTROL_REMOVED;
	if (node->is_removed) { /* nobody in the mesh knows us any more */
		node->map.map.number = 0;
		while (node->n_peers > 0)
			node_drop_entry(node, node->peers[0].id);
		node->map.map.n_peers = 0;
		node_publish_rules(node);
		node_relays_hold(node);
	}
	node_arm(node);
}

const struct coordinator_link_ops node_coordinator_ops = {
	.make_hello = make_hello,
	.on_broken = on_broken,
	.on_state = on_state,
	.on_message = on_message,
	.on_refused = on_refused,
};
