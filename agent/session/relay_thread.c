#include "agent/session/relay_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "agent/session/relay_link.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/ring.h"
#include "common/net/tls.h"
#include "common/proto/derp_map.h"

enum {
	LINKS_MAX = 64,
	HOLD_MAX = 64,
	COMMAND_BYTES = 512 * 1024,
	EVENT_BYTES = 512 * 1024,
	RECORDS_A_ROUND = 256,
	STACK_BYTES = 512 * 1024,
	WIREGUARD_TYPES = 4
};

/* ---- what the two threads say to each other: a head, and a body by kind ---- */

enum command_kind { COMMAND_SET_MAP, COMMAND_HOLD, COMMAND_SEND, COMMAND_CHECK, COMMAND_STOP };

struct command {
	enum command_kind kind;
	uint32_t region;       /* SEND */
	struct public_key key; /* SEND: receiver */
	struct derp_map *map;  /* SET_MAP: the thread's from then on */
};

enum news_kind { NEWS_STATUS, NEWS_PACKET, NEWS_PEER_GONE };

struct news {
	enum news_kind kind;
	uint32_t region;
	struct public_key key; /* PACKET: sender; PEER_GONE */
	uint64_t now_us;
	struct relay_status status; /* STATUS */
};

/* The thread's own: main touches it before it starts and after it has ended. */
struct worker {
	struct event_base *base;
	struct loop_timer *timer;
	struct event *on_commands, *on_lane;
	struct relay_link_env env;
	struct derp_map *map;
	struct relay_link *links[LINKS_MAX];
	bool untold[LINKS_MAX]; /* its status did not fit into the ring */
	size_t n_links;
	uint32_t held[HOLD_MAX];
	size_t n_held;
};

struct relay_thread {
	const struct relay_thread_ops *ops;
	void *arg;
	struct secret_key secret;
	struct ring *commands, *news, *from_lane, *to_lane;
	struct event *on_news;
	struct relay_counters counters;
	pthread_t thread;
	bool running;
	bool *gone; /* set where an op stops us */
	struct worker worker;
};

/* ---- the thread: telling main ---- */

static bool tell_status(struct relay_thread *rt, const struct relay_link *link)
{
	struct news news = {.kind = NEWS_STATUS};

	relay_link_status(link, &news.status);
	return ring_push(rt->news, &news, sizeof(news), NULL, 0) == 0;
}

/* The earliest deadline of all; statuses that main could not take are told again soon. */
static void arm(struct worker *w, uint64_t now_us)
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
	struct relay_thread *rt = arg;
	struct worker *w = &rt->worker;

	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i] == link)
			w->untold[i] = !tell_status(rt, link);
	arm(w, clock_now_us()); /* a session that ended is due again soon */
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
	struct relay_thread *rt = arg;
	int err;

	if (is_wireguard(buf, len)) {
		const struct relay_ring_head head = {
			.region = region, .now_us = now_us, .key = *from};
		err = ring_push(rt->to_lane, &head, sizeof(head), buf, len);
	} else {
		const struct news news = {
			.kind = NEWS_PACKET, .region = region, .key = *from, .now_us = now_us};
		err = ring_push(rt->news, &news, sizeof(news), buf, len);
	}
	if (err)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

static void on_peer_gone(void *arg, uint32_t region, const struct public_key *key)
{
	struct relay_thread *rt = arg;
	const struct news news = {.kind = NEWS_PEER_GONE, .region = region, .key = *key};

	if (ring_push(rt->news, &news, sizeof(news), NULL, 0) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

static const struct relay_link_ops link_ops = {
	.on_status = on_status, .on_packet = on_packet, .on_peer_gone = on_peer_gone};

/* ---- the thread: its links ---- */

static struct relay_link *find_link(struct worker *w, uint32_t region)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (relay_link_region(w->links[i]) == region)
			return w->links[i];
	return NULL;
}

static struct relay_link *open_link(struct worker *w, uint32_t region)
{
	struct relay_link *link = find_link(w, region);
	const struct derp_region *r = link || !w->map ? NULL : derp_map_find(w->map, region);

	if (link || !r || w->n_links == LINKS_MAX)
		return link;
	link = relay_link_new(&w->env, r);
	w->untold[w->n_links] = false;
	w->links[w->n_links++] = link;
	return link;
}

static void close_link(struct worker *w, size_t i)
{
	relay_link_free(w->links[i]);
	w->n_links--;
	w->links[i] = w->links[w->n_links];
	w->untold[i] = w->untold[w->n_links];
}

static bool is_held(const struct worker *w, uint32_t region)
{
	for (size_t i = 0; i < w->n_held; i++)
		if (w->held[i] == region)
			return true;
	return false;
}

/* The first one held is home. */
static void apply_hold(struct worker *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->n_held; i++)
		(void)open_link(w, w->held[i]);
	for (size_t i = 0; i < w->n_links; i++) {
		uint32_t region = relay_link_region(w->links[i]);

		relay_link_hold(w->links[i], is_held(w, region),
				w->n_held > 0 && w->held[0] == region, now_us);
	}
}

static void tell_gone(struct relay_thread *rt, uint32_t region)
{
	struct news news = {.kind = NEWS_STATUS, .status.region = region};

	snprintf(news.status.reason, sizeof(news.status.reason), "not in the relay map any more");
	if (ring_push(rt->news, &news, sizeof(news), NULL, 0) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

static void take_map(struct relay_thread *rt, struct derp_map *map, uint64_t now_us)
{
	struct worker *w = &rt->worker;
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
		tell_gone(rt, id);
	}
	derp_map_free(old);
	apply_hold(w, now_us);
}

static void send_by(struct relay_thread *rt, uint32_t region, enum relay_queue queue,
		    const struct public_key *to, const uint8_t *buf, size_t len, uint64_t now_us)
{
	struct relay_link *link = open_link(&rt->worker, region);

	if (link)
		relay_link_send(link, queue, to, buf, len, now_us);
	else
		relay_count(&rt->counters.dropped_no_session, 1);
}

static void check_all(struct worker *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->n_links; i++)
		relay_link_check(w->links[i], now_us);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct relay_thread *rt = arg;
	struct worker *w = &rt->worker;

	for (size_t i = w->n_links; i-- > 0;) {
		relay_link_on_deadline(w->links[i], now_us);
		if (w->untold[i])
			on_status(rt, w->links[i]);
		if (relay_link_is_idle(w->links[i]) && !w->untold[i])
			close_link(w, i);
	}
	arm(w, now_us);
}

/* ---- the thread: its rings ---- */

static void take_hold(struct worker *w, const uint8_t *body, size_t len, uint64_t now_us)
{
	w->n_held = len / sizeof(w->held[0]);
	if (len > 0)
		memcpy(w->held, body, len);
	apply_hold(w, now_us);
}

static void take_command(struct relay_thread *rt, const uint8_t *record, size_t len,
			 uint64_t now_us)
{
	const uint8_t *body = record + sizeof(struct command);
	size_t body_len = len - sizeof(struct command);
	struct command command;

	memcpy(&command, record, sizeof(command));
	switch (command.kind) {
	case COMMAND_SET_MAP:
		take_map(rt, command.map, now_us);
		return;
	case COMMAND_HOLD:
		take_hold(&rt->worker, body, body_len, now_us);
		return;
	case COMMAND_SEND:
		send_by(rt, command.region, RELAY_QUEUE_FRONT, &command.key, body, body_len,
			now_us);
		return;
	case COMMAND_CHECK:
		check_all(&rt->worker, now_us);
		return;
	case COMMAND_STOP:
		loop_stop(rt->worker.base);
		return;
	}
}

/* All there are: main sends little. */
static void drain_commands(struct relay_thread *rt, uint64_t now_us)
{
	const uint8_t *record;
	size_t len;

	while (ring_peek(rt->commands, &record, &len)) {
		take_command(rt, record, len, now_us);
		ring_pop(rt->commands);
	}
}

static void on_commands(evutil_socket_t fd, short what, void *arg)
{
	struct relay_thread *rt = arg;
	uint64_t now_us = clock_now_us();

	(void)fd;
	(void)what;
	ring_disarm(rt->commands);
	do
		drain_commands(rt, now_us);
	while (!ring_arm(rt->commands));
	arm(&rt->worker, now_us);
}

static enum relay_queue queue_of(uint32_t flags)
{
	if (flags & (RELAY_RING_SPARSE | RELAY_RING_URGENT))
		return RELAY_QUEUE_FRONT;
	return flags & RELAY_RING_COPY ? RELAY_QUEUE_COPY : RELAY_QUEUE_BULK;
}

static void take_from_lane(struct relay_thread *rt, const uint8_t *record, size_t len,
			   uint64_t now_us)
{
	struct relay_ring_head head;

	if (len < sizeof(head))
		return;
	memcpy(&head, record, sizeof(head));
	send_by(rt, head.region, queue_of(head.flags), &head.key, record + sizeof(head),
		len - sizeof(head), now_us);
}

/* What main sends goes ahead of the lane's bulk, here and in every link's queues. */
static void on_lane(evutil_socket_t fd, short what, void *arg)
{
	struct relay_thread *rt = arg;
	uint64_t now_us = clock_now_us();
	const uint8_t *record;
	size_t len;

	(void)fd;
	(void)what;
	ring_disarm(rt->from_lane);
	drain_commands(rt, now_us);
	for (unsigned i = 0; i < RECORDS_A_ROUND && ring_peek(rt->from_lane, &record, &len); i++) {
		take_from_lane(rt, record, len, now_us);
		ring_pop(rt->from_lane);
	}
	if (!ring_arm(rt->from_lane)) /* more waits: after the sockets had their turn */
		event_active(rt->worker.on_lane, EV_READ, 0);
	arm(&rt->worker, now_us);
}

static void *run(void *arg)
{
	struct relay_thread *rt = arg;

	/* What came before this thread ran is taken now; each callback arms its ring. */
	event_active(rt->worker.on_commands, EV_READ, 0);
	event_active(rt->worker.on_lane, EV_READ, 0);
	loop_run(rt->worker.base);
	return NULL;
}

/* ---- main: news ---- */

static void tell_owner(struct relay_thread *rt, const uint8_t *record, size_t len)
{
	struct news news;

	memcpy(&news, record, sizeof(news));
	switch (news.kind) {
	case NEWS_STATUS:
		rt->ops->on_status(rt->arg, &news.status);
		return;
	case NEWS_PACKET:
		rt->ops->on_packet(rt->arg, news.region, &news.key, record + sizeof(news),
				   len - sizeof(news), news.now_us);
		return;
	case NEWS_PEER_GONE:
		rt->ops->on_peer_gone(rt->arg, news.region, &news.key);
		return;
	}
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
	struct relay_thread *rt = arg;
	const uint8_t *record;
	bool gone = false;
	size_t len;

	(void)fd;
	(void)what;
	ring_disarm(rt->news);
	rt->gone = &gone;
	for (unsigned i = 0; i < RECORDS_A_ROUND && ring_peek(rt->news, &record, &len); i++) {
		tell_owner(rt, record, len);
		if (gone)
			return;
		ring_pop(rt->news);
	}
	rt->gone = NULL;
	if (!ring_arm(rt->news))
		event_active(rt->on_news, EV_READ, 0);
}

/* ---- main: life ---- */

static int open_parts(struct relay_thread *rt, const struct relay_thread_config *cfg,
		      char error[static RELAY_THREAD_ERROR_LEN])
{
	struct worker *w = &rt->worker;
	int err = tls_client_context_new(cfg->ca_file, &w->env.tls, error);

	if (err)
		return err;
	w->base = loop_base_new();
	w->timer = loop_timer_new(w->base, on_timer, rt);
	w->env.resolver = resolver_new(w->base);
	rt->commands = ring_new(COMMAND_BYTES);
	rt->news = ring_new(EVENT_BYTES);
	if (!w->env.resolver || !rt->commands || !rt->news) {
		snprintf(error, RELAY_THREAD_ERROR_LEN, "out of memory or file descriptors");
		return -ENOMEM;
	}
	const short events = EV_READ | EV_PERSIST;
	w->on_commands = event_new(w->base, ring_fd(rt->commands), events, on_commands, rt);
	w->on_lane = event_new(w->base, ring_fd(rt->from_lane), events, on_lane, rt);
	rt->on_news = event_new(cfg->base, ring_fd(rt->news), events, on_news, rt);
	if (!w->on_commands || !w->on_lane || !rt->on_news ||
	    event_add(w->on_commands, NULL) != 0 || event_add(w->on_lane, NULL) != 0 ||
	    event_add(rt->on_news, NULL) != 0)
		abort();
	event_active(rt->on_news, EV_READ, 0); /* arms its ring */
	return 0;
}

/* Signals are main's. */
static int start_thread(struct relay_thread *rt)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&rt->thread, &attr, run, rt);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	rt->running = err == 0;
	return -err;
}

int relay_thread_start(const struct relay_thread_config *cfg, struct relay_thread **out,
		       char error[static RELAY_THREAD_ERROR_LEN])
{
	struct relay_thread *rt = calloc(1, sizeof(*rt));

	if (!rt)
		abort();
	rt->ops = cfg->ops;
	rt->arg = cfg->arg;
	rt->secret = cfg->node_secret;
	rt->from_lane = cfg->from_lane;
	rt->to_lane = cfg->to_lane;
	int err = open_parts(rt, cfg, error);
	if (err == 0) {
		struct relay_link_env *env = &rt->worker.env;

		env->base = rt->worker.base;
		env->secret = &rt->secret;
		env->counters = &rt->counters;
		env->ops = &link_ops;
		env->arg = rt;
		err = start_thread(rt);
		if (err)
			snprintf(error, RELAY_THREAD_ERROR_LEN, "cannot start the relay thread: %s",
				 strerror(-err));
	}
	if (err) {
		relay_thread_stop(rt);
		return err;
	}
	*out = rt;
	return 0;
}

/* -ENOBUFS where the thread is behind. */
static int push_command(struct relay_thread *rt, const struct command *command, const void *body,
			size_t len)
{
	return ring_push(rt->commands, command, sizeof(*command), body, len);
}

static void free_unread_maps(struct ring *commands)
{
	struct command command;
	const uint8_t *record;
	size_t len;

	while (commands && ring_peek(commands, &record, &len)) {
		memcpy(&command, record, sizeof(command));
		if (command.kind == COMMAND_SET_MAP)
			derp_map_free(command.map);
		ring_pop(commands);
	}
}

static void join_thread(struct relay_thread *rt)
{
	const struct timespec wait = {.tv_nsec = 1000 * 1000};

	while (push_command(rt, &(struct command){.kind = COMMAND_STOP}, NULL, 0) != 0)
		nanosleep(&wait, NULL);
	pthread_join(rt->thread, NULL);
}

static void close_worker(struct worker *w)
{
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
}

void relay_thread_stop(struct relay_thread *rt)
{
	if (!rt)
		return;
	if (rt->running)
		join_thread(rt);
	if (rt->gone)
		*rt->gone = true;
	close_worker(&rt->worker);
	free_unread_maps(rt->commands);
	if (rt->on_news)
		event_free(rt->on_news);
	ring_free(rt->commands);
	ring_free(rt->news);
	secret_key_wipe(&rt->secret);
	free(rt);
}

/* ---- main: commands ---- */

static struct derp_map *copy_map(const struct derp_map *map)
{
	struct json_error err = {0};
	struct json *tree = derp_map_to_json(map), *again = NULL;
	struct derp_map *copy = NULL;
	char *text = json_print(tree);

	json_free(tree);
	if (json_parse(text, strlen(text), DERP_MAP_TEXT_MAX, &again, &err) == 0) {
		struct json_in root = json_root(again, &err);

		if (derp_map_from_json(&root, &copy) != 0)
			copy = NULL;
		json_free(again);
	}
	free(text);
	return copy;
}

void relay_thread_set_map(struct relay_thread *rt, const struct derp_map *map)
{
	struct command command = {.kind = COMMAND_SET_MAP, .map = copy_map(map)};

	if (!command.map || push_command(rt, &command, NULL, 0) != 0)
		derp_map_free(command.map);
}

void relay_thread_hold(struct relay_thread *rt, const uint32_t *regions, size_t n)
{
	struct command command = {.kind = COMMAND_HOLD};

	if (n > HOLD_MAX)
		n = HOLD_MAX;
	if (push_command(rt, &command, regions, n * sizeof(regions[0])) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

void relay_thread_send(struct relay_thread *rt, uint32_t region, const struct public_key *to,
		       const uint8_t *buf, size_t len)
{
	struct command command = {.kind = COMMAND_SEND, .region = region, .key = *to};

	if (push_command(rt, &command, buf, len) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

void relay_thread_check(struct relay_thread *rt)
{
	if (push_command(rt, &(struct command){.kind = COMMAND_CHECK}, NULL, 0) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void relay_thread_read_counters(const struct relay_thread *rt, struct relay_thread_counters *out)
{
	const struct relay_counters *c = &rt->counters;

	*out = (struct relay_thread_counters){
		.sent_packets = read_counter(&c->sent_packets),
		.sent_bytes = read_counter(&c->sent_bytes),
		.received_packets = read_counter(&c->received_packets),
		.received_bytes = read_counter(&c->received_bytes),
		.dropped_no_session = read_counter(&c->dropped_no_session),
		.dropped_queue_full = read_counter(&c->dropped_queue_full),
		.dropped_copy_late = read_counter(&c->dropped_copy_late),
	};
}
