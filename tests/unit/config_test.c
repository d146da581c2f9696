#include "common/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/test.h"

struct settings {
	const char *listen, *token, *tls;
	bool relay_only;
	int64_t port;
	uint64_t max_age_us, rate_bytes;
	struct config_list mesh_with;
};

#define FIELD(f) offsetof(struct settings, f)

static const struct config_option options[] = {
	{.name = "listen", .kind = CONFIG_STRING, .offset = FIELD(listen), .initial = ":443"},
	{.name = "token", .kind = CONFIG_STRING, .offset = FIELD(token), .secret = true},
	{.name = "tls", .kind = CONFIG_STRING, .offset = FIELD(tls), .choices = "self-signed|off"},
	{.name = "relay-only", .kind = CONFIG_BOOL, .offset = FIELD(relay_only)},
	{.name = "port", .kind = CONFIG_INT, .offset = FIELD(port)},
	{.name = "map-max-age",
	 .kind = CONFIG_DURATION,
	 .offset = FIELD(max_age_us),
	 .initial = "30d"},
	{.name = "rate-bytes", .kind = CONFIG_BYTES, .offset = FIELD(rate_bytes)},
	{.name = "mesh-with", .kind = CONFIG_REPEATED, .offset = FIELD(mesh_with)},
	{0},
};

static const struct config_program program = {
	.name = "warren-test", .usage = "[options] WORD", .options = options, .words_max = 3};

enum { ARGS_MAX = 12 };

/* A command line in memory of its own, since secrets are overwritten in it. */
struct line {
	char text[ARGS_MAX][64];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static void line_init(struct line *l, const char *const *words)
{
	*l = (struct line){.argc = 1};
	strcpy(l->text[0], "warren-test");
	l->argv[0] = l->text[0];
	for (; *words; words++, l->argc++) {
		strcpy(l->text[l->argc], *words);
		l->argv[l->argc] = l->text[l->argc];
	}
}

static int read_words(const char *const *words, char *const *envp, struct settings *s,
		      struct config *c, char error[static CONFIG_ERROR_LEN])
{
	struct line l;

	line_init(&l, words);
	return config_read(&program, l.argc, l.argv, envp, s, c, error);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(takes_each_kind_from_flags_and_defaults_for_the_rest)
{
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;

	CHECK(read_words(WORDS("--port=41641", "up", "--relay-only", "--rate-bytes", "64k",
			       "--mesh-with", "a,b", "--mesh-with=c", "--", "--port"),
			 NULL, &s, &c, error) == 0);
	CHECK(s.port == 41641 && s.relay_only && s.rate_bytes == 65536);
	CHECK_STR(s.listen, ":443");
	CHECK(s.token == NULL);
	CHECK(s.max_age_us == UINT64_C(2592000000000));
	CHECK(s.mesh_with.n == 3);
	CHECK_STR(s.mesh_with.items[2], "c");
	CHECK(c.n_words == 2);
	CHECK_STR(c.words[0], "up");
	CHECK_STR(c.words[1], "--port");
	CHECK(c.log_level == LOG_INFO && c.log_format == LOG_TEXT);
	config_wipe(&c);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

TEST(flag_beats_environment_beats_file)
{
	char path[] = "/tmp/warren-config-XXXXXX", error[CONFIG_ERROR_LEN];
	char listen[] = "WARREN_LISTEN=:2", other[] = "WARREN_SOMETHING_ELSE=9";
	char mesh[] = "WARREN_MESH_WITH=e", file_variable[64], level[] = "WARREN_LOG_LEVEL=warn";
	char *envp[] = {listen, other, mesh, file_variable, level, NULL};
	struct settings s;
	struct config c;

	close(mkstemp(path));
	write_file(path, "# comment\n\nlisten = :1\nport=7\n tls = off \nmesh-with = f, \n"
			 "mesh-with = g\nlog-format = json");
	snprintf(file_variable, sizeof(file_variable), "WARREN_CONFIG=%s", path);
	CHECK(read_words(WORDS("--listen", ":3"), envp, &s, &c, error) == 0);
	CHECK_STR(s.listen, ":3");
	CHECK(s.port == 7);
	CHECK_STR(s.tls, "off");
	CHECK(s.mesh_with.n == 1);
	CHECK_STR(s.mesh_with.items[0], "e");
	CHECK(c.log_level == LOG_WARN && c.log_format == LOG_JSON);
	config_wipe(&c);
	CHECK(read_words(WORDS("--config", path, "--mesh-with", "x"), NULL, &s, &c, error) == 0);
	CHECK_STR(s.listen, ":1");
	CHECK(s.mesh_with.n == 1 && strcmp(s.mesh_with.items[0], "x") == 0);
	config_wipe(&c);
	unlink(path);
	CHECK(read_words(WORDS("--config", path), NULL, &s, &c, error) == -EINVAL);
	CHECK(strstr(error, "No such file") != NULL);
}

TEST(secrets_are_gone_from_argv_even_where_the_line_is_wrong)
{
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;
	struct line l;

	line_init(&l, WORDS("--token", "abc", "--token=def"));
	CHECK(config_read(&program, l.argc, l.argv, NULL, &s, &c, error) == 0);
	CHECK_STR(s.token, "def");
	CHECK_STR(l.argv[2], "***");
	CHECK_STR(l.argv[3], "--token=***");
	config_wipe(&c);

	line_init(&l, WORDS("--wrong", "--token", "abc"));
	CHECK(config_read(&program, l.argc, l.argv, NULL, &s, &c, error) == -EINVAL);
	CHECK_STR(l.argv[3], "***");
}

struct mistake {
	const char *words[3];
	const char *error;
};

TEST(says_in_one_line_what_is_wrong)
{
	static const struct mistake cases[] = {
		{{"--nope=1"}, "unknown option --nope; --help lists them"},
		{{"-v"}, "unknown option -v; --help lists them"},
		{{"--port"}, "--port needs a value"},
		{{"--port", "x"}, "--port: want a number"},
		{{"--port", "99999999999999999999"}, "--port: want a number"},
		{{"--map-max-age", "30"}, "--map-max-age: want a duration such as 10s, 24h or 30d"},
		{{"--tls", "on"}, "--tls: want one of self-signed|off"},
		{{"--relay-only=maybe"}, "--relay-only: want true or false"},
		{{"--log-level", "loud"}, "--log-level: want one of error|warn|info|debug"},
	};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(read_words(cases[i].words, NULL, &s, &c, error) == -EINVAL);
		CHECK_STR(error, cases[i].error);
	}
	CHECK(read_words(WORDS("a", "b", "c", "d"), NULL, &s, &c, error) == -EINVAL);
	CHECK_STR(error, "unexpected argument \"d\"; --help shows the usage");
}

TEST(a_wrong_file_names_the_line)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"\nport = x\n", "config file line 2: port: want a number"},
		{"port\n", "config file line 1: want \"flag = value\""},
		{"#\n#\nnope = 1", "config file line 3: there is no such option"},
		{"help = true", "config file line 1: there is no such option"},
		{"config = /x", "config file line 1: there is no such option"},
	};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(config_read_file_text(&program, cases[i].text, strlen(cases[i].text), &s, &c,
					    error) == -EINVAL);
		CHECK_STR(error, cases[i].error);
	}
}

TEST(words_behind_a_command_pass_untouched)
{
	struct config_program ssh = program;
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;
	struct line l;

	ssh.pass_after_words = 2;
	ssh.words_max = CONFIG_WORDS_MAX;
	line_init(&l, WORDS("--port", "5", "ssh", "dev", "-L", "--port", "--", "ls"));
	CHECK(config_read(&ssh, l.argc, l.argv, NULL, &s, &c, error) == 0);
	CHECK(s.port == 5 && c.n_words == 6);
	CHECK_STR(c.words[2], "-L");
	CHECK_STR(c.words[4], "--");
	config_wipe(&c);
}

TEST(asks_for_help_and_version_are_told)
{
	char version[] = "WARREN_VERSION=1";
	char *envp[] = {version, NULL};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;

	CHECK(read_words(WORDS("--help"), envp, &s, &c, error) == 0);
	CHECK(c.wants_help && !c.wants_version);
	config_wipe(&c);
}

TEST(durations_and_sizes_have_units_and_do_not_overflow)
{
	uint64_t v;

	CHECK(config_parse_duration("250ms", &v) == 0 && v == 250000);
	CHECK(config_parse_duration("24h", &v) == 0 && v == UINT64_C(86400000000));
	CHECK(config_parse_duration("10", &v) == -EINVAL);
	CHECK(config_parse_duration("", &v) == -EINVAL);
	CHECK(config_parse_duration("213503982335d", &v) == -EINVAL);
	CHECK(config_parse_bytes("16M", &v) == 0 && v == 16777216);
	CHECK(config_parse_bytes("7", &v) == 0 && v == 7);
	CHECK(config_parse_bytes("1kb", &v) == -EINVAL);
}
