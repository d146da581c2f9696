#include "coordinator/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/statefile.h"
#include "coordinator/admin_socket.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/front.h"
#include "coordinator/manage.h"
#include "coordinator/node_session.h"
#include "coordinator/own_networks.h"
#include "coordinator/store_sqlite.h"

enum { PATH_LEN = 1024, HOST_LEN = 256, FILE_MAX = 1 << 20, BODY_MAX = 1 << 20 };
enum { CONNS_MAX = 20000, DEFAULT_PORT = 8443 };

static const uint64_t tick_us = 1 * (uint64_t)US_PER_S;
static const uint64_t leave_within_us = 500 * (uint64_t)US_PER_MS;

struct server {
	const struct server_settings *settings;
	struct event_base *base;
	void (*ended)(void *arg);
	void *arg;
	struct own_networks networks;
	char host[HOST_LEN]; /* of the URL */

	struct store *store;
	struct coordinator *core;
	struct tls_context *tls;
	struct front front;
	struct http_server *public, *local;
	struct tcp_listener *listener;
	struct admin_socket *admin;
	struct http_metrics *metrics;
	struct loop_timer *tick, *leave;
};

static struct moment moment_now(void)
{
	return (struct moment){clock_now_us(), clock_unix_us() / US_PER_MS};
}

static void on_public_accept(void *arg, int fd, const struct endpoint *from)
{
	struct server *s = arg;

	http_server_accept(s->public, fd, from);
}

static void on_local_accept(void *arg, int fd)
{
	static const struct endpoint nowhere;
	struct server *s = arg;

	http_server_accept(s->local, fd, &nowhere);
}

/* ---- settings, files ---- */

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
	va_list args;

	fputs("warren-coordinator: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -EINVAL;
}

static int state_path(const struct server *s, const char *name, char out[static PATH_LEN])
{
	int len = snprintf(out, PATH_LEN, "%s/%s", s->settings->state_dir, name);

	return len < 0 || len >= PATH_LEN ? complain("the path of --state-dir is too long") : 0;
}

static int make_state_dir(const struct server *s)
{
	const char *dir = s->settings->state_dir;

	int err = statefile_make_dir(dir);
	return err ? complain("cannot use the state directory %s: %s; run as its owner or choose "
			      "another with --state-dir",
			      dir, strerror(-err))
		   : 0;
}

/* --url, or https:// and this machine's best address and the listener's port. */
static int choose_url(struct server *s)
{
	struct http_url url = {.tls = true, .port = DEFAULT_PORT};
	struct endpoint listen;
	char authority[HTTP_HOST_LEN + 16];

	if (s->settings->url) {
		if (http_url_parse(s->settings->url, &url) != 0 || !url.tls ||
		    strcmp(url.path, "/") != 0)
			return complain("--url is https://HOST[:PORT]");
	} else {
		if (endpoint_parse(s->settings->listen, &listen) == 0)
			url.port = listen.port;
		else
			listen = (struct endpoint){.port = 0};
		const struct ip_addr *ip = ip_is_none(&listen.ip) ? &s->networks.best : &listen.ip;
		if (ip_is_none(ip))
			snprintf(url.host, sizeof(url.host), "localhost");
		else
			ip_str(ip, url.host);
	}
	http_url_authority(&url, authority);
	snprintf(s->host, sizeof(s->host), "%s", url.host);
	snprintf(s->front.template.url, sizeof(s->front.template.url), "https://%s", authority);
	return 0;
}

static int open_tls(struct server *s)
{
	const char *cert = s->settings->tls_cert, *key = s->settings->tls_key;
	char own_cert[PATH_LEN], own_key[PATH_LEN], error[TLS_ERROR_LEN], name[HOST_LEN] = "";
	bool self_signed = !cert && !key;

	if (self_signed) {
		const char *names[] = {s->host, name, "localhost"};

		(void)gethostname(name, sizeof(name) - 1);
		if (name[0] == '\0')
			names[1] = "localhost";
		if (state_path(s, "tls-cert.pem", own_cert) != 0 ||
		    state_path(s, "tls-key.pem", own_key) != 0)
			return -EINVAL;
		if (tls_self_signed_ensure(own_cert, own_key, names, 3, error) != 0)
			return complain("%s", error);
		cert = own_cert;
		key = own_key;
	}
	if (tls_server_context_new(cert, key, &s->tls, error) != 0)
		return complain("%s", error);
	s->front.template.has_pin = self_signed;
	tls_context_spki(s->tls, s->front.template.pin);
	return 0;
}

static int open_store(struct server *s)
{
	static const char scheme[] = "sqlite:";
	const char *store = s->settings->store;
	char own[PATH_LEN], error[STORE_ERROR_LEN];

	if (store)
		store += strlen(scheme); /* checked by serve */
	else if (state_path(s, "coordinator.db", own) != 0)
		return -EINVAL;
	if (store_sqlite_open(store ? store : own, &s->store, error) != 0)
		return complain("%s", error);
	return 0;
}

static int open_core(struct server *s)
{
	uint8_t random[COORDINATOR_RANDOM_LEN];
	char error[COORDINATOR_ERROR_LEN];
	struct prefix v4, v6;
	struct coordinator_config cfg = {.ops = &node_link_ops,
					 .store = s->store,
					 .now_us = clock_now_us(),
					 .random = random,
					 .avoid = s->networks.list,
					 .n_avoid = s->networks.count};

	if (s->settings->mesh_v4) {
		if (prefix_parse(s->settings->mesh_v4, &v4) != 0)
			return complain("--mesh-v4 is a prefix such as 10.77.0.0/16");
		cfg.mesh_v4 = &v4;
	}
	if (s->settings->mesh_v6) {
		if (prefix_parse(s->settings->mesh_v6, &v6) != 0)
			return complain("--mesh-v6 is a prefix such as fd12:3456:789a::/48");
		cfg.mesh_v6 = &v6;
	}
	randombytes_buf(random, sizeof(random));
	memcpy(cfg.spki_hash, s->front.template.pin, sizeof(cfg.spki_hash));
	if (coordinator_open(&cfg, &s->core, error) != 0)
		return complain("%s", error);
	s->front.core = s->core;
	return 0;
}

/* Reads a file of the operator's into what take makes of it. */
static int load_file(struct server *s, const char *flag, const char *path,
		     int (*take)(struct server *s, const char *text, size_t len, char *error))
{
	char error[COORDINATOR_ERROR_LEN];
	char *text;
	size_t len;

	int err = statefile_read(path, FILE_MAX, &text, &len);
	if (err)
		return complain("cannot read %s %s: %s", flag, path, strerror(-err));
	err = take(s, text, len, error);
	free(text);
	return err ? complain("%s %s: %s", flag, path, error) : 0;
}

static int take_relay_map(struct server *s, const char *text, size_t len, char *error)
{
	return manage_relay_file(s->core, text, len, error);
}

static int take_policy(struct server *s, const char *text, size_t len, char *error)
{
	struct moment now = moment_now();

	return manage_policy_set(s->core, text, len, true, &now, error);
}

static int load_files(struct server *s)
{
	int err = 0;

	if (s->settings->relay_map)
		err = load_file(s, "--relay-map", s->settings->relay_map, take_relay_map);
	/* Also where the other file is wrong: it may be another team's, and this one closes access.
	 */
	if (s->settings->policy) {
		int policy_err = load_file(s, "--policy", s->settings->policy, take_policy);

		err = err ? err : policy_err;
	}
	return err;
}

/* ---- time ---- */

static void on_tick(void *arg, uint64_t now_us)
{
	struct server *s = arg;
	struct moment now = moment_now();
	uint64_t failures = s->core->counters.store_failures;

	node_session_end_silent(s->core, &now);
	manage_remove_ephemeral(s->core, &now);
	coordinator_flush(s->core);
	if (s->core->counters.store_failures != failures)
		log_error("coordinator", log_event("store-failed"),
			  log_str("error", s->store->ops->error(s->store)));
	loop_timer_set(s->tick, now_us + tick_us);
}

void server_reload(struct server *s)
{
	char error[TLS_ERROR_LEN];

	if (load_files(s) == 0)
		log_info("coordinator", log_event("reloaded"));
	if (tls_context_reload(s->tls, error) != 0)
		log_warn("coordinator", log_event("certificate-kept"), log_str("error", error));
	else
		tls_context_spki(s->tls, s->core->spki_hash);
	memcpy(s->front.template.pin, s->core->spki_hash, sizeof(s->front.template.pin));
}

static void on_left(void *arg, uint64_t now_us)
{
	struct server *s = arg;

	(void)now_us;
	s->ended(s->arg);
}

/* Nodes are told when to come back; what is queued for them leaves before the loop ends. */
void server_leave(struct server *s)
{
	struct moment now = moment_now();

	tcp_listener_free(s->listener);
	s->listener = NULL;
	node_session_send_all_away(s->core, &now);
	coordinator_flush(s->core);
	loop_timer_set(s->leave, s->front.links.first ? now.now_us + leave_within_us : now.now_us);
}

static void fill_metrics(void *arg, struct metric_page *page)
{
	const struct server *s = arg;
	struct http_server_counts http = {0};

	coordinator_metrics_fill(s->core, page);
	http_server_add_counts(s->public, &http);
	http_server_counts_fill(&http, "warren_coordinator_http_ended_total",
				"warren_coordinator_http_open", page);
}

static int start_listening(struct server *s)
{
	char error[TCP_ERROR_LEN + HTTP_ERROR_LEN + ADMIN_SOCKET_ERROR_LEN], path[PATH_LEN];
	struct http_server_config public = {.tls = s->tls,
					    .on_request = front_on_public_request,
					    .arg = &s->front,
					    .body_max = BODY_MAX,
					    .conns_max = CONNS_MAX},
				  local = {.on_request = front_on_local_request,
					   .arg = &s->front,
					   .body_max = BODY_MAX};

	s->public = http_server_new(s->base, &public);
	s->local = http_server_new(s->base, &local);
	if (state_path(s, "admin.sock", path) != 0)
		return -EINVAL;
	if (admin_socket_new(s->base, path, on_local_accept, s, &s->admin, error) != 0 ||
	    tcp_listener_new(s->base, s->settings->listen, on_public_accept, s, &s->listener,
			     error) != 0)
		return complain("%s", error);
	if (s->settings->metrics && http_metrics_start(s->base, s->settings->metrics, fill_metrics,
						       s, &s->metrics, error) != 0)
		return complain("%s", error);
	return 0;
}

static int open_all(struct server *s)
{
	own_networks_read(&s->networks);
	int err = make_state_dir(s);
	if (err == 0)
		err = choose_url(s);
	if (err == 0)
		err = open_tls(s);
	if (err == 0)
		err = open_store(s);
	if (err == 0)
		err = open_core(s);
	if (err == 0)
		err = load_files(s);
	if (err == 0)
		err = start_listening(s);
	return err;
}

int server_start(const struct server_config *config, struct server **out)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->settings = config->settings;
	s->base = config->base;
	s->ended = config->ended;
	s->arg = config->arg;
	int err = open_all(s);
	if (err) {
		server_free(s);
		return err;
	}
	s->tick = loop_timer_new(s->base, on_tick, s);
	s->leave = loop_timer_new(s->base, on_left, s);
	loop_timer_set(s->tick, clock_now_us() + tick_us);
	log_info("coordinator", log_event("started"), log_str("url", s->front.template.url),
		 log_str("listen", s->settings->listen));
	*out = s;
	return 0;
}

void server_flush(struct server *s)
{
	coordinator_flush(s->core);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	node_links_close(&s->front.links);
	http_metrics_free(s->metrics);
	tcp_listener_free(s->listener);
	admin_socket_free(s->admin);
	http_server_free(s->public);
	http_server_free(s->local);
	loop_timer_free(s->tick);
	loop_timer_free(s->leave);
	coordinator_free(s->core);
	if (s->store)
		s->store->ops->close(s->store);
	tls_context_free(s->tls);
	free(s);
}

struct coordinator *server_core(struct server *s)
{
	return s->core;
}

const struct invitation *server_template(const struct server *s)
{
	return &s->front.template;
}
