#include "tests/sim/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/host.h"

/* 2026-03-02T08:00:00Z, a Monday. */
static const uint64_t start_unix_us = 1772438400ull * US_PER_S;
static const uint64_t start_us = 1000ull * US_PER_S;

/* A slot with this bit is a place in the list of parked events. */
#define PARKED 0x80000000u

/* What the heap compares lies in the heap, so that sifting touches few events. */
struct queued {
	uint64_t at_us, order;
	struct world_event *event;
};

struct part {
	void *ptr;
	void (*free)(void *ptr);
	size_t order; /* of setting */
};

struct world {
	uint64_t seed, now_us, order, fired;
	struct world_place here;
	bool is_stopped;
	/* Four children each: slots i*4+1 … i*4+4. Hollow: what stood at the root is being fired,
	 * and only its key stays, so that the next to come takes its place at once. */
	struct queued *heap;
	bool is_hollow;
	size_t n_heap, cap_heap;
	struct queued *parked; /* event NULL: cancelled meanwhile */
	size_t n_parked, cap_parked;
	struct random dice[WORLD_DICE_KINDS];
	struct part parts[WORLD_PARTS];
	size_t parts_set;
};

/* The one piece of file-scope state: the simulated programs ask for "the" time. */
static struct world *running;

/* ---- life ---- */

struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || running)
		abort();
	w->seed = seed;
	w->now_us = start_us;
	for (size_t i = 0; i < WORLD_DICE_KINDS; i++)
		random_init(&w->dice[i], seed, i);
	running = w;
	return w;
}

static void free_part(struct part *p)
{
	struct part old = *p;

	*p = (struct part){0};
	if (old.ptr && old.free)
		old.free(old.ptr);
}

static struct part *latest_part(struct world *w)
{
	struct part *latest = NULL;

	for (size_t i = 0; i < WORLD_PARTS; i++) {
		struct part *p = &w->parts[i];
		if (p->ptr && (!latest || p->order > latest->order))
			latest = p;
	}
	return latest;
}

void world_free(struct world *w)
{
	struct part *part;

	if (!w)
		return;
	/* Before the parts go: events lie in their memory. */
	for (size_t i = 0; i < w->n_heap; i++)
		w->heap[i].event->slot = 0;
	for (size_t i = 0; i < w->n_parked; i++)
		if (w->parked[i].event)
			w->parked[i].event->slot = 0;
	w->n_heap = w->n_parked = 0;
	while ((part = latest_part(w)))
		free_part(part);
	running = NULL;
	free(w->heap);
	free(w->parked);
	free(w);
}

struct world *world_running(void)
{
	return running;
}

uint64_t world_seed(const struct world *w)
{
	return w->seed;
}

/* ---- time and place ---- */

uint64_t world_now_us(void)
{
	return running->now_us;
}

uint64_t world_unix_us(void)
{
	uint64_t unix_us = start_unix_us + (running->now_us - start_us);

	if (running->here.host)
		unix_us += (uint64_t)host_wall_offset_us(running->here.host);
	return unix_us;
}

struct host *world_here(void)
{
	return running->here.host;
}

struct world_place world_place(void)
{
	return running->here;
}

bool world_place_is_ghost(struct world_place place)
{
	return place.host && place.incarnation != WORLD_KERNEL &&
	       place.incarnation != host_incarnation(place.host);
}

bool world_is_ghost(void)
{
	return world_place_is_ghost(running->here);
}

struct world_place world_enter_place(struct world_place place)
{
	struct world_place previous = running->here;

	running->here = place;
	return previous;
}

struct world_place world_enter(struct host *host)
{
	return world_enter_place((struct world_place){
		.host = host, .incarnation = host ? host_incarnation(host) : 0});
}

void world_leave(struct world_place previous)
{
	running->here = previous;
}

/* ---- the queue: a heap of four children, stable by order ---- */

static bool is_before(const struct queued *a, const struct queued *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void put(struct world *w, size_t i, struct queued q)
{
	w->heap[i] = q;
	q.event->slot = (uint32_t)i + 1;
}

static void sift_up(struct world *w, size_t i, struct queued q)
{
	while (i > 0 && is_before(&q, &w->heap[(i - 1) / 4])) {
		put(w, i, w->heap[(i - 1) / 4]);
		i = (i - 1) / 4;
	}
	put(w, i, q);
}

static size_t first_child(const struct world *w, size_t i)
{
	size_t best = i * 4 + 1, end = best + 4 < w->n_heap ? best + 4 : w->n_heap;

	for (size_t c = best + 1; c < end; c++)
		if (is_before(&w->heap[c], &w->heap[best]))
			best = c;
	return best;
}

static void sift_down(struct world *w, size_t i, struct queued q)
{
	while (i * 4 + 1 < w->n_heap) {
		size_t child = first_child(w, i);
		if (!is_before(&w->heap[child], &q))
			break;
		put(w, i, w->heap[child]);
		i = child;
	}
	put(w, i, q);
}

static void replace(struct world *w, size_t i, struct queued q)
{
	if (i > 0 && is_before(&q, &w->heap[(i - 1) / 4]))
		sift_up(w, i, q);
	else
		sift_down(w, i, q);
}

static void *grown(void *array, size_t n, size_t *cap)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 256;
	array = realloc(array, *cap * sizeof(struct queued));
	if (!array || *cap >= PARKED)
		abort();
	return array;
}

static void enqueue(struct world *w, struct world_event *e)
{
	struct queued q = {.at_us = e->at_us, .order = w->order++, .event = e};

	if (w->is_hollow) {
		w->is_hollow = false;
		sift_down(w, 0, q);
		return;
	}
	w->heap = grown(w->heap, w->n_heap, &w->cap_heap);
	sift_up(w, w->n_heap++, q);
}

static void fill(struct world *w, size_t i)
{
	struct queued last = w->heap[--w->n_heap];

	if (i < w->n_heap)
		replace(w, i, last);
}

static void dequeue(struct world *w, struct world_event *e)
{
	size_t i = e->slot - 1;

	e->slot = 0;
	fill(w, i);
}

static struct world_event *take_first(struct world *w)
{
	struct world_event *e = w->heap[0].event;

	e->slot = 0;
	w->is_hollow = true;
	return e;
}

static void park(struct world *w, struct world_event *e)
{
	w->parked = grown(w->parked, w->n_parked, &w->cap_parked);
	w->parked[w->n_parked++] = (struct queued){.event = e};
	e->slot = (uint32_t)w->n_parked | PARKED;
}

/* What the host slept since the event was set does not count towards its delay. */
static void add_sleep(struct world_event *e)
{
	uint64_t slept_us = host_slept_us(e->place.host);

	e->at_us += slept_us - e->slept_us;
	e->slept_us = slept_us;
}

void world_unpark(struct host *host)
{
	struct world *w = running;
	size_t kept = 0;

	for (size_t i = 0; i < w->n_parked; i++) {
		struct world_event *e = w->parked[i].event;
		if (!e)
			continue;
		if (e->place.host != host) {
			w->parked[kept++].event = e;
			e->slot = (uint32_t)kept | PARKED;
			continue;
		}
		if (e->is_awake)
			add_sleep(e);
		else
			e->at_us = w->now_us;
		enqueue(w, e);
	}
	w->n_parked = kept;
}

/* ---- events ---- */

void world_event_init(struct world_event *e, void (*fire)(void *arg), void *arg)
{
	*e = (struct world_event){.fire = fire, .arg = arg};
}

void world_event_cancel(struct world_event *e)
{
	struct world *w = running;

	if (e->slot == 0)
		return;
	if (e->slot & PARKED) {
		w->parked[(e->slot & ~PARKED) - 1].event = NULL;
		e->slot = 0;
	} else {
		dequeue(w, e);
	}
}

void world_event_set_at_place(struct world_event *e, uint64_t at_us, struct world_place place)
{
	struct world *w = running;

	if (at_us == US_NEVER || (e->slot & PARKED))
		world_event_cancel(e);
	if (at_us == US_NEVER)
		return;
	e->place = place;
	e->at_us = at_us > w->now_us ? at_us : w->now_us;
	e->is_awake = false;
	if (e->slot == 0)
		enqueue(w, e);
	else
		replace(w, e->slot - 1,
			(struct queued){.at_us = e->at_us, .order = w->order++, .event = e});
}

void world_event_set(struct world_event *e, uint64_t at_us)
{
	world_event_set_at_place(e, at_us, running->here);
}

void world_event_set_awake(struct world_event *e, uint64_t delay_us)
{
	uint64_t now_us = running->now_us;

	world_event_set(e, delay_us < US_NEVER - now_us ? now_us + delay_us : US_NEVER);
	if (e->slot == 0 || !e->place.host)
		return;
	e->is_awake = true;
	e->slept_us = host_slept_us(e->place.host);
}

bool world_event_is_set(const struct world_event *e)
{
	return e->slot != 0;
}

size_t world_events_of(const struct host *host)
{
	const struct world *w = running;
	uint32_t incarnation = host_incarnation(host);
	size_t n = 0;

	for (size_t i = w->is_hollow; i < w->n_heap; i++) {
		struct world_place place = w->heap[i].event->place;
		n += place.host == host && place.incarnation == incarnation;
	}
	for (size_t i = 0; i < w->n_parked; i++) {
		const struct world_event *e = w->parked[i].event;
		n += e && e->place.host == host && e->place.incarnation == incarnation;
	}
	return n;
}

/* ---- running ---- */

/* True where it must wait: its host sleeps, or slept since an awake event was set. */
static bool has_to_wait(struct world *w, struct world_event *e)
{
	struct host *host = e->place.host;

	if (host_is_asleep(host)) {
		park(w, e);
		return true;
	}
	if (!e->is_awake || host_slept_us(host) == e->slept_us)
		return false;
	add_sleep(e);
	enqueue(w, e);
	return true;
}

static void fire(struct world *w, struct world_event *e)
{
	if (e->place.host && (world_place_is_ghost(e->place) || has_to_wait(w, e)))
		return;
	w->here = e->place;
	w->fired++;
	e->fire(e->arg);
	w->here = (struct world_place){0};
}

bool world_step(struct world *w, uint64_t until_us)
{
	assert(!w->is_hollow); /* events fire one by one, never within another */
	if (w->n_heap == 0 || w->heap[0].at_us > until_us)
		return false;
	w->now_us = w->heap[0].at_us;
	fire(w, take_first(w));
	if (w->is_hollow)
		fill(w, 0);
	w->is_hollow = false;
	return true;
}

void world_run_until(struct world *w, uint64_t until_us)
{
	while (!w->is_stopped && world_step(w, until_us))
		;
	if (!w->is_stopped && w->now_us < until_us)
		w->now_us = until_us;
}

void world_stop(struct world *w)
{
	w->is_stopped = true;
}

bool world_is_stopped(const struct world *w)
{
	return w->is_stopped;
}

uint64_t world_events_fired(const struct world *w)
{
	return w->fired;
}

/* ---- dice and parts ---- */

struct random *world_dice(enum world_dice kind)
{
	return &running->dice[kind];
}

struct random world_dice_for(enum world_dice kind, uint64_t id)
{
	struct random r;

	random_init(&r, running->seed, ((uint64_t)kind + 1) << 48 ^ id);
	return r;
}

void *world_part(const struct world *w, enum world_part part)
{
	return w->parts[part].ptr;
}

void world_set_part(struct world *w, enum world_part part, void *ptr, void (*free_part_fn)(void *))
{
	free_part(&w->parts[part]);
	w->parts[part] = (struct part){.ptr = ptr, .free = free_part_fn, .order = ++w->parts_set};
}
