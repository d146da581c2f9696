#include "agent/filter/filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/endpoint.h"
#include "tests/unit/test.h"

static const uint8_t seed[FILTER_SEED_LEN] = {4, 2};
static const struct filter_rule anything = {FILTER_ANY, 0, 65535};
static const uint64_t second_us = 1000000;

enum { DEV = 7, STRANGER = 8, SYN = 0x02, ACK = 0x10, FIN = 0x11, RST = 0x04, SYN_ACK = 0x12 };
enum { PKT_MAX = 96 };

/* ---- packets: from or to us (…1), the peer is …2; ports by side, not by direction ---- */

struct pkt {
	uint8_t b[PKT_MAX];
	size_t len;
};

enum way { FROM_PEER, TO_PEER };

static void write_v4(struct writer *w, enum way way, uint8_t proto, size_t body_len)
{
	uint8_t src = way == TO_PEER ? 1 : 2;

	write_u16be(w, 0x4500);
	write_u16be(w, (uint16_t)(20 + body_len));
	write_u32be(w, 0x00010000);
	write_u8(w, 64);
	write_u8(w, proto);
	write_u16be(w, 0);
	write_bytes(w, (const uint8_t[]){10, 77, 0, src, 10, 77, 0, (uint8_t)(3 - src)}, 8);
}

static void write_v6(struct writer *w, enum way way, uint8_t proto, size_t body_len)
{
	uint8_t src = way == TO_PEER ? 1 : 2;

	write_u32be(w, 0x60000000);
	write_u16be(w, (uint16_t)body_len);
	write_u8(w, proto);
	write_u8(w, 64);
	for (int i = 0; i < 2; i++) {
		write_u8(w, 0xfd);
		write_zeros(w, 14);
		write_u8(w, i == 0 ? src : (uint8_t)(3 - src));
	}
}

static struct pkt ip_packet(int family, enum way way, uint8_t proto, const void *body, size_t len)
{
	struct pkt p = {.len = 0};
	struct writer w = writer_init(p.b, sizeof(p.b));

	if (family == 4)
		write_v4(&w, way, proto, len);
	else
		write_v6(&w, way, proto, len);
	write_bytes(&w, body, len);
	p.len = w.len;
	return p;
}

static struct pkt transport(int family, enum way way, uint8_t proto, uint16_t ours, uint16_t theirs,
			    uint8_t flags)
{
	uint8_t body[20] = {0};
	struct writer w = writer_init(body, sizeof(body));

	write_u16be(&w, way == TO_PEER ? ours : theirs);
	write_u16be(&w, way == TO_PEER ? theirs : ours);
	if (proto == IPPROTO_TCP)
		body[13] = flags;
	return ip_packet(family, way, proto, body, proto == IPPROTO_TCP ? 20 : 8);
}

static struct pkt tcp(enum way way, uint16_t ours, uint16_t theirs, uint8_t flags)
{
	return transport(4, way, IPPROTO_TCP, ours, theirs, flags);
}

static struct pkt udp(enum way way, uint16_t ours, uint16_t theirs)
{
	return transport(4, way, IPPROTO_UDP, ours, theirs, 0);
}

static struct pkt echo(int family, enum way way, bool request, uint16_t id)
{
	uint8_t type = family == 4 ? (request ? 8 : 0) : (request ? 128 : 129);
	uint8_t body[8] = {type, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id};

	return ip_packet(family, way, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, body, 8);
}

/* The other side's complaint about a packet of ours, or ours about one of theirs. */
static struct pkt unreachable(enum way way, const struct pkt *about)
{
	uint8_t body[8 + 28] = {3, 3};

	memcpy(body + 8, about->b, 28);
	return ip_packet(4, way, IPPROTO_ICMP, body, sizeof(body));
}

/* ---- a laptop (may start all to DEV, DEV nothing) ---- */

struct rig {
	struct filter *f;
	uint64_t generation;
};

static void publish(struct rig *rig, const struct filter_rule *in, const struct filter_rule *out,
		    uint32_t peer)
{
	struct filter_rules *rules = filter_rules_new(++rig->generation);

	CHECK_INT(filter_rules_add(rules, peer, in, in != NULL, out, out != NULL), 0);
	filter_rules_free((void *)(uintptr_t)filter_publish(rig->f, rules));
}

static struct rig laptop(size_t flows)
{
	struct rig rig = {.f = filter_new(flows, seed)};

	publish(&rig, NULL, &anything, DEV);
	return rig;
}

static void rig_free(struct rig *rig)
{
	filter_rules_free((void *)(uintptr_t)filter_publish(rig->f, NULL));
	filter_free(rig->f);
}

static enum filter_verdict in(struct rig *rig, struct pkt p, uint64_t now_us)
{
	return filter_in(rig->f, DEV, p.b, p.len, now_us);
}

static enum filter_verdict out(struct rig *rig, struct pkt p, uint64_t now_us)
{
	return filter_out(rig->f, DEV, p.b, p.len, now_us);
}

TEST(drops_everything_before_it_has_rules)
{
	struct rig rig = {.f = filter_new(16, seed)};

	CHECK_INT(out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0), FILTER_DROP_PEER);
	rig_free(&rig);
}

TEST(lets_the_called_side_answer_and_nothing_more)
{
	struct rig rig = laptop(16);

	for (int family = 4; family <= 6; family += 2) {
		struct pkt syn = transport(family, TO_PEER, IPPROTO_TCP, 40000, 22, SYN);
		struct pkt answer = transport(family, FROM_PEER, IPPROTO_TCP, 40000, 22, SYN_ACK);
		struct pkt other = transport(family, FROM_PEER, IPPROTO_TCP, 40001, 22, SYN_ACK);
		struct pkt start = transport(family, FROM_PEER, IPPROTO_TCP, 22, 50000, SYN);

		CHECK_INT(in(&rig, answer, 0), FILTER_DROP_NO_FLOW);
		CHECK_INT(out(&rig, syn, 1), FILTER_PASS);
		CHECK_INT(in(&rig, answer, 2), FILTER_PASS);
		CHECK_INT(in(&rig, other, 3), FILTER_DROP_NO_FLOW);
		CHECK_INT(in(&rig, start, 4), FILTER_DROP_POLICY);
	}
	rig_free(&rig);
}

TEST(keeps_udp_and_echo_by_flow_too)
{
	struct rig rig = laptop(16);

	CHECK_INT(in(&rig, udp(FROM_PEER, 5000, 53), 0), FILTER_DROP_POLICY);
	CHECK_INT(out(&rig, udp(TO_PEER, 5000, 53), 1), FILTER_PASS);
	CHECK_INT(in(&rig, udp(FROM_PEER, 5000, 53), 2), FILTER_PASS);
	for (int family = 4; family <= 6; family += 2) {
		CHECK_INT(in(&rig, echo(family, FROM_PEER, false, 9), 3), FILTER_DROP_NO_FLOW);
		CHECK_INT(out(&rig, echo(family, TO_PEER, true, 9), 4), FILTER_PASS);
		CHECK_INT(in(&rig, echo(family, FROM_PEER, false, 9), 5), FILTER_PASS);
		CHECK_INT(in(&rig, echo(family, FROM_PEER, true, 9), 6), FILTER_DROP_POLICY);
	}
	rig_free(&rig);
}

TEST(takes_up_a_tcp_session_in_its_middle_from_the_allowed_side_only)
{
	struct rig rig = laptop(16);

	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 0), FILTER_DROP_NO_FLOW);
	CHECK_INT(out(&rig, tcp(TO_PEER, 40000, 22, ACK), 1), FILTER_PASS);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 2), FILTER_PASS);
	rig_free(&rig);
}

TEST(makes_no_flow_for_a_reset)
{
	struct rig rig = laptop(16);

	CHECK_INT(out(&rig, tcp(TO_PEER, 40000, 22, RST), 0), FILTER_PASS);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 1), FILTER_DROP_NO_FLOW);
	rig_free(&rig);
}

TEST(refuses_a_connection_back_over_the_ports_of_a_flow)
{
	struct rig rig = laptop(16);

	CHECK_INT(out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0), FILTER_PASS);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, SYN), 1), FILTER_DROP_POLICY);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 2), FILTER_PASS);
	rig_free(&rig);
}

TEST(forgets_by_protocol_and_state)
{
	struct rig rig = laptop(16);
	struct pkt data = tcp(FROM_PEER, 40000, 22, ACK);

	/* Settled TCP: a day of silence. */
	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	CHECK_INT(in(&rig, data, 119 * second_us), FILTER_PASS);
	CHECK_INT(in(&rig, data, 119 * second_us + 86399 * second_us), FILTER_PASS);
	CHECK_INT(in(&rig, data, 119 * second_us + 2 * 86400 * second_us), FILTER_DROP_NO_FLOW);

	/* Closed by both: a minute. */
	out(&rig, tcp(TO_PEER, 40001, 22, SYN), 0);
	in(&rig, tcp(FROM_PEER, 40001, 22, FIN), 1);
	out(&rig, tcp(TO_PEER, 40001, 22, FIN), 2);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40001, 22, ACK), 3), FILTER_PASS);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40001, 22, ACK), 61 * second_us), FILTER_DROP_NO_FLOW);

	/* UDP: 30 s unanswered, three minutes answered. */
	out(&rig, udp(TO_PEER, 5000, 53), 0);
	CHECK_INT(in(&rig, udp(FROM_PEER, 5000, 53), 30 * second_us), FILTER_DROP_POLICY);
	out(&rig, udp(TO_PEER, 5001, 53), 0);
	in(&rig, udp(FROM_PEER, 5001, 53), 1);
	CHECK_INT(in(&rig, udp(FROM_PEER, 5001, 53), 180 * second_us), FILTER_PASS);
	rig_free(&rig);
}

TEST(keeps_a_half_closed_session)
{
	struct rig rig = laptop(16);

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 1);
	out(&rig, tcp(TO_PEER, 40000, 22, FIN), 2);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 3600 * second_us), FILTER_PASS);
	rig_free(&rig);
}

TEST(starts_afresh_when_the_starter_reuses_its_ports)
{
	struct rig rig = laptop(16);
	struct pkt syn = tcp(TO_PEER, 40000, 22, SYN);

	out(&rig, syn, 0);
	in(&rig, tcp(FROM_PEER, 40000, 22, RST), 1);
	out(&rig, syn, 2);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 100 * second_us), FILTER_PASS);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 4000 * second_us), FILTER_PASS);
	rig_free(&rig);
}

TEST(cuts_a_live_flow_when_the_rules_no_longer_allow_it)
{
	struct rig rig = laptop(16);
	struct filter_counters n;
	static const struct filter_rule web = {FILTER_TCP, 80, 80};

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	out(&rig, tcp(TO_PEER, 40001, 80, SYN), 1);
	in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 2);
	publish(&rig, NULL, &web, DEV);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 3), FILTER_DROP_REVOKED);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 4), FILTER_DROP_NO_FLOW);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40001, 80, ACK), 5), FILTER_PASS);
	struct pkt to_web = tcp(TO_PEER, 40001, 80, ACK);
	publish(&rig, NULL, &anything, STRANGER); /* DEV is removed from the mesh */
	CHECK_INT(in(&rig, unreachable(FROM_PEER, &to_web), 6), FILTER_DROP_REVOKED);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40001, 80, ACK), 6), FILTER_DROP_REVOKED);
	CHECK_INT(out(&rig, tcp(TO_PEER, 40001, 80, ACK), 7), FILTER_DROP_PEER);
	filter_read_counters(rig.f, &n);
	CHECK(n.revoked == 2 && n.flows == 0 && n.in[FILTER_DROP_REVOKED] == 3);
	rig_free(&rig);
}

TEST(sweeps_what_nobody_touches_within_eight_ticks)
{
	struct rig rig = laptop(100);
	struct filter_counters n;

	for (uint16_t port = 1; port <= 50; port++)
		out(&rig, udp(TO_PEER, port, 53), 0);
	for (uint16_t port = 1; port <= 20; port++)
		out(&rig, tcp(TO_PEER, port, 22, SYN), 0);
	for (int i = 0; i < 8; i++)
		filter_tick(rig.f, 30 * second_us);
	filter_read_counters(rig.f, &n);
	CHECK(n.expired == 50 && n.flows == 20 && n.revoked == 0);
	publish(&rig, NULL, NULL, DEV);
	for (int i = 0; i < 8; i++)
		filter_tick(rig.f, 31 * second_us);
	filter_read_counters(rig.f, &n);
	CHECK(n.revoked == 20 && n.flows == 0);
	rig_free(&rig);
}

TEST(lets_a_scan_of_ports_drive_out_no_session)
{
	struct rig rig = laptop(32);
	struct filter_counters n;

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 1);
	for (uint16_t port = 1; port <= 1000; port++)
		out(&rig, udp(TO_PEER, 5000, port), 2);
	CHECK_INT(in(&rig, tcp(FROM_PEER, 40000, 22, ACK), 3), FILTER_PASS);
	filter_read_counters(rig.f, &n);
	CHECK(n.flows == 32 && n.made == 1001 && n.evicted == 1001 - 32);
	rig_free(&rig);
}

TEST(passes_an_icmp_error_about_a_known_flow_only)
{
	struct rig rig = laptop(16);
	struct pkt ours = udp(TO_PEER, 5000, 53), theirs = udp(FROM_PEER, 5000, 53);

	CHECK_INT(in(&rig, unreachable(FROM_PEER, &ours), 0), FILTER_DROP_UNRELATED);
	out(&rig, ours, 1);
	CHECK_INT(in(&rig, unreachable(FROM_PEER, &ours), 2), FILTER_PASS);
	CHECK_INT(out(&rig, unreachable(TO_PEER, &theirs), 3), FILTER_PASS);
	/* About a packet that we cannot have sent: it quotes their own. */
	CHECK_INT(in(&rig, unreachable(FROM_PEER, &theirs), 4), FILTER_DROP_UNRELATED);
	rig_free(&rig);
}

static struct pkt fragment(struct pkt p, uint16_t place)
{
	p.b[6] = (uint8_t)(place >> 8);
	p.b[7] = (uint8_t)place;
	return p;
}

TEST(lets_later_fragments_follow_a_first_that_passed)
{
	struct rig rig = laptop(16);
	struct pkt first = fragment(udp(FROM_PEER, 5000, 53), 0x2000);
	struct pkt later = fragment(udp(FROM_PEER, 5000, 53), 0x00b9);
	struct pkt foreign = later;

	foreign.b[5] = 77; /* another datagram's */
	CHECK_INT(in(&rig, first, 0), FILTER_DROP_POLICY);
	CHECK_INT(in(&rig, later, 1), FILTER_DROP_FRAGMENT);
	out(&rig, udp(TO_PEER, 5000, 53), 2);
	CHECK_INT(in(&rig, first, 3), FILTER_PASS);
	CHECK_INT(in(&rig, later, 4), FILTER_PASS);
	CHECK_INT(in(&rig, foreign, 5), FILTER_DROP_FRAGMENT);
	CHECK_INT(out(&rig, later, 6), FILTER_DROP_FRAGMENT); /* the other direction's */
	CHECK_INT(in(&rig, later, 3 + 2 * second_us), FILTER_DROP_FRAGMENT);
	CHECK_INT(in(&rig, first, 4 * second_us), FILTER_PASS);
	publish(&rig, NULL, &anything, STRANGER);
	CHECK_INT(filter_in(rig.f, STRANGER, later.b, later.len, 4 * second_us),
		  FILTER_DROP_FRAGMENT);
	CHECK_INT(in(&rig, later, 4 * second_us), FILTER_DROP_PEER);
	rig_free(&rig);
}

TEST(keeps_peers_apart)
{
	struct rig rig = laptop(16);
	struct pkt answer = udp(FROM_PEER, 5000, 53);

	out(&rig, udp(TO_PEER, 5000, 53), 0);
	CHECK_INT(filter_in(rig.f, STRANGER, answer.b, answer.len, 1), FILTER_DROP_PEER);
	rig_free(&rig);
}

TEST(goes_on_after_a_restart_while_the_far_end_sends)
{
	struct rig rig = laptop(64);
	struct rig restarted = laptop(64);
	uint8_t saved[8 + 64 * 48 + 16];
	size_t len;

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 1);
	CHECK(sizeof(saved) == filter_save_max(rig.f));
	CHECK_INT(filter_save(rig.f, saved, sizeof(saved), &len, 2), 0);
	CHECK_INT(filter_load(restarted.f, saved, len, 0), 0);
	CHECK_INT(in(&restarted, tcp(FROM_PEER, 40000, 22, ACK), 1), FILTER_PASS);
	CHECK_INT(in(&restarted, tcp(FROM_PEER, 40001, 22, ACK), 2), FILTER_DROP_NO_FLOW);
	rig_free(&rig);
	rig_free(&restarted);
}

TEST(judges_a_loaded_flow_by_the_rules_of_today)
{
	struct rig rig = laptop(64);
	struct rig restarted = {.f = filter_new(64, seed)};
	uint8_t saved[8 + 64 * 48 + 16];
	size_t len;

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	CHECK_INT(filter_save(rig.f, saved, sizeof(saved), &len, 2), 0);
	CHECK_INT(filter_load(restarted.f, saved, len, 0), 0);
	publish(&restarted, NULL, NULL, DEV);
	CHECK_INT(in(&restarted, tcp(FROM_PEER, 40000, 22, ACK), 1), FILTER_DROP_REVOKED);
	rig_free(&rig);
	rig_free(&restarted);
}

TEST(says_when_the_table_is_worth_saving)
{
	struct rig rig = laptop(16);
	uint64_t before = filter_changes(rig.f);

	out(&rig, tcp(TO_PEER, 40000, 22, SYN), 0);
	in(&rig, tcp(FROM_PEER, 40000, 22, SYN_ACK), 1);
	CHECK_INT(filter_changes(rig.f), before + 2);
	out(&rig, tcp(TO_PEER, 40000, 22, ACK), 2); /* no news */
	CHECK_INT(filter_changes(rig.f), before + 2);
	rig_free(&rig);
}

TEST(counts_every_verdict_under_its_own_word)
{
	struct rig rig = laptop(16);
	struct filter_counters n;

	in(&rig, tcp(FROM_PEER, 22, 50000, SYN), 0);
	in(&rig, (struct pkt){.b = {0x45}, .len = 1}, 0);
	filter_read_counters(rig.f, &n);
	CHECK(n.in[FILTER_DROP_POLICY] == 1 && n.in[FILTER_DROP_MALFORMED] == 1);
	for (int i = 0; i < FILTER_VERDICTS; i++) {
		for (int j = 0; j < i; j++)
			CHECK(strcmp(filter_verdict_str((enum filter_verdict)i),
				     filter_verdict_str((enum filter_verdict)j)) != 0);
	}
	rig_free(&rig);
}

/* ---- model: a naive twin for UDP, which knows only "who spoke when" ---- */

enum { MODEL_PORTS = 6 };

struct model {
	bool may_start[2];		/* by way */
	uint64_t until_us[MODEL_PORTS]; /* a flow on this port lives until then */
	enum way starter[MODEL_PORTS];
	bool answered[MODEL_PORTS];
};

static bool model_passes(struct model *m, enum way way, uint16_t port, uint64_t now_us)
{
	bool alive = m->until_us[port] > now_us;

	if (alive && !m->may_start[m->starter[port]]) { /* revoked by this packet */
		m->until_us[port] = 0;
		return false;
	}
	if (!alive) {
		if (!m->may_start[way])
			return false;
		m->starter[port] = way;
		m->answered[port] = false;
	} else if (way != m->starter[port]) {
		m->answered[port] = true;
	}
	m->until_us[port] = now_us + (m->answered[port] ? 180 : 30) * second_us;
	return true;
}

TEST(agrees_with_a_naive_twin_on_random_udp)
{
	struct rig rig = {.f = filter_new(MODEL_PORTS, seed)};
	struct model m = {0};
	uint32_t random = 99;
	uint64_t now_us = 1;

	publish(&rig, NULL, NULL, DEV);
	for (int step = 0; step < 300000; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t dice = random >> 8;
		enum way way = dice & 1 ? TO_PEER : FROM_PEER;
		uint16_t port = (uint16_t)((dice >> 1) % MODEL_PORTS);

		now_us += (dice >> 4) % 20 * second_us;
		if ((dice >> 9) % 50 == 0) {
			m.may_start[FROM_PEER] = dice >> 20 & 1;
			m.may_start[TO_PEER] = dice >> 21 & 1;
			publish(&rig, m.may_start[FROM_PEER] ? &anything : NULL,
				m.may_start[TO_PEER] ? &anything : NULL, DEV);
		}
		struct pkt p = udp(way, port, 53);
		enum filter_verdict v = way == TO_PEER ? out(&rig, p, now_us) : in(&rig, p, now_us);
		CHECK((v == FILTER_PASS) == model_passes(&m, way, port, now_us));
	}
	rig_free(&rig);
}
