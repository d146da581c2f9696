#include "agent/filter/filter_rules.h"

#include <errno.h>
#include <netinet/in.h>

#include "tests/unit/test.h"

static const struct filter_rule anything = {FILTER_ANY, 0, 65535};

TEST(knows_only_the_peers_it_was_told)
{
	struct filter_rules *rules = filter_rules_new(7);

	/* Out of order, and enough for the table to grow. */
	for (uint32_t i = 0; i < 40; i++)
		CHECK_INT(filter_rules_add(rules, (i * 17) % 40, &anything, 1, NULL, 0), 0);
	CHECK_INT(filter_rules_add(rules, 3, &anything, 1, NULL, 0), -EEXIST);
	for (uint32_t id = 0; id < 50; id++) {
		CHECK(filter_rules_know(rules, id) == (id < 40));
		CHECK(filter_rules_allow(rules, id, FILTER_IN, IPPROTO_TCP, 22) == (id < 40));
		CHECK(!filter_rules_allow(rules, id, FILTER_OUT, IPPROTO_TCP, 22));
	}
	CHECK_INT(filter_rules_generation(rules), 7);
	filter_rules_free(rules);
}

TEST(covers_protocols_and_ports_as_written)
{
	static const struct {
		struct filter_rule rule;
		uint8_t proto;
		uint16_t port;
		bool allowed;
	} cases[] = {
		{{FILTER_ANY, 0, 65535}, IPPROTO_TCP, 0, true},
		{{FILTER_ANY, 0, 65535}, IPPROTO_GRE, 0, true},
		{{FILTER_ANY, 0, 65535}, IPPROTO_ICMPV6, 0, true},
		{{FILTER_ANY, 22, 22}, IPPROTO_TCP, 22, true},
		{{FILTER_ANY, 22, 22}, IPPROTO_UDP, 22, true},
		{{FILTER_ANY, 22, 22}, IPPROTO_UDP, 23, false},
		{{FILTER_ANY, 0, 22}, IPPROTO_ICMP, 0, false},
		{{FILTER_TCP, 8000, 8100}, IPPROTO_TCP, 7999, false},
		{{FILTER_TCP, 8000, 8100}, IPPROTO_TCP, 8000, true},
		{{FILTER_TCP, 8000, 8100}, IPPROTO_TCP, 8100, true},
		{{FILTER_TCP, 8000, 8100}, IPPROTO_TCP, 8101, false},
		{{FILTER_TCP, 0, 65535}, IPPROTO_UDP, 53, false},
		{{FILTER_UDP, 53, 53}, IPPROTO_UDP, 53, true},
		{{FILTER_ICMP, 0, 0}, IPPROTO_ICMP, 0, true},
		{{FILTER_ICMP, 0, 0}, IPPROTO_ICMPV6, 0, true},
		{{FILTER_ICMP, 0, 0}, IPPROTO_TCP, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter_rules *rules = filter_rules_new(1);

		CHECK_INT(filter_rules_add(rules, 1, NULL, 0, &cases[i].rule, 1), 0);
		CHECK(filter_rules_allow(rules, 1, FILTER_OUT, cases[i].proto, cases[i].port) ==
		      cases[i].allowed);
		filter_rules_free(rules);
	}
}

TEST(reads_ports_as_people_write_them)
{
	static const char *const bad[] = {"",	   "-",	  "22-",   "-22", "65536",
					  "23-22", "22x", "1-2-3", " 22"};
	struct filter_rule r = {0};

	CHECK_INT(filter_ports_parse("22", &r), 0);
	CHECK(r.port_first == 22 && r.port_last == 22);
	CHECK_INT(filter_ports_parse("8000-65535", &r), 0);
	CHECK(r.port_first == 8000 && r.port_last == 65535);
	CHECK_INT(filter_ports_parse("*", &r), 0);
	CHECK(r.port_first == 0 && r.port_last == 65535);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(filter_ports_parse(bad[i], &r), -EINVAL);
}

TEST(reads_protocols_by_name)
{
	enum filter_proto proto;

	CHECK_INT(filter_proto_parse("icmp", &proto), 0);
	CHECK_INT(proto, FILTER_ICMP);
	CHECK_INT(filter_proto_parse("sctp", &proto), -EINVAL);
}
