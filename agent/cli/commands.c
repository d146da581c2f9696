#include "agent/cli/commands.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/cli/daemon_link.h"
#include "agent/cli/human.h"
#include "agent/cli/show_history.h"
#include "agent/cli/show_netcheck.h"
#include "agent/cli/show_ping.h"
#include "agent/cli/show_status.h"
#include "agent/cli/start_daemon.h"
#include "agent/local/ping_stats.h"
#include "common/clock.h"
#include "common/version.h"

enum { INVITATION_MAX = 1024 };

/* Set by SIGINT and SIGTERM: a ping ends with its summary. A handler can reach nothing else. */
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* ---- asking ---- */

static struct json *request_for(enum command command)
{
	struct json *request = json_object_new();

	json_add_str(request, "cmd", command_name(command));
	return request;
}

static int complain(const char *error)
{
	fprintf(stderr, "warren: %s\n", error);
	return 1;
}

/* Asks and prints the answer's error, if any; the exit status. */
static int ask_on(int fd, struct json *request, daemon_line_fn *on_line, void *arg)
{
	struct daemon_answer answer;

	daemon_ask(fd, request, on_line, arg, NULL, &answer);
	fflush(stdout);
	if (answer.error[0])
		complain(answer.error);
	return answer.exit_status;
}

static int ask(const struct arguments *args, struct json *request, daemon_line_fn *on_line,
	       void *arg)
{
	char path[DAEMON_PATH_LEN], error[DAEMON_ERROR_LEN];
	int fd;

	daemon_path(args->socket, path);
	if (daemon_connect(path, &fd, error) != 0) {
		json_free(request);
		return complain(error);
	}
	return ask_on(fd, request, on_line, arg);
}

static void print_raw(const char *text)
{
	puts(text);
	fflush(stdout);
}

/* ---- status, netcheck, history ---- */

static void on_status(void *arg, const char *text, const struct json_in *line)
{
	const struct arguments *args = arg;

	if (args->json) {
		print_raw(text);
		return;
	}
	if (args->watch && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout); /* home, clear */
	show_status(line, clock_unix_us(), stdout);
	if (args->watch && !isatty(STDOUT_FILENO))
		putchar('\n');
	fflush(stdout);
}

static int run_status(const struct arguments *args)
{
	struct arguments copy = *args;
	struct json *request = request_for(COMMAND_STATUS);

	if (args->watch)
		json_add_bool(request, "watch", true);
	return ask(args, request, on_status, &copy);
}

static void on_netcheck(void *arg, const char *text, const struct json_in *line)
{
	const struct arguments *args = arg;

	if (args->json)
		print_raw(text);
	else
		show_netcheck(line, stdout);
}

static int run_netcheck(const struct arguments *args)
{
	struct arguments copy = *args;

	return ask(args, request_for(COMMAND_NETCHECK), on_netcheck, &copy);
}

static void on_history(void *arg, const char *text, const struct json_in *line)
{
	const struct arguments *args = arg;

	if (args->json)
		print_raw(text);
	else
		show_history(line, args->since_us, stdout);
}

static int run_history(const struct arguments *args)
{
	struct arguments copy = *args;
	struct json *request = request_for(COMMAND_HISTORY);

	if (args->words[0])
		json_add_str(request, "peer", args->words[0]);
	json_add_u64(request, "since_ms", args->since_us / US_PER_MS);
	return ask(args, request, on_history, &copy);
}

/* ---- ping ---- */

struct ping {
	bool json;
	uint64_t started_us;
	struct ping_stats stats; /* kept here too, for a ping that is interrupted */
};

static void note_probe(struct ping *ping, const struct json_in *line)
{
	bool direct = strcmp(json_opt_str(line, "path", 16, ""), "direct") == 0;
	double rtt_ms = json_opt_f64(line, "rtt_ms", 0, 1e9, 0);

	if (json_opt_bool(line, "timeout", false))
		ping_stats_on_loss(&ping->stats);
	else
		ping_stats_on_answer(&ping->stats, (uint64_t)(rtt_ms * US_PER_MS), direct,
				     clock_now_us() - ping->started_us);
}

static void on_ping(void *arg, const char *text, const struct json_in *line)
{
	struct ping *ping = arg;

	if (json_has(line, "seq"))
		note_probe(ping, line);
	if (ping->json)
		print_raw(text);
	else
		show_ping(line, stdout);
	fflush(stdout);
}

/* The summary that the daemon would have sent. */
static int sum_up(struct ping *ping)
{
	struct json *tree = ping_stats_json(&ping->stats);
	char *text = json_print(tree);
	struct json_error err = {0};
	struct json *parsed;

	json_free(tree);
	if (json_parse(text, strlen(text), SIZE_MAX, &parsed, &err) == 0) {
		struct json_in line = json_root(parsed, &err);

		on_ping(ping, text, &line);
		json_free(parsed);
	}
	free(text);
	return ping->stats.answered > 0 ? 0 : 1;
}

/* SIGINT and SIGTERM interrupt the wait for the daemon instead of ending the process. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int run_ping(const struct arguments *args)
{
	struct ping ping = {.json = args->json, .started_us = clock_now_us()};
	char path[DAEMON_PATH_LEN], error[DAEMON_ERROR_LEN];
	struct json *request = request_for(COMMAND_PING);
	struct daemon_answer answer;
	int fd;

	json_add_str(request, "peer", args->words[0]);
	json_add_u64(request, "count", (uint64_t)args->count);
	json_add_u64(request, "interval_ms", args->interval_us / US_PER_MS);
	json_add_bool(request, "until_direct", args->until_direct);
	daemon_path(args->socket, path);
	if (daemon_connect(path, &fd, error) != 0) {
		json_free(request);
		return complain(error);
	}
	catch_signals();
	daemon_ask(fd, request, on_ping, &ping, &stop, &answer);
	if (answer.interrupted)
		return sum_up(&ping);
	if (answer.error[0])
		complain(answer.error);
	return answer.exit_status;
}

/* ---- up, down ---- */

/* The invitation from stdin, its first line. False where there is none. */
static bool read_invitation(char out[static INVITATION_MAX])
{
	if (!fgets(out, INVITATION_MAX, stdin))
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return out[0] != '\0';
}

static void on_up(void *arg, const char *text, const struct json_in *line)
{
	char safe[512];

	(void)arg;
	(void)text;
	human_safe(json_opt_str(line, "progress", sizeof(safe) - 1, ""), safe, sizeof(safe));
	if (safe[0])
		fprintf(stderr, "%s\n", safe);
}

static void on_joined(void *arg, const char *text, const struct json_in *line)
{
	struct json_in self = json_find(line, "self"), first = {0};
	struct json_in addresses = json_opt_array(&self, "addresses", 16);
	char name[128], addr[128];

	(void)arg;
	(void)text;
	human_safe(json_opt_str(&self, "name", sizeof(name) - 1, "this node"), name, sizeof(name));
	human_safe(json_each(&addresses, &first) ? json_as_str(&first, sizeof(addr) - 1) : "", addr,
		   sizeof(addr));
	printf("%s is online%s%s\n", name, addr[0] ? ", address " : "", addr);
}

static int run_up(const struct arguments *args)
{
	char path[DAEMON_PATH_LEN], error[DAEMON_ERROR_LEN], invitation[INVITATION_MAX] = "";
	bool from_stdin = args->words[0] && strcmp(args->words[0], "-") == 0;
	struct json *request;
	int fd;

	if (from_stdin && !read_invitation(invitation))
		return complain(
			"no invitation on stdin: paste the line that `token create` printed");
	daemon_path(args->socket, path);
	if (start_daemon(path, &fd, error) != 0)
		return complain(error);
	request = request_for(COMMAND_UP);
	if (args->words[0])
		json_add_str(request, "invitation", from_stdin ? invitation : args->words[0]);
	sodium_memzero(invitation, sizeof(invitation));
	int status = ask_on(fd, request, on_up, NULL);
	return status ? status : ask(args, request_for(COMMAND_STATUS), on_joined, NULL);
}

static void on_nothing(void *arg, const char *text, const struct json_in *line)
{
	(void)arg;
	(void)text;
	(void)line;
}

static int run_down(const struct arguments *args)
{
	int status = ask(args, request_for(COMMAND_DOWN), on_nothing, NULL);

	if (status == 0)
		printf("down; `warren up` brings it back\n");
	return status;
}

/* ---- trust, version ---- */

static void on_trust(void *arg, const char *text, const struct json_in *line)
{
	const struct arguments *args = arg;
	char old_key[128], new_key[128];

	(void)text;
	if (json_opt_bool(line, "accepted", false)) {
		printf("accepted: the key shown is %s's from now on\n", args->words[0]);
		return;
	}
	human_safe(json_opt_str(line, "old", sizeof(old_key) - 1, "none"), old_key,
		   sizeof(old_key));
	human_safe(json_opt_str(line, "new", sizeof(new_key) - 1, ""), new_key, sizeof(new_key));
	printf("%s\n  known machine key    %s\n", args->words[0], old_key);
	if (!new_key[0]) {
		printf("  no other key has shown up: nothing to accept\n");
		return;
	}
	printf("  key that shows up    %s\n\n"
	       "Ask the machine's owner, by another channel than this mesh, whether that is its "
	       "key.\n"
	       "If so:  warren trust %s %s\n",
	       new_key, args->words[0], new_key);
}

static int run_trust(const struct arguments *args)
{
	struct arguments copy = *args;
	struct json *request = request_for(COMMAND_TRUST);

	json_add_str(request, "name", args->words[0]);
	if (args->words[1])
		json_add_str(request, "fingerprint", args->words[1]);
	return ask(args, request, on_trust, &copy);
}

struct daemon_version {
	char version[64], commit[64];
};

static void on_version(void *arg, const char *text, const struct json_in *line)
{
	struct daemon_version *daemon = arg;

	(void)text;
	human_safe(json_opt_str(line, "version", 63, ""), daemon->version, 64);
	human_safe(json_opt_str(line, "commit", 63, ""), daemon->commit, 64);
}

static void print_version_json(const struct daemon_version *daemon)
{
	struct json *tree = json_object_new();

	json_add_str(tree, "version", version_number());
	json_add_str(tree, "commit", version_commit());
	json_add_str(tree, "daemon_version", daemon->version[0] ? daemon->version : NULL);
	json_add_str(tree, "daemon_commit", daemon->commit[0] ? daemon->commit : NULL);
	char *text = json_print(tree);
	puts(text);
	free(text);
	json_free(tree);
}

/* A daemon that is not there is no failure: the command's own version is known. */
static int run_version(const struct arguments *args)
{
	char path[DAEMON_PATH_LEN], error[DAEMON_ERROR_LEN];
	struct daemon_version daemon = {0};
	struct daemon_answer answer;
	int fd;

	daemon_path(args->socket, path);
	if (daemon_connect(path, &fd, error) == 0)
		daemon_ask(fd, request_for(COMMAND_VERSION), on_version, &daemon, NULL, &answer);
	if (args->json) {
		print_version_json(&daemon);
		return 0;
	}
	printf("warren %s (%s)\n", version_number(), version_commit());
	if (daemon.version[0])
		printf("warrend %s (%s)\n", daemon.version, daemon.commit);
	else
		printf("warrend is not running\n");
	return 0;
}

int commands_run(const struct arguments *args)
{
	static int (*const table[COMMANDS])(const struct arguments *args) = {
		[COMMAND_UP] = run_up,
		[COMMAND_DOWN] = run_down,
		[COMMAND_STATUS] = run_status,
		[COMMAND_PING] = run_ping,
		[COMMAND_NETCHECK] = run_netcheck,
		[COMMAND_HISTORY] = run_history,
		[COMMAND_TRUST] = run_trust,
		[COMMAND_VERSION] = run_version,
	};

	return table[args->command](args);
}
