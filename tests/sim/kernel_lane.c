/* lane_thread.h for simulated hosts: the world gives the lane its turns. */
#include "agent/tunnel/lane_thread.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/tunnel/lane.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/world.h"

struct lane_thread {
	struct lane *lane;
	struct world_event turn;
	struct descriptor_watch watches[LANE_SOURCES]; /* by enum lane_source */
	bool is_armed;				       /* the relay's ring */
};

static void on_ready(void *arg)
{
	struct lane_thread *t = arg;
	uint64_t now_us = world_now_us();

	if (!world_event_is_set(&t->turn) || t->turn.at_us > now_us)
		world_event_set(&t->turn, now_us);
}

static unsigned ready_of(const struct lane_thread *t)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < LANE_SOURCES; i++)
		if (t->watches[i].next && descriptor_ready(t->watches[i].fd) & DESCRIPTOR_READABLE)
			ready |= 1u << i;
	return ready;
}

/* When it wakes without being woken: epoll_wait's milliseconds, which do not count sleep. */
static void rest(struct lane_thread *t, uint64_t deadline_us)
{
	struct lane *lane = t->lane;
	uint64_t now_us = world_now_us();

	t->is_armed = lane->from_relay && ring_arm(lane->from_relay);
	quiet_sleep(&lane->view->quiet, lane->number);
	if ((lane->from_relay && !t->is_armed) || ready_of(t) != 0 || deadline_us <= now_us)
		world_event_set(&t->turn, now_us);
	else if (deadline_us == US_NEVER)
		world_event_cancel(&t->turn);
	else
		world_event_set_awake(&t->turn, (deadline_us - now_us + US_PER_MS - 1) / US_PER_MS *
							US_PER_MS);
}

static uint64_t take_turn(struct lane_thread *t)
{
	struct lane *lane = t->lane;

	quiet_wake(&lane->view->quiet, lane->number);
	if (t->is_armed)
		ring_disarm(lane->from_relay);
	t->is_armed = false;
	return lane_turn(lane, ready_of(t), world_now_us());
}

static void on_turn(void *arg)
{
	struct lane_thread *t = arg;
	uint64_t deadline_us = take_turn(t);

	if (!t->lane->stops)
		rest(t, deadline_us);
}

static void watch(struct lane_thread *t, int fd, enum lane_source source)
{
	struct descriptor_watch *w = &t->watches[source];

	if (fd < 0)
		return;
	*w = (struct descriptor_watch){
		.fd = fd, .what = DESCRIPTOR_READABLE, .on_ready = on_ready, .arg = t};
	descriptor_watch(w);
}

int lane_thread_watch_udp(struct lane_thread *t, const struct udp *udp)
{
	descriptor_unwatch(&t->watches[LANE_ON_UDP4]);
	descriptor_unwatch(&t->watches[LANE_ON_UDP6]);
	watch(t, udp->fd4, LANE_ON_UDP4);
	watch(t, udp->fd6, LANE_ON_UDP6);
	return 0;
}

void lane_thread_unwatch_udp(struct lane_thread *t, const struct udp *udp)
{
	(void)t; /* the new ones took its place */
	(void)udp;
}

int lane_thread_start(struct lane *lane, struct lane_thread **out)
{
	struct lane_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->lane = lane;
	world_event_init(&t->turn, on_turn, t);
	watch(t, lane->mailbox.fd, LANE_ON_MAIL);
	watch(t, lane->tun_fd, LANE_ON_TUN);
	(void)!lane_thread_watch_udp(t, atomic_load(&lane->view->udp));
	if (lane->from_relay)
		watch(t, ring_fd(lane->from_relay), LANE_ON_RELAY);
	world_event_set(&t->turn, world_now_us()); /* arms the ring */
	*out = t;
	return 0;
}

void lane_thread_stop(struct lane_thread *t)
{
	if (!t)
		return;
	lane_tell(t->lane, LANE_STOP);
	while (!t->lane->stops)
		(void)take_turn(t);
	quiet_sleep(&t->lane->view->quiet, t->lane->number);
	for (unsigned i = 0; i < LANE_SOURCES; i++)
		descriptor_unwatch(&t->watches[i]);
	world_event_cancel(&t->turn);
	free(t);
}
