#include "agent/session/relay_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "agent/session/relay_worker.h"
#include "common/json.h"
#include "common/net/loop.h"
#include "common/net/ring.h"
#include "common/proto/derp_map.h"

enum {
	COMMAND_BYTES = 512 * 1024,
	NEWS_BYTES = 512 * 1024,
	RECORDS_A_ROUND = 256,
};

struct relay_thread {
	const struct relay_thread_ops *ops;
	void *arg;
	struct ring *commands, *news;
	struct event *on_news;
	struct relay_counters counters;
	struct relay_worker *worker;
	struct loop_thread *thread;
	bool *gone; /* set where an op stops us */
};

/* ---- news ---- */

static void tell_owner(struct relay_thread *rt, const uint8_t *record, size_t len)
{
	struct relay_news news;

	memcpy(&news, record, sizeof(news));
	switch (news.kind) {
	case RELAY_NEWS_STATUS:
		rt->ops->on_status(rt->arg, &news.status);
		return;
	case RELAY_NEWS_PACKET:
		rt->ops->on_packet(rt->arg, news.region, &news.key, record + sizeof(news),
				   len - sizeof(news), news.now_us);
		return;
	case RELAY_NEWS_PEER_GONE:
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

/* ---- life ---- */

static int open_parts(struct relay_thread *rt, const struct relay_thread_config *cfg,
		      char error[static RELAY_THREAD_ERROR_LEN])
{
	struct relay_worker_config worker = {.ca_file = cfg->ca_file,
					     .secret = cfg->node_secret,
					     .from_lane = cfg->from_lane,
					     .to_lane = cfg->to_lane,
					     .counters = &rt->counters};

	rt->commands = worker.commands = ring_new(COMMAND_BYTES);
	rt->news = worker.news = ring_new(NEWS_BYTES);
	if (!rt->commands || !rt->news) {
		snprintf(error, RELAY_THREAD_ERROR_LEN, "out of memory or file descriptors");
		return -ENOMEM;
	}
	int err = relay_worker_new(&worker, &rt->worker, error);
	secret_key_wipe(&worker.secret);
	if (err)
		return err;
	rt->on_news = event_new(cfg->base, ring_fd(rt->news), EV_READ | EV_PERSIST, on_news, rt);
	if (!rt->on_news || event_add(rt->on_news, NULL) != 0)
		abort();
	event_active(rt->on_news, EV_READ, 0); /* arms its ring */
	return 0;
}

int relay_thread_start(const struct relay_thread_config *cfg, struct relay_thread **out,
		       char error[static RELAY_THREAD_ERROR_LEN])
{
	struct relay_thread *rt = calloc(1, sizeof(*rt));

	if (!rt)
		abort();
	rt->ops = cfg->ops;
	rt->arg = cfg->arg;
	int err = open_parts(rt, cfg, error);
	if (err == 0) {
		err = loop_thread_start(relay_worker_base(rt->worker), NULL, NULL, &rt->thread);
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
static int push_command(struct relay_thread *rt, const struct relay_command *command,
			const void *body, size_t len)
{
	return ring_push(rt->commands, command, sizeof(*command), body, len);
}

static void free_unread_maps(struct ring *commands)
{
	struct relay_command command;
	const uint8_t *record;
	size_t len;

	while (commands && ring_peek(commands, &record, &len)) {
		memcpy(&command, record, sizeof(command));
		if (command.kind == RELAY_COMMAND_SET_MAP)
			derp_map_free(command.map);
		ring_pop(commands);
	}
}

void relay_thread_stop(struct relay_thread *rt)
{
	if (!rt)
		return;
	if (rt->thread) {
		loop_thread_stop(rt->thread);
		relay_worker_finish(rt->worker);
	}
	if (rt->gone)
		*rt->gone = true;
	relay_worker_free(rt->worker);
	free_unread_maps(rt->commands);
	if (rt->on_news)
		event_free(rt->on_news);
	ring_free(rt->commands);
	ring_free(rt->news);
	free(rt);
}

/* ---- commands ---- */

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
	struct relay_command command = {.kind = RELAY_COMMAND_SET_MAP, .map = copy_map(map)};

	if (!command.map || push_command(rt, &command, NULL, 0) != 0)
		derp_map_free(command.map);
}

void relay_thread_hold(struct relay_thread *rt, const uint32_t *regions, size_t n)
{
	struct relay_command command = {.kind = RELAY_COMMAND_HOLD};

	if (n > RELAY_HOLD_MAX)
		n = RELAY_HOLD_MAX;
	if (push_command(rt, &command, regions, n * sizeof(regions[0])) != 0)
		relay_count(&rt->counters.dropped_news, 1);
}

void relay_thread_send(struct relay_thread *rt, uint32_t region, const struct public_key *to,
		       const uint8_t *buf, size_t len)
{
	struct relay_command command = {.kind = RELAY_COMMAND_SEND, .region = region, .key = *to};

	relay_count(&rt->counters.taken_from_main, 1);
	if (push_command(rt, &command, buf, len) != 0)
		relay_count(&rt->counters.dropped_queue_full, 1);
}

static void push_word(struct relay_thread *rt, enum relay_command_kind kind)
{
	if (push_command(rt, &(struct relay_command){.kind = kind}, NULL, 0) != 0)
		relay_count(&rt->counters.dropped_news, 1);
}

void relay_thread_hurry(struct relay_thread *rt)
{
	push_word(rt, RELAY_COMMAND_HURRY);
}

void relay_thread_doubt(struct relay_thread *rt)
{
	push_word(rt, RELAY_COMMAND_DOUBT);
}

void relay_thread_check(struct relay_thread *rt)
{
	push_word(rt, RELAY_COMMAND_CHECK);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void relay_thread_read_counters(const struct relay_thread *rt, struct relay_thread_counters *out)
{
	const struct relay_counters *c = &rt->counters;

	*out = (struct relay_thread_counters){
		.taken_from_lane = read_counter(&c->taken_from_lane),
		.taken_from_main = read_counter(&c->taken_from_main),
		.queued = read_counter(&c->queued),
		.dropped_receiver_full = read_counter(&c->dropped_receiver_full),
		.dropped_news = read_counter(&c->dropped_news),
		.sent_packets = read_counter(&c->sent_packets),
		.sent_bytes = read_counter(&c->sent_bytes),
		.received_packets = read_counter(&c->received_packets),
		.received_bytes = read_counter(&c->received_bytes),
		.dropped_no_session = read_counter(&c->dropped_no_session),
		.dropped_queue_full = read_counter(&c->dropped_queue_full),
		.dropped_copy_late = read_counter(&c->dropped_copy_late),
	};
}
