#include "derp-relay/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "derp-relay/switchboard.h"

static const struct timeval sweep_every = {.tv_usec = 250 * 1000};

/* How long clients are served on after the goodbye, so that they move before the break. */
static const uint64_t drain_us = US_PER_S;

/* HTTP exchanges under way at one worker; upgraded clients do not count. */
enum { HTTP_CONNS_MAX = 4096 };

struct worker {
	struct relay_host host; /* first: callbacks of both get it */
	struct loop_thread *thread;
	struct tls_context *tls;
	struct http_server *secure, *plain;
	struct event *wake_event, *sweep_event;
	uint64_t drained_us; /* when to stop; US_NEVER while serving */
	bool serves_plain_derp;
};

/* ---- requests ------------------------------------------------------------------------------ */

static void answer(struct worker *w, struct http_exchange *x, bool serves_derp)
{
	struct http_path_answer a;

	http_paths_answer(http_exchange_head(x), &w->host.env.pub, serves_derp, &a);
	if (a.kind == HTTP_PATH_REPLY)
		http_reply(x, a.status, a.type, a.fields, a.body, strlen(a.body));
	else
		relay_host_take(&w->host, x, &a);
}

static void on_secure_request(void *arg, struct http_exchange *x)
{
	answer(arg, x, true);
}

static void on_plain_request(void *arg, struct http_exchange *x)
{
	struct worker *w = arg;

	answer(w, x, w->serves_plain_derp);
}

/* ---- messages ------------------------------------------------------------------------------ */

static void reload(struct worker *w, const struct message *m)
{
	char error[TLS_ERROR_LEN];

	w->host.env.limits = limits_make(m->rate_bytes, m->burst_bytes);
	if (w->tls && tls_context_reload(w->tls, error) < 0)
		log_error("relay", log_event("certificate-kept"), log_str("error", error));
}

static void drain(struct worker *w)
{
	if (w->drained_us != US_NEVER)
		return;
	relay_host_say_goodbye(&w->host);
	w->drained_us = clock_now_us() + (w->host.count > 0 ? drain_us : 0);
}

static void on_message(struct worker *w, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_ACCEPTED:
		http_server_accept(m->plain || !w->secure ? w->plain : w->secure, m->fd, &m->from);
		return;
	case MESSAGE_DECISION:
		relay_host_on_decision(&w->host, &m->key, m->allowed);
		return;
	case MESSAGE_RELOAD:
		reload(w, m);
		return;
	case MESSAGE_DRAIN:
		drain(w);
		return;
	case MESSAGE_CONNECT:
	case MESSAGE_DISCONNECT:
	case MESSAGE_DRAINED:
		return; /* for main */
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct message m;

	(void)fd;
	(void)what;
	switchboard_rest(w->host.switchboard, w->host.seat);
	while (switchboard_hear(w->host.switchboard, w->host.seat, &m))
		on_message(w, &m);
	relay_host_serve(&w->host);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t now_us = clock_now_us();

	(void)fd;
	(void)what;
	relay_host_sweep(&w->host, now_us);
	if (now_us >= w->drained_us)
		loop_stop(w->host.base);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_ended(void *arg)
{
	struct worker *w = arg;
	struct message done = {.kind = MESSAGE_DRAINED, .fd = -1};

	switchboard_tell(w->host.switchboard, w->host.main_seat, &done);
}

static struct http_server *serve_http(struct worker *w, struct tls_context *tls,
				      void (*on_request)(void *, struct http_exchange *))
{
	struct http_server_config cfg = {
		.tls = tls,
		.on_request = on_request,
		.arg = w,
		.body_max = 1024,
		.conns_max = HTTP_CONNS_MAX,
		.more_fields = tls ? "Strict-Transport-Security: max-age=63072000\r\n" : NULL,
	};
	return http_server_new(w->host.base, &cfg);
}

static int open_tls(struct worker *w, const struct worker_config *cfg,
		    char error[static WORKER_ERROR_LEN])
{
	uint8_t random[KEY_LEN];

	if (!cfg->cert_file)
		return 0;
	int err = tls_server_context_new(cfg->cert_file, cfg->key_file, &w->tls, error);
	if (err < 0)
		return err;
	randombytes_buf(random, sizeof(random));
	err = tls_context_add_derp_key(w->tls, &cfg->env->pub, clock_unix_us() / US_PER_S, random);
	sodium_memzero(random, sizeof(random));
	if (err < 0)
		snprintf(error, WORKER_ERROR_LEN, "cannot make the certificate for fast start");
	return err;
}

static int open_events(struct worker *w)
{
	int fd = switchboard_fd(w->host.switchboard, w->host.seat);

	if (relay_host_init(&w->host) < 0)
		return -ENOMEM;
	w->wake_event = event_new(w->host.base, fd, EV_READ | EV_PERSIST, on_wake, w);
	w->sweep_event = event_new(w->host.base, -1, EV_PERSIST, on_sweep, w);
	if (!w->wake_event || !w->sweep_event)
		return -ENOMEM;
	event_add(w->wake_event, NULL);
	event_add(w->sweep_event, &sweep_every);
	return 0;
}

/* In any state that worker_start leaves behind. */
static void free_parts(struct worker *w)
{
	if (w->wake_event)
		event_free(w->wake_event);
	if (w->sweep_event)
		event_free(w->sweep_event);
	http_server_free(w->secure);
	http_server_free(w->plain);
	relay_host_wipe(&w->host);
	tls_context_free(w->tls);
	loop_base_free(w->host.base);
	free(w);
}

int worker_start(const struct worker_config *cfg, struct worker **out,
		 char error[static WORKER_ERROR_LEN])
{
	struct worker *w = calloc(1, sizeof(*w));

	snprintf(error, WORKER_ERROR_LEN, "out of memory");
	if (!w)
		return -ENOMEM;
	w->host = (struct relay_host){
		.base = loop_base_new(),
		.switchboard = cfg->switchboard,
		.seat = cfg->seat,
		.main_seat = cfg->main_seat,
		.asks_admission = cfg->asks_admission,
		.env = *cfg->env,
	};
	w->drained_us = US_NEVER;
	w->serves_plain_derp = cfg->cert_file == NULL;
	int err = open_tls(w, cfg, error);
	if (err == 0)
		err = open_events(w);
	if (err == 0) {
		w->secure = w->tls ? serve_http(w, w->tls, on_secure_request) : NULL;
		w->plain = serve_http(w, NULL, on_plain_request);
		err = loop_thread_start(w->host.base, on_ended, w, &w->thread);
	}
	if (err < 0)
		free_parts(w);
	else
		*out = w;
	return err;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	loop_thread_stop(w->thread);
	free_parts(w);
}

const struct relay_host_counters *worker_counters(const struct worker *w)
{
	return &w->host.counters;
}

void worker_add_http_counts(const struct worker *w, struct http_server_counts *sum)
{
	if (w->secure)
		http_server_add_counts(w->secure, sum);
	if (w->plain)
		http_server_add_counts(w->plain, sum);
}
