#include "agent/cli/show_ping.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static void check_shown(const char *line, const char *wanted)
{
	struct json_error err = {0};
	struct json *tree;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK_INT(json_parse(line, strlen(line), SIZE_MAX, &tree, &err), 0);
	struct json_in root = json_root(tree, &err);
	show_ping(&root, out);
	fclose(out);
	json_free(tree);
	CHECK_STR(text, wanted);
	free(text);
}

TEST(each_probe_says_by_which_path_and_how_long)
{
	check_shown(
		"{\"seq\":1,\"path\":\"direct\",\"addr\":\"203.0.113.20:41641\",\"region\":null,"
		"\"rtt_ms\":23.4}",
		"seq 1       23 ms  direct 203.0.113.20:41641\n");
	check_shown("{\"seq\":12,\"path\":\"relay\",\"addr\":null,\"region\":2,\"rtt_ms\":5.25}",
		    "seq 12     5.2 ms  relay 2\n");
	check_shown("{\"seq\":3,\"timeout\":true}", "seq 3    no answer\n");
}

TEST(the_summary_says_what_counts)
{
	check_shown("{\"summary\":{\"sent\":5,\"received\":4,\"loss_pct\":20,\"min_ms\":10,"
		    "\"avg_ms\":21.5,\"p50_ms\":20,\"p95_ms\":30,\"p99_ms\":30,\"max_ms\":30,"
		    "\"jitter_ms\":1.385,\"time_to_direct_ms\":234.5}}",
		    "\n5 sent, 4 answered, 20.0 % lost\n"
		    "  min 10 ms  avg 22 ms  p50 20 ms  p95 30 ms  p99 30 ms  max 30 ms\n"
		    "  jitter 1.4 ms  direct after 234 ms\n");
	check_shown("{\"summary\":{\"sent\":2,\"received\":0,\"loss_pct\":100,\"min_ms\":null}}",
		    "\n2 sent, 0 answered, 100.0 % lost\n");
}
