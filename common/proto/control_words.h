/*
 * control_words: the words of the control messages that reader and writer share, and nobody else.
 */
#ifndef WARREN_CONTROL_WORDS_H
#define WARREN_CONTROL_WORDS_H

#include "common/proto/control.h"

enum {
	CONTROL_ROLES = 2,
	CONTROL_KINDS = 4,
	CONTROL_PROTOS = 4,
	CONTROL_CAPS = 4,
	CONTROL_WORD_LEN = 63,
	CONTROL_RELAYS_TEXT_MAX = 1 << 20,
};

/* By the enum of each. */
extern const char *const control_type_words[CONTROL_TYPES];
extern const char *const control_role_words[CONTROL_ROLES];
extern const char *const control_kind_words[CONTROL_KINDS];
extern const char *const control_proto_words[CONTROL_PROTOS];
extern const char *const control_error_words[CONTROL_ERROR_CODES];

struct control_cap_word {
	enum control_cap cap;
	const char *word;
};
extern const struct control_cap_word control_cap_words[CONTROL_CAPS];

/* The index of text among n words, or n. */
size_t control_find_word(const char *text, const char *const *words, size_t n);

#endif
