#include "derp-relay/mesh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "derp-relay/mesh_session.h"
#include "derp-relay/switchboard.h"

static const uint64_t reconnect_us = 5 * US_PER_S, write_late_us = 5 * US_PER_S;
static const uint64_t look_every_us = US_PER_S, complain_every_us = 60 * US_PER_S;

enum { LINKS_MAX = 16, OUT_BYTES = DERP_FORWARD_FRAME_MAX };

enum link_state { LINK_WAITING, LINK_DIALLING, LINK_UPGRADING, LINK_SERVING, LINK_OFF };

struct mesh_link {
	struct mesh *mesh;
	struct dial_config target;
	enum link_state state;
	struct dial *dial;
	struct tls_conn *conn;
	struct loop_timer *timer;
	struct mesh_session session; /* in the hub while SERVING */
	bool stands;		     /* it has let us in, and not shut us out a moment later */
	uint64_t quiet_us;	     /* no complaint in the log before */
	struct derp_reader reader;
	uint8_t in[DERP_FRAME_MAX];
};

struct mesh {
	struct mesh_config cfg;
	struct mesh_link *links[LINKS_MAX];
	size_t n;
	uint8_t out[OUT_BYTES];
};

/* ---- up and down --------------------------------------------------------------------------- */

static void log_link(const struct mesh_link *l, const char *event, const char *why)
{
	log_info("mesh", log_event(event), log_str("host", l->target.host),
		 log_u64("port", l->target.port), log_str("why", why));
}

/* Who cannot be reached is told of at once, and again each minute while it lasts. */
static void complain(struct mesh_link *l, const char *why)
{
	uint64_t now_us = clock_now_us();
	bool is_shut_out = l->state == LINK_SERVING;

	if (now_us < l->quiet_us)
		return;
	l->quiet_us = now_us + complain_every_us;
	log_warn("mesh", log_event("unreachable"), log_str("host", l->target.host),
		 log_u64("port", l->target.port), log_str("why", why),
		 log_str("hint", is_shut_out ? "has it the same --mesh-key-file?" : ""));
}

static void close_link(struct mesh_link *l, const char *why)
{
	struct mesh *m = l->mesh;

	if (l->stands)
		log_link(l, "down", why);
	else
		complain(l, why);
	l->stands = false;

	if (l->state == LINK_SERVING) {
		struct hub *hub = switchboard_lock(m->cfg.switchboard);
		mesh_session_on_down(&l->session, hub);
		(void)switchboard_unlock(m->cfg.switchboard, m->cfg.seat);
	}
	dial_free(l->dial);
	l->dial = NULL;
	tls_conn_free(l->conn);
	l->conn = NULL;
	l->state = LINK_WAITING;
	loop_timer_set(l->timer, clock_now_us() + reconnect_us +
					 randombytes_uniform((uint32_t)reconnect_us / 5));
}

static void pump(struct mesh_link *l)
{
	struct mesh *m = l->mesh;
	struct writer w = writer_init(m->out, sizeof(m->out));

	if (l->state != LINK_SERVING || tls_conn_queued(l->conn) > 0)
		return;
	struct hub *hub = switchboard_lock(m->cfg.switchboard);
	mesh_session_pull(&l->session, m->cfg.env, hub, &w, clock_now_us());
	(void)switchboard_unlock(m->cfg.switchboard, m->cfg.seat);
	if (w.len > 0 && tls_conn_write(l->conn, m->out, w.len) < 0)
		close_link(l, "cannot write");
}

/* ---- reading ------------------------------------------------------------------------------- */

static int take_answer(struct mesh_link *l)
{
	struct http_head head;
	size_t used;
	int err = http_parse_response((const char *)l->reader.buf + l->reader.start,
				      l->reader.end - l->reader.start, &head, &used);

	if (err < 0)
		return err;
	if (head.status != 101)
		return -EPROTO;
	l->reader.start += used;
	l->state = LINK_SERVING;
	return 0;
}

static int take_frames(struct mesh_link *l, uint64_t now_us)
{
	struct mesh *m = l->mesh;
	struct hub *hub = switchboard_lock(m->cfg.switchboard);
	struct derp_raw_frame raw;
	int err;

	while ((err = derp_reader_next(&l->reader, &raw)) == 0) {
		err = mesh_session_on_frame(&l->session, m->cfg.env, hub, &raw, now_us);
		if (err < 0)
			break;
	}
	(void)switchboard_unlock(m->cfg.switchboard, m->cfg.seat);
	return err;
}

static int on_input(struct mesh_link *l)
{
	if (l->state == LINK_UPGRADING) {
		int err = take_answer(l);
		if (err < 0)
			return err;
	}
	return take_frames(l, clock_now_us());
}

/* All relays of a region may be given the same list. */
static void turn_off(struct mesh_link *l)
{
	log_link(l, "off", "it is this relay");
	l->quiet_us = US_NEVER;
	close_link(l, "");
	l->state = LINK_OFF;
	loop_timer_set(l->timer, US_NEVER);
}

static void on_readable(void *arg)
{
	struct mesh_link *l = arg;
	int err;

	do {
		size_t room, got;
		uint8_t *space = derp_reader_space(&l->reader, &room);

		err = tls_conn_read(l->conn, space, room, &got);
		if (err == -EPIPE)
			return; /* on_closed comes, with the reason */
		if (err < 0)
			break;
		derp_reader_fill(&l->reader, got);
		err = on_input(l);
	} while (err == -EAGAIN);
	if (err == -EAGAIN) {
		pump(l);
		return;
	}
	if (err == -ELOOP)
		turn_off(l);
	else
		close_link(l, strerror(-err));
}

static void on_drained(void *arg)
{
	pump(arg);
}

static void on_closed(void *arg, const char *reason)
{
	close_link(arg, reason);
}

static const struct tls_conn_ops ops = {
	.on_readable = on_readable,
	.on_drained = on_drained,
	.on_closed = on_closed,
};

/* ---- dialling ------------------------------------------------------------------------------ */

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct mesh_link *l = arg;
	uint8_t random[DERP_NONCE_LEN];
	char request[DIAL_HOST_LEN + 128];

	(void)times;
	if (!conn) {
		close_link(l, error);
		return;
	}
	l->conn = conn;
	l->state = LINK_UPGRADING;
	randombytes_buf(random, sizeof(random));
	mesh_session_init(&l->session, l->mesh->cfg.seat, random, clock_now_us());
	derp_reader_init(&l->reader, l->in, sizeof(l->in));
	tls_conn_set_ops(conn, &ops, l);
	int n = snprintf(
		request, sizeof(request),
		"GET /derp HTTP/1.1\r\nHost: %s\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n",
		l->target.host);
	if (tls_conn_write(conn, request, (size_t)n) < 0)
		close_link(l, "cannot write");
	else
		loop_timer_set(l->timer, clock_now_us() + look_every_us);
}

static void look(struct mesh_link *l, uint64_t now_us)
{
	uint64_t stuck_us = tls_conn_stuck_since_us(l->conn);

	if (!l->stands && l->session.state == MESH_UP) {
		l->stands = true;
		l->quiet_us = 0;
		log_link(l, "up", "");
	}
	if (now_us >= mesh_session_deadline_us(&l->session))
		close_link(l, "nothing heard");
	else if (stuck_us != US_NEVER && now_us > stuck_us + write_late_us)
		close_link(l, "it reads too slowly");
	else
		loop_timer_set(l->timer, now_us + look_every_us);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct mesh_link *l = arg;

	switch (l->state) {
	case LINK_WAITING:
		l->state = LINK_DIALLING;
		l->dial = dial_new(l->mesh->cfg.base, l->mesh->cfg.resolver, &l->target, on_dialled,
				   l);
		return;
	case LINK_UPGRADING:
	case LINK_SERVING:
		look(l, now_us);
		return;
	case LINK_DIALLING:
	case LINK_OFF:
		return;
	}
}

/* ---- configuration ------------------------------------------------------------------------- */

static int parse_host(const char *text, struct dial_config *out)
{
	struct http_url url;
	char buf[HTTP_HOST_LEN * 2];
	static const char pin_mark[] = "=sha256-raw:";
	bool has_scheme = strstr(text, "://") != NULL;

	snprintf(buf, sizeof(buf), "%s%s", has_scheme ? "" : "https://", text);
	char *pin = strstr(buf, pin_mark);
	if (pin) {
		out->trust.kind = TLS_TRUST_CERT_PIN;
		*pin = 0;
		if (hex_decode(pin + strlen(pin_mark), out->trust.pin, TLS_HASH_LEN) < 0)
			return -EINVAL;
	}
	if (http_url_parse(buf, &url) < 0 || strlen(url.host) >= sizeof(out->host))
		return -EINVAL;
	snprintf(out->host, sizeof(out->host), "%s", url.host);
	out->port = url.port;
	return url.tls ? 1 : 0;
}

static int add_link(struct mesh *m, const char *text)
{
	struct mesh_link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	int tls = parse_host(text, &l->target);
	if (tls < 0) {
		free(l);
		return tls;
	}
	l->mesh = m;
	l->target.tls = tls ? m->cfg.tls : NULL;
	l->timer = loop_timer_new(m->cfg.base, on_timer, l);
	loop_timer_set(l->timer, clock_now_us());
	m->links[m->n++] = l;
	return 0;
}

int mesh_new(const struct mesh_config *cfg, struct mesh **out, char error[static MESH_ERROR_LEN])
{
	struct mesh *m = calloc(1, sizeof(*m));
	char *list = strdup(cfg->hosts), *rest = list;

	if (!m || !list)
		abort(); /* at start-up */
	m->cfg = *cfg;
	for (char *host; (host = strsep(&rest, ",")) != NULL;) {
		if (*host == 0)
			continue;
		if (m->n == LINKS_MAX || add_link(m, host) < 0) {
			snprintf(error, MESH_ERROR_LEN,
				 "--mesh-with: %.100s: not HOST[:PORT], or more than %d", host,
				 LINKS_MAX);
			free(list);
			mesh_free(m);
			return -EINVAL;
		}
	}
	free(list);
	*out = m;
	return 0;
}

void mesh_free(struct mesh *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		m->links[i]->quiet_us = US_NEVER;
		close_link(m->links[i], "stopping");
		loop_timer_free(m->links[i]->timer);
		free(m->links[i]);
	}
	free(m);
}

void mesh_serve(struct mesh *m)
{
	struct hub *hub = switchboard_lock(m->cfg.switchboard);

	/* Links are few: each is looked at, and none stays on the hub's list. */
	while (hub_next_ready(hub, m->cfg.seat))
		continue;
	(void)switchboard_unlock(m->cfg.switchboard, m->cfg.seat);
	for (size_t i = 0; i < m->n; i++)
		pump(m->links[i]);
}

unsigned mesh_count_up(const struct mesh *m)
{
	unsigned up = 0;

	for (size_t i = 0; i < m->n; i++)
		up += m->links[i]->state == LINK_SERVING && m->links[i]->session.state == MESH_UP;
	return up;
}
