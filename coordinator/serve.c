#include "coordinator/serve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/proto/invitation.h"
#include "common/statefile.h"
#include "coordinator/admin_api.h"
#include "coordinator/admin_socket.h"
#include "coordinator/coordinator.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/manage.h"
#include "coordinator/node_link.h"
#include "coordinator/node_session.h"
#include "coordinator/own_networks.h"
#include "coordinator/store_sqlite.h"

enum { PATH_LEN = 1024, HOST_LEN = 256, FILE_MAX = 1 << 20, BODY_MAX = 1 << 20 };
enum { CONNS_MAX = 20000, DEFAULT_PORT = 8443, HTTPS_PORT = 443 };

static const uint64_t tick_us = 1 * (uint64_t)US_PER_S;
static const uint64_t stop_within_us = 500 * (uint64_t)US_PER_MS;

struct server {
	const struct serve_settings *settings;
	struct own_networks networks;
	char host[HOST_LEN]; /* of the URL */
	struct invitation template;
	bool self_signed;

	struct store *store;
	struct coordinator *core;
	struct event_base *base;
	struct tls_context *tls;
	struct http_server *public, *local;
	struct tcp_listener *listener;
	struct admin_socket *admin;
	struct http_metrics *metrics;
	struct loop_signals *signals;
	struct loop_timer *tick, *stop;
	struct node_links links;
};

static struct moment moment_now(void)
{
	return (struct moment){clock_now_us(), clock_unix_us() / US_PER_MS};
}

/* ---- the admin API ---- */

/* The bearer token of the request; "" where it has none, or one too long to be one of ours. */
static void read_bearer(const struct http_head *head, char *out, size_t cap)
{
	static const char scheme[] = "Bearer ";
	struct http_text field = http_find(head, "Authorization");
	size_t skip = strlen(scheme);

	out[0] = '\0';
	if (field.len <= skip || memcmp(field.at, scheme, skip) != 0)
		return;
	struct http_text token = {field.at + skip, field.len - skip};
	if (!http_text_copy(token, out, cap))
		out[0] = '\0';
}

static void reply_json(struct http_exchange *x, struct admin_answer *answer)
{
	size_t len = strlen(answer->json);

	http_reply(x, answer->status, "application/json", "Cache-Control: no-store\r\n",
		   answer->json, len);
	sodium_memzero(answer->json, len);
	free(answer->json);
}

static uint64_t query_number(const struct http_head *head, const char *key, uint64_t fallback)
{
	char text[24];

	return http_query_find(head->query, key, text, sizeof(text)) ? strtoull(text, NULL, 10)
								     : fallback;
}

static void answer_admin(struct server *s, struct http_exchange *x, bool is_local)
{
	const struct http_head *head = http_exchange_head(x);
	struct moment now = moment_now();
	uint8_t random[MANAGE_RANDOM_LEN];
	char method[16], path[ADMIN_PATH_LEN];
	struct admin_request request = {.method = method,
					.path = path,
					.after = query_number(head, "after", 0),
					.limit = query_number(head, "limit", 1000),
					.newest = query_number(head, "newest", 0) != 0,
					.is_local = is_local,
					.random = random,
					.template = &s->template};
	struct admin_answer answer;

	if (!http_text_copy(head->method, method, sizeof(method)) ||
	    !http_text_copy(head->path, path, sizeof(path))) {
		http_reply_text(x, 400, "this request is too long\n");
		return;
	}
	randombytes_buf(random, sizeof(random));
	request.body = http_exchange_body(x, &request.len);
	admin_api_answer(s->core, &request, &now, &answer);
	reply_json(x, &answer);
	sodium_memzero(random, sizeof(random));
}

static void answer_admit(struct server *s, struct http_exchange *x)
{
	struct admin_answer answer;
	char secret[RELAY_SECRET_LEN];
	size_t len;
	const char *body = http_exchange_body(x, &len);

	read_bearer(http_exchange_head(x), secret, sizeof(secret));
	admin_api_admit(s->core, secret, body, len, &answer);
	reply_json(x, &answer);
	sodium_memzero(secret, sizeof(secret));
}

static bool has_admin_key(const struct server *s, const struct http_head *head)
{
	char key[ADMIN_KEY_LEN];

	read_bearer(head, key, sizeof(key));
	bool fits = manage_admin_key_fits(s->core, key);
	sodium_memzero(key, sizeof(key));
	return fits;
}

static void on_public_request(void *arg, struct http_exchange *x)
{
	struct server *s = arg;
	const struct http_head *head = http_exchange_head(x);
	bool is_post = http_text_is(head->method, "POST");

	if (http_text_is(head->path, "/healthz"))
		http_reply_text(x, 200, "ok\n");
	else if (http_text_is(head->path, "/v1/session"))
		node_links_open(&s->links, s->core, x);
	else if (http_text_is(head->path, "/v1/relay/admit") && is_post)
		answer_admit(s, x);
	else if (has_admin_key(s, head))
		answer_admin(s, x, false);
	else
		http_reply_text(x, 401, "an admin key is needed (Authorization: Bearer KEY)\n");
}

static void on_local_request(void *arg, struct http_exchange *x)
{
	answer_admin(arg, x, true);
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
	if (err == 0 && access(dir, R_OK | W_OK | X_OK) != 0)
		err = -errno;
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
	snprintf(s->template.url, sizeof(s->template.url), "https://%s", authority);
	return 0;
}

static int open_tls(struct server *s)
{
	const char *cert = s->settings->tls_cert, *key = s->settings->tls_key;
	char own_cert[PATH_LEN], own_key[PATH_LEN], error[TLS_ERROR_LEN], name[HOST_LEN] = "";

	s->self_signed = !cert && !key;
	if (s->self_signed) {
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
	s->template.has_pin = s->self_signed;
	tls_context_spki(s->tls, s->template.pin);
	return 0;
}

static int open_store(struct server *s)
{
	static const char scheme[] = "sqlite:";
	const char *store = s->settings->store;
	char own[PATH_LEN], error[STORE_ERROR_LEN];

	if (store)
		store += strlen(scheme); /* checked by serve_run */
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
					 .unix_s = clock_unix_us() / US_PER_S,
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
	memcpy(cfg.spki_hash, s->template.pin, sizeof(cfg.spki_hash));
	return coordinator_open(&cfg, &s->core, error) == 0 ? 0 : complain("%s", error);
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
	if (err == 0 && s->settings->policy)
		err = load_file(s, "--policy", s->settings->policy, take_policy);
	return err;
}

/* ---- the loop ---- */

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

static void on_reload(void *arg)
{
	struct server *s = arg;
	char error[TLS_ERROR_LEN];

	loop_notify_reloading(clock_now_us());
	if (load_files(s) == 0)
		log_info("coordinator", log_event("reloaded"));
	if (tls_context_reload(s->tls, error) != 0)
		log_warn("coordinator", log_event("certificate-kept"), log_str("error", error));
	else
		tls_context_spki(s->tls, s->core->spki_hash);
	memcpy(s->template.pin, s->core->spki_hash, sizeof(s->template.pin));
	loop_notify_ready();
}

static void on_stop_deadline(void *arg, uint64_t now_us)
{
	struct server *s = arg;

	(void)now_us;
	loop_stop(s->base);
}

/* Nodes are told when to come back; what is queued for them leaves before the loop ends. */
static void on_stop(void *arg)
{
	struct server *s = arg;
	struct moment now = moment_now();

	loop_notify_stopping();
	tcp_listener_free(s->listener);
	s->listener = NULL;
	node_session_send_all_away(s->core, &now);
	coordinator_flush(s->core);
	loop_timer_set(s->stop, s->links.first ? now.now_us + stop_within_us : now.now_us);
}

static void fill_metrics(void *arg, struct metric_page *page)
{
	const struct server *s = arg;

	coordinator_metrics_fill(s->core, page);
	metric_process(page);
}

static int start_listening(struct server *s)
{
	char error[TCP_ERROR_LEN + HTTP_ERROR_LEN + ADMIN_SOCKET_ERROR_LEN], path[PATH_LEN];
	struct http_server_config public = {.tls = s->tls,
					    .on_request = on_public_request,
					    .arg = s,
					    .body_max = BODY_MAX,
					    .conns_max = CONNS_MAX},
				  local = {.on_request = on_local_request,
					   .arg = s,
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

/* The person who starts a new mesh, as its first owner. */
static void first_owner(char out[static CONTROL_NAME_LEN])
{
	static const char *const variables[] = {"SUDO_USER", "USER", "LOGNAME"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *user = getenv(variables[i]);

		if (user && control_name_valid(user)) {
			snprintf(out, CONTROL_NAME_LEN, "%s", user);
			return;
		}
	}
	snprintf(out, CONTROL_NAME_LEN, "admin");
}

/* The first token of a mesh that nobody has joined yet. */
static bool make_first_token(struct server *s, char text[static CONTROL_TOKEN_LEN])
{
	char owner[CONTROL_NAME_LEN], error[COORDINATOR_ERROR_LEN];
	struct token_request request = {
		.name = "node", .owner = owner, .ttl_s = 24 * 3600, .reusable = true};
	struct moment now = moment_now();
	uint8_t random[MANAGE_RANDOM_LEN];
	struct token t;
	size_t nodes;

	(void)registry_all(s->core->registry, &nodes);
	if (nodes + s->core->tokens.count > 0)
		return false;
	first_owner(owner);
	randombytes_buf(random, sizeof(random));
	return manage_token_create(s->core, &request, random, &now, text, &t, error) == 0;
}

/* A mesh in one command: a new mesh shows an invitation that works, a later start how to make one.
 * Under systemd standard output is the journal, where no secret belongs. */
static void print_invitation(struct server *s)
{
	struct invitation inv = s->template;
	char text[INVITATION_TEXT_LEN];
	bool in_journal = getenv("JOURNAL_STREAM") != NULL;

	if (in_journal || !make_first_token(s, inv.token))
		snprintf(inv.token, sizeof(inv.token), "TOKEN");
	if (invitation_str(&inv, text) != 0)
		return;
	printf("coordinator: %s\n"
	       "invitation:  %s\n"
	       "another:     warren-coordinator token create --owner OWNER --name NAME "
	       "--state-dir %s\n",
	       s->template.url, text, s->settings->state_dir);
	fflush(stdout);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&inv, sizeof(inv));
}

static int start(struct server *s)
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

static void stop(struct server *s)
{
	node_links_close(&s->links);
	http_metrics_free(s->metrics);
	tcp_listener_free(s->listener);
	admin_socket_free(s->admin);
	http_server_free(s->public);
	http_server_free(s->local);
	loop_signals_free(s->signals);
	loop_timer_free(s->tick);
	loop_timer_free(s->stop);
	if (s->core)
		coordinator_flush(s->core);
	coordinator_free(s->core);
	if (s->store)
		s->store->ops->close(s->store);
	tls_context_free(s->tls);
	loop_base_free(s->base);
}

int serve_run(const struct serve_settings *settings)
{
	struct server s = {.settings = settings};

	if (settings->store && strncmp(settings->store, "sqlite:", 7) != 0) {
		complain("--store is sqlite:FILE; other stores are not built into this version");
		return 2;
	}
	if (!settings->tls_cert != !settings->tls_key) {
		complain("--tls-cert and --tls-key belong together");
		return 2;
	}
	s.base = loop_base_new();
	int err = start(&s);
	if (err == 0) {
		s.tick = loop_timer_new(s.base, on_tick, &s);
		s.stop = loop_timer_new(s.base, on_stop_deadline, &s);
		s.signals = loop_signals_new(s.base, on_stop, on_reload, &s);
		loop_timer_set(s.tick, clock_now_us() + tick_us);
		print_invitation(&s);
		log_info("coordinator", log_event("started"), log_str("url", s.template.url),
			 log_str("listen", settings->listen));
		loop_notify_ready();
		loop_run(s.base);
	}
	stop(&s);
	return err ? 1 : 0;
}
