/* tun.h and interface.h for simulated hosts, and kernel_tun.h. */
#include "tests/sim/kernel_tun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/system/interface.h"
#include "agent/tunnel/tun.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/host_part.h"
#include "tests/sim/world.h"

enum { PACKET_MAX = 1500, QUEUE_MAX = 64, IFINDEX = 100 };

struct queued {
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

struct tun_device {
	struct host *host;
	bool exists, is_up, is_held_back; /* held back: routes lead nowhere (interface_hold) */
	char name[TUN_NAME_LEN];
	int fd; /* of the process that reads it; -1: none */
	unsigned mtu_bytes;
	struct interface_config config; /* addresses and routes */
	void (*on_packet)(void *arg, const uint8_t *packet, size_t len);
	void *arg;
	struct queued *queue; /* QUEUE_MAX */
	size_t first, n;
};

static void free_device(void *ptr)
{
	struct tun_device *d = ptr;

	free(d->queue);
	free(d);
}

static struct tun_device *device_of(struct host *host)
{
	struct tun_device *d = host_part(host, HOST_TUN);

	if (d)
		return d;
	d = calloc(1, sizeof(*d));
	struct queued *queue = malloc(QUEUE_MAX * sizeof(*queue));
	if (!d || !queue)
		abort();
	*d = (struct tun_device){.host = host, .fd = -1, .queue = queue};
	host_set_part(host, HOST_TUN, d, free_device);
	return d;
}

static void forget(struct tun_device *d)
{
	d->exists = d->is_up = d->is_held_back = false;
	d->config = (struct interface_config){0};
	d->first = d->n = 0;
}

/* ---- tun.h ---- */

int tun_open(const struct tun_config *config, struct tun *out)
{
	struct tun_device *d = device_of(world_here());

	if (d->fd >= 0)
		return -EBUSY;
	if (!d->exists) {
		d->exists = true;
		snprintf(d->name, sizeof(d->name), "%s", config->name);
	}
	d->mtu_bytes = config->mtu_bytes ? config->mtu_bytes : TUN_MTU_DEFAULT;
	d->first = d->n = 0;
	d->fd = descriptor_new(DESCRIPTOR_TUN, d);
	*out = (struct tun){.fd = d->fd, .ifindex = IFINDEX};
	memcpy(out->name, d->name, sizeof(out->name));
	return 0;
}

int tun_open_queue(const struct tun *tun, int *fd)
{
	(void)tun;
	*fd = -1;
	return -EBUSY;
}

void tun_close(struct tun *tun)
{
	struct tun_device *d = descriptor_object(tun->fd, DESCRIPTOR_TUN);

	if (d) {
		descriptor_free(tun->fd);
		if (d->fd == tun->fd)
			d->fd = -1;
	}
	tun->fd = -1;
}

int tun_read(int fd, uint8_t *buf, size_t cap, size_t *len)
{
	struct tun_device *d = descriptor_object(fd, DESCRIPTOR_TUN);

	if (!d || d->n == 0)
		return -EAGAIN;
	const struct queued *q = &d->queue[d->first];

	*len = TUN_HDR_LEN + q->len;
	if (cap < *len)
		return -EINVAL;
	memset(buf, 0, TUN_HDR_LEN);
	memcpy(buf + TUN_HDR_LEN, q->bytes, q->len);
	d->n--;
	d->first = d->n ? (d->first + 1) % QUEUE_MAX : 0; /* an empty one begins anew */
	descriptor_set_readable(fd, d->n > 0);
	return 0;
}

int tun_write(int fd, const struct iovec *pieces, size_t n)
{
	struct tun_device *d = descriptor_object(fd, DESCRIPTOR_TUN);
	uint8_t packet[TUN_HDR_LEN + PACKET_MAX];
	size_t len = 0;

	if (!d || !d->is_up || world_is_ghost())
		return -EIO;
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].iov_len > sizeof(packet) - len)
			return -EMSGSIZE;
		memcpy(packet + len, pieces[i].iov_base, pieces[i].iov_len);
		len += pieces[i].iov_len;
	}
	if (len < TUN_HDR_LEN)
		return -EINVAL;
	if (d->on_packet)
		d->on_packet(d->arg, packet + TUN_HDR_LEN, len - TUN_HDR_LEN);
	return 0;
}

int tun_set_mtu(const char *name, unsigned mtu_bytes)
{
	(void)name;
	device_of(world_here())->mtu_bytes = mtu_bytes;
	return 0;
}

int tun_get_mtu(const char *name, unsigned *mtu_bytes)
{
	const struct tun_device *d = device_of(world_here());

	(void)name;
	*mtu_bytes = d->mtu_bytes;
	return d->exists ? 0 : -ENODEV;
}

int tun_set_up(const char *name, bool up)
{
	(void)name;
	device_of(world_here())->is_up = up;
	return 0;
}

int tun_delete(const char *name)
{
	struct tun_device *d = device_of(world_here());

	(void)name;
	if (d->fd >= 0)
		return -EBUSY;
	forget(d);
	return 0;
}

/* ---- interface.h ---- */

int interface_configure(const struct interface_config *config, enum interface_step *step)
{
	struct tun_device *d = device_of(world_here());

	*step = INTERFACE_FIND;
	if (!d->exists)
		return -ENODEV;
	if (world_is_ghost())
		return -EPERM;
	*step = INTERFACE_DONE;
	d->config = *config;
	d->config.name = d->name;
	d->mtu_bytes = config->mtu_bytes;
	d->is_up = true;
	d->is_held_back = false;
	return 0;
}

int interface_hold(const struct interface_config *config)
{
	(void)config;
	if (!world_is_ghost())
		device_of(world_here())->is_held_back = true;
	return 0;
}

int interface_clear(const char *name)
{
	struct tun_device *d = device_of(world_here());

	(void)name;
	if (world_is_ghost())
		return -EPERM;
	d->config = (struct interface_config){0};
	d->is_up = false;
	return 0;
}

/* ---- as applications see it ---- */

void kernel_tun_watch(struct host *host,
		      void (*on_packet)(void *arg, const uint8_t *packet, size_t len), void *arg)
{
	struct tun_device *d = device_of(host);

	d->on_packet = on_packet;
	d->arg = arg;
}

/* RFC 791 section 3.1, RFC 8200 section 3. */
static bool destination_of(const uint8_t *packet, size_t len, struct ip_addr *out)
{
	if (len >= 20 && packet[0] >> 4 == 4) {
		*out = ip_from_v4(packet + 16);
		return true;
	}
	if (len < 40 || packet[0] >> 4 != 6)
		return false;
	memcpy(out->b, packet + 24, sizeof(out->b));
	return true;
}

static bool has_route(const struct tun_device *d, const struct ip_addr *to)
{
	for (size_t i = 0; i < d->config.n_routes; i++)
		if (prefix_contains(&d->config.routes[i], to))
			return true;
	return false;
}

int kernel_tun_send(struct host *host, const uint8_t *packet, size_t len)
{
	struct tun_device *d = device_of(host);
	struct ip_addr to;

	if (!d->exists || !d->is_up)
		return -ENETDOWN;
	if (!destination_of(packet, len, &to) || d->is_held_back || !has_route(d, &to))
		return -ENETUNREACH;
	if (len > d->mtu_bytes || len > PACKET_MAX)
		return -EMSGSIZE;
	if (d->fd < 0 || d->n == QUEUE_MAX)
		return -ENOBUFS;
	struct queued *q = &d->queue[(d->first + d->n++) % QUEUE_MAX];

	q->len = len;
	memcpy(q->bytes, packet, len);
	descriptor_set_readable(d->fd, true);
	return 0;
}

static struct ip_addr address(struct host *host, bool is_v4)
{
	const struct tun_device *d = device_of(host);

	for (size_t i = 0; i < d->config.n_addresses; i++)
		if (ip_is_v4(&d->config.addresses[i].ip) == is_v4)
			return d->config.addresses[i].ip;
	return (struct ip_addr){0};
}

struct ip_addr kernel_tun_v4(struct host *host)
{
	return address(host, true);
}

struct ip_addr kernel_tun_v6(struct host *host)
{
	return address(host, false);
}

void kernel_tun_remove(struct host *host)
{
	forget(device_of(host));
}
