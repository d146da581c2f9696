/*
 * config_value: one option's value from text into its field, for config.c alone, which knows where
 * texts come from.
 */
#ifndef WARREN_CONFIG_VALUE_H
#define WARREN_CONFIG_VALUE_H

#include "common/config.h"

/* An option and the settings struct its field is in. */
struct config_target {
	const struct config_option *option;
	void *settings;
};

/* A copy that config_wipe overwrites and frees. */
const char *config_keep(struct config *c, const char *text, size_t len);

/* Sets the field, or appends to it where it is a list. -EINVAL with "where: want …" in error;
 * the value itself is never in it. */
MUST_CHECK int config_set(struct config *c, const struct config_target *t, const char *text,
			  const char *where, char error[static CONFIG_ERROR_LEN]);

/* The field as it is where nobody gave a value. */
void config_clear(const struct config_target *t);

#endif
