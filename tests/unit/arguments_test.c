#include "agent/cli/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

enum { ARGS_MAX = 8, ARG_LEN = 80 };

/* A command line in writable memory, as main gets it. */
struct line {
	char text[ARGS_MAX][ARG_LEN];
	char *argv[ARGS_MAX + 1];
	int argc, status;
	struct arguments args;
	bool goes_on;
};

static void read_line(struct line *l, const char *const *words)
{
	*l = (struct line){.argc = 1, .status = -1};
	snprintf(l->text[0], ARG_LEN, "warren");
	for (; *words; words++)
		snprintf(l->text[l->argc++], ARG_LEN, "%s", *words);
	for (int i = 0; i < l->argc; i++)
		l->argv[i] = l->text[i];
	l->goes_on = arguments_read(&l->args, l->argc, l->argv, &l->status);
}

#define READ(l, ...) read_line(l, (const char *const[]){__VA_ARGS__, NULL})

TEST(flags_stand_before_or_after_the_command)
{
	struct line l;

	READ(&l, "--socket", "/x", "status", "--json");
	CHECK(l.goes_on && l.args.command == COMMAND_STATUS && l.args.json);
	CHECK_STR(l.args.socket, "/x");
	arguments_wipe(&l.args);
	READ(&l, "--json", "status", "--socket=/y");
	CHECK(l.goes_on && l.args.command == COMMAND_STATUS && l.args.json);
	CHECK_STR(l.args.socket, "/y");
	arguments_wipe(&l.args);
}

TEST(ping_takes_the_short_flags_people_type)
{
	struct line l;

	READ(&l, "ping", "dev", "-c", "5", "-i", "0.25", "--until-direct");
	CHECK(l.goes_on && l.args.command == COMMAND_PING);
	CHECK_STR(l.args.words[0], "dev");
	CHECK(l.args.count == 5 && l.args.interval_us == 250000 && l.args.until_direct);
	arguments_wipe(&l.args);
	READ(&l, "ping", "dev");
	CHECK(l.goes_on && l.args.count == 0 && l.args.interval_us == 1000000);
	arguments_wipe(&l.args);
}

TEST(history_looks_back_an_hour_unless_told)
{
	struct line l;

	READ(&l, "history");
	CHECK(l.goes_on && l.args.since_us == 3600000000 && l.args.words[0] == NULL);
	arguments_wipe(&l.args);
	READ(&l, "history", "dev", "--since", "7d");
	CHECK(l.goes_on && l.args.since_us == 604800000000);
	arguments_wipe(&l.args);
}

TEST(an_invitation_is_overwritten_in_argv_and_still_read)
{
	struct line l;

	READ(&l, "up", "warren://c.example/#token=laptop.alice.secret&pin=sha256:00");
	CHECK(l.goes_on && l.args.command == COMMAND_UP);
	CHECK_STR(l.args.words[0], "warren://c.example/#token=laptop.alice.secret&pin=sha256:00");
	CHECK(strspn(l.text[2], "*") == strlen(l.args.words[0]));
	CHECK_STR(l.text[1], "up");
	arguments_wipe(&l.args);
}

TEST(an_invitation_is_overwritten_even_where_the_line_is_wrong)
{
	struct line l;

	READ(&l, "down", "warren://c.example/#token=x");
	CHECK(!l.goes_on && l.status == 2);
	CHECK(strstr(l.text[2], "token") == NULL);
}

/* What it prints is caught. */
static void check_hides(const char *const *words, const char *wanted)
{
	char *text = NULL;
	size_t len;
	FILE *before = stderr, *caught = open_memstream(&text, &len);
	struct line l;

	stderr = caught;
	read_line(&l, words);
	stderr = before;
	fclose(caught);
	CHECK(!l.goes_on && l.status == 2);
	CHECK_STR(text, wanted);
	free(text);
}

TEST(an_invitation_in_a_wrong_place_is_not_shown_again)
{
	static const char invitation[] = "warren://mesh.example/?token=wt_0123456789";

	check_hides((const char *const[]){invitation, NULL},
		    "warren: there is no command warren; `warren --help` lists them\n");
	check_hides((const char *const[]){"trust", "a", "b", invitation, NULL},
		    "warren: unexpected argument \"warren\"; --help shows the usage\n");
	check_hides((const char *const[]){"ping", "a", "-i", invitation, NULL},
		    "warren: --interval: warren is not a number of seconds (0.01 to 3600)\n");
}

TEST(what_is_wrong_ends_with_status_2)
{
	static const char *const wrong[][4] = {
		{"doctor"},
		{"ping"},
		{"ping", "a", "b"},
		{"trust"},
		{"ping", "a", "--watch"},
		{"status", "--since", "1h"},
		{"up", "--json"},
		{"ping", "a", "-i", "0"},
		{"ping", "a", "-i", "x"},
		{"ping", "a", "-c", "-1"},
		{"ping", "a", "-c", "0"},
		{"status", "--count", "0"},
		{"history", "--since", "soon"},
		{"status", "-x"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct line l;
		const char *words[5] = {0};

		memcpy(words, wrong[i], sizeof(wrong[i]));
		read_line(&l, words);
		if (l.goes_on || l.status != 2)
			fail_msg("let through: %s %s", words[0], words[1] ? words[1] : "");
	}
	struct line l;
	read_line(&l, (const char *const[]){NULL});
	CHECK(!l.goes_on && l.status == 2);
}
