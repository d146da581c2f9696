#include "agent/tunnel/tun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/route/link.h>

/* In headers since Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static_assert(TUN_HDR_LEN == sizeof(struct virtio_net_hdr), "the header in front of each packet");

enum { QUEUE_FLAGS = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };

static void set_name(struct ifreq *req, const char *name)
{
	memset(req, 0, sizeof(*req));
	memcpy(req->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
}

/* An ioctl on the interface called req->ifr_name. */
static int interface_ioctl(unsigned long what, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int err = ioctl(fd, what, req) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* A further queue of a multi-queue interface opens although another process holds the first. Its
 * carrier tells: the kernel turns it on with the first queue attached and off with the last. */
static bool is_held(const char *name)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct rtnl_link *link = NULL;
	bool held = false;

	if (sk && nl_connect(sk, NETLINK_ROUTE) == 0 &&
	    rtnl_link_get_kernel(sk, 0, name, &link) == 0) {
		held = rtnl_link_get_carrier(link) != 0;
		rtnl_link_put(link);
	}
	nl_socket_free(sk);
	return held;
}

static int attach_queue(const char *name, int *out, struct ifreq *req)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	set_name(req, name);
	req->ifr_flags = QUEUE_FLAGS;
	if (ioctl(fd, TUNSETIFF, req) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

/* Super-packets both ways, as many kinds as this kernel has. */
static void set_offloads(struct tun *tun)
{
	static const unsigned csum = TUN_F_CSUM, tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
			      uso = TUN_F_USO4 | TUN_F_USO6;

	if (ioctl(tun->fd, TUNSETOFFLOAD, tso | uso) == 0)
		tun->tso = tun->uso = true;
	else if (ioctl(tun->fd, TUNSETOFFLOAD, tso) == 0)
		tun->tso = true;
	else
		(void)ioctl(tun->fd, TUNSETOFFLOAD, csum);
}

static int configure(struct tun *tun, const struct tun_config *config)
{
	int hdr_len = TUN_HDR_LEN;
	struct ifreq req;

	if (ioctl(tun->fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
		return -errno;
	set_offloads(tun);
	if (config->persistent && ioctl(tun->fd, TUNSETPERSIST, 1) < 0)
		return -errno;
	set_name(&req, tun->name);
	int err = interface_ioctl(SIOCGIFINDEX, &req);
	if (err)
		return err;
	tun->ifindex = req.ifr_ifindex;
	return config->mtu_bytes ? tun_set_mtu(tun->name, config->mtu_bytes) : 0;
}

int tun_open(const struct tun_config *config, struct tun *out)
{
	struct tun tun = {.fd = -1};
	struct ifreq req;

	if (strlen(config->name) >= IFNAMSIZ || config->name[0] == '\0')
		return -EINVAL;
	if (is_held(config->name))
		return -EBUSY;
	int err = attach_queue(config->name, &tun.fd, &req);
	if (err)
		return err;
	memcpy(tun.name, req.ifr_name, sizeof(tun.name));
	err = configure(&tun, config);
	if (err) {
		close(tun.fd);
		return err;
	}
	*out = tun;
	return 0;
}

int tun_open_queue(const struct tun *tun, int *fd)
{
	struct ifreq req;

	return attach_queue(tun->name, fd, &req);
}

void tun_close(struct tun *tun)
{
	if (tun->fd >= 0)
		close(tun->fd);
	tun->fd = -1;
}

int tun_read(int fd, uint8_t *buf, size_t cap, size_t *len)
{
	ssize_t got = read(fd, buf, cap);

	if (got < 0)
		return -errno;
	*len = (size_t)got;
	return 0;
}

int tun_write(int fd, const struct iovec *pieces, size_t n)
{
	return writev(fd, pieces, (int)n) < 0 ? -errno : 0;
}

int tun_set_mtu(const char *name, unsigned mtu_bytes)
{
	struct ifreq req;

	if (mtu_bytes > 65535)
		return -EINVAL;
	set_name(&req, name);
	req.ifr_mtu = (int)mtu_bytes;
	return interface_ioctl(SIOCSIFMTU, &req);
}

int tun_get_mtu(const char *name, unsigned *mtu_bytes)
{
	struct ifreq req;

	set_name(&req, name);
	int err = interface_ioctl(SIOCGIFMTU, &req);
	if (!err)
		*mtu_bytes = (unsigned)req.ifr_mtu;
	return err;
}

int tun_set_up(const char *name, bool up)
{
	struct ifreq req;

	set_name(&req, name);
	int err = interface_ioctl(SIOCGIFFLAGS, &req);
	if (err)
		return err;
	req.ifr_flags = (short)(up ? req.ifr_flags | IFF_UP : req.ifr_flags & ~IFF_UP);
	return interface_ioctl(SIOCSIFFLAGS, &req);
}

int tun_delete(const char *name)
{
	struct ifreq req;
	int fd = -1;

	if (is_held(name))
		return -EBUSY;
	int err = attach_queue(name, &fd, &req);
	if (err)
		return err;
	if (ioctl(fd, TUNSETPERSIST, 0) < 0)
		err = -errno;
	close(fd);
	return err;
}
