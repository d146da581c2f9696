#include "agent/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

void trust_book_free(struct trust_book *book)
{
	free(book->entries);
	*book = (struct trust_book){0};
}

static struct trust_entry *find(const struct trust_book *book, const char *name, const char *owner)
{
	for (size_t i = 0; i < book->count; i++) {
		struct trust_entry *e = &book->entries[i];

		if (strcmp(e->known.name, name) == 0 && strcmp(e->known.owner, owner) == 0)
			return e;
	}
	return NULL;
}

const struct trust_entry *trust_find(const struct trust_book *book, const char *name,
				     const char *owner)
{
	return find(book, name, owner);
}

int trust_book_add(struct trust_book *book, const struct introduction *known)
{
	if (book->count == TRUST_MAX_ENTRIES)
		return -ENOMEM;
	if (book->count == book->cap) {
		size_t cap = book->cap ? 2 * book->cap : 8;
		struct trust_entry *grown = realloc(book->entries, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		book->entries = grown;
		book->cap = cap;
	}
	book->entries[book->count++] = (struct trust_entry){.known = *known};
	return 0;
}

static bool shares_address(const struct introduction *a, const struct introduction *b)
{
	return (!ip_is_none(&a->v4) && ip_equal(&a->v4, &b->v4)) ||
	       (!ip_is_none(&a->v6) && ip_equal(&a->v6, &b->v6));
}

/* A remembered address under another machine key. */
static bool address_is_anothers(const struct trust_book *book, const struct introduction *in)
{
	for (size_t i = 0; i < book->count; i++) {
		const struct introduction *known = &book->entries[i].known;

		if (shares_address(known, in) &&
		    !public_key_equal(&known->machine_key, &in->machine_key))
			return true;
	}
	return false;
}

static enum trust_verdict compare(const struct introduction *known, const struct introduction *in)
{
	if (public_key_is_zero(&known->machine_key)) /* only ever offered: as good as a stranger */
		return TRUST_USED;
	if (!public_key_equal(&known->machine_key, &in->machine_key))
		return TRUST_KEY_CHANGED;
	if (in->node_serial < known->node_serial || in->disco_serial < known->disco_serial)
		return TRUST_SERIAL_LOWER;
	return TRUST_USED;
}

bool trust_knows_newer(const struct trust_book *book, const struct introduction *in)
{
	const struct trust_entry *e = find(book, in->name, in->owner);

	return e && compare(&e->known, in) == TRUST_SERIAL_LOWER;
}

static bool same_introduction(const struct introduction *a, const struct introduction *b)
{
	return public_key_equal(&a->machine_key, &b->machine_key) && ip_equal(&a->v4, &b->v4) &&
	       ip_equal(&a->v6, &b->v6) && a->node_serial == b->node_serial &&
	       a->disco_serial == b->disco_serial;
}

static enum trust_verdict offer(struct trust_entry *e, const struct introduction *in,
				enum trust_verdict why)
{
	e->has_offer = true;
	e->why = why;
	e->offer = *in;
	return why;
}

static enum trust_verdict judge_stranger(struct trust_book *book, const struct introduction *in)
{
	bool taken = address_is_anothers(book, in);
	struct introduction known = *in;

	if (taken) { /* a name with no key yet, so that the user has something to accept */
		known = (struct introduction){0};
		memcpy(known.name, in->name, sizeof(known.name));
		memcpy(known.owner, in->owner, sizeof(known.owner));
	}
	if (trust_book_add(book, &known) != 0)
		return TRUST_BOOK_FULL;
	if (taken)
		return offer(&book->entries[book->count - 1], in, TRUST_ADDRESS_TAKEN);
	book->changed = true;
	return TRUST_USED;
}

enum trust_verdict trust_judge(struct trust_book *book, const struct introduction *in)
{
	struct trust_entry *e = find(book, in->name, in->owner);

	if (!e)
		return judge_stranger(book, in);

	enum trust_verdict verdict = compare(&e->known, in);
	if (verdict == TRUST_USED && address_is_anothers(book, in))
		verdict = TRUST_ADDRESS_TAKEN;
	if (verdict != TRUST_USED)
		return offer(e, in, verdict);
	if (!same_introduction(&e->known, in))
		book->changed = true;
	e->known = *in;
	e->has_offer = false;
	return TRUST_USED;
}

bool trust_holds(const struct trust_book *book, const struct introduction *in)
{
	const struct trust_entry *e = find(book, in->name, in->owner);

	return e && public_key_equal(&e->known.machine_key, &in->machine_key) &&
	       ip_equal(&e->known.v4, &in->v4) && ip_equal(&e->known.v6, &in->v6);
}

/* Nobody else may go on holding the addresses that the user gave to in. */
static void release_addresses(struct trust_book *book, const struct introduction *in)
{
	for (size_t i = 0; i < book->count; i++) {
		struct introduction *known = &book->entries[i].known;

		if (shares_address(known, in) &&
		    !public_key_equal(&known->machine_key, &in->machine_key)) {
			known->v4 = (struct ip_addr){0};
			known->v6 = (struct ip_addr){0};
		}
	}
}

int trust_accept(struct trust_book *book, const char *name, const char *owner,
		 const char *fingerprint)
{
	struct trust_entry *e = find(book, name, owner);
	char offered[FINGERPRINT_LEN];

	if (!e || !e->has_offer)
		return -ENOENT;
	trust_fingerprint(&e->offer.machine_key, offered);
	if (strcmp(offered, fingerprint) != 0)
		return -EKEYREJECTED;
	e->known = e->offer;
	book->changed = true;
	if (e->why != TRUST_ADDRESS_TAKEN && address_is_anothers(book, &e->offer)) {
		/* Said yes to the key; nobody has told of an address that is a friend's. */
		e->known.v4 = e->known.v6 = (struct ip_addr){0};
		e->why = TRUST_ADDRESS_TAKEN;
		return 0;
	}
	e->has_offer = false;
	release_addresses(book, &e->known);
	return 0;
}

void trust_fingerprint(const struct public_key *machine_key, char out[static FINGERPRINT_LEN])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, machine_key->b, sizeof(machine_key->b));
	memcpy(out, "SHA256:", 7);
	sodium_bin2base64(out + 7, FINGERPRINT_LEN - 7, hash, sizeof(hash),
			  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}
