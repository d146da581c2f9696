#include "agent/session/relay_worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/ring.h"
#include "common/net/tls.h"
#include "common/proto/derp_map.h"

enum { LINKS_MAX = 64, RECORDS_A_ROUND = 256, WIREGUARD_TYPES = 4 };

struct relay_worker {
	struct relay_worker_config cfg;
	struct event_base *base;
	struct loop_timer *timer;
	struct event *on_commands, *on_lane;
	struct relay_link_env env;
	struct derp_map *map;
	struct relay_link *links[LINKS_MAX];
	bool untold[LINKS_MAX];	    /* its status did not fit into the ring */
	bool stood[LINKS_MAX];	    /* it was up, and did not drain */
	uint32_t broken[LINKS_MAX]; /* of its connections, as of the last look */
	size_t n_links;
	uint32_t held[RELAY_HOLD_MAX];
	size_t n_held;
};

/* ---- telling main ---- */

static bool tell_status(struct relay_worker *w, const struct relay_link *link)
{
	struct relay_news news = {.kind = RELAY_NEWS_STATUS};

	relay_link_status(link, &news.status);
	return ring_push(w->cfg.news, &news, sizeof(news), NULL, 0) == 0;
}

/* What went by it is to go by another: one that waits to be dialled may be there again. And what
 * broke its connection may have broken theirs. */
static void stir_others(struct relay_worker *w, size_t i, uint64_t now_us)
{
	struct relay_status status;

	relay_link_status(w->links[i], &status);
	bool stands = status.up && !status.drains;
	bool has_ended = w->stood[i] && !stands, has_broken = status.broken != w->broken[i];

	w->stood[i] = stands;
	w->broken[i] = status.broken;
	for (size_t other = 0; other < w->n_links; other++) {
		if (has_ended && other != i)
			relay_link_hurry(w->links[other], now_us);
		if (has_broken && other != i)
			relay_link_doubt(w->links[other], now_us);
	}
}

/* The earliest deadline of all; statuses that main could not take are told again soon. */
static void arm(struct relay_worker *w, uint64_t now_us)
{
	uint64_t due_us = US_NEVER;

	for (size_t i = 0; i < w->n_links; i++) {
		uint64_t link_us = relay_link_deadline_us(w->links[i]);

		if (w->untold[i] && now_us + 20 * US_PER_MS < link_us)
			link_us = now_us + 20 * US_PER_MS;
		if (link_us < due_us)
			due_us = link_us;
	}
	loop_timer_set(w->timer, due_us);
}

static void on_status(void *arg, struct relay_link *link)
{
	struct relay_worker *w = arg;
	uint64_t now_us = clock_now_us();

	for (size_t i = 0; i < w->n_links; i++) {
		if (w->links[i] != link)
			continue;
		w->untold[i] = !tell_status(w, link);
		stir_others(w, i, now_us);
	}
	arm(w, now_us); /* a session that ended is due again soon */
}

/* Message types 1 to 4, three zero bytes behind (WireGuard paper, section 5.4). */
static bool is_wireguard(const uint8_t *buf, size_t len)
{
	return len >= 4 && buf[0] >= 1 && buf[0] <= WIREGUARD_TYPES && buf[1] == 0 && buf[2] == 0 &&
	       buf[3] == 0;
}

static void on_packet(void *arg, uint32_t region, const struct public_key *from, const uint8_t *buf,
		      size_t len, uint64_t now_us)
{
	struct relay_worker *w = arg;
	int err;

	if (is_wireguard(buf, len)) {
		const struct relay_ring_head head = {
			.region = region, .now_us = now_us, .key = *from};
		err = ring_push_quietly(w->cfg.to_lane, &head, sizeof(head), buf, len);
	} else {
		const struct relay_news news = {.kind = RELAY_NEWS_PACKET,
						.region = region,
						.key = *from,
						.now_us = now_us};
		err = ring_push(w->cfg.news, &news, sizeof(news), buf, len);
	}
	if (err)
		relay_count(&w->cfg.counters->dropped_receiver_full, 1);
}

/* Woken for each packet, the lane would sleep and wake as often. */
static void on_packets_end(void *arg)
{
	struct relay_worker *w = arg;

	ring_wake(w->cfg.to_lane);
}

static void on_peer_gone(void *arg, uint32_t region, const struct public_key *key)
{
	struct relay_worker *w = arg;
	const struct relay_news news = {
		.kind = RELAY_NEWS_PEER_GONE, .region = region, .key = *key};

	if (ring_push(w->cfg.news, &news, sizeof(news), NULL, 0) != 0)
		relay_count(&w->cfg.counters->dropped_news, 1);
}

static const struct relay_link_ops link_ops = {
	.on_status = on_status,
	.on_packet = on_packet,
	.on_packets_end = on_packets_end,
	.on_peer_gone = on_peer_gone,
};

/* ---- its links ---- */

static struct relay_link *find_link(struct relay_worker *w, uint32_t region)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (relay_link_region(w->links[i]) == region)
			return w->links[i];
	return NULL;
}

static struct relay_link *open_link(struct relay_worker *w, uint32_t region)
{
	struct relay_link *link = find_link(w, region);
	const struct derp_region *r = link || !w->map ? NULL : derp_map_find(w->map, region);

	if (link || !r || w->n_links == LINKS_MAX)
		return link;
	link = relay_link_new(&w->env, r);
	w->untold[w->n_links] = w->stood[w->n_links] = false;
	w->broken[w->n_links] = 0;
	w->links[w->n_links++] = link;
	return link;
}

static void close_link(struct relay_worker *w, size_t i)
{
	relay_link_free(w->links[i]);
	w->n_links--;
	w->links[i] = w->links[w->n_links];
	w->untold[i] = w->untold[w->n_links];
	w->stood[i] = w->stood[w->n_links];
	w->broken[i] = w->broken[w->n_links];
}

static bool is_held(const struct relay_worker *w, uint32_t region)
{
	for (size_t i = 0; i < w->n_held; i++)
		if (w->held[i] == region)
			return true;
	return false;
}

/* The first one held is home. */
static void apply_hold(struct relay_worker *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->n_held; i++)
		(void)open_link(w, w->held[i]);
	for (size_t i = 0; i < w->n_links; i++) {
		uint32_t region = relay_link_region(w->links[i]);

		relay_link_hold(w->links[i], is_held(w, region),
				w->n_held > 0 && w->held[0] == region, now_us);
	}
}

static void tell_gone(struct relay_worker *w, uint32_t region)
{
	struct relay_news news = {.kind = RELAY_NEWS_STATUS, .status.region = region};

	snprintf(news.status.reason, sizeof(news.status.reason), "not in the relay map any more");
	if (ring_push(w->cfg.news, &news, sizeof(news), NULL, 0) != 0)
		relay_count(&w->cfg.counters->dropped_news, 1);
}

static void take_map(struct relay_worker *w, struct derp_map *map, uint64_t now_us)
{
	struct derp_map *old = w->map;

	w->map = map;
	for (size_t i = w->n_links; i-- > 0;) {
		uint32_t id = relay_link_region(w->links[i]);
		const struct derp_region *region = derp_map_find(map, id);

		if (region) {
			relay_link_set_region(w->links[i], region);
			continue;
		}
		close_link(w, i);
		tell_gone(w, id);
	}
	derp_map_free(old);
	apply_hold(w, now_us);
}

static void send_by(struct relay_worker *w, uint32_t region, enum relay_queue queue,
		    const struct public_key *to, const uint8_t *buf, size_t len, uint64_t now_us)
{
	struct relay_link *link = open_link(w, region);

	if (link)
		relay_link_send(link, queue, to, buf, len, now_us);
	else
		relay_count(&w->cfg.counters->dropped_no_session, 1);
}

static void hurry_all(struct relay_worker *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->n_links; i++)
		relay_link_hurry(w->links[i], now_us);
}

static void doubt_all(struct relay_worker *w, uint64_t now_us)
{
	hurry_all(w, now_us);
	for (size_t i = 0; i < w->n_links; i++)
		relay_link_doubt(w->links[i], now_us);
}

static void check_all(struct relay_worker *w, uint64_t now_us)
{
	resolver_reload(w->env.resolver);
	for (size_t i = 0; i < w->n_links; i++)
		relay_link_check(w->links[i], now_us);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct relay_worker *w = arg;

	for (size_t i = w->n_links; i-- > 0;) {
		relay_link_on_deadline(w->links[i], now_us);
		if (w->untold[i])
			on_status(w, w->links[i]);
		if (relay_link_is_idle(w->links[i]) && !w->untold[i])
			close_link(w, i);
	}
	arm(w, now_us);
}

/* ---- its rings ---- */

static void take_hold(struct relay_worker *w, const uint8_t *body, size_t len, uint64_t now_us)
{
	w->n_held = len / sizeof(w->held[0]);
	if (len > 0)
		memcpy(w->held, body, len);
	apply_hold(w, now_us);
}

static void take_command(struct relay_worker *w, const uint8_t *record, size_t len, uint64_t now_us)
{
	const uint8_t *body = record + sizeof(struct relay_command);
	size_t body_len = len - sizeof(struct relay_command);
	struct relay_command command;

	memcpy(&command, record, sizeof(command));
	switch (command.kind) {
	case RELAY_COMMAND_SET_MAP:
		take_map(w, command.map, now_us);
		return;
	case RELAY_COMMAND_HOLD:
		take_hold(w, body, body_len, now_us);
		return;
	case RELAY_COMMAND_SEND:
		send_by(w, command.region, RELAY_QUEUE_FRONT, &command.key, body, body_len, now_us);
		return;
	case RELAY_COMMAND_HURRY:
		hurry_all(w, now_us);
		return;
	case RELAY_COMMAND_DOUBT:
		doubt_all(w, now_us);
		return;
	case RELAY_COMMAND_CHECK:
		check_all(w, now_us);
		return;
	}
}

/* All there are: main sends little. */
static void drain_commands(struct relay_worker *w, uint64_t now_us)
{
	const uint8_t *record;
	size_t len;

	while (ring_peek(w->cfg.commands, &record, &len)) {
		take_command(w, record, len, now_us);
		ring_pop(w->cfg.commands);
	}
}

static void on_commands(evutil_socket_t fd, short what, void *arg)
{
	struct relay_worker *w = arg;
	uint64_t now_us = clock_now_us();

	(void)fd;
	(void)what;
	ring_disarm(w->cfg.commands);
	do
		drain_commands(w, now_us);
	while (!ring_arm(w->cfg.commands));
	arm(w, now_us);
}

static enum relay_queue queue_of(uint32_t flags)
{
	if (flags & (RELAY_RING_SPARSE | RELAY_RING_URGENT))
		return RELAY_QUEUE_FRONT;
	return flags & RELAY_RING_COPY ? RELAY_QUEUE_COPY : RELAY_QUEUE_BULK;
}

static void take_from_lane(struct relay_worker *w, const uint8_t *record, size_t len,
			   uint64_t now_us)
{
	struct relay_ring_head head;

	if (len < sizeof(head))
		return;
	memcpy(&head, record, sizeof(head));
	relay_count(&w->cfg.counters->taken_from_lane, 1);
	send_by(w, head.region, queue_of(head.flags), &head.key, record + sizeof(head),
		len - sizeof(head), now_us);
}

/* What main sends goes ahead of the lane's bulk, here and in every link's queues. */
static void on_lane(evutil_socket_t fd, short what, void *arg)
{
	struct relay_worker *w = arg;
	uint64_t now_us = clock_now_us();
	const uint8_t *record;
	size_t len;

	(void)fd;
	(void)what;
	ring_disarm(w->cfg.from_lane);
	drain_commands(w, now_us);
	for (unsigned i = 0; i < RECORDS_A_ROUND && ring_peek(w->cfg.from_lane, &record, &len);
	     i++) {
		take_from_lane(w, record, len, now_us);
		ring_pop(w->cfg.from_lane);
	}
	if (!ring_arm(w->cfg.from_lane)) /* more waits: after the sockets had their turn */
		event_active(w->on_lane, EV_READ, 0);
	arm(w, now_us);
}

struct event_base *relay_worker_base(struct relay_worker *w)
{
	return w->base;
}

void relay_worker_finish(struct relay_worker *w)
{
	event_active(w->on_commands, EV_READ, 0);
	event_active(w->on_lane, EV_READ, 0);
	loop_round(w->base);
}

/* ---- life ---- */

static int open_parts(struct relay_worker *w, char error[static RELAY_THREAD_ERROR_LEN])
{
	const short events = EV_READ | EV_PERSIST;
	int err = tls_client_context_new(w->cfg.ca_file, &w->env.tls, error);

	if (err)
		return err;
	w->base = loop_base_new();
	w->timer = loop_timer_new(w->base, on_timer, w);
	w->env.resolver = resolver_new(w->base);
	if (!w->env.resolver) {
		snprintf(error, RELAY_THREAD_ERROR_LEN, "cannot start the DNS resolver");
		return -EIO;
	}
	w->on_commands = event_new(w->base, ring_fd(w->cfg.commands), events, on_commands, w);
	w->on_lane = event_new(w->base, ring_fd(w->cfg.from_lane), events, on_lane, w);
	if (!w->on_commands || !w->on_lane || event_add(w->on_commands, NULL) != 0 ||
	    event_add(w->on_lane, NULL) != 0)
		abort();
	/* What comes before the thread runs is taken at its start; each callback arms its ring. */
	event_active(w->on_commands, EV_READ, 0);
	event_active(w->on_lane, EV_READ, 0);
	return 0;
}

int relay_worker_new(const struct relay_worker_config *cfg, struct relay_worker **out,
		     char error[static RELAY_THREAD_ERROR_LEN])
{
	struct relay_worker *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->cfg = *cfg;
	int err = open_parts(w, error);
	if (err) {
		relay_worker_free(w);
		return err;
	}
	w->env.base = w->base;
	w->env.secret = &w->cfg.secret;
	w->env.counters = cfg->counters;
	w->env.ops = &link_ops;
	w->env.arg = w;
	*out = w;
	return 0;
}

void relay_worker_free(struct relay_worker *w)
{
	if (!w)
		return;
	while (w->n_links > 0)
		close_link(w, w->n_links - 1);
	derp_map_free(w->map);
	resolver_free(w->env.resolver);
	tls_context_free(w->env.tls);
	loop_timer_free(w->timer);
	if (w->on_commands)
		event_free(w->on_commands);
	if (w->on_lane)
		event_free(w->on_lane);
	if (w->base)
		loop_base_free(w->base);
	secret_key_wipe(&w->cfg.secret);
	free(w);
}
