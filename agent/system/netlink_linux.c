#include "agent/system/netlink_linux.h"

#include <errno.h>
#include <netlink/errno.h>
#include <string.h>

int netlink_errno(int nl_error)
{
	static const struct {
		int nl, err;
	} table[] = {
		{NLE_PERM, EPERM},
		{NLE_NOACCESS, EPERM},
		{NLE_EXIST, EEXIST},
		{NLE_NODEV, ENODEV},
		{NLE_OBJ_NOTFOUND, ENODEV},
		{NLE_NOMEM, ENOMEM},
		{NLE_AF_NOSUPPORT, EAFNOSUPPORT},
		{NLE_OPNOTSUPP, EAFNOSUPPORT},
		{NLE_AGAIN, EAGAIN},
		{NLE_INVAL, EINVAL},
		{NLE_NOADDR, EADDRNOTAVAIL},
		{NLE_BUSY, EBUSY},
	};

	if (nl_error >= 0)
		return nl_error;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].nl == -nl_error)
			return -table[i].err;
	}
	return -EIO;
}

struct nl_sock *netlink_connect(int *err)
{
	struct nl_sock *sk = nl_socket_alloc();

	if (!sk) {
		*err = -ENOMEM;
		return NULL;
	}
	*err = netlink_errno(nl_connect(sk, NETLINK_ROUTE));
	if (*err < 0) {
		nl_socket_free(sk);
		return NULL;
	}
	return sk;
}

struct nl_addr *netlink_addr(const struct prefix *p)
{
	bool v4 = ip_is_v4(&p->ip);
	struct nl_addr *a = v4 ? nl_addr_build(AF_INET, p->ip.b + 12, 4)
			       : nl_addr_build(AF_INET6, p->ip.b, sizeof(p->ip.b));

	if (a)
		nl_addr_set_prefixlen(a, p->len);
	return a;
}

bool netlink_prefix(const struct nl_addr *a, struct prefix *out)
{
	const uint8_t *bytes = a ? nl_addr_get_binary_addr(a) : NULL;

	if (!bytes)
		return false;
	*out = (struct prefix){.len = (uint8_t)nl_addr_get_prefixlen(a)};
	if (nl_addr_get_family(a) == AF_INET && nl_addr_get_len(a) == 4) {
		out->ip = ip_from_v4(bytes);
		return true;
	}
	if (nl_addr_get_family(a) != AF_INET6 || nl_addr_get_len(a) != sizeof(out->ip.b))
		return false;
	memcpy(out->ip.b, bytes, sizeof(out->ip.b));
	return true;
}
