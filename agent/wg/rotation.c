#include "agent/wg/rotation.h"

static void drop(struct rotation_drops *out, struct keypair *kp)
{
	if (kp)
		out->keypair[out->n++] = kp;
}

/* current becomes CURRENT; of the others, given youngest first, two go on receiving. */
static void push(struct rotation *r, struct keypair *current, struct keypair *const *others,
		 size_t n, struct rotation_drops *out)
{
	static const enum rotation_slot places[] = {SLOT_PREVIOUS, SLOT_OLDER};
	struct rotation after = {.slot[SLOT_CURRENT] = current};
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (others[i] && kept < sizeof(places) / sizeof(places[0]))
			after.slot[places[kept++]] = others[i];
		else
			drop(out, others[i]);
	}
	*r = after;
}

void rotation_add_as_initiator(struct rotation *r, struct keypair *kp, struct rotation_drops *out)
{
	struct keypair *const others[] = {r->slot[SLOT_NEXT], r->slot[SLOT_CURRENT],
					  r->slot[SLOT_PREVIOUS], r->slot[SLOT_OLDER]};

	out->n = 0;
	push(r, kp, others, sizeof(others) / sizeof(others[0]), out);
}

void rotation_add_as_responder(struct rotation *r, struct keypair *kp, struct rotation_drops *out)
{
	out->n = 0;
	drop(out, r->slot[SLOT_NEXT]);
	r->slot[SLOT_NEXT] = kp;
}

bool rotation_promote(struct rotation *r, const struct keypair *kp, struct rotation_drops *out)
{
	struct keypair *const others[] = {r->slot[SLOT_CURRENT], r->slot[SLOT_PREVIOUS],
					  r->slot[SLOT_OLDER]};

	out->n = 0;
	if (!kp || r->slot[SLOT_NEXT] != kp)
		return false;
	push(r, r->slot[SLOT_NEXT], others, sizeof(others) / sizeof(others[0]), out);
	return true;
}

void rotation_clear(struct rotation *r, struct rotation_drops *out)
{
	out->n = 0;
	for (size_t i = 0; i < SLOT_COUNT; i++)
		drop(out, r->slot[i]);
	*r = (struct rotation){0};
}
