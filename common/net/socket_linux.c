#include "common/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, USER_TIMEOUT_MS = 15 * 1000 };

static void prepare(int fd)
{
	int on = 1;
	unsigned timeout_ms = USER_TIMEOUT_MS;

	/* Failures cost latency only, and a socket of another kind has neither. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

int socket_connect(const struct endpoint *to, uint32_t mark, int *fd)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(to, &addr);

	*fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	prepare(*fd);
	if (mark != 0)
		(void)setsockopt(*fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (connect(*fd, (struct sockaddr *)&addr, len) == 0 || errno == EINPROGRESS)
		return 0;
	int err = -errno;
	socket_close(*fd);
	*fd = -1;
	return err;
}

int socket_connected(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 ? -errno : -err;
}

int socket_listen(const struct endpoint *at, int *fd)
{
	struct sockaddr_storage addr;
	int on = 1, off = 0;
	bool any = ip_is_none(&at->ip);
	socklen_t len = endpoint_to_sockaddr(at, &addr);

	*fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr.ss_family == AF_INET6)
		(void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof(on));
	if (bind(*fd, (struct sockaddr *)&addr, len) == 0 && listen(*fd, BACKLOG) == 0)
		return 0;
	int err = -errno;
	socket_close(*fd);
	*fd = -1;
	return err;
}

int socket_accept(int listening, int *fd, struct endpoint *from)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	*fd = accept4(listening, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (*fd < 0)
		return -errno;
	if (endpoint_from_sockaddr((struct sockaddr *)&addr, from) != 0)
		*from = (struct endpoint){0};
	prepare(*fd);
	return 0;
}

void socket_close(int fd)
{
	close(fd);
}

struct endpoint socket_local(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct endpoint at = {0};

	if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&addr, &at) != 0)
		return (struct endpoint){0};
	return at;
}

struct endpoint socket_remote(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct endpoint at = {0};

	if (getpeername(fd, (struct sockaddr *)&addr, &len) != 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&addr, &at) != 0)
		return (struct endpoint){0};
	return at;
}

bool socket_address_is_ours(const struct ip_addr *ip)
{
	struct endpoint at = {.ip = *ip};
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(&at, &addr);
	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return true;
	bool ours = bind(fd, (struct sockaddr *)&addr, len) == 0 || errno != EADDRNOTAVAIL;
	close(fd);
	return ours;
}
