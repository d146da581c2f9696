#include "coordinator/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/statefile.h"
#include "coordinator/policy.h"

enum { ANSWER_MAX = 64 << 20, FILE_MAX = 1 << 20, PATH_LEN = 512, TEXT_MAX = 4096 };
enum { AUDIT_SHOWN = 1000, FOLLOW_EVERY_US = 500 * 1000 };

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
	va_list args;

	fputs("warren-coordinator: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return 1;
}

/* ---- asking and showing ---- */

static int show(const struct admin_settings *s, const char *text,
		void (*people)(const struct json_in *root))
{
	struct json_error wrong = {0};
	struct json *tree;

	if (s->json) {
		puts(text);
		return 0;
	}
	if (json_parse(text, strlen(text), ANSWER_MAX, &tree, &wrong) != 0)
		return complain("the answer is not understood: %s", wrong.text);
	struct json_in root = json_root(tree, &wrong);
	people(&root);
	json_free(tree);
	return wrong.failed ? complain("the answer is not understood: %s", wrong.text) : 0;
}

static int ask(const struct admin_settings *s, const char *method, const char *path,
	       const char *body, void (*people)(const struct json_in *root))
{
	char error[ADMIN_ERROR_LEN], *answer;

	if (admin_call(&s->target, method, path, body, strlen(body), &answer, error) != 0)
		return complain("%s", error);
	int status = show(s, answer, people);
	sodium_memzero(answer, strlen(answer));
	free(answer);
	return status;
}

static void show_done(const struct json_in *root)
{
	(void)root;
	puts("done");
}

static bool is_document(const char *text, size_t len)
{
	struct json_error wrong = {0};
	struct json *tree;

	if (json_parse(text, len, FILE_MAX, &tree, &wrong) != 0)
		return false;
	json_free(tree);
	return true;
}

/* Standard input up to its end, or to the end of a JSON document: a relay that prints its entry
 * into our pipe goes on running. */
static int read_stdin(char **text)
{
	size_t len = 0;

	*text = calloc(1, FILE_MAX + 1);
	if (!*text)
		abort();
	while (len < FILE_MAX) {
		ssize_t n = read(STDIN_FILENO, *text + len, FILE_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain("cannot read standard input: %s", strerror(errno));
		len += (size_t)n;
		if (n == 0 || is_document(*text, len))
			return 0;
	}
	return complain("standard input is longer than %d bytes", FILE_MAX);
}

/* The whole file, or standard input for "-". */
static int read_input(const char *path, char **text)
{
	size_t len;

	if (strcmp(path, "-") == 0)
		return read_stdin(text);
	int err = statefile_read(path, FILE_MAX, text, &len);
	return err ? complain("cannot read %s: %s", path, strerror(-err)) : 0;
}

static int ask_with_file(const struct admin_settings *s, const char *method, const char *path,
			 const char *file, void (*people)(const struct json_in *root))
{
	char *text = NULL;

	int status = read_input(file, &text);
	if (status == 0)
		status = ask(s, method, path, text, people);
	free(text);
	return status;
}

static const char *field(const struct json_in *obj, const char *key)
{
	return json_opt_str(obj, key, TEXT_MAX, "-");
}

static const char *yes(const struct json_in *obj, const char *key, const char *word)
{
	return json_opt_bool(obj, key, false) ? word : "";
}

/* ---- tokens ---- */

static void show_token(const struct json_in *root)
{
	printf("%s\n", json_str(root, "invitation", TEXT_MAX));
	fprintf(stderr, "valid until %s; on the machine that joins: warren up INVITATION\n",
		json_str(root, "expires", TEXT_MAX));
}

static int token_create(const struct admin_settings *s, const char *word)
{
	struct json *tree = json_object_new();

	(void)word;
	json_add_str(tree, "owner", s->owner ? s->owner : "");
	json_add_str(tree, "name", s->name ? s->name : "");
	json_add_str(tree, "role", s->role);
	json_add_u64(tree, "ttl_s", s->ttl_us / US_PER_S);
	json_add_bool(tree, "reusable", s->reusable);
	json_add_bool(tree, "ephemeral", s->ephemeral);
	char *body = json_print(tree);
	int status = ask(s, "POST", "/v1/tokens", body, show_token);
	free(body);
	json_free(tree);
	return status;
}

static void show_tokens(const struct json_in *root)
{
	struct json_in list = json_array(root, "tokens", SIZE_MAX);

	printf("%-6s %-8s %-24s %-7s %-25s %s\n", "ID", "STATE", "NAME", "ROLE", "EXPIRES", "");
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in t = json_item(&list, i);
		char name[160];

		snprintf(name, sizeof(name), "%s.%s", field(&t, "name"), field(&t, "owner"));
		printf("%-6" PRIu64 " %-8s %-24s %-7s %-25s %s%s\n",
		       json_u64(&t, "id", 0, UINT32_MAX), field(&t, "state"), name,
		       field(&t, "role"), field(&t, "expires"), yes(&t, "reusable", "reusable "),
		       yes(&t, "ephemeral", "ephemeral"));
	}
}

static int token_list(const struct admin_settings *s, const char *word)
{
	(void)word;
	return ask(s, "GET", "/v1/tokens", "", show_tokens);
}

/* DELETE of one thing: a path with the word behind it. */
static int delete_one(const struct admin_settings *s, const char *folder, const char *word)
{
	char path[PATH_LEN];

	if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(word))
		return complain("\"%.64s\" is neither a name nor a number", word);
	snprintf(path, sizeof(path), "%s%.300s", folder, word);
	return ask(s, "DELETE", path, "", show_done);
}

static int token_revoke(const struct admin_settings *s, const char *word)
{
	return delete_one(s, "/v1/tokens/", word);
}

/* ---- nodes ---- */

static void show_nodes(const struct json_in *root)
{
	struct json_in list = json_array(root, "nodes", SIZE_MAX);

	printf("%-6s %-24s %-7s %-8s %-16s %-6s %s\n", "ID", "NAME", "ROLE", "STATE", "ADDRESS",
	       "HOME", "SEEN");
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in n = json_item(&list, i);
		struct json_in addresses = json_array(&n, "addresses", 8);
		struct json_in first = json_item(&addresses, 0);
		char name[160];

		snprintf(name, sizeof(name), "%s.%s", field(&n, "name"), field(&n, "owner"));
		printf("%-6" PRIu64 " %-24s %-7s %-8s %-16s %-6" PRIu64 " %s\n",
		       json_u64(&n, "id", 0, UINT32_MAX), name, field(&n, "role"),
		       json_opt_bool(&n, "online", false) ? "online" : "offline",
		       json_as_str(&first, TEXT_MAX), json_u64(&n, "home_region", 0, UINT32_MAX),
		       field(&n, "seen"));
	}
}

static int node_list(const struct admin_settings *s, const char *word)
{
	(void)word;
	return ask(s, "GET", "/v1/nodes", "", show_nodes);
}

static int node_remove(const struct admin_settings *s, const char *word)
{
	return delete_one(s, "/v1/nodes/", word);
}

/* ---- policy ---- */

static int policy_check(const struct admin_settings *s, const char *file)
{
	struct json_error wrong = {0};
	struct policy *policy;
	char *text = NULL;

	(void)s;
	int status = read_input(file, &text);
	if (status == 0 && policy_parse(text, strlen(text), &policy, &wrong) != 0)
		status = complain("the policy is not usable: %s", wrong.text);
	else if (status == 0) {
		policy_free(policy);
		puts("the policy is well-formed");
	}
	free(text);
	return status;
}

static int policy_show(const struct admin_settings *s, const char *word)
{
	struct admin_settings as_json = *s;

	(void)word;
	as_json.json = true; /* a policy is JSON for people too */
	return ask(&as_json, "GET", "/v1/policy", "", show_done);
}

static int policy_set(const struct admin_settings *s, const char *file)
{
	return ask_with_file(s, "PUT", "/v1/policy", file, show_done);
}

/* ---- relays ---- */

static void show_region(const struct json_in *region)
{
	struct json_in nodes = json_opt_array(region, "Nodes", 1024);

	for (size_t i = 0; i < json_count(&nodes); i++) {
		struct json_in n = json_item(&nodes, i);

		printf("%-8" PRIu64 " %-10s %-16s %-10s %s:%" PRIu64 "\n",
		       json_u64(region, "RegionID", 0, UINT32_MAX), field(region, "RegionCode"),
		       field(region, "RegionName"), field(&n, "Name"), field(&n, "HostName"),
		       json_opt_u64(&n, "DERPPort", 0, UINT16_MAX, 443));
	}
}

static void show_relays(const struct json_in *root)
{
	struct json_in regions = json_object(root, "Regions");

	printf("%-8s %-10s %-16s %-10s %s\n", "REGION", "CODE", "NAME", "RELAY", "HOST");
	for (size_t i = 0; i < json_count(&regions); i++) {
		struct json_in region = json_item(&regions, i);
		show_region(&region);
	}
}

static int relay_list(const struct admin_settings *s, const char *word)
{
	(void)word;
	return ask(s, "GET", "/v1/relays", "", show_relays);
}

static void show_added(const struct json_in *root)
{
	printf("relay of region %" PRIu64 " added\n"
	       "admission secret, for the file of its --admit-key-file: %s\n",
	       json_u64(root, "region", 0, UINT32_MAX), json_str(root, "secret", TEXT_MAX));
}

static int relay_add(const struct admin_settings *s, const char *file)
{
	return ask_with_file(s, "POST", "/v1/relays", file, show_added);
}

static int relay_remove(const struct admin_settings *s, const char *word)
{
	return delete_one(s, "/v1/relays/", word);
}

/* ---- audit ---- */

static void show_rows(const struct json_in *root)
{
	struct json_in rows = json_array(root, "rows", SIZE_MAX);

	for (size_t i = 0; i < json_count(&rows); i++) {
		struct json_in row = json_item(&rows, i);

		printf("%s %-8s %-24s %s\n", field(&row, "t"), field(&row, "kind"),
		       field(&row, "who"), field(&row, "what"));
	}
	fflush(stdout);
}

/* Rows that follow, one document a line with --json; *last moves on. */
static int show_new_rows(const struct admin_settings *s, const char *text, uint64_t *last)
{
	struct json_error wrong = {0};
	struct json *tree;

	if (json_parse(text, strlen(text), ANSWER_MAX, &tree, &wrong) != 0)
		return complain("the answer is not understood: %s", wrong.text);
	struct json_in root = json_root(tree, &wrong);
	struct json_in rows = json_array(&root, "rows", SIZE_MAX);
	for (size_t i = 0; i < json_count(&rows); i++) {
		struct json_in row = json_item(&rows, i);

		*last = json_u64(&row, "id", 0, JSON_INT_MAX);
		if (s->json) {
			char *line = json_print(row.node);

			puts(line);
			free(line);
		}
	}
	if (!s->json)
		show_rows(&root);
	fflush(stdout);
	json_free(tree);
	return 0;
}

static int audit_follow(const struct admin_settings *s)
{
	uint64_t last = 0;
	bool first = true;

	for (;;) {
		char path[PATH_LEN], error[ADMIN_ERROR_LEN], *answer;

		snprintf(path, sizeof(path), "/v1/audit?after=%" PRIu64 "&limit=%d%s", last,
			 first ? 20 : AUDIT_SHOWN, first ? "&newest=1" : "");
		if (admin_call(&s->target, "GET", path, "", 0, &answer, error) != 0)
			return complain("%s", error);
		int status = show_new_rows(s, answer, &last);
		free(answer);
		if (status)
			return status;
		first = false;
		usleep(FOLLOW_EVERY_US);
	}
}

static int audit(const struct admin_settings *s, const char *word)
{
	char path[PATH_LEN];

	(void)word;
	if (s->follow)
		return audit_follow(s);
	snprintf(path, sizeof(path), "/v1/audit?newest=1&limit=%d", AUDIT_SHOWN);
	return ask(s, "GET", path, "", show_rows);
}

/* ---- the admin key ---- */

static void show_admin_key(const struct json_in *root)
{
	puts(json_str(root, "admin_key", TEXT_MAX));
	fputs("one made before is no longer valid; keep this in a file for --admin-key-file\n",
	      stderr);
}

static int admin_key(const struct admin_settings *s, const char *word)
{
	(void)word;
	return ask(s, "POST", "/v1/admin-key", "", show_admin_key);
}

/* ---- which is which ---- */

static const struct command {
	const char *noun, *verb; /* verb NULL: the noun alone */
	const char *argument;	 /* NULL: takes none */
	int (*run)(const struct admin_settings *s, const char *word);
} commands[] = {
	{"token", "create", NULL, token_create},     {"token", "list", NULL, token_list},
	{"token", "revoke", "ID", token_revoke},     {"node", "list", NULL, node_list},
	{"node", "remove", "NAME", node_remove},     {"policy", "check", "FILE", policy_check},
	{"policy", "show", NULL, policy_show},	     {"policy", "set", "FILE", policy_set},
	{"relay", "list", NULL, relay_list},	     {"relay", "add", "FILE|-", relay_add},
	{"relay", "remove", "REGION", relay_remove}, {"audit", NULL, NULL, audit},
	{"admin-key", NULL, NULL, admin_key},
};

int admin_run(const struct admin_settings *settings, const char *const *words, size_t n_words)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *cmd = &commands[i];
		size_t n = cmd->verb ? 2 : 1;

		if (n_words < n || strcmp(words[0], cmd->noun) != 0 ||
		    (cmd->verb && strcmp(words[1], cmd->verb) != 0))
			continue;
		if (n_words != n + (cmd->argument ? 1 : 0)) {
			complain("usage: %s%s%s%s%s", cmd->noun, cmd->verb ? " " : "",
				 cmd->verb ? cmd->verb : "", cmd->argument ? " " : "",
				 cmd->argument ? cmd->argument : "");
			return 2;
		}
		return cmd->run(settings, cmd->argument ? words[n] : NULL);
	}
	complain("there is no command \"%s%s%s\"; --help lists them", words[0],
		 n_words > 1 ? " " : "", n_words > 1 ? words[1] : "");
	return 2;
}
