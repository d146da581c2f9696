#include "derp-relay/ready.h"

#include <string.h>

void ready_init(struct ready *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < READY_WORKERS_MAX; i++)
		r->of[i].asleep = true;
}

void ready_add(struct ready *r, struct port *port)
{
	struct ready_list *list = &r->of[port->worker];

	if (port->ready)
		return;
	port->ready = true;
	port->next_ready = NULL;
	*(list->tail ? &list->tail->next_ready : &list->head) = port;
	list->tail = port;
	if (list->asleep) {
		list->asleep = false;
		r->wakes |= UINT64_C(1) << port->worker;
	}
}

void ready_remove(struct ready *r, struct port *port)
{
	struct ready_list *list = &r->of[port->worker];
	struct port *before = NULL;

	if (!port->ready)
		return;
	for (struct port *p = list->head; p != port; p = p->next_ready)
		before = p;
	*(before ? &before->next_ready : &list->head) = port->next_ready;
	if (list->tail == port)
		list->tail = before;
	port->ready = false;
}

struct port *ready_next(struct ready *r, uint16_t worker)
{
	struct port *port = r->of[worker].head;

	if (port)
		ready_remove(r, port);
	else
		r->of[worker].asleep = true;
	return port;
}

uint64_t ready_take_wakes(struct ready *r)
{
	uint64_t wakes = r->wakes;

	r->wakes = 0;
	return wakes;
}
