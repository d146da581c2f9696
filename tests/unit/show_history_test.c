#include "agent/cli/show_history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/test.h"

static void check_shown(const char *document, uint64_t since_us, const char *wanted)
{
	struct json_error err = {0};
	struct json *tree;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	setenv("TZ", "UTC", 1);
	tzset();
	CHECK_INT(json_parse(document, strlen(document), SIZE_MAX, &tree, &err), 0);
	struct json_in root = json_root(tree, &err);
	show_history(&root, since_us, out);
	fclose(out);
	json_free(tree);
	CHECK_STR(text, wanted);
	free(text);
}

TEST(tells_the_story_of_one_peer)
{
	check_shown(
		"{\"peer\":\"dev.alice\",\"samples\":["
		"{\"path\":\"direct 203.0.113.20:41641\",\"rtt_p50_ms\":23,\"rtt_p99_ms\":80,"
		"\"loss_pct\":1},"
		"{\"path\":\"direct 203.0.113.20:41641\",\"rtt_p50_ms\":25,\"rtt_p99_ms\":30,"
		"\"loss_pct\":0},"
		"{\"path\":\"direct 203.0.113.20:41641\",\"rtt_p50_ms\":null,\"loss_pct\":null},"
		"{\"path\":\"relay 1\",\"rtt_p50_ms\":45,\"rtt_p99_ms\":50,\"loss_pct\":0.5}],"
		"\"events\":["
		"{\"t\":\"2026-01-01T23:59:59.900Z\",\"end\":null,\"kind\":\"path\","
		"\"code\":\"path-first\",\"cause\":\"relay 1: the first way that "
		"answered\",\"owner\":\"you\","
		"\"from\":\"none\",\"to\":\"relay 1\",\"gap_ms\":null,\"lost_packets\":0,"
		"\"seen_by\":\"here\"},"
		"{\"t\":\"2026-01-02T14:32:05.000Z\",\"end\":\"2026-01-02T14:32:05.700Z\","
		"\"kind\":\"gap\",\"code\":\"path-silent\",\"cause\":\"the path fell silent\","
		"\"owner\":\"it\",\"from\":\"direct 203.0.113.20:41641\",\"to\":\"relay 1\","
		"\"gap_ms\":700,\"lost_packets\":7,\"seen_by\":\"both\"},"
		"{\"t\":\"2026-01-02T14:40:00.000Z\",\"end\":\"2026-01-02T15:40:00.000Z\","
		"\"kind\":\"sleep\",\"code\":\"asleep\",\"cause\":\"this machine slept\","
		"\"owner\":\"you\",\"from\":\"none\",\"to\":\"none\",\"gap_ms\":null,"
		"\"lost_packets\":0,\"seen_by\":\"here\"},"
		"{\"t\":\"2026-01-02T15:41:00.000Z\",\"end\":null,\"kind\":\"gap\","
		"\"code\":\"unknown\",\"cause\":\"nothing comes back\",\"owner\":\"you\","
		"\"from\":\"relay 1\",\"to\":\"relay 1\",\"gap_ms\":null,\"lost_packets\":1,"
		"\"seen_by\":\"peer\"}]}",
		3600000000,
		"dev.alice, the last 1 h\n"
		"  31 ms typical, 80 ms at worst, 0.5 % lost; direct 75 % of the time that data "
		"passed\n"
		"  out of reach 2 times, 700 ms in all, 700 ms the longest\n"
		"  2026-01-01\n"
		"  23:59:59  path                   the first way that answered, to relay 1  "
		"[path-first]\n"
		"  2026-01-02\n"
		"  14:32:05  gap          700 ms    the path fell silent, from direct "
		"203.0.113.20:41641, to relay 1; 7 packets lost; both ends saw it  [path-silent, "
		"up "
		"to your network's IT]\n"
		"  14:40:00  sleep        1 h       this machine slept  [asleep, up to you]\n"
		"  15:41:00  gap          goes on   nothing comes back, on relay 1; 1 packet lost; "
		"the "
		"peer saw it  [unknown, up to you]\n");
}

TEST(silence_is_said_for_every_peer)
{
	check_shown("{\"peers\":[{\"peer\":\"dev.alice\",\"samples\":[],\"events\":[]},"
		    "{\"peer\":\"ci.alice\",\"samples\":[],\"events\":[]}]}",
		    600000000,
		    "dev.alice, the last 10 min\n"
		    "  nothing was measured: no data passed\n"
		    "  no events\n"
		    "\n"
		    "ci.alice, the last 10 min\n"
		    "  nothing was measured: no data passed\n"
		    "  no events\n");
	check_shown("{\"peers\":[]}", 600000000, "no peers yet, so no history\n");
}
