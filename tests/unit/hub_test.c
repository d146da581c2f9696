#include "derp-relay/hub.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/proto/derp.h"
#include "tests/unit/test.h"

static const uint8_t seed[HUB_SEED_LEN] = {7};
static const uint64_t t0 = 1000 * US_PER_S;

enum { FRAME_PEER_GONE = 8, FRAME_PEER_PRESENT = 9, FRAME_RECV = 5, FRAME_FORWARD = 10 };

static struct public_key key(uint8_t n)
{
	return (struct public_key){.b = {n, 0xaa}};
}

static struct hub_conn *join(struct hub *hub, struct hub_conn *c, uint8_t n)
{
	*c = (struct hub_conn){.key = key(n), .flags = DERP_PRESENT_REGULAR};
	CHECK(hub_add(hub, c) == 0);
	return c;
}

static void send_text_at(struct hub *hub, struct hub_conn *from, uint8_t to, const char *text,
			 uint64_t now_us)
{
	struct public_key dst = key(to);

	hub_on_packet(hub, from, &dst, (const uint8_t *)text, strlen(text), now_us);
}

static void send_text(struct hub *hub, struct hub_conn *from, uint8_t to, const char *text)
{
	send_text_at(hub, from, to, text, t0);
}

/* A disco packet: its magic, a key, a nonce, and at least nothing more: 62 bytes. */
static void send_disco(struct hub *hub, struct hub_conn *from, uint8_t to, uint64_t now_us)
{
	uint8_t pkt[62] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	struct public_key dst = key(to);

	hub_on_packet(hub, from, &dst, pkt, sizeof(pkt), now_us);
}

struct frame {
	uint8_t type;
	uint32_t len;
	const uint8_t *body;
};

/* What a port has to write, frame by frame; type 0 behind the last. */
struct pulled {
	uint8_t buf[1 << 18];
	struct reader left;
	unsigned packets;
};

static void pull(struct hub *hub, struct port *port, struct pulled *p)
{
	struct writer w = writer_init(p->buf, sizeof(p->buf));

	p->packets = hub_pull(hub, port, &w, t0 + 3000);
	p->left = reader_init(p->buf, w.len);
}

static struct frame next(struct pulled *p)
{
	struct frame f = {0};

	if (reader_left(&p->left) == 0)
		return f;
	f.type = read_u8(&p->left);
	f.len = read_u32be(&p->left);
	f.body = read_span(&p->left, f.len);
	CHECK(!p->left.failed);
	return f;
}

static void check_packet(struct frame f, uint8_t src, const char *text)
{
	CHECK_INT(f.type, FRAME_RECV);
	CHECK_INT(f.len, KEY_LEN + strlen(text));
	CHECK_INT(f.body[0], src);
	CHECK_MEM(f.body + KEY_LEN, text, strlen(text));
}

static uint64_t drops(struct hub *hub, enum drop_reason reason, enum packet_kind kind)
{
	struct hub_counters n;

	hub_count(hub, &n);
	return n.drops[reason][kind];
}

static struct pulled out; /* one test at a time runs */

TEST(a_packet_reaches_its_key_with_its_senders)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;
	struct hub_counters n;

	join(hub, &a, 1);
	join(hub, &b, 2);
	send_text(hub, &a, 2, "hello");
	CHECK(hub_next_ready(hub, 0) == &b.port);
	CHECK(hub_next_ready(hub, 0) == NULL);
	pull(hub, &b.port, &out);
	check_packet(next(&out), 1, "hello");
	CHECK_INT(next(&out).type, 0);
	CHECK_INT(out.packets, 1);

	hub_count(hub, &n);
	CHECK(n.packets_in == 1 && n.bytes_in == 5 && n.packets_out == 1 && n.bytes_out == 5);
	CHECK(n.connections == 2 && n.keys == 2);
	CHECK(n.waits[2] == 1 && n.wait_sum_us == 3000); /* 3 ms: above 1, under 5 */
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

/* Sends n packets; returns how many of them the queue let go. */
static uint64_t drops_of(struct hub *hub, struct hub_conn *from, int n, uint64_t apart_us)
{
	char text[8];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "p%03d", i);
		send_text_at(hub, from, 2, text, t0 + (uint64_t)i * apart_us);
	}
	return drops(hub, DROP_QUEUE_HEAD, PACKET_OTHER);
}

TEST(a_full_queue_whose_oldest_has_waited_drops_it)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;

	join(hub, &a, 1);
	join(hub, &b, 2);
	CHECK_INT(drops_of(hub, &a, 35, 1000), 3);
	pull(hub, &b.port, &out);
	CHECK_INT(out.packets, 32);
	check_packet(next(&out), 1, "p003");
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_burst_fits_and_what_is_left_of_it_goes_when_it_is_late)
{
	struct hub *hub = hub_new(seed, 4 << 20);
	struct hub_conn a, b;

	join(hub, &a, 1);
	join(hub, &b, 2);
	CHECK_INT(drops_of(hub, &a, 515, 0), 3);
	send_text_at(hub, &a, 2, "late", t0 + 10 * 1000);
	CHECK_INT(drops(hub, DROP_QUEUE_HEAD, PACKET_OTHER), 4);
	send_text_at(hub, &a, 2, "later", t0 + 10 * 1000 + 1);
	CHECK_INT(drops(hub, DROP_QUEUE_HEAD, PACKET_OTHER), 517 - 32);
	pull(hub, &b.port, &out);
	CHECK_INT(out.packets, 32);
	check_packet(next(&out), 1, "p485");
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_clock_read_before_the_burst_makes_nothing_late)
{
	struct hub *hub = hub_new(seed, 4 << 20);
	struct hub_conn a, b;

	join(hub, &a, 1);
	join(hub, &b, 2);
	CHECK_INT(drops_of(hub, &a, 40, 0), 0);
	send_text_at(hub, &a, 2, "by another worker", t0 - 1);
	CHECK_INT(drops(hub, DROP_QUEUE_HEAD, PACKET_OTHER), 0);
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(disco_has_a_queue_of_its_own_and_goes_first)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;

	join(hub, &a, 1);
	join(hub, &b, 2);
	for (int i = 0; i < 32; i++)
		send_text(hub, &a, 2, "bulk");
	send_disco(hub, &a, 2, t0);
	CHECK_INT(drops(hub, DROP_QUEUE_HEAD, PACKET_OTHER), 0);
	pull(hub, &b.port, &out);
	CHECK_INT(next(&out).len, KEY_LEN + 62);
	check_packet(next(&out), 1, "bulk");
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(the_connection_that_wrote_last_gets_the_packets)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, old, new;

	join(hub, &a, 1);
	join(hub, &old, 2);
	join(hub, &new, 2);
	send_text(hub, &a, 2, "one");
	CHECK(hub_next_ready(hub, 0) == &new.port &&hub_next_ready(hub, 0) == NULL);
	hub_on_frame(hub, &old);
	send_text(hub, &a, 2, "two");
	CHECK(hub_next_ready(hub, 0) == &old.port && hub_next_ready(hub, 0) == NULL);

	/* With the active one gone the other serves again, and nobody is told that the key left. */
	hub_remove(hub, &old);
	CHECK_INT(drops(hub, DROP_GONE_DISCONNECTED, PACKET_OTHER), 1);
	send_text(hub, &a, 2, "three");
	pull(hub, &new.port, &out);
	check_packet(next(&out), 1, "one");
	check_packet(next(&out), 1, "three");
	CHECK(hub_next_ready(hub, 0) == &new.port &&hub_next_ready(hub, 0) == NULL);
	hub_remove(hub, &new);
	hub_remove(hub, &a);
	hub_free(hub);
}

TEST(those_who_had_packets_hear_when_the_last_connection_of_the_key_goes)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a1, a2, b, c;

	join(hub, &a1, 1);
	join(hub, &a2, 1);
	join(hub, &b, 2);
	join(hub, &c, 3);
	send_text(hub, &a1, 2, "x");
	send_text(hub, &b, 3, "y");
	pull(hub, &b.port, &out);
	pull(hub, &c.port, &out);
	hub_remove(hub, &a1);
	CHECK(port_is_empty(&b.port));
	hub_remove(hub, &a2);
	pull(hub, &b.port, &out);
	struct frame f = next(&out);
	CHECK(f.type == FRAME_PEER_GONE && f.len == KEY_LEN + 1);
	CHECK(f.body[0] == 1 && f.body[KEY_LEN] == 0); /* disconnected */
	CHECK(port_is_empty(&c.port));

	/* Told once; a key that came back and wrote nothing has nobody to tell. */
	join(hub, &a1, 1);
	hub_remove(hub, &a1);
	CHECK(port_is_empty(&b.port));
	hub_remove(hub, &b);
	hub_remove(hub, &c);
	hub_free(hub);
}

TEST(not_here_answers_disco_only_three_at_once_and_one_a_second)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a;
	unsigned told = 0;

	join(hub, &a, 1);
	send_text(hub, &a, 9, "data");
	CHECK(port_is_empty(&a.port));
	CHECK_INT(drops(hub, DROP_UNKNOWN_DEST, PACKET_OTHER), 1);
	for (int i = 0; i < 10; i++)
		send_disco(hub, &a, 9, t0);
	pull(hub, &a.port, &out);
	for (struct frame f; (f = next(&out)).type != 0; told++)
		CHECK(f.type == FRAME_PEER_GONE && f.body[0] == 9 && f.body[KEY_LEN] == 1);
	CHECK_INT(told, 3);
	CHECK_INT(drops(hub, DROP_UNKNOWN_DEST, PACKET_DISCO), 10);

	send_disco(hub, &a, 9, t0 + US_PER_S - 1);
	CHECK(port_is_empty(&a.port));
	send_disco(hub, &a, 9, t0 + US_PER_S);
	send_disco(hub, &a, 9, t0 + US_PER_S);
	CHECK_INT(a.port.notes, 1);
	hub_remove(hub, &a);
	hub_free(hub);
}

TEST(a_watcher_hears_who_is_here_then_who_comes_and_goes)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, w, late;

	join(hub, &a, 1);
	a.flags = DERP_PRESENT_REGULAR | DERP_PRESENT_NOT_IDEAL;
	a.from = (struct endpoint){.ip = ip_from_v4((uint8_t[]){192, 0, 2, 7}), .port = 0x1092};
	join(hub, &w, 2);
	w.flags = DERP_PRESENT_MESH;
	hub_watch(hub, &w);
	hub_watch(hub, &w);	    /* twice is once */
	CHECK_INT(w.port.notes, 2); /* a, and the watcher itself */
	join(hub, &late, 3);
	hub_remove(hub, &a);

	bool saw_a = false;
	pull(hub, &w.port, &out);
	for (int i = 0; i < 2; i++) {
		struct frame f = next(&out);
		CHECK(f.type == FRAME_PEER_PRESENT && f.len == 51);
		if (f.body[0] != 1)
			continue;
		saw_a = true;
		static const uint8_t addr[] = {0xff, 0xff, 192, 0, 2, 7, 0x10, 0x92, 9};
		CHECK_MEM(f.body + KEY_LEN + 10, addr, sizeof(addr));
	}
	CHECK(saw_a);
	struct frame f = next(&out);
	CHECK(f.type == FRAME_PEER_PRESENT && f.body[0] == 3);
	f = next(&out);
	CHECK(f.type == FRAME_PEER_GONE && f.body[0] == 1);
	CHECK_INT(next(&out).type, 0);
	hub_remove(hub, &w);
	hub_remove(hub, &late);
	hub_free(hub);
}

TEST(a_key_of_a_mesh_peer_is_reached_by_the_oldest_link_that_knows_it)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a;
	struct hub_link l1 = {.port = {.kind = PORT_MESH_LINK}},
			l2 = {.port = {.kind = PORT_MESH_LINK}};
	struct public_key far = key(9);

	join(hub, &a, 1);
	hub_link_on_present(hub, &l1, &far);
	hub_link_on_present(hub, &l1, &far); /* its second connection */
	hub_link_on_present(hub, &l2, &far);
	send_text(hub, &a, 9, "by-one");
	pull(hub, &l1.port, &out);
	struct frame f = next(&out);
	CHECK(f.type == FRAME_FORWARD && f.len == 2 * KEY_LEN + 6);
	CHECK(f.body[0] == 1 && f.body[KEY_LEN] == 9);
	CHECK_MEM(f.body + 2 * KEY_LEN, "by-one", 6);

	hub_link_on_gone(hub, &l1, &far);
	send_text(hub, &a, 9, "by-two");
	CHECK(port_is_empty(&l1.port) && !port_is_empty(&l2.port));
	hub_link_down(hub, &l2);
	CHECK_INT(drops(hub, DROP_GONE_DISCONNECTED, PACKET_OTHER), 1);
	send_text(hub, &a, 9, "lost");
	CHECK_INT(drops(hub, DROP_UNKNOWN_DEST, PACKET_OTHER), 1);
	hub_remove(hub, &a);
	hub_free(hub);
}

TEST(a_local_connection_is_preferred_to_a_forwarder)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;
	struct hub_link link = {.port = {.kind = PORT_MESH_LINK}};

	join(hub, &a, 1);
	join(hub, &b, 2);
	hub_link_on_present(hub, &link, &b.key);
	send_text(hub, &a, 2, "x");
	CHECK(port_is_empty(&link.port) && !port_is_empty(&b.port));
	hub_link_down(hub, &link);
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_forwarded_packet_is_delivered_here_or_dropped_never_forwarded_again)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn b;
	struct hub_link link = {.port = {.kind = PORT_MESH_LINK}};
	struct public_key far = key(9), other = key(8);

	join(hub, &b, 2);
	hub_link_on_present(hub, &link, &far);
	hub_link_on_present(hub, &link, &other);
	hub_on_forwarded(hub, &far, &b.key, (const uint8_t *)"x", 1, t0);
	pull(hub, &b.port, &out);
	check_packet(next(&out), 9, "x");
	hub_on_forwarded(hub, &far, &other, (const uint8_t *)"x", 1, t0);
	CHECK(port_is_empty(&link.port));
	CHECK_INT(drops(hub, DROP_UNKNOWN_DEST_ON_FWD, PACKET_OTHER), 1);

	/* The far sender leaves the region with its link: who had its packet is told. */
	hub_link_down(hub, &link);
	pull(hub, &b.port, &out);
	struct frame f = next(&out);
	CHECK(f.type == FRAME_PEER_GONE && f.body[0] == 9);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_key_still_known_by_a_mesh_peer_has_not_left_the_region)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;
	struct hub_link link = {.port = {.kind = PORT_MESH_LINK}};
	struct public_key moved = key(1);

	join(hub, &a, 1);
	join(hub, &b, 2);
	send_text(hub, &a, 2, "x");
	pull(hub, &b.port, &out);
	hub_link_on_present(hub, &link, &moved);
	hub_remove(hub, &a);
	CHECK(port_is_empty(&b.port));
	hub_link_on_gone(hub, &link, &moved);
	CHECK_INT(b.port.notes, 1);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(homes_count_the_clients_that_said_so_and_are_still_here)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;
	struct hub_counters n;

	join(hub, &a, 1);
	join(hub, &b, 2);
	hub_on_preferred(hub, &a, true);
	hub_on_preferred(hub, &a, true);
	hub_on_preferred(hub, &b, true);
	hub_on_preferred(hub, &b, false);
	hub_count(hub, &n);
	CHECK_INT(n.homes, 1);
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_count(hub, &n);
	CHECK_INT(n.homes, 0);
	hub_free(hub);
}

TEST(notes_beyond_the_limit_are_refused)
{
	struct port port = {0};
	struct port_note note = {.key = key(1)};

	for (int i = 0; i < 3; i++)
		CHECK(port_push_note(&port, &note, 3) == 0);
	CHECK(port_push_note(&port, &note, 3) < 0 && port.notes == 3);
	port_drop_notes(&port);
	CHECK(port.notes == 0 && port_is_empty(&port));
}

TEST(closing_a_key_marks_all_its_connections)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a1, a2, b;
	struct public_key a = key(1);

	join(hub, &a1, 1);
	join(hub, &a2, 1);
	join(hub, &b, 2);
	hub_close_key(hub, &a);
	CHECK(a1.port.close && a2.port.close && !b.port.close);
	CHECK(hub_next_ready(hub, 0) != NULL && hub_next_ready(hub, 0) != NULL);
	CHECK(hub_next_ready(hub, 0) == NULL);
	hub_remove(hub, &a1);
	hub_remove(hub, &a2);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_sleeping_worker_is_woken_once_and_one_that_works_not_at_all)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;

	join(hub, &a, 1);
	join(hub, &b, 2);
	b.port.worker = 5;
	send_text(hub, &a, 2, "x");
	CHECK(hub_take_wakes(hub) == UINT64_C(1) << 5);
	CHECK(hub_next_ready(hub, 5) == &b.port); /* it works now */
	send_text(hub, &a, 2, "y");
	CHECK(hub_take_wakes(hub) == 0);
	CHECK(hub_next_ready(hub, 5) == &b.port);
	CHECK(hub_next_ready(hub, 5) == NULL); /* and sleeps */
	send_text(hub, &a, 2, "z");
	CHECK(hub_take_wakes(hub) == UINT64_C(1) << 5);
	hub_remove(hub, &b);
	CHECK(hub_next_ready(hub, 5) == NULL);
	hub_remove(hub, &a);
	hub_free(hub);
}

TEST(what_waits_stays_below_the_ceiling)
{
	struct hub *hub = hub_new(seed, 100000);
	struct hub_conn a, b;
	static uint8_t big[PACKET_MAX];

	join(hub, &a, 1);
	join(hub, &b, 2);
	hub_on_packet(hub, &a, &b.key, big, sizeof(big), t0);
	hub_on_packet(hub, &a, &b.key, big, sizeof(big), t0);
	CHECK_INT(drops(hub, DROP_QUEUE_TAIL, PACKET_OTHER), 1);
	pull(hub, &b.port, &out);
	CHECK_INT(out.packets, 1);
	hub_on_packet(hub, &a, &b.key, big, sizeof(big), t0);
	CHECK_INT(drops(hub, DROP_QUEUE_TAIL, PACKET_OTHER), 1);
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

TEST(a_small_buffer_takes_whole_frames_and_the_rest_waits)
{
	struct hub *hub = hub_new(seed, 1 << 20);
	struct hub_conn a, b;
	uint8_t buf[100];
	struct writer w = writer_init(buf, sizeof(buf));

	join(hub, &a, 1);
	join(hub, &b, 2);
	for (int i = 0; i < 3; i++)
		send_text(hub, &a, 2, "0123456789"); /* a frame of 47 bytes */
	CHECK_INT(hub_pull(hub, &b.port, &w, t0), 2);
	CHECK(w.len == 94 && !w.failed);
	CHECK(!port_is_empty(&b.port));
	hub_remove(hub, &a);
	hub_remove(hub, &b);
	hub_free(hub);
}

/* Many keys joining, writing and leaving at random, beside a plain record of who is there and who
 * had packets of whom. */
enum { CROWD = 24 };

struct crowd {
	struct hub *hub;
	struct hub_conn conn[CROWD][2];
	bool in[CROWD][2];
	bool had[CROWD][CROWD]; /* [sender][listener] */
};

static bool is_in(const struct crowd *c, unsigned i)
{
	return c->in[i][0] || c->in[i][1];
}

static unsigned gone_notes(struct crowd *c, unsigned listener, unsigned of)
{
	unsigned n = 0;

	for (unsigned k = 0; k < 2; k++) {
		if (!c->in[listener][k])
			continue;
		pull(c->hub, &c->conn[listener][k].port, &out);
		for (struct frame f; (f = next(&out)).type != 0;)
			n += f.type == FRAME_PEER_GONE && f.body[0] == of;
	}
	return n;
}

static void leave(struct crowd *c, unsigned i, unsigned k)
{
	hub_remove(c->hub, &c->conn[i][k]);
	c->in[i][k] = false;
	if (is_in(c, i))
		return;
	for (unsigned j = 0; j < CROWD; j++) {
		CHECK_INT(gone_notes(c, j, i), c->had[i][j] && is_in(c, j) && j != i);
		c->had[i][j] = c->had[j][i] = false;
	}
}

TEST(a_crowd_agrees_with_a_plain_record)
{
	struct crowd *c = calloc(1, sizeof(*c));
	unsigned seed_now = 4711;

	c->hub = hub_new(seed, 1 << 24);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand_r(&seed_now) % CROWD,
			 j = (unsigned)rand_r(&seed_now) % CROWD;
		unsigned k = (unsigned)rand_r(&seed_now) % 2;

		if (!c->in[i][k]) {
			join(c->hub, &c->conn[i][k], (uint8_t)i);
			c->in[i][k] = true;
		} else if (rand_r(&seed_now) % 4 == 0) {
			leave(c, i, k);
		} else {
			send_text(c->hub, &c->conn[i][k], (uint8_t)j, "x");
			c->had[i][j] |= is_in(c, j);
		}
	}
	for (unsigned i = 0; i < 2 * CROWD; i++) {
		if (c->in[i / 2][i % 2])
			leave(c, i / 2, i % 2);
	}
	struct hub_counters n;
	hub_count(c->hub, &n);
	CHECK(n.connections == 0 && n.keys == 0);
	hub_free(c->hub);
	free(c);
}
