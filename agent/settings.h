/*
 * settings: warrend's command line, as INTERFACES names it, in one struct.
 *
 * main.c fills it; node.c reads it. Strings are borrowed from struct config and live as long.
 */
#ifndef WARREN_SETTINGS_H
#define WARREN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/state.h"
#include "common/config.h"

struct settings {
	const char *coordinator; /* https://… or warren://…; NULL: wait for `warren up` */
	const char *token_file, *token;
	const char *role; /* "client" or "agent"; NULL: the saved one, else client */
	const char *name;
	const char *state_dir, *socket;
	const char *operator;
	int64_t port; /* 0: the saved one, else any */
	const char *tun;
	uint64_t map_max_age_us;
	const char *metrics;
	const char *ca_file;
	bool relay_only;

	/* Defaults filled in by settings_finish. */
	char state_dir_buf[STATE_PATH_LEN], socket_buf[STATE_PATH_LEN];
};

extern const struct config_program warrend_program;

/* Defaults that depend on who runs us, and checks across options. 0, or the exit status with a line
 * in error: 2 where the command line is wrong, 1 where this build cannot do what it asks for. */
MUST_CHECK int settings_finish(struct settings *s, char error[static CONFIG_ERROR_LEN]);

#endif
