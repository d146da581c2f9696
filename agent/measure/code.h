/*
 * code: the words by which the programs name causes (INTERFACES.md), and who can do something about
 * each.
 *
 * A table and its look-up. Each code has a paragraph in docs/DIAGNOSE.md; a test holds the two
 * together. Codes are words and stay what they are: add, never rename.
 */
#ifndef WARREN_CODE_H
#define WARREN_CODE_H

#include <stddef.h>

enum { CODE_LEN = 24 }; /* the longest word and its NUL fit */

enum code {
	CODE_UNKNOWN,
	CODE_PATH_FIRST,
	CODE_PATH_BETTER,
	CODE_PATH_SILENT,
	CODE_PATH_BACK,
	CODE_RELAY_LOST,
	CODE_RELAY_DRAINED,
	CODE_NAT_REBOUND,
	CODE_ADDRESS_CHANGED,
	CODE_NETWORK_CHANGED,
	CODE_ASLEEP,
	CODE_RESTARTED,
	CODE_PEER_RESTARTED,
	CODE_PEER_LEFT,
	CODE_PEER_OFFLINE,
	CODE_UDP_BLOCKED,
	CODE_HARD_NAT_HERE,
	CODE_HARD_NAT_THERE,
	CODE_HARD_NAT_BOTH,
	CODE_NO_RELAY,
	CODE_HOST_CPU_STARVED,
	CODE_COORDINATOR_UNREACHABLE,
	CODE_IDENTITY_CHANGED,
	CODE_ADDRESS_OVERLAP,
	CODES
};

struct code_entry {
	const char *word;
	const char *owner; /* who can do something: "you", "it", "admin" or "provider" */
	const char *cause; /* a sentence for people, without a full stop */
};

const struct code_entry *code_entry(enum code code);
/* CODE_UNKNOWN for a word that is not in the table. */
enum code code_find(const char *word);

#endif
