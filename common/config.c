#include "common/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "common/config_value.h"
#include "common/statefile.h"
#include "common/version.h"

enum {
	FILE_MAX = 1 << 20,
	NAME_MAX_LEN = 64,
	LINE_MAX_LEN = 4096,
	WHERE_LEN = 128,
	SHOWN_MAX = 64
};

/* ---- options that every program has ---- */

struct common_settings {
	const char *config;
	const char *log_level;
	const char *log_format;
	bool help;
	bool version;
};

static const struct config_option common_options[] = {
	{.name = "config",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct common_settings, config),
	 .value = "FILE",
	 .help = "read options from FILE, one \"flag = value\" a line"},
	{.name = "log-level",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct common_settings, log_level),
	 .value = "LEVEL",
	 .help = "error, warn, info or debug",
	 .choices = "error|warn|info|debug"},
	{.name = "log-format",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct common_settings, log_format),
	 .value = "FORMAT",
	 .help = "text or json",
	 .initial = "text",
	 .choices = "text|json"},
	{.name = "help",
	 .kind = CONFIG_BOOL,
	 .offset = offsetof(struct common_settings, help),
	 .help = "show this help"},
	{.name = "version",
	 .kind = CONFIG_BOOL,
	 .offset = offsetof(struct common_settings, version),
	 .help = "show name, version and commit"},
	{0},
};

/* What one reading works on. */
struct reading {
	const struct config_program *program;
	void *settings;
	struct common_settings common;
	struct config *out;
	char *error;
};

__attribute__((format(printf, 2, 3))) static int fail(const struct reading *r, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->error, CONFIG_ERROR_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- the options of both tables ---- */

static const struct config_option *find(const struct config_option *options, const char *name,
					size_t len)
{
	for (; options->name; options++)
		if (strlen(options->name) == len && memcmp(options->name, name, len) == 0)
			return options;
	return NULL;
}

/* Option NULL where neither table has it. */
static struct config_target find_target(struct reading *r, const char *name, size_t len)
{
	const struct config_option *option = find(r->program->options, name, len);

	if (option)
		return (struct config_target){option, r->settings};
	return (struct config_target){find(common_options, name, len), &r->common};
}

static int each_option(struct reading *r,
		       int (*visit)(struct reading *r, const struct config_target *t, void *arg),
		       void *arg)
{
	const struct config_target starts[] = {{r->program->options, r->settings},
					       {common_options, &r->common}};

	for (size_t i = 0; i < 2; i++) {
		struct config_target t = starts[i];

		for (; t.option->name; t.option++) {
			int err = visit(r, &t, arg);
			if (err)
				return err;
		}
	}
	return 0;
}

static int set_initial(struct reading *r, const struct config_target *t, void *arg)
{
	(void)arg;
	config_clear(t);
	return t->option->initial
		       ? config_set(r->out, t, t->option->initial, t->option->name, r->error)
		       : 0;
}

/* What lists a source has begun: its first value replaces what weaker sources said, further ones
 * are added. */
struct begun {
	const struct config_option *lists[CONFIG_LIST_MAX];
	size_t n;
};

static void begin_list(struct begun *b, const struct config_target *t)
{
	if (t->option->kind != CONFIG_REPEATED)
		return;
	for (size_t i = 0; i < b->n; i++)
		if (b->lists[i] == t->option)
			return;
	config_clear(t);
	if (b->n < CONFIG_LIST_MAX)
		b->lists[b->n++] = t->option;
}

/* ---- the environment ---- */

/* The value of WARREN_NAME, or NULL; name gets the variable's name. */
static const char *find_variable(char *const *envp, const char *option,
				 char name[static NAME_MAX_LEN])
{
	snprintf(name, NAME_MAX_LEN, "WARREN_%s", option);
	for (char *c = name; *c != '\0'; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);

	size_t len = strlen(name);
	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

static int read_variable(struct reading *r, const struct config_target *t, void *arg)
{
	char name[NAME_MAX_LEN];
	const char *value = find_variable(arg, t->option->name, name);
	bool asks = t->settings == &r->common && t->option->kind == CONFIG_BOOL;

	if (!value || asks) /* WARREN_VERSION names no option worth obeying */
		return 0;
	begin_list(&(struct begun){0}, t);
	return config_set(r->out, t, value, name, r->error);
}

/* ---- the file ---- */

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

static bool may_stand_in_file(const struct reading *r, const struct config_target *t)
{
	return t->option && (t->settings == r->settings || t->option->choices);
}

static int read_line(struct reading *r, struct begun *begun, unsigned number, const char *line,
		     size_t len)
{
	char value_text[LINE_MAX_LEN], where[WHERE_LEN];

	trim(&line, &len);
	if (len == 0 || *line == '#')
		return 0;
	const char *equals = memchr(line, '=', len);
	if (!equals || len >= LINE_MAX_LEN || memchr(line, '\0', len))
		return fail(r, "config file line %u: want \"flag = value\"", number);

	const char *name = line, *value = equals + 1;
	size_t name_len = (size_t)(equals - line), value_len = len - name_len - 1;
	trim(&name, &name_len);
	trim(&value, &value_len);
	struct config_target t = find_target(r, name, name_len);
	if (!may_stand_in_file(r, &t))
		return fail(r, "config file line %u: there is no such option", number);

	begin_list(begun, &t);
	memcpy(value_text, value, value_len);
	value_text[value_len] = '\0';
	snprintf(where, sizeof(where), "config file line %u: %s", number, t.option->name);
	int err = config_set(r->out, &t, value_text, where, r->error);
	sodium_memzero(value_text, value_len);
	return err;
}

static int read_lines(struct reading *r, const char *text, size_t len)
{
	struct begun begun = {0};

	for (unsigned number = 1; len > 0; number++) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		int err = read_line(r, &begun, number, text, n);
		if (err)
			return err;
		n += end != NULL;
		text += n;
		len -= n;
	}
	return 0;
}

static int read_file(struct reading *r, const char *path)
{
	char *text;
	size_t len;
	int err = statefile_read(path, FILE_MAX, &text, &len);

	if (err)
		return fail(r, "cannot read %.160s: %s", path, strerror(-err));
	err = read_lines(r, text, len);
	sodium_memzero(text, len);
	free(text);
	return err;
}

/* ---- the command line ---- */

enum argument { ARGUMENT_END, ARGUMENT_WORD, ARGUMENT_FLAG, ARGUMENT_UNKNOWN };

struct walk {
	int argc;
	char **argv;
	int i;
	size_t n_words;
	bool only_words;

	/* what the last step found */
	char *word;  /* a word, or the flag as written */
	char *value; /* of a flag; NULL where none was given */
	struct config_target target;
};

static enum argument step_flag(struct reading *r, struct walk *w)
{
	char *name = w->word + 2, *equals = strchr(name, '=');

	w->target = find_target(r, name, equals ? (size_t)(equals - name) : strlen(name));
	if (!w->target.option)
		return ARGUMENT_UNKNOWN;
	if (equals)
		w->value = equals + 1;
	else if (w->target.option->kind != CONFIG_BOOL && w->i < w->argc)
		w->value = w->argv[w->i++];
	return ARGUMENT_FLAG;
}

static enum argument step(struct reading *r, struct walk *w)
{
	size_t pass_after = r->program->pass_after_words;
	bool passing = pass_after > 0 && w->n_words >= pass_after;

	w->value = NULL;
	if (w->i < w->argc && !w->only_words && !passing && strcmp(w->argv[w->i], "--") == 0) {
		w->only_words = true;
		w->i++;
	}
	if (w->i >= w->argc)
		return ARGUMENT_END;
	w->word = w->argv[w->i++];
	bool is_word = w->word[0] != '-' || w->word[1] == '\0';
	if (w->only_words || passing || is_word) {
		w->n_words++;
		return ARGUMENT_WORD;
	}
	return w->word[1] == '-' ? step_flag(r, w) : ARGUMENT_UNKNOWN;
}

/* A secret's value can be read in /proc until its bytes in argv are gone. All of argv is copied
 * and its secrets overwritten before anything that could fail. */
static char **take_arguments(struct reading *r, int argc, char **argv)
{
	char **copies = calloc((size_t)argc + 1, sizeof(*copies));
	struct walk w = {.argc = argc, .argv = argv, .i = 1};
	enum argument found;

	if (!copies)
		abort();
	for (int i = 0; i < argc; i++) {
		copies[i] = strdup(argv[i]);
		if (!copies[i])
			abort();
	}
	while ((found = step(r, &w)) != ARGUMENT_END)
		if (found == ARGUMENT_FLAG && w.target.option->secret && w.value)
			memset(w.value, '*', strlen(w.value));
	return copies;
}

static void free_arguments(char **copies)
{
	for (char **copy = copies; *copy; copy++) {
		sodium_memzero(*copy, strlen(*copy));
		free(*copy);
	}
	free(copies);
}

static int read_flag(struct reading *r, struct begun *begun, const struct walk *w)
{
	const struct config_option *o = w->target.option;
	char where[WHERE_LEN];

	if (!w->value && o->kind != CONFIG_BOOL)
		return fail(r, "--%s needs a value", o->name);
	begin_list(begun, &w->target);
	snprintf(where, sizeof(where), "--%s", o->name);
	return config_set(r->out, &w->target, w->value ? w->value : "true", where, r->error);
}

static int add_word(struct reading *r, const char *word)
{
	struct config *out = r->out;

	if (out->n_words == r->program->words_max || out->n_words == CONFIG_WORDS_MAX) {
		/* Behind a colon or an equals sign an invitation has its secret. */
		size_t len = strcspn(word, ":=");
		return fail(r, "unexpected argument \"%.*s\"; --help shows the usage",
			    (int)(len < SHOWN_MAX ? len : SHOWN_MAX), word);
	}
	out->words[out->n_words++] = config_keep(out, word, strlen(word));
	return 0;
}

static int read_arguments(struct reading *r, int argc, char **argv)
{
	struct walk w = {.argc = argc, .argv = argv, .i = 1};
	struct begun begun = {0};

	for (int err = 0;;) {
		switch (step(r, &w)) {
		case ARGUMENT_END:
			return 0;
		case ARGUMENT_WORD:
			err = add_word(r, w.word);
			break;
		case ARGUMENT_FLAG:
			err = read_flag(r, &begun, &w);
			break;
		case ARGUMENT_UNKNOWN:
			err = fail(r, "unknown option %.*s; --help lists them",
				   (int)strcspn(w.word, "="), w.word);
			break;
		}
		if (err)
			return err;
	}
}

/* --config is needed before the other flags are read. */
static const char *find_config_file(struct reading *r, int argc, char **argv, char *const *envp)
{
	struct walk w = {.argc = argc, .argv = argv, .i = 1};
	char name[NAME_MAX_LEN];
	const char *path = find_variable(envp, "config", name);
	enum argument found;

	while ((found = step(r, &w)) != ARGUMENT_END) {
		bool is_config = found == ARGUMENT_FLAG && w.value &&
				 strcmp(w.target.option->name, "config") == 0;
		if (is_config)
			path = w.value;
	}
	return path;
}

/* ---- all together ---- */

/* From the weakest source to the strongest. */
static int read_sources(struct reading *r, int argc, char **argv, char *const *envp)
{
	const char *file = find_config_file(r, argc, argv, envp);
	int err = each_option(r, set_initial, NULL);

	if (err == 0 && file)
		err = read_file(r, file);
	if (err == 0)
		err = each_option(r, read_variable, (void *)(uintptr_t)envp);
	if (err == 0)
		err = read_arguments(r, argc, argv);
	return err;
}

/* The words were checked against the choices. */
static void take_common(const struct reading *r)
{
	const char *level = r->common.log_level;

	if (!level)
		level = r->program->logs_quietly ? "error" : "info";
	(void)log_level_parse(level, &r->out->log_level);
	(void)log_format_parse(r->common.log_format, &r->out->log_format);
	r->out->wants_help = r->common.help;
	r->out->wants_version = r->common.version;
}

int config_read(const struct config_program *program, int argc, char **argv, char *const *envp,
		void *settings, struct config *out, char error[static CONFIG_ERROR_LEN])
{
	struct reading r = {program, settings, {0}, out, error};

	*out = (struct config){0};
	char **copies = take_arguments(&r, argc, argv);
	int err = read_sources(&r, argc, copies, envp);
	free_arguments(copies);
	if (err)
		config_wipe(out);
	else
		take_common(&r);
	return err;
}

int config_read_file_text(const struct config_program *program, const char *text, size_t len,
			  void *settings, struct config *out, char error[static CONFIG_ERROR_LEN])
{
	struct reading r = {program, settings, {0}, out, error};

	*out = (struct config){0};
	int err = each_option(&r, set_initial, NULL);
	if (err == 0)
		err = read_lines(&r, text, len);
	if (err)
		config_wipe(out);
	else
		take_common(&r);
	return err;
}

/* ---- for main() ---- */

static void print_option(const struct config_option *o)
{
	char left[80];

	snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
		 o->value ? o->value : "");
	printf("  %-28s %s", left, o->help ? o->help : "");
	if (o->initial && !o->secret)
		printf(" (default %s)", o->initial);
	putchar('\n');
}

static void print_help(const struct config_program *program)
{
	printf("usage: %s %s\n", program->name, program->usage);
	if (program->summary)
		printf("\n%s\n", program->summary);
	putchar('\n');
	for (const struct config_option *o = program->options; o->name; o++)
		print_option(o);
	for (const struct config_option *o = common_options; o->name; o++)
		print_option(o);
	printf("\nEvery option is also WARREN_… in the environment and a line of --config FILE;\n"
	       "the flag beats the environment, which beats the file.\n");
}

bool config_load(const struct config_program *program, int argc, char **argv, void *settings,
		 struct config *out, int *exit_status)
{
	char error[CONFIG_ERROR_LEN];

	if (config_read(program, argc, argv, environ, settings, out, error) != 0) {
		fprintf(stderr, "%s: %s\n", program->name, error);
		*exit_status = 2;
		return false;
	}
	log_setup(out->log_level, out->log_format);
	if (!out->wants_help && !out->wants_version)
		return true;
	if (out->wants_help)
		print_help(program);
	else
		printf("%s %s (%s)\n", program->name, version_number(), version_commit());
	config_wipe(out);
	*exit_status = 0;
	return false;
}
