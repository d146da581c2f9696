#include "tests/sim/coverage_wg_tap.h"

#include "common/clock.h"
#include "tests/sim/coverage.h"

/* ---- a keypair's place ---- */

enum { KEYS_NEW, KEYS_SLOTS, KEYS_DROPPED = KEYS_SLOTS + SLOT_COUNT };

static unsigned place_of(const struct rotation *r, const struct keypair *kp)
{
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (r->slot[i] == kp)
			return KEYS_SLOTS + i;
	return KEYS_NEW;
}

static void note_keys(const struct rotation *before, const struct rotation *after,
		      const struct rotation_drops *drops)
{
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (after->slot[i])
			coverage_note_here(COVERAGE_KEYS, place_of(before, after->slot[i]),
					   KEYS_SLOTS + i);
	for (size_t i = 0; i < drops->n; i++)
		coverage_note_here(COVERAGE_KEYS, place_of(before, drops->keypair[i]),
				   KEYS_DROPPED);
}

void __wrap_rotation_add_as_initiator(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out)
{
	struct rotation before = *r;

	__real_rotation_add_as_initiator(r, kp, out);
	note_keys(&before, r, out);
}

void __wrap_rotation_add_as_responder(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out)
{
	struct rotation before = *r;

	__real_rotation_add_as_responder(r, kp, out);
	note_keys(&before, r, out);
}

bool __wrap_rotation_promote(struct rotation *r, const struct keypair *kp,
			     struct rotation_drops *out)
{
	struct rotation before = *r;
	bool is_promoted = __real_rotation_promote(r, kp, out);

	note_keys(&before, r, out);
	return is_promoted;
}

void __wrap_rotation_clear(struct rotation *r, struct rotation_drops *out)
{
	struct rotation before = *r;

	__real_rotation_clear(r, out);
	note_keys(&before, r, out);
}

/* ---- an index ---- */

enum { INDEX_FREE, INDEX_RESERVED, INDEX_PUBLISHED };

int __wrap_index_table_reserve(struct index_table *t, void *owner, uint32_t random, uint32_t *index)
{
	int err = __real_index_table_reserve(t, owner, random, index);

	if (err == 0)
		coverage_note_here(COVERAGE_INDEX, INDEX_FREE, INDEX_RESERVED);
	return err;
}

void __wrap_index_table_publish(struct index_table *t, struct keypair *kp)
{
	__real_index_table_publish(t, kp);
	coverage_note_here(COVERAGE_INDEX, INDEX_RESERVED, INDEX_PUBLISHED);
}

void __wrap_index_table_release(struct index_table *t, uint32_t index)
{
	bool is_reserved = index_table_owner(t, index) != NULL;
	bool is_published = index_table_find(t, index) != NULL;

	__real_index_table_release(t, index);
	if (is_reserved)
		coverage_note_here(COVERAGE_INDEX, is_published ? INDEX_PUBLISHED : INDEX_RESERVED,
				   INDEX_FREE);
}

/* ---- timers: what was due last ---- */

enum { TIMERS_QUIET, TIMERS_ASKING, TIMERS_COMPLETE, TIMERS_DUE };

void __wrap_timers_on_initiation_sent(struct timers *t, uint64_t now_us, uint32_t jitter)
{
	__real_timers_on_initiation_sent(t, now_us, jitter);
	coverage_note_here(COVERAGE_TIMERS, TIMERS_QUIET, TIMERS_ASKING);
}

void __wrap_timers_on_handshake_complete(struct timers *t)
{
	__real_timers_on_handshake_complete(t);
	coverage_note_here(COVERAGE_TIMERS, TIMERS_ASKING, TIMERS_COMPLETE);
}

unsigned __wrap_timers_take_due(struct timers *t, struct traffic *traffic, uint64_t now_us)
{
	bool is_asking = t->retry_us != US_NEVER;
	unsigned due = __real_timers_take_due(t, traffic, now_us);

	for (unsigned i = 0; 1u << i <= DUE_WIPE; i++)
		if (due & 1u << i)
			coverage_note_here(COVERAGE_TIMERS,
					   is_asking ? TIMERS_ASKING : TIMERS_QUIET,
					   TIMERS_DUE + i);
	return due;
}

/* ---- a flow ---- */

enum { FLOW_NONE };

struct flow *__wrap_flow_table_add(struct flow_table *t, const struct flow_key *key,
				   enum filter_direction started, uint64_t now_us, bool *evicted)
{
	struct flow *flow = __real_flow_table_add(t, key, started, now_us, evicted);

	coverage_note_here(COVERAGE_FLOW, FLOW_NONE, 1 + FLOW_ONE_WAY);
	return flow;
}

void __wrap_flow_table_touch(struct flow_table *t, struct flow *flow, enum flow_state state,
			     uint64_t now_us)
{
	coverage_note_here(COVERAGE_FLOW, 1 + flow->state, 1 + state);
	__real_flow_table_touch(t, flow, state, now_us);
}

/* ---- disco keys ---- */

enum disco_keys_due __wrap_disco_keys_judge(uint64_t made_unix_s, bool has_before, uint64_t unix_s)
{
	enum disco_keys_due due = __real_disco_keys_judge(made_unix_s, has_before, unix_s);

	/* What it says is done at once. */
	if (due == DISCO_KEYS_ROTATE)
		coverage_note_here(COVERAGE_DISCO_KEYS, has_before, 1);
	else if (due == DISCO_KEYS_FORGET)
		coverage_note_here(COVERAGE_DISCO_KEYS, 1, 2);
	return due;
}

void __wrap_disco_box_own_changed(struct disco_box *box)
{
	size_t from = disco_box_copies(box);

	__real_disco_box_own_changed(box);
	coverage_note_here(COVERAGE_DISCO_BOX, (unsigned)from - 1,
			   (unsigned)disco_box_copies(box) - 1);
}

int __wrap_disco_box_open(struct disco_box *box, const void *packet, size_t len, uint64_t now_us,
			  struct disco_message *m)
{
	size_t from = disco_box_copies(box);
	int err = __real_disco_box_open(box, packet, len, now_us, m);

	if (disco_box_copies(box) != from)
		coverage_note_here(COVERAGE_DISCO_BOX, (unsigned)from - 1, 2);
	return err;
}

/* ---- what is remembered of the others ---- */

enum trust_verdict __wrap_trust_judge(struct trust_book *book, const struct introduction *in)
{
	bool is_known = trust_find(book, in->name, in->owner) != NULL;
	enum trust_verdict verdict = __real_trust_judge(book, in);

	coverage_note_here(COVERAGE_TRUST, is_known, 1 + verdict);
	return verdict;
}
