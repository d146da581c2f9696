/*
 * warren-stun: a STUN server alone (RFC 8489; RFC 5780 where it has two addresses), for a network
 * team to run in a region.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/config.h"
#include "common/log.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "stun/stun_udp.h"

struct settings {
	struct config_list listen;
	const char *alternate;
	int64_t threads;
	const char *metrics;
};

static const struct config_option options[] = {
	{.name = "listen",
	 .kind = CONFIG_REPEATED,
	 .offset = offsetof(struct settings, listen),
	 .value = "ADDR:PORT",
	 .help = "UDP address to answer on; may be given several times (default :3478)"},
	{.name = "alternate",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct settings, alternate),
	 .value = "ADDR:PORT",
	 .help = "second address and port, for clients that test their NAT (RFC 5780)"},
	{.name = "threads",
	 .kind = CONFIG_INT,
	 .offset = offsetof(struct settings, threads),
	 .value = "N",
	 .help = "worker threads; 0 means one per processor, 4 at most",
	 .initial = "0"},
	{.name = "metrics",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct settings, metrics),
	 .value = "ADDR:PORT",
	 .help = "serve Prometheus text at /metrics and /healthz"},
	{0},
};

static const struct config_program program = {
	.name = "warren-stun",
	.usage = "[--listen ADDR:3478]... [--alternate ADDR:PORT] [--threads N] [--metrics "
		 "ADDR:PORT]",
	.summary = "Tells nodes which public endpoint their packets come from (STUN, RFC 8489).",
	.options = options,
};

static bool complain(const char *what, const char *value)
{
	fprintf(stderr, "warren-stun: %s: %s is not ADDR:PORT\n", what, value);
	return false;
}

static bool udp_config_of(const struct settings *s, struct stun_udp_config *out)
{
	*out = (struct stun_udp_config){.n_listen = 1, .listen[0].port = STUN_PORT};
	if (s->listen.n > STUN_LISTEN_MAX) {
		fprintf(stderr, "warren-stun: --listen: at most %d addresses\n", STUN_LISTEN_MAX);
		return false;
	}
	for (size_t i = 0; i < s->listen.n; i++) {
		if (endpoint_parse(s->listen.items[i], &out->listen[i]) != 0)
			return complain("--listen", s->listen.items[i]);
		out->n_listen = i + 1;
	}
	if (s->alternate && endpoint_parse(s->alternate, &out->alternate) != 0)
		return complain("--alternate", s->alternate);
	if (s->threads < 0 || s->threads > STUN_THREADS_MAX) {
		fprintf(stderr, "warren-stun: --threads: 0 to %d\n", STUN_THREADS_MAX);
		return false;
	}
	out->threads = (unsigned)s->threads;
	return true;
}

static void fill_metrics(void *arg, struct metric_page *page)
{
	stun_udp_metrics(arg, page);
}

static void stop(void *arg)
{
	loop_notify_stopping();
	loop_stop(arg);
}

/* Runs until a signal; exit status 0 then, 1 where it could not start. */
static int serve(const struct settings *s, const struct stun_udp_config *cfg)
{
	struct event_base *base = loop_base_new();
	struct loop_signals *signals = loop_signals_new(base, stop, NULL, base);
	struct http_metrics *metrics = NULL;
	struct stun_udp *udp = NULL;
	char udp_error[STUN_UDP_ERROR_LEN], http_error[HTTP_ERROR_LEN];
	int status = 1;

	if (stun_udp_start(cfg, &udp, udp_error) != 0) {
		fprintf(stderr, "warren-stun: %s\n", udp_error);
		goto out;
	}
	if (s->metrics &&
	    http_metrics_start(base, s->metrics, fill_metrics, udp, &metrics, http_error) != 0) {
		fprintf(stderr, "warren-stun: --metrics: %s\n", http_error);
		goto out;
	}
	log_info("stun", log_event("started"), log_u64("port", stun_udp_port(udp)));
	loop_notify_ready();
	loop_run(base);
	status = 0;
out:
	http_metrics_free(metrics);
	stun_udp_stop(udp);
	loop_signals_free(signals);
	loop_base_free(base);
	return status;
}

int main(int argc, char **argv)
{
	struct stun_udp_config cfg;
	struct settings settings;
	struct config config;
	int status = 2;

	if (sodium_init() < 0)
		return 1;
	if (!config_load(&program, argc, argv, &settings, &config, &status))
		return status;
	if (udp_config_of(&settings, &cfg))
		status = serve(&settings, &cfg);
	else
		status = 2;
	config_wipe(&config);
	return status;
}
