#include "tests/sim/relay_machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/statefile.h"
#include "derp-relay/hub.h"
#include "derp-relay/relay_server.h"
#include "derp-relay/relay_settings.h"
#include "tests/sim/host.h"
#include "tests/sim/kernel_tls.h"
#include "tests/sim/server_life.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"

enum { URL_LEN = 512 };

static const char state_dir[] = "/relay", secret_file[] = "/relay/admit.key";

struct relay_machine {
	struct server_life life;
	struct relay_settings settings;
	char url[URL_LEN];		     /* of admission; "" without */
	struct relay_server *server;	     /* NULL: off */
	char error[RELAY_MACHINE_ERROR_LEN]; /* of the last start */
};

/* ---- the process ---- */

static int start_server(void *arg, struct event_base *base)
{
	struct relay_machine *m = arg;
	struct relay_server_config config = {.base = base,
					     .settings = &m->settings,
					     .ended = server_life_ended,
					     .arg = &m->life};

	return relay_server_start(&config, &m->server, m->error);
}

static void drain_server(void *arg)
{
	struct relay_machine *m = arg;

	relay_server_drain(m->server);
}

static void flush_server(void *arg)
{
	(void)arg; /* it keeps nothing but its identity */
}

static void free_server(void *arg)
{
	struct relay_machine *m = arg;

	relay_server_free(m->server);
	m->server = NULL;
}

static const struct server_life_ops life_ops = {
	.start = start_server, .leave = drain_server, .flush = flush_server, .free = free_server};

/* ---- the machine ---- */

struct relay_machine *relay_machine_new(struct world *world,
					const struct relay_machine_config *config)
{
	struct relay_machine *m = calloc(1, sizeof(*m));

	(void)world;
	if (!m)
		abort();
	server_life_init(&m->life, config->host, &life_ops, m);
	kernel_tls_withhold_derp_key(m->life.host, config->is_plain);
	m->settings = (struct relay_settings){.listen = ":443",
					      .http = "off",
					      .stun = config->stun_off ? "off" : ":3478",
					      .hostname = config->hostname,
					      .state_dir = state_dir,
					      .admit_fail_open = config->fail_open,
					      .rate_bytes = config->rate_bytes,
					      .threads = 1,
					      .region_id = config->region_id,
					      .region_code = config->region_code,
					      .region_name = config->region_code};
	return m;
}

void relay_machine_free(struct relay_machine *m)
{
	if (!m)
		return;
	server_life_wipe(&m->life);
	free(m);
}

int relay_machine_start(struct relay_machine *m, char error[static RELAY_MACHINE_ERROR_LEN])
{
	int err = server_life_start(&m->life);

	if (err)
		snprintf(error, RELAY_MACHINE_ERROR_LEN, "%s", m->error);
	return err;
}

void relay_machine_drain(struct relay_machine *m)
{
	server_life_leave(&m->life, "drain");
}

void relay_machine_crash(struct relay_machine *m)
{
	server_life_crash(&m->life);
}

void relay_machine_power_cut(struct relay_machine *m)
{
	server_life_power_cut(&m->life);
}

bool relay_machine_runs(const struct relay_machine *m)
{
	return server_life_is_on(&m->life);
}

struct host *relay_machine_host(const struct relay_machine *m)
{
	return m->life.host;
}

uint32_t relay_machine_region(const struct relay_machine *m)
{
	return (uint32_t)m->settings.region_id;
}

char *relay_machine_entry(const struct relay_machine *m)
{
	if (!m->server)
		return NULL;
	struct world_place before = world_enter(m->life.host);
	char *text = relay_server_entry(m->server);
	world_leave(before);
	return text;
}

int relay_machine_set_admission(struct relay_machine *m, const char *url, const char *secret,
				char error[static RELAY_MACHINE_ERROR_LEN])
{
	server_life_wipe(&m->life);
	snprintf(m->url, sizeof(m->url), "%s", url);
	m->settings.admit_url = m->url;
	m->settings.admit_key_file = secret_file;
	struct world_place before = world_enter(m->life.host);
	int err = statefile_write(secret_file, secret, strlen(secret));
	world_leave(before);
	if (!err)
		return relay_machine_start(m, error);
	snprintf(error, RELAY_MACHINE_ERROR_LEN, "%s: %s", secret_file, strerror(-err));
	return err;
}

void relay_machine_counters(const struct relay_machine *m, struct relay_machine_counters *out)
{
	struct hub_counters n;

	*out = (struct relay_machine_counters){0};
	if (!m->server)
		return;
	relay_server_count(m->server, &n);
	out->connections = n.connections;
	out->homes = n.homes;
	out->packets_in = n.packets_in;
	out->packets_out = n.packets_out;
	for (size_t reason = 0; reason < DROP_REASONS; reason++)
		for (size_t kind = 0; kind < PACKET_KINDS; kind++)
			out->dropped += n.drops[reason][kind];
}
