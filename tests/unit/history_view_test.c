#include "agent/local/history_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static void check_document(struct json *tree, const char *wanted)
{
	char *text = json_print(tree);

	CHECK_STR(text, wanted);
	free(text);
	json_free(tree);
}

TEST(samples_show_nulls_where_nothing_was_measured)
{
	struct sample measured = {.unix_us = 1767323045000000,
				  .way = way_relay(3),
				  .rtt_p50_us = 20000,
				  .rtt_p99_us = 45678,
				  .jitter_us = 0,
				  .loss_ppm = 12500};
	struct sample silent = {.unix_us = 1767323046000000, .loss_ppm = -1};
	struct json *samples, *events;

	struct json *doc = history_view_new("dev.alice", &samples, &events);
	history_view_add_sample(samples, &measured);
	history_view_add_sample(samples, &silent);
	check_document(doc,
		       "{\"peer\":\"dev.alice\",\"samples\":["
		       "{\"t\":\"2026-01-02T03:04:05.000Z\",\"path\":\"relay 3\",\"rtt_p50_ms\":20,"
		       "\"rtt_p99_ms\":45.678,\"loss_pct\":1.25,\"jitter_ms\":0},"
		       "{\"t\":\"2026-01-02T03:04:06.000Z\",\"path\":\"none\",\"rtt_p50_ms\":null,"
		       "\"rtt_p99_ms\":null,\"loss_pct\":null,\"jitter_ms\":null}],\"events\":[]}");
}

TEST(a_gap_shows_its_length_its_cause_and_whose_eyes_saw_it)
{
	struct event e = {.unix_us = 1767323045000000,
			  .end_unix_us = 1767323045750500,
			  .kind = EVENT_GAP,
			  .code = CODE_PATH_SILENT,
			  .seen_by = EVENT_SEEN_BY_BOTH,
			  .lost_packets = 7,
			  .to = way_relay(1),
			  .peer = "dev.alice",
			  .cause = "the direct path fell silent"};
	struct json *samples, *events;
	struct endpoint from;

	CHECK(endpoint_parse("203.0.113.20:41641", &from) == 0);
	e.from = way_direct(from);
	struct json *doc = history_view_new("dev.alice", &samples, &events);
	history_view_add_event(events, &e);
	char wanted[512];
	snprintf(wanted, sizeof(wanted),
		 "{\"peer\":\"dev.alice\",\"samples\":[],\"events\":["
		 "{\"t\":\"2026-01-02T03:04:05.000Z\",\"end\":\"2026-01-02T03:04:05.750Z\","
		 "\"peer\":\"dev.alice\",\"kind\":\"gap\",\"code\":\"path-silent\","
		 "\"cause\":\"the direct path fell silent\",\"owner\":\"%s\","
		 "\"from\":\"direct 203.0.113.20:41641\",\"to\":\"relay 1\",\"gap_ms\":750.5,"
		 "\"lost_packets\":7,\"seen_by\":\"both\"}]}",
		 code_entry(CODE_PATH_SILENT)->owner);
	check_document(doc, wanted);
}

TEST(an_event_of_the_node_itself_has_no_peer_no_end_and_no_gap)
{
	struct event e = {
		.unix_us = 1767323045000000, .kind = EVENT_DAEMON, .code = CODE_RESTARTED};
	struct json *samples, *events;

	struct json *doc = history_view_new("dev.alice", &samples, &events);
	history_view_add_event(events, &e);
	char *text = json_print(doc);
	CHECK(strstr(text, "\"end\":null,\"peer\":null,\"kind\":\"daemon\"") != NULL);
	CHECK(strstr(text, "\"from\":\"none\",\"to\":\"none\",\"gap_ms\":null") != NULL);
	CHECK(strstr(text, code_entry(CODE_RESTARTED)->cause) != NULL);
	free(text);
	json_free(doc);
}
