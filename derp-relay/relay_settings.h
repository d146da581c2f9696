/*
 * relay_settings: warren-relay's command line, and what follows from it alone.
 *
 * --help is the list. Strings belong to the struct config they were read with.
 */
#ifndef WARREN_RELAY_SETTINGS_H
#define WARREN_RELAY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/wire.h"

struct relay_settings {
	const char *listen, *http, *stun;
	const char *hostname;
	const char *tls_cert, *tls_key, *tls;
	const char *state_dir, *key_file, *mesh_key_file, *mesh_with;
	const char *admit_url, *admit_key_file;
	bool admit_fail_open;
	uint64_t rate_bytes, burst_bytes;
	int64_t threads;
	const char *ca_file, *metrics;
	int64_t region_id;
	const char *region_code, *region_name;
};

extern const struct config_program relay_program;

enum relay_tls { RELAY_TLS_FILES, RELAY_TLS_SELF_SIGNED, RELAY_TLS_OFF };

/* -EINVAL with one line in error for options that contradict each other. */
MUST_CHECK int relay_settings_check(const struct relay_settings *s,
				    char error[static CONFIG_ERROR_LEN]);
enum relay_tls relay_settings_tls(const struct relay_settings *s);
bool relay_settings_is_off(const char *value); /* the word "off" */
/* Worker threads: as asked, or one for every two processors, 16 at most. */
uint16_t relay_settings_threads(const struct relay_settings *s, long processors);

#endif
