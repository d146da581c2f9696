/* own_networks.h on a simulated host: its interfaces that are up. */
#include "coordinator/own_networks.h"

#include "tests/sim/host.h"
#include "tests/sim/world.h"

static void add(struct own_networks *out, const struct ip_addr *ip, uint8_t bits)
{
	struct prefix p = {*ip, bits};

	if (ip_is_none(ip) || out->count == OWN_NETWORKS_MAX)
		return;
	out->list[out->count++] = prefix_masked(&p);
	if (ip_is_none(&out->best))
		out->best = *ip;
}

void own_networks_read(struct own_networks *out)
{
	const struct host *host = world_here();

	*out = (struct own_networks){.count = 0};
	for (size_t i = 0; i < host_nics(host); i++) {
		const struct nic *nic = host_nic(host, i);
		struct ip_addr v4 = nic_v4(nic), v6 = nic_v6(nic);

		if (!nic_is_up(nic))
			continue;
		add(out, &v4, 24);
		add(out, &v6, 64);
	}
}
