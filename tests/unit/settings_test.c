#include "agent/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/test.h"

enum { WORDS_MAX = 12 };

/* Reads a command line of words, the last one NULL; the exit status, 0 where it holds. */
static int read_line(const char *const *words, struct settings *s, struct config *config,
		     char error[static CONFIG_ERROR_LEN])
{
	char copies[WORDS_MAX][128] = {"warrend"}, *argv[WORDS_MAX + 1] = {copies[0]};
	int argc = 1;

	for (; words[argc - 1]; argc++) {
		snprintf(copies[argc], sizeof(copies[argc]), "%s", words[argc - 1]);
		argv[argc] = copies[argc];
	}
	*s = (struct settings){0};
	*config = (struct config){0};
	error[0] = '\0';
	if (config_read(&warrend_program, argc, argv, NULL, s, config, error) != 0)
		return 2;
	return settings_finish(s, error);
}

static void check_line(int wanted, const char *says, const char *const *words)
{
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config config;
	int status = read_line(words, &s, &config, error);

	CHECK_INT(status, wanted);
	CHECK(strstr(error, says) != NULL);
	config_wipe(&config);
}

TEST(a_plain_start_takes_the_documented_defaults)
{
	const char *const words[] = {"--state-dir", "/s", "--socket", "/k", NULL};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config config;

	CHECK_INT(read_line(words, &s, &config, error), 0);
	CHECK_STR(s.tun, "warren0");
	CHECK_INT(s.port, 0);
	CHECK_INT(s.map_max_age_us, 30ull * 86400 * 1000000);
	CHECK_STR(s.state_dir, "/s");
	CHECK_STR(s.socket, "/k");
	CHECK(!s.relay_only && !s.coordinator && !s.metrics);
	config_wipe(&config);
}

TEST(a_user_keeps_state_and_socket_at_home)
{
	const char *const words[] = {NULL};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config config;

	setenv("XDG_STATE_HOME", "/home/a/state", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	CHECK_INT(read_line(words, &s, &config, error), 0);
	if (geteuid() == 0) {
		CHECK_STR(s.state_dir, "/var/lib/warren");
		CHECK_STR(s.socket, "/run/warren/warrend.sock");
	} else {
		CHECK_STR(s.state_dir, "/home/a/state/warren");
		CHECK_STR(s.socket, "/run/user/1/warren/warrend.sock");
	}
	config_wipe(&config);
}

TEST(a_wrong_command_line_exits_2_and_says_what_is_wrong)
{
	check_line(2, "nonsense", (const char *const[]){"--nonsense", NULL});
	check_line(2, "role", (const char *const[]){"--role", "king", NULL});
	check_line(2, "--port", (const char *const[]){"--port", "65536", NULL});
	check_line(2, "--port", (const char *const[]){"--port", "-1", NULL});
	check_line(2, "not both",
		   (const char *const[]){"--token", "t", "--token-file", "/f", NULL});
}

TEST(no_tun_is_a_machine_that_cannot_not_a_wrong_command_line)
{
	check_line(1, "--tun none", (const char *const[]){"--tun", "none", NULL});
}
