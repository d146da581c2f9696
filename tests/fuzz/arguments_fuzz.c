/*
 * arguments_fuzz: a command line of `warren`, as a person or a script gives it: words, each ended
 * by a zero byte. --config is left out, since it reads files.
 *
 * Must hold:
 *   - no secret stays in argv, where `ps` shows it to all, nor comes out in a message;
 *   - what is refused says why, in one line, with exit status 2;
 *   - what is accepted lies within the bounds that --help names.
 */
#include "agent/cli/arguments.h"

#include "common/clock.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { WORDS_MAX = 12, SECRET_LEN = 16 };
static const uint64_t INTERVAL_MIN_US = 10 * US_PER_MS, INTERVAL_MAX_US = 3600 * (uint64_t)US_PER_S;

struct line {
	char *argv[WORDS_MAX + 2]; /* the program's name first, NULL last */
	char *given[WORDS_MAX + 1];
	int argc;
	bool has_newline;
};

/* What a reading printed. */
struct told {
	char *text;
	size_t len;
};

/* False: not for this target. */
static bool line_read(struct line *l, const uint8_t *data, size_t len)
{
	struct reader r = reader_init(data, len);

	l->argv[l->argc++] = strdup("warren");
	while (reader_left(&r) > 0 && l->argc <= WORDS_MAX) {
		const char *word = (const char *)r.at;
		size_t n = strnlen(word, reader_left(&r));

		l->given[l->argc] = strndup(word, n);
		l->argv[l->argc] = strndup(word, n);
		l->has_newline |= memchr(word, '\n', n) != NULL;
		if (strncmp(l->argv[l->argc++], "--config", 8) == 0)
			return false;
		(void)read_span(&r, n + (n < reader_left(&r)));
	}
	return true;
}

static void line_free(struct line *l)
{
	for (int i = 0; i < l->argc; i++) {
		free(l->argv[i]);
		free(l->given[i]);
	}
}

/* arguments_read, with what it prints caught. */
static bool read_and_listen(struct line *l, struct arguments *a, int *status, struct told *told)
{
	FILE *out = stdout, *err = stderr, *both = open_memstream(&told->text, &told->len);

	MUST(both);
	stdout = stderr = both;
	bool go_on = arguments_read(a, l->argc, l->argv, status);
	stdout = out;
	stderr = err;
	fclose(both);
	return go_on;
}

static bool is_secret(const char *word)
{
	return strncmp(word, "warren://", 9) == 0 || strstr(word, "token=");
}

/* How much of a word is no secret: of one that has any, what stands before its equals sign. */
static size_t open_len(const char *word)
{
	size_t len = strlen(word), before = strcspn(word, "=");

	if (!is_secret(word))
		return len;
	return before < len ? before : strcspn(word, ":");
}

/* Does what is no secret say the same? Then a message may repeat it. */
static bool is_said_openly(const struct line *l, const char *secret)
{
	for (int i = 1; i < l->argc; i++)
		if (memmem(l->given[i], open_len(l->given[i]), secret, strlen(secret)))
			return true;
	return false;
}

static void check_secrets(const struct line *l, const struct told *told)
{
	for (int i = 1; i < l->argc; i++) {
		const char *word = l->given[i], *behind = word + strcspn(word, ":=");
		size_t n = strlen(behind);

		if (!is_secret(word))
			continue;
		MUST(strspn(l->argv[i], "*") == strlen(word));
		if (n >= SECRET_LEN && !is_said_openly(l, behind + n - SECRET_LEN))
			MUST(!memmem(told->text, told->len, behind + n - SECRET_LEN, SECRET_LEN));
	}
}

static void check_accepted(const struct arguments *a)
{
	MUST(a->command < COMMANDS && command_name(a->command));
	MUST(a->words[0] || !a->words[1]);
	MUST(a->count >= 0 && a->count <= 1000000 && a->since_us > 0);
	MUST(a->interval_us >= INTERVAL_MIN_US && a->interval_us <= INTERVAL_MAX_US);
	MUST(a->command == COMMAND_PING || (!a->count && !a->interval_text && !a->until_direct));
	MUST(a->command != COMMAND_PING || a->words[0]);
}

static void check_refused(const struct line *l, int status, const struct told *told)
{
	MUST(status == 0 || status == 2);
	MUST(told->len > 1 && told->text[told->len - 1] == '\n');
	if (status == 2 && !l->has_newline)
		MUST(memchr(told->text, '\n', told->len) == told->text + told->len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct line l = {.argc = 0};
	struct arguments a;
	struct told told = {0};
	int status = -1;

	if (line_read(&l, data, len)) {
		bool go_on = read_and_listen(&l, &a, &status, &told);

		check_secrets(&l, &told);
		if (go_on) {
			MUST(told.len == 0);
			check_accepted(&a);
			arguments_wipe(&a);
		} else {
			check_refused(&l, status, &told);
		}
		free(told.text);
	}
	line_free(&l);
	return 0;
}
