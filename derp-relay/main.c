/*
 * warren-relay: settings, then the server (relay_server), then the loop until it has said goodbye.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/net/loop.h"
#include "derp-relay/relay_server.h"
#include "derp-relay/relay_settings.h"

struct program {
	struct relay_settings settings;
	int argc; /* read again on SIGHUP */
	char **argv;
	struct event_base *base;
	struct loop_signals *signals;
	struct relay_server *server;
};

extern char **environ;

static void on_ended(void *arg)
{
	struct program *p = arg;

	loop_stop(p->base);
}

static void on_stop(void *arg)
{
	struct program *p = arg;

	loop_notify_stopping();
	log_info("relay", log_event("stopping"));
	relay_server_drain(p->server);
}

static void on_reload(void *arg)
{
	struct program *p = arg;
	struct relay_settings fresh = {0};
	struct config config;
	char error[CONFIG_ERROR_LEN];

	loop_notify_reloading(clock_now_us());
	if (config_read(&relay_program, p->argc, p->argv, environ, &fresh, &config, error) < 0) {
		log_error("relay", log_event("settings-kept"), log_str("error", error));
	} else {
		p->settings.rate_bytes = fresh.rate_bytes;
		p->settings.burst_bytes = fresh.burst_bytes;
		config_wipe(&config);
	}
	relay_server_reload(p->server, p->settings.rate_bytes, p->settings.burst_bytes);
	log_info("relay", log_event("reloaded"), log_u64("rate_bytes", p->settings.rate_bytes));
	loop_notify_ready();
}

/* A client is a descriptor, and the default limit of a thousand is soon reached. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The relay's entry for the map on stdout, the only thing ever written there. */
static bool print_entry(const struct program *p)
{
	char *text = relay_server_entry(p->server);

	if (text)
		printf("%s\n", text);
	fflush(stdout);
	free(text);
	return text != NULL;
}

static int serve(struct program *p)
{
	struct relay_server_config config = {
		.settings = &p->settings, .base = p->base, .ended = on_ended, .arg = p};
	char error[RELAY_SERVER_ERROR_LEN] = "";

	if (relay_server_start(&config, &p->server, error) < 0) {
		fprintf(stderr, "warren-relay: %s\n", error);
		return 1;
	}
	if (relay_settings_tls(&p->settings) == RELAY_TLS_SELF_SIGNED && !print_entry(p)) {
		fprintf(stderr, "warren-relay: the certificate cannot be read\n");
		return 1;
	}
	p->signals = loop_signals_new(p->base, on_stop, on_reload, p);
	relay_server_log_ready(p->server);
	loop_notify_ready();
	loop_run(p->base);
	return 0;
}

int main(int argc, char **argv)
{
	struct program p = {.argc = argc, .argv = argv};
	struct config config;
	char error[CONFIG_ERROR_LEN] = "";
	int status;

	if (!config_load(&relay_program, argc, argv, &p.settings, &config, &status))
		return status;
	if (relay_settings_check(&p.settings, error) < 0) {
		fprintf(stderr, "warren-relay: %s\n", error);
		return 2;
	}
	if (sodium_init() < 0)
		return 1;
	raise_descriptor_limit();
	p.base = loop_base_new();
	status = serve(&p);
	relay_server_free(p.server);
	loop_signals_free(p.signals);
	loop_base_free(p.base);
	config_wipe(&config);
	return status;
}
