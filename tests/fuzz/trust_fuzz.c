/*
 * trust_fuzz: a coordinator that introduces whom it likes under any name, with any key, address and
 * serial; the user accepts some offers, by fingerprint.
 *
 * Must hold: a name that was remembered with a key keeps that key until the user accepts another,
 * and only the very one he named; no two machines share an address; serials never go back.
 */
#include "agent/trust.h"

#include <errno.h>

#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NAMES = 4, STEPS_MAX = 300 };
static const char *const names[NAMES] = {"dev", "laptop", "dev", "ci"};
static const char *const owners[NAMES] = {"alice", "alice", "mallory", "mallory"};

/* What a naive reader remembers of each name. */
struct memory {
	bool is_known;
	struct introduction known;
};

/* Never zero, which is no key: nothing that it signed gets as far as the book. */
static struct public_key pick_key(struct script *s)
{
	return (struct public_key){{1 + script_byte(s) % 4}};
}

static struct introduction introduce(struct script *s, unsigned who)
{
	struct introduction in = {.machine_key = pick_key(s),
				  .v4 = {{[10] = 0xff, 0xff, 10, 1, 0, script_byte(s) % 6}},
				  .v6 = {{0xfd, [15] = script_byte(s) % 6}},
				  .node_serial = script_byte(s) % 8,
				  .disco_serial = script_byte(s) % 8};

	snprintf(in.name, sizeof(in.name), "%s", names[who]);
	snprintf(in.owner, sizeof(in.owner), "%s", owners[who]);
	return in;
}

static void judge(struct script *s, struct trust_book *book, struct memory *list)
{
	unsigned who = script_pick(s, NAMES);
	struct memory *m = &list[who];
	struct introduction in = introduce(s, who);

	if (trust_judge(book, &in) != TRUST_USED) {
		const struct trust_entry *e = trust_find(book, in.name, in.owner);
		MUST(!e || e->has_offer);
		return;
	}
	if (m->is_known) {
		MUST(public_key_equal(&in.machine_key, &m->known.machine_key));
		MUST(in.node_serial >= m->known.node_serial);
		MUST(in.disco_serial >= m->known.disco_serial);
	}
	*m = (struct memory){.is_known = true, .known = in};
}

static void user_accepts(struct script *s, struct trust_book *book, struct memory *list)
{
	unsigned who = script_pick(s, NAMES);
	struct public_key meant = pick_key(s);
	char fingerprint[FINGERPRINT_LEN];
	const struct trust_entry *e = trust_find(book, names[who], owners[who]);
	struct introduction offer = {{0}};
	bool has_offer = e && e->has_offer;

	if (has_offer)
		offer = e->offer;
	trust_fingerprint(&meant, fingerprint);
	if (trust_accept(book, names[who], owners[who], fingerprint) != 0)
		return;
	MUST(has_offer && public_key_equal(&offer.machine_key, &meant));
	list[who] = (struct memory){.is_known = true, .known = offer};
}

static void check_book(const struct trust_book *book, const struct memory *list)
{
	MUST(book->count <= NAMES);
	for (size_t i = 0; i < book->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct introduction *a = &book->entries[i].known;
			const struct introduction *b = &book->entries[j].known;

			if (public_key_equal(&a->machine_key, &b->machine_key))
				continue;
			MUST(ip_is_none(&a->v4) || !ip_equal(&a->v4, &b->v4));
			MUST(ip_is_none(&a->v6) || !ip_equal(&a->v6, &b->v6));
		}
	for (unsigned who = 0; who < NAMES; who++) {
		const struct trust_entry *e = trust_find(book, names[who], owners[who]);

		if (list[who].is_known)
			MUST(e &&
			     public_key_equal(&e->known.machine_key, &list[who].known.machine_key));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = script_init(data, len);
	struct memory list[NAMES] = {0};
	struct trust_book book = {0};

	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&s); i++) {
		if (script_pick(&s, 4) > 0)
			judge(&s, &book, list);
		else
			user_accepts(&s, &book, list);
		check_book(&book, list);
	}
	trust_book_free(&book);
	return 0;
}
