/*
 * tun: the interface the applications see. tun_linux.c makes it or takes it over.
 *
 * Opened with IFF_VNET_HDR and IFF_MULTI_QUEUE, so that one read brings a super-packet of up to
 * 64 KB and later lanes can have queues of their own. A persistent interface outlives the process
 * with its addresses and routes, and is never deleted and made again: packets for the mesh are then
 * dropped, not sent in the clear by the default route.
 *
 * Addresses and routes are agent/system's. Every read and write carries a struct virtio_net_hdr
 * of TUN_HDR_LEN bytes in front (offload.h).
 */
#ifndef WARREN_TUN_H
#define WARREN_TUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct iovec;

enum { TUN_NAME_LEN = 16, TUN_HDR_LEN = 10, TUN_MTU_DEFAULT = 1280 };

struct tun_config {
	const char *name; /* may hold %d: the kernel numbers it */
	bool persistent;
	unsigned mtu_bytes; /* 0: left as it is */
};

struct tun {
	int fd; /* non-blocking, close-on-exec; -1: not open */
	char name[TUN_NAME_LEN];
	int ifindex;
	bool tso; /* the kernel hands over TCP super-packets and takes ours */
	bool uso; /* the same for UDP */
};

/* -EBUSY: another process holds it; -EPERM: no CAP_NET_ADMIN; -ENOENT or -ENXIO: no /dev/net/tun;
 * -EINVAL: the name is taken by an interface of another kind, or is none. */
MUST_CHECK int tun_open(const struct tun_config *config, struct tun *out);
/* One more queue of an open interface, for one more lane. Returns the descriptor in *fd. */
MUST_CHECK int tun_open_queue(const struct tun *tun, int *fd);
void tun_close(struct tun *tun);

/* One packet with its header from a queue, one into it, in n pieces. -EAGAIN: nothing is there. */
MUST_CHECK int tun_read(int fd, uint8_t *buf, size_t cap, size_t *len);
MUST_CHECK int tun_write(int fd, const struct iovec *pieces, size_t n);

MUST_CHECK int tun_set_mtu(const char *name, unsigned mtu_bytes);
MUST_CHECK int tun_get_mtu(const char *name, unsigned *mtu_bytes);
MUST_CHECK int tun_set_up(const char *name, bool up);
/* Removes a persistent interface: what `down` and the package do. -EBUSY while a process holds it.
 */
MUST_CHECK int tun_delete(const char *name);

#endif
