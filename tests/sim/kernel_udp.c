/* udp.h for simulated hosts: a lane's two sockets over datagram.h. No GSO, no GRO. */
#include "tests/sim/kernel_udp.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/tunnel/udp.h"
#include "tests/sim/datagram.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/host_part.h"
#include "tests/sim/world.h"

struct outer_socket {
	struct datagram_socket *socket;
	struct kernel_udp_counters *counters; /* the host's */
	int fd;
};

static struct kernel_udp_counters *counters_of(struct host *host)
{
	struct kernel_udp_counters *c = host_part(host, HOST_UDP);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	host_set_part(host, HOST_UDP, c, free);
	return c;
}

const struct kernel_udp_counters *kernel_udp_counters(struct host *host)
{
	return counters_of(host);
}

static void on_arrival(void *arg, struct datagram_socket *socket)
{
	struct outer_socket *s = arg;

	(void)socket;
	descriptor_set_readable(s->fd, true);
}

static int open_one(enum datagram_family family, uint16_t port, int *fd)
{
	struct outer_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	int err = datagram_open(family, port, on_arrival, s, &s->socket);
	if (err) {
		free(s);
		return err;
	}
	s->counters = counters_of(world_here());
	*fd = s->fd = descriptor_new(DESCRIPTOR_UDP, s);
	return 0;
}

static void close_one(int *fd)
{
	struct outer_socket *s = descriptor_object(*fd, DESCRIPTOR_UDP);

	if (s) {
		datagram_close(s->socket);
		descriptor_free(*fd);
		free(s);
	}
	*fd = -1;
}

static struct datagram_socket *socket_of(int fd)
{
	struct outer_socket *s = descriptor_object(fd, DESCRIPTOR_UDP);

	return s ? s->socket : NULL;
}

static int open_pair(uint16_t port, struct udp *udp)
{
	*udp = (struct udp){.fd4 = -1, .fd6 = -1};
	int err = open_one(DATAGRAM_V4, port, &udp->fd4);

	if (err)
		return err;
	udp->port = datagram_port(socket_of(udp->fd4));
	err = open_one(DATAGRAM_V6, udp->port, &udp->fd6);
	if (err)
		close_one(&udp->fd4);
	return err;
}

int udp_open(uint16_t port, uint32_t fwmark, struct udp *out)
{
	int err = -EADDRINUSE;

	(void)fwmark;
	for (unsigned tries = port ? 1 : UDP_PORT_TRIES; tries > 0 && err == -EADDRINUSE; tries--)
		err = open_pair(port, out);
	return err;
}

void udp_close(struct udp *udp)
{
	close_one(&udp->fd4);
	close_one(&udp->fd6);
}

int udp_set_fwmark(const struct udp *udp, uint32_t fwmark)
{
	(void)udp;
	(void)fwmark;
	return 0;
}

int udp_send(const struct udp *udp, const struct endpoint *to, const void *buf, size_t len)
{
	int fd = ip_is_v4(&to->ip) ? udp->fd4 : udp->fd6;
	struct outer_socket *s = descriptor_object(fd, DESCRIPTOR_UDP);
	int err = s ? datagram_send(s->socket, to, buf, len) : -EAFNOSUPPORT;

	if (!err) {
		s->counters->datagrams++;
		s->counters->bytes += len;
	}
	return err;
}

int udp_send_run(struct udp *udp, const struct endpoint *to, const uint8_t *buf, size_t len,
		 size_t segment_len)
{
	int first_err = 0;

	for (size_t at = 0; at < len; at += segment_len) {
		size_t left = len - at;
		int err = udp_send(udp, to, buf + at, left < segment_len ? left : segment_len);

		if (err && !first_err)
			first_err = err;
	}
	return first_err;
}

int udp_receive(int fd, uint8_t *buf, size_t cap, struct udp_received *out)
{
	struct datagram_socket *s = socket_of(fd);

	if (!s)
		return -EBADF;
	out->buf = buf;
	int err = datagram_receive(s, buf, cap, &out->len, &out->from);
	out->segment_len = out->len;
	descriptor_set_readable(fd, datagram_is_waiting(s));
	return err;
}
