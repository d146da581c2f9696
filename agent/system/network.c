#include "agent/system/network.h"

#include <string.h>

/* Beginnings of names: ends and bridges of containers and virtual machines, whose addresses mean
 * nothing elsewhere, and the interfaces of other meshes, through which ours must not run. */
static const char *const private_names[] = {
	"docker", "br-",    "veth",   "virbr", "vnet",	 "cni",	 "flannel",
	"cali",	  "cilium", "podman", "lxc",   "lxdbr",	 "kube", "tailscale",
	"wg",	  "nebula", "zt",     "wt",    "warren",
};

bool network_name_counts(const char *name)
{
	if (strcmp(name, "lo") == 0)
		return false;
	for (size_t i = 0; i < sizeof(private_names) / sizeof(private_names[0]); i++) {
		if (strncmp(name, private_names[i], strlen(private_names[i])) == 0)
			return false;
	}
	return true;
}

static bool gateway_equal(const struct network_gateway *a, const struct network_gateway *b)
{
	return a->ifindex == b->ifindex && ip_equal(&a->ip, &b->ip);
}

bool network_equal(const struct network *a, const struct network *b)
{
	if (a->n_addresses != b->n_addresses || !gateway_equal(&a->gateway_v4, &b->gateway_v4) ||
	    !gateway_equal(&a->gateway_v6, &b->gateway_v6))
		return false;
	for (size_t i = 0; i < a->n_addresses; i++) {
		if (!ip_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	}
	return true;
}
