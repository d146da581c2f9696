/*
 * warren-coordinator: picks the command out of the words, reads its options, and hands over to
 * serve.c or admin.c.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/config.h"
#include "coordinator/admin.h"
#include "coordinator/serve.h"
#include "coordinator/server.h"

static const char state_dir[] = "/var/lib/warren-coordinator";
static const char commands_text[] = "The control server of a Warren mesh. Commands:\n"
				    "  serve                          run the server\n"
				    "  token create|list|revoke ID    join tokens and invitations\n"
				    "  node list|remove NAME          the machines of the mesh\n"
				    "  policy check FILE|show|set FILE\n"
				    "                                 who may reach whom\n"
				    "  relay list|add FILE|-|remove REGION\n"
				    "                                 the relay map\n"
				    "  audit [--follow]               who did what, when\n"
				    "  admin-key                      make the key for --server\n"
				    "COMMAND --help shows a command's options.";

#define TEXT(NAME, FIELD, VALUE, HELP, INITIAL)                                                    \
	{                                                                                          \
		.name = NAME, .kind = CONFIG_STRING,                                               \
		.offset = offsetof(struct server_settings, FIELD), .value = VALUE, .help = HELP,   \
		.initial = INITIAL                                                                 \
	}

static const struct config_option serve_options[] = {
	TEXT("listen", listen, "ADDR:PORT", "address of the public listener", ":8443"),
	TEXT("url", url, "URL", "how nodes reach it: https://HOST[:PORT]", NULL),
	TEXT("state-dir", state_dir, "DIR", "store, certificate and admin socket", state_dir),
	TEXT("store", store, "sqlite:FILE", "the store, if not in the state directory", NULL),
	TEXT("tls-cert", tls_cert, "FILE", "certificate chain (PEM); self-signed without", NULL),
	TEXT("tls-key", tls_key, "FILE", "its key (PEM)", NULL),
	TEXT("relay-map", relay_map, "FILE", "DERPMap JSON; read again on SIGHUP", NULL),
	TEXT("policy", policy, "FILE", "policy; read again on SIGHUP", NULL),
	TEXT("mesh-v4", mesh_v4, "CIDR/16", "IPv4 prefix of a new mesh, of 10.0.0.0/8", NULL),
	TEXT("mesh-v6", mesh_v6, "CIDR/48", "IPv6 prefix of a new mesh, of fd00::/8", NULL),
	TEXT("metrics", metrics, "ADDR:PORT", "serve Prometheus text there", NULL),
	{0},
};
#undef TEXT

#define OPTION(NAME, KIND, FIELD, VALUE, HELP, INITIAL)                                            \
	{                                                                                          \
		.name = NAME, .kind = KIND, .offset = offsetof(struct admin_settings, FIELD),      \
		.value = VALUE, .help = HELP, .initial = INITIAL                                   \
	}
/* What every admin command takes. */
#define TARGET_OPTIONS                                                                             \
	OPTION("json", CONFIG_BOOL, json, NULL, "print one JSON document", NULL),                  \
		OPTION("state-dir", CONFIG_STRING, target.state_dir, "DIR",                        \
		       "the server's state directory, for its admin socket", state_dir),           \
		OPTION("server", CONFIG_STRING, target.server, "URL",                              \
		       "ask this server instead, from afar", NULL),                                \
		OPTION("admin-key-file", CONFIG_STRING, target.admin_key_file, "FILE",             \
		       "its admin key", NULL),                                                     \
		OPTION("ca-file", CONFIG_STRING, target.ca_file, "FILE",                           \
		       "certificate authorities besides the system's", NULL),                      \
		OPTION("pin", CONFIG_STRING, target.pin, "sha256:HEX",                             \
		       "the server's public key, as in its invitations", NULL),                    \
	{                                                                                          \
		0                                                                                  \
	}

static const struct config_option token_create_options[] = {
	OPTION("owner", CONFIG_STRING, owner, "OWNER", "whose node it will be", NULL),
	OPTION("name", CONFIG_STRING, name, "NAME", "the node's name", NULL),
	{.name = "role",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct admin_settings, role),
	 .value = "ROLE",
	 .help = "client (laptop) or agent (workspace); else the node says it",
	 .choices = "client|agent"},
	OPTION("ttl", CONFIG_DURATION, ttl_us, "TIME", "how long it may be used", "24h"),
	OPTION("reusable", CONFIG_BOOL, reusable, NULL, "for many: NAME, NAME-2, NAME-3, ...",
	       NULL),
	OPTION("ephemeral", CONFIG_BOOL, ephemeral, NULL,
	       "its nodes are removed five minutes after they go", NULL),
	TARGET_OPTIONS,
};
static const struct config_option audit_options[] = {
	OPTION("follow", CONFIG_BOOL, follow, NULL, "go on with what comes", NULL),
	TARGET_OPTIONS,
};
static const struct config_option target_options[] = {TARGET_OPTIONS};
static const struct config_option no_options[] = {{0}};
#undef OPTION
#undef TARGET_OPTIONS

static const struct config_program serve_program = {
	.name = "warren-coordinator",
	.usage = "serve [OPTION]...",
	.summary = "Runs the control server of a mesh: identity, keys, endpoints, policy, relays.",
	.options = serve_options,
	.words_max = 1,
};

static const struct config_program nothing = {
	.name = "warren-coordinator",
	.usage = "COMMAND [OPTION]...",
	.summary = commands_text,
	.options = no_options,
	.words_max = 4,
};

#define ADMIN_PROGRAM(USAGE, OPTIONS)                                                              \
	{                                                                                          \
		.name = "warren-coordinator", .usage = USAGE, .options = OPTIONS, .words_max = 4,  \
		.logs_quietly = true                                                               \
	}

/* The first that fits the words; verb NULL fits any. */
static const struct admin_program {
	const char *noun, *verb;
	struct config_program program;
} admin_programs[] = {
	{"token", "create",
	 ADMIN_PROGRAM("token create --owner OWNER --name NAME [OPTION]...", token_create_options)},
	{"token", NULL, ADMIN_PROGRAM("token create|list|revoke ID [OPTION]...", target_options)},
	{"node", NULL, ADMIN_PROGRAM("node list|remove NAME [OPTION]...", target_options)},
	{"policy", NULL,
	 ADMIN_PROGRAM("policy check FILE|show|set FILE [OPTION]...", target_options)},
	{"relay", NULL,
	 ADMIN_PROGRAM("relay list|add FILE|-|remove REGION [OPTION]...", target_options)},
	{"audit", NULL, ADMIN_PROGRAM("audit [--follow] [OPTION]...", audit_options)},
	{"admin-key", NULL, ADMIN_PROGRAM("admin-key [OPTION]...", target_options)},
};
#undef ADMIN_PROGRAM

/* A flag written as two arguments: the next one is its value and no word. */
static bool takes_next(const char *arg)
{
	static const char *const alone[] = {"--json",	"--reusable", "--ephemeral",
					    "--follow", "--help",     "--version"};

	if (strncmp(arg, "--", 2) != 0 || strchr(arg, '='))
		return false;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		if (strcmp(arg, alone[i]) == 0)
			return false;
	return true;
}

/* The first two words of the command line, NULL where there are fewer. */
static void find_words(int argc, char **argv, const char *words[static 2])
{
	size_t n = 0;

	words[0] = words[1] = NULL;
	for (int i = 1; i < argc && n < 2; i++) {
		if (takes_next(argv[i]))
			i++;
		else if (argv[i][0] != '-')
			words[n++] = argv[i];
	}
}

static const struct config_program *find_program(const char *const words[static 2])
{
	if (!words[0])
		return &nothing;
	if (strcmp(words[0], "serve") == 0)
		return &serve_program;
	for (size_t i = 0; i < sizeof(admin_programs) / sizeof(admin_programs[0]); i++) {
		const struct admin_program *p = &admin_programs[i];
		bool verb_fits = !p->verb || (words[1] && strcmp(words[1], p->verb) == 0);

		if (strcmp(words[0], p->noun) == 0 && verb_fits)
			return &p->program;
	}
	return &nothing;
}

int main(int argc, char **argv)
{
	const char *words[2];
	struct server_settings serve = {0};
	struct admin_settings admin = {0};
	struct config config;
	int status;

	if (sodium_init() < 0)
		return 1;
	find_words(argc, argv, words);
	const struct config_program *program = find_program(words);
	void *settings = program == &serve_program ? (void *)&serve : (void *)&admin;
	if (!config_load(program, argc, argv, settings, &config, &status))
		return status;
	if (program == &serve_program) {
		status = serve_run(&serve);
	} else if (config.n_words == 0) {
		fputs("warren-coordinator: a command is needed; --help lists them\n", stderr);
		status = 2;
	} else {
		status = admin_run(&admin, config.words, config.n_words);
	}
	config_wipe(&config);
	return status;
}
