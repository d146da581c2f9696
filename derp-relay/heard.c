#include "derp-relay/heard.h"

#include <stdlib.h>

/* One side's doubly linked list: back points at the pointer that points here. */
struct heard_side {
	struct heard_edge *next;
	struct heard_edge **back;
};

struct heard_edge {
	struct relay_table_node node; /* first: nodes are cast back */
	struct heard_end *sender;
	struct heard_end *listener;
	struct heard_side of_sender;
	struct heard_side of_listener;
};

/* Addresses of our own structs: nobody outside chooses them, so mixing is enough. */
static uint64_t hash_pair(const struct heard_end *sender, const struct heard_end *listener)
{
	uint64_t h = (uint64_t)(uintptr_t)sender * UINT64_C(0x9e3779b97f4a7c15);

	h ^= (uint64_t)(uintptr_t)listener + UINT64_C(0x7f4a7c15) + (h << 6) + (h >> 2);
	h *= UINT64_C(0xff51afd7ed558ccd);
	return h ^ (h >> 32);
}

static struct heard_edge *find(const struct heard *h, uint64_t hash, const struct heard_end *sender,
			       const struct heard_end *listener)
{
	struct relay_table_node *n = relay_table_first(&h->edges, hash);

	for (; n; n = relay_table_next(n)) {
		struct heard_edge *e = (struct heard_edge *)(void *)n;
		if (e->sender == sender && e->listener == listener)
			return e;
	}
	return NULL;
}

static void link_sender(struct heard_edge *e)
{
	struct heard_edge **head = &e->sender->listeners;

	e->of_sender = (struct heard_side){.next = *head, .back = head};
	if (*head)
		(*head)->of_sender.back = &e->of_sender.next;
	*head = e;
}

static void link_listener(struct heard_edge *e)
{
	struct heard_edge **head = &e->listener->senders;

	e->of_listener = (struct heard_side){.next = *head, .back = head};
	if (*head)
		(*head)->of_listener.back = &e->of_listener.next;
	*head = e;
}

static void remove_edge(struct heard *h, struct heard_edge *e)
{
	*e->of_sender.back = e->of_sender.next;
	if (e->of_sender.next)
		e->of_sender.next->of_sender.back = e->of_sender.back;
	*e->of_listener.back = e->of_listener.next;
	if (e->of_listener.next)
		e->of_listener.next->of_listener.back = e->of_listener.back;
	e->sender->listener_count--;
	relay_table_remove(&h->edges, &e->node);
	free(e);
}

void heard_note(struct heard *h, struct heard_end *sender, struct heard_end *listener)
{
	uint64_t hash = hash_pair(sender, listener);

	if (find(h, hash, sender, listener))
		return;
	if (sender->listener_count >= HEARD_PER_SENDER_MAX || h->edges.count >= HEARD_MAX)
		return;

	struct heard_edge *e = malloc(sizeof(*e));
	if (!e)
		return;
	e->sender = sender;
	e->listener = listener;
	link_sender(e);
	link_listener(e);
	sender->listener_count++;
	relay_table_add(&h->edges, &e->node, hash);
}

struct heard_end *heard_pop_listener(struct heard *h, struct heard_end *sender)
{
	struct heard_edge *e = sender->listeners;

	if (!e)
		return NULL;
	struct heard_end *listener = e->listener;
	remove_edge(h, e);
	return listener;
}

void heard_forget(struct heard *h, struct heard_end *end)
{
	while (end->listeners)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		remove_edge(h, end->listeners);
	while (end->senders)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		remove_edge(h, end->senders);
}

void heard_wipe(struct heard *h)
{
	relay_table_wipe(&h->edges);
}
