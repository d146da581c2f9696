#include "tests/sim/node_machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/node_inside.h"
#include "agent/tunnel/engine_inside.h"
#include "tests/sim/host.h"
#include "tests/sim/host_part.h"
#include "tests/sim/kernel_disk.h"
#include "tests/sim/kernel_local.h"
#include "tests/sim/kernel_loop.h"
#include "tests/sim/kernel_tun.h"
#include "tests/sim/kernel_udp.h"
#include "tests/sim/node_tap.h"
#include "tests/sim/platter.h"
#include "tests/sim/power_plan.h"
#include "tests/sim/sudden_end.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"

enum { ASKS_KEPT = 16, REQUEST_MAX = 2048 };

static const uint64_t map_max_age_us = (uint64_t)30 * 86400 * US_PER_S;

struct ask {
	uint64_t id; /* 0: none */
	int exit;    /* -1: goes on */
};

struct node_machine {
	struct world *world;
	struct host *host;
	const struct node_taps *taps;
	void *arg;
	char name[HOST_NAME_LEN];
	struct settings settings;
	struct node *node; /* NULL: OFF */
	struct power_plan cut;
	struct ask asks[ASKS_KEPT];
	uint64_t last_ask;
};

static const struct node_taps no_taps;

/* ---- taps ---- */

static void on_packet(void *arg, const uint8_t *packet, size_t len)
{
	struct node_machine *m = arg;

	if (m->taps->on_inner)
		m->taps->on_inner(m->arg, m, packet, len);
}

void node_machine_on_event(struct node_machine *m, const struct event *event)
{
	TRACE("event", "%s %s %s: %s", event_kind_str(event->kind), code_entry(event->code)->word,
	      event->peer, event->cause);
	if (m->taps->on_event)
		m->taps->on_event(m->arg, m, event);
}

static void trace_choice(const struct peer *peer, const struct path_choice *choice)
{
	char first[WAY_TEXT_LEN], copy[WAY_TEXT_LEN];

	way_str(&choice->first, first);
	way_str(&choice->copy, copy);
	trace_line("choice", "%s: %s, copy %s (%s)", peer_full_name(peer), first, copy,
		   choice->why_code);
}

void node_machine_on_choice(struct node_machine *m, struct engine_peer *engine_peer)
{
	const struct peer *peer = engine_peer_user(engine_peer);
	const struct path_choice *choice = path_peer_choice(peer_path(peer));

	if (trace_is_on())
		trace_choice(peer, choice);
	if (m->taps->on_choice)
		m->taps->on_choice(m->arg, m, peer_full_name(peer), choice);
}

/* ---- its life ---- */

static void on_cut(void *arg)
{
	struct node_machine *m = arg;

	node_machine_power_cut(m);
	if (m->taps->on_power_cut)
		m->taps->on_power_cut(m->arg, m);
}

static void fill_settings(struct settings *s, const struct node_machine_config *config)
{
	*s = (struct settings){
		.role = config->role,
		.state_dir = "/var/lib/warren",
		.socket = "/run/warren/warrend.sock",
		.tun = "warren0",
		.port = config->port,
		.ca_file = config->ca_file,
		.relay_only = config->relay_only,
		.map_max_age_us = map_max_age_us,
	};
}

struct node_machine *node_machine_new(struct world *world, const struct node_machine_config *config)
{
	struct node_machine *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->world = world;
	m->host = config->host;
	m->taps = config->taps ? config->taps : &no_taps;
	m->arg = config->arg;
	snprintf(m->name, sizeof(m->name), "%s", config->name);
	fill_settings(&m->settings, config);
	m->settings.name = m->name;
	power_plan_init(&m->cut, on_cut, m);
	host_set_part(m->host, HOST_WARREND, m, NULL);
	kernel_tun_watch(m->host, on_packet, m);
	return m;
}

void node_machine_free(struct node_machine *m)
{
	if (!m)
		return;
	node_machine_crash(m);
	power_plan_drop(&m->cut);
	host_parts_drop(m->host);
	free(m);
}

int node_machine_start(struct node_machine *m, char error[static NODE_MACHINE_ERROR_LEN])
{
	if (m->node)
		return -EALREADY;
	if (!host_is_on(m->host))
		host_power_on(m->host);
	struct world_place before = world_enter(m->host);
	int err = node_new(&m->settings, &m->node, error);

	if (err)
		m->node = NULL;
	TRACE("life", "start: %s", err ? error : "ok");
	world_leave(before);
	return err;
}

void node_machine_term(struct node_machine *m)
{
	if (!m->node || node_machine_is_asleep(m))
		return;
	struct world_place before = world_enter(m->host);

	TRACE("life", "term");
	kernel_loop_signal(m->host, false);
	node_free(m->node);
	m->node = NULL;
	world_leave(before);
}

static void bury(void *arg)
{
	struct node_machine *m = arg;

	node_free(m->node); /* NULL is fine */
	m->node = NULL;
}

void node_machine_crash(struct node_machine *m)
{
	if (!m->node)
		return;
	power_plan_drop(&m->cut);
	sudden_end_by_kill(m->host, bury, m);
}

void node_machine_power_cut(struct node_machine *m)
{
	power_plan_drop(&m->cut);
	if (!host_is_on(m->host))
		return;
	sudden_end_of_power(m->host, bury, m);
	kernel_tun_remove(m->host);
}

void node_machine_plan_power_cut(struct node_machine *m, unsigned n, uint64_t latest_us)
{
	if (host_is_on(m->host))
		power_plan_set(&m->cut, kernel_disk_of(m->host), n, latest_us);
}

bool node_machine_loses_power(const struct node_machine *m)
{
	return power_plan_is_due(&m->cut);
}

void node_machine_sleep(struct node_machine *m)
{
	if (host_is_on(m->host) && !host_is_asleep(m->host))
		host_sleep(m->host);
}

void node_machine_wake(struct node_machine *m)
{
	if (host_is_asleep(m->host))
		host_wake(m->host);
}

void node_machine_set_disk_full(struct node_machine *m, bool is_full)
{
	platter_set_full(kernel_disk_of(m->host), is_full);
}

bool node_machine_runs(const struct node_machine *m)
{
	return m->node != NULL;
}

bool node_machine_is_asleep(const struct node_machine *m)
{
	return host_is_asleep(m->host);
}

/* ---- as `warren` would ---- */

static struct ask *find_ask(struct node_machine *m, uint64_t id)
{
	struct ask *ask = &m->asks[id % ASKS_KEPT];

	return ask->id == id ? ask : NULL;
}

static void on_line(void *arg, uint64_t ask_id, const struct json *line)
{
	struct node_machine *m = arg;
	struct ask *ask = find_ask(m, ask_id);
	struct json_error err = {0};
	struct json_in root = json_root(line, &err);

	if (ask && json_opt_bool(&root, "done", false))
		ask->exit = (int)json_opt_i64(&root, "exit", INT32_MIN, INT32_MAX, 0);
	if (m->taps->on_answer)
		m->taps->on_answer(m->arg, m, ask_id, line);
}

uint64_t node_machine_ask(struct node_machine *m, const char *request)
{
	if (!m->node || node_machine_is_asleep(m))
		return 0;
	struct world_place before = world_enter(m->host);
	uint64_t id = ++m->last_ask;

	m->asks[id % ASKS_KEPT] = (struct ask){.id = id, .exit = -1};
	if (kernel_local_ask(m->host, request, id, on_line, m) != 0)
		id = 0;
	world_leave(before);
	return id;
}

uint64_t node_machine_join(struct node_machine *m, const char *invitation)
{
	struct json *tree = json_object_new();

	json_add_str(tree, "cmd", "up");
	json_add_str(tree, "invitation", invitation);
	char *text = json_print(tree);
	uint64_t id = node_machine_ask(m, text);

	free(text);
	json_free(tree);
	return id;
}

int node_machine_exit_of(const struct node_machine *m, uint64_t ask_id)
{
	const struct ask *ask = &m->asks[ask_id % ASKS_KEPT];

	return ask->id == ask_id ? ask->exit : -1;
}

/* ---- its TUN ---- */

int node_machine_send_inner(struct node_machine *m, const uint8_t *packet, size_t len)
{
	if (!host_is_on(m->host) || node_machine_is_asleep(m))
		return -ENETDOWN;
	struct world_place before = world_enter(m->host);
	int err = kernel_tun_send(m->host, packet, len);

	world_leave(before);
	return err;
}

struct ip_addr node_machine_v4(const struct node_machine *m)
{
	return kernel_tun_v4(m->host);
}

struct ip_addr node_machine_v6(const struct node_machine *m)
{
	return kernel_tun_v6(m->host);
}

/* ---- what is seen from outside ---- */

const char *node_machine_name(const struct node_machine *m)
{
	return m->name;
}

struct host *node_machine_host(const struct node_machine *m)
{
	return m->host;
}

const char *node_machine_state(const struct node_machine *m)
{
	return m->node ? node_state(m->node) : "off";
}

bool node_machine_node_key(const struct node_machine *m, struct public_key *out)
{
	if (!m->node)
		return false;
	secret_key_public(&m->node->id.node, out);
	return true;
}

bool node_machine_sign(const struct node_machine *m, enum control_key_kind kind,
		       struct control_key *key)
{
	if (!m->node)
		return false;
	control_key_sign(kind, &m->node->id.machine, m->node->id.name, m->node->id.owner, key);
	return true;
}

uint32_t node_machine_member_id(const struct node_machine *m)
{
	return m->node ? m->node->id.id : 0;
}

static void fill_peer(struct node_machine_peer *out, const struct peer *peer, uint64_t now_us)
{
	const struct control_peer *info = peer_info(peer);
	struct engine_peer *engine = peer_engine(peer);
	const struct choice *choice = choice_read(&engine->lane.choice);

	*out = (struct node_machine_peer){.id = info->id,
					  .key = *engine_peer_key(engine),
					  .v4 = info->v4,
					  .is_active = peer_is_active(peer, now_us)};
	snprintf(out->name, sizeof(out->name), "%s", peer_full_name(peer));
	if (choice) {
		out->first = choice->first;
		out->copy = choice->copy;
	}
	engine_peer_stats(engine, &out->stats);
}

size_t node_machine_peers(const struct node_machine *m, struct node_machine_peer *out, size_t max)
{
	size_t n = 0;

	if (!m->node || !m->node->on)
		return 0;
	struct world_place before = world_enter(m->host);

	for (size_t i = 0; i < m->node->n_peers && n < max; i++)
		if (m->node->peers[i].peer)
			fill_peer(&out[n++], m->node->peers[i].peer, world_now_us());
	world_leave(before);
	return n;
}

void node_machine_events(struct node_machine *m, uint64_t since_unix_us, node_machine_event_fn *fn,
			 void *arg)
{
	struct world_place before = world_enter(m->host);
	struct recorder *r =
		m->node ? m->node->recorder : recorder_open(m->settings.state_dir, NULL);

	recorder_read_events(r, 0, since_unix_us, fn, arg);
	if (!m->node)
		recorder_close(r);
	world_leave(before);
}

void node_machine_counters(const struct node_machine *m, struct node_machine_counters *out)
{
	const struct platter_counters *disk = platter_counters(kernel_disk_of(m->host));
	const struct kernel_udp_counters *udp = kernel_udp_counters(m->host);

	*out = (struct node_machine_counters){
		.datagrams_sent = udp->datagrams,
		.bytes_sent = udp->bytes,
		.disk_writes = disk->writes,
		.disk_bytes = disk->bytes,
		.timers = world_events_of(m->host),
	};
	if (!m->node || !m->node->on)
		return;
	const struct node *node = m->node;

	engine_drops(node->engine, out->drops);
}
