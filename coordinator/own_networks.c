#include "coordinator/own_networks.h"

#include <ifaddrs.h>
#include <net/if.h>

static uint8_t mask_len(const struct ip_addr *mask, bool v4)
{
	uint8_t len = 0;

	for (size_t i = v4 ? 12 : 0; i < 16; i++)
		for (uint8_t bits = mask->b[i]; bits & 0x80; bits = (uint8_t)(bits << 1))
			len++;
	return len;
}

static int rank(const struct ip_addr *ip)
{
	if (ip_is_none(ip) || !ip_is_dialable(ip))
		return 0;
	return 1 + (ip_is_v4(ip) ? 1 : 0) + (ip_is_private(ip) ? 0 : 2);
}

static void add(struct own_networks *out, const struct ifaddrs *item)
{
	struct endpoint addr, mask;

	if (!item->ifa_addr || !item->ifa_netmask || (item->ifa_flags & IFF_LOOPBACK) ||
	    out->count == OWN_NETWORKS_MAX || endpoint_from_sockaddr(item->ifa_addr, &addr) != 0)
		return;
	/* Some systems leave the family of a mask empty. */
	item->ifa_netmask->sa_family = item->ifa_addr->sa_family;
	if (endpoint_from_sockaddr(item->ifa_netmask, &mask) != 0)
		return;
	struct prefix p = {addr.ip, mask_len(&mask.ip, ip_is_v4(&addr.ip))};
	out->list[out->count++] = prefix_masked(&p);
	if (rank(&addr.ip) > rank(&out->best))
		out->best = addr.ip;
}

void own_networks_read(struct own_networks *out)
{
	struct ifaddrs *all;

	*out = (struct own_networks){.count = 0};
	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *item = all; item; item = item->ifa_next)
		add(out, item);
	freeifaddrs(all);
}
