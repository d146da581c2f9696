/* The admin takes away what a pair may, and gives it back. */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/coordinator_machine.h"
#include "tests/sim/play_inside.h"

enum { POLICY_TEXT_LEN = 4096 };

/* NULL: nothing is forbidden between them now. */
static const struct day_event *forbidden(const struct play *p, unsigned from, unsigned to)
{
	const struct day_event *e = p->forbidden[from];

	return e && e->whom == to ? e : NULL;
}

static void print_rule(const struct play *p, unsigned from, unsigned to, const char *comma, FILE *f)
{
	const struct day_node *a = &p->day->nodes[from], *b = &p->day->nodes[to];
	const struct day_event *e = forbidden(p, from, to);

	fprintf(f,
		"%s{\"from\": {\"name\": \"%s.%s\"}, \"to\": {\"name\": \"%s.%s\"}, "
		"\"ports\": [\"%u-%u\"]}",
		comma, a->name, a->owner, b->name, b->owner, e ? e->amount : 0,
		e ? e->amount : UINT16_MAX);
}

static void print_policy(const struct play *p, FILE *f)
{
	const char *comma = "";

	fprintf(f, "{\"default\": false, \"rules\": [");
	for (unsigned i = 0; i < DAY_NODES; i++)
		for (unsigned j = 0; j < DAY_NODES; j++) {
			const struct day_event *e = forbidden(p, i, j);

			if (!day_may(p->day, i, j) || (e && e->amount == 0))
				continue;
			print_rule(p, i, j, comma, f);
			comma = ", ";
		}
	fprintf(f, "]}");
}

static int tell(struct play *p)
{
	char text[POLICY_TEXT_LEN] = "", error[COORDINATOR_MACHINE_ERROR_LEN];
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	if (!f)
		return -ENOMEM;
	print_policy(p, f);
	fclose(f);
	int err = coordinator_machine_set_policy(p->town.coordinator, text, error);

	if (err == -EIO)
		verdict_fail(&p->result->verdict, play_now_us(p), "policy", "refused: %s", error);
	return err;
}

void play_forbid(struct play *p, const struct day_event *e)
{
	p->forbidden[e->who] = e;
	if (tell(p) == 0)
		watch_delivery_on_forbid(&p->delivery, e->who, e->whom,
					 play_expect(p, e->who, e->whom), play_now_us(p));
	else
		p->forbidden[e->who] = NULL;
}

void play_allow(struct play *p, const struct day_event *e)
{
	if (p->forbidden[e->who] != e)
		return;
	p->forbidden[e->who] = NULL;
	watch_delivery_on_allow(&p->delivery, e->who, e->whom);
	p->owes_policy = tell(p) != 0;
}

void play_tell_policy(struct play *p)
{
	if (p->owes_policy)
		p->owes_policy = tell(p) != 0;
}
