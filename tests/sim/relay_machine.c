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
#include "tests/sim/sudden_end.h"
#include "tests/sim/trace.h"
#include "tests/sim/world.h"

enum { URL_LEN = 512 };

static const char state_dir[] = "/relay", secret_file[] = "/relay/admit.key";

struct relay_machine {
	struct host *host;
	struct relay_settings settings;
	char url[URL_LEN]; /* of admission; "" without */
	struct event_base *base;
	struct relay_server *server; /* NULL: OFF */
	struct world_event end;	     /* it has said goodbye */
	bool is_draining, starts_again;
};

/* ---- the process ---- */

static void free_server(void *arg)
{
	struct relay_machine *m = arg;

	world_event_cancel(&m->end);
	m->is_draining = m->starts_again = false;
	relay_server_free(m->server);
	loop_base_free(m->base);
	m->server = NULL;
	m->base = NULL;
}

static void on_ended(void *arg)
{
	struct relay_machine *m = arg;

	world_event_set(&m->end, world_now_us());
}

static int start_server(struct relay_machine *m, char error[static RELAY_MACHINE_ERROR_LEN])
{
	struct relay_server_config config = {.settings = &m->settings, .ended = on_ended, .arg = m};

	m->base = config.base = loop_base_new();
	int err = relay_server_start(&config, &m->server, error);
	TRACE("life", "start: %s", err ? error : "ok");
	if (err == 0)
		return 0;
	loop_base_free(m->base);
	m->base = NULL;
	return err;
}

static void on_end(void *arg)
{
	struct relay_machine *m = arg;
	char error[RELAY_MACHINE_ERROR_LEN];
	bool starts_again = m->starts_again;

	TRACE("life", "ended");
	free_server(m);
	if (starts_again && start_server(m, error) != 0)
		TRACE("life", "stays off: %s", error);
}

/* ---- the machine ---- */

struct relay_machine *relay_machine_new(struct world *world,
					const struct relay_machine_config *config)
{
	struct relay_machine *m = calloc(1, sizeof(*m));

	(void)world;
	if (!m)
		abort();
	m->host = config->host;
	kernel_tls_withhold_derp_key(m->host, config->is_plain);
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
	world_event_init(&m->end, on_end, m);
	return m;
}

void relay_machine_free(struct relay_machine *m)
{
	if (!m)
		return;
	struct world_place before = world_enter(m->host);
	if (m->server)
		free_server(m);
	world_leave(before);
	free(m);
}

int relay_machine_start(struct relay_machine *m, char error[static RELAY_MACHINE_ERROR_LEN])
{
	if (m->server) {
		m->starts_again = m->is_draining;
		return m->is_draining ? 0 : -EALREADY;
	}
	if (!host_is_on(m->host))
		host_power_on(m->host);
	struct world_place before = world_enter(m->host);
	int err = start_server(m, error);
	world_leave(before);
	return err;
}

void relay_machine_drain(struct relay_machine *m)
{
	if (!m->server)
		return;
	struct world_place before = world_enter(m->host);
	TRACE("life", "drain");
	m->is_draining = true;
	relay_server_drain(m->server);
	world_leave(before);
}

void relay_machine_crash(struct relay_machine *m)
{
	if (m->server)
		sudden_end_by_kill(m->host, free_server, m);
}

static void bury(void *arg)
{
	struct relay_machine *m = arg;

	if (m->server)
		free_server(m);
}

void relay_machine_power_cut(struct relay_machine *m)
{
	if (host_is_on(m->host))
		sudden_end_of_power(m->host, bury, m);
}

bool relay_machine_runs(const struct relay_machine *m)
{
	return m->server != NULL;
}

struct host *relay_machine_host(const struct relay_machine *m)
{
	return m->host;
}

uint32_t relay_machine_region(const struct relay_machine *m)
{
	return (uint32_t)m->settings.region_id;
}

char *relay_machine_entry(const struct relay_machine *m)
{
	if (!m->server)
		return NULL;
	struct world_place before = world_enter(m->host);
	char *text = relay_server_entry(m->server);
	world_leave(before);
	return text;
}

int relay_machine_set_admission(struct relay_machine *m, const char *url, const char *secret,
				char error[static RELAY_MACHINE_ERROR_LEN])
{
	struct world_place before = world_enter(m->host);

	if (m->server)
		free_server(m);
	snprintf(m->url, sizeof(m->url), "%s", url);
	m->settings.admit_url = m->url;
	m->settings.admit_key_file = secret_file;
	int err = statefile_write(secret_file, secret, strlen(secret));
	if (err)
		snprintf(error, RELAY_MACHINE_ERROR_LEN, "%s: %s", secret_file, strerror(-err));
	else
		err = start_server(m, error);
	world_leave(before);
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
