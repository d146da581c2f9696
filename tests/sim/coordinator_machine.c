#include "tests/sim/coordinator_machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/net/loop.h"
#include "common/proto/derp_map.h"
#include "coordinator/admin_api.h"
#include "coordinator/manage.h"
#include "coordinator/server.h"
#include "tests/sim/certificate.h"
#include "tests/sim/host.h"
#include "tests/sim/kernel_disk.h"
#include "tests/sim/kernel_sqlite.h"
#include "tests/sim/power_plan.h"
#include "tests/sim/relay_machine.h"
#include "tests/sim/server_life.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"

enum { TEXT_LEN = 512, DEFAULT_PORT = 8443, ANSWER_MAX = 1 << 20 };

static const char cert_file[] = "/coordinator/issued.pem", key_file[] = "/coordinator/issued.key";

struct coordinator_machine {
	struct server_life life;
	const char *name, *issuer;
	struct server_settings settings;
	char listen[32], url[TEXT_LEN];
	struct server *server; /* NULL: off */
	struct power_plan cut;
};

/* ---- the process ---- */

/* Another's certificate is on the disk before the first start, as an operator puts it there. */
static int issue_certificate(struct coordinator_machine *m)
{
	if (!m->issuer || m->settings.tls_cert)
		return 0;
	m->settings.tls_cert = cert_file;
	m->settings.tls_key = key_file;
	return certificate_issue(cert_file, key_file, m->issuer, &m->name, 1);
}

static int start_server(void *arg, struct event_base *base)
{
	struct coordinator_machine *m = arg;
	struct server_config config = {.base = base,
				       .settings = &m->settings,
				       .ended = server_life_ended,
				       .arg = &m->life};
	int err = issue_certificate(m);

	return err ? err : server_start(&config, &m->server);
}

static void leave_server(void *arg)
{
	struct coordinator_machine *m = arg;

	server_leave(m->server);
}

static void flush_server(void *arg)
{
	struct coordinator_machine *m = arg;

	server_flush(m->server);
}

static void free_server(void *arg)
{
	struct coordinator_machine *m = arg;

	server_free(m->server);
	m->server = NULL;
}

static const struct server_life_ops life_ops = {
	.start = start_server, .leave = leave_server, .flush = flush_server, .free = free_server};

/* ---- the machine ---- */

static void on_cut(void *arg)
{
	coordinator_machine_power_cut(arg);
}

struct coordinator_machine *coordinator_machine_new(struct world *world,
						    const struct coordinator_machine_config *config)
{
	struct coordinator_machine *m = calloc(1, sizeof(*m));
	unsigned port = config->port ? config->port : DEFAULT_PORT;

	(void)world;
	if (!m)
		abort();
	server_life_init(&m->life, config->host, &life_ops, m);
	m->name = config->name;
	m->issuer = config->issuer;
	kernel_sqlite_install();
	snprintf(m->listen, sizeof(m->listen), ":%u", port);
	bool is_v6 = strchr(m->name, ':') != NULL;
	snprintf(m->url, sizeof(m->url), "https://%s%s%s:%u", is_v6 ? "[" : "", m->name,
		 is_v6 ? "]" : "", port);
	m->settings = (struct server_settings){.listen = m->listen,
					       .url = m->url,
					       .state_dir = "/coordinator",
					       .mesh_v4 = config->mesh_v4,
					       .mesh_v6 = config->mesh_v6};
	power_plan_init(&m->cut, on_cut, m);
	return m;
}

void coordinator_machine_free(struct coordinator_machine *m)
{
	if (!m)
		return;
	power_plan_drop(&m->cut);
	server_life_wipe(&m->life);
	free(m);
}

int coordinator_machine_start(struct coordinator_machine *m)
{
	return server_life_start(&m->life);
}

void coordinator_machine_term(struct coordinator_machine *m)
{
	server_life_leave(&m->life, "term");
}

void coordinator_machine_crash(struct coordinator_machine *m)
{
	power_plan_drop(&m->cut);
	server_life_crash(&m->life);
}

void coordinator_machine_power_cut(struct coordinator_machine *m)
{
	power_plan_drop(&m->cut);
	server_life_power_cut(&m->life);
}

void coordinator_machine_plan_power_cut(struct coordinator_machine *m, unsigned n,
					uint64_t latest_us)
{
	power_plan_set(&m->cut, kernel_disk_of(m->life.host), n, latest_us);
}

bool coordinator_machine_runs(const struct coordinator_machine *m)
{
	return server_life_is_on(&m->life);
}

struct host *coordinator_machine_host(const struct coordinator_machine *m)
{
	return m->life.host;
}

const struct coordinator *coordinator_machine_core(const struct coordinator_machine *m)
{
	return m->server ? server_core(m->server) : NULL;
}

int coordinator_machine_meddle(struct coordinator_machine *m,
			       void (*fn)(void *arg, struct coordinator *c), void *arg)
{
	if (!m->server)
		return -ENOTCONN;
	struct world_place before = world_enter(m->life.host);

	fn(arg, server_core(m->server));
	world_leave(before);
	return 0;
}

/* ---- the admin ---- */

/* 0 where the API says 200: *answer is its JSON text, the caller's. */
static int ask(struct coordinator_machine *m, const char *method, const char *path,
	       const char *body, char **answer, char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	uint8_t random[MANAGE_RANDOM_LEN];
	struct admin_answer out;

	snprintf(error, COORDINATOR_MACHINE_ERROR_LEN, "the coordinator does not run");
	if (!m->server)
		return -ENOTCONN;
	struct world_place before = world_enter(m->life.host);
	struct moment now = {clock_now_us(), clock_unix_us() / US_PER_MS};
	struct admin_request request = {.method = method,
					.path = path,
					.body = body,
					.len = strlen(body),
					.is_local = true,
					.random = random,
					.template = server_template(m->server)};
	randombytes_buf(random, sizeof(random));
	admin_api_answer(server_core(m->server), &request, &now, &out);
	world_leave(before);
	*answer = out.json;
	if (out.status == 200)
		return 0;
	snprintf(error, COORDINATOR_MACHINE_ERROR_LEN, "%s %s: %s", method, path, out.json);
	free(out.json);
	return -EIO;
}

/* The same where nobody wants to see the answer. */
static int tell(struct coordinator_machine *m, const char *method, const char *path,
		const char *body, char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	char *answer;
	int err = ask(m, method, path, body, &answer, error);

	if (err == 0)
		free(answer);
	return err;
}

/* A string of the answer, which is freed. */
static int take_string(char *answer, const char *key, char *out, size_t cap)
{
	struct json_error wrong = {0};
	struct json *tree;
	int err = json_parse(answer, strlen(answer), ANSWER_MAX, &tree, &wrong);

	free(answer);
	if (err)
		return err;
	struct json_in in = json_root(tree, &wrong);
	snprintf(out, cap, "%s", json_str(&in, key, cap - 1));
	json_free(tree);
	return wrong.failed ? -EBADMSG : 0;
}

/* NAME.OWNER, role and lifetime as the API has them. NULL: not NAME.OWNER. The caller's. */
static char *token_request(const char *node, const char *role, uint64_t ttl_s)
{
	char name[CONTROL_NAME_LEN];
	const char *dot = strchr(node, '.');

	if (!dot || (size_t)(dot - node) >= sizeof(name))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - node), node);
	struct json *tree = json_object_new();
	json_add_str(tree, "name", name);
	json_add_str(tree, "owner", dot + 1);
	json_add_u64(tree, "ttl_s", ttl_s);
	if (role)
		json_add_str(tree, "role", role);
	char *body = json_print(tree);
	json_free(tree);
	return body;
}

int coordinator_machine_invite_for(struct coordinator_machine *m, const char *node,
				   const char *role, uint64_t ttl_s, uint32_t *token_id,
				   char out[static INVITATION_TEXT_LEN],
				   char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	struct json_error wrong = {0};
	struct json *tree;
	char *answer, *body = token_request(node, role, ttl_s);

	snprintf(error, COORDINATOR_MACHINE_ERROR_LEN, "not NAME.OWNER: %s", node);
	if (!body)
		return -EIO;
	int err = ask(m, "POST", "/v1/tokens", body, &answer, error);
	free(body);
	if (err)
		return err;
	err = json_parse(answer, strlen(answer), ANSWER_MAX, &tree, &wrong);
	free(answer);
	if (err)
		return err;
	struct json_in in = json_root(tree, &wrong);
	snprintf(out, INVITATION_TEXT_LEN, "%s", json_str(&in, "invitation", INVITATION_TEXT_LEN));
	*token_id = (uint32_t)json_u64(&in, "id", 1, UINT32_MAX);
	json_free(tree);
	return wrong.failed ? -EBADMSG : 0;
}

int coordinator_machine_invite(struct coordinator_machine *m, const char *node, const char *role,
			       char out[static INVITATION_TEXT_LEN],
			       char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	const uint64_t day_s = 24 * 3600;
	uint32_t token_id;

	return coordinator_machine_invite_for(m, node, role, day_s, &token_id, out, error);
}

int coordinator_machine_revoke_token(struct coordinator_machine *m, uint32_t token_id,
				     char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/tokens/%u", token_id);
	return tell(m, "DELETE", path, "", error);
}

/* The relay's question goes to us, by the pin of our invitations. */
static void admit_url(const struct coordinator_machine *m, char out[static TEXT_LEN + 128])
{
	const struct invitation *template = server_template(m->server);
	char pin[2 * INVITATION_PIN_LEN + 1];

	hex_encode(template->pin, INVITATION_PIN_LEN, pin);
	snprintf(out, TEXT_LEN + 128, "%s/v1/relay/admit#pin=sha256:%s", template->url, pin);
}

int coordinator_machine_add_relay(struct coordinator_machine *m, struct relay_machine *relay,
				  char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	char secret[RELAY_SECRET_LEN], url[TEXT_LEN + 128], *answer;
	char *entry = relay_machine_entry(relay);

	snprintf(error, COORDINATOR_MACHINE_ERROR_LEN, "the relay does not run");
	if (!entry)
		return -ENOTCONN;
	int err = ask(m, "POST", "/v1/relays", entry, &answer, error);
	free(entry);
	if (err == 0)
		err = take_string(answer, "secret", secret, sizeof(secret));
	if (err)
		return err;
	admit_url(m, url);
	return relay_machine_set_admission(relay, url, secret, error);
}

int coordinator_machine_remove_relay(struct coordinator_machine *m, uint32_t region_id,
				     char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/relays/%u", region_id);
	return tell(m, "DELETE", path, "", error);
}

int coordinator_machine_set_policy(struct coordinator_machine *m, const char *policy,
				   char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	return tell(m, "PUT", "/v1/policy", policy, error);
}

int coordinator_machine_remove_node(struct coordinator_machine *m, const char *node,
				    char error[static COORDINATOR_MACHINE_ERROR_LEN])
{
	char path[TEXT_LEN];

	snprintf(path, sizeof(path), "/v1/nodes/%s", node);
	return tell(m, "DELETE", path, "", error);
}
