#include "agent/cli/arguments.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

#define AT(field) offsetof(struct arguments, field)

enum flag {
	FLAG_JSON = 1 << 0,
	FLAG_WATCH = 1 << 1,
	FLAG_COUNT = 1 << 2,
	FLAG_INTERVAL = 1 << 3,
	FLAG_UNTIL_DIRECT = 1 << 4,
	FLAG_SINCE = 1 << 5
};

enum { SHOWN_MAX = 40 };

struct command_entry {
	const char *name;
	size_t words_min, words_max;
	unsigned flags;
	const char *wants; /* the line for a wrong number of words */
};

static const struct command_entry commands[COMMANDS] = {
	[COMMAND_UP] = {"up", 0, 1, 0, "up [INVITATION|-]"},
	[COMMAND_DOWN] = {"down", 0, 0, 0, "down"},
	[COMMAND_STATUS] = {"status", 0, 0, FLAG_JSON | FLAG_WATCH, "status [--json] [--watch]"},
	[COMMAND_PING] = {"ping", 1, 1, FLAG_JSON | FLAG_COUNT | FLAG_INTERVAL | FLAG_UNTIL_DIRECT,
			  "ping PEER [-c N] [-i SEC] [--until-direct] [--json]"},
	[COMMAND_NETCHECK] = {"netcheck", 0, 0, FLAG_JSON, "netcheck [--json]"},
	[COMMAND_HISTORY] = {"history", 0, 1, FLAG_JSON | FLAG_SINCE,
			     "history [PEER] [--since 1h] [--json]"},
	[COMMAND_TRUST] = {"trust", 1, 2, 0, "trust NAME [FINGERPRINT]"},
	[COMMAND_VERSION] = {"version", 0, 0, FLAG_JSON, "version [--json]"},
};

static const char summary[] =
	"Speaks to warrend, the node daemon on this machine.\n"
	"\n"
	"  up [INVITATION|-]        join a mesh, or come back to it; - reads the invitation from "
	"stdin\n"
	"  down                     leave the mesh; the identity is kept for the next `up`\n"
	"  status                   this node, its relays, and every peer with its path and why\n"
	"  ping PEER                probe the path in use: where packets go and how long they "
	"take\n"
	"  netcheck                 what this network lets through, and how far each relay is\n"
	"  history [PEER]           what happened to the connection, when, for how long and why\n"
	"  trust NAME [FINGERPRINT] show a changed machine key, and accept exactly the one shown\n"
	"  version                  of this command and of the daemon\n"
	"\n"
	"PEER is a name, the beginning of one, or a mesh address.";

static const struct config_option options[] = {
	{.name = "socket",
	 .kind = CONFIG_STRING,
	 .offset = AT(socket),
	 .value = "PATH",
	 .help = "where warrend listens (default /run/warren/warrend.sock)"},
	{.name = "json",
	 .kind = CONFIG_BOOL,
	 .offset = AT(json),
	 .help = "status, ping, netcheck, history, version: JSON on stdout and nothing else"},
	{.name = "watch",
	 .kind = CONFIG_BOOL,
	 .offset = AT(watch),
	 .help = "status: again each second"},
	{.name = "count",
	 .kind = CONFIG_STRING,
	 .offset = AT(count_text),
	 .value = "N",
	 .help = "ping: stop after so many probes; also -c N"},
	{.name = "interval",
	 .kind = CONFIG_STRING,
	 .offset = AT(interval_text),
	 .value = "SEC",
	 .help = "ping: seconds between probes, 0.01 at least (default 1); also -i SEC"},
	{.name = "until-direct",
	 .kind = CONFIG_BOOL,
	 .offset = AT(until_direct),
	 .help = "ping: stop with the first answer by a direct path"},
	{.name = "since",
	 .kind = CONFIG_DURATION,
	 .offset = AT(since_us),
	 .value = "TIME",
	 .help = "history: how far back: 10m, 1h, 7d (default 1h)"},
	{.name = NULL},
};

static const struct config_program program = {
	.name = "warren",
	.usage = "COMMAND [ARGUMENT]... [OPTION]...",
	.summary = summary,
	.options = options,
	.words_max = 3,
	.logs_quietly = true,
};

const char *command_name(enum command command)
{
	return commands[command].name;
}

/* The long form of a short flag, or the argument itself. */
static const char *lengthened(const char *arg)
{
	static const struct {
		const char *short_form, *long_form;
	} table[] = {{"-c", "--count"}, {"-i", "--interval"}, {"-h", "--help"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(arg, table[i].short_form) == 0)
			return table[i].long_form;
	}
	return arg;
}

static bool is_secret(const char *arg)
{
	return strncmp(arg, "warren://", 9) == 0 || strstr(arg, "token=") != NULL;
}

/* How much of a word may be shown again: nothing behind a colon or an equals sign, where an
 * invitation has its secret, since messages end in logs. */
static int shown_len(const char *word)
{
	size_t len = strcspn(word, ":=");

	return len < SHOWN_MAX ? (int)len : SHOWN_MAX;
}

static void free_copies(char **copies)
{
	for (char **c = copies; *c; c++) {
		sodium_memzero(*c, strlen(*c));
		free(*c);
	}
	free(copies);
}

/* A copy of argv with long flags only; what is secret is overwritten in the original, where anyone
 * could read it by `ps`. */
static char **take_argv(int argc, char **argv)
{
	char **copies = calloc((size_t)argc + 1, sizeof(*copies));

	if (!copies)
		abort();
	for (int i = 0; i < argc; i++) {
		copies[i] = strdup(lengthened(argv[i]));
		if (!copies[i])
			abort();
		if (i > 0 && is_secret(argv[i]))
			memset(argv[i], '*', strlen(argv[i]));
	}
	return copies;
}

/* ---- checks ---- */

static int find_command(const char *word)
{
	for (int i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, word) == 0)
			return i;
	}
	return -1;
}

static unsigned flags_given(const struct arguments *a)
{
	return (a->json ? FLAG_JSON : 0U) | (a->watch ? FLAG_WATCH : 0U) |
	       (a->count_text ? FLAG_COUNT : 0U) | (a->interval_text ? FLAG_INTERVAL : 0U) |
	       (a->until_direct ? FLAG_UNTIL_DIRECT : 0U) | (a->since_us ? FLAG_SINCE : 0U);
}

static const char *flag_name(unsigned flags)
{
	static const char *const names[] = {"json",	"watch",	"count",
					    "interval", "until-direct", "since"};
	unsigned i = 0;

	while (!(flags >> i & 1))
		i++;
	return names[i];
}

static bool read_count(struct arguments *a)
{
	char *end;

	a->count = 0;
	if (!a->count_text)
		return true;
	a->count = strtoll(a->count_text, &end, 10);
	return end != a->count_text && !*end && a->count >= 1 && a->count <= 1000000;
}

/* Seconds as a decimal number, to microseconds; 10 ms at least. */
static bool read_interval(struct arguments *a)
{
	char *end;

	a->interval_us = US_PER_S;
	if (!a->interval_text)
		return true;
	double seconds = strtod(a->interval_text, &end);
	if (end == a->interval_text || *end || !(seconds >= 0.01 && seconds <= 3600))
		return false;
	a->interval_us = (uint64_t)(seconds * US_PER_S);
	return true;
}

/* Always false, for the caller to return. */
__attribute__((format(printf, 1, 2))) static bool complain(const char *format, ...)
{
	va_list args;

	fputs("warren: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

static bool check(struct arguments *a)
{
	size_t n = a->config.n_words;
	int found = n > 0 ? find_command(a->config.words[0]) : -1;

	if (n == 0)
		return complain("which command? `warren --help` lists them");
	if (found < 0)
		return complain("there is no command %.*s; `warren --help` lists them",
				shown_len(a->config.words[0]), a->config.words[0]);
	const struct command_entry *entry = &commands[found];
	unsigned foreign = flags_given(a) & ~entry->flags;
	if (n - 1 < entry->words_min || n - 1 > entry->words_max)
		return complain("usage: warren %s", entry->wants);
	if (foreign)
		return complain("%s takes no --%s", entry->name, flag_name(foreign));
	if (!read_count(a))
		return complain("--count: %.*s is not a number of probes (1 to 1000000)",
				shown_len(a->count_text), a->count_text);
	if (!read_interval(a))
		return complain("--interval: %.*s is not a number of seconds (0.01 to 3600)",
				shown_len(a->interval_text), a->interval_text);
	a->command = (enum command)found;
	for (size_t i = 1; i < n; i++)
		a->words[i - 1] = a->config.words[i];
	if (a->since_us == 0)
		a->since_us = (uint64_t)3600 * US_PER_S;
	return true;
}

bool arguments_read(struct arguments *out, int argc, char **argv, int *exit_status)
{
	char **copies = take_argv(argc, argv);

	memset(out, 0, sizeof(*out));
	bool go_on = config_load(&program, argc, copies, out, &out->config, exit_status);
	free_copies(copies);
	if (!go_on)
		return false;
	if (check(out))
		return true;
	*exit_status = 2;
	arguments_wipe(out);
	return false;
}

void arguments_wipe(struct arguments *args)
{
	config_wipe(&args->config);
}
