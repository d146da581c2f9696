#include "common/proto/derp_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/test.h"

static const char field_map[] =
	"{\"HomeParams\":{\"RegionScore\":{\"2\":0.5,\"9\":2,\"1\":0}},"
	"\"Regions\":{"
	"\"900\":{\"RegionID\":900,\"RegionCode\":\"home\",\"RegionName\":\"Home\",\"Nodes\":["
	"{\"Name\":\"900a\",\"RegionID\":900,\"HostName\":\"192.0.2.5\",\"CertName\":\"sha256-raw:"
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
	"\"STUNPort\":-1,\"DERPPort\":8443,\"InsecureForTests\":true,\"CanPort80\":true}]},"
	"\"2\":{\"RegionID\":2,\"RegionCode\":\"fra\",\"RegionName\":\"Frankfurt\",\"Latitude\":50."
	"11,"
	"\"Longitude\":8.682,\"NoMeasureNoHome\":true,\"Unknown\":[1],\"Nodes\":["
	"{\"Name\":\"2a\",\"RegionID\":2,\"HostName\":\"a.example\",\"IPv4\":\"192.0.2.1\","
	"\"IPv6\":"
	"\"none\"},"
	"{\"Name\":\"2s\",\"RegionID\":2,\"HostName\":\"s.example\",\"IPv6\":\"2001:db8::1\","
	"\"STUNPort\":3479,\"STUNOnly\":true}]}},"
	"\"omitDefaultRegions\":true}";

static struct derp_map *parse(const char *text)
{
	struct json_error err = {0};
	struct derp_map *map = NULL;

	if (derp_map_parse(text, strlen(text), &map, &err) != 0)
		fail_msg("%s", err.text);
	return map;
}

TEST(reads_a_map_of_the_field)
{
	struct derp_map *map = parse(field_map);
	const struct derp_region *fra = derp_map_find(map, 2);

	CHECK(map->n_regions == 2 && map->omit_default_regions);
	CHECK(map->regions[0].id == 2 && map->regions[1].id == 900); /* ascending */
	CHECK_STR(fra->code, "fra");
	CHECK_STR(fra->name, "Frankfurt");
	CHECK(fra->no_measure_no_home && !fra->avoid && fra->score == 0.5 && fra->n_nodes == 2);
	CHECK(derp_map_find(map, 7) == NULL && derp_map_find(map, 3) == NULL);
	derp_map_free(map);
}

TEST(reads_ports_and_addresses_with_the_fields_defaults)
{
	struct derp_map *map = parse(field_map);
	const struct derp_node *a = &derp_map_find(map, 2)->nodes[0];
	const struct derp_node *s = &derp_map_find(map, 2)->nodes[1];
	const struct derp_node *home = &derp_map_find(map, 900)->nodes[0];

	CHECK(a->stun_port == 3478 && a->derp_port == 443 && !a->stun_only);
	CHECK(a->v4_from == DERP_FAMILY_ADDR && a->v6_from == DERP_FAMILY_OFF);
	CHECK(s->stun_port == 3479 && s->stun_only);
	CHECK(s->v4_from == DERP_FAMILY_DNS && s->v6_from == DERP_FAMILY_ADDR);
	CHECK(home->stun_port == 0 && home->derp_port == 8443);
	CHECK(home->insecure_for_tests && home->can_port80 && home->region == 900);
	derp_map_free(map);
}

TEST(a_pin_is_read_from_the_certificate_name)
{
	struct derp_map *map = parse(field_map);
	uint8_t pin[DERP_PIN_LEN];

	CHECK(derp_node_pin(&derp_map_find(map, 900)->nodes[0], pin));
	CHECK(pin[0] == 0x00 && pin[1] == 0x11 && pin[31] == 0xff);
	CHECK(!derp_node_pin(&derp_map_find(map, 2)->nodes[0], pin));
	derp_map_free(map);
}

TEST(a_map_written_reads_back_equal)
{
	struct derp_map *map = parse(field_map);
	struct json *tree = derp_map_to_json(map);
	char *text = json_print(tree);
	struct derp_map *again = parse(text);
	struct json *tree_again = derp_map_to_json(again);
	char *text_again = json_print(tree_again);

	CHECK_STR(text_again, text);
	CHECK(again->n_regions == 2);
	CHECK(derp_region_equal(&map->regions[0], &again->regions[0]));
	CHECK(derp_region_equal(&map->regions[1], &again->regions[1]));
	CHECK(!derp_region_equal(&map->regions[0], &again->regions[1]));
	again->regions[0].nodes[1].derp_port = 444;
	CHECK(!derp_region_equal(&map->regions[0], &again->regions[0]));
	json_free(tree_again);
	json_free(tree);
	free(text_again);
	free(text);
	derp_map_free(again);
	derp_map_free(map);
}

TEST(defaults_are_left_out_when_written)
{
	static const char text[] =
		"{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"x\",\"RegionName\":\"X\","
		"\"Nodes\":"
		"[{\"Name\":\"1a\",\"RegionID\":1,\"HostName\":\"x.example\"}]}}}";
	struct derp_map *map = parse(text);
	struct json *tree = derp_map_to_json(map);
	char *got = json_print(tree);

	CHECK_STR(got, text);
	free(got);
	json_free(tree);
	derp_map_free(map);
}

TEST(a_wrong_field_is_named)
{
	static const struct {
		const char *text, *names;
	} cases[] = {
		{"[]", "Regions"},
		{"{\"Regions\":{\"01\":{}}}", "01"},
		{"{\"Regions\":{\"4294967296\":{}}}", "4294967296"},
		{"{\"Regions\":{\"1\":{\"RegionID\":2}}}", "RegionID"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\"}]}}}", "HostName"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"\"}]}}}",
		 "HostName"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"h\",\"IPv4\":\"::"
		 "1\"}]}}}",
		 "IPv4"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"h\",\"DERPPort\":"
		 "65536}]}}}",
		 "DERPPort"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"h\",\"STUNPort\":-"
		 "2}]}}}",
		 "STUNPort"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"h\",\"STUNOnly\":"
		 "1}]}}}",
		 "STUNOnly"},
		{"{\"Regions\":{\"1\":{},\"1\":{}}}", "Regions"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\",\"HostName\":\"h\\r\\nX: "
		 "y\"}]}}}",
		 "HostName"},
		{"{\"Regions\":{\"1\":{\"Nodes\":[{\"Name\":\"a\\n\",\"HostName\":\"h\"}]}}}",
		 "Name"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_error err = {0};
		struct derp_map *map = NULL;
		int rc = derp_map_parse(cases[i].text, strlen(cases[i].text), &map, &err);

		if (rc != -EBADMSG || !strstr(err.text, cases[i].names))
			fail_msg("%s: %d %s", cases[i].text, rc, err.text);
	}
}

TEST(an_empty_map_is_a_map)
{
	struct derp_map *map = parse("{\"Regions\":{}}");

	CHECK(map->n_regions == 0 && derp_map_find(map, 1) == NULL);
	derp_map_free(map);
}

TEST(one_relay_reads_and_writes_as_relay_add_wants_it)
{
	static const char text[] =
		"{\"RegionID\":901,\"RegionCode\":\"r1\",\"RegionName\":\"Relay "
		"one\",\"Name\":\"901a\","
		"\"HostName\":\"203.0.113.9\",\"STUNPort\":-1,\"DERPPort\":8443}";
	struct json_error err = {0};
	struct json *tree;
	struct derp_map *map = NULL;

	CHECK_INT(json_parse(text, strlen(text), 4096, &tree, &err), 0);
	struct json_in root = json_root(tree, &err);
	CHECK_INT(derp_map_from_relay_json(&root, &map), 0);
	json_free(tree);
	CHECK(map->n_regions == 1 && map->regions[0].id == 901 && map->regions[0].n_nodes == 1);
	tree = derp_map_to_relay_json(map);
	char *got = json_print(tree);
	CHECK_STR(got, text);
	free(got);
	json_free(tree);
	derp_map_free(map);
}
