#include "agent/path/candidate.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "tests/unit/test.h"

enum { S = US_PER_S };

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct candidate_rules rules_here(void)
{
	struct candidate_rules r = {.mesh_n = 2, .own_n = 2};

	CHECK(prefix_parse("10.77.0.0/16", &r.mesh[0]) == 0);
	CHECK(prefix_parse("fd77:1:2::/48", &r.mesh[1]) == 0);
	r.own[0] = ep("192.168.1.10:1");
	r.own[0].port = 0;
	r.own[1] = ep("203.0.113.10:41641");
	return r;
}

TEST(forbidden_addresses_are_refused)
{
	static const struct {
		const char *addr;
		bool allowed;
	} cases[] = {
		{"203.0.113.20:41641", true},	 {"10.2.0.2:41641", true},
		{"192.168.1.11:41641", true},	 {"[2001:db8::7]:41641", true},
		{"127.0.0.1:41641", false},	 {"[::1]:41641", false},
		{"224.0.0.1:41641", false},	 {"[ff02::1]:41641", false},
		{"255.255.255.255:1", false},	 {"169.254.169.254:80", false},
		{"0.0.0.0:41641", false},	 {"203.0.113.20:0", false},
		{"10.77.3.4:41641", false},	 {"[fd77:1:2::9]:41641", false},
		{"192.168.1.10:41641", false},	 {"192.168.1.10:9", false},
		{"203.0.113.10:41641", false},	 {"203.0.113.10:50000", true},
		{"[::ffff:127.0.0.1]:9", false},
	};
	struct candidate_rules rules = rules_here();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint addr = ep(cases[i].addr);

		if (candidate_is_allowed(&rules, &addr) != cases[i].allowed)
			print_message("%s\n", cases[i].addr);
		CHECK(candidate_is_allowed(&rules, &addr) == cases[i].allowed);
	}
}

TEST(a_refusal_is_counted_and_leaves_no_trace)
{
	struct candidate_rules rules = rules_here();
	struct candidate_table t = {0};
	struct endpoint addr = ep("127.0.0.1:9");
	bool fresh = true;

	CHECK_INT(candidate_add(&t, &rules, &addr, CANDIDATE_STUN, S, &fresh), -EACCES);
	CHECK(t.refused == 1 && !fresh && candidate_find(&t, &addr) == -1);
}

TEST(a_second_source_is_added_to_the_first)
{
	struct candidate_rules rules = {0};
	struct candidate_table t = {0};
	struct endpoint addr = ep("203.0.113.20:41641");
	bool fresh;
	int slot = candidate_add(&t, &rules, &addr, CANDIDATE_STUN, 1 * S, &fresh);

	CHECK(slot == 0 && fresh);
	CHECK_INT(candidate_add(&t, &rules, &addr, CANDIDATE_HEARD, 5 * S, &fresh), 0);
	CHECK(!fresh);
	CHECK(t.slot[0].sources == (1u << CANDIDATE_STUN | 1u << CANDIDATE_HEARD));
	CHECK(t.slot[0].first_us == 1 * S && t.slot[0].named_us == 5 * S);
	candidate_unname(&t, CANDIDATE_STUN);
	CHECK(t.slot[0].sources == 1u << CANDIDATE_HEARD);
}

static void fill(struct candidate_table *t, uint64_t from_us)
{
	struct candidate_rules rules = {0};

	for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
		char text[ENDPOINT_TEXT_LEN];
		bool fresh;

		snprintf(text, sizeof(text), "198.51.100.%u:9", i + 1);
		struct endpoint addr = ep(text);
		CHECK_INT(candidate_add(t, &rules, &addr, CANDIDATE_CALL_ME_MAYBE, from_us + i,
					&fresh),
			  i);
	}
}

TEST(a_full_table_gives_up_the_unproved_named_longest_ago)
{
	struct candidate_rules rules = {0};
	struct candidate_table t = {0};
	struct endpoint addr = ep("203.0.113.20:41641"), more = ep("203.0.113.21:41641");
	bool fresh;

	fill(&t, S);
	candidate_on_answer(&t, 0, S + 50); /* the oldest, but it works */
	CHECK_INT(candidate_add(&t, &rules, &addr, CANDIDATE_HEARD, S + 60, &fresh), 1);
	CHECK(fresh);
	for (int i = 0; i < CANDIDATES_MAX; i++)
		candidate_on_answer(&t, i, S + 70);
	CHECK_INT(candidate_add(&t, &rules, &more, CANDIDATE_HEARD, S + 80, &fresh), -ENOBUFS);
	CHECK(candidate_find(&t, &more) == -1);
}

TEST(of_one_address_few_ports_are_kept_that_were_only_heard)
{
	struct candidate_rules rules = {0};
	struct candidate_table t = {0};
	struct endpoint heard = ep("203.0.113.20:1000"), named = ep("203.0.113.20:41641");
	struct endpoint elsewhere = ep("203.0.113.21:1000");
	bool fresh;

	CHECK_INT(candidate_add(&t, &rules, &named, CANDIDATE_STUN, S, &fresh), 0);
	for (unsigned i = 0; i < 4; i++, heard.port++)
		CHECK_INT(candidate_add(&t, &rules, &heard, CANDIDATE_HEARD, S + i, &fresh),
			  (int)i + 1);
	candidate_on_answer(&t, 1, 2 * S);
	/* All of them are fresh: one more would make the peer's NAT give us one more. */
	CHECK_INT(candidate_add(&t, &rules, &heard, CANDIDATE_HEARD, 3 * S, &fresh), -ENOBUFS);
	CHECK_INT(candidate_add(&t, &rules, &elsewhere, CANDIDATE_HEARD, 3 * S, &fresh), 5);
	/* The port that was heard least lately gives way; what was named stays. */
	CHECK_INT(candidate_add(&t, &rules, &heard, CANDIDATE_HEARD, 3 * S + 1, &fresh), 2);
	CHECK(fresh && candidate_find(&t, &named) == 0);
	heard.port++;
	CHECK_INT(candidate_add(&t, &rules, &heard, CANDIDATE_STUN, 3 * S + 1, &fresh), 6);
}

TEST(what_nobody_names_goes_and_what_answered_stays_for_ten_minutes)
{
	struct candidate named = {.addr = ep("203.0.113.20:9"), .sources = 1, .named_us = S};
	struct candidate heard = {
		.addr = ep("203.0.113.20:9"), .sources = 1u << CANDIDATE_HEARD, .named_us = S};
	struct candidate unnamed = {.addr = ep("203.0.113.20:9"), .named_us = S};
	struct candidate worked = {
		.addr = ep("203.0.113.20:9"), .named_us = S, .answered_us = 2 * S};

	CHECK(!candidate_is_stale(&named, 9000ull * S));
	CHECK(!candidate_is_stale(&heard, 46ull * S) && candidate_is_stale(&heard, 47ull * S));
	CHECK(!candidate_is_stale(&unnamed, 31ull * S) && candidate_is_stale(&unnamed, 32ull * S));
	CHECK(!candidate_is_stale(&worked, 601ull * S) && candidate_is_stale(&worked, 602ull * S));
}
