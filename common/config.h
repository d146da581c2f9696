/*
 * config: a program's options from its command line, the environment and a file.
 *
 * A program describes its options in one table of struct config_option. Each is --name, the
 * variable WARREN_NAME, and a line `name = value` of --config FILE; the flag beats the variable,
 * which beats the file. --help, --version, --config, --log-level and --log-format come with every
 * table. Called once by each main() before anything else, since it hides secrets given in argv.
 */
#ifndef WARREN_CONFIG_H
#define WARREN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "common/wire.h"

enum config_kind {
	CONFIG_STRING,	 /* const char *: NULL where not given */
	CONFIG_BOOL,	 /* bool: --name alone says yes; name = true|false|yes|no|on|off|1|0 */
	CONFIG_INT,	 /* int64_t, decimal */
	CONFIG_DURATION, /* uint64_t microseconds: 30d, 24h, 5m, 10s, 250ms */
	CONFIG_BYTES,	 /* uint64_t: 65536, 64k, 16m, 1g (powers of 1024) */
	CONFIG_REPEATED, /* struct config_list; in file and environment separated by commas */
};

enum { CONFIG_LIST_MAX = 16, CONFIG_WORDS_MAX = 64, CONFIG_ERROR_LEN = 256 };

struct config_list {
	const char *items[CONFIG_LIST_MAX];
	size_t n;
};

struct config_option {
	const char *name; /* "state-dir" */
	enum config_kind kind;
	size_t offset;	     /* of the field in the caller's settings struct */
	const char *value;   /* what --help calls the value: "DIR"; NULL for CONFIG_BOOL */
	const char *help;    /* one line */
	const char *initial; /* the default as one would type it, or NULL */
	const char *choices; /* "text|json": the only words allowed, or NULL */
	bool secret;	     /* overwritten in argv; its default and value are never shown */
};

struct config_program {
	const char *name;		     /* "warren-relay" */
	const char *usage;		     /* what follows the name in the usage line */
	const char *summary;		     /* a sentence for --help */
	const struct config_option *options; /* ends with an entry without a name */
	size_t words_max;		     /* positional words allowed, 0 = none */
	size_t pass_after_words; /* behind so many words the rest is words, flags too; 0 = never */
	bool logs_quietly;	 /* the default of --log-level is error, for commands */
};

/* What was found besides the options. It owns every string placed in the settings. */
struct config {
	const char *words[CONFIG_WORDS_MAX]; /* positional arguments, in order */
	size_t n_words;
	enum log_level log_level;
	enum log_format log_format;
	bool wants_help, wants_version;
	struct config_text *texts; /* copies of values, kept until config_wipe */
};

/* Overwrites the values of secret options in argv, having copied them; then fills settings (all
 * fields named by the table) and *out. envp may be NULL. -EINVAL with a one-line error where the
 * command line, the environment or the file is wrong; out is then wiped. */
MUST_CHECK int config_read(const struct config_program *program, int argc, char **argv,
			   char *const *envp, void *settings, struct config *out,
			   char error[static CONFIG_ERROR_LEN]);

/* config_read with the process's environment, for main(): sets up the log, and prints help,
 * version or the error. False: end now with *exit_status (0 after help or version, 2 after an
 * error). */
MUST_CHECK bool config_load(const struct config_program *program, int argc, char **argv,
			    void *settings, struct config *out, int *exit_status);

/* The file alone, from memory: what config_read does with --config. -EINVAL with an error naming
 * the line. Unknown names are errors; later lines beat earlier ones. */
MUST_CHECK int config_read_file_text(const struct config_program *program, const char *text,
				     size_t len, void *settings, struct config *out,
				     char error[static CONFIG_ERROR_LEN]);

/* Frees the texts, secrets overwritten first. Settings' strings are gone afterwards. */
void config_wipe(struct config *c);

/* "30d", "250ms" to microseconds; "64k" to bytes. -EINVAL otherwise or where it overflows. */
MUST_CHECK int config_parse_duration(const char *text, uint64_t *out_us);
MUST_CHECK int config_parse_bytes(const char *text, uint64_t *out);

#endif
