#include "agent/session/coordinator_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/session/control_session.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/loop.h"
#include "common/net/resolve.h"
#include "common/net/socket.h"
#include "common/net/websocket.h"

struct coordinator_link {
	struct event_base *base;
	const struct machine_secret *machine;
	const struct coordinator_link_ops *ops;
	void *arg;

	struct dial_config dial_config;
	char authority[HTTP_HOST_LEN + 16];
	struct tls_context *tls;
	struct resolver *resolver;

	struct control_session session;
	struct loop_timer *timer;
	struct dial *dial;    /* while dialling */
	struct websocket *ws; /* from the upgrade on */
	uint8_t spki_hash[TLS_HASH_LEN];
	struct control_error refusal; /* what led to REFUSED, until it is told */
	bool *gone;		      /* set where an op frees us */
};

static const char session_path[] = "/v1/session";

static void arm(struct coordinator_link *link)
{
	loop_timer_set(link->timer, link->session.deadline_us);
}

/* ---- ops: the owner may free us in any ---- */

static bool tell_state(struct coordinator_link *link, bool connected)
{
	bool gone = false;

	link->gone = &gone;
	link->ops->on_state(link->arg, connected, connected ? NULL : link->session.reason);
	if (!gone)
		link->gone = NULL;
	return !gone;
}

static bool tell_message(struct coordinator_link *link, const struct control_message *m)
{
	bool gone = false;

	link->gone = &gone;
	link->ops->on_message(link->arg, m);
	if (!gone)
		link->gone = NULL;
	return !gone;
}

/* ---- the end of a connection ---- */

static void drop_connection(struct coordinator_link *link)
{
	dial_free(link->dial);
	websocket_free(link->ws);
	link->dial = NULL;
	link->ws = NULL;
}

/* Says why, once, and waits for the next turn. link may be gone afterwards. */
static void end(struct coordinator_link *link, const char *reason)
{
	bool stood = link->ws != NULL;

	control_session_on_closed(&link->session, reason, randombytes_random(), clock_now_us());
	drop_connection(link); /* the reason may have been its */
	arm(link);
	if (link->session.state == CONTROL_SESSION_REFUSED) {
		link->ops->on_refused(link->arg, &link->refusal);
		return;
	}
	if (stood)
		link->ops->on_broken(link->arg);
	(void)tell_state(link, false);
}

/* ---- sending ---- */

/* The text holds a token in one case: it is wiped in all. */
static void send_message(struct coordinator_link *link, const struct control_message *m)
{
	char *text;
	size_t len;
	int err = control_encode(m, &text, &len);

	if (err) {
		log_error("coordinator", log_event("unsendable"),
			  log_str("type", control_type_str(m->type)), log_i64("error", err));
		return;
	}
	err = websocket_send_text(link->ws, text, len);
	if (err)
		log_debug("coordinator", log_event("send-failed"),
			  log_str("type", control_type_str(m->type)), log_i64("error", err));
	sodium_memzero(text, len);
	free(text);
}

static void do_what(struct coordinator_link *link, enum control_session_do what);

static void send_hello(struct coordinator_link *link, const uint8_t nonce[static CONTROL_NONCE_LEN])
{
	struct control_message m = {.type = CONTROL_HELLO};

	link->ops->make_hello(link->arg, &m.hello);
	control_proof_sign(link->machine, nonce, link->spki_hash, m.hello.proof);
	send_message(link, &m);
	control_message_wipe(&m);
}

/* ---- the WebSocket ---- */

static void on_open(void *arg, const struct http_head *answer)
{
	struct coordinator_link *link = arg;
	char nonce_hex[2 * CONTROL_NONCE_LEN + 1] = "";
	uint8_t nonce[CONTROL_NONCE_LEN];

	if (!http_text_copy(http_find(answer, "Warren-Nonce"), nonce_hex, sizeof(nonce_hex)))
		nonce_hex[0] = '\0';
	if (control_session_on_upgraded(&link->session, nonce_hex, nonce, clock_now_us()) != 0) {
		end(link, "no nonce");
		return;
	}
	send_hello(link, nonce);
	arm(link);
}

static bool is_for_owner(enum control_type type)
{
	return type == CONTROL_WELCOME || type == CONTROL_RELAYS || type == CONTROL_MAP;
}

static void take_message(struct coordinator_link *link, const struct control_message *m)
{
	bool was_online = link->session.state == CONTROL_SESSION_ONLINE;
	enum control_session_do what =
		control_session_on_message(&link->session, m, randombytes_random(), clock_now_us());
	bool is_online = link->session.state == CONTROL_SESSION_ONLINE;

	arm(link);
	if (m->type == CONTROL_ERROR)
		link->refusal = m->error;
	if (is_online && is_for_owner(m->type) && !tell_message(link, m))
		return;
	if (is_online && !was_online && !tell_state(link, true))
		return;
	do_what(link, what);
}

static void on_message(void *arg, bool text, const uint8_t *bytes, size_t len)
{
	struct coordinator_link *link = arg;
	struct control_message m;
	char why[128] = "not text";
	int err = text ? control_decode((const char *)bytes, len, CONTROL_SERVER_MESSAGE_MAX, &m,
					why, sizeof(why))
		       : -EBADMSG;

	if (err == -EPROTO) /* a type of a later version */
		return;
	if (err) {
		log_warn("coordinator", log_event("bad-message"), log_str("problem", why));
		end(link, "the coordinator sent a message that cannot be read");
		return;
	}
	take_message(link, &m);
	control_message_wipe(&m);
}

static void on_closed(void *arg, unsigned code, const char *reason)
{
	(void)code;
	end(arg, reason[0] ? reason : "the coordinator closed the connection");
}

static const struct websocket_ops ws_ops = {
	.on_open = on_open, .on_message = on_message, .on_closed = on_closed};

/* ---- dialling ---- */

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct coordinator_link *link = arg;
	uint8_t random[16];

	(void)times;
	if (!conn) {
		end(link, error);
		return;
	}
	dial_free(link->dial);
	link->dial = NULL;
	if (tls_conn_peer_spki(conn, link->spki_hash) != 0) {
		tls_conn_free(conn);
		end(link, "the server has no certificate");
		return;
	}
	randombytes_buf(random, sizeof(random));
	link->ws = websocket_client_new(
		conn,
		&(struct websocket_config){
			.ops = &ws_ops, .arg = link, .message_max = CONTROL_SERVER_MESSAGE_MAX},
		link->authority, session_path, NULL, random);
	control_session_on_connected(&link->session, clock_now_us());
	arm(link);
}

static void do_what(struct coordinator_link *link, enum control_session_do what)
{
	switch (what) {
	case CONTROL_DO_NOTHING:
		return;
	case CONTROL_DO_DIAL:
		dial_free(link->dial);
		link->dial =
			dial_new(link->base, link->resolver, &link->dial_config, on_dialled, link);
		return;
	case CONTROL_DO_PING:
		send_message(link, &(struct control_message){.type = CONTROL_PING,
							     .ping = link->session.pings});
		return;
	case CONTROL_DO_CLOSE:
		end(link, "closed");
		return;
	}
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct coordinator_link *link = arg;
	enum control_session_do what =
		control_session_on_deadline(&link->session, randombytes_random(), now_us);

	arm(link);
	do_what(link, what);
}

/* ---- life ---- */

static int set_address(struct coordinator_link *link, const struct coordinator_link_config *cfg,
		       char error[static COORDINATOR_ERROR_LEN])
{
	struct dial_config *dial = &link->dial_config;
	struct http_url url;

	if (http_url_parse(cfg->url, &url) != 0 || !url.tls) {
		snprintf(error, COORDINATOR_ERROR_LEN,
			 "the coordinator's URL is not https://host[:port]");
		return -EINVAL;
	}
	memcpy(dial->host, url.host, sizeof(dial->host));
	dial->port = url.port;
	dial->tls = link->tls;
	dial->trust.kind = TLS_TRUST_AUTHORITIES;
	if (cfg->pin) {
		dial->trust.kind = TLS_TRUST_SPKI_PIN;
		memcpy(dial->trust.pin, cfg->pin, sizeof(dial->trust.pin));
	}
	http_url_authority(&url, link->authority);
	return 0;
}

int coordinator_link_new(const struct coordinator_link_config *cfg, struct coordinator_link **out,
			 char error[static COORDINATOR_ERROR_LEN])
{
	struct coordinator_link *link = calloc(1, sizeof(*link));

	if (!link)
		abort();
	link->base = cfg->base;
	link->machine = cfg->machine;
	link->ops = cfg->ops;
	link->arg = cfg->arg;
	int err = tls_client_context_new(cfg->ca_file, &link->tls, error);
	if (err == 0)
		err = set_address(link, cfg, error);
	if (err == 0) {
		link->resolver = resolver_new(cfg->base);
		if (!link->resolver) {
			snprintf(error, COORDINATOR_ERROR_LEN, "cannot start the DNS resolver");
			err = -EIO;
		}
	}
	if (err) {
		coordinator_link_free(link);
		return err;
	}
	link->timer = loop_timer_new(cfg->base, on_timer, link);
	arm(link);
	*out = link;
	return 0;
}

void coordinator_link_free(struct coordinator_link *link)
{
	if (!link)
		return;
	if (link->gone)
		*link->gone = true;
	drop_connection(link);
	loop_timer_free(link->timer);
	resolver_free(link->resolver);
	tls_context_free(link->tls);
	free(link);
}

/* ---- what the owner says ---- */

void coordinator_link_send_where(struct coordinator_link *link, const struct control_where *where)
{
	if (control_session_may_send(&link->session))
		send_message(link, &(struct control_message){.type = CONTROL_ENDPOINTS,
							     .endpoints = *where});
}

void coordinator_link_send_keys(struct coordinator_link *link, const struct control_keys *keys)
{
	if (control_session_may_send(&link->session))
		send_message(link, &(struct control_message){.type = CONTROL_KEYS, .keys = *keys});
}

void coordinator_link_ack(struct coordinator_link *link, uint64_t map_number)
{
	if (control_session_may_send(&link->session))
		send_message(link,
			     &(struct control_message){.type = CONTROL_ACK, .ack = map_number});
}

void coordinator_link_doubt(struct coordinator_link *link)
{
	enum control_session_do what = control_session_doubt(&link->session, clock_now_us());

	do_what(link, what);
	arm(link);
}

/* A connection from an address this machine no longer has would only time out. */
static bool lost_its_address(struct coordinator_link *link)
{
	struct endpoint local;

	if (!link->ws)
		return false;
	local = tls_conn_local(websocket_conn(link->ws));
	return !socket_address_is_ours(&local.ip);
}

/* The ops shall not be called from within: what is to be closed is closed by the timer. */
void coordinator_link_check(struct coordinator_link *link)
{
	uint64_t now_us = clock_now_us();

	enum control_session_do what = control_session_check(&link->session, now_us);
	if (!link->dial || what == CONTROL_DO_CLOSE) /* else its query would be lost */
		resolver_reload(link->resolver);
	if (what == CONTROL_DO_CLOSE || lost_its_address(link))
		link->session.deadline_us = now_us;
	if (what == CONTROL_DO_PING)
		do_what(link, what);
	arm(link);
}

void coordinator_link_retry(struct coordinator_link *link)
{
	control_session_retry(&link->session, clock_now_us());
	arm(link);
}
