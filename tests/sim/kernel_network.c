/* network.h for simulated hosts: their interfaces as host.h has them. */
#include "agent/system/network.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/system/burst.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/host.h"
#include "tests/sim/world.h"

struct network_watch {
	struct host *host;
	int fd;
	struct burst burst;
};

static void add_address(struct network *n, struct ip_addr ip)
{
	if (!ip_is_none(&ip) && n->n_addresses < NETWORK_ADDRESSES_MAX)
		n->addresses[n->n_addresses++] = ip;
}

/* The first that is up and has the family is the default route. */
static void add_gateway(struct network_gateway *gateway, const struct nic *nic, struct ip_addr own,
			struct ip_addr next_hop)
{
	if (gateway->ifindex != 0 || ip_is_none(&own))
		return;
	gateway->ifindex = nic_index(nic);
	gateway->ip = next_hop;
}

int network_read(const char *tun_name, struct network *out)
{
	const struct host *host = world_here();

	(void)tun_name;
	*out = (struct network){0};
	for (size_t i = 0; i < host_nics(host); i++) {
		const struct nic *nic = host_nic(host, i);

		if (!nic_is_up(nic))
			continue;
		add_address(out, nic_v4(nic));
		add_address(out, nic_v6(nic));
		add_gateway(&out->gateway_v4, nic, nic_v4(nic), nic_gateway_v4(nic));
		add_gateway(&out->gateway_v6, nic, nic_v6(nic), (struct ip_addr){0});
	}
	return 0;
}

static void on_change(void *arg)
{
	struct network_watch *w = arg;

	descriptor_set_readable(w->fd, true);
}

int network_watch_open(const char *tun_name, struct network_watch **out)
{
	struct network_watch *w = calloc(1, sizeof(*w));

	(void)tun_name;
	if (!w)
		return -ENOMEM;
	w->host = world_here();
	w->fd = descriptor_new(DESCRIPTOR_NETWORK, w);
	host_watch_network(w->host, on_change, w);
	*out = w;
	return 0;
}

void network_watch_close(struct network_watch *w)
{
	if (!w)
		return;
	host_watch_network(w->host, NULL, NULL);
	descriptor_free(w->fd);
	free(w);
}

int network_watch_fd(const struct network_watch *w)
{
	return w->fd;
}

bool network_watch_on_readable(struct network_watch *w, uint64_t now_us)
{
	descriptor_set_readable(w->fd, false);
	return burst_on_event(&w->burst, now_us);
}

bool network_watch_on_deadline(struct network_watch *w, uint64_t now_us)
{
	return burst_on_deadline(&w->burst, now_us);
}

uint64_t network_watch_deadline(const struct network_watch *w)
{
	return burst_deadline(&w->burst);
}
