/*
 * node_reach: where this node can be reached: its addresses, its mapping as STUN servers see it,
 * its home relay.
 */
#include "agent/node_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"

static const uint64_t survey_active_us = 23 * US_PER_S; /* below the 30 s of many NATs */
static const uint64_t survey_idle_us = 120 * US_PER_S;
/* Where no server answers, our mapping is unknown, and behind some NATs nobody gets to us without:
 * once UDP is back it shall be known soon. It may be gone for good, so not for ever. */
static const uint64_t survey_again_us = 500 * US_PER_MS, survey_fresh_us = 60 * US_PER_S;
static const uint64_t survey_gap_us = 1 * US_PER_S;

/* ---- what we tell others ---- */

static void add_where(struct control_where *where, const struct endpoint *addr,
		      enum control_endpoint_kind kind)
{
	struct control_endpoints *list = &where->endpoints;

	for (size_t i = 0; i < list->count; i++)
		if (endpoint_equal(&list->list[i].addr, addr))
			return;
	if (list->count < CONTROL_MAX_ENDPOINTS && !endpoint_is_none(addr))
		list->list[list->count++] = (struct control_endpoint){*addr, kind};
}

static size_t local_endpoints(const struct node *node, struct endpoint *out)
{
	for (size_t i = 0; i < node->network.n_addresses; i++)
		out[i] = (struct endpoint){node->network.addresses[i], engine_port(node->engine)};
	return node->network.n_addresses;
}

void node_reach_report(const struct node *node, struct stun_survey_report *out)
{
	struct endpoint locals[NETWORK_ADDRESSES_MAX];
	size_t n = local_endpoints(node, locals);

	stun_survey_report(node->survey, locals, n, out);
}

/* What no peer may make us send to: our own addresses, and our own mapping. */
static void set_own_rules(struct node *node)
{
	struct candidate_rules *rules = &node->rules;

	rules->own_n = 0;
	for (size_t i = 0; i < node->network.n_addresses; i++)
		rules->own[rules->own_n++] = (struct endpoint){node->network.addresses[i], 0};
	for (size_t i = 0; i < node->where.endpoints.count && rules->own_n < CANDIDATE_OWN_MAX; i++)
		if (node->where.endpoints.list[i].kind == CONTROL_STUN)
			rules->own[rules->own_n++] = node->where.endpoints.list[i].addr;
}

static bool names(const struct control_where *where, const struct control_endpoint *e)
{
	for (size_t i = 0; i < where->endpoints.count; i++)
		if (endpoint_equal(&where->endpoints.list[i].addr, &e->addr))
			return true;
	return false;
}

static bool has_news(const struct control_where *where, const struct control_where *before)
{
	for (size_t i = 0; i < where->endpoints.count; i++)
		if (!names(before, &where->endpoints.list[i]))
			return true;
	return false;
}

static bool is_same(const struct control_where *a, const struct control_where *b)
{
	return a->home_region == b->home_region && a->endpoints.count == b->endpoints.count &&
	       !has_news(a, b);
}

static struct control_where where_now(const struct node *node)
{
	struct control_where where = {.home_region = node->home.home};
	struct endpoint locals[NETWORK_ADDRESSES_MAX];
	size_t n = local_endpoints(node, locals);
	struct stun_survey_report report;

	if (node->settings->relay_only)
		return where;
	node_reach_report(node, &report);
	add_where(&where, &report.public_v4, CONTROL_STUN);
	add_where(&where, &report.public_v6, CONTROL_STUN);
	add_where(&where, &report.other_v4, CONTROL_STUN);
	/* Servers answer one after the other: what those before said holds until all have. */
	for (size_t i = 0; !node->survey_told && i < node->where.endpoints.count; i++)
		if (node->where.endpoints.list[i].kind == CONTROL_STUN && node->keeps_mappings)
			add_where(&where, &node->where.endpoints.list[i].addr, CONTROL_STUN);
	for (size_t i = 0; i < n; i++)
		add_where(&where, &locals[i], CONTROL_LOCAL);
	return where;
}

static void tell_where(struct node *node, uint64_t now_us)
{
	struct control_where where = where_now(node);
	bool is_news = has_news(&where, &node->where);

	if (is_same(&where, &node->where))
		return;
	node->where = where;
	set_own_rules(node);
	if (node->link)
		coordinator_link_send_where(node->link, &where);
	for (size_t i = 0; is_news && i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_own_endpoints(node->peers[i].peer, now_us);
	node_commands_on_change(node);
}

size_t node_reach_own_endpoints(void *arg, struct endpoint *out, size_t max)
{
	const struct node *node = arg;
	size_t n = 0;

	for (; n < node->where.endpoints.count && n < max; n++)
		out[n] = node->where.endpoints.list[n].addr;
	return n;
}

/* ---- surveys ---- */

/* By address, or by a name that each survey looks up again. */
static bool knows_servers(const struct node *node)
{
	return node->n_servers > 0 || node->lookups;
}

static void send_due_questions(struct node *node, uint64_t now_us)
{
	struct stun_send ask;

	while (stun_survey_next(node->survey, now_us, &ask))
		if (engine_send_udp(node->engine, &ask.to, ask.bytes, ask.len) != 0)
			stun_survey_on_send_error(node->survey, &ask.to);
}

void node_reach_ask(void *arg)
{
	struct node *node = arg;

	node_relays_hurry(node, clock_now_us());
	/* Asked for in passing, from within a peer's actions: the next round of the timer does it.
	 */
	if (stun_survey_is_done(node->survey))
		node->survey_due_us = 0;
}

static enum path_obstacle obstacle_of(const struct stun_survey_report *report)
{
	bool asked = report->asked_v4 || report->asked_v6;

	if (asked && !report->answered_v4 && !report->answered_v6)
		return PATH_UDP_BLOCKED;
	if (report->mapping == NAT_ADDRESS_DEPENDENT ||
	    report->mapping == NAT_ADDRESS_AND_PORT_DEPENDENT)
		return PATH_HARD_NAT_HERE;
	return PATH_NO_OBSTACLE;
}

static bool is_anyone_active(const struct node *node, uint64_t now_us)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer && peer_is_active(node->peers[i].peer, now_us))
			return true;
	return false;
}

static void ask_again_soon(struct node *node, uint64_t now_us)
{
	uint64_t due_us = now_us + survey_again_us;

	if (node->unanswered_us == 0)
		node->unanswered_us = now_us;
	if (now_us - node->unanswered_us < survey_fresh_us && node->survey_due_us > due_us &&
	    is_anyone_active(node, now_us))
		node->survey_due_us = due_us;
}

static void tell_obstacle(struct node *node, enum path_obstacle obstacle, uint64_t now_us)
{
	if (node->env.obstacle == PATH_RELAY_ONLY)
		return; /* the user's word */
	node->env.obstacle = obstacle;
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_obstacle(node->peers[i].peer, now_us);
}

/* One answer is enough, whatever the others say: peers are to be asked at once. */
static void note_udp_gets_out(struct node *node, uint64_t now_us)
{
	if (node->unanswered_us == 0)
		return;
	node->unanswered_us = 0;
	tell_obstacle(node, PATH_NO_OBSTACLE, now_us);
}

/* Once, when all have answered or never will. */
static void conclude_survey(struct node *node, uint64_t now_us)
{
	struct stun_survey_report report;

	if (node->survey_told || !stun_survey_is_done(node->survey))
		return;
	node_reach_report(node, &report);
	enum path_obstacle obstacle = obstacle_of(&report);
	node->survey_told = node->keeps_mappings = true;
	if (obstacle == PATH_UDP_BLOCKED)
		ask_again_soon(node, now_us);
	tell_obstacle(node, obstacle, now_us);
	tell_where(node, now_us);
}

void node_reach_survey(struct node *node, uint64_t now_us)
{
	uint8_t random[STUN_TXID_LEN];

	randombytes_buf(random, sizeof(random));
	stun_survey_start(node->survey, node->servers, node->n_servers, random, now_us);
	node->survey_told = node->n_servers == 0;
	node->surveyed_us = now_us;
	node_relays_retry_lookups(node);
	send_due_questions(node, now_us);
	conclude_survey(node, now_us); /* where none could even be sent */
}

void node_reach_decide_home(struct node *node, uint64_t now_us)
{
	if (!home_decide(&node->home, now_us))
		return;
	log_info("relay", log_event("home"), log_u64("region", node->home.home),
		 log_u64("second", node->home.second));
	node_relays_hold(node);
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			node_relays_tell_peer(node, node->peers[i].peer, now_us);
	tell_where(node, now_us);
}

/* The region whose server just answered: each answer counts once. */
static void use_latency(struct node *node, const struct endpoint *from, uint64_t now_us)
{
	for (size_t i = 0; i < node->n_servers; i++) {
		uint32_t region = node->servers[i].region;
		uint64_t rtt_us = stun_survey_rtt(node->survey, region);

		if (!endpoint_equal(&node->servers[i].addr, from) || rtt_us == US_NEVER)
			continue;
		home_on_latency(&node->home, region, rtt_us, now_us);
		break;
	}
	node_reach_decide_home(node, now_us);
}

void node_reach_on_stun(struct node *node, const uint8_t *buf, size_t len,
			const struct endpoint *from, uint64_t now_us)
{
	struct stun_message m;

	if (!node->survey || stun_decode(buf, len, &m) != 0 ||
	    stun_survey_on_message(node->survey, &m, from, now_us) != 0) {
		node->stun_strangers++;
		return;
	}
	node->stun_taken++;
	if (m.class == STUN_SUCCESS)
		note_udp_gets_out(node, now_us);
	use_latency(node, from, now_us);
	tell_where(node, now_us);
	conclude_survey(node, now_us);
	node_arm(node);
}

void node_reach_on_servers(struct node *node, uint64_t now_us)
{
	if (knows_servers(node)) {
		node->survey_due_us = now_us + survey_active_us;
		node_reach_survey(node, now_us);
	}
	node_reach_decide_home(node, now_us);
}

void node_reach_on_deadline(struct node *node, uint64_t now_us)
{
	if (network_watch_on_deadline(node->watch, now_us))
		node_reach_changed(node, NULL, now_us);
	if (now_us >= node->survey_due_us && knows_servers(node)) {
		bool active = is_anyone_active(node, now_us);

		node->survey_due_us = now_us + (active ? survey_active_us : survey_idle_us);
		node_reach_survey(node, now_us);
	}
	if (now_us >= stun_survey_deadline(node->survey)) {
		send_due_questions(node, now_us);
		conclude_survey(node, now_us);
	}
	if (now_us >= home_deadline_us(&node->home))
		node_reach_decide_home(node, now_us);
}

/* While nobody talked, our mapping may have gone: a peer that is told the old one knocks in vain.
 */
void node_reach_on_activity(struct node *node, uint64_t now_us)
{
	uint64_t due_us = node->surveyed_us + survey_active_us;

	if (knows_servers(node) && node->survey_due_us > due_us && is_anyone_active(node, now_us))
		node->survey_due_us = due_us;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void node_reach_on_relay_up(struct node *node, uint64_t now_us)
{
	uint64_t due_us = node->surveyed_us + survey_gap_us;

	if (is_anyone_active(node, now_us))
		node->survey_due_us =
			sooner(node->survey_due_us, due_us > now_us ? due_us : now_us);
}

uint64_t node_reach_deadline_us(const struct node *node)
{
	uint64_t due_us = knows_servers(node) ? node->survey_due_us : US_NEVER;

	due_us = sooner(due_us, stun_survey_deadline(node->survey));
	due_us = sooner(due_us, network_watch_deadline(node->watch));
	return sooner(due_us, home_deadline_us(&node->home));
}

/* ---- the network around us ---- */

static void record_change(struct node *node, const char *code)
{
	struct event event =
		event_make(EVENT_NETWORK, code_find(code), 0, NULL, NULL, clock_unix_us());

	node_record(node, &event);
	log_info("network", log_event("changed"), log_str("code", code));
}

static bool same_addresses(const struct network *a, const struct network *b)
{
	if (a->n_addresses != b->n_addresses)
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!ip_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

/* code NULL: look what changed, if anything. */
void node_reach_changed(struct node *node, const char *code, uint64_t now_us)
{
	struct network before = node->network;
	int err = network_read(node->tun.name, &node->network);

	if (err != 0) {
		log_warn("network", log_event("unreadable"), log_str("error", strerror(-err)));
		return;
	}
	if (!code && network_equal(&before, &node->network))
		return;
	if (!code) {
		code = same_addresses(&before, &node->network) ? "network-changed"
							       : "address-changed";
		record_change(node, code);
	}
	node->unanswered_us = 0;
	node->keeps_mappings = false;
	resolver_reload(node->resolver);
	tell_where(node, now_us);
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_network_change(node->peers[i].peer, code, now_us);
	tell_obstacle(node, PATH_NO_OBSTACLE, now_us); /* which they know; who joins does not */
	relay_thread_check(node->relay_thread);
	coordinator_link_check(node->link);
	if (knows_servers(node))
		node_reach_survey(node, now_us);
	node_arm(node);
}

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct node *node = arg;
	uint64_t now_us = clock_now_us();

	(void)fd, (void)what;
	if (network_watch_on_readable(node->watch, now_us))
		node_reach_changed(node, NULL, now_us);
	node_arm(node);
}

/* ---- life ---- */

int node_reach_start(struct node *node, char error[static NODE_ERROR_LEN])
{
	int err = network_read(node->tun.name, &node->network);

	if (err == 0)
		err = network_watch_open(node->tun.name, &node->watch);
	if (err != 0) {
		snprintf(error, NODE_ERROR_LEN, "cannot read this machine's addresses: %s",
			 strerror(-err));
		return err;
	}
	node->survey = calloc(1, sizeof(*node->survey));
	node->resolver = resolver_new(node->base);
	if (!node->survey || !node->resolver) {
		snprintf(error, NODE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	node->survey_due_us = 0;
	node->survey_told = true;
	node->watch_event = event_new(node->base, network_watch_fd(node->watch),
				      EV_READ | EV_PERSIST, on_netlink, node);
	event_add(node->watch_event, NULL);
	tell_where(node, clock_now_us());
	return 0;
}

void node_reach_stop(struct node *node)
{
	node_relays_drop_lookups(node);
	resolver_free(node->resolver);
	node->resolver = NULL;
	if (node->watch_event)
		event_free(node->watch_event);
	node->watch_event = NULL;
	network_watch_close(node->watch);
	node->watch = NULL;
	free(node->survey);
	node->survey = NULL;
	derp_map_free(node->relay_map);
	node->relay_map = NULL;
	node->n_relays = 0;
	node->hurry_due_us = 0;
	node->n_servers = 0;
	node->home = (struct home){0};
	node->where = (struct control_where){0};
}
