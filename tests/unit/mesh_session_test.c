/* Two relays' cores against each other: what one's mesh_session says, the other's client_conn
 * hears. */
#include "derp-relay/mesh_session.h"

#include <errno.h>

#include "common/clock.h"
#include "tests/unit/test.h"

static const uint64_t t0 = 1000 * US_PER_S;
static const uint8_t mesh_key[KEY_LEN] = {7};

struct side {
	struct hub *hub;
	struct client_env env;
};

/* a dials b. */
struct lab {
	struct side a, b;
	struct mesh_session session; /* a's end */
	struct client_conn conn;     /* b's end */
	int err;
};

static void side_init(struct side *s, uint8_t n)
{
	static const uint8_t seed[HUB_SEED_LEN];

	*s = (struct side){.hub = hub_new(seed, 1 << 20)};
	s->env.has_mesh_key = true;
	memcpy(s->env.mesh_key, mesh_key, KEY_LEN);
	s->env.limits = limits_make(0, 0);
	secret_key_from_random(&s->env.secret, (const uint8_t[KEY_LEN]){0, n});
	secret_key_public(&s->env.secret, &s->env.pub);
}

static void to_session(struct lab *lab, uint8_t *bytes, size_t len)
{
	struct derp_reader r = {.buf = bytes, .cap = DERP_FRAME_MAX, .end = len};
	struct derp_raw_frame raw;

	while (lab->err == 0 && derp_reader_next(&r, &raw) == 0)
		lab->err = mesh_session_on_frame(&lab->session, &lab->a.env, lab->a.hub, &raw, t0);
}

static void to_conn(struct lab *lab, uint8_t *bytes, size_t len)
{
	while (lab->err == 0 && len > 0) {
		size_t used;
		lab->err = client_conn_on_bytes(&lab->conn, &lab->b.env, lab->b.hub, bytes, len, t0,
						&used);
		if (lab->err == 0 && lab->conn.state == CLIENT_ASKING)
			lab->err = client_conn_on_admission(&lab->conn, lab->b.hub, true, t0);
		bytes += used;
		len -= used;
	}
}

/* Carries bytes both ways until neither has any. */
static void run(struct lab *lab)
{
	static uint8_t buf[DERP_FORWARD_FRAME_MAX * 2];
	size_t moved;

	do {
		struct writer w = writer_init(buf, sizeof(buf));
		(void)client_conn_pull(&lab->conn, &lab->b.env, lab->b.hub, &w, t0);
		moved = w.len;
		to_session(lab, buf, w.len);
		w = writer_init(buf, sizeof(buf));
		mesh_session_pull(&lab->session, &lab->a.env, lab->a.hub, &w, t0);
		moved += w.len;
		to_conn(lab, buf, w.len);
	} while (moved > 0 && lab->err == 0);
}

static void lab_init(struct lab *lab, uint8_t n_a, uint8_t n_b)
{
	static const struct endpoint from = {.port = 1};
	static const uint8_t random[DERP_NONCE_LEN] = {3};

	*lab = (struct lab){.err = 0};
	side_init(&lab->a, n_a);
	side_init(&lab->b, n_b);
	mesh_session_init(&lab->session, 0, random, t0);
	CHECK(client_conn_init(&lab->conn, 0, &from, 0, random, 0, t0) == 0);
}

static void lab_wipe(struct lab *lab)
{
	mesh_session_on_down(&lab->session, lab->a.hub);
	client_conn_wipe(&lab->conn, lab->b.hub);
	hub_free(lab->a.hub);
	hub_free(lab->b.hub);
}

static void join(struct side *s, struct hub_conn *c, uint8_t n)
{
	*c = (struct hub_conn){.key = {.b = {n, 0xaa}}, .flags = DERP_PRESENT_REGULAR};
	CHECK(hub_add(s->hub, c) == 0);
}

static unsigned packets_waiting(const struct hub_conn *c)
{
	return c->port.queue[PACKET_OTHER].count;
}

TEST(a_client_of_one_relay_reaches_a_client_of_the_other)
{
	struct lab lab;
	struct hub_conn near, far, late;

	lab_init(&lab, 1, 2);
	join(&lab.a, &near, 11);
	join(&lab.b, &far, 12);
	run(&lab);
	CHECK(lab.err == 0 && lab.session.state == MESH_UP);
	CHECK(lab.conn.hub.flags & DERP_PRESENT_MESH);

	hub_on_packet(lab.a.hub, &near, &far.key, (const uint8_t *)"hi", 2, t0);
	join(&lab.b, &late, 13);
	run(&lab);
	CHECK_INT(packets_waiting(&far), 1);
	hub_on_packet(lab.a.hub, &near, &late.key, (const uint8_t *)"hi", 2, t0);
	run(&lab);
	CHECK_INT(packets_waiting(&late), 1);

	/* Gone from there is gone from here. */
	hub_remove(lab.b.hub, &late);
	run(&lab);
	hub_on_packet(lab.a.hub, &near, &late.key, (const uint8_t *)"hi", 2, t0);
	struct hub_counters n;
	hub_count(lab.a.hub, &n);
	CHECK_INT(n.drops[DROP_UNKNOWN_DEST][PACKET_OTHER], 1);
	hub_remove(lab.a.hub, &near);
	hub_remove(lab.b.hub, &far);
	lab_wipe(&lab);
}

TEST(a_broken_session_withdraws_all_it_knew)
{
	struct lab lab;
	struct hub_conn far;
	struct hub_counters n;

	lab_init(&lab, 1, 2);
	join(&lab.b, &far, 12);
	run(&lab);
	hub_count(lab.a.hub, &n);
	CHECK_INT(n.forwarders, 1); /* but not of our own session to it */
	mesh_session_on_down(&lab.session, lab.a.hub);
	hub_count(lab.a.hub, &n);
	CHECK(n.forwarders == 0 && n.keys == 0);
	hub_remove(lab.b.hub, &far);
	lab_wipe(&lab);
}

TEST(a_relay_that_dialled_itself_notices)
{
	struct lab lab;

	lab_init(&lab, 1, 1);
	run(&lab);
	CHECK_INT(lab.err, -ELOOP);
	lab_wipe(&lab);
}

TEST(another_mesh_key_gets_no_watch)
{
	struct lab lab;

	lab_init(&lab, 1, 2);
	lab.b.env.mesh_key[0] = 8;
	run(&lab);
	CHECK_INT(lab.err, -EACCES);
	lab_wipe(&lab);
}

TEST(silence_ends_a_session_after_two_minutes_and_a_greeting_after_ten_seconds)
{
	struct lab lab;

	lab_init(&lab, 1, 2);
	CHECK_INT(mesh_session_deadline_us(&lab.session), t0 + 10 * US_PER_S);
	run(&lab);
	CHECK_INT(mesh_session_deadline_us(&lab.session), t0 + 120 * US_PER_S);
	lab_wipe(&lab);
}
