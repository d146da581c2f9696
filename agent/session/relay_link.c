#include "agent/session/relay_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/net/dial.h"
#include "common/net/http.h"
#include "common/net/ring.h"
#include "common/net/socket.h"
#include "common/proto/derp_map.h"

enum {
	CONN_HIGH = 48 * 1024,	  /* three records: what may wait in the connection itself */
	NOT_SENT_LOW = 64 * 1024, /* and in the kernel, beyond what is on its way */
	CONN_LIMIT = 1024 * 1024, /* beyond all that we hand over */
	READS_A_ROUND = 16,	  /* fairness among sessions */
	PLAIN_HTTP_PORT = 3340	  /* the field's test relays, without TLS */
};

static const uint64_t dial_within_us = 4 * (uint64_t)US_PER_S;
static const uint64_t packet_age_us = US_PER_S, copy_age_us = 50 * US_PER_MS;

static const size_t queue_bytes[RELAY_QUEUES] = {
	[RELAY_QUEUE_FRONT] = 256 * 1024,
	[RELAY_QUEUE_BULK] = 1024 * 1024,
	[RELAY_QUEUE_COPY] = 256 * 1024,
};

/* In front of each queued packet. */
struct queued {
	uint64_t at_us;
	struct public_key to;
};

struct relay_link {
	const struct relay_link_env *env;
	const struct derp_region *region;
	struct relay_session session;
	struct dial *dial;
	struct tls_conn *conn;
	uint32_t broken; /* connections */
	uint8_t *buf;	 /* of reader, while there is a connection */
	struct derp_reader reader;
	struct ring *queues[RELAY_QUEUES]; /* made when first needed, gone with the connection */
	size_t n_queued;
};

/* ---- ends ---- */

static void free_queues(struct relay_link *link)
{
	for (size_t i = 0; i < RELAY_QUEUES; i++) {
		ring_free(link->queues[i]);
		link->queues[i] = NULL;
	}
	relay_uncount(&link->env->counters->queued, link->n_queued);
	relay_count(&link->env->counters->dropped_no_session, link->n_queued);
	link->n_queued = 0;
}

static void drop_connection(struct relay_link *link)
{
	dial_free(link->dial);
	tls_conn_free(link->conn);
	free(link->buf);
	link->dial = NULL;
	link->conn = NULL;
	link->buf = NULL;
}

static void end(struct relay_link *link, const char *reason)
{
	relay_session_on_closed(&link->session, reason, randombytes_random(), clock_now_us());
	bool is_unused = relay_link_is_idle(link);

	link->broken += link->conn && !is_unused;
	drop_connection(link); /* the reason may have been its */
	if (is_unused)
		free_queues(link);
	link->env->ops->on_status(link->env->arg, link);
}

/* False where it did not fit, and the connection is to be ended. */
static bool write_out(struct relay_link *link, const struct writer *out)
{
	if (out->len == 0 && !out->failed)
		return true;
	if (!out->failed && link->conn && tls_conn_write(link->conn, out->buf, out->len) == 0)
		return true;
	return false;
}

/* ---- sending ---- */

static void send_now(struct relay_link *link, const struct public_key *to, const uint8_t *buf,
		     size_t len, uint64_t now_us)
{
	uint8_t head[DERP_PACKET_HEAD_MAX];
	size_t head_len = derp_packet_head(DERP_SEND_PACKET, NULL, to, len, head);
	struct relay_counters *counters = link->env->counters;

	if (!relay_session_may_send(&link->session, head_len + len, now_us) ||
	    tls_conn_write2(link->conn, head, head_len, buf, len) != 0) {
		relay_count(&counters->dropped_queue_full, 1);
		return;
	}
	relay_count(&counters->sent_packets, 1);
	relay_count(&counters->sent_bytes, len);
}

static bool has_room(const struct relay_link *link)
{
	return link->session.state == RELAY_UP && tls_conn_queued(link->conn) < CONN_HIGH;
}

static void pop(struct relay_link *link, enum relay_queue queue)
{
	ring_pop(link->queues[queue]);
	link->n_queued--;
	relay_uncount(&link->env->counters->queued, 1);
}

/* The oldest packet makes room: what is newest is worth most. */
static void enqueue(struct relay_link *link, enum relay_queue queue, const struct public_key *to,
		    const uint8_t *buf, size_t len, uint64_t now_us)
{
	const struct queued head = {.at_us = now_us, .to = *to};
	struct relay_counters *counters = link->env->counters;
	const uint8_t *oldest;
	size_t oldest_len;

	if (!link->queues[queue])
		link->queues[queue] = ring_new(queue_bytes[queue]);
	struct ring *q = link->queues[queue];
	while (q && ring_push(q, &head, sizeof(head), buf, len) != 0) {
		relay_count(&counters->dropped_queue_full, 1);
		if (!ring_peek(q, &oldest, &oldest_len))
			return;
		pop(link, queue);
	}
	if (!q) {
		relay_count(&counters->dropped_queue_full, 1);
		return;
	}
	link->n_queued++;
	relay_count(&counters->queued, 1);
}

static void send_oldest(struct relay_link *link, enum relay_queue queue, const uint8_t *record,
			size_t len, uint64_t now_us)
{
	const uint64_t limit_us = queue == RELAY_QUEUE_COPY ? copy_age_us : packet_age_us;
	struct queued head;

	memcpy(&head, record, sizeof(head));
	if (now_us - head.at_us > limit_us)
		relay_count(queue == RELAY_QUEUE_COPY ? &link->env->counters->dropped_copy_late
						      : &link->env->counters->dropped_no_session,
			    1);
	else
		send_now(link, &head.to, record + sizeof(head), len - sizeof(head), now_us);
	pop(link, queue);
}

static void feed(struct relay_link *link, uint64_t now_us)
{
	for (enum relay_queue queue = 0; queue < RELAY_QUEUES && link->n_queued > 0; queue++) {
		const uint8_t *record;
		size_t len;

		while (link->queues[queue] && has_room(link) &&
		       ring_peek(link->queues[queue], &record, &len))
			send_oldest(link, queue, record, len, now_us);
	}
}

void relay_link_send(struct relay_link *link, enum relay_queue queue, const struct public_key *to,
		     const uint8_t *buf, size_t len, uint64_t now_us)
{
	if (len > DERP_PACKET_MAX) {
		relay_count(&link->env->counters->dropped_queue_full, 1);
		return;
	}
	relay_session_on_use(&link->session, now_us);
	if (link->n_queued == 0 && has_room(link))
		send_now(link, to, buf, len, now_us);
	else
		enqueue(link, queue, to, buf, len, now_us);
}

/* ---- receiving ---- */

static void tell(struct relay_link *link, const struct relay_event *event, uint64_t now_us)
{
	const struct relay_link_env *env = link->env;

	switch (event->kind) {
	case RELAY_EVENT_NONE:
		return;
	case RELAY_EVENT_PACKET:
		relay_count(&env->counters->received_packets, 1);
		relay_count(&env->counters->received_bytes, event->packet.len);
		env->ops->on_packet(env->arg, link->region->id, &event->packet.src,
				    event->packet.data, event->packet.len, now_us);
		return;
	case RELAY_EVENT_PEER_GONE:
		env->ops->on_peer_gone(env->arg, link->region->id, &event->key);
		return;
	case RELAY_EVENT_UP:
	case RELAY_EVENT_MEASURED:
	case RELAY_EVENT_DRAINS:
	case RELAY_EVENT_HEALTH:
		env->ops->on_status(env->arg, link);
		return;
	}
}

/* -EAGAIN: the answer's head is not whole yet. */
static int take_answer(struct relay_link *link, uint64_t now_us)
{
	struct derp_reader *r = &link->reader;
	struct http_head head;
	size_t used;
	int err = http_parse_response((const char *)r->buf + r->start, r->end - r->start, &head,
				      &used);

	if (err == -EAGAIN)
		return -EAGAIN;
	if (err)
		return -EPROTO;
	err = relay_session_on_answer(&link->session, &head, now_us);
	r->start += used;
	return err;
}

/* Every whole frame that is there. -EAGAIN: all taken; else the connection is lost. */
static int take_frames(struct relay_link *link, uint64_t now_us)
{
	uint8_t nonce[DERP_NONCE_LEN], reply[RELAY_SESSION_OUT_MAX];
	struct derp_raw_frame raw;
	struct relay_event event;

	if (link->session.state == RELAY_UPGRADING) {
		int err = take_answer(link, now_us);
		if (err)
			return err;
	}
	for (;;) {
		struct writer out = writer_init(reply, sizeof(reply));
		int err = derp_reader_next(&link->reader, &raw);

		if (err)
			return err;
		if (link->session.state == RELAY_AWAITS_KEY)
			randombytes_buf(nonce, sizeof(nonce));
		else
			memset(nonce, 0, sizeof(nonce)); /* not used later */
		err = relay_session_on_frame(&link->session, &raw, link->env->secret, nonce, now_us,
					     &out, &event);
		if (err || !write_out(link, &out))
			return err ? err : -EPIPE;
		tell(link, &event, now_us);
	}
}

static void on_readable(void *arg)
{
	struct relay_link *link = arg;
	uint64_t now_us = clock_now_us();
	size_t space, got;

	for (unsigned i = 0; i < READS_A_ROUND; i++) {
		uint8_t *at = derp_reader_space(&link->reader, &space);

		if (tls_conn_read(link->conn, at, space, &got) != 0)
			break;
		derp_reader_fill(&link->reader, got);
		int err = take_frames(link, now_us);
		link->env->ops->on_packets_end(link->env->arg);
		if (err != -EAGAIN) {
			end(link, "the relay does not speak DERP");
			return;
		}
	}
	if (link->n_queued > 0)
		feed(link, now_us);
}

static void on_drained(void *arg)
{
	feed(arg, clock_now_us());
}

static void on_closed(void *arg, const char *reason)
{
	end(arg, reason);
}

static const struct tls_conn_ops conn_ops = {
	.on_readable = on_readable, .on_drained = on_drained, .on_closed = on_closed};

/* ---- dialling ---- */

static const struct derp_node *node_at(const struct derp_region *region, unsigned number)
{
	unsigned n_relays = 0;

	for (size_t i = 0; i < region->n_nodes; i++)
		n_relays += !region->nodes[i].stun_only;
	if (n_relays == 0)
		return NULL;
	number %= n_relays;
	for (size_t i = 0;; i++)
		if (!region->nodes[i].stun_only && number-- == 0)
			return &region->nodes[i];
}

static void add_known(struct dial_config *cfg, enum derp_family from, const struct ip_addr *ip)
{
	if (from == DERP_FAMILY_ADDR)
		cfg->known[cfg->n_known++] = (struct endpoint){*ip, cfg->port};
}

static void describe_dial(const struct relay_link *link, const struct derp_node *node,
			  struct dial_config *cfg)
{
	bool plain = node->insecure_for_tests && node->derp_port == PLAIN_HTTP_PORT;

	*cfg = (struct dial_config){.port = node->derp_port,
				    .tls = plain ? NULL : link->env->tls,
				    .timeout_us = dial_within_us};
	snprintf(cfg->host, sizeof(cfg->host), "%s", node->host);
	snprintf(cfg->trust.sni, sizeof(cfg->trust.sni), "%s", node->host);
	snprintf(cfg->trust.name, sizeof(cfg->trust.name), "%s",
		 node->cert_name[0] ? node->cert_name : node->host);
	if (derp_node_pin(node, cfg->trust.pin)) {
		cfg->trust.kind = TLS_TRUST_CERT_PIN;
		memcpy(cfg->trust.name, cfg->trust.sni, sizeof(cfg->trust.name));
	} else if (node->insecure_for_tests) {
		cfg->trust.kind = TLS_TRUST_ANYONE;
	}
	add_known(cfg, node->v4_from, &node->v4);
	add_known(cfg, node->v6_from, &node->v6);
}

static void prepare_socket(struct tls_conn *conn)
{
	tls_conn_set_unsent_max(conn, NOT_SENT_LOW);
	tls_conn_set_limit(conn, CONN_LIMIT);
}

static void on_dialled(void *arg, struct tls_conn *conn, const struct dial_times *times,
		       const char *error)
{
	struct relay_link *link = arg;
	const struct derp_node *node = node_at(link->region, link->session.node);
	uint8_t nonce[DERP_NONCE_LEN], request[2 * RELAY_SESSION_OUT_MAX];
	struct writer out = writer_init(request, sizeof(request));
	struct public_key derp_key;

	(void)times;
	if (!conn) {
		end(link, error);
		return;
	}
	dial_free(link->dial);
	link->dial = NULL;
	link->conn = conn;
	link->buf = malloc(DERP_FRAME_MAX);
	if (!link->buf)
		abort();
	derp_reader_init(&link->reader, link->buf, DERP_FRAME_MAX);
	prepare_socket(conn);
	tls_conn_set_ops(conn, &conn_ops, link);
	randombytes_buf(nonce, sizeof(nonce));
	bool fast = tls_conn_is_tls13(conn) && tls_conn_peer_derp_key(conn, &derp_key) == 0;
	const struct derp_node *ideal = node_at(link->region, 0);
	int err = relay_session_on_connected(
		&link->session, node->host, node == ideal ? NULL : ideal->name,
		fast ? &derp_key : NULL, link->env->secret, nonce, clock_now_us(), &out);
	if (err || !write_out(link, &out))
		end(link, "the login could not be sent");
}

static void start_dial(struct relay_link *link)
{
	const struct derp_node *node = node_at(link->region, link->session.node);
	struct dial_config cfg;

	if (!node) {
		end(link, "the region has no relay");
		return;
	}
	describe_dial(link, node, &cfg);
	link->dial = dial_new(link->env->base, link->env->resolver, &cfg, on_dialled, link);
}

/* ---- time ---- */

static void do_what(struct relay_link *link, enum relay_session_do what, const struct writer *out)
{
	bool sent = write_out(link, out);

	if (what == RELAY_DO_DIAL)
		start_dial(link);
	else if (what == RELAY_DO_CLOSE || !sent)
		end(link, "the connection is stuck");
}

void relay_link_hurry(struct relay_link *link, uint64_t now_us)
{
	relay_session_hurry(&link->session, randombytes_random(), now_us);
}

uint64_t relay_link_deadline_us(const struct relay_link *link)
{
	return link->session.deadline_us;
}

void relay_link_on_deadline(struct relay_link *link, uint64_t now_us)
{
	uint8_t bytes[RELAY_SESSION_OUT_MAX];
	struct writer out = writer_init(bytes, sizeof(bytes));

	if (now_us < link->session.deadline_us)
		return;
	uint64_t acked_us = link->conn ? tls_conn_acked_us(link->conn, now_us) : 0;
	enum relay_session_do what =
		relay_session_on_deadline(&link->session, acked_us, now_us, &out);
	do_what(link, what, &out);
}

/* ---- the owner's calls ---- */

void relay_link_hold(struct relay_link *link, bool held, bool preferred, uint64_t now_us)
{
	uint8_t bytes[RELAY_SESSION_OUT_MAX];
	struct writer out = writer_init(bytes, sizeof(bytes));

	relay_session_hold(&link->session, held, preferred, now_us, &out);
	do_what(link, RELAY_DO_NOTHING, &out);
}

/* From an address that this machine no longer has nothing arrives. */
static bool lost_its_address(const struct relay_link *link)
{
	struct endpoint local;

	if (!link->conn)
		return false;
	local = tls_conn_local(link->conn);
	return !socket_address_is_ours(&local.ip);
}

void relay_link_doubt(struct relay_link *link, uint64_t now_us)
{
	uint8_t bytes[RELAY_SESSION_OUT_MAX];
	struct writer out = writer_init(bytes, sizeof(bytes));

	relay_session_doubt(&link->session, now_us, &out);
	do_what(link, RELAY_DO_NOTHING, &out);
}

void relay_link_check(struct relay_link *link, uint64_t now_us)
{
	uint8_t bytes[RELAY_SESSION_OUT_MAX];
	struct writer out = writer_init(bytes, sizeof(bytes));

	if (lost_its_address(link)) {
		end(link, "the network changed");
		link->session.retry_us = now_us;
		now_us = clock_now_us();
	}
	enum relay_session_do what = relay_session_check(&link->session, now_us, &out);
	do_what(link, what, &out);
}

struct relay_link *relay_link_new(const struct relay_link_env *env,
				  const struct derp_region *region)
{
	struct relay_link *link = calloc(1, sizeof(*link));

	if (!link)
		abort();
	link->env = env;
	link->region = region;
	link->session.deadline_us = US_NEVER;
	return link;
}

void relay_link_free(struct relay_link *link)
{
	if (!link)
		return;
	drop_connection(link);
	free_queues(link);
	free(link);
}

void relay_link_set_region(struct relay_link *link, const struct derp_region *region)
{
	bool same = derp_region_equal(link->region, region);

	link->region = region;
	if (same || link->session.state == RELAY_DOWN)
		return;
	link->session.node = 0;
	end(link, "the relay map changed");
	link->session.node = 0;
}

uint32_t relay_link_region(const struct relay_link *link)
{
	return link->region->id;
}

bool relay_link_is_idle(const struct relay_link *link)
{
	return link->session.state == RELAY_DOWN && link->session.deadline_us == US_NEVER;
}

void relay_link_status(const struct relay_link *link, struct relay_status *out)
{
	const struct relay_session *s = &link->session;

	*out = (struct relay_status){.region = link->region->id,
				     .up = s->state == RELAY_UP,
				     .drains = s->drains,
				     .unused = relay_link_is_idle(link),
				     .broken = link->broken,
				     .rtt_us = s->state == RELAY_UP ? s->rtt_us : 0};
	snprintf(out->reason, sizeof(out->reason), "%s", out->up ? s->health : s->reason);
}
