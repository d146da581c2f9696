/*
 * arguments: what `warren`'s command line asks for.
 *
 * One table of commands says which words and flags each takes; --help prints it. A secret among the
 * words (an invitation) is overwritten in argv before anything else happens.
 */
#ifndef WARREN_ARGUMENTS_H
#define WARREN_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"

enum command {
	COMMAND_UP,
	COMMAND_DOWN,
	COMMAND_STATUS,
	COMMAND_PING,
	COMMAND_NETCHECK,
	COMMAND_HISTORY,
	COMMAND_TRUST,
	COMMAND_VERSION,
	COMMANDS
};

struct arguments {
	enum command command;
	const char *words[2]; /* behind the command; NULL where not given */
	const char *socket;   /* NULL: the default */
	bool json, watch, until_direct;
	int64_t count; /* 0: until interrupted */
	uint64_t interval_us;
	uint64_t since_us;
	struct config config; /* owns the strings; arguments_wipe ends it */

	/* As given, before the checks. */
	const char *count_text, *interval_text;
};

/* False: end now with *exit_status; help, version or one line on stderr has been printed. */
MUST_CHECK bool arguments_read(struct arguments *out, int argc, char **argv, int *exit_status);
void arguments_wipe(struct arguments *args);

const char *command_name(enum command command);

#endif
