#include "agent/tunnel/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { ROOM_WAIT_MS = 5 };

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The forced kind passes the system's limit where we may; the other takes what the limit grants. */
static void set_buffer(int fd, int forced, int plain)
{
	if (set_int(fd, SOL_SOCKET, forced, UDP_BUFFER_BYTES) != 0)
		(void)set_int(fd, SOL_SOCKET, plain, UDP_BUFFER_BYTES);
}

static int bind_any(int fd, int family, uint16_t port)
{
	struct sockaddr_storage any;
	struct endpoint here = {.port = port};

	if (family == AF_INET)
		here.ip = ip_from_v4((const uint8_t[4]){0});
	socklen_t len = endpoint_to_sockaddr(&here, &any);
	return bind(fd, (struct sockaddr *)&any, len) < 0 ? -errno : 0;
}

static int open_one(int family, uint16_t port, uint32_t fwmark, int *out)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;

	int err = 0;
	if (family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!err && fwmark)
		err = set_int(fd, SOL_SOCKET, SO_MARK, (int)fwmark);
	if (!err)
		err = bind_any(fd, family, port);
	if (err) {
		close(fd);
		return err;
	}
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	(void)set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
	*out = fd;
	return 0;
}

static int bound_port(int fd, uint16_t *port)
{
	struct sockaddr_storage here;
	struct endpoint ep;
	socklen_t len = sizeof(here);

	if (getsockname(fd, (struct sockaddr *)&here, &len) < 0)
		return -errno;
	int err = endpoint_from_sockaddr((const struct sockaddr *)&here, &ep);
	*port = ep.port;
	return err;
}

static bool can_segment(int fd)
{
	int size = 0;
	socklen_t len = sizeof(size);

	return fd >= 0 && getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &len) == 0;
}

/* A family the host has not got (no IPv6 at all, or switched off) is not a failure. */
static bool is_absent(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPFNOSUPPORT;
}

static int open_pair(uint16_t port, uint32_t fwmark, struct udp *udp)
{
	*udp = (struct udp){.fd4 = -1, .fd6 = -1, .port = port};
	int err = open_one(AF_INET, port, fwmark, &udp->fd4);
	if (err && !is_absent(err))
		return err;
	if (!err && (err = bound_port(udp->fd4, &udp->port)) != 0)
		goto out;

	err = open_one(AF_INET6, udp->port, fwmark, &udp->fd6);
	if (err && is_absent(err) && udp->fd4 >= 0)
		err = 0;
	if (!err && udp->fd4 < 0)
		err = bound_port(udp->fd6, &udp->port);
	if (err)
		goto out;
	udp->gso4 = can_segment(udp->fd4);
	udp->gso6 = can_segment(udp->fd6);
	return 0;
out:
	udp_close(udp);
	return err;
}

int udp_open(uint16_t port, uint32_t fwmark, struct udp *out)
{
	struct udp udp;
	int err = -EADDRINUSE;

	/* The port the kernel picked for one family may be taken for the other: try the next one.
	 */
	for (unsigned tries = port ? 1 : UDP_PORT_TRIES; tries > 0 && err == -EADDRINUSE; tries--)
		err = open_pair(port, fwmark, &udp);
	if (!err)
		*out = udp;
	return err;
}

void udp_close(struct udp *udp)
{
	if (udp->fd4 >= 0)
		close(udp->fd4);
	if (udp->fd6 >= 0)
		close(udp->fd6);
	udp->fd4 = udp->fd6 = -1;
}

int udp_set_fwmark(const struct udp *udp, uint32_t fwmark)
{
	int err = 0;

	if (udp->fd4 >= 0)
		err = set_int(udp->fd4, SOL_SOCKET, SO_MARK, (int)fwmark);
	if (!err && udp->fd6 >= 0)
		err = set_int(udp->fd6, SOL_SOCKET, SO_MARK, (int)fwmark);
	return err;
}

static int socket_for(const struct udp *udp, const struct endpoint *to)
{
	return ip_is_v4(&to->ip) ? udp->fd4 : udp->fd6;
}

int udp_send(const struct udp *udp, const struct endpoint *to, const void *buf, size_t len)
{
	struct sockaddr_storage sa;
	int fd = socket_for(udp, to);

	if (fd < 0)
		return -EAFNOSUPPORT;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);
	if (sendto(fd, buf, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) < 0)
		return -errno;
	return 0;
}

/* One message of several segments, cut by the kernel or the card. */
static int send_segmented(int fd, const struct endpoint *to, const uint8_t *buf, size_t len,
			  size_t segment_len)
{
	struct sockaddr_storage sa;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct msghdr msg = {
		.msg_name = &sa,
		.msg_namelen = endpoint_to_sockaddr(to, &sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	uint16_t size = (uint16_t)segment_len;

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	return sendmsg(fd, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int send_singly(const struct udp *udp, const struct endpoint *to, const uint8_t *buf,
		       size_t len, size_t segment_len)
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

/* What an interface without checksum offload, or one whose MTU is below a segment, answers. */
static bool is_refused(int err)
{
	return err == -EIO || err == -EINVAL || err == -EMSGSIZE || err == -EOPNOTSUPP;
}

/* One part of a run: segmented where the socket can and the part is more than one datagram. */
static int send_part(const struct udp *udp, bool *gso, const struct endpoint *to,
		     const uint8_t *buf, size_t len, size_t segment_len)
{
	int err = -EIO;

	if (*gso && len > segment_len) {
		err = send_segmented(socket_for(udp, to), to, buf, len, segment_len);
		/* EINVAL also says "a segment exceeds this route's MTU": only EIO is for good. */
		if (err == -EIO)
			*gso = false;
	}
	return is_refused(err) ? send_singly(udp, to, buf, len, segment_len) : err;
}

/* The card is slower than we are: better that the TUN's queue fills than that packets are lost. */
static void wait_for_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	(void)poll(&p, 1, ROOM_WAIT_MS);
}

int udp_send_run(struct udp *udp, const struct endpoint *to, const uint8_t *buf, size_t len,
		 size_t segment_len)
{
	int fd = socket_for(udp, to);
	bool *gso = ip_is_v4(&to->ip) ? &udp->gso4 : &udp->gso6;
	size_t per_message = UDP_GSO_BYTES_MAX / segment_len;
	int first_err = 0;

	if (fd < 0)
		return -EAFNOSUPPORT;
	if (per_message > UDP_GSO_SEGMENTS_MAX)
		per_message = UDP_GSO_SEGMENTS_MAX;
	if (per_message == 0) /* what the kernel refuses is for it to refuse */
		per_message = 1;
	while (len > 0) {
		size_t part = len < per_message * segment_len ? len : per_message * segment_len;
		int err = send_part(udp, gso, to, buf, part, segment_len);

		if (err == -EAGAIN) {
			wait_for_room(fd);
			err = send_part(udp, gso, to, buf, part, segment_len);
		}
		if (err && !first_err)
			first_err = err;
		buf += part;
		len -= part;
	}
	return first_err;
}

static size_t gro_segment_len(struct msghdr *msg, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int size;

		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 ? (size_t)size : len;
	}
	return len;
}

int udp_receive(int fd, uint8_t *buf, size_t cap, struct udp_received *out)
{
	struct sockaddr_storage sa;
	struct iovec iov = {.iov_base = buf, .iov_len = cap};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_name = &sa,
		.msg_namelen = sizeof(sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	out->buf = buf;
	out->len = (size_t)got;
	out->segment_len = gro_segment_len(&msg, (size_t)got);
	return endpoint_from_sockaddr((const struct sockaddr *)&sa, &out->from);
}
