#include "tests/sim/nat.h"

#include <string.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S };

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct nat *nat_of(struct nat_behaviour behaviour)
{
	struct endpoint outer = ep("203.0.113.7:0");
	struct random dice;

	random_init(&dice, 4, 2);
	return nat_new(&behaviour, &outer.ip, &dice);
}

/* What the outside sees; the port 0 where it is dropped. */
static struct endpoint out(struct nat *n, const char *from, const char *to, uint64_t now_us)
{
	struct endpoint source = ep(from), target = ep(to);

	if (nat_on_outbound(n, NAT_UDP, &source, &target, now_us) != NAT_PASSED)
		return (struct endpoint){0};
	return source;
}

static enum nat_verdict in(struct nat *n, const char *from, struct endpoint to, uint64_t now_us)
{
	struct endpoint source = ep(from);

	return nat_on_inbound(n, NAT_UDP, &source, &to, now_us);
}

#define A "192.168.1.2:5000"
#define B "192.168.1.3:5000"

TEST(mapping_looks_at_as_much_of_the_destination_as_it_should)
{
	static const struct {
		enum nat_dependence mapping;
		bool other_port_other_mapping, other_address_other_mapping;
	} cases[] = {
		{NAT_ENDPOINT_INDEPENDENT, false, false},
		{NAT_ADDRESS_DEPENDENT, false, true},
		{NAT_ADDRESS_AND_PORT_DEPENDENT, true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nat *n = nat_of((struct nat_behaviour){.mapping = cases[i].mapping});
		struct endpoint one = out(n, A, "198.51.100.1:1000", 0);
		struct endpoint port = out(n, A, "198.51.100.1:1001", 0);
		struct endpoint address = out(n, A, "198.51.100.2:1000", 0);
		CHECK_INT(one.port, 5000);
		CHECK(endpoint_equal(&one, &port) == !cases[i].other_port_other_mapping);
		CHECK(endpoint_equal(&one, &address) == !cases[i].other_address_other_mapping);
		nat_free(n);
	}
}

TEST(filtering_lets_in_whom_it_should)
{
	static const struct {
		enum nat_dependence filtering;
		enum nat_verdict same_host_other_port, stranger;
	} cases[] = {
		{NAT_ENDPOINT_INDEPENDENT, NAT_PASSED, NAT_PASSED},
		{NAT_ADDRESS_DEPENDENT, NAT_PASSED, NAT_FILTERED},
		{NAT_ADDRESS_AND_PORT_DEPENDENT, NAT_FILTERED, NAT_FILTERED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nat *n = nat_of((struct nat_behaviour){.filtering = cases[i].filtering});
		struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0);
		CHECK_INT(in(n, "198.51.100.1:1000", mapped, 1), NAT_PASSED);
		CHECK_INT(in(n, "198.51.100.1:1001", mapped, 1), cases[i].same_host_other_port);
		CHECK_INT(in(n, "198.51.100.2:1000", mapped, 1), cases[i].stranger);
		mapped.port = 4999;
		CHECK_INT(in(n, "198.51.100.1:1000", mapped, 1), NAT_NO_MAPPING);
		CHECK_INT(nat_counters(n)->in[NAT_NO_MAPPING], 1);
		nat_free(n);
	}
}

TEST(translates_back_to_the_inner_endpoint)
{
	struct nat *n = nat_of((struct nat_behaviour){.ports = NAT_PORTS_RANDOM});
	struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0), outer = ep("203.0.113.7:0");
	struct endpoint from = ep("198.51.100.1:1000"), inner = ep(A);

	CHECK(ip_equal(&mapped.ip, &outer.ip));
	CHECK(nat_on_inbound(n, NAT_UDP, &from, &mapped, 5) == NAT_PASSED);
	CHECK(endpoint_equal(&mapped, &inner));
	nat_free(n);
}

TEST(keeps_the_port_unless_another_host_has_it)
{
	struct nat *n = nat_of((struct nat_behaviour){0});

	CHECK_INT(out(n, A, "198.51.100.1:1000", 0).port, 5000);
	uint16_t other = out(n, B, "198.51.100.1:1000", 0).port;
	CHECK(other != 5000 && other >= 1024);
	CHECK_INT(nat_mappings(n, 0), 2);
	nat_free(n);
}

TEST(gives_ports_in_sequence_or_at_random)
{
	struct nat *n = nat_of((struct nat_behaviour){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
						      .ports = NAT_PORTS_SEQUENTIAL});
	CHECK_INT(out(n, A, "198.51.100.1:1000", 0).port, 1024);
	CHECK_INT(out(n, A, "198.51.100.1:1001", 0).port, 1025);
	CHECK_INT(out(n, B, "198.51.100.1:1001", 0).port, 1026);
	CHECK_INT(out(n, A, "198.51.100.1:1000", 0).port, 1024);
	nat_free(n);

	n = nat_of((struct nat_behaviour){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
					  .ports = NAT_PORTS_RANDOM});
	uint16_t first = out(n, A, "198.51.100.1:1000", 0).port;
	uint16_t second = out(n, A, "198.51.100.1:1001", 0).port;
	CHECK(first >= 1024 && second >= 1024);
	CHECK(first != second && first + 1 != second);
	nat_free(n);
}

TEST(a_mapping_lives_two_minutes_behind_the_last_packet_out)
{
	struct nat *n = nat_of((struct nat_behaviour){.ports = NAT_PORTS_SEQUENTIAL});
	struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0);

	out(n, A, "198.51.100.1:1000", 100ull * S);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 219ull * S), NAT_PASSED);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 220ull * S), NAT_NO_MAPPING);
	CHECK_INT(nat_counters(n)->mappings_expired, 1);
	CHECK_INT(out(n, A, "198.51.100.1:1000", 221ull * S).port, 1025);
	nat_free(n);
}

TEST(packets_in_refresh_only_where_it_says_so)
{
	struct nat *n = nat_of((struct nat_behaviour){.lifetime_us = 30 * S});
	struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0);

	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 29 * S), NAT_PASSED);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 31 * S), NAT_NO_MAPPING);
	nat_free(n);

	n = nat_of((struct nat_behaviour){.lifetime_us = 30 * S, .inbound_refreshes = true});
	mapped = out(n, A, "198.51.100.1:1000", 0);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 29 * S), NAT_PASSED);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 58 * S), NAT_PASSED);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 88 * S), NAT_NO_MAPPING);
	nat_free(n);
}

TEST(an_opening_for_one_sender_is_not_kept_by_talk_with_another)
{
	struct nat *n = nat_of((struct nat_behaviour){.filtering = NAT_ADDRESS_DEPENDENT});
	struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0);

	out(n, A, "198.51.100.2:1000", 100ull * S);
	CHECK_INT(in(n, "198.51.100.1:9", mapped, 119ull * S), NAT_PASSED);
	CHECK_INT(in(n, "198.51.100.1:9", mapped, 120ull * S), NAT_FILTERED);
	CHECK_INT(in(n, "198.51.100.2:9", mapped, 120ull * S), NAT_PASSED);
	nat_free(n);
}

TEST(hairpins_where_it_says_so)
{
	for (int hairpins = 0; hairpins < 2; hairpins++) {
		struct nat *n = nat_of((struct nat_behaviour){.hairpins = hairpins != 0});
		struct endpoint to = out(n, B, "198.51.100.1:1000", 0), from = ep(A);
		struct endpoint b = ep(B), a_outside = ep("203.0.113.7:0");
		enum nat_verdict v = nat_on_hairpin(n, NAT_UDP, &from, &to, 1);
		CHECK_INT(v, hairpins ? NAT_PASSED : NAT_NO_HAIRPIN);
		if (hairpins) {
			CHECK(endpoint_equal(&to, &b));
			CHECK(ip_equal(&from.ip, &a_outside.ip));
		}
		nat_free(n);
	}
}

TEST(blocks_udp_and_lets_tcp_pass)
{
	struct nat *n = nat_of((struct nat_behaviour){.blocks_udp = true});
	struct endpoint from = ep(A), to = ep("198.51.100.1:443");

	CHECK_INT(nat_on_outbound(n, NAT_UDP, &from, &to, 0), NAT_UDP_BLOCKED);
	CHECK_INT(nat_on_outbound(n, NAT_TCP, &from, &to, 0), NAT_PASSED);
	CHECK_INT(nat_on_inbound(n, NAT_TCP, &to, &from, 7000ull * S), NAT_PASSED);
	CHECK_INT(nat_counters(n)->out[NAT_UDP_BLOCKED], 1);
	nat_free(n);
}

TEST(udp_and_tcp_on_one_port_are_two_mappings)
{
	struct nat *n = nat_of((struct nat_behaviour){0});
	struct endpoint from = ep(A), to = ep("198.51.100.1:443");

	CHECK_INT(out(n, A, "198.51.100.1:443", 0).port, 5000);
	CHECK_INT(nat_on_outbound(n, NAT_TCP, &from, &to, 0), NAT_PASSED);
	CHECK_INT(from.port, 5000);
	CHECK_INT(nat_mappings(n, 1), 2);
	nat_free(n);
}

TEST(a_reboot_forgets_and_may_give_other_ports)
{
	struct nat *n = nat_of((struct nat_behaviour){0});
	struct endpoint mapped = out(n, A, "198.51.100.1:1000", 0);

	nat_reboot(n, false);
	CHECK_INT(in(n, "198.51.100.1:1000", mapped, 1), NAT_NO_MAPPING);
	CHECK_INT(out(n, A, "198.51.100.1:1000", 2).port, 5000);
	nat_reboot(n, true);
	CHECK(out(n, A, "198.51.100.1:1000", 3).port != 5000);
	CHECK_INT(nat_counters(n)->reboots, 2);
	nat_free(n);
}

TEST(another_outer_address_forgets_the_old_one)
{
	struct nat *n = nat_of((struct nat_behaviour){0});
	struct endpoint before = out(n, A, "198.51.100.1:1000", 0), other = ep("203.0.113.8:0");

	nat_set_outer(n, &other.ip);
	struct endpoint after = out(n, A, "198.51.100.1:1000", 1);
	CHECK(ip_equal(&after.ip, &other.ip));
	CHECK_INT(in(n, "198.51.100.1:1000", before, 2), NAT_NO_MAPPING);
	CHECK_INT(in(n, "198.51.100.1:1000", after, 2), NAT_PASSED);
	nat_free(n);
}

TEST(ipv6_is_refused_filtered_or_open)
{
	static const struct {
		enum nat_ipv6 ipv6;
		enum nat_verdict outbound, answer, stranger;
	} cases[] = {
		{NAT_IPV6_NONE, NAT_NO_IPV6, NAT_NO_IPV6, NAT_NO_IPV6},
		{NAT_IPV6_FILTERED, NAT_PASSED, NAT_PASSED, NAT_FILTERED},
		{NAT_IPV6_OPEN, NAT_PASSED, NAT_PASSED, NAT_PASSED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nat *n = nat_of((struct nat_behaviour){.ipv6 = cases[i].ipv6});
		struct endpoint inner = ep("[2001:db8:1::2]:5000"), from = inner;
		struct endpoint to = ep("[2001:db8:2::2]:1000");
		CHECK_INT(nat_on_outbound(n, NAT_UDP, &from, &to, 0), cases[i].outbound);
		CHECK(endpoint_equal(&from, &inner));
		CHECK_INT(in(n, "[2001:db8:2::2]:1000", inner, 1), cases[i].answer);
		CHECK_INT(in(n, "[2001:db8:2::2]:1001", inner, 1), cases[i].stranger);
		nat_free(n);
	}
}

TEST(holds_at_most_what_its_table_has_room_for_and_sweeps_what_expired)
{
	struct nat *n = nat_of((struct nat_behaviour){.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
						      .filtering = NAT_ADDRESS_AND_PORT_DEPENDENT,
						      .ports = NAT_PORTS_RANDOM});
	struct endpoint target = ep("198.51.100.1:1");
	unsigned full = 0;

	for (uint16_t i = 0; i < NAT_MAPPINGS_MAX + 100; i++) {
		struct endpoint from = ep(A);
		target.port = (uint16_t)(i + 1);
		full += nat_on_outbound(n, NAT_UDP, &from, &target, 0) == NAT_FULL;
	}
	CHECK_INT(full, 100);
	CHECK_INT(nat_mappings(n, 1), NAT_MAPPINGS_MAX);
	CHECK(out(n, B, "198.51.100.1:1", 121ull * S).port != 0);
	nat_free(n);
}

TEST(every_verdict_and_behaviour_has_a_word)
{
	for (int v = 0; v < NAT_VERDICTS; v++)
		CHECK(strlen(nat_verdict_str((enum nat_verdict)v)) > 0);
	CHECK_STR(nat_dependence_str(NAT_ADDRESS_DEPENDENT), "address");
	CHECK_STR(nat_ports_str(NAT_PORTS_SEQUENTIAL), "sequential");
}
