/*
 * node_relays: the relay map: which sessions with relays are held and what they tell, and the STUN
 * servers that stand beside the relays.
 */
#include "agent/node_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum {
	FIRST_REGIONS = 3,    /* dialled at once while no latency is known */
	REASONS_TOLD_MAX = 4, /* of one outage, in history and log */
};

static const uint64_t hurry_gap_us = US_PER_S;

/* A STUN server known by name, on its way to an address. */
struct node_lookup {
	struct node_lookup *next;
	struct node *node;
	struct resolve_query *query; /* under way */
	bool found;
	uint32_t region;
	uint16_t port;
	char host[DERP_HOST_LEN];
};

/* ---- STUN servers beside the relays ---- */

static void add_server(struct node *node, const struct endpoint *addr, uint32_t region)
{
	if (node->n_servers == STUN_SURVEY_MAX)
		return;
	node->servers[node->n_servers++] = (struct stun_survey_server){*addr, region};
}

void node_relays_drop_lookups(struct node *node)
{
	while (node->lookups) {
		struct node_lookup *gone = node->lookups;

		node->lookups = gone->next;
		if (gone->query)
			resolve_cancel(gone->query);
		free(gone);
	}
}

static void on_resolved(void *arg, int err, const struct endpoint *addrs, size_t n)
{
	struct node_lookup *lookup = arg;
	struct node *node = lookup->node;

	lookup->query = NULL;
	if (err != 0) /* the next survey asks again */
		return;
	lookup->found = true;
	for (size_t i = 0; i < n; i++)
		add_server(node, &addrs[i], lookup->region);
	node->survey_due_us = 0;
	node_arm(node);
}

static void ask_resolver(struct node_lookup *l)
{
	l->query = resolve_start(l->node->resolver, l->host, l->port, on_resolved, l);
}

static void look_up(struct node *node, const struct derp_node *relay)
{
	struct node_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return;
	*lookup = (struct node_lookup){.next = node->lookups,
				       .node = node,
				       .region = relay->region,
				       .port = relay->stun_port};
	snprintf(lookup->host, sizeof(lookup->host), "%s", relay->host);
	node->lookups = lookup;
	ask_resolver(lookup);
}

void node_relays_retry_lookups(struct node *node)
{
	for (struct node_lookup *l = node->lookups; l; l = l->next)
		if (!l->found && !l->query)
			ask_resolver(l);
}

static void add_servers_of(struct node *node, const struct derp_node *relay)
{
	struct endpoint addr = {.port = relay->stun_port};
	bool by_name = relay->v4_from == DERP_FAMILY_DNS;

	if (relay->stun_port == 0)
		return;
	if (!ip_is_none(&relay->stun_test_ip)) {
		addr.ip = relay->stun_test_ip;
		add_server(node, &addr, relay->region);
		return;
	}
	if (relay->v4_from == DERP_FAMILY_ADDR) {
		addr.ip = relay->v4;
		add_server(node, &addr, relay->region);
	}
	if (relay->v6_from == DERP_FAMILY_ADDR) {
		addr.ip = relay->v6;
		add_server(node, &addr, relay->region);
	}
	if (by_name)
		look_up(node, relay);
}

static void set_home_regions(struct node *node)
{
	struct home_region regions[HOME_REGIONS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < node->relay_map->n_regions && n < HOME_REGIONS_MAX; i++) {
		const struct derp_region *r = &node->relay_map->regions[i];

		regions[n++] = (struct home_region){
			.region = r->id, .may_be_home = !r->no_measure_no_home, .score = r->score};
	}
	home_set_regions(&node->home, regions, n);
}

static bool has_region(const struct derp_map *map, uint32_t region)
{
	for (size_t i = 0; i < map->n_regions; i++)
		if (map->regions[i].id == region)
			return true;
	return false;
}

/* Regions that left the map and whose session ended make room for new ones. */
static void forget_relays(struct node *node)
{
	for (size_t i = node->n_relays; i-- > 0;)
		if (!node->relays[i].status.up &&
		    !has_region(node->relay_map, node->relays[i].status.region))
			node->relays[i] = node->relays[--node->n_relays];
}

void node_relays_set_map(struct node *node, struct derp_map *map, uint64_t now_us)
{
	derp_map_free(node->relay_map);
	node->relay_map = map;
	forget_relays(node);
	node->n_servers = 0;
	node_relays_drop_lookups(node);
	for (size_t i = 0; i < map->n_regions; i++)
		for (size_t k = 0; k < map->regions[i].n_nodes; k++)
			add_servers_of(node, &map->regions[i].nodes[k]);
	set_home_regions(node);
	relay_thread_set_map(node->relay_thread, map);
	node_relays_hold(node);
	node_reach_on_servers(node, now_us);
	node_arm(node);
}

/* ---- relays ---- */

struct node_relay *node_relays_find(struct node *node, uint32_t region)
{
	for (size_t i = 0; i < node->n_relays; i++)
		if (node->relays[i].status.region == region)
			return &node->relays[i];
	return NULL;
}

static void hold_one(uint32_t *list, size_t *n, uint32_t region)
{
	for (size_t i = 0; i < *n; i++)
		if (list[i] == region)
			return;
	if (region != 0 && *n < NODE_HELD_MAX)
		list[(*n)++] = region;
}

static void list_wanted(const struct node *node, uint32_t list[static NODE_HELD_MAX], size_t *n)
{
	hold_one(list, n, node->home.home);
	hold_one(list, n, node->home.second);
	for (size_t i = 0; i < node->home.n && *n < FIRST_REGIONS && node->home.home == 0; i++)
		if (node->home.regions[i].may_be_home)
			hold_one(list, n, node->home.regions[i].region);
	for (size_t i = 0; i < node->n_peers; i++) {
		const struct peer *peer = node->peers[i].peer;

		if (peer && peer_info(peer)->online)
			hold_one(list, n, peer_info(peer)->home_region);
	}
}

/* Our home, the one beside it, and where our peers are at home, so that a first packet to any of
 * them needs no dialling. Before any latency is known, the map's first few. None for who was
 * removed: each would refuse it, again and again. */
void node_relays_hold(struct node *node)
{
	uint32_t list[NODE_HELD_MAX];
	size_t n = 0;

	if (!node->relay_map || !node->relay_thread)
		return;
	if (!node->is_removed)
		list_wanted(node, list, &n);
	relay_thread_hold(node->relay_thread, list, n);
}

static struct path_relay describe(const struct node *node, const struct peer *peer,
				  const struct relay_status *status)
{
	return (struct path_relay){
		.region = status->region,
		.up = status->up,
		.drains = status->drains,
		.is_peers_home = status->region == peer_info(peer)->home_region,
		.is_ours = status->region == node->home.home,
		.rtt_us = status->rtt_us,
	};
}

/* A peer has room for a few: its home, where it surely listens, then ours, then those that are up.
 */
static unsigned rank(const struct path_relay *r)
{
	return r->is_peers_home ? 0 : r->is_ours ? 1 : r->up ? 2 : 3;
}

void node_relays_tell_peer(struct node *node, struct peer *peer, uint64_t now_us)
{
	struct path_relay relays[PATH_RELAYS_MAX];
	size_t n = 0;

	for (unsigned wanted = 0; wanted <= 3; wanted++) {
		for (size_t i = 0; i < node->n_relays && n < PATH_RELAYS_MAX; i++) {
			struct path_relay r = describe(node, peer, &node->relays[i].status);

			if (rank(&r) == wanted)
				relays[n++] = r;
		}
	}
	peer_set_relays(peer, relays, n, now_us);
}

static struct node_relay *take_status(struct node *node, const struct relay_status *status)
{
	struct node_relay *relay = node_relays_find(node, status->region);

	if (!relay && node->n_relays < NODE_REGIONS_MAX) {
		relay = &node->relays[node->n_relays++];
		*relay = (struct node_relay){.since_us = clock_now_us()};
	}
	return relay;
}

/* An outage may have several reasons in turn: unplugged, then somebody else at its address. */
static bool is_news(const struct node_relay *relay, const struct relay_status *status)
{
	if (relay->status.up != status->up)
		return true;
	return !status->up && relay->told < REASONS_TOLD_MAX && status->reason[0] &&
	       strcmp(relay->status.reason, status->reason) != 0;
}

static void record_relay(struct node *node, struct node_relay *relay,
			 const struct relay_status *status)
{
	if (!is_news(relay, status))
		return;
	log_info("relay", log_event(status->up ? "up" : "down"), log_u64("region", status->region),
		 log_str("reason", status->reason));
	relay->told = status->up ? 0 : relay->told + 1;
	if (status->up || status->unused)
		return;
	struct event event =
		event_make(EVENT_RELAY, status->drains ? CODE_RELAY_DRAINED : CODE_RELAY_LOST, 0,
			   NULL, status->reason[0] ? status->reason : NULL, clock_unix_us());
	event.from = way_relay(status->region);
	node_record(node, &event);
}

static void on_status(void *arg, const struct relay_status *status)
{
	struct node *node = arg;
	uint64_t now_us = clock_now_us();
	struct node_relay *relay = take_status(node, status);

	if (!relay)
		return;
	if (relay->status.up != status->up)
		relay->since_us = now_us;
	if (!relay->status.up && status->up)
		node_reach_on_relay_up(node, now_us);
	if (relay->status.broken != status->broken && node->link)
		coordinator_link_doubt(node->link);
	record_relay(node, relay, status);
	relay->status = *status;
	if (status->unused)
		home_on_unused(&node->home, status->region);
	else
		home_on_session(&node->home, status->region, status->up, now_us);
	if (status->rtt_us != 0 && stun_survey_rtt(node->survey, status->region) == US_NEVER)
		home_on_latency(&node->home, status->region, status->rtt_us, now_us);
	node_reach_decide_home(node, now_us);
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			node_relays_tell_peer(node, node->peers[i].peer, now_us);
	node_commands_on_change(node);
	node_arm(node);
}

static void on_packet(void *arg, uint32_t region, const struct public_key *from, const uint8_t *buf,
		      size_t len, uint64_t thread_us)
{
	struct node *node = arg;
	struct way way = way_relay(region);

	(void)thread_us;
	node->from_relays++;
	/* The relay vouches for the sender's node key: it must be the same peer's. */
	node_on_disco(node, buf, len, &way, from);
}

static void on_peer_gone(void *arg, uint32_t region, const struct public_key *key)
{
	struct node *node = arg;
	struct peer *peer = key_map_find(&node->by_node, key);

	if (peer)
		peer_on_relay_gone(peer, region, clock_now_us());
	node_arm(node);
}

const struct relay_thread_ops node_relay_ops = {
	.on_status = on_status,
	.on_packet = on_packet,
	.on_peer_gone = on_peer_gone,
};

void node_relays_hurry(struct node *node, uint64_t now_us)
{
	if (!node->relay_thread || node->hurry_due_us != 0)
		return;
	node->hurry_due_us = now_us;
	if (node->hurried_us != 0 && now_us - node->hurried_us < hurry_gap_us)
		node->hurry_due_us = node->hurried_us + hurry_gap_us;
	node_relays_on_deadline(node, now_us);
}

void node_relays_on_deadline(struct node *node, uint64_t now_us)
{
	if (now_us < node_relays_deadline_us(node))
		return;
	node->hurried_us = now_us;
	node->hurry_due_us = 0;
	relay_thread_hurry(node->relay_thread);
}

uint64_t node_relays_deadline_us(const struct node *node)
{
	return node->hurry_due_us != 0 ? node->hurry_due_us : US_NEVER;
}

void node_relays_send(void *arg, uint32_t region, const struct public_key *to, const uint8_t *buf,
		      size_t len)
{
	struct node *node = arg;

	relay_thread_send(node->relay_thread, region, to, buf, len);
}
