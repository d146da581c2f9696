#include "agent/system/interface.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include "agent/system/netlink_linux.h"

/* The interface being worked on. */
struct job {
	const struct interface_config *config;
	struct nl_sock *sk;
	int ifindex;
};

/* A kernel without IPv6, or an interface where it is switched off, answers in one of these ways. */
static bool is_family_off(int err, const struct prefix *p)
{
	return !ip_is_v4(&p->ip) && (err == -EAFNOSUPPORT || err == -EPERM || err == -ENODEV);
}

/* ---- link ---- */

static int find_interface(struct job *job)
{
	struct rtnl_link *link;
	int err = netlink_errno(rtnl_link_get_kernel(job->sk, 0, job->config->name, &link));

	if (err < 0)
		return err;
	job->ifindex = rtnl_link_get_ifindex(link);
	rtnl_link_put(link);
	return 0;
}

static int change_link(struct job *job, unsigned mtu_bytes, bool up)
{
	struct rtnl_link *old = rtnl_link_alloc(), *new = rtnl_link_alloc();
	int err = -ENOMEM;

	if (!old || !new)
		goto out;
	rtnl_link_set_ifindex(old, job->ifindex);
	if (mtu_bytes > 0)
		rtnl_link_set_mtu(new, mtu_bytes);
	if (up)
		rtnl_link_set_flags(new, IFF_UP);
	else
		rtnl_link_unset_flags(new, IFF_UP);
	err = netlink_errno(rtnl_link_change(job->sk, old, new, 0));
out:
	rtnl_link_put(old);
	rtnl_link_put(new);
	return err;
}

/* ---- addresses ---- */

/* Removes the interface's addresses that the config does not list, and notes which it has. */
static int prune_addresses(struct job *job, bool have[static INTERFACE_PREFIXES_MAX])
{
	struct nl_cache *cache;
	int err = netlink_errno(rtnl_addr_alloc_cache(job->sk, &cache));

	if (err < 0)
		return err;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *addr = (struct rtnl_addr *)o;
		struct prefix p;
		bool wanted = false;

		if (rtnl_addr_get_ifindex(addr) != job->ifindex ||
		    !netlink_prefix(rtnl_addr_get_local(addr), &p) || ip_is_link_local(&p.ip))
			continue;
		p.len = (uint8_t)rtnl_addr_get_prefixlen(addr);
		for (size_t i = 0; i < job->config->n_addresses; i++) {
			if (prefix_equal(&job->config->addresses[i], &p))
				wanted = have[i] = true;
		}
		if (!wanted)
			err = netlink_errno(rtnl_addr_delete(job->sk, addr, 0));
		if (err < 0 && err != -EADDRNOTAVAIL)
			break;
		err = 0;
	}
	nl_cache_free(cache);
	return err;
}

static int add_address(struct job *job, const struct prefix *p)
{
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local = netlink_addr(p);
	int err = -ENOMEM;

	if (!addr || !local)
		goto out;
	rtnl_addr_set_ifindex(addr, job->ifindex);
	rtnl_addr_set_local(addr, local);
	/* Nobody else is on a TUN, and the routes are set by us. */
	rtnl_addr_set_flags(addr, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	err = netlink_errno(rtnl_addr_add(job->sk, addr, 0));
out:
	nl_addr_put(local);
	rtnl_addr_put(addr);
	return is_family_off(err, p) || err == -EEXIST ? 0 : err;
}

static int correct_addresses(struct job *job)
{
	bool have[INTERFACE_PREFIXES_MAX] = {false};
	int err = prune_addresses(job, have);

	for (size_t i = 0; err == 0 && i < job->config->n_addresses; i++) {
		if (!have[i])
			err = add_address(job, &job->config->addresses[i]);
	}
	return err;
}

/* ---- routes ---- */

/* A route of ours: in the main table, to this interface alone, not made by the kernel itself. */
static bool is_our_route(const struct job *job, struct rtnl_route *route, struct prefix *dst)
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	bool ours = rtnl_route_get_table(route) == RT_TABLE_MAIN &&
		    rtnl_route_get_protocol(route) != RTPROT_KERNEL &&
		    rtnl_route_get_nnexthops(route) == 1 && hop &&
		    rtnl_route_nh_get_ifindex(hop) == job->ifindex;

	return ours && netlink_prefix(rtnl_route_get_dst(route), dst);
}

static int prune_routes(struct job *job, bool have[static INTERFACE_PREFIXES_MAX])
{
	struct nl_cache *cache;
	int err = netlink_errno(rtnl_route_alloc_cache(job->sk, AF_UNSPEC, 0, &cache));

	if (err < 0)
		return err;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;
		struct prefix dst;
		bool wanted = false;

		if (!is_our_route(job, route, &dst))
			continue;
		for (size_t i = 0; i < job->config->n_routes; i++) {
			if (prefix_equal(&job->config->routes[i], &dst))
				wanted = have[i] = true;
		}
		if (!wanted)
			(void)rtnl_route_delete(job->sk, route, 0); /* gone already is fine too */
	}
	nl_cache_free(cache);
	return 0;
}

static int add_route(struct job *job, const struct prefix *p)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	struct nl_addr *dst = netlink_addr(p);
	int err = -ENOMEM;

	if (!route || !hop || !dst)
		goto out;
	rtnl_route_set_family(route, ip_is_v4(&p->ip) ? AF_INET : AF_INET6);
	rtnl_route_set_dst(route, dst);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, ip_is_v4(&p->ip) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
	rtnl_route_nh_set_ifindex(hop, job->ifindex);
	rtnl_route_add_nexthop(route, hop);
	hop = NULL; /* the route's now */
	err = netlink_errno(rtnl_route_add(job->sk, route, NLM_F_EXCL));
out:
	nl_addr_put(dst);
	if (hop)
		rtnl_route_nh_free(hop);
	rtnl_route_put(route);
	return is_family_off(err, p) ? 0 : err;
}

static int correct_routes(struct job *job)
{
	bool have[INTERFACE_PREFIXES_MAX] = {false};
	int err = prune_routes(job, have);

	for (size_t i = 0; err == 0 && i < job->config->n_routes; i++) {
		if (!have[i])
			err = add_route(job, &job->config->routes[i]);
	}
	return err;
}

/* ---- the whole ---- */

static int correct_all(struct job *job, enum interface_step *step)
{
	*step = INTERFACE_FIND;
	int err = find_interface(job);
	if (err < 0)
		return err;
	*step = INTERFACE_UP;
	err = change_link(job, job->config->mtu_bytes, true);
	if (err < 0)
		return err;
	*step = INTERFACE_ADDRESS;
	err = correct_addresses(job);
	if (err < 0)
		return err;
	*step = INTERFACE_ROUTE;
	err = correct_routes(job);
	if (err < 0)
		return err;
	*step = INTERFACE_DONE;
	return 0;
}

int interface_configure(const struct interface_config *config, enum interface_step *step)
{
	int err;
	struct job job = {.config = config, .sk = netlink_connect(&err)};

	*step = INTERFACE_FIND;
	if (!job.sk)
		return err;
	err = correct_all(&job, step);
	nl_socket_free(job.sk);
	return err;
}

int interface_clear(const char *name)
{
	const struct interface_config nothing = {.name = name};
	bool have[INTERFACE_PREFIXES_MAX] = {false};
	int err;
	struct job job = {.config = &nothing, .sk = netlink_connect(&err)};

	if (!job.sk)
		return err;
	err = find_interface(&job);
	if (err == 0)
		err = prune_routes(&job, have);
	if (err == 0)
		err = prune_addresses(&job, have);
	if (err == 0)
		err = change_link(&job, 0, false);
	nl_socket_free(job.sk);
	return err;
}
