#include "derp-relay/relay_settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { THREADS_MAX = 60, THREADS_BY_DEFAULT_MAX = 16 };

#define AT(field) offsetof(struct relay_settings, field)

static const struct config_option options[] = {
	{"listen", CONFIG_STRING, AT(listen), "ADDR:PORT", .help = "where DERP is served",
	 .initial = ":443"},
	{"http", CONFIG_STRING, AT(http), "ADDR:PORT|off",
	 .help = "plain port, for captive portal checks", .initial = ":80"},
	{"stun", CONFIG_STRING, AT(stun), "ADDR:PORT|off", .help = "STUN over UDP",
	 .initial = ":3478"},
	{"hostname", CONFIG_STRING, AT(hostname), "NAME|IP",
	 .help = "what clients dial (default: this machine's own address)"},
	{"tls-cert", CONFIG_STRING, AT(tls_cert), "FILE", .help = "PEM certificate with its chain"},
	{"tls-key", CONFIG_STRING, AT(tls_key), "FILE", .help = "PEM key of it"},
	{"tls", CONFIG_STRING, AT(tls), "self-signed|off",
	 .help = "without certificate files: make one and print the relay's map entry with its pin "
		 "(the "
		 "default), or serve plain TCP",
	 .choices = "self-signed|off"},
	{"state-dir", CONFIG_STRING, AT(state_dir), "DIR",
	 .help = "key, self-signed certificate, admitted keys", .initial = "/var/lib/warren-relay"},
	{"key-file", CONFIG_STRING, AT(key_file), "FILE",
	 .help = "the relay's key, made if absent (default: relay.key in the state directory)"},
	{"mesh-key-file", CONFIG_STRING, AT(mesh_key_file), "FILE",
	 .help = "64 hex digits shared by the relays of this region"},
	{"mesh-with", CONFIG_STRING, AT(mesh_with), "HOST,...",
	 .help = "the region's other relays: HOST[:PORT][=sha256-raw:HEX]"},
	{"admit-url", CONFIG_STRING, AT(admit_url), "URL",
	 .help = "the coordinator's /v1/relay/admit, [#pin=sha256:HEX] behind it; without, "
		 "everybody may "
		 "use "
		 "the relay"},
	{"admit-key-file", CONFIG_STRING, AT(admit_key_file), "FILE",
	 .help = "the secret shown by `relay add`"},
	{"admit-fail-open", CONFIG_BOOL, AT(admit_fail_open), NULL,
	 .help = "let unknown keys in while the coordinator is silent"},
	{"rate-bytes", CONFIG_BYTES, AT(rate_bytes), "N",
	 .help = "bytes a second from each client; 0: no limit", .initial = "0"},
	{"burst-bytes", CONFIG_BYTES, AT(burst_bytes), "N", .help = "bytes at once, 65568 at least",
	 .initial = "0"},
	{"threads", CONFIG_INT, AT(threads), "N",
	 .help = "worker threads (default: one for every two processors)", .initial = "0"},
	{"ca-file", CONFIG_STRING, AT(ca_file), "FILE",
	 .help = "more certificate authorities, for coordinator and mesh"},
	{"metrics", CONFIG_STRING, AT(metrics), "ADDR:PORT",
	 .help = "serve /metrics and /healthz there"},
	{"region-id", CONFIG_INT, AT(region_id), "N", .help = "RegionID of the printed map entry",
	 .initial = "900"},
	{"region-code", CONFIG_STRING, AT(region_code), "CODE", .help = "its RegionCode",
	 .initial = "warren"},
	{"region-name", CONFIG_STRING, AT(region_name), "NAME", .help = "its RegionName",
	 .initial = "Warren relay"},
	{.name = NULL},
};

const struct config_program relay_program = {
	.name = "warren-relay",
	.usage = "[--listen :443] [--tls-cert F --tls-key F | --tls self-signed|off] [OPTIONS]",
	.summary = "A DERP relay with STUN: carries sealed packets between nodes that have no "
		   "direct way.",
	.options = options,
};

bool relay_settings_is_off(const char *value)
{
	return strcmp(value, "off") == 0;
}

enum relay_tls relay_settings_tls(const struct relay_settings *s)
{
	if (s->tls_cert)
		return RELAY_TLS_FILES;
	return s->tls && relay_settings_is_off(s->tls) ? RELAY_TLS_OFF : RELAY_TLS_SELF_SIGNED;
}

static const char *contradiction(const struct relay_settings *s)
{
	if (!s->tls_cert != !s->tls_key)
		return "--tls-cert and --tls-key go together";
	if (s->tls_cert && s->tls)
		return "--tls says how to do without --tls-cert: give one of them";
	if (s->mesh_with && !s->mesh_key_file)
		return "--mesh-with needs --mesh-key-file";
	if ((s->admit_key_file || s->admit_fail_open) && !s->admit_url)
		return "--admit-key-file and --admit-fail-open need --admit-url";
	if (s->threads < 0 || s->threads > THREADS_MAX)
		return "--threads: 0 to 60";
	if (s->region_id < 1 || s->region_id > UINT32_MAX)
		return "--region-id: 1 to 4294967295";
	return NULL;
}

int relay_settings_check(const struct relay_settings *s, char error[static CONFIG_ERROR_LEN])
{
	const char *why = contradiction(s);

	if (!why)
		return 0;
	snprintf(error, CONFIG_ERROR_LEN, "%s", why);
	return -EINVAL;
}

uint16_t relay_settings_threads(const struct relay_settings *s, long processors)
{
	if (s->threads > 0)
		return (uint16_t)s->threads;
	/* The kernel's share of relaying, and STUN, take the other half; and two clients that share
	 * a worker need no wake-up between them. */
	long half = processors / 2;
	if (half < 1)
		return 1;
	return (uint16_t)(half < THREADS_BY_DEFAULT_MAX ? half : THREADS_BY_DEFAULT_MAX);
}
