/*
 * warren-relay: settings, then everything in order: keys, certificate, workers, listeners, STUN,
 * mesh, admission; then the loop that accepts, asks and meshes; then the drain.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/statefile.h"
#include "derp-relay/gatekeeper.h"
#include "derp-relay/hub.h"
#include "derp-relay/mesh.h"
#include "derp-relay/relay_entry.h"
#include "derp-relay/relay_files.h"
#include "derp-relay/relay_metrics.h"
#include "derp-relay/relay_settings.h"
#include "derp-relay/switchboard.h"
#include "derp-relay/worker.h"
#include "stun/stun_udp.h"

enum { PATH_LEN = 1024, ERROR_LEN = 320, WORKERS_MAX = HUB_WORKERS_MAX - 1 };

/* What may wait in all queues together. */
static const size_t queued_bytes_max = 256 * 1024 * 1024;

struct relay {
	struct relay_settings settings;
	int argc; /* read again on SIGHUP */
	char **argv;
	struct client_env env;
	char cert_file[PATH_LEN], key_file[PATH_LEN], cache_file[PATH_LEN];
	char host[DERP_HOST_LEN];
	char secret[RELAY_SECRET_LEN];

	struct event_base *base;
	struct loop_signals *signals;
	struct resolver *resolver;
	struct tls_context *client_tls;
	struct switchboard *switchboard;
	struct event *wake_event;
	struct worker *workers[WORKERS_MAX];
	uint16_t n_workers, next_worker, drained;
	struct tcp_listener *listener, *plain_listener;
	struct stun_udp *stun;
	struct mesh *mesh;
	struct gatekeeper *gatekeeper;
	struct http_metrics *metrics;
	bool stopping;
};

extern char **environ;

/* ---- events -------------------------------------------------------------------------------- */

static uint16_t own_seat(const struct relay *r)
{
	return r->n_workers;
}

static void tell_workers(struct relay *r, const struct message *m)
{
	for (uint16_t i = 0; i < r->n_workers; i++)
		switchboard_tell(r->switchboard, i, m);
}

static void hand_over(struct relay *r, int fd, const struct endpoint *from, bool plain)
{
	struct message m = {.kind = MESSAGE_ACCEPTED, .fd = fd, .from = *from, .plain = plain};

	switchboard_tell(r->switchboard, r->next_worker, &m);
	r->next_worker = (uint16_t)((r->next_worker + 1) % r->n_workers);
}

static void on_accepted(void *arg, int fd, const struct endpoint *from)
{
	hand_over(arg, fd, from, false);
}

static void on_plain_accepted(void *arg, int fd, const struct endpoint *from)
{
	hand_over(arg, fd, from, true);
}

static void on_message(struct relay *r, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_CONNECT:
	case MESSAGE_DISCONNECT:
		if (r->gatekeeper)
			gatekeeper_on_message(r->gatekeeper, m);
		return;
	case MESSAGE_DRAINED:
		if (++r->drained == r->n_workers)
			loop_stop(r->base);
		return;
	case MESSAGE_ACCEPTED:
	case MESSAGE_DECISION:
	case MESSAGE_RELOAD:
	case MESSAGE_DRAIN:
		return; /* for workers */
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	struct message m;

	(void)fd;
	(void)what;
	switchboard_rest(r->switchboard, own_seat(r));
	while (switchboard_hear(r->switchboard, own_seat(r), &m))
		on_message(r, &m);
	if (r->mesh)
		mesh_serve(r->mesh);
}

static void on_stop(void *arg)
{
	struct relay *r = arg;
	struct message drain = {.kind = MESSAGE_DRAIN, .fd = -1};

	if (r->stopping) {
		loop_stop(r->base);
		return;
	}
	r->stopping = true;
	loop_notify_stopping();
	log_info("relay", log_event("stopping"));
	tcp_listener_free(r->listener);
	tcp_listener_free(r->plain_listener);
	r->listener = r->plain_listener = NULL;
	tell_workers(r, &drain);
}

static void on_reload(void *arg)
{
	struct relay *r = arg;
	struct relay_settings fresh = {0};
	struct config config;
	char error[CONFIG_ERROR_LEN];

	loop_notify_reloading(clock_now_us());
	if (config_read(&relay_program, r->argc, r->argv, environ, &fresh, &config, error) < 0) {
		log_error("relay", log_event("settings-kept"), log_str("error", error));
	} else {
		r->settings.rate_bytes = fresh.rate_bytes;
		r->settings.burst_bytes = fresh.burst_bytes;
		config_wipe(&config);
	}
	struct message m = {.kind = MESSAGE_RELOAD,
			    .fd = -1,
			    .rate_bytes = r->settings.rate_bytes,
			    .burst_bytes = r->settings.burst_bytes};
	tell_workers(r, &m);
	log_info("relay", log_event("reloaded"), log_u64("rate_bytes", r->settings.rate_bytes));
	loop_notify_ready();
}

static void fill_metrics(void *arg, struct metric_page *page)
{
	struct relay *r = arg;
	struct hub_counters n;
	struct hub *hub = switchboard_lock(r->switchboard);

	hub_count(hub, &n);
	(void)switchboard_unlock(r->switchboard, own_seat(r));
	relay_metrics_hub(page, &n);
	relay_metrics_workers(page, r->workers, r->n_workers);
	if (r->mesh)
		metric_one_gauge(page, "warren_relay_mesh_links",
				 "Sessions to other relays that are up.", mesh_count_up(r->mesh));
	if (r->gatekeeper)
		gatekeeper_fill(r->gatekeeper, page);
	if (r->stun)
		stun_udp_metrics(r->stun, page);
	metric_process(page);
}

/* ---- keys and names ------------------------------------------------------------------------ */

static int fail(char error[static ERROR_LEN], int err, const char *what, const char *why)
{
	snprintf(error, ERROR_LEN, "%.120s: %.180s", what, why);
	return err;
}

static void in_state_dir(const struct relay *r, const char *name, char out[static PATH_LEN])
{
	snprintf(out, PATH_LEN, "%s/%s", r->settings.state_dir, name);
}

static int load_keys(struct relay *r, char error[static ERROR_LEN])
{
	uint8_t random[KEY_LEN];
	char path[PATH_LEN];
	int err = statefile_make_dir(r->settings.state_dir);

	if (err < 0)
		return fail(error, err, r->settings.state_dir, strerror(-err));
	in_state_dir(r, "relay.key", path);
	randombytes_buf(random, sizeof(random));
	err = relay_key_load(r->settings.key_file ? r->settings.key_file : path, random,
			     &r->env.secret, error);
	sodium_memzero(random, sizeof(random));
	if (err < 0)
		return err;
	secret_key_public(&r->env.secret, &r->env.pub);
	r->env.limits = limits_make(r->settings.rate_bytes, r->settings.burst_bytes);
	if (r->settings.mesh_key_file) {
		r->env.has_mesh_key = true;
		err = mesh_key_load(r->settings.mesh_key_file, r->env.mesh_key, error);
	}
	if (err == 0 && r->settings.admit_key_file)
		err = admit_secret_load(r->settings.admit_key_file, r->secret, error);
	return err;
}

/* The address that this machine would send from to the internet; nothing is sent. */
static void guess_host(char out[static DERP_HOST_LEN])
{
	struct endpoint far = {.ip = ip_from_v4((const uint8_t[]){192, 0, 2, 1}), .port = 9}, own;
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(&far, &addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(out, DERP_HOST_LEN, "127.0.0.1");
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0) {
		len = sizeof(addr);
		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
		    endpoint_from_sockaddr((struct sockaddr *)&addr, &own) == 0)
			ip_str(&own.ip, out);
	}
	close(fd);
}

/* The file of the two that cannot be read, with errno; NULL where both can. */
static const char *unreadable(const struct relay *r)
{
	if (access(r->cert_file, R_OK) < 0)
		return r->cert_file;
	return access(r->key_file, R_OK) < 0 ? r->key_file : NULL;
}

static int prepare_certificate(struct relay *r, char error[static ERROR_LEN])
{
	char why[TLS_ERROR_LEN];
	const char *names[] = {r->host};

	if (r->settings.hostname)
		snprintf(r->host, sizeof(r->host), "%s", r->settings.hostname);
	else
		guess_host(r->host);
	if (relay_settings_tls(&r->settings) == RELAY_TLS_FILES) {
		snprintf(r->cert_file, PATH_LEN, "%s", r->settings.tls_cert);
		snprintf(r->key_file, PATH_LEN, "%s", r->settings.tls_key);
		const char *unread = unreadable(r);
		return unread ? fail(error, -errno, unread, strerror(errno)) : 0;
	}
	in_state_dir(r, "tls.crt", r->cert_file);
	in_state_dir(r, "tls.key", r->key_file);
	if (relay_settings_tls(&r->settings) == RELAY_TLS_OFF)
		return 0;
	int err = tls_self_signed_ensure(r->cert_file, r->key_file, names, 1, why);
	return err < 0 ? fail(error, err, "certificate", why) : 0;
}

/* Prints the relay's entry for the map on stdout, the only thing ever written there. */
static int print_entry(struct relay *r, char error[static ERROR_LEN])
{
	char why[TLS_ERROR_LEN];
	struct tls_context *tls;
	struct relay_entry entry = {
		.region_id = (uint32_t)r->settings.region_id,
		.region_code = r->settings.region_code,
		.region_name = r->settings.region_name,
		.host = r->host,
		.derp_port = tcp_listener_port(r->listener),
		.stun_port = r->stun ? stun_udp_port(r->stun) : 0,
		.has_port80 = r->plain_listener && tcp_listener_port(r->plain_listener) == 80,
	};
	int err = tls_server_context_new(r->cert_file, r->key_file, &tls, why);

	if (err < 0)
		return fail(error, err, r->cert_file, why);
	tls_context_cert_hash(tls, entry.pin);
	tls_context_free(tls);
	char *text = relay_entry_print(&entry);
	printf("%s\n", text);
	fflush(stdout);
	free(text);
	return 0;
}

/* ---- start --------------------------------------------------------------------------------- */

/* A client is a descriptor, and the default limit of a thousand is soon reached. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int start_workers(struct relay *r, char error[static ERROR_LEN])
{
	uint16_t n = relay_settings_threads(&r->settings, sysconf(_SC_NPROCESSORS_ONLN));
	bool has_tls = relay_settings_tls(&r->settings) != RELAY_TLS_OFF;
	uint8_t seed[HUB_SEED_LEN];

	randombytes_buf(seed, sizeof(seed));
	r->switchboard = switchboard_new(hub_new(seed, queued_bytes_max), (uint16_t)(n + 1));
	if (!r->switchboard)
		return fail(error, -ENOMEM, "start", "out of memory or descriptors");
	for (uint16_t i = 0; i < n; i++) {
		struct worker_config cfg = {
			.switchboard = r->switchboard,
			.seat = i,
			.main_seat = n,
			.asks_admission = r->settings.admit_url != NULL,
			.env = &r->env,
			.cert_file = has_tls ? r->cert_file : NULL,
			.key_file = r->key_file,
		};
		int err = worker_start(&cfg, &r->workers[i], error);
		if (err < 0)
			return err;
		r->n_workers++;
	}
	r->wake_event = event_new(r->base, switchboard_fd(r->switchboard, n), EV_READ | EV_PERSIST,
				  on_wake, r);
	event_add(r->wake_event, NULL);
	return 0;
}

static int listen_on(struct relay *r, char error[static ERROR_LEN])
{
	int err =
		tcp_listener_new(r->base, r->settings.listen, on_accepted, r, &r->listener, error);

	if (err == 0 && !relay_settings_is_off(r->settings.http))
		err = tcp_listener_new(r->base, r->settings.http, on_plain_accepted, r,
				       &r->plain_listener, error);
	return err;
}

static int start_stun(struct relay *r, char error[static ERROR_LEN])
{
	struct stun_udp_config cfg = {.n_listen = 1, .threads = 1};

	if (relay_settings_is_off(r->settings.stun))
		return 0;
	if (endpoint_parse(r->settings.stun, &cfg.listen[0]) < 0)
		return fail(error, -EINVAL, "--stun", "not ADDR:PORT, :PORT or off");
	return stun_udp_start(&cfg, &r->stun, error);
}

static int start_outgoing(struct relay *r, char error[static ERROR_LEN])
{
	int err = tls_client_context_new(r->settings.ca_file, &r->client_tls, error);

	if (err < 0)
		return err;
	r->resolver = resolver_new(r->base);
	if (r->settings.mesh_with) {
		struct mesh_config cfg = {
			.base = r->base,
			.resolver = r->resolver,
			.tls = r->client_tls,
			.switchboard = r->switchboard,
			.seat = own_seat(r),
			.env = &r->env,
			.hosts = r->settings.mesh_with,
		};
		err = mesh_new(&cfg, &r->mesh, error);
	}
	if (err < 0 || !r->settings.admit_url)
		return err;
	in_state_dir(r, "admitted.json", r->cache_file);
	struct gatekeeper_config cfg = {
		.base = r->base,
		.resolver = r->resolver,
		.tls = r->client_tls,
		.switchboard = r->switchboard,
		.workers = r->n_workers,
		.url = r->settings.admit_url,
		.secret = r->settings.admit_key_file ? r->secret : NULL,
		.cache_file = r->cache_file,
		.fail_open = r->settings.admit_fail_open,
	};
	return gatekeeper_new(&cfg, &r->gatekeeper, error);
}

static int start(struct relay *r, char error[static ERROR_LEN])
{
	int err = load_keys(r, error);

	if (err == 0)
		err = prepare_certificate(r, error);
	if (err == 0)
		err = start_workers(r, error);
	if (err == 0)
		err = listen_on(r, error);
	if (err == 0)
		err = start_stun(r, error);
	if (err == 0)
		err = start_outgoing(r, error);
	if (err == 0 && r->settings.metrics)
		err = http_metrics_start(r->base, r->settings.metrics, fill_metrics, r, &r->metrics,
					 error);
	if (err == 0 && relay_settings_tls(&r->settings) == RELAY_TLS_SELF_SIGNED)
		err = print_entry(r, error);
	return err;
}

static void stop(struct relay *r)
{
	http_metrics_free(r->metrics);
	gatekeeper_free(r->gatekeeper);
	mesh_free(r->mesh);
	stun_udp_stop(r->stun);
	tcp_listener_free(r->listener);
	tcp_listener_free(r->plain_listener);
	for (uint16_t i = 0; i < r->n_workers; i++)
		worker_free(r->workers[i]);
	if (r->wake_event)
		event_free(r->wake_event);
	switchboard_free(r->switchboard);
	resolver_free(r->resolver);
	tls_context_free(r->client_tls);
	loop_signals_free(r->signals);
	loop_base_free(r->base);
	sodium_memzero(r->secret, sizeof(r->secret));
	sodium_memzero(&r->env, sizeof(r->env));
}

static void say_ready(const struct relay *r)
{
	char key[KEY_TEXT_LEN];

	if (!r->gatekeeper)
		log_warn("relay", log_event("open"),
			 log_str("why", "without --admit-url anybody may use this relay"));
	public_key_str(&r->env.pub, "nodekey", key);
	log_info("relay", log_event("ready"), log_str("listen", r->settings.listen),
		 log_str("host", r->host), log_u64("threads", r->n_workers), log_str("key", key));
	loop_notify_ready();
}

int main(int argc, char **argv)
{
	static struct relay relay;
	struct config config;
	char error[ERROR_LEN] = "";
	int status;

	if (!config_load(&relay_program, argc, argv, &relay.settings, &config, &status))
		return status;
	if (relay_settings_check(&relay.settings, error) < 0) {
		fprintf(stderr, "warren-relay: %s\n", error);
		return 2;
	}
	if (sodium_init() < 0)
		return 1;
	relay.argc = argc;
	relay.argv = argv;
	raise_descriptor_limit();
	relay.base = loop_base_new();
	relay.signals = loop_signals_new(relay.base, on_stop, on_reload, &relay);
	int err = start(&relay, error);
	if (err < 0) {
		fprintf(stderr, "warren-relay: %s\n", error);
	} else {
		say_ready(&relay);
		loop_run(relay.base);
	}
	stop(&relay);
	config_wipe(&config);
	return err < 0 ? 1 : 0;
}
