#include "coordinator/ipam.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

static const uint8_t random_bytes[IPAM_RANDOM_LEN] = {61, 0x34, 0x56, 0x78, 0x9a};

static struct prefix prefix(const char *text)
{
	struct prefix p;

	CHECK_INT(prefix_parse(text, &p), 0);
	return p;
}

static void check_prefix(const struct prefix *p, const char *wanted)
{
	char text[PREFIX_TEXT_LEN];

	prefix_str(p, text);
	CHECK_STR(text, wanted);
}

TEST(draws_away_from_the_servers_own_networks)
{
	struct prefix avoid[] = {prefix("10.77.3.0/24"), prefix("192.168.0.0/16")}, p;

	CHECK_INT(ipam_draw_v4(random_bytes, NULL, 0, &p), 0);
	check_prefix(&p, "10.77.0.0/16");
	CHECK_INT(ipam_draw_v4(random_bytes, avoid, 2, &p), 0);
	check_prefix(&p, "10.78.0.0/16");
	CHECK_INT(ipam_draw_v6(random_bytes, NULL, 0, &p), 0);
	check_prefix(&p, "fd3d:3456:789a::/48");
	struct prefix same = p;
	CHECK_INT(ipam_draw_v6(random_bytes, &same, 1, &p), 0);
	check_prefix(&p, "fd3d:3456:789b::/48");
}

TEST(tries_every_prefix_before_it_gives_up)
{
	struct prefix halves[] = {prefix("10.0.0.0/9"), prefix("10.128.0.0/9")}, p;
	struct prefix most[] = {prefix("10.128.0.0/9"), prefix("10.64.0.0/10"),
				prefix("10.32.0.0/11"), prefix("10.16.0.0/12")};

	CHECK_INT(ipam_draw_v4(random_bytes, halves, 2, &p), -EADDRNOTAVAIL);
	CHECK_INT(ipam_draw_v4(random_bytes, most, 4, &p), 0);
	check_prefix(&p, "10.0.0.0/16");
}

TEST(knows_which_prefixes_may_be_chosen)
{
	struct prefix p = prefix("10.5.0.0/16");

	CHECK(ipam_v4_valid(&p));
	p = prefix("10.5.0.0/15");
	CHECK(!ipam_v4_valid(&p));
	p = prefix("100.64.0.0/16");
	CHECK(!ipam_v4_valid(&p));
	p = prefix("fd12::/48");
	CHECK(ipam_v6_valid(&p) && !ipam_v4_valid(&p));
	p = prefix("2001:db8::/48");
	CHECK(!ipam_v6_valid(&p));
}

static void start(struct ipam *ipam)
{
	struct prefix v4 = prefix("10.77.0.0/16"), v6 = prefix("fd12:3456:789a::/48");

	ipam_init(ipam, &v4, &v6);
}

TEST(gives_both_families_one_host_number)
{
	struct ipam ipam;
	struct ip_addr v4, v6;
	char text[IP_TEXT_LEN];

	start(&ipam);
	CHECK_INT(ipam_take(&ipam, &v4, &v6), 0);
	ip_str(&v4, text);
	CHECK_STR(text, "10.77.0.2");
	ip_str(&v6, text);
	CHECK_STR(text, "fd12:3456:789a::2");
}

TEST(uses_a_returned_address_only_after_all_others)
{
	struct ipam ipam;
	struct ip_addr v4, v6, first;
	unsigned given = 0;

	start(&ipam);
	CHECK_INT(ipam_take(&ipam, &first, &v6), 0);
	ipam_release(&ipam, &first);
	while (ipam_take(&ipam, &v4, &v6) == 0 && !ip_equal(&v4, &first))
		given++;
	CHECK_INT(given, 65532);
	CHECK(ip_equal(&v4, &first));
	CHECK_INT(ipam_take(&ipam, &v4, &v6), -ENOSPC);
}

TEST(claims_what_the_store_says_once)
{
	struct ipam ipam;
	struct ip_addr v4, v6, next;
	char text[IP_TEXT_LEN];

	start(&ipam);
	CHECK_INT(ip_parse("10.77.1.0", &v4), 0);
	CHECK_INT(ipam_claim(&ipam, &v4, &v6), 0);
	ip_str(&v6, text);
	CHECK_STR(text, "fd12:3456:789a::100");
	CHECK_INT(ipam_claim(&ipam, &v4, &v6), -EEXIST);
	CHECK_INT(ipam_take(&ipam, &next, &v6), 0);
	ip_str(&next, text);
	CHECK_STR(text, "10.77.1.1");
	CHECK_INT(ip_parse("10.78.1.0", &v4), 0);
	CHECK_INT(ipam_claim(&ipam, &v4, &v6), -ERANGE);
}
