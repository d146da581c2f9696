#include "agent/local/netcheck_view.h"

#include "agent/local/view_field.h"

static void add_answer(struct json *obj, const char *key, enum netcheck_answer answer)
{
	if (answer == NETCHECK_NOT_ASKED)
		json_add_null(obj, key);
	else
		json_add_bool(obj, key, answer == NETCHECK_YES);
}

static void add_nat(struct json *tree, const struct netcheck_view *view)
{
	struct json *nat = json_add_object(tree, "nat");

	json_add_str(nat, "mapping", view->mapping ? view->mapping : "unknown");
	json_add_str(nat, "filtering", view->filtering ? view->filtering : "unknown");
	add_answer(nat, "hairpin", view->hairpin);
	add_answer(nat, "port_preserving", view->port_preserving);
}

static void add_portmap(struct json *tree, const struct netcheck_view *view)
{
	struct json *portmap = json_add_object(tree, "portmap");

	add_answer(portmap, "pcp", view->pcp);
	add_answer(portmap, "nat_pmp", view->nat_pmp);
	add_answer(portmap, "upnp", view->upnp);
}

struct json *netcheck_view_json(const struct netcheck_view *view)
{
	struct json *tree = json_object_new();

	add_answer(tree, "udp_v4", view->udp_v4);
	add_answer(tree, "udp_v6", view->udp_v6);
	view_add_endpoint(tree, "public_v4", &view->public_v4);
	view_add_endpoint(tree, "public_v6", &view->public_v6);
	add_nat(tree, view);
	add_portmap(tree, view);
	add_answer(tree, "captive_portal", view->captive_portal);
	view_add_region(tree, "preferred_region", view->preferred_region);
	struct json *regions = json_add_array(tree, "regions");
	for (size_t i = 0; i < view->n_regions; i++) {
		const struct netcheck_region *region = &view->regions[i];
		struct json *item = json_append_object(regions);

		json_add_u64(item, "region", region->region);
		json_add_str(item, "code", region->code ? region->code : "");
		view_add_ms(item, "udp_ms", region->udp_us);
		view_add_ms(item, "https_ms", region->https_us);
		view_add_ms(item, "icmp_ms", region->icmp_us);
	}
	return tree;
}
