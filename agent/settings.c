#include "agent/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(field) offsetof(struct settings, field)

enum { CANNOT = 1, USAGE = 2 }; /* exit statuses */

static const struct config_option options[] = {
	{"coordinator", CONFIG_STRING, AT(coordinator), "URL",
	 "https://host[:port] or an invitation; without it warrend waits for `warren up`",
	 .secret = true},
	{"token-file", CONFIG_STRING, AT(token_file), "FILE", "file with the join token"},
	{"token", CONFIG_STRING, AT(token), "TOKEN", "the join token itself", .secret = true},
	{"role", CONFIG_STRING, AT(role), "client|agent",
	 "client on a laptop, agent in a workspace", .choices = "client|agent"},
	{"name", CONFIG_STRING, AT(name), "NAME", "the name to join under"},
	{"state-dir", CONFIG_STRING, AT(state_dir), "DIR",
	 "keys, map and history (default /var/lib/warren, or under $XDG_STATE_HOME)"},
	{"socket", CONFIG_STRING, AT(socket), "PATH",
	 "where `warren` finds us (default /run/warren/warrend.sock, or under $XDG_RUNTIME_DIR)"},
	{"operator", CONFIG_STRING, AT(operator), "USER", "a user who may command the daemon"},
	{"port", CONFIG_INT, AT(port), "UDP-PORT", "0: the one used last, else any",
	 .initial = "0"},
	{"tun", CONFIG_STRING, AT(tun), "NAME", "the network interface", .initial = "warren0"},
	{"map-max-age", CONFIG_DURATION, AT(map_max_age_us), "TIME",
	 "how long the saved map serves without the coordinator", .initial = "30d"},
	{"metrics", CONFIG_STRING, AT(metrics), "ADDR:PORT", "serve /metrics and /healthz there"},
	{"ca-file", CONFIG_STRING, AT(ca_file), "FILE",
	 "more certificate authorities, for coordinator and relays"},
	{"relay-only", CONFIG_BOOL, AT(relay_only), NULL, "never go direct"},
	{.name = NULL},
};

const struct config_program warrend_program = {
	.name = "warrend",
	.usage = "[OPTION]...",
	.summary = "The Warren node daemon: joins this machine to its mesh.",
	.options = options,
};

static int default_path(char out[static STATE_PATH_LEN], const char *root_path,
			const char *variable, const char *fallback, const char *rest,
			const char *flag, char error[static CONFIG_ERROR_LEN])
{
	const char *base = getenv(variable), *home = getenv("HOME");

	if (geteuid() == 0)
		snprintf(out, STATE_PATH_LEN, "%s", root_path);
	else if (base && *base)
		snprintf(out, STATE_PATH_LEN, "%s/%s", base, rest);
	else if (fallback && home && *home)
		snprintf(out, STATE_PATH_LEN, "%s/%s/%s", home, fallback, rest);
	else {
		snprintf(error, CONFIG_ERROR_LEN, "$%s is not set: say where with --%s", variable,
			 flag);
		return -EINVAL;
	}
	return 0;
}

int settings_finish(struct settings *s, char error[static CONFIG_ERROR_LEN])
{
	if (s->port < 0 || s->port > 65535) {
		snprintf(error, CONFIG_ERROR_LEN, "--port: not a UDP port (0 to 65535)");
		return USAGE;
	}
	if (s->token && s->token_file) {
		snprintf(error, CONFIG_ERROR_LEN, "give --token or --token-file, not both");
		return USAGE;
	}
	if (strcmp(s->tun, "none") == 0) {
		snprintf(error, CONFIG_ERROR_LEN,
			 "--tun none: this build needs a TUN; give it CAP_NET_ADMIN and a name");
		return CANNOT;
	}
	if (!s->state_dir) {
		if (default_path(s->state_dir_buf, "/var/lib/warren", "XDG_STATE_HOME",
				 ".local/state", "warren", "state-dir", error) != 0)
			return USAGE;
		s->state_dir = s->state_dir_buf;
	}
	if (!s->socket) {
		if (default_path(s->socket_buf, "/run/warren/warrend.sock", "XDG_RUNTIME_DIR", NULL,
				 "warren/warrend.sock", "socket", error) != 0)
			return USAGE;
		s->socket = s->socket_buf;
	}
	return 0;
}
