#include "agent/cli/show_netcheck.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static void check_shown(const char *document, const char *wanted)
{
	struct json_error err = {0};
	struct json *tree;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK_INT(json_parse(document, strlen(document), SIZE_MAX, &tree, &err), 0);
	struct json_in root = json_root(tree, &err);
	show_netcheck(&root, out);
	fclose(out);
	json_free(tree);
	CHECK_STR(text, wanted);
	free(text);
}

TEST(says_what_the_network_lets_through_and_what_that_means)
{
	check_shown(
		"{\"udp_v4\":true,\"udp_v6\":false,\"public_v4\":\"203.0.113.5:41641\","
		"\"public_v6\":null,\"nat\":{\"mapping\":\"endpoint-independent\","
		"\"filtering\":\"unknown\",\"hairpin\":null,\"port_preserving\":true},"
		"\"portmap\":{\"pcp\":null,\"nat_pmp\":null,\"upnp\":null},"
		"\"captive_portal\":null,\"preferred_region\":1,\"regions\":["
		"{\"region\":1,\"code\":\"fra\",\"udp_ms\":11.2,\"https_ms\":33},"
		"{\"region\":2,\"code\":\"sgp\",\"udp_ms\":null,\"https_ms\":190}]}",
		"UDP over IPv4    yes, seen as 203.0.113.5:41641\n"
		"UDP over IPv6    no\n"
		"NAT mapping      endpoint-independent (easy: peers can be told where our packets "
		"come out)\n"
		"NAT filtering    unknown\n"
		"keeps our port   yes\n"
		"\n"
		"RELAY  CODE  UDP    HTTPS\n"
		"1      fra   11 ms  33 ms   home\n"
		"2      sgp   -      190 ms\n");
}

TEST(what_was_not_asked_is_not_called_a_no)
{
	check_shown("{\"nat\":{\"mapping\":\"unknown\"},\"portmap\":{\"pcp\":true},\"regions\":[]}",
		    "UDP over IPv4    not tested\n"
		    "UDP over IPv6    not tested\n"
		    "NAT mapping      unknown (one STUN server answered, or none: it takes two to "
		    "tell)\n"
		    "NAT filtering    unknown\n"
		    "keeps our port   not tested\n"
		    "port mapping     PCP yes, NAT-PMP not tested, UPnP not tested\n"
		    "\n"
		    "no relays known\n");
}
