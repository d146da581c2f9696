#include "common/endpoint.h"

#include <string.h>

#include "tests/unit/test.h"

TEST(reads_back_what_it_writes)
{
	static const char *const texts[] = {"192.0.2.1:80", "[2001:db8::1]:41641", "0.0.0.0:1"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct endpoint ep;
		char out[ENDPOINT_TEXT_LEN];

		CHECK_INT(endpoint_parse(texts[i], &ep), 0);
		endpoint_str(&ep, out);
		CHECK_STR(out, texts[i]);
	}
}

TEST(refuses_what_is_no_endpoint)
{
	static const char *const texts[] = {
		"",	   "192.0.2.1",	 "192.0.2.1:65536", "[192.0.2.1]:8", "::1:80",
		"host:80", "192.0.2.1:", "[::1]80",	    "[]:80",	     "1.2.3.4:+5"};
	struct endpoint ep;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK(endpoint_parse(texts[i], &ep) != 0);
}

TEST(takes_a_port_alone_as_any_address)
{
	struct endpoint ep;

	CHECK_INT(endpoint_parse(":3478", &ep), 0);
	CHECK(endpoint_is_none(&ep) && ep.port == 3478);
}

TEST(crosses_sockaddr_unchanged)
{
	static const char *const texts[] = {"198.51.100.7:7", "[2001:db8::7]:7"};

	for (size_t i = 0; i < 2; i++) {
		struct endpoint ep, back;
		struct sockaddr_storage ss;

		CHECK_INT(endpoint_parse(texts[i], &ep), 0);
		CHECK(endpoint_to_sockaddr(&ep, &ss) > 0);
		CHECK_INT(endpoint_from_sockaddr((struct sockaddr *)&ss, &back), 0);
		CHECK(endpoint_equal(&ep, &back));
	}
}

TEST(dials_only_addresses_a_peer_can_have)
{
	static const struct {
		const char *ip;
		bool dialable;
	} cases[] = {{"192.0.2.1", true},   {"127.0.0.1", false},	{"169.254.169.254", false},
		     {"224.0.0.1", false},  {"255.255.255.255", false}, {"0.0.0.0", false},
		     {"::1", false},	    {"fe80::1", false},		{"ff02::1", false},
		     {"2001:db8::1", true}, {"10.0.0.1", true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_addr ip;

		CHECK_INT(ip_parse(cases[i].ip, &ip), 0);
		CHECK(ip_is_dialable(&ip) == cases[i].dialable);
	}
}

TEST(knows_what_a_prefix_holds)
{
	struct prefix ten, ten_one, v6;
	struct ip_addr ip;

	CHECK(prefix_parse("10.0.0.0/8", &ten) == 0 && prefix_parse("10.1.0.0/16", &ten_one) == 0);
	CHECK_INT(prefix_parse("fd00::/8", &v6), 0);
	CHECK_INT(ip_parse("10.1.2.3", &ip), 0);
	CHECK(prefix_contains(&ten, &ip) && prefix_contains(&ten_one, &ip));
	CHECK(!prefix_contains(&v6, &ip));
	CHECK(prefix_overlaps(&ten, &ten_one) && !prefix_overlaps(&ten, &v6));
	CHECK(prefix_parse("10.0.0.0/33", &ten) != 0 && prefix_parse("10.0.0.0/", &ten) != 0);
}

TEST(clears_host_bits)
{
	struct prefix p, q;

	CHECK(prefix_parse("10.1.2.3/13", &p) == 0 && prefix_parse("10.0.0.0/13", &q) == 0);
	p = prefix_masked(&p);
	CHECK_MEM(&p.ip, &q.ip, sizeof(p.ip));
}
