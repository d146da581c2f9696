#include "tests/sim/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/stream_inside.h"
#include "tests/sim/trace.h"

enum { PORT_FIRST = 32768, PORT_LAST = 60999, PORT_TRIES = 64 };

static struct stream_stack *stack_of(struct host *h)
{
	if (!h->streams)
		h->streams = calloc(1, sizeof(*h->streams));
	if (!h->streams)
		abort();
	return h->streams;
}

struct table_key stream_key(uint16_t local_port, const struct endpoint *remote)
{
	struct endpoint local = {.port = local_port};

	return table_key_of(1, &local, remote);
}

static struct table_key listener_key(uint16_t port)
{
	return (struct table_key){.w = {[0] = port, [4] = 1}};
}

/* ---- life and memory ---- */

static void on_notify(void *arg)
{
	stream_tell(arg);
}

struct stream *stream_new(struct host *h, const struct endpoint *local,
			  const struct endpoint *remote, uint64_t id)
{
	struct stream_stack *stack = stack_of(h);
	struct stream *s = calloc(1, sizeof(*s));
	struct table_key key = stream_key(local->port, remote);

	if (!s)
		abort();
	s->host = h;
	s->local = *local;
	s->remote = *remote;
	s->id = id;
	world_event_init(&s->notify, on_notify, s);
	table_add(&stack->connections, &key)->value.ptr = s;
	s->following = stack->all;
	if (stack->all)
		stack->all->prev = s;
	stack->all = s;
	return s;
}

static void free_stream(struct stream *s)
{
	if (s->prev)
		s->prev->following = s->following;
	else if (s->host->streams)
		s->host->streams->all = s->following;
	if (s->following)
		s->following->prev = s->prev;
	world_event_cancel(&s->notify);
	world_event_cancel(&s->resend);
	byte_queue_wipe(&s->in);
	byte_queue_wipe(&s->out);
	free(s);
}

void stream_settle(struct stream *s)
{
	if (s->state == STREAM_DEAD && !s->has_owner && s->in_use == 0)
		free_stream(s);
}

void stream_tell(struct stream *s)
{
	if (s->has_owner && s->on_event && !world_place_is_ghost(s->place)) {
		struct world_place previous = world_enter_place(s->place);
		s->in_use++;
		s->on_event(s->arg, s);
		s->in_use--;
		world_leave(previous);
	}
	stream_settle(s);
}

void stream_hand_over(struct stream *s)
{
	struct stream_listener *l = s->listener;
	struct world_place previous = world_enter_place(l->place);

	s->listener = NULL;
	s->place = l->place;
	s->has_owner = true;
	l->on_accept(l->arg, s);
	world_leave(previous);
}

/* The owner is gone: a kernel delivers what is left, or resets where something was not read. */
static void end_without_owner(struct stream *s)
{
	s->on_event = NULL;
	if (s->state == STREAM_DIALLING || byte_queue_len(&s->in) > 0) {
		connection_reset(s);
		return;
	}
	stream_end(s);
	connection_orphan(s);
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	world_event_cancel(&s->notify);
	s->has_owner = false;
	end_without_owner(s);
	stream_settle(s);
}

void stream_abort(struct stream *s)
{
	world_event_cancel(&s->notify);
	connection_reset(s);
	s->has_owner = false;
	stream_settle(s);
}

static void reset_embryos(struct host *h, const struct stream_listener *l)
{
	for (struct stream *s = h->streams->all, *next; s; s = next) {
		next = s->following;
		if (s->state != STREAM_ACCEPTING || s->listener != l)
			continue;
		connection_reset(s);
		stream_settle(s);
	}
}

static void end_listeners(struct host *h)
{
	struct table_entry *e;

	for (size_t at = 0; (e = table_next(&h->streams->listeners, &at));) {
		struct stream_listener *l = e->value.ptr;
		reset_embryos(h, l);
		l->host = NULL;
	}
	table_wipe(&h->streams->listeners);
}

void stream_on_death(struct host *h, bool has_power)
{
	if (!h->streams)
		return;
	end_listeners(h);
	for (struct stream *s = h->streams->all, *next; s; s = next) {
		next = s->following;
		world_event_cancel(&s->notify);
		if (!has_power)
			connection_die(s, -ECONNABORTED);
		else if (s->has_owner)
			end_without_owner(s);
		stream_settle(s);
	}
}

void stream_free_stack(struct host *h)
{
	if (!h->streams)
		return;
	stream_on_death(h, false);
	while (h->streams->all) /* never closed by their owners */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		free_stream(h->streams->all);
	table_wipe(&h->streams->connections);
	table_wipe(&h->streams->listeners);
	free(h->streams);
	h->streams = NULL;
}

/* ---- dialling and listening ---- */

static bool find_port(struct host *h, const struct endpoint *to, uint16_t *out)
{
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		h->next_port = h->next_port < PORT_LAST ? (uint16_t)(h->next_port + 1)
							: (uint16_t)PORT_FIRST;
		struct table_key key = stream_key(h->next_port, to);
		struct table_key listening = listener_key(h->next_port);
		*out = h->next_port;
		if (!table_find(&h->streams->connections, &key) &&
		    !table_find(&h->streams->listeners, &listening))
			return true;
	}
	return false;
}

int stream_dial(const struct endpoint *to, stream_event_fn *on_event, void *arg,
		struct stream **out)
{
	struct host *h = world_here();
	struct endpoint local;

	if (world_is_ghost() || h->is_off || !host_source_for(h, &to->ip, &local.ip))
		return -ENETUNREACH;
	stack_of(h);
	if (!find_port(h, to, &local.port))
		return -EADDRNOTAVAIL;
	struct stream *s = stream_new(h, &local, to, random_u64(&h->dice));
	s->place = world_place();
	s->has_owner = true;
	s->on_event = on_event;
	s->arg = arg;
	*out = s;
	connection_dial(s);
	return 0;
}

int stream_listen(uint16_t port, void (*on_accept)(void *arg, struct stream *s), void *arg,
		  struct stream_listener **out)
{
	struct host *h = world_here();
	struct stream_stack *stack = stack_of(h);

	while (port == 0) {
		h->next_port = h->next_port < PORT_LAST ? (uint16_t)(h->next_port + 1)
							: (uint16_t)PORT_FIRST;
		struct table_key taken = listener_key(h->next_port);
		port = table_find(&stack->listeners, &taken) ? 0 : h->next_port;
	}
	struct table_key key = listener_key(port);
	if (table_find(&stack->listeners, &key))
		return -EADDRINUSE;
	struct stream_listener *l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	*l = (struct stream_listener){.host = world_is_ghost() ? NULL : h,
				      .place = world_place(),
				      .port = port,
				      .on_accept = on_accept,
				      .arg = arg};
	if (l->host)
		table_add(&stack->listeners, &key)->value.ptr = l;
	*out = l;
	return 0;
}

uint16_t stream_listener_port(const struct stream_listener *l)
{
	return l->port;
}

void stream_listener_close(struct stream_listener *l)
{
	if (!l)
		return;
	if (l->host) {
		struct table_key key = listener_key(l->port);
		table_remove(&l->host->streams->listeners, &key);
		reset_embryos(l->host, l);
	}
	free(l);
}

/* ---- segments to this host ---- */

static void on_first_segment(struct host *h, struct transit *p)
{
	struct table_key key = listener_key(p->to.port);
	const struct table_entry *e = h->streams ? table_find(&h->streams->listeners, &key) : NULL;

	if (!e || p->segment.flags != SEGMENT_SYN) {
		segment_refuse(h, p);
		transit_free(p);
		return;
	}
	struct stream *s = stream_new(h, &p->to, &p->from, p->segment.id);
	s->listener = e->value.ptr;
	transit_free(p);
	connection_accept(s);
}

void stream_on_packet(struct host *h, struct transit *p)
{
	struct table_key key = stream_key(p->to.port, &p->from);
	const struct table_entry *e =
		h->streams ? table_find(&h->streams->connections, &key) : NULL;
	struct stream *s = e ? e->value.ptr : NULL;

	internet_of_world()->counters.tcp_delivered++;
	if (s && s->id == p->segment.id) {
		connection_on_segment(s, p);
		return;
	}
	if (s && p->segment.flags == SEGMENT_SYN) {
		/* The other side began anew on the same ports: ours is long dead. */
		connection_die(s, -ECONNRESET);
		stream_tell(s);
	}
	on_first_segment(h, p);
}

/* ---- the owner's calls ---- */

static bool is_told(const struct stream *s)
{
	return stream_can_receive(s) || stream_is_open(s) || s->err != 0;
}

void stream_watch(struct stream *s, stream_event_fn *on_event, void *arg)
{
	s->on_event = on_event;
	s->arg = arg;
	s->place = world_place();
	if (on_event && is_told(s))
		world_event_set(&s->notify, world_now_us());
}

static size_t room_to_send(const struct stream *s)
{
	size_t held = byte_queue_len(&s->out), unsent = stream_not_sent(s);
	size_t room = held < STREAM_BUFFER_BYTES ? STREAM_BUFFER_BYTES - held : 0;

	if (s->not_sent_max == 0)
		return room;
	size_t bound = unsent < s->not_sent_max ? s->not_sent_max - unsent : 0;
	return bound < room ? bound : room;
}

ssize_t stream_send(struct stream *s, const void *data, size_t len)
{
	size_t room = room_to_send(s);

	if (s->err != 0)
		return s->err;
	if (s->is_ended || s->state == STREAM_DEAD)
		return -EPIPE;
	if (s->state != STREAM_OPEN)
		return -ENOTCONN;
	if (world_place_is_ghost(s->place))
		return -EPIPE;
	if (room == 0)
		return len == 0 ? 0 : -EAGAIN;
	if (len > room)
		len = room;
	byte_queue_append(&s->out, data, len);
	connection_push(s);
	return (ssize_t)len;
}

ssize_t stream_receive(struct stream *s, void *data, size_t cap)
{
	size_t len = byte_queue_len(&s->in);

	if (len == 0 && s->has_peer_end)
		return 0;
	if (len == 0)
		return s->err != 0 ? s->err : -EAGAIN;
	if (len > cap)
		len = cap;
	if (len > 0)
		memcpy(data, byte_queue_front(&s->in), len);
	byte_queue_take(&s->in, len);
	connection_on_read(s);
	return (ssize_t)len;
}

void stream_end(struct stream *s)
{
	if (s->is_ended)
		return;
	s->is_ended = true;
	s->end_seq = s->una + byte_queue_len(&s->out);
	connection_push(s);
}

void stream_set_sealed(struct stream *s, bool is_sealed)
{
	s->is_sealed = is_sealed;
}

void stream_set_not_sent_max(struct stream *s, size_t bytes)
{
	s->not_sent_max = bytes;
}

bool stream_is_open(const struct stream *s)
{
	return s->state == STREAM_OPEN;
}

bool stream_can_receive(const struct stream *s)
{
	return byte_queue_len(&s->in) > 0 || s->has_peer_end || s->err != 0;
}

bool stream_can_send(const struct stream *s)
{
	return s->err != 0 || s->state == STREAM_DEAD ||
	       (s->state == STREAM_OPEN && room_to_send(s) > 0);
}

size_t stream_waiting(const struct stream *s)
{
	return byte_queue_len(&s->in);
}

size_t stream_unsent(const struct stream *s)
{
	return byte_queue_len(&s->out);
}

size_t stream_not_sent(const struct stream *s)
{
	uint64_t end = s->una + byte_queue_len(&s->out);

	return s->highest < end ? (size_t)(end - s->highest) : 0;
}

/* The kernel's times stand still in sleep: as long ago as it thinks. */
static uint64_t world_time_of(const struct stream *s, uint64_t awake_us)
{
	return awake_us == 0 ? 0 : world_now_us() - (host_awake_us(s->host) - awake_us);
}

uint64_t stream_acked_us(const struct stream *s)
{
	return world_time_of(s, s->acked_us);
}

uint64_t stream_unacked_since_us(const struct stream *s)
{
	return world_time_of(s, s->waiting_since_us);
}

int stream_error(const struct stream *s)
{
	return s->err;
}

struct endpoint stream_local(const struct stream *s)
{
	return s->local;
}

struct endpoint stream_remote(const struct stream *s)
{
	return s->remote;
}
