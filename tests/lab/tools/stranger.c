/*
 * stranger: somebody on the wire who sends to UDP ports what he has seen there, changed as he
 * likes.
 *
 *	seen on the bridge --truncated, oversized, forged, replayed--> where it went
 *	                   --reflected--> where it came from
 *	made here: random bytes; initiations with a right MAC1 (--key), which cost a Diffie-Hellman
 *
 * Sources are those of the packets seen. What it sends carries DSCP 1, by which the lab counts it
 * where it arrives. One kind a run, by a seed; prints how many went to each target.
 */
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sched.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "common/key.h"
#include "tests/lab/tools/garbage.h"
#include "tests/lab/tools/tool.h"

enum { TARGETS_MAX = 16, SEEN_MAX = 256, PAYLOAD_MAX = 1472, OVERSIZED_MAX = 60000 };
enum { HEADERS_LEN = sizeof(struct iphdr) + sizeof(struct udphdr), OUR_TOS = 1 << 2 };
enum { INITIATION_LEN = 148, MAC1_AT = 116, MAC_LEN = 16, STUN_PORT = 3478 };

enum kind { RANDOM, TRUNCATED, OVERSIZED, REPLAYED, REFLECTED, FORGED, INITIATIONS, KINDS };

static const char *const kind_names[KINDS] = {
	[RANDOM] = "random",	       [TRUNCATED] = "truncated", [OVERSIZED] = "oversized",
	[REPLAYED] = "replayed",       [REFLECTED] = "reflected", [FORGED] = "forged",
	[INITIATIONS] = "initiations",
};

struct address { /* as in the headers: network order */
	uint32_t ip;
	uint16_t port;
};

/* Datagrams on the wire, to a target or from it; the newest replace the oldest. */
struct seen {
	struct packet {
		struct address from, to;
		uint8_t bytes[PAYLOAD_MAX];
		size_t len;
	} packets[SEEN_MAX];
	size_t n;
};

struct target {
	struct address at;
	char name[ENDPOINT_TEXT_LEN];
	struct seen to, from;
	uint64_t sent;
};

struct stranger {
	enum kind kind;
	struct target targets[TARGETS_MAX];
	size_t n;
	int wire, raw, udp;
	struct address us;
	uint64_t random, refused;
	uint8_t mac1_key[32];
};

static bool is_same(const struct address *a, const struct address *b)
{
	return a->ip == b->ip && a->port == b->port;
}

/* ---- watching ---- */

static void remember(struct seen *s, const struct address *from, const struct address *to,
		     const uint8_t *bytes, size_t len)
{
	struct packet *p = &s->packets[s->n++ % SEEN_MAX];

	p->from = *from;
	p->to = *to;
	p->len = len < PAYLOAD_MAX ? len : PAYLOAD_MAX;
	memcpy(p->bytes, bytes, p->len);
}

static void look_at(struct stranger *s, const uint8_t *pkt, size_t len)
{
	struct iphdr ip;
	struct udphdr udp;

	if (len < HEADERS_LEN)
		return;
	memcpy(&ip, pkt, sizeof(ip));
	memcpy(&udp, pkt + sizeof(ip), sizeof(udp));
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_UDP || ip.tos == OUR_TOS ||
	    (ntohs(ip.frag_off) & 0x3fff) != 0)
		return;
	const struct address from = {ip.saddr, udp.source}, to = {ip.daddr, udp.dest};
	for (size_t i = 0; i < s->n; i++) {
		struct target *t = &s->targets[i];

		if (is_same(&t->at, &to))
			remember(&t->to, &from, &to, pkt + HEADERS_LEN, len - HEADERS_LEN);
		if (is_same(&t->at, &from))
			remember(&t->from, &from, &to, pkt + HEADERS_LEN, len - HEADERS_LEN);
	}
}

static void watch(struct stranger *s)
{
	static uint8_t pkt[65536];
	struct sockaddr_ll at = {0};
	socklen_t at_len = sizeof(at);
	ssize_t len;

	for (int i = 0; i < 64 && (len = recvfrom(s->wire, pkt, sizeof(pkt), MSG_DONTWAIT,
						  (struct sockaddr *)&at, &at_len)) > 0;
	     i++)
		if (at.sll_protocol == htons(ETH_P_IP))
			look_at(s, pkt, (size_t)len);
}

/* Nodes ask a STUN server seldom: what they would ask and it would answer is known. */
static void know_stun(struct stranger *s, struct target *t)
{
	uint8_t message[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};

	remember(&t->to, &s->us, &t->at, message, sizeof(message));
	message[0] = 1; /* a success */
	remember(&t->from, &t->at, &s->us, message, sizeof(message));
}

static const struct seen *material(const struct stranger *s, const struct target *t)
{
	if (s->kind == RANDOM || s->kind == INITIATIONS)
		return NULL;
	return s->kind == REFLECTED ? &t->from : &t->to;
}

static void watch_until_seen(struct stranger *s)
{
	uint64_t end_us = clock_now_us() + 10 * US_PER_S;

	for (size_t i = 0; i < s->n;) {
		const struct seen *m = material(s, &s->targets[i]);

		if (!m || m->n > 0) {
			i++;
			continue;
		}
		if (clock_now_us() > end_us) {
			fprintf(stderr, "nothing seen at %s\n", s->targets[i].name);
			exit(1);
		}
		usleep(1000);
		watch(s);
	}
}

/* ---- sending ---- */

/* With whatever source the kind asks for. */
static void inject(struct stranger *s, struct target *t, const struct address *from,
		   const uint8_t *bytes, size_t len)
{
	uint8_t pkt[HEADERS_LEN + PAYLOAD_MAX];
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tos = OUR_TOS,
			   .ttl = 64,
			   .protocol = IPPROTO_UDP,
			   .saddr = from->ip,
			   .daddr = t->at.ip};
	struct udphdr udp = {.source = from->port,
			     .dest = t->at.port,
			     .len = htons((uint16_t)(sizeof(udp) + len))};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = t->at.ip};

	memcpy(pkt, &ip, sizeof(ip));
	memcpy(pkt + sizeof(ip), &udp, sizeof(udp));
	memcpy(pkt + HEADERS_LEN, bytes, len);
	bool taken = sendto(s->raw, pkt, HEADERS_LEN + len, MSG_DONTWAIT, (struct sockaddr *)&to,
			    sizeof(to)) >= 0;
	t->sent += taken;
	s->refused += !taken;
}

/* Larger than a frame, in fragments: from our own address. */
static void send_oversized(struct stranger *s, struct target *t, const struct packet *p)
{
	static uint8_t buf[OVERSIZED_MAX];
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = t->at.port, .sin_addr.s_addr = t->at.ip};
	size_t len = p->len + next_random(&s->random) % (OVERSIZED_MAX - p->len);

	memcpy(buf, p->bytes, p->len);
	bool taken =
		sendto(s->udp, buf, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) >= 0;
	t->sent += taken;
	s->refused += !taken;
}

static void flip_bits(struct stranger *s, uint8_t *bytes, size_t len)
{
	for (uint64_t n = 1 + next_random(&s->random) % 8; n > 0 && len > 0; n--)
		bytes[next_random(&s->random) % len] ^= (uint8_t)(1 << next_random(&s->random) % 8);
}

static void send_seen(struct stranger *s, struct target *t)
{
	const struct seen *m = material(s, t);
	size_t n = m->n < SEEN_MAX ? m->n : SEEN_MAX;
	if (n == 0)
		return;
	struct packet p = m->packets[next_random(&s->random) % n];

	switch (s->kind) {
	case TRUNCATED:
		inject(s, t, &p.from, p.bytes, p.len > 0 ? next_random(&s->random) % p.len : 0);
		return;
	case FORGED:
		flip_bits(s, p.bytes, p.len);
		inject(s, t, &p.from, p.bytes, p.len);
		return;
	case OVERSIZED:
		if (next_random(&s->random) % 16 == 0)
			send_oversized(s, t, &p);
		else /* the rest of a frame is zeros, or what an older packet left there */
			inject(s, t, &p.from, p.bytes, PAYLOAD_MAX);
		return;
	case REPLAYED:
		inject(s, t, &p.from, p.bytes, p.len);
		return;
	case REFLECTED:
		inject(s, t, &p.to, p.bytes, p.len);
		return;
	case RANDOM:
	case INITIATIONS:
	case KINDS:
		return;
	}
}

/* Right in all that costs nothing to check. WireGuard, section 5.4.4. */
static void send_initiation(struct stranger *s, struct target *t)
{
	uint8_t msg[INITIATION_LEN] = {1};
	size_t mac_len = MAC_LEN, got;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &mac_len),
			       OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

	for (size_t i = 4; i < MAC1_AT; i++)
		msg[i] = (uint8_t)next_random(&s->random);
	if (EVP_MAC_init(ctx, s->mac1_key, sizeof(s->mac1_key), params) != 1 ||
	    EVP_MAC_update(ctx, msg, MAC1_AT) != 1 ||
	    EVP_MAC_final(ctx, msg + MAC1_AT, &got, MAC_LEN) != 1)
		die("BLAKE2s");
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	inject(s, t, &s->us, msg, sizeof(msg));
}

static void send_one(struct stranger *s)
{
	uint8_t garbage[GARBAGE_MAX];

	if (s->n == 0)
		return;
	struct target *t = &s->targets[next_random(&s->random) % s->n];
	if (s->kind == RANDOM)
		inject(s, t, &s->us, garbage, make_garbage(&s->random, garbage));
	else if (s->kind == INITIATIONS)
		send_initiation(s, t);
	else
		send_seen(s, t);
}

static void run(struct stranger *s, double rate, uint64_t end_us)
{
	uint64_t start_us = clock_now_us(), now_us, sent = 0;
	uint64_t behind_max = (uint64_t)rate / 100 + 1;

	while (!tool_stopped && (now_us = clock_now_us()) < end_us) {
		uint64_t due = (uint64_t)((double)(now_us - start_us) / US_PER_S * rate);

		/* What it was late for is not made up for: the rate is a ceiling. */
		if (due - sent > behind_max)
			sent = due - behind_max;
		for (; sent < due; sent++)
			send_one(s);
		watch(s);
		usleep(1000);
	}
}

/* ---- start ---- */

static void open_wire(struct stranger *s, const char *netns)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int there = open(path, O_RDONLY | O_CLOEXEC);
	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		die(path);
	/* All protocols: a bridge takes frames away before those who ask for one of them. */
	s->wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (s->wire < 0 || setns(here, CLONE_NEWNET) < 0)
		die("the wire");
	close(here);
	close(there);
}

static void open_sockets(struct stranger *s)
{
	struct sockaddr_in us = {.sin_family = AF_INET};
	socklen_t len = sizeof(us);
	int tos = OUR_TOS, buffer = 8 << 20;

	s->raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->raw < 0 || s->udp < 0)
		die("socket");
	setsockopt(s->udp, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(s->raw, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(s->udp, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	/* The address by which it reaches the first target. */
	us.sin_addr.s_addr = s->targets[0].at.ip;
	us.sin_port = s->targets[0].at.port;
	if (connect(s->udp, (struct sockaddr *)&us, sizeof(us)) < 0 ||
	    getsockname(s->udp, (struct sockaddr *)&us, &len) < 0)
		die("connect");
	s->us = (struct address){us.sin_addr.s_addr, us.sin_port};
	us.sin_family = AF_UNSPEC; /* and is free again to send to all */
	(void)!connect(s->udp, (struct sockaddr *)&us, sizeof(us));
}

static void add_target(struct stranger *s, const char *text)
{
	struct target *t = &s->targets[s->n];
	struct sockaddr_storage sa;
	struct sockaddr_in in;
	struct endpoint ep;

	if (s->n == TARGETS_MAX || endpoint_parse(text, &ep) < 0 || !ip_is_v4(&ep.ip)) {
		fprintf(stderr, "not a target: %s\n", text);
		exit(2);
	}
	(void)endpoint_to_sockaddr(&ep, &sa);
	memcpy(&in, &sa, sizeof(in));
	t->at = (struct address){in.sin_addr.s_addr, in.sin_port};
	snprintf(t->name, sizeof(t->name), "%s", text);
	s->n++;
}

static void derive_mac1_key(struct stranger *s, const char *text)
{
	static const char label[] = "mac1----";
	uint8_t input[sizeof(label) - 1 + KEY_LEN];
	struct public_key key;

	if (!text || public_key_parse(text, "nodekey", &key) != 0) {
		fprintf(stderr, "initiations need --key nodekey:…\n");
		exit(2);
	}
	memcpy(input, label, sizeof(label) - 1);
	memcpy(input + sizeof(label) - 1, key.b, KEY_LEN);
	if (EVP_Digest(input, sizeof(input), s->mac1_key, NULL, EVP_blake2s256(), NULL) != 1)
		die("BLAKE2s");
}

__attribute__((noreturn)) static void help(void)
{
	usage("stranger KIND ADDRESS:PORT… --wire NETNS [--rate 4000] [--seconds 2] [--seed 1] "
	      "[--key nodekey:…]\n"
	      "KIND: random truncated oversized replayed reflected forged initiations");
}

static enum kind parse_kind(const char *text)
{
	for (enum kind kind = 0; text && kind < KINDS; kind++)
		if (strcmp(text, kind_names[kind]) == 0)
			return kind;
	help();
}

static void report(const struct stranger *s)
{
	printf("{\"refused\": %lu, \"sent\": {", s->refused);
	for (size_t i = 0; i < s->n; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", s->targets[i].name, s->targets[i].sent);
	printf("}}\n");
}

int main(int argc, char **argv)
{
	static struct stranger s;
	const char *wire = option(argc, argv, "--wire", NULL);

	s.kind = parse_kind(positional(argc, argv, 1));
	s.random = garbage_seed(option_number(argc, argv, "--seed", 1));
	for (int i = 2; positional(argc, argv, i); i++)
		add_target(&s, positional(argc, argv, i));
	if (s.n == 0 || !wire)
		help();
	if (s.kind == INITIATIONS)
		derive_mac1_key(&s, option(argc, argv, "--key", NULL));
	open_wire(&s, wire);
	open_sockets(&s);
	for (size_t i = 0; i < s.n; i++)
		if (s.targets[i].at.port == htons(STUN_PORT))
			know_stun(&s, &s.targets[i]);
	stop_on_signals();
	watch_until_seen(&s);
	run(&s, option_number(argc, argv, "--rate", 4000),
	    clock_now_us() + (uint64_t)(option_number(argc, argv, "--seconds", 2) * US_PER_S));
	report(&s);
	return 0;
}
