/*
 * relay_book: the relays of the mesh: those of the --relay-map file and those of `relay add` on
 * top, as one DERPMap.
 *
 * A region is either in the file or among the added ones, never in both. An added region may hold
 * several relays. Each added relay has a secret by which it asks for admission; only its hash is
 * kept. A pure core; files and the store are the caller's.
 */
#ifndef WARREN_RELAY_BOOK_H
#define WARREN_RELAY_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/wire.h"

struct derp_map;

enum {
	RELAY_NAME_LEN = 64,
	RELAY_HASH_LEN = 32,
	RELAY_RANDOM_LEN = 32,
	RELAY_SECRET_LEN = 2 * RELAY_RANDOM_LEN + 1,
	RELAY_ADDED_MAX = 4096
};

struct added_relay {
	uint32_t region;
	char name[RELAY_NAME_LEN]; /* unique in the map */
	char *json;		   /* one DERPMap node with its region's fields; owned */
	uint8_t secret_hash[RELAY_HASH_LEN];
};

struct relay_book {	       /* all zero: no relays */
	struct derp_map *file; /* owned, or NULL */
	struct added_relay *added;
	size_t n_added;
	char *text; /* of the whole map, DERPMap JSON; NULL before the first merge */
};

void relay_book_wipe(struct relay_book *book);

/* Reads one relay as `warren-relay` prints it into *out, whose json is the caller's to free.
 * -EBADMSG with err. */
MUST_CHECK int relay_book_parse(const char *text, size_t len, struct added_relay *out,
				struct json_error *err);

/* Copies relay in. -EEXIST where its name is there, -ENOSPC at the ceiling. */
MUST_CHECK int relay_book_add(struct relay_book *book, const struct added_relay *relay);
/* Takes the one added last out again. */
void relay_book_remove_last(struct relay_book *book);
/* Is the region among the added ones? */
bool relay_book_has(const struct relay_book *book, uint32_t region);
/* How many relays of the region went; those of the file stay. */
size_t relay_book_remove(struct relay_book *book, uint32_t region);
/* Takes file over (NULL: none) and gives the one before back. */
struct derp_map *relay_book_set_file(struct relay_book *book, struct derp_map *file);

/* Writes text anew. -EEXIST with one line in err where a region is in the file and among the added;
 * text is then what it was. */
MUST_CHECK int relay_book_merge(struct relay_book *book, struct json_error *err);

/* The region whose relay knows this secret, or 0. */
uint32_t relay_book_find_secret(const struct relay_book *book, const char *secret);

/* The secret in hexadecimal, and its hash. */
void relay_book_make_secret(const uint8_t random[static RELAY_RANDOM_LEN],
			    char secret[static RELAY_SECRET_LEN],
			    uint8_t hash[static RELAY_HASH_LEN]);

#endif
