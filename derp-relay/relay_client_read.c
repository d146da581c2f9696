#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/net/tls.h"
#include "common/proto/derp.h"
#include "derp-relay/relay_client.h"

/* Its share of a round, in reads. */
enum { READS_PER_ROUND = 4 };

static void set_paused(struct relay_client *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	tls_conn_pause(c->tls, paused);
}

bool relay_client_may_read(const struct relay_client *c, uint64_t now_us)
{
	return !c->doomed && c->core.state != CLIENT_ASKING && c->core.read_after_us <= now_us;
}

static enum close_reason reason_of(const struct relay_client *c, int err)
{
	if (err == -ENOMEM)
		return CLOSED_NO_MEMORY;
	return c->core.state == CLIENT_LOGIN ? CLOSED_LOGIN : CLOSED_PROTOCOL;
}

static void keep(struct relay_client *c, const uint8_t *bytes, size_t len)
{
	if (len == 0) {
		free(c->stash);
		c->stash = NULL;
		c->stash_len = 0;
		return;
	}
	uint8_t *stash = realloc(c->stash, len);
	if (!stash) {
		relay_client_doom(c, CLOSED_NO_MEMORY);
		return;
	}
	memcpy(stash, bytes, len);
	c->stash = stash;
	c->stash_len = (uint32_t)len;
}

void relay_client_admit(struct relay_client *c, bool allowed)
{
	struct hub *hub = switchboard_lock(c->host->switchboard);
	int err = client_conn_on_admission(&c->core, hub, allowed, clock_now_us());

	if (switchboard_unlock(c->host->switchboard, c->host->seat))
		event_active(c->host->reap_event, 0, 0);
	if (err < 0)
		relay_client_doom(c, err == -EACCES ? CLOSED_REFUSED : CLOSED_NO_MEMORY);
	else
		relay_client_pump(c);
}

static void ask_admission(struct relay_client *c)
{
	bool is_mesh_peer = c->core.hub.flags & DERP_PRESENT_MESH;

	if (!c->host->asks_admission || is_mesh_peer) {
		relay_client_admit(c, true);
		return;
	}
	c->in_admission = true;
	relay_client_tell_main(c, MESSAGE_CONNECT);
}

static int feed(struct relay_client *c, size_t len, uint64_t now_us, size_t *used)
{
	struct relay_host *host = c->host;

	if (!client_conn_needs_hub(&c->core))
		return client_conn_on_bytes(&c->core, &host->env, NULL, host->in, len, now_us,
					    used);

	struct hub *hub = switchboard_lock(host->switchboard);
	int err = client_conn_on_bytes(&c->core, &host->env, hub, host->in, len, now_us, used);
	if (switchboard_unlock(host->switchboard, host->seat))
		relay_host_serve(host);
	return err;
}

static size_t unstash(struct relay_client *c)
{
	if (c->stash_len > 0)
		memcpy(c->host->in, c->stash, c->stash_len);
	return c->stash_len;
}

static void on_bytes(struct relay_client *c, size_t len);

/* What waits comes first: a client held back may have whole frames in its stash. */
static void take_stash(struct relay_client *c)
{
	if (c->stash_len > 0)
		on_bytes(c, unstash(c));
}

/* host->in holds len bytes of c: hands over what is whole, and keeps the rest. */
static void on_bytes(struct relay_client *c, size_t len)
{
	size_t used = 0;
	bool was_login = c->core.state == CLIENT_LOGIN;
	int err = feed(c, len, clock_now_us(), &used);

	if (err < 0) {
		relay_client_doom(c, reason_of(c, err));
		return;
	}
	keep(c, c->host->in + used, len - used);
	if (was_login && c->core.state == CLIENT_ASKING)
		ask_admission(c);
	if (c->core.owed)
		relay_client_pump(c);
	/* Clients send on behind their login without waiting. */
	if (was_login && c->core.state == CLIENT_READY)
		take_stash(c);
}

/* Fills host->in up to a full TLS record's worth, so that frames are handled in batches. Returns
 * false where nothing came. */
static bool fill(struct relay_client *c, size_t *len)
{
	size_t first = *len;
	int err = 0;

	while (*len < first + HOST_READ_BYTES) {
		size_t got = 0;
		err = tls_conn_read(c->tls, c->host->in + *len, HOST_READ_BYTES, &got);
		if (err < 0)
			break;
		*len += got;
	}
	if (err == -EPIPE && *len == first)
		relay_client_doom(c, CLOSED_BY_CLIENT);
	return *len > first;
}

static void read_later(struct relay_client *c)
{
	if (c->reads_again)
		return;
	c->reads_again = true;
	c->next_again = c->host->again;
	c->host->again = c;
	event_active(c->host->again_event, 0, 0);
}

static void wait_for_rate(struct relay_client *c)
{
	set_paused(c, true);
	relay_host_throttle(c->host);
}

void relay_client_on_readable(void *arg)
{
	struct relay_client *c = arg;

	if (c->ws)
		return;
	for (unsigned i = 0; i < READS_PER_ROUND; i++) {
		if (!relay_client_may_read(c, clock_now_us()))
			break;
		size_t len = unstash(c);
		if (!fill(c, &len))
			return;
		on_bytes(c, len);
	}
	if (c->doomed)
		return;
	if (relay_client_may_read(c, clock_now_us()))
		read_later(c);
	else if (c->core.state == CLIENT_ASKING)
		set_paused(c, true);
	else
		wait_for_rate(c);
}

void relay_client_go_on(struct relay_client *c)
{
	take_stash(c);
	if (!relay_client_may_read(c, clock_now_us())) {
		if (!c->doomed && c->core.state == CLIENT_READY)
			wait_for_rate(c);
		return;
	}
	set_paused(c, false);
	relay_client_on_readable(c);
}

void relay_client_on_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct relay_client *c = arg;

	if (c->doomed)
		return;
	if (text || c->stash_len + len > CLIENT_BYTES_MAX + HOST_READ_BYTES) {
		relay_client_doom(c, CLOSED_PROTOCOL);
		return;
	}
	size_t held = unstash(c);
	memcpy(c->host->in + held, bytes, len);
	if (relay_client_may_read(c, clock_now_us()))
		on_bytes(c, held + len);
	else
		keep(c, c->host->in, held + len);
	if (c->doomed || relay_client_may_read(c, clock_now_us()))
		return;
	if (c->core.state == CLIENT_ASKING)
		set_paused(c, true);
	else
		wait_for_rate(c);
}
