/*
 * node_session_fuzz: a coordinator between two honest nodes of one owner and a lying node of
 * another, which has a token and keys of its own, hears nothing of what the others say but may say
 * it again, and can have several sessions at once.
 *
 *	dev, laptop (alice) --sessions-- coordinator --sessions-- liar (mallory)
 *
 * Must hold:
 *   - a session stands for a node only where who drives it holds that node's machine key;
 *   - alice's nodes keep name, machine key and signed keys; every key handed out is signed or none;
 *   - mallory is told nothing of alice, and alice hears nothing of what mallory does;
 *   - every text sent decodes; one message is answered by a few; queues stay within their bounds;
 *   - in the end dev and laptop can come back and see each other.
 */
#include "coordinator/node_session.h"

#include "common/clock.h"
#include "coordinator/manage.h"
#include "coordinator/node_keys.h"
#include "tests/fuzz/memory_store.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { DEV, LAPTOP, HONEST, LIARS = 4, LINKS = HONEST + LIARS };
enum { STEPS_MAX = 250, TAPE_MAX = 16, ANSWERS_MAX = 4, TEXT_MAX = 4096 };
static const uint8_t spki[CONTROL_SPKI_HASH_LEN] = {0x5a};
static const char *const names[] = {"dev", "laptop", "liar", "liar-2"};

struct keys {
	struct machine_secret secret;
	struct public_key machine;
};

struct link {
	struct node_session *session; /* NULL: closed */
	uint8_t nonce[CONTROL_NONCE_LEN];
	unsigned heard; /* texts, in the step that runs */
	bool welcomed, sees_other;
	enum control_error_code refused;
};

struct text {
	char *bytes;
	size_t len;
};

struct world {
	struct script s;
	struct memory_store store;
	struct coordinator *c;
	struct moment now;
	struct keys keys[HONEST + 2]; /* dev's, laptop's, two of the liar's */
	uint64_t serial[HONEST];
	struct link link[LINKS];
	char token[CONTROL_TOKEN_LEN]; /* the liar's */
	char spent[CONTROL_TOKEN_LEN]; /* dev's */
	struct text tape[TAPE_MAX];    /* what honest nodes said */
	size_t taped;
	uint8_t nonces;
};

static struct world world;

/* ---- what the coordinator does ---- */

static bool is_liars(const struct link *l)
{
	return l >= &world.link[HONEST];
}

static void check_peers(struct link *l, const struct control_map *map)
{
	for (size_t i = 0; i < map->n_peers; i++) {
		const struct control_peer *p = &map->peers[i];

		MUST(strcmp(p->owner, is_liars(l) ? "mallory" : "alice") == 0);
		MUST(!control_key_is_signed(&p->node_key) ||
		     control_key_verify(CONTROL_NODE_KEY, &p->machine_key, p->name, p->owner,
					&p->node_key));
		MUST(!control_key_is_signed(&p->disco_key) ||
		     control_key_verify(CONTROL_DISCO_KEY, &p->machine_key, p->name, p->owner,
					&p->disco_key));
		l->sees_other |= p->online && !is_liars(l);
	}
}

static void on_send(void *link, const char *text, size_t len)
{
	struct link *l = link;
	struct control_message m;
	char why[128];

	l->heard++;
	MUST(control_decode(text, len, CONTROL_SERVER_MESSAGE_MAX, &m, why, sizeof(why)) == 0);
	if (m.type == CONTROL_MAP)
		check_peers(l, &m.map);
	l->welcomed |= m.type == CONTROL_WELCOME;
	if (m.type == CONTROL_ERROR)
		l->refused = m.error.code;
	control_message_wipe(&m);
}

static void on_close(void *link, const char *reason)
{
	(void)reason;
	((struct link *)link)->session = NULL;
}

static const struct coordinator_ops ops = {on_send, on_close};

/* ---- what nodes say ---- */

static void open_session(struct world *w, struct link *l)
{
	struct endpoint from = {.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 4};

	if (l->session)
		return;
	memset(l->nonce, 0, sizeof(l->nonce));
	l->nonce[0] = ++w->nonces;
	l->welcomed = l->sees_other = false;
	l->session = node_session_open(w->c, l, &from, l->nonce, &w->now);
}

static void say_text(struct world *w, struct link *l, const char *text, size_t len)
{
	if (l->session)
		node_session_on_text(w->c, l->session, text, len, &w->now);
}

static void say(struct world *w, struct link *l, const struct control_message *m)
{
	struct text t;

	if (control_encode(m, &t.bytes, &t.len) != 0)
		return;
	say_text(w, l, t.bytes, t.len);
	if (is_liars(l)) {
		free(t.bytes);
		return;
	}
	free(w->tape[w->taped % TAPE_MAX].bytes);
	w->tape[w->taped++ % TAPE_MAX] = t;
}

static void sign(const struct keys *k, const char *name, const char *owner,
		 struct control_key *node_key, struct control_key *disco_key)
{
	control_key_sign(CONTROL_NODE_KEY, &k->secret, name, owner, node_key);
	control_key_sign(CONTROL_DISCO_KEY, &k->secret, name, owner, disco_key);
}

static void honest_hello(struct world *w, unsigned who, const char *token)
{
	struct control_message m = {.type = CONTROL_HELLO};
	struct control_hello *h = &m.hello;

	open_session(w, &w->link[who]);
	h->machine_key = w->keys[who].machine;
	h->node_key = (struct control_key){.key.b = {(uint8_t)who, 1}, .serial = w->serial[who]};
	h->disco_key = (struct control_key){.key.b = {(uint8_t)who, 2}, .serial = w->serial[who]};
	h->caps = CONTROL_CAPS_ALL;
	h->role = who == DEV ? CONTROL_AGENT : CONTROL_CLIENT;
	snprintf(h->token, sizeof(h->token), "%s", token);
	snprintf(h->name, sizeof(h->name), "%s", names[who]);
	snprintf(h->owner, sizeof(h->owner), "alice");
	sign(&w->keys[who], names[who], "alice", &h->node_key, &h->disco_key);
	control_proof_sign(&w->keys[who].secret, w->link[who].nonce, spki, h->proof);
	say(w, &w->link[who], &m);
}

static void make_token(struct world *w, const char *name, const char *owner, bool reusable,
		       char text[static CONTROL_TOKEN_LEN])
{
	uint8_t random[MANAGE_RANDOM_LEN];
	char error[COORDINATOR_ERROR_LEN];
	struct token_request request = {
		.name = name, .owner = owner, .ttl_s = 600, .reusable = reusable};
	struct token t;

	script_random(&w->s, random, sizeof(random));
	(void)!manage_token_create(w->c, &request, random, &w->now, text, &t, error);
}

static void open_world(struct world *w, const uint8_t *data, size_t len)
{
	static const uint8_t random[COORDINATOR_RANDOM_LEN] = {61, 1, 2, 3, 4, 5, 6, 7, 0xfd};
	char error[COORDINATOR_ERROR_LEN], token[CONTROL_TOKEN_LEN];
	struct coordinator_config cfg = {.ops = &ops, .random = random, .spki_hash = {0x5a}};

	memset(w, 0, sizeof(*w));
	w->s = script_init(data, len);
	w->now = (struct moment){.now_us = 1000 * (uint64_t)US_PER_S, .unix_ms = 1700000000000};
	w->store.store.ops = &memory_store_ops;
	cfg.store = &w->store.store;
	cfg.now_us = w->now.now_us;
	MUST(coordinator_open(&cfg, &w->c, error) == 0);
	for (unsigned i = 0; i < HONEST + 2; i++)
		machine_secret_from_random(&w->keys[i].secret, &w->keys[i].machine,
					   (const uint8_t[KEY_LEN]){(uint8_t)(i + 1)});
	make_token(w, "dev", "alice", false, w->spent);
	make_token(w, "laptop", "alice", false, token);
	make_token(w, "liar", "mallory", true, w->token);
	w->serial[DEV] = w->serial[LAPTOP] = 10;
	honest_hello(w, DEV, w->spent);
	honest_hello(w, LAPTOP, token);
	MUST(w->link[DEV].welcomed && w->link[LAPTOP].welcomed && w->link[LAPTOP].sees_other);
}

/* ---- what the liar says ---- */

static const char *pick_token(struct world *w)
{
	static const char *const others[] = {"", "dev.alice.0000000000000000", "x"};
	unsigned i = script_pick(&w->s, 5);

	return i == 0 ? w->token : i == 1 ? w->spent : others[i - 2];
}

static void pick_endpoints(struct world *w, struct control_endpoints *out)
{
	out->count = (uint8_t)script_pick(&w->s, 4);
	for (unsigned i = 0; i < out->count; i++) {
		struct control_endpoint *e = &out->list[i];

		e->addr = (struct endpoint){.ip.b = {[10] = 0xff, 0xff}, .port = script_u16(&w->s)};
		e->addr.ip.b[12] = script_byte(&w->s);
		e->addr.ip.b[15] = script_byte(&w->s);
		e->kind = (enum control_endpoint_kind)script_pick(&w->s, 4);
	}
}

static struct control_key pick_key(struct world *w)
{
	return (struct control_key){.key.b = {script_byte(&w->s), script_byte(&w->s)},
				    .serial = script_byte(&w->s)};
}

/* What an honest node would say, so that the lies behind it come from within. */
static void join(struct world *w, struct link *l)
{
	struct control_message m = {.type = CONTROL_HELLO};
	struct control_hello *h = &m.hello;
	const struct keys *k = &w->keys[HONEST + (l - w->link) % 2];
	const struct node *n = registry_find_machine(w->c->registry, &k->machine);

	open_session(w, l);
	if (l->session->state == NODE_SESSION_JOINED)
		return;
	h->machine_key = k->machine;
	h->node_key = (struct control_key){.key.b = {(uint8_t)(l - w->link), 1}, .serial = 5};
	h->disco_key = (struct control_key){.key.b = {(uint8_t)(l - w->link), 2}, .serial = 5};
	if (n) {
		h->node_key = n->node_key;
		h->disco_key = n->disco_key;
	}
	snprintf(h->token, sizeof(h->token), "%s", n ? "" : w->token);
	snprintf(h->name, sizeof(h->name), "%s", n ? n->name : "liar");
	snprintf(h->owner, sizeof(h->owner), "mallory");
	sign(k, h->name, h->owner, &h->node_key, &h->disco_key);
	control_proof_sign(&k->secret, l->nonce, spki, h->proof);
	say(w, l, &m);
}

static void lie_hello(struct world *w, struct link *l)
{
	struct control_message m = {.type = CONTROL_HELLO};
	struct control_hello *h = &m.hello;
	const struct keys *claimed = &w->keys[script_pick(&w->s, HONEST + 2)];
	const struct keys *held = &w->keys[HONEST + script_pick(&w->s, 2)];
	const struct link *asked = &w->link[script_pick(&w->s, LINKS)];
	uint8_t how = script_byte(&w->s);

	h->machine_key = how & 1 ? claimed->machine : held->machine;
	h->node_key = pick_key(w);
	h->disco_key = pick_key(w);
	snprintf(h->token, sizeof(h->token), "%s", pick_token(w));
	snprintf(h->name, sizeof(h->name), "%s", how & 2 ? names[script_pick(&w->s, 4)] : "liar");
	snprintf(h->owner, sizeof(h->owner), "%s", how & 4 ? "alice" : "mallory");
	if (how & 8)
		sign(held, h->name, h->owner, &h->node_key, &h->disco_key);
	h->role = how & 16 ? CONTROL_AGENT : CONTROL_CLIENT;
	h->caps = how & 32 ? CONTROL_CAPS_ALL : 0;
	h->epoch = how & 64 ? w->c->epoch : script_byte(&w->s);
	h->map_number = script_byte(&w->s);
	pick_endpoints(w, &h->endpoints);
	control_proof_sign(&held->secret, how & 128 ? asked->nonce : l->nonce, spki, h->proof);
	say(w, l, &m);
}

static void lie_more(struct world *w, struct link *l)
{
	struct control_message m = {.type = (enum control_type)script_pick(&w->s, CONTROL_TYPES)};

	switch (m.type) {
	case CONTROL_KEYS:
		m.keys.node_key = pick_key(w);
		m.keys.disco_key = pick_key(w);
		sign(&w->keys[HONEST + script_pick(&w->s, 2)], names[script_pick(&w->s, 4)],
		     script_byte(&w->s) & 1 ? "alice" : "mallory", &m.keys.node_key,
		     &m.keys.disco_key);
		break;
	case CONTROL_ENDPOINTS:
		pick_endpoints(w, &m.endpoints.endpoints);
		m.endpoints.home_region = script_byte(&w->s);
		break;
	case CONTROL_HELLO:
	case CONTROL_ACK:
	case CONTROL_PING:
	case CONTROL_GOAWAY:
	case CONTROL_PONG:
		m.ack = script_u16(&w->s);
		break;
	case CONTROL_WELCOME:
	case CONTROL_RELAYS:
	case CONTROL_MAP:
	case CONTROL_ERROR:
	case CONTROL_TYPES:
		return;
	}
	say(w, l, &m);
}

static void lie_raw(struct world *w, struct link *l)
{
	char text[TEXT_MAX];
	size_t len;
	const uint8_t *span = script_span(&w->s, TEXT_MAX, &len);

	if (len > 0)
		memcpy(text, span, len);
	say_text(w, l, text, len);
}

static void lie(struct world *w)
{
	struct link *l = &w->link[HONEST + script_pick(&w->s, LIARS)];
	struct text *t = &w->tape[script_byte(&w->s) % TAPE_MAX];
	unsigned dev = w->link[DEV].heard, laptop = w->link[LAPTOP].heard;
	unsigned how = script_pick(&w->s, 8);

	if (how >= 4)
		join(w, l);
	l->heard = 0;
	switch (how) {
	case 0:
		open_session(w, l);
		break;
	case 1:
		open_session(w, l);
		lie_hello(w, l);
		break;
	case 2:
	case 4:
	case 5:
		lie_more(w, l);
		break;
	case 3:
	case 6:
		lie_raw(w, l);
		break;
	default:
		if (t->bytes)
			say_text(w, l, t->bytes, t->len);
	}
	MUST(l->heard <= ANSWERS_MAX);
	MUST(w->link[DEV].heard == dev && w->link[LAPTOP].heard == laptop);
}

static void hang_up(struct world *w, struct link *l)
{
	struct node_session *s = l->session;

	l->session = NULL;
	if (s)
		node_session_on_closed(w->c, s, &w->now);
}

/* ---- the rest of the world ---- */

static void wait(struct world *w)
{
	uint64_t pause_us = script_pause_us(&w->s);

	w->now.now_us += pause_us;
	w->now.unix_ms += pause_us / US_PER_MS;
	node_session_end_silent(w->c, &w->now);
	manage_remove_ephemeral(w->c, &w->now);
	coordinator_flush(w->c);
}

static void honest_speaks(struct world *w, unsigned who)
{
	struct control_message m = {.type = CONTROL_PING, .ping = 1};

	if (!w->link[who].session) {
		honest_hello(w, who, "");
		return;
	}
	if (script_byte(&w->s) & 1) {
		m.type = CONTROL_ENDPOINTS;
		m.endpoints = (struct control_where){.home_region = script_byte(&w->s)};
	}
	say(w, &w->link[who], &m);
}

static void admin(struct world *w)
{
	char error[COORDINATOR_ERROR_LEN];

	if (script_byte(&w->s) & 1)
		(void)!manage_node_remove(w->c, "liar.mallory", &w->now, error);
	else
		make_token(w, "liar", "mallory", script_byte(&w->s) & 1, w->token);
}

static void step(struct world *w)
{
	switch (script_pick(&w->s, 12)) {
	case 0:
		wait(w);
		break;
	case 1:
		honest_speaks(w, script_pick(&w->s, HONEST));
		break;
	case 2:
		hang_up(w, &w->link[script_pick(&w->s, LINKS)]);
		break;
	case 3:
		admin(w);
		break;
	case 4:
		w->store.fails = !w->store.fails;
		break;
	default:
		lie(w);
	}
}

/* ---- what must hold ---- */

static bool is_driven_by(const struct world *w, const struct link *l, const struct public_key *key)
{
	unsigned who = (unsigned)(l - w->link);

	if (who < HONEST)
		return public_key_equal(key, &w->keys[who].machine);
	return public_key_equal(key, &w->keys[HONEST].machine) ||
	       public_key_equal(key, &w->keys[HONEST + 1].machine);
}

static void check_sessions(const struct world *w)
{
	size_t n = 0, open = 0;

	for (const struct node_session *s = w->c->sessions; s; s = s->next, n++)
		if (s->state == NODE_SESSION_JOINED)
			MUST(s->node->session == s &&
			     is_driven_by(w, s->link, &s->node->machine_key));
	for (unsigned i = 0; i < LINKS; i++)
		open += w->link[i].session != NULL;
	MUST(n == w->c->n_sessions && n == open);
}

static void check_registry(const struct world *w)
{
	size_t count;
	struct node *const *all = registry_all(w->c->registry, &count);

	for (size_t i = 0; i < count; i++)
		MUST(node_keys_are_honest(all[i]));
	for (unsigned i = 0; i < HONEST; i++) {
		const struct node *n = registry_find_name(w->c->registry, names[i], "alice");

		MUST(n && public_key_equal(&n->machine_key, &w->keys[i].machine));
		MUST(n->node_key.key.b[0] == i && n->node_key.key.b[1] == 1);
	}
	MUST(count - HONEST <= STEPS_MAX && w->c->n_audit <= AUDIT_QUEUE_MAX);
}

static void check_honest(struct world *w)
{
	w->store.fails = false;
	for (unsigned i = 0; i < HONEST; i++) {
		hang_up(w, &w->link[i]);
		honest_hello(w, i, "");
		MUST(w->link[i].welcomed && w->link[i].session);
	}
	MUST(w->link[LAPTOP].sees_other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = &world;

	open_world(w, data, len);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(&w->s); i++) {
		step(w);
		check_sessions(w);
	}
	check_registry(w);
	check_honest(w);
	check_registry(w);
	for (unsigned i = 0; i < LINKS; i++)
		hang_up(w, &w->link[i]);
	coordinator_free(w->c);
	for (size_t i = 0; i < TAPE_MAX; i++)
		free(w->tape[i].bytes);
	return 0;
}
