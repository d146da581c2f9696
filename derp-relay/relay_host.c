#include "derp-relay/relay_host.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/net/tls.h"
#include "common/proto/derp.h"
#include "derp-relay/relay_client.h"

/* A receiver that takes nothing for so long is closed; a mesh peer carries many receivers' packets.
 */
static const uint64_t write_late_us = 2 * US_PER_S, mesh_write_late_us = 30 * US_PER_S;

/* Rate-limited clients are looked at so often. */
static const struct timeval throttle_every = {.tv_usec = 10 * 1000};

/* ---- events ---- */

static void reap(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;

	(void)fd;
	(void)what;
	if (host->has_doomed) {
		host->has_doomed = false;
		for (struct relay_client *c = host->clients, *next; c; c = next) {
			next = c->next;
			if (c->doomed)
				relay_client_free(c);
		}
	}
	/* Those who go leave notes for those who stay. */
	relay_host_serve(host);
}

void relay_host_throttle(struct relay_host *host)
{
	if (!event_pending(host->throttle_event, EV_TIMEOUT, NULL))
		event_add(host->throttle_event, &throttle_every);
}

static void read_again(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;
	struct relay_client *list = host->again;

	(void)fd;
	(void)what;
	host->again = NULL;
	for (struct relay_client *c = list, *next; c; c = next) {
		next = c->next_again;
		c->reads_again = false;
		relay_client_on_readable(c);
	}
}

static void unthrottle(evutil_socket_t fd, short what, void *arg)
{
	struct relay_host *host = arg;
	uint64_t now_us = clock_now_us();

	(void)fd;
	(void)what;
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->paused || c->core.state != CLIENT_READY || c->doomed)
			continue;
		if (c->core.read_after_us <= now_us)
			relay_client_go_on(c);
		else
			relay_host_throttle(host);
	}
}

/* ---- life ---- */

int relay_host_init(struct relay_host *host)
{
	host->in = malloc(CLIENT_BYTES_MAX + HOST_READ_BYTES * 2 + RELAY_MESSAGE_MAX);
	host->out = malloc(CLIENT_BYTES_MAX);
	host->reap_event = event_new(host->base, -1, 0, reap, host);
	host->again_event = event_new(host->base, -1, 0, read_again, host);
	host->throttle_event = event_new(host->base, -1, 0, unthrottle, host);
	return host->in && host->out && host->reap_event && host->again_event &&
			       host->throttle_event
		       ? 0
		       : -ENOMEM;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void relay_host_wipe(struct relay_host *host)
{
	while (host->clients)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list. */
		relay_client_free(host->clients);
	free_event(host->reap_event);
	free_event(host->again_event);
	free_event(host->throttle_event);
	free(host->in);
	free(host->out);
	secret_key_wipe(&host->env.secret);
	sodium_memzero(host->env.mesh_key, sizeof(host->env.mesh_key));
}

/* ---- clients ---- */

void relay_host_serve(struct relay_host *host)
{
	for (;;) {
		struct hub *hub = switchboard_lock(host->switchboard);
		struct port *port = hub_next_ready(hub, host->seat);
		bool close = port && port->close;
		(void)switchboard_unlock(host->switchboard, host->seat);

		if (!port)
			return;
		if (close)
			relay_client_doom(relay_client_of(port), CLOSED_BY_MESH);
		else
			relay_client_pump(relay_client_of(port));
	}
}

void relay_host_on_decision(struct relay_host *host, const struct public_key *key, bool allowed)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->in_admission || c->doomed || !public_key_equal(&c->core.hub.key, key))
			continue;
		if (!allowed) {
			relay_client_doom(c, CLOSED_REFUSED);
		} else if (c->core.state == CLIENT_ASKING) {
			relay_client_admit(c, true);
			relay_client_go_on(c);
		}
	}
}

static void sweep_client(struct relay_client *c, uint64_t now_us)
{
	uint64_t stuck_us = tls_conn_stuck_since_us(c->tls);
	bool is_mesh_peer = c->core.hub.flags & DERP_PRESENT_MESH;

	if (client_conn_on_deadline(&c->core, now_us) < 0)
		relay_client_doom(c, CLOSED_LOGIN);
	else if (stuck_us != US_NEVER &&
		 now_us > stuck_us + (is_mesh_peer ? mesh_write_late_us : write_late_us))
		relay_client_doom(c, CLOSED_WRITE_LATE);
	else if (c->core.owed)
		relay_client_pump(c);
}

void relay_host_sweep(struct relay_host *host, uint64_t now_us)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		if (!c->doomed)
			sweep_client(c, now_us);
	}
}

void relay_host_say_goodbye(struct relay_host *host)
{
	for (struct relay_client *c = host->clients; c; c = c->next) {
		client_conn_on_drain(&c->core);
		relay_client_pump(c);
	}
}
