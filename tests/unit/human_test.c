#include "agent/cli/human.h"

#include <errno.h>

#include "tests/unit/test.h"

TEST(durations_read_as_one_would_say_them)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {{0, "0 ms"},	   {350999, "350 ms"},
		     {999999, "999 ms"},   {2449999, "2.4 s"},
		     {9999999, "9.9 s"},   {59000000, "59 s"},
		     {60000000, "1 min"},  {3599000000, "59 min"},
		     {3600000000, "1 h"},  {7500000000, "2 h 5 min"},
		     {86400000000, "1 d"}, {356400000000, "4 d 3 h"}};
	char out[HUMAN_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		human_duration(cases[i].us, out);
		CHECK_STR(out, cases[i].text);
	}
}

TEST(round_trips_keep_a_decimal_where_it_matters)
{
	char out[HUMAN_LEN];

	human_ms(0.84, out);
	CHECK_STR(out, "0.8 ms");
	human_ms(9.96, out);
	CHECK_STR(out, "10 ms");
	human_ms(1234, out);
	CHECK_STR(out, "1.2 s");
}

TEST(reads_the_times_that_the_documents_carry)
{
	uint64_t us;

	CHECK_INT(human_time_parse("2026-01-02T03:04:05.678Z", &us), 0);
	CHECK(us == 1767323045678000);
	CHECK_INT(human_time_parse("2026-01-02T03:04:05Z", &us), 0);
	CHECK(us == 1767323045000000);
	CHECK_INT(human_time_parse("", &us), -EBADMSG);
	CHECK_INT(human_time_parse("2026-01-02 03:04:05", &us), -EBADMSG);
	CHECK_INT(human_time_parse("2026-01-02T03:04:05+01:00", &us), -EBADMSG);
}

TEST(texts_of_others_cannot_steer_the_terminal)
{
	char out[16];

	human_safe("a\033[31m\nb", out, sizeof(out));
	CHECK_STR(out, "a?[31m?b");
	human_safe("\302\2332J\303\251\302\265", out, sizeof(out)); /* U+009B 2J, e acute, micro */
	CHECK_STR(out, "?2J\303\251\302\265");
	human_safe("abcdef", out, 4);
	CHECK_STR(out, "abc");
}

TEST(a_reason_does_not_repeat_the_way_beside_it)
{
	CHECK_STR(human_reason("relay 1: UDP is blocked", "relay 1"), "UDP is blocked");
	CHECK_STR(human_reason("relay 12: UDP is blocked", "relay 1"), "relay 12: UDP is blocked");
	CHECK_STR(human_reason("idle", "-"), "idle");
	CHECK_STR(human_reason(": odd", ""), ": odd");
}
