#include "agent/wg/allowed_ips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static int peers[64];

static struct prefix prefix(const char *text)
{
	struct prefix p;

	CHECK_INT(prefix_parse(text, &p), 0);
	return p;
}

static void insert(struct allowed_ips *a, const char *text, int *peer)
{
	struct prefix p = prefix(text);

	CHECK_INT(allowed_ips_insert(a, &p, peer), 0);
}

static void *find(const struct allowed_ips *a, const char *text)
{
	struct ip_addr ip;

	CHECK_INT(ip_parse(text, &ip), 0);
	return allowed_ips_find(a, &ip);
}

TEST(longest_prefix_wins_in_both_families)
{
	struct allowed_ips *a = allowed_ips_new();

	insert(a, "10.0.0.0/8", &peers[1]);
	insert(a, "10.1.0.0/16", &peers[2]);
	insert(a, "10.1.2.3/32", &peers[3]);
	insert(a, "fd00::/8", &peers[4]);
	insert(a, "fd00:1::/32", &peers[5]);
	CHECK(find(a, "10.2.0.1") == &peers[1]);
	CHECK(find(a, "10.1.0.1") == &peers[2]);
	CHECK(find(a, "10.1.2.3") == &peers[3]);
	CHECK(find(a, "11.0.0.1") == NULL);
	CHECK(find(a, "fd00:1::9") == &peers[5]);
	CHECK(find(a, "fd00:2::9") == &peers[4]);
	CHECK(find(a, "fe80::1") == NULL);
	allowed_ips_free(a);
}

TEST(default_routes_keep_to_their_family)
{
	struct allowed_ips *a = allowed_ips_new();

	insert(a, "::/0", &peers[6]);
	CHECK(find(a, "192.0.2.1") == NULL);
	CHECK(find(a, "2001:db8::1") == &peers[6]);
	insert(a, "0.0.0.0/0", &peers[4]);
	CHECK(find(a, "192.0.2.1") == &peers[4]);
	CHECK(find(a, "2001:db8::1") == &peers[6]);
	allowed_ips_free(a);
}

TEST(a_prefix_moves_to_whom_it_is_given_last_and_host_bits_dont_matter)
{
	struct allowed_ips *a = allowed_ips_new();
	struct prefix p = prefix("10.1.2.0/24");

	insert(a, "10.1.2.3/24", &peers[1]);
	insert(a, "10.1.2.9/24", &peers[2]);
	CHECK_INT(allowed_ips_count(a), 1);
	CHECK(find(a, "10.1.2.77") == &peers[2]);
	CHECK_INT(allowed_ips_remove(a, &p, &peers[1]), -ENOENT);
	CHECK_INT(allowed_ips_remove(a, &p, &peers[2]), 0);
	CHECK(find(a, "10.1.2.77") == NULL);
	CHECK_INT(allowed_ips_count(a), 0);
	allowed_ips_free(a);
}

TEST(walks_and_removes_the_prefixes_of_one_peer)
{
	struct allowed_ips *a = allowed_ips_new();
	struct prefix p;
	size_t cursor = 0;
	bool saw_v4 = false, saw_v6 = false;

	insert(a, "10.1.0.0/16", &peers[1]);
	insert(a, "fd00:1::/32", &peers[1]);
	insert(a, "10.1.2.0/24", &peers[2]);
	while (allowed_ips_next(a, &peers[1], &cursor, &p)) {
		char text[PREFIX_TEXT_LEN];

		prefix_str(&p, text);
		saw_v4 |= strcmp(text, "10.1.0.0/16") == 0;
		saw_v6 |= strcmp(text, "fd00:1::/32") == 0;
	}
	CHECK(saw_v4 && saw_v6);
	allowed_ips_remove_peer(a, &peers[1]);
	CHECK(find(a, "10.1.9.9") == NULL && find(a, "fd00:1::1") == NULL);
	CHECK(find(a, "10.1.2.9") == &peers[2]);
	CHECK_INT(allowed_ips_count(a), 1);
	allowed_ips_free(a);
}

TEST(a_prefix_longer_than_its_addresses_is_refused)
{
	struct allowed_ips *a = allowed_ips_new();
	struct prefix p = prefix("10.0.0.1/32");

	p.len = 33;
	CHECK_INT(allowed_ips_insert(a, &p, &peers[1]), -EINVAL);
	p = prefix("fd00::/8");
	p.len = 129;
	CHECK_INT(allowed_ips_insert(a, &p, &peers[1]), -EINVAL);
	allowed_ips_free(a);
}

TEST(a_snapshot_stays_as_it_was)
{
	struct allowed_ips *a = allowed_ips_new();
	struct allowed_ips_snapshot *empty = allowed_ips_snapshot(a), *full;
	struct ip_addr ip;

	CHECK_INT(ip_parse("10.1.2.3", &ip), 0);
	insert(a, "10.0.0.0/8", &peers[1]);
	full = allowed_ips_snapshot(a);
	allowed_ips_remove_peer(a, &peers[1]);
	CHECK(allowed_ips_snapshot_find(empty, &ip) == NULL);
	CHECK(allowed_ips_snapshot_find(full, &ip) == &peers[1]);
	CHECK(allowed_ips_snapshot_find(NULL, &ip) == NULL);
	allowed_ips_snapshot_free(empty);
	allowed_ips_snapshot_free(full);
	allowed_ips_snapshot_free(NULL);
	allowed_ips_free(a);
}

/* ---- the naive twin: a list, searched whole ---- */

enum { TWIN_MAX = 400 };

struct twin {
	struct prefix prefix[TWIN_MAX];
	int *peer[TWIN_MAX];
	size_t n;
};

static void twin_insert(struct twin *t, const struct prefix *p, int *peer)
{
	struct prefix masked = prefix_masked(p);
	size_t at = 0;

	while (at < t->n && !prefix_equal(&t->prefix[at], &masked))
		at++;
	t->prefix[at] = masked;
	t->peer[at] = peer;
	t->n += at == t->n;
}

static void twin_drop(struct twin *t, size_t at)
{
	t->n--;
	t->prefix[at] = t->prefix[t->n];
	t->peer[at] = t->peer[t->n];
}

static void *twin_find(const struct twin *t, const struct ip_addr *ip)
{
	int best = -1;
	void *peer = NULL;

	for (size_t i = 0; i < t->n; i++) {
		if (t->prefix[i].len > best && prefix_contains(&t->prefix[i], ip)) {
			best = t->prefix[i].len;
			peer = t->peer[i];
		}
	}
	return peer;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Few distinct bits, so that prefixes nest and collide often. */
static struct ip_addr random_ip(uint32_t *state)
{
	struct ip_addr ip = {.b = {0xfd}};
	bool is_v4 = next_random(state) % 2;

	if (is_v4)
		ip = ip_from_v4((const uint8_t[]){10, 0, 0, 0});
	for (unsigned i = is_v4 ? 13 : 1; i < 16; i++)
		ip.b[i] = (uint8_t)(next_random(state) & 0x83);
	return ip;
}

static void check_lookups(const struct allowed_ips *a, const struct twin *t, uint32_t *state)
{
	struct allowed_ips_snapshot *s = allowed_ips_snapshot(a);

	for (unsigned i = 0; i < 200; i++) {
		struct ip_addr ip = random_ip(state);

		CHECK(allowed_ips_find(a, &ip) == twin_find(t, &ip));
		CHECK(allowed_ips_snapshot_find(s, &ip) == twin_find(t, &ip));
	}
	CHECK_INT(allowed_ips_count(a), t->n);
	allowed_ips_snapshot_free(s);
}

TEST(agrees_with_the_naive_twin_on_random_changes)
{
	for (uint32_t seed = 1; seed <= 20; seed++) {
		struct allowed_ips *a = allowed_ips_new();
		struct twin t = {0};
		uint32_t random = seed;

		for (unsigned step = 0; step < 1500; step++) {
			uint32_t what = next_random(&random) % 16;
			struct prefix p = {.ip = random_ip(&random)};
			int *peer = &peers[next_random(&random) % 64];

			p.len = (uint8_t)(next_random(&random) % (ip_is_v4(&p.ip) ? 33 : 129));
			if (what == 0) {
				allowed_ips_remove_peer(a, peer);
				for (size_t i = t.n; i-- > 0;)
					if (t.peer[i] == peer)
						twin_drop(&t, i);
			} else if (what < 7 && t.n > 0) {
				size_t at = next_random(&random) % t.n;

				CHECK_INT(allowed_ips_remove(a, &t.prefix[at], t.peer[at]), 0);
				twin_drop(&t, at);
			} else if (t.n < TWIN_MAX) {
				CHECK_INT(allowed_ips_insert(a, &p, peer), 0);
				twin_insert(&t, &p, peer);
			}
			if (step % 100 == 0)
				check_lookups(a, &t, &random);
		}
		check_lookups(a, &t, &random);
		while (t.n > 0) {
			CHECK_INT(allowed_ips_remove(a, &t.prefix[0], t.peer[0]), 0);
			twin_drop(&t, 0);
		}
		check_lookups(a, &t, &random);
		allowed_ips_free(a);
	}
}
