#include "agent/cli/show_status.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

/* 2026-01-02T03:14:05Z */
static const uint64_t now_unix_us = 1767323645000000;

static void check_shown(const char *document, const char *wanted)
{
	struct json_error err = {0};
	struct json *tree;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK_INT(json_parse(document, strlen(document), SIZE_MAX, &tree, &err), 0);
	struct json_in root = json_root(tree, &err);
	show_status(&root, now_unix_us, out);
	fclose(out);
	json_free(tree);
	CHECK_STR(text, wanted);
	free(text);
}

TEST(shows_every_peers_path_and_the_reason_for_it)
{
	check_shown(
		"{\"state\":\"online\",\"role\":\"client\","
		"\"self\":{\"name\":\"laptop\",\"addresses\":[\"10.1.0.1\",\"fd00::1\"]},"
		"\"coordinator\":{\"url\":\"https://c.example\",\"connected\":true,"
		"\"since\":\"2026-01-02T01:09:05.000Z\",\"last_error\":null},"
		"\"relays\":[{\"region\":1,\"code\":\"fra\",\"connected\":true,\"home\":true,"
		"\"rtt_ms\":11.2},{\"region\":2,\"code\":\"\",\"connected\":false,\"home\":false,"
		"\"rtt_ms\":null,\"last_error\":\"another certificate\"}],"
		"\"peers\":[{\"name\":\"dev\",\"owner\":\"alice\",\"addresses\":[\"10.1.0.2\"],"
		"\"online\":true,\"active\":true,\"path\":{\"kind\":\"direct\","
		"\"addr\":\"203.0.113.20:41641\",\"rtt_ms\":23.4,\"loss_pct\":0.44,"
		"\"since\":\"2026-01-02T03:04:05.000Z\",\"why\":\"direct 203.0.113.20:41641: "
		"answers fastest\"}},"
		"{\"name\":\"ci\",\"owner\":\"alice\",\"addresses\":[],\"online\":true,"
		"\"active\":false,\"path\":{\"kind\":\"relay\",\"region\":2,\"rtt_ms\":null,"
		"\"loss_pct\":0,\"why\":\"UDP is blocked\"}},"
		"{\"name\":\"gone\",\"owner\":\"bob\",\"addresses\":[\"10.1.0.4\"],\"online\":"
		"false,"
		"\"path\":{\"kind\":\"none\",\"why\":\"\"}}]}",
		"laptop is online (client)\n"
		"  addresses    10.1.0.1, fd00::1\n"
		"  coordinator  https://c.example, connected for 2 h 5 min\n"
		"  home relay   1 (fra), connected, 11 ms\n"
		"  relay        2, not connected, not measured (another certificate)\n"
		"\n"
		"PEER       ADDRESS   STATE    PATH                       RTT    LOSS   WHY\n"
		"dev.alice  10.1.0.2  active   direct 203.0.113.20:41641  23 ms  0.4 %  answers "
		"fastest "
		"(for 10 min)\n"
		"ci.alice   -         idle     relay 2                    -      0 %    UDP is "
		"blocked\n"
		"gone.bob   10.1.0.4  offline  -                          -      -\n");
}

TEST(a_node_without_a_mesh_is_told_how_to_join)
{
	check_shown("{\"state\":\"offline\",\"role\":\"client\",\"self\":{\"name\":\"\","
		    "\"addresses\":[]},\"coordinator\":{\"url\":\"\",\"connected\":false,"
		    "\"since\":null,\"last_error\":null},\"relays\":[],\"peers\":[]}",
		    "this node is offline (client)\n"
		    "  addresses    none yet\n"
		    "  coordinator  none: join a mesh with `warren up INVITATION`\n"
		    "\n"
		    "no peers yet\n");
}

TEST(what_is_wrong_with_coordinator_and_map_is_said)
{
	check_shown(
		"{\"state\":\"connecting\",\"role\":\"agent\",\"self\":{\"name\":\"dev\","
		"\"addresses\":[\"10.1.0.2\"]},\"coordinator\":{\"url\":\"https://c.example\","
		"\"connected\":false,\"since\":\"2026-01-02T03:13:50.000Z\","
		"\"last_error\":\"connection\\u001b refused\"},\"warning\":\"the map is 4 d old\","
		"\"relays\":[],\"peers\":[]}",
		"dev is connecting (agent)\n"
		"  warning      the map is 4 d old\n"
		"  addresses    10.1.0.2\n"
		"  coordinator  https://c.example, not connected for 15 s (connection? refused)\n"
		"\n"
		"no peers yet\n");
}

TEST(a_document_of_other_types_shows_as_nothing_and_harms_nobody)
{
	check_shown("{\"state\":7,\"self\":[],\"peers\":{}}",
		    "this node is  ()\n"
		    "  addresses    none yet\n"
		    "  coordinator  none: join a mesh with `warren up INVITATION`\n"
		    "\n"
		    "no peers yet\n");
}
