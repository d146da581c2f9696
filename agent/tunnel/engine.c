#include "agent/tunnel/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/tunnel/engine_inside.h"
#include "common/clock.h"

enum { RECLAIM_US = 50 * 1000 };

static_assert(offsetof(struct engine_peer, lane) == 0, "lanes hand around the first member");

static const char *const drop_names[] = {
	[DROP_NO_PEER] = "no-peer",
	[DROP_NO_CHOICE] = "no-choice",
	[DROP_NO_KEYPAIR] = "no-keypair",
	[DROP_STAGING_FULL] = "staging-full",
	[DROP_FILTER_OUT] = "filter-out",
	[DROP_FILTER_IN] = "filter-in",
	[DROP_SEND_FAILED] = "send-failed",
	[DROP_RELAY_FULL] = "relay-full",
	[DROP_BAD_OUTGOING] = "bad-outgoing",
	[DROP_BAD_INNER] = "bad-inner",
	[DROP_SHORT] = "short",
	[DROP_UNKNOWN_TYPE] = "unknown-type",
	[DROP_UNKNOWN_INDEX] = "unknown-index",
	[DROP_FORGED] = "forged",
	[DROP_REPLAYED] = "replayed",
	[DROP_EXPIRED] = "expired",
	[DROP_SOURCE] = "source",
	[DROP_TUN_WRITE] = "tun-write",
	[DROP_MAIN_FULL] = "main-full",
	[DROP_HANDSHAKE] = "handshake",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == DROP_REASONS, "a name for each");

const char *engine_drop_name(enum engine_drop reason)
{
	return drop_names[reason];
}

static const char *const flow_names[] = {
	[FLOW_TUN_READ] = "tun-read",
	[FLOW_KEEPALIVE_MADE] = "keepalive-made",
	[FLOW_SENT_AGAIN] = "sent-again",
	[FLOW_SENT_UDP] = "sent-udp",
	[FLOW_SENT_RELAY] = "sent-relay",
	[FLOW_UDP_READ] = "udp-read",
	[FLOW_RELAY_READ] = "relay-read",
	[FLOW_TUN_WRITTEN] = "tun-written",
	[FLOW_KEEPALIVE_READ] = "keepalive-read",
	[FLOW_TO_MAIN] = "to-main",
};
static_assert(sizeof(flow_names) / sizeof(flow_names[0]) == ENGINE_FLOWS, "a name for each");

const char *engine_flow_name(enum engine_flow flow)
{
	return flow_names[flow];
}

/* ---- reclaiming ---- */

void engine_reclaim(struct engine *engine)
{
	if (quiet_reclaim(&engine->view.quiet) > 0)
		loop_timer_set(engine->reclaim_timer, clock_now_us() + RECLAIM_US);
}

static void on_reclaim(void *arg, uint64_t now_us)
{
	(void)now_us;
	engine_reclaim(arg);
}

void engine_retire(struct engine *engine, void *ptr, void (*release)(void *))
{
	quiet_retire(&engine->view.quiet, ptr, release);
	engine_reclaim(engine);
}

static void free_snapshot(void *routes)
{
	allowed_ips_snapshot_free(routes);
}

void engine_publish_routes(struct engine *engine)
{
	struct allowed_ips_snapshot *fresh = allowed_ips_snapshot(engine->routes);
	struct allowed_ips_snapshot *old = atomic_exchange(&engine->view.routes, fresh);

	engine_retire(engine, old, free_snapshot);
}

/* ---- sockets ---- */

static void free_udp(void *arg)
{
	struct udp *udp = arg;

	udp_close(udp);
	free(udp);
}

static int new_udp(uint16_t port, uint32_t fwmark, struct udp **out)
{
	struct udp *udp = malloc(sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	int err = udp_open(port, fwmark, udp);
	if (err) {
		free(udp);
		return err;
	}
	*out = udp;
	return 0;
}

uint16_t engine_port(const struct engine *engine)
{
	return atomic_load(&engine->view.udp)->port;
}

const char *engine_tun_name(const struct engine *engine)
{
	return engine->tun.name;
}

int engine_set_port(struct engine *engine, uint16_t port)
{
	struct udp *old = atomic_load(&engine->view.udp), *fresh;

	if (port != 0 && port == old->port)
		return 0;
	int err = new_udp(port, engine->fwmark, &fresh);
	if (err)
		return err;
	err = lane_thread_watch_udp(engine->lane_thread, fresh);
	if (err) {
		free_udp(fresh);
		return err;
	}
	atomic_store(&engine->view.udp, fresh);
	lane_thread_unwatch_udp(engine->lane_thread, old);
	engine_retire(engine, old, free_udp);
	return 0;
}

int engine_set_fwmark(struct engine *engine, uint32_t fwmark)
{
	int err = udp_set_fwmark(atomic_load(&engine->view.udp), fwmark);

	if (!err)
		engine->fwmark = fwmark;
	return err;
}

uint32_t engine_fwmark(const struct engine *engine)
{
	return engine->fwmark;
}

void engine_set_mtu(struct engine *engine, unsigned mtu_bytes)
{
	atomic_store(&engine->view.mtu_bytes, mtu_bytes);
}

int engine_send_udp(struct engine *engine, const struct endpoint *to, const void *buf, size_t len)
{
	return udp_send(atomic_load(&engine->view.udp), to, buf, len);
}

/* ---- identity ---- */

void engine_set_secret_key(struct engine *engine, const struct secret_key *secret)
{
	struct public_key ours;

	engine->secret = *secret;
	secret_key_public(secret, &ours);
	struct engine_peer *self = engine_peer_find(engine, &ours);
	if (self)
		engine_peer_remove(self);
	wg_device_set_secret(engine->device, secret);
	engine_do_effects(engine);
}

struct secret_key engine_secret_key(const struct engine *engine)
{
	return engine->secret;
}

struct public_key engine_public_key(const struct engine *engine)
{
	return *wg_device_public_key(engine->device);
}

void engine_drops(const struct engine *engine, uint64_t out[static DROP_REASONS])
{
	for (size_t i = 0; i < DROP_REASONS; i++)
		out[i] = counter_read(&engine->lane.drops[i]);
	out[DROP_HANDSHAKE] += engine->handshake_drops;
}

void engine_flows(const struct engine *engine, uint64_t out[static ENGINE_FLOWS])
{
	for (size_t i = 0; i < ENGINE_FLOWS; i++)
		out[i] = counter_read(&engine->lane.flows[i]);
}

uint64_t engine_waiting(const struct engine *engine)
{
	return counter_read(&engine->lane.waiting);
}

uint64_t engine_handshakes_taken(const struct engine *engine)
{
	return engine->handshakes_taken;
}

uint64_t engine_handshake_drops(const struct engine *engine, enum wg_drop reason)
{
	return wg_device_dropped(engine->device, reason);
}

void engine_save_filter(struct engine *engine)
{
	struct lane *lane = &engine->lane;

	if (!engine->view.filter || engine->is_saving || engine->is_stopped)
		return;
	lane->save_cap = filter_save_max(engine->view.filter);
	lane->save_buf = malloc(lane->save_cap);
	if (!lane->save_buf)
		return;
	engine->is_saving = true;
	lane_tell(lane, LANE_SAVE);
}

/* ---- life ---- */

static int make_view(struct engine *engine, const struct engine_config *config)
{
	struct lane_view *view = &engine->view;
	struct udp *udp;
	unsigned mtu_bytes = 0;

	quiet_init(&view->quiet, 1);
	view->to_main.fd = -1;
	view->indices = index_table_new();
	if (!view->indices)
		return -ENOMEM;
	int err = mailbox_open(&view->to_main);
	if (!err)
		err = new_udp(config->port, config->fwmark, &udp);
	if (err)
		return err;
	atomic_store(&view->udp, udp);
	if (tun_get_mtu(config->tun->name, &mtu_bytes) == 0)
		atomic_store(&view->mtu_bytes, mtu_bytes);
	view->mss_mtu_bytes = config->mss_mtu_bytes;
	view->filter = config->filter;
	view->to_relay = config->to_relay;
	return 0;
}

static int make_core(struct engine *engine, const struct engine_config *config)
{
	struct wg_moment at = engine_moment();

	engine->device = wg_device_new(&config->secret, engine->view.indices,
				       config->tai_reserved_us, at.random);
	engine->routes = allowed_ips_new();
	engine->device_timer = loop_timer_new(engine->base, engine_on_device_deadline, engine);
	engine->reclaim_timer = loop_timer_new(engine->base, on_reclaim, engine);
	return engine->device && engine->routes ? 0 : -ENOMEM;
}

int engine_new(const struct engine_config *config, struct engine **out)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return -ENOMEM;
	engine->base = config->base;
	engine->arg = config->arg;
	if (config->ops)
		engine->ops = *config->ops;
	engine->roaming = config->roaming;
	engine->fwmark = config->fwmark;
	engine->secret = config->secret;
	engine->tun.fd = -1;
	engine->lane.mailbox.fd = -1;
	engine->is_stopped = true;

	int err = make_view(engine, config);
	if (!err)
		err = make_core(engine, config);
	if (!err)
		err = lane_init(&engine->lane, &engine->view, 0, config->tun, config->from_relay);
	if (!err)
		err = lane_thread_start(&engine->lane, &engine->lane_thread);
	if (!err) {
		engine->is_stopped = false;
		err = engine_listen(engine);
	}
	if (err) {
		engine_free(engine);
		return err;
	}
	engine->tun = *config->tun;
	*out = engine;
	return 0;
}

void engine_stop(struct engine *engine)
{
	if (engine->is_stopped)
		return;
	engine->is_stopped = true;
	lane_thread_stop(engine->lane_thread);
	engine->lane_thread = NULL;
}

static void free_events(struct engine *engine)
{
	if (engine->on_mail)
		event_free(engine->on_mail);
	if (engine->on_ring)
		event_free(engine->on_ring);
	loop_timer_free(engine->device_timer);
	loop_timer_free(engine->reclaim_timer);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	engine_stop(engine);
	while (engine->first)
		engine_peer_remove(engine->first);
	while (engine->leaving) { /* no lane is left to say so */
		struct engine_peer *peer = engine->leaving;

		engine->leaving = peer->next;
		engine_peer_free(peer);
	}
	wg_device_free(engine->device);
	quiet_wipe(&engine->view.quiet);
	free_events(engine);
	free(engine->lane.save_buf);
	lane_wipe(&engine->lane);
	allowed_ips_free(engine->routes);
	allowed_ips_snapshot_free(atomic_load(&engine->view.routes));
	index_table_free(engine->view.indices);
	mailbox_close(&engine->view.to_main);
	if (atomic_load(&engine->view.udp))
		free_udp(atomic_load(&engine->view.udp));
	tun_close(&engine->tun);
	sodium_memzero(engine, sizeof(*engine));
	free(engine);
}
