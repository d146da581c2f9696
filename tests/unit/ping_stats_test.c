#include "agent/local/ping_stats.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static void check_document(struct json *tree, const char *wanted)
{
	char *text = json_print(tree);

	CHECK_STR(text, wanted);
	free(text);
	json_free(tree);
}

TEST(nothing_answered_is_all_loss_and_no_figures)
{
	struct ping_stats s = {0};

	ping_stats_on_loss(&s);
	ping_stats_on_loss(&s);
	check_document(ping_stats_json(&s),
		       "{\"summary\":{\"sent\":2,\"received\":0,\"loss_pct\":100,\"min_ms\":null,"
		       "\"avg_ms\":null,\"p50_ms\":null,\"p95_ms\":null,\"p99_ms\":null,"
		       "\"max_ms\":null,\"jitter_ms\":null,\"time_to_direct_ms\":null}}");
}

TEST(four_answers_and_one_loss_add_up)
{
	struct ping_stats s = {0};

	ping_stats_on_answer(&s, 10000, false, 0);
	ping_stats_on_answer(&s, 20000, false, 0);
	ping_stats_on_loss(&s);
	ping_stats_on_answer(&s, 30000, true, 1234567);
	ping_stats_on_answer(&s, 26000, true, 5000000);
	/* Jitter: 10/16, then + (10 - 0.625)/16, then + (4 - 1.2109)/16 ms. */
	check_document(ping_stats_json(&s),
		       "{\"summary\":{\"sent\":5,\"received\":4,\"loss_pct\":20,\"min_ms\":10,"
		       "\"avg_ms\":21.5,\"p50_ms\":20,\"p95_ms\":30,\"p99_ms\":30,\"max_ms\":30,"
		       "\"jitter_ms\":1.385,\"time_to_direct_ms\":1234.567}}");
}

TEST(percentiles_are_nearest_rank)
{
	struct ping_stats s = {0};

	for (unsigned i = 100; i >= 1; i--)
		ping_stats_on_answer(&s, i, false, 0);
	CHECK(ping_stats_percentile(&s, 500) == 50);
	CHECK(ping_stats_percentile(&s, 950) == 95);
	CHECK(ping_stats_percentile(&s, 990) == 99);
	CHECK(ping_stats_percentile(&s, 1000) == 100);
	CHECK(ping_stats_percentile(&s, 0) == 1);
}

TEST(percentiles_follow_the_latest_answers)
{
	struct ping_stats s = {0};

	ping_stats_on_answer(&s, 1, false, 0);
	for (unsigned i = 0; i < PING_STATS_KEPT; i++)
		ping_stats_on_answer(&s, 500, false, 0);
	CHECK(ping_stats_percentile(&s, 0) == 500);
	CHECK(s.min_us == 1 && s.answered == PING_STATS_KEPT + 1);
}

TEST(a_line_names_the_path_the_probe_took)
{
	struct endpoint addr;
	struct way way;

	CHECK(endpoint_parse("203.0.113.20:41641", &addr) == 0);
	way = way_direct(addr);
	check_document(ping_answer_json(1, &way, 23456),
		       "{\"seq\":1,\"path\":\"direct\",\"addr\":\"203.0.113.20:41641\","
		       "\"region\":null,\"rtt_ms\":23.456}");
	way = way_relay(2);
	check_document(ping_answer_json(2, &way, 41000),
		       "{\"seq\":2,\"path\":\"relay\",\"addr\":null,\"region\":2,\"rtt_ms\":41}");
	check_document(ping_timeout_json(3), "{\"seq\":3,\"timeout\":true}");
}
