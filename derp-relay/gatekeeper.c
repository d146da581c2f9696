#include "derp-relay/gatekeeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "common/statefile.h"
#include "derp-relay/admission.h"
#include "derp-relay/switchboard.h"

static const uint64_t call_us = 5 * US_PER_S, save_after_us = 10 * US_PER_S;
static const uint64_t save_again_us = 60 * US_PER_S;
static const uint64_t log_every_us = 60 * US_PER_S;

enum { SECRET_MAX = 512, FIELDS_LEN = SECRET_MAX + 128 };

struct call {
	struct gatekeeper *gatekeeper;
	struct http_call *http; /* NULL: free */
	struct public_key key;
};

struct gatekeeper {
	struct gatekeeper_config cfg;
	struct admission *admission;
	struct dial_config target;
	char path[HTTP_PATH_LEN];
	char fields[FIELDS_LEN]; /* holds the secret */
	struct call calls[GATEKEEPER_CALLS];
	struct loop_timer *timer;
	uint64_t save_us;    /* when to write the cache; US_NEVER */
	uint64_t quiet_us;   /* no complaint in the log before */
	uint64_t answers[3]; /* by enum admission_answer */
};

/* ---- the cache ----------------------------------------------------------------------------- */

static uint64_t unix_now_s(void)
{
	return clock_unix_us() / US_PER_S;
}

static void load(struct gatekeeper *g)
{
	struct json_error err = {0};
	struct json *tree;
	int rc = statefile_read_json(g->cfg.cache_file, ADMISSION_FILE_MAX, &tree, &err);

	if (rc == -ENOENT)
		return;
	if (rc == 0) {
		struct json_in root = json_root(tree, &err);
		rc = admission_load(g->admission, &root, unix_now_s());
		json_free(tree);
	}
	if (rc < 0)
		log_warn("admission", log_event("cache-unreadable"),
			 log_str("file", g->cfg.cache_file),
			 log_str("error", err.failed ? err.text : strerror(-rc)));
}

static void save(struct gatekeeper *g)
{
	g->save_us = US_NEVER;
	if (!admission_is_changed(g->admission))
		return;
	struct json *tree = admission_save(g->admission, unix_now_s());
	int err = statefile_write_json(g->cfg.cache_file, tree);
	json_free(tree);
	if (err == 0) {
		admission_saved(g->admission);
		return;
	}
	log_warn("admission", log_event("cache-not-saved"), log_str("file", g->cfg.cache_file),
		 log_str("error", strerror(-err)));
	g->save_us = clock_now_us() + save_again_us;
}

/* ---- questions ----------------------------------------------------------------------------- */

static void tell_workers(struct gatekeeper *g, const struct public_key *key, bool allowed)
{
	struct message m = {.kind = MESSAGE_DECISION, .fd = -1, .key = *key, .allowed = allowed};

	for (uint16_t i = 0; i < g->cfg.workers; i++)
		switchboard_tell(g->cfg.switchboard, i, &m);
}

static void carry_out(struct gatekeeper *g, const struct public_key *key,
		      enum admission_decision decision)
{
	switch (decision) {
	case ADMISSION_LET_IN:
		tell_workers(g, key, true);
		return;
	case ADMISSION_CLOSE:
		tell_workers(g, key, false);
		return;
	case ADMISSION_WAIT:
		return;
	}
}

/* True where the log may have another complaint. */
static bool may_complain(struct gatekeeper *g)
{
	uint64_t now_us = clock_now_us();

	if (now_us < g->quiet_us)
		return false;
	g->quiet_us = now_us + log_every_us;
	return true;
}

static void complain(struct gatekeeper *g, const struct http_result *result)
{
	if (!may_complain(g))
		return;
	log_warn("admission", log_event("coordinator-silent"), log_str("host", g->target.host),
		 log_u64("status", result->error ? 0 : result->status),
		 log_str("error", result->error ? result->error
						: "no answer of the form {\"Allow\": bool}"));
}

static void ask_more(struct gatekeeper *g);

static void on_answer(void *arg, const struct http_result *result)
{
	struct call *call = arg;
	struct gatekeeper *g = call->gatekeeper;
	enum admission_answer answer =
		result->error ? ADMISSION_SILENT
			      : admission_read(result->status, result->body, result->len);

	http_call_free(call->http);
	call->http = NULL;
	g->answers[answer]++;
	if (answer == ADMISSION_SILENT)
		complain(g, result);
	carry_out(g, &call->key,
		  admission_on_answer(g->admission, &call->key, answer, clock_now_us(),
				      unix_now_s()));
	if (admission_is_changed(g->admission) && g->save_us == US_NEVER)
		g->save_us = clock_now_us() + save_after_us;
	ask_more(g);
}

static struct call *free_call(struct gatekeeper *g)
{
	for (size_t i = 0; i < GATEKEEPER_CALLS; i++) {
		if (!g->calls[i].http)
			return &g->calls[i];
	}
	return NULL;
}

static void ask(struct gatekeeper *g, struct call *call, const struct admission_question *q)
{
	char body[ADMISSION_BODY_LEN];
	struct http_call_config cfg = {
		.dial = &g->target,
		.method = "POST",
		.path = g->path,
		.fields = g->fields,
		.body = body,
		.answer_max = 4096,
	};

	admission_body(q, body);
	cfg.body_len = strlen(body);
	call->gatekeeper = g;
	call->key = q->key;
	call->http = http_call_new(g->cfg.base, g->cfg.resolver, &cfg, on_answer, call);
}

static void ask_more(struct gatekeeper *g)
{
	struct admission_question q;
	struct call *call;

	while ((call = free_call(g)) != NULL && admission_ask(g->admission, clock_now_us(), &q))
		ask(g, call, &q);

	/* With all calls out, the next answer comes here again. */
	uint64_t due_us = call ? admission_deadline_us(g->admission) : US_NEVER;
	loop_timer_set(g->timer, due_us < g->save_us ? due_us : g->save_us);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct gatekeeper *g = arg;

	if (now_us >= g->save_us)
		save(g);
	ask_more(g);
}

static void on_connect(struct gatekeeper *g, const struct message *m)
{
	enum admission_decision decision = admission_on_connect(g->admission, &m->key, &m->from.ip,
								clock_now_us(), unix_now_s());

	if (decision == ADMISSION_CLOSE && may_complain(g))
		log_warn("admission", log_event("full"), log_u64("keys", ADMISSION_KEYS_MAX));
	carry_out(g, &m->key, decision);
}

void gatekeeper_on_message(struct gatekeeper *g, const struct message *m)
{
	if (m->kind == MESSAGE_CONNECT)
		on_connect(g, m);
	else
		admission_on_disconnect(g->admission, &m->key);
	ask_more(g);
}

/* ---- life ---------------------------------------------------------------------------------- */

/* "https://host/path" with "#pin=sha256:HEX" behind where the coordinator signs for itself. */
static int parse_url(struct gatekeeper *g)
{
	static const char pin_mark[] = "#pin=sha256:";
	char text[HTTP_PATH_LEN];
	struct http_url url;

	if (strlen(g->cfg.url) >= sizeof(text))
		return -EINVAL;
	snprintf(text, sizeof(text), "%s", g->cfg.url);
	char *pin = strstr(text, pin_mark);
	if (pin) {
		*pin = 0;
		g->target.trust.kind = TLS_TRUST_SPKI_PIN;
		if (hex_decode(pin + strlen(pin_mark), g->target.trust.pin, TLS_HASH_LEN) < 0)
			return -EINVAL;
	}
	if (http_url_parse(text, &url) < 0 || strlen(url.host) >= sizeof(g->target.host))
		return -EINVAL;
	snprintf(g->target.host, sizeof(g->target.host), "%s", url.host);
	snprintf(g->path, sizeof(g->path), "%s", url.path);
	g->target.port = url.port;
	g->target.tls = url.tls ? g->cfg.tls : NULL;
	g->target.timeout_us = call_us;
	return 0;
}

static void write_fields(struct gatekeeper *g)
{
	int n = snprintf(g->fields, sizeof(g->fields), "Content-Type: application/json\r\n");

	if (g->cfg.secret)
		snprintf(g->fields + n, sizeof(g->fields) - (size_t)n,
			 "Authorization: Bearer %s\r\n", g->cfg.secret);
}

int gatekeeper_new(const struct gatekeeper_config *cfg, struct gatekeeper **out,
		   char error[static GATEKEEPER_ERROR_LEN])
{
	struct gatekeeper *g = calloc(1, sizeof(*g));
	uint8_t seed[ADMISSION_SEED_LEN];

	randombytes_buf(seed, sizeof(seed));
	if (!g || !(g->admission = admission_new(seed, cfg->fail_open)))
		abort(); /* at start-up */
	g->cfg = *cfg;
	g->save_us = US_NEVER;
	g->timer = loop_timer_new(cfg->base, on_timer, g);
	*out = g;
	if (parse_url(g) < 0) {
		snprintf(error, GATEKEEPER_ERROR_LEN,
			 "--admit-url: %.100s: not https://HOST[:PORT]/PATH[#pin=sha256:HEX]",
			 cfg->url);
		return -EINVAL;
	}
	if (cfg->secret && strlen(cfg->secret) >= SECRET_MAX) {
		snprintf(error, GATEKEEPER_ERROR_LEN, "--admit-key-file: longer than %d bytes",
			 SECRET_MAX);
		return -EINVAL;
	}
	write_fields(g);
	load(g);
	return 0;
}

void gatekeeper_free(struct gatekeeper *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < GATEKEEPER_CALLS; i++)
		http_call_free(g->calls[i].http);
	save(g);
	loop_timer_free(g->timer);
	admission_free(g->admission);
	sodium_memzero(g, sizeof(*g));
	free(g);
}

void gatekeeper_fill(const struct gatekeeper *g, struct metric_page *page)
{
	static const char *const names[] = {
		[ADMISSION_YES] = "yes", [ADMISSION_NO] = "no", [ADMISSION_SILENT] = "silent"};

	metric_counter(page, "warren_relay_admission_answers_total",
		       "Answers of the coordinator to admission questions.");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		metric_u64(page, &(struct metric_label){"answer", names[i]}, 1, g->answers[i]);
}
