#include "derp-relay/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "derp-relay/relay_table.h"

static const uint64_t admitted_for_s = 7 * 24 * 3600;
static const uint64_t sweep_every_us = 60 * US_PER_S;

enum { ANSWER_MAX = 4096 };

/* Three queues, each with one waiting time, so that each is in order of time by itself. */
enum queue { QUEUE_NEW, QUEUE_AGAIN, QUEUE_REFRESH, QUEUES, QUEUE_NONE = QUEUES };
static const uint64_t wait_us[QUEUES] = {
	[QUEUE_NEW] = 0,
	[QUEUE_AGAIN] = 2 * US_PER_S,
	[QUEUE_REFRESH] = 60 * US_PER_S,
};

struct entry {
	struct relay_table_node node; /* first: nodes are cast back */
	struct entry *next, *prev;    /* in its queue */
	struct public_key key;
	struct ip_addr source;	  /* of its newest connection */
	uint64_t admitted_unix_s; /* the last yes; 0: none */
	uint64_t due_us;
	uint32_t connections;
	uint8_t queue; /* enum queue */
	bool asking;
};

struct queue_ends {
	struct entry *head, *tail;
};

struct admission {
	uint8_t seed[ADMISSION_SEED_LEN];
	struct relay_table table;
	struct queue_ends queues[QUEUES];
	uint64_t swept_us; /* 0: never */
	bool fail_open;
	bool changed;
};

struct admission *admission_new(const uint8_t seed[static ADMISSION_SEED_LEN], bool fail_open)
{
	struct admission *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	memcpy(a->seed, seed, ADMISSION_SEED_LEN);
	a->fail_open = fail_open;
	return a;
}

static void each_entry(struct admission *a, void (*fn)(void *arg, struct entry *e), void *arg)
{
	for (size_t i = 0; i < a->table.capacity; i++) {
		for (struct relay_table_node *n = a->table.buckets[i], *next; n; n = next) {
			next = n->next;
			fn(arg, (struct entry *)(void *)n);
		}
	}
}

static void free_entry(void *arg, struct entry *e)
{
	(void)arg;
	free(e);
}

void admission_free(struct admission *a)
{
	if (!a)
		return;
	each_entry(a, free_entry, NULL);
	relay_table_wipe(&a->table);
	free(a);
}

static uint64_t hash_key(const struct admission *a, const struct public_key *key)
{
	uint64_t hash;

	static_assert(crypto_shorthash_KEYBYTES == ADMISSION_SEED_LEN, "the seed is its key");
	crypto_shorthash((uint8_t *)&hash, key->b, KEY_LEN, a->seed);
	return hash;
}

static struct entry *find(const struct admission *a, const struct public_key *key)
{
	struct relay_table_node *n = relay_table_first(&a->table, hash_key(a, key));

	for (; n; n = relay_table_next(n)) {
		struct entry *e = (struct entry *)(void *)n;
		if (memcmp(e->key.b, key->b, KEY_LEN) == 0)
			return e;
	}
	return NULL;
}

static void unqueue(struct admission *a, struct entry *e)
{
	if (e->queue == QUEUE_NONE)
		return;
	struct queue_ends *q = &a->queues[e->queue];
	*(e->prev ? &e->prev->next : &q->head) = e->next;
	*(e->next ? &e->next->prev : &q->tail) = e->prev;
	e->next = e->prev = NULL;
	e->queue = QUEUE_NONE;
}

static void enqueue(struct admission *a, struct entry *e, enum queue queue, uint64_t now_us)
{
	struct queue_ends *q = &a->queues[queue];

	unqueue(a, e);
	e->queue = (uint8_t)queue;
	e->due_us = now_us + wait_us[queue];
	e->prev = q->tail;
	*(q->tail ? &q->tail->next : &q->head) = e;
	q->tail = e;
}

static bool is_admitted(const struct entry *e, uint64_t unix_s)
{
	return e->admitted_unix_s != 0 && unix_s < e->admitted_unix_s + admitted_for_s;
}

static void forget(struct admission *a, struct entry *e)
{
	unqueue(a, e);
	relay_table_remove(&a->table, &e->node);
	free(e);
}

static struct entry *make(struct admission *a, const struct public_key *key)
{
	struct entry *e = a->table.count < ADMISSION_KEYS_MAX ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->key = *key;
	e->queue = QUEUE_NONE;
	relay_table_add(&a->table, &e->node, hash_key(a, key));
	return e;
}

struct sweep {
	struct admission *admission;
	uint64_t unix_s;
};

static void forget_expired(void *arg, struct entry *e)
{
	const struct sweep *sweep = arg;

	if (e->connections == 0 && !e->asking && !is_admitted(e, sweep->unix_s))
		forget(sweep->admission, e);
}

/* Whose week is over and who is away is forgotten when the room is needed: once a minute at most,
 * as a crowd of new keys would else have all of them looked at for each. */
static void make_room(struct admission *a, uint64_t now_us, uint64_t unix_s)
{
	if (a->table.count < ADMISSION_KEYS_MAX ||
	    (a->swept_us != 0 && now_us - a->swept_us < sweep_every_us))
		return;
	a->swept_us = now_us;
	each_entry(a, forget_expired, &(struct sweep){.admission = a, .unix_s = unix_s});
}

enum admission_decision admission_on_connect(struct admission *a, const struct public_key *key,
					     const struct ip_addr *source, uint64_t now_us,
					     uint64_t unix_s)
{
	struct entry *e = find(a, key);

	if (!e) {
		make_room(a, now_us, unix_s);
		e = make(a, key);
	}
	if (!e)
		return ADMISSION_CLOSE;
	e->source = *source;
	e->connections++;
	if (!e->asking)
		enqueue(a, e, QUEUE_NEW, now_us);
	return is_admitted(e, unix_s) ? ADMISSION_LET_IN : ADMISSION_WAIT;
}

void admission_on_disconnect(struct admission *a, const struct public_key *key)
{
	struct entry *e = find(a, key);

	if (!e || e->connections == 0)
		return;
	if (--e->connections > 0)
		return;
	unqueue(a, e);
	/* An open question's answer is still worth keeping. */
	if (e->admitted_unix_s == 0 && !e->asking)
		forget(a, e);
}

bool admission_ask(struct admission *a, uint64_t now_us, struct admission_question *out)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		struct entry *e = a->queues[i].head;
		if (!e || e->due_us > now_us)
			continue;
		unqueue(a, e);
		e->asking = true;
		*out = (struct admission_question){.key = e->key, .source = e->source};
		return true;
	}
	return false;
}

uint64_t admission_deadline_us(const struct admission *a)
{
	uint64_t first_us = US_NEVER;

	for (unsigned i = 0; i < QUEUES; i++) {
		const struct entry *e = a->queues[i].head;
		if (e && e->due_us < first_us)
			first_us = e->due_us;
	}
	return first_us;
}

static enum admission_decision on_yes(struct admission *a, struct entry *e, uint64_t now_us,
				      uint64_t unix_s)
{
	/* Written again for an hour's news only: seven days need no finer grain. */
	if (e->admitted_unix_s + 3600 < unix_s)
		a->changed = true;
	e->admitted_unix_s = unix_s;
	if (e->connections > 0)
		enqueue(a, e, QUEUE_REFRESH, now_us);
	return ADMISSION_LET_IN;
}

static enum admission_decision on_no(struct admission *a, struct entry *e)
{
	a->changed |= e->admitted_unix_s != 0;
	e->admitted_unix_s = 0;
	/* Connections end one by one by _on_disconnect, the last of which forgets the entry. */
	if (e->connections == 0)
		forget(a, e);
	return ADMISSION_CLOSE;
}

static enum admission_decision on_silence(struct admission *a, struct entry *e, uint64_t now_us,
					  uint64_t unix_s)
{
	bool admitted = is_admitted(e, unix_s);

	if (e->connections == 0) {
		if (!admitted)
			forget(a, e);
		return ADMISSION_WAIT;
	}
	enqueue(a, e, admitted ? QUEUE_REFRESH : QUEUE_AGAIN, now_us);
	return admitted || a->fail_open ? ADMISSION_LET_IN : ADMISSION_WAIT;
}

enum admission_decision admission_on_answer(struct admission *a, const struct public_key *key,
					    enum admission_answer answer, uint64_t now_us,
					    uint64_t unix_s)
{
	struct entry *e = find(a, key);

	if (!e || !e->asking)
		return ADMISSION_WAIT;
	e->asking = false;
	switch (answer) {
	case ADMISSION_YES:
		return on_yes(a, e, now_us, unix_s);
	case ADMISSION_NO:
		return on_no(a, e);
	case ADMISSION_SILENT:
		break;
	}
	return on_silence(a, e, now_us, unix_s);
}

/* ---- the file ------------------------------------------------------------------------------ */

bool admission_is_changed(const struct admission *a)
{
	return a->changed;
}

struct save {
	struct json *list;
	uint64_t unix_s;
};

static void save_entry(void *arg, struct entry *e)
{
	const struct save *save = arg;
	char text[KEY_TEXT_LEN];

	if (!is_admitted(e, save->unix_s))
		return;
	struct json *item = json_append_object(save->list);
	public_key_str(&e->key, "nodekey", text);
	json_add_str(item, "key", text);
	json_add_u64(item, "unix_s", e->admitted_unix_s);
}

struct json *admission_save(struct admission *a, uint64_t unix_s)
{
	struct json *tree = json_object_new();
	struct save save = {.list = json_add_array(tree, "admitted"), .unix_s = unix_s};

	each_entry(a, save_entry, &save);
	return tree;
}

void admission_saved(struct admission *a)
{
	a->changed = false;
}

static void load_entry(struct admission *a, const struct json_in *item, uint64_t unix_s)
{
	struct public_key key;
	uint64_t admitted = json_u64(item, "unix_s", 1, JSON_INT_MAX);

	if (public_key_parse(json_str(item, "key", KEY_TEXT_LEN), "nodekey", &key) != 0) {
		json_fail(item, "no node key");
		return;
	}
	/* A yes from the future comes of a clock set back, and counts from now. */
	if (admitted > unix_s)
		admitted = unix_s;
	if (admitted + admitted_for_s <= unix_s || find(a, &key))
		return;
	struct entry *e = make(a, &key);
	if (e)
		e->admitted_unix_s = admitted;
}

int admission_load(struct admission *a, const struct json_in *root, uint64_t unix_s)
{
	struct json_in list = json_array(root, "admitted", ADMISSION_KEYS_MAX);

	for (struct json_in item = {0}; !root->err->failed && json_each(&list, &item);)
		load_entry(a, &item, unix_s);
	return root->err->failed ? -EBADMSG : 0;
}

/* ---- on the wire --------------------------------------------------------------------------- */

void admission_body(const struct admission_question *q, char out[static ADMISSION_BODY_LEN])
{
	char key[KEY_TEXT_LEN], ip[IP_TEXT_LEN];

	public_key_str(&q->key, "nodekey", key);
	ip_str(&q->source, ip);
	snprintf(out, ADMISSION_BODY_LEN, "{\"NodePublic\":\"%s\",\"Source\":\"%s\"}", key, ip);
}

enum admission_answer admission_read(unsigned status, const char *body, size_t len)
{
	struct json_error err = {0};
	struct json *tree;

	if (status != 200)
		return ADMISSION_SILENT;
	if (json_parse(body, len, ANSWER_MAX, &tree, &err) != 0)
		return ADMISSION_SILENT;
	struct json_in root = json_root(tree, &err);
	bool allow = json_bool(&root, "Allow");
	json_free(tree);
	if (err.failed)
		return ADMISSION_SILENT;
	return allow ? ADMISSION_YES : ADMISSION_NO;
}
