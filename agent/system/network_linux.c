#include "agent/system/network.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <stdlib.h>
#include <string.h>

#include "agent/system/burst.h"
#include "agent/system/netlink_linux.h"

/* ---- addresses ---- */

/* A temporary or deprecated address may vanish, but it works while it is there; one that is not
 * ours yet, or never will be, does not. */
static bool is_usable(struct rtnl_addr *addr)
{
	unsigned flags = rtnl_addr_get_flags(addr);

	return (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0 ||
	       (flags & IFA_F_OPTIMISTIC) != 0;
}

static bool interface_counts(int ifindex, const char *tun_name)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname((unsigned)ifindex, name))
		return false;
	return network_name_counts(name) && (!tun_name || strcmp(name, tun_name) != 0);
}

static int read_addresses(struct nl_sock *sk, const char *tun_name, struct network *out)
{
	struct nl_cache *cache;
	int err = netlink_errno(rtnl_addr_alloc_cache(sk, &cache));

	if (err < 0)
		return err;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *addr = (struct rtnl_addr *)o;
		struct prefix p;

		if (out->n_addresses == NETWORK_ADDRESSES_MAX)
			break;
		if (!netlink_prefix(rtnl_addr_get_local(addr), &p) || !ip_is_dialable(&p.ip))
			continue;
		if (is_usable(addr) && interface_counts(rtnl_addr_get_ifindex(addr), tun_name))
			out->addresses[out->n_addresses++] = p.ip;
	}
	nl_cache_free(cache);
	return 0;
}

/* ---- default gateways ---- */

struct best {
	struct network_gateway *gateway;
	uint32_t metric;
};

static bool is_default(struct rtnl_route *route)
{
	struct nl_addr *dst = rtnl_route_get_dst(route);

	return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
	       rtnl_route_get_type(route) == RTN_UNICAST &&
	       (!dst || nl_addr_get_prefixlen(dst) == 0) && rtnl_route_get_nnexthops(route) > 0;
}

static void weigh(struct best *best, struct rtnl_route *route, const char *tun_name)
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	int ifindex = rtnl_route_nh_get_ifindex(hop);
	uint32_t metric = rtnl_route_get_priority(route);
	struct prefix via = {0};

	if (best->gateway->ifindex != 0 && metric >= best->metric)
		return;
	if (!interface_counts(ifindex, tun_name))
		return;
	(void)netlink_prefix(rtnl_route_nh_get_gateway(hop), &via);
	*best->gateway = (struct network_gateway){.ip = via.ip, .ifindex = (uint32_t)ifindex};
	best->metric = metric;
}

static int read_gateways(struct nl_sock *sk, const char *tun_name, struct network *out)
{
	struct best v4 = {.gateway = &out->gateway_v4}, v6 = {.gateway = &out->gateway_v6};
	struct nl_cache *cache;
	int err = netlink_errno(rtnl_route_alloc_cache(sk, AF_UNSPEC, 0, &cache));

	if (err < 0)
		return err;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;

		if (is_default(route))
			weigh(rtnl_route_get_family(route) == AF_INET ? &v4 : &v6, route, tun_name);
	}
	nl_cache_free(cache);
	return 0;
}

int network_read(const char *tun_name, struct network *out)
{
	int err;
	struct nl_sock *sk = netlink_connect(&err);

	*out = (struct network){0};
	if (!sk)
		return err;
	err = read_addresses(sk, tun_name, out);
	if (err == 0)
		err = read_gateways(sk, tun_name, out);
	nl_socket_free(sk);
	return err;
}

/* ---- events ---- */

struct network_watch {
	struct nl_sock *sk;
	const char *tun_name; /* borrowed */
	struct burst burst;
	bool heard; /* an event that counts, in this round of reading */
};

/* The interface that an event is about, 0 where it names none. */
static unsigned event_ifindex(struct nlmsghdr *h)
{
	if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
		return (unsigned)((struct ifinfomsg *)nlmsg_data(h))->ifi_index;
	if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
		return ((struct ifaddrmsg *)nlmsg_data(h))->ifa_index;

	struct nlattr *oif = nlmsg_find_attr(h, sizeof(struct rtmsg), RTA_OIF);
	return oif ? nla_get_u32(oif) : 0;
}

static int on_event(struct nl_msg *msg, void *arg)
{
	struct network_watch *w = arg;
	unsigned ifindex = event_ifindex(nlmsg_hdr(msg));
	unsigned tun_ifindex = w->tun_name ? if_nametoindex(w->tun_name) : 0;

	if (ifindex == 0 || ifindex != tun_ifindex)
		w->heard = true;
	return NL_OK;
}

int network_watch_open(const char *tun_name, struct network_watch **out)
{
	struct network_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->tun_name = tun_name;
	w->sk = netlink_connect(&err);
	if (!w->sk)
		goto fail;
	nl_socket_disable_seq_check(w->sk);
	nl_socket_modify_cb(w->sk, NL_CB_VALID, NL_CB_CUSTOM, on_event, w);
	err = netlink_errno(nl_socket_set_nonblocking(w->sk));
	if (err == 0)
		err = netlink_errno(nl_socket_add_memberships(
			w->sk, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
			RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0));
	if (err < 0)
		goto fail;
	*out = w;
	return 0;
fail:
	network_watch_close(w);
	return err;
}

void network_watch_close(struct network_watch *w)
{
	if (w && w->sk)
		nl_socket_free(w->sk);
	free(w);
}

int network_watch_fd(const struct network_watch *w)
{
	return nl_socket_get_fd(w->sk);
}

bool network_watch_on_readable(struct network_watch *w, uint64_t now_us)
{
	int err = 0;

	w->heard = false;
	for (int n = 0; n < 64 && err >= 0; n++)
		err = nl_recvmsgs_default(w->sk);
	/* Lost events (ENOBUFS) are events too. */
	if (err < 0 && netlink_errno(err) != -EAGAIN)
		w->heard = true;
	return w->heard && burst_on_event(&w->burst, now_us);
}

bool network_watch_on_deadline(struct network_watch *w, uint64_t now_us)
{
	return burst_on_deadline(&w->burst, now_us);
}

uint64_t network_watch_deadline(const struct network_watch *w)
{
	return burst_deadline(&w->burst);
}
