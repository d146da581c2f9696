/*
 * trust: what this node remembers of the others, so that a coordinator can introduce a stranger but
 * never impersonate a friend.
 *
 * The book holds, by NAME and OWNER, the machine key that first bore them, its mesh addresses and
 * its highest serials. An introduction is used only where it agrees with the book; what disagrees
 * is kept as an offer, at most one a name, until the user accepts exactly that key
 * (`warren trust`). A pure core: agent/state.c keeps the book on disk, node.c asks it.
 *
 *	no entry            --introduced-->  remembered, used
 *	same machine key    --introduced-->  used, serials move up
 *	other machine key,
 *	address of another,
 *	serial gone back    --introduced-->  not used, an offer waits  --accepted-->  used
 */
#ifndef WARREN_TRUST_H
#define WARREN_TRUST_H

#include "common/endpoint.h"
#include "common/key.h"

enum {
	TRUST_NAME_LEN = 64, /* a DNS label and its NUL */
	TRUST_MAX_ENTRIES = 16384,
	FINGERPRINT_LEN = 52, /* "SHA256:" + 43 base64 digits + NUL */
};

enum trust_verdict {
	TRUST_USED,
	TRUST_KEY_CHANGED,
	TRUST_ADDRESS_TAKEN,
	TRUST_SERIAL_LOWER,
	TRUST_BOOK_FULL,
};

/* What the coordinator says of a peer, its signatures checked already. */
struct introduction {
	char name[TRUST_NAME_LEN];
	char owner[TRUST_NAME_LEN];
	struct public_key machine_key;
	struct ip_addr v4, v6; /* mesh addresses */
	uint64_t node_serial;
	uint64_t disco_serial;
};

struct trust_entry {
	struct introduction known;
	bool has_offer;
	enum trust_verdict why; /* of the offer */
	struct introduction offer;
};

struct trust_book {
	struct trust_entry *entries; /* owned; NULL when empty */
	size_t count, cap;
	bool changed; /* since the caller last saved and cleared it */
};

void trust_book_free(struct trust_book *book);

/* The same machine was heard with later keys than in's. */
bool trust_knows_newer(const struct trust_book *book, const struct introduction *in);

/* Judges and, where used, remembers. -ENOMEM reads as TRUST_BOOK_FULL. */
enum trust_verdict trust_judge(struct trust_book *book, const struct introduction *in);

/* Borrowed until the next trust_judge. NULL where the name was never heard; an entry whose known
 * machine key is zero has only ever been offered. */
const struct trust_entry *trust_find(const struct trust_book *book, const char *name,
				     const char *owner);

/* Is the name remembered with just this machine key and these addresses? */
bool trust_holds(const struct trust_book *book, const struct introduction *in);

/* Takes the waiting offer of name and owner as the remembered truth; where it was for another
 * reason and names a friend's address too, the offer of that waits on, to be accepted by itself.
 * -ENOENT: no offer waits; -EKEYREJECTED: fingerprint is not the offer's. */
MUST_CHECK int trust_accept(struct trust_book *book, const char *name, const char *owner,
			    const char *fingerprint);

/* Restores a remembered entry at start. -ENOMEM. */
MUST_CHECK int trust_book_add(struct trust_book *book, const struct introduction *known);

/* "SHA256:" and the unpadded base64 of the key's SHA-256, as ssh shows keys. */
void trust_fingerprint(const struct public_key *machine_key, char out[static FINGERPRINT_LEN]);

#endif
