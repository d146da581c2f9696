#include "coordinator/node_session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/version.h"
#include "coordinator/node_keys.h"
#include "coordinator/publish.h"

static const uint64_t hello_within_us = 10 * (uint64_t)US_PER_S;
/* Nodes ping each 25 s; three in a row were lost then. */
static const uint64_t silence_us = 90 * (uint64_t)US_PER_S;

/* What a node may send: a burst, and so many a second after it. */
enum { MESSAGE_BURST = 60, MESSAGES_PER_S = 10 };
/* Nodes sent away come back spread over so long for each thousand of them. */
enum { COME_BACK_MS = 200, SPREAD_MS_PER_NODE = 1 };

struct node_session *node_session_open(struct coordinator *c, void *link,
				       const struct endpoint *from,
				       const uint8_t nonce[static CONTROL_NONCE_LEN],
				       const struct moment *now)
{
	struct node_session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->link = link;
	s->from = *from;
	memcpy(s->nonce, nonce, sizeof(s->nonce));
	s->opened_us = s->tokens_us = now->now_us;
	s->deadline_us = now->now_us + hello_within_us;
	s->tokens = MESSAGE_BURST;
	s->next = c->sessions;
	if (s->next)
		s->next->prev = s;
	c->sessions = s;
	c->n_sessions++;
	c->counters.sessions_opened++;
	return s;
}

/* ---- ending ---- */

static void unlink_session(struct coordinator *c, struct node_session *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		c->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	c->n_sessions--;
	free(s);
}

/* The node is offline unless a newer session has taken over. */
static void leave(struct coordinator *c, struct node_session *s, const char *why,
		  const struct moment *now)
{
	struct node *n = s->node;
	char who[AUDIT_WHO_LEN];

	if (!n || n->session != s)
		return;
	n->session = NULL;
	n->online = false;
	n->seen_unix_s = now->unix_ms / MS_PER_S;
	n->left_us = now->now_us;
	coordinator_mark_dirty(c, n);
	coordinator_node_str(n, who);
	coordinator_audit(c, now, "session", who, "session ended after %" PRIu64 " s: %s",
			  (now->now_us - s->opened_us) / US_PER_S, why);
	publish_node(c, n);
}

void node_session_on_closed(struct coordinator *c, struct node_session *s, const struct moment *now)
{
	leave(c, s, "the connection closed", now);
	unlink_session(c, s);
}

static void end(struct coordinator *c, struct node_session *s, const char *why,
		const struct moment *now)
{
	void *link = s->link;

	leave(c, s, why, now);
	unlink_session(c, s);
	c->ops->close(link, why);
}

void node_session_refuse(struct coordinator *c, struct node_session *s,
			 enum control_error_code code, const char *text, const struct moment *now)
{
	struct control_message m = {.type = CONTROL_ERROR, .error.code = code};

	snprintf(m.error.text, sizeof(m.error.text), "%s", text);
	c->counters.refusals[code]++;
	publish_message(c, s, &m);
	end(c, s, control_error_str(code), now);
}

static void deny(struct coordinator *c, struct node_session *s, const struct control_hello *h,
		 enum control_error_code code, const char *text, const struct moment *now)
{
	char who[ENDPOINT_TEXT_LEN], name[CONTROL_NAME_LEN] = "", owner[CONTROL_NAME_LEN] = "";

	endpoint_str(&s->from, who);
	if (h->token[0] == '\0' || control_token_split(h->token, name, owner, NULL) != 0) {
		memcpy(name, h->name, sizeof(name));
		memcpy(owner, h->owner, sizeof(owner));
	}
	coordinator_audit(c, now, "denial", who, "%s: a machine that says to be %s.%s",
			  control_error_str(code), name[0] ? name : "?", owner[0] ? owner : "?");
	node_session_refuse(c, s, code, text, now);
}

void node_session_end_silent(struct coordinator *c, const struct moment *now)
{
	for (struct node_session *s = c->sessions, *next; s; s = next) {
		next = s->next;
		if (now->now_us >= s->deadline_us)
			end(c, s,
			    s->state == NODE_SESSION_JOINED ? "nothing heard for 90 s"
							    : "no hello within 10 s",
			    now);
	}
}

void node_session_send_all_away(struct coordinator *c, const struct moment *now)
{
	uint64_t spread_ms = c->n_sessions * SPREAD_MS_PER_NODE + 1;

	while (c->sessions) {
		struct node_session *s = c->sessions;
		uint64_t id = s->node ? s->node->id : 0;
		struct control_message m = {.type = CONTROL_GOAWAY,
					    .goaway_ms = COME_BACK_MS + id * 7919 % spread_ms};

		publish_message(c, s, &m);
		if (s->node)
			s->node->session = NULL; /* the others need not hear: it comes back */
		s->node = NULL;
		end(c, s, "the coordinator stops", now);
	}
}

/* ---- where a node is ---- */

/* What nobody could or should dial is left out: loopback, multicast, mesh addresses. */
static void keep_dialable(const struct coordinator *c, const struct control_endpoints *in,
			  struct control_endpoints *out)
{
	*out = (struct control_endpoints){.count = 0};
	for (size_t i = 0; i < in->count; i++) {
		const struct ip_addr *ip = &in->list[i].addr.ip;
		bool in_mesh = prefix_contains(&c->ipam.v4, ip) || prefix_contains(&c->ipam.v6, ip);

		if (ip_is_dialable(ip) && !in_mesh)
			out->list[out->count++] = in->list[i];
	}
}

static bool endpoints_equal(const struct control_endpoints *a, const struct control_endpoints *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!endpoint_equal(&a->list[i].addr, &b->list[i].addr) ||
		    a->list[i].kind != b->list[i].kind)
			return false;
	return true;
}

/* True where it moved. */
static bool take_where(struct coordinator *c, struct node *n,
		       const struct control_endpoints *endpoints, uint32_t home_region)
{
	struct control_endpoints kept;

	keep_dialable(c, endpoints, &kept);
	if (endpoints_equal(&kept, &n->endpoints) && home_region == n->home_region)
		return false;
	n->endpoints = kept;
	n->home_region = home_region;
	coordinator_mark_dirty(c, n);
	return true;
}

/* ---- hello ---- */

/* The name that the hello's signatures are for. */
static void signed_name(const struct control_hello *h, char name[static CONTROL_NAME_LEN],
			char owner[static CONTROL_NAME_LEN])
{
	memcpy(name, h->name, CONTROL_NAME_LEN);
	memcpy(owner, h->owner, CONTROL_NAME_LEN);
	if (name[0] == '\0' || owner[0] == '\0')
		if (control_token_split(h->token, name, owner, NULL) != 0)
			name[0] = '\0';
}

static bool is_signed_for_another(const struct control_hello *h, const struct node *n)
{
	char name[CONTROL_NAME_LEN], owner[CONTROL_NAME_LEN];

	signed_name(h, name, owner);
	return strcmp(name, n->name) != 0 || strcmp(owner, n->owner) != 0;
}

static struct node new_node(const struct coordinator *c, const struct control_hello *h,
			    const struct join_verdict *v, const struct moment *now)
{
	struct node n = {.id = c->next_node_id,
			 .role = v->role,
			 .ephemeral = v->token->ephemeral,
			 .token_id = v->token->id,
			 .joined_unix_s = now->unix_ms / MS_PER_S,
			 .seen_unix_s = now->unix_ms / MS_PER_S,
			 .machine_key = h->machine_key,
			 .node_key = h->node_key,
			 .disco_key = h->disco_key};

	memcpy(n.name, v->name, sizeof(n.name));
	memcpy(n.owner, v->owner, sizeof(n.owner));
	if (is_signed_for_another(h, &n)) {
		memset(n.node_key.sig, 0, SIGNATURE_LEN);
		memset(n.disco_key.sig, 0, SIGNATURE_LEN);
	}
	return n;
}

/* The node, its token, the next id and where addresses go on, in one transaction. */
static int write_join(struct coordinator *c, const struct node *n, const struct token *spent)
{
	const struct store_ops *ops = c->store->ops;
	char next[16], host[16];

	snprintf(next, sizeof(next), "%u", n->id + 1);
	snprintf(host, sizeof(host), "%u", c->ipam.last);
	int err = ops->begin(c->store, true);
	if (err)
		return err;
	err = ops->node_put(c->store, n);
	if (err == 0)
		err = ops->token_put(c->store, spent);
	if (err == 0)
		err = ops->setting_put(c->store, "next_node_id", next);
	if (err == 0)
		err = ops->setting_put(c->store, "last_host", host);
	if (err) {
		ops->rollback(c->store);
		return err;
	}
	return ops->commit(c->store);
}

static const struct node_refusal *join_new(struct coordinator *c, const struct control_hello *h,
					   const struct join_verdict *v, const struct moment *now,
					   struct node **out)
{
	static const struct node_refusal full = {CONTROL_FULL, "this mesh has no address left"};
	struct node n = new_node(c, h, v, now);
	struct token spent = *v->token;

	if (!node_keys_are_honest(&n))
		return &node_refusal_forged;
	if (ipam_take(&c->ipam, &n.v4, &n.v6) != 0)
		return &full;
	if (!spent.reusable)
		spent.spent_by = h->machine_key;
	if (write_join(c, &n, &spent) != 0) {
		ipam_release(&c->ipam, &n.v4);
		c->counters.store_failures++;
		return &node_refusal_not_written;
	}
	if (registry_add(c->registry, &n, out) != 0)
		abort(); /* judged before; only memory is left */
	*v->token = spent;
	c->next_node_id++;
	c->counters.joins++;
	return NULL;
}

static void audit_arrival(struct coordinator *c, const struct node_session *s, bool is_new,
			  const struct moment *now)
{
	const struct node *n = s->node;
	char who[AUDIT_WHO_LEN], from[ENDPOINT_TEXT_LEN], v4[IP_TEXT_LEN];

	coordinator_node_str(n, who);
	endpoint_str(&s->from, from);
	ip_str(&n->v4, v4);
	if (is_new)
		coordinator_audit(c, now, "join", who, "joined as %s with token %u from %s: %s",
				  control_role_str(n->role), n->token_id, from, v4);
	else
		coordinator_audit(c, now, "session", who, "session from %s", from);
}

static void send_welcome(struct coordinator *c, struct node_session *s, const struct moment *now)
{
	const struct node *n = s->node;
	struct control_message m = {.type = CONTROL_WELCOME,
				    .welcome = {.id = n->id,
						.role = n->role,
						.v4 = n->v4,
						.v6 = n->v6,
						.mesh_v4 = c->ipam.v4,
						.mesh_v6 = c->ipam.v6,
						.epoch = c->epoch,
						.caps = CONTROL_CAPS_ALL,
						.unix_ms = now->unix_ms}};

	memcpy(m.welcome.name, n->name, sizeof(n->name));
	memcpy(m.welcome.owner, n->owner, sizeof(n->owner));
	snprintf(m.welcome.version, sizeof(m.welcome.version), "%s", version_number());
	publish_message(c, s, &m);
}

static void enter_joined(struct coordinator *c, struct node_session *s, struct node *n,
			 const struct control_hello *h, const struct moment *now)
{
	if (n->session) {
		struct node_session *old = n->session;

		old->node = NULL; /* so that the others do not see it go */
		node_session_refuse(c, old, CONTROL_REPLACED,
				    "a newer session of this node took over", now);
	}
	s->state = NODE_SESSION_JOINED;
	s->node = n;
	n->session = s;
	n->online = true;
	n->seen_unix_s = now->unix_ms / MS_PER_S;
	n->caps = h->caps;
	memcpy(n->version, h->version, sizeof(n->version));
	take_where(c, n, &h->endpoints, h->home_region);
	coordinator_mark_dirty(c, n);
}

static void on_hello(struct coordinator *c, struct node_session *s, const struct control_hello *h,
		     const struct moment *now)
{
	struct join_verdict v;
	const struct node_refusal *no = NULL;
	bool news;

	if (!control_proof_verify(&h->machine_key, s->nonce, c->spki_hash, h->proof)) {
		deny(c, s, h, CONTROL_BAD_PROOF,
		     "the proof does not fit this connection: something between this machine and "
		     "the coordinator answers TLS in its place",
		     now);
		return;
	}
	join_judge(c->registry, &c->tokens, &c->removed, h, now->unix_ms / MS_PER_S, &v);
	if (v.kind == JOIN_REFUSED) {
		deny(c, s, h, v.code, v.text, now);
		return;
	}
	struct node *n = v.node;
	if (v.kind == JOIN_NEW)
		no = join_new(c, h, &v, now, &n);
	else
		no = node_keys_take(c, n, &h->node_key, &h->disco_key, is_signed_for_another(h, n),
				    &news);
	if (no) {
		deny(c, s, h, no->code, no->text, now);
		return;
	}
	enter_joined(c, s, n, h, now);
	audit_arrival(c, s, v.kind == JOIN_NEW, now);
	send_welcome(c, s, now);
	publish_relays_to(c, s);
	publish_map_to(c, s, h->caps & CONTROL_CAP_MAP_DELTA ? h->epoch : 0, h->map_number);
	publish_node(c, n);
}

/* ---- later messages ---- */

static void on_keys(struct coordinator *c, struct node_session *s, const struct control_keys *keys,
		    const struct moment *now)
{
	char who[AUDIT_WHO_LEN];
	bool news;
	const struct node_refusal *no =
		node_keys_take(c, s->node, &keys->node_key, &keys->disco_key, false, &news);

	coordinator_node_str(s->node, who);
	if (no) {
		coordinator_audit(c, now, "denial", who, "%s: new keys",
				  control_error_str(no->code));
		node_session_refuse(c, s, no->code, no->text, now);
		return;
	}
	if (!news)
		return;
	coordinator_audit(c, now, "change", who, "new keys, serials %" PRIu64 " and %" PRIu64,
			  s->node->node_key.serial, s->node->disco_key.serial);
	publish_node(c, s->node);
}

static void on_endpoints(struct coordinator *c, struct node_session *s,
			 const struct control_where *where)
{
	if (take_where(c, s->node, &where->endpoints, where->home_region))
		publish_node(c, s->node);
}

/* An answer to each map is what we ask for, and spends nothing: whoever sees many nodes come back
 * at once would else be sent away for it. */
static void on_ack(struct node_session *s, uint64_t number)
{
	s->acked = number;
	if (s->acks_due == 0)
		return;
	s->acks_due--;
	s->tokens++; /* the one that this message was */
}

static void on_joined_message(struct coordinator *c, struct node_session *s,
			      const struct control_message *m, const struct moment *now)
{
	struct control_message pong = {.type = CONTROL_PONG};

	switch (m->type) {
	case CONTROL_KEYS:
		on_keys(c, s, &m->keys, now);
		return;
	case CONTROL_ENDPOINTS:
		on_endpoints(c, s, &m->endpoints);
		return;
	case CONTROL_ACK:
		on_ack(s, m->ack);
		return;
	case CONTROL_PING:
		pong.pong = m->ping;
		publish_message(c, s, &pong);
		return;
	case CONTROL_HELLO:
	case CONTROL_WELCOME:
	case CONTROL_RELAYS:
	case CONTROL_MAP:
	case CONTROL_ERROR:
	case CONTROL_GOAWAY:
	case CONTROL_PONG:
	case CONTROL_TYPES:
		break;
	}
	node_session_refuse(c, s, CONTROL_BAD_MESSAGE, "this message is not expected here", now);
}

static bool spend_token(struct node_session *s, const struct moment *now)
{
	uint64_t earned = (now->now_us - s->tokens_us) * MESSAGES_PER_S / US_PER_S;

	if (earned > 0) {
		s->tokens = earned + s->tokens > MESSAGE_BURST ? MESSAGE_BURST
							       : s->tokens + (unsigned)earned;
		s->tokens_us = now->now_us;
	}
	if (s->tokens == 0)
		return false;
	s->tokens--;
	return true;
}

void node_session_on_text(struct coordinator *c, struct node_session *s, const char *text,
			  size_t len, const struct moment *now)
{
	struct control_message m;
	char why[128], line[192];

	if (!spend_token(s, now)) {
		node_session_refuse(c, s, CONTROL_BAD_MESSAGE, "too many messages", now);
		return;
	}
	int err = control_decode(text, len, CONTROL_NODE_MESSAGE_MAX, &m, why, sizeof(why));
	if (err == -EPROTO)
		return; /* of a later version */
	if (err) {
		c->counters.bad_messages++;
		snprintf(line, sizeof(line), "the message is wrong: %s", why);
		node_session_refuse(c, s, CONTROL_BAD_MESSAGE, line, now);
		return;
	}
	bool joined = s->state == NODE_SESSION_JOINED;
	s->deadline_us = now->now_us + silence_us;
	if (joined)
		on_joined_message(c, s, &m, now);
	else if (m.type == CONTROL_HELLO)
		on_hello(c, s, &m.hello, now);
	else
		node_session_refuse(c, s, CONTROL_BAD_MESSAGE, "the first message is a hello", now);
	control_message_wipe(&m);
}
