/*
 * admin: the admin commands of warren-coordinator: from words to a request, from its answer to
 * lines for people or, with --json, one document.
 */
#ifndef WARREN_ADMIN_H
#define WARREN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coordinator/admin_client.h"

struct admin_settings {
	struct admin_target target;
	bool json;
	const char *owner, *name, *role; /* token create */
	uint64_t ttl_us;
	bool reusable, ephemeral;
	bool follow; /* audit */
};

/* words: "token", "create". Returns the exit status: 0, 1 with one line on stderr, 2 where the
 * command is wrong. */
int admin_run(const struct admin_settings *settings, const char *const *words, size_t n_words);

#endif
