#include "agent/local/netcheck_view.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static void check_document(const struct netcheck_view *view, const char *wanted)
{
	struct json *tree = netcheck_view_json(view);
	char *text = json_print(tree);

	CHECK_STR(text, wanted);
	free(text);
	json_free(tree);
}

TEST(nothing_asked_is_null_throughout)
{
	struct netcheck_view view = {0};

	check_document(
		&view,
		"{\"udp_v4\":null,\"udp_v6\":null,\"public_v4\":null,\"public_v6\":null,"
		"\"nat\":{\"mapping\":\"unknown\",\"filtering\":\"unknown\",\"hairpin\":null,"
		"\"port_preserving\":null},"
		"\"portmap\":{\"pcp\":null,\"nat_pmp\":null,\"upnp\":null},"
		"\"captive_portal\":null,\"preferred_region\":null,\"regions\":[]}");
}

TEST(what_was_found_is_shown)
{
	struct netcheck_region regions[] = {{1, "fra", 12345, 30000, 0}, {2, "sgp", 0, 0, 0}};
	struct netcheck_view view = {.udp_v4 = NETCHECK_YES,
				     .udp_v6 = NETCHECK_NO,
				     .mapping = "endpoint-independent",
				     .port_preserving = NETCHECK_YES,
				     .preferred_region = 1,
				     .regions = regions,
				     .n_regions = 2};

	CHECK(endpoint_parse("203.0.113.5:41641", &view.public_v4) == 0);
	check_document(&view,
		       "{\"udp_v4\":true,\"udp_v6\":false,\"public_v4\":\"203.0.113.5:41641\","
		       "\"public_v6\":null,"
		       "\"nat\":{\"mapping\":\"endpoint-independent\",\"filtering\":\"unknown\","
		       "\"hairpin\":null,\"port_preserving\":true},"
		       "\"portmap\":{\"pcp\":null,\"nat_pmp\":null,\"upnp\":null},"
		       "\"captive_portal\":null,\"preferred_region\":1,\"regions\":["
		       "{\"region\":1,\"code\":\"fra\",\"udp_ms\":12.345,\"https_ms\":30,"
		       "\"icmp_ms\":null},"
		       "{\"region\":2,\"code\":\"sgp\",\"udp_ms\":null,\"https_ms\":null,"
		       "\"icmp_ms\":null}]}");
}
