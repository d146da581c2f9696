#include "derp-relay/relay_entry.h"

#include <stdio.h>

#include "common/endpoint.h"
#include "common/json.h"
#include "common/key.h"

/* A host that is an address is dialled as it stands, and the other family is not looked for. */
static void set_addresses(struct derp_node *node, const char *host)
{
	struct ip_addr ip;

	if (ip_parse(host, &ip) < 0)
		return;
	if (ip_is_v4(&ip)) {
		node->v4_from = DERP_FAMILY_ADDR;
		node->v4 = ip;
		node->v6_from = DERP_FAMILY_OFF;
	} else {
		node->v6_from = DERP_FAMILY_ADDR;
		node->v6 = ip;
		node->v4_from = DERP_FAMILY_OFF;
	}
}

char *relay_entry_print(const struct relay_entry *e)
{
	char pin[2 * DERP_PIN_LEN + 1];
	struct derp_node node = {
		.region = e->region_id,
		.stun_port = e->stun_port,
		.derp_port = e->derp_port,
		.can_port80 = e->has_port80,
	};
	struct derp_region region = {.id = e->region_id, .score = 1, .nodes = &node, .n_nodes = 1};
	struct derp_map map = {.regions = &region, .n_regions = 1};

	hex_encode(e->pin, sizeof(e->pin), pin);
	snprintf(node.name, sizeof(node.name), "%ua", e->region_id);
	snprintf(node.host, sizeof(node.host), "%s", e->host);
	snprintf(node.cert_name, sizeof(node.cert_name), "sha256-raw:%s", pin);
	snprintf(region.code, sizeof(region.code), "%s", e->region_code);
	snprintf(region.name, sizeof(region.name), "%s", e->region_name);
	set_addresses(&node, e->host);

	struct json *tree = derp_map_to_relay_json(&map);
	char *text = json_print(tree);
	json_free(tree);
	return text;
}
