#include "agent/local/status_view.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static struct endpoint ep(const char *text)
{
	struct endpoint out;

	CHECK(endpoint_parse(text, &out) == 0);
	return out;
}

static struct ip_addr ip(const char *text)
{
	struct ip_addr out;

	CHECK(ip_parse(text, &out) == 0);
	return out;
}

static void check_document(const struct status_view *view, const char *wanted)
{
	struct json *tree = status_view_json(view);
	char *text = json_print(tree);

	CHECK_STR(text, wanted);
	free(text);
	json_free(tree);
}

TEST(a_node_that_never_joined_shows_nulls)
{
	struct status_view view = {.version = "0.1.0", .role = "client", .state = "offline"};

	check_document(&view, "{\"version\":\"0.1.0\",\"role\":\"client\",\"state\":\"offline\","
			      "\"self\":{\"id\":0,\"name\":\"\",\"addresses\":[],\"node_key\":null,"
			      "\"endpoints\":[],\"home_region\":null},"
			      "\"coordinator\":{\"url\":\"\",\"connected\":false,\"since\":null,"
			      "\"last_error\":null},"
			      "\"relays\":[],\"peers\":[]}");
}

TEST(a_node_in_the_mesh_shows_every_field_of_the_contract)
{
	struct status_path paths[] = {
		{.way = way_direct(ep("203.0.113.20:41641")),
		 .state = "up",
		 .rtt_us = 23456,
		 .jitter_us = 0,
		 .loss = 0.005,
		 .since_unix_us = 1767323045678000,
		 .why = "fastest",
		 .why_code = "path-better"},
		{.way = way_relay(2), .state = "probing", .loss = -1},
	};
	struct status_peer peer = {.id = 2,
				   .name = "dev",
				   .owner = "alice",
				   .role = "agent",
				   .v4 = ip("10.1.0.2"),
				   .v6 = ip("fd00::2"),
				   .node_key = {{0xab}},
				   .online = true,
				   .active = true,
				   .path = paths[0],
				   .paths = paths,
				   .n_paths = 2,
				   .last_handshake_unix_us = 1767323045000000,
				   .rx_bytes = 1,
				   .tx_bytes = 9007199254740993};
	struct status_endpoint endpoint = {ep("[2001:db8::1]:41641"), "stun"};
	struct status_relay relays[] = {
		{.region = 2, .code = "fra", .connected = true, .home = true, .rtt_us = 11000},
		{.region = 3, .code = "ams", .error = "its certificate"},
	};
	struct status_view view = {.version = "0.1.0",
				   .role = "client",
				   .state = "online",
				   .id = 1,
				   .name = "laptop",
				   .v4 = ip("10.1.0.1"),
				   .v6 = ip("fd00::1"),
				   .node_key = {{0xcd}},
				   .endpoints = &endpoint,
				   .n_endpoints = 1,
				   .home_region = 2,
				   .coordinator_url = "https://c.example",
				   .coordinator_connected = true,
				   .coordinator_since_unix_us = 1767323045000000,
				   .relays = relays,
				   .n_relays = 2,
				   .peers = &peer,
				   .n_peers = 1,
				   .warning = "old map"};

	view.peers = &peer;
	peer.path.state = NULL;
	check_document(
		&view,
		"{\"version\":\"0.1.0\",\"role\":\"client\",\"state\":\"online\","
		"\"self\":{\"id\":1,\"name\":\"laptop\",\"addresses\":[\"10.1.0.1\",\"fd00::1\"],"
		"\"node_key\":\"nodekey:"
		"cd00000000000000000000000000000000000000000000000000000000000000\","
		"\"endpoints\":[{\"addr\":\"[2001:db8::1]:41641\",\"kind\":\"stun\"}],"
		"\"home_region\":2},"
		"\"coordinator\":{\"url\":\"https://c.example\",\"connected\":true,"
		"\"since\":\"2026-01-02T03:04:05.000Z\",\"last_error\":null},"
		"\"relays\":[{\"region\":2,\"code\":\"fra\",\"connected\":true,\"home\":true,"
		"\"rtt_ms\":11,\"last_error\":null},"
		"{\"region\":3,\"code\":\"ams\",\"connected\":false,\"home\":false,"
		"\"rtt_ms\":null,\"last_error\":\"its certificate\"}],"
		"\"peers\":[{\"id\":2,\"name\":\"dev\",\"owner\":\"alice\",\"role\":\"agent\","
		"\"addresses\":[\"10.1.0.2\",\"fd00::2\"],\"node_key\":\"nodekey:"
		"ab00000000000000000000000000000000000000000000000000000000000000\","
		"\"online\":true,\"active\":true,"
		"\"path\":{\"kind\":\"direct\",\"addr\":\"203.0.113.20:41641\",\"region\":null,"
		"\"rtt_ms\":23.456,\"jitter_ms\":0,\"loss_pct\":0.5,"
		"\"since\":\"2026-01-02T03:04:05.678Z\",\"why\":\"fastest\","
		"\"why_code\":\"path-better\"},"
		"\"paths\":[{\"kind\":\"direct\",\"addr\":\"203.0.113.20:41641\",\"region\":null,"
		"\"state\":\"up\",\"rtt_ms\":23.456,\"jitter_ms\":0,\"loss_pct\":0.5,"
		"\"since\":\"2026-01-02T03:04:05.678Z\",\"why\":\"fastest\","
		"\"why_code\":\"path-better\"},"
		"{\"kind\":\"relay\",\"addr\":null,\"region\":2,\"state\":\"probing\","
		"\"rtt_ms\":null,\"jitter_ms\":null,\"loss_pct\":null,\"since\":null,\"why\":\"\","
		"\"why_code\":\"unknown\"}],"
		"\"last_handshake\":\"2026-01-02T03:04:05.000Z\",\"rx_bytes\":1,"
		"\"tx_bytes\":9007199254740993}],"
		"\"warning\":\"old map\"}");
}
