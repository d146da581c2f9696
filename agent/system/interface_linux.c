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

/* A route that interface_hold left: to nowhere, for a prefix that we want to ourselves. */
static bool is_held_route(struct rtnl_route *route, struct prefix *dst)
{
	bool held = rtnl_route_get_table(route) == RT_TABLE_MAIN &&
		    rtnl_route_get_type(route) == RTN_UNREACHABLE &&
		    rtnl_route_get_protocol(route) == RTPROT_STATIC;

	return held && netlink_prefix(rtnl_route_get_dst(route), dst);
}

/* What the kernel has of our routes. */
struct found_routes {
	bool here[INTERFACE_PREFIXES_MAX]; /* to the interface */
	bool held[INTERFACE_PREFIXES_MAX]; /* to nowhere */
};

/* Notes which of the config's routes there are, and removes ours that it does not list. */
static int prune_routes(struct job *job, struct found_routes *found)
{
	struct nl_cache *cache;
	int err = netlink_errno(rtnl_route_alloc_cache(job->sk, AF_UNSPEC, 0, &cache));

	if (err < 0)
		return err;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;
		struct prefix dst;
		bool ours = is_our_route(job, route, &dst), wanted = false;

		if (!ours && !is_held_route(route, &dst))
			continue;
		for (size_t i = 0; i < job->config->n_routes; i++) {
			if (!prefix_equal(&job->config->routes[i], &dst))
				continue;
			wanted = true;
			found->here[i] |= ours;
			found->held[i] |= !ours;
		}
		if (ours && !wanted)
			(void)rtnl_route_delete(job->sk, route, 0); /* gone already is fine too */
	}
	nl_cache_free(cache);
	return 0;
}

/* The route to p without a next hop, or NULL. */
static struct rtnl_route *new_route(const struct prefix *p)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct nl_addr *dst = netlink_addr(p);

	if (route && dst) {
		rtnl_route_set_family(route, ip_is_v4(&p->ip) ? AF_INET : AF_INET6);
		rtnl_route_set_dst(route, dst); /* takes a reference of its own */
		rtnl_route_set_table(route, RT_TABLE_MAIN);
		rtnl_route_set_protocol(route, RTPROT_STATIC);
	} else if (route) {
		rtnl_route_put(route);
		route = NULL;
	}
	nl_addr_put(dst);
	return route;
}

/* how: NLM_F_EXCL, or NLM_F_REPLACE for one of ours that leads nowhere. */
static int add_route(struct job *job, const struct prefix *p, int how)
{
	struct rtnl_route *route = new_route(p);
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int err = -ENOMEM;

	if (!route || !hop)
		goto out;
	rtnl_route_set_scope(route, ip_is_v4(&p->ip) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
	rtnl_route_nh_set_ifindex(hop, job->ifindex);
	rtnl_route_add_nexthop(route, hop);
	hop = NULL; /* the route's now */
	err = netlink_errno(rtnl_route_add(job->sk, route, how));
out:
	if (hop)
		rtnl_route_nh_free(hop);
	rtnl_route_put(route);
	return is_family_off(err, p) ? 0 : err;
}

static int correct_routes(struct job *job)
{
	struct found_routes found = {0};
	int err = prune_routes(job, &found);

	for (size_t i = 0; err == 0 && i < job->config->n_routes; i++) {
		if (!found.here[i])
			err = add_route(job, &job->config->routes[i],
					found.held[i] ? NLM_F_REPLACE : NLM_F_EXCL);
	}
	return err;
}

/* In one step, so that there is no moment without a route: that would send in the clear. */
static int hold_route(struct job *job, const struct prefix *p)
{
	struct rtnl_route *route = new_route(p);

	if (!route)
		return -ENOMEM;
	rtnl_route_set_type(route, RTN_UNREACHABLE);
	rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
	int err = netlink_errno(rtnl_route_add(job->sk, route, NLM_F_REPLACE));
	rtnl_route_put(route);
	return is_family_off(err, p) ? 0 : err;
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

int interface_hold(const struct interface_config *config)
{
	struct found_routes found = {0};
	int err;
	struct job job = {.config = config, .sk = netlink_connect(&err)};

	if (!job.sk)
		return err;
	err = find_interface(&job);
	if (err == 0)
		err = prune_routes(&job, &found);
	for (size_t i = 0; err == 0 && i < config->n_routes; i++) {
		if (found.here[i])
			err = hold_route(&job, &config->routes[i]);
	}
	nl_socket_free(job.sk);
	return err;
}

int interface_clear(const char *name)
{
	const struct interface_config nothing = {.name = name};
	bool have[INTERFACE_PREFIXES_MAX] = {false};
	struct found_routes found = {0};
	int err;
	struct job job = {.config = &nothing, .sk = netlink_connect(&err)};

	if (!job.sk)
		return err;
	err = find_interface(&job);
	if (err == 0)
		err = prune_routes(&job, &found);
	if (err == 0)
		err = prune_addresses(&job, have);
	if (err == 0)
		err = change_link(&job, 0, false);
	nl_socket_free(job.sk);
	return err;
}
