#include "stun/stun_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/metric.h"

enum {
	SOCKETS_MAX = STUN_LISTEN_MAX + 3, /* and the three more corners of RFC 5780 */
	BATCH = 32,
	THREADS_DEFAULT_MAX = 4,
	CONTROL_LEN = 64
};

struct socket_slot {
	int fd;
	struct endpoint bound;
};

struct worker {
	pthread_t thread;
	bool started;
	int stop_fd; /* borrowed */
	struct socket_slot sockets[SOCKETS_MAX];
	size_t n_sockets;
	struct stun_server server;
	_Atomic uint64_t verdicts[STUN_VERDICTS];
	_Atomic uint64_t send_errors;
};

struct stun_udp {
	int stop_fd;
	uint16_t port;
	struct worker *workers;
	size_t n_workers;
};

/* One datagram with where it came from and where it arrived. */
struct packet {
	uint8_t bytes[STUN_MESSAGE_MAX];
	struct sockaddr_storage from;
	_Alignas(struct cmsghdr) char control[CONTROL_LEN];
	struct iovec iov;
};

struct batch {
	struct mmsghdr headers[BATCH];
	struct packet packets[BATCH];
};

/* ---- sockets ---- */

static int set_options(int fd, int family)
{
	const int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		return -errno;
	if (family == AF_INET6) {
		/* A kernel without the option has no IPv4 to map. */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) != 0)
			return -errno;
	} else if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) != 0) {
		return -errno;
	}
	return 0;
}

/* SO_REUSEPORT would let two servers share a port in silence, so the first socket of each port is
 * tried without it. */
static int check_free(const struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(at, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sa_len) != 0)
		err = -errno;
	close(fd);
	return err;
}

/* A bound socket; *at gets the port that a wish for port 0 was given. */
static int open_socket(struct endpoint *at, int *out)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(at, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct endpoint got;
	int err = 0;

	if (fd < 0)
		return -errno;
	err = set_options(fd, sa.ss_family);
	if (!err && bind(fd, (struct sockaddr *)&sa, sa_len) != 0)
		err = -errno;
	sa_len = sizeof(sa);
	if (!err && getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
		err = -errno;
	if (!err)
		err = endpoint_from_sockaddr((struct sockaddr *)&sa, &got);
	if (err) {
		close(fd);
		return err;
	}
	at->port = got.port;
	*out = fd;
	return 0;
}

/* All addresses of both families, or of IPv4 alone on a machine without IPv6. */
static int open_any(struct endpoint *at, int *out)
{
	static const uint8_t v4_any[4];
	int err = open_socket(at, out);

	if (err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
		return err;
	at->ip = ip_from_v4(v4_any);
	return open_socket(at, out);
}

static int add_socket(struct worker *w, struct endpoint *at, char error[static STUN_UDP_ERROR_LEN])
{
	char text[ENDPOINT_TEXT_LEN];
	int fd = -1;
	int err = endpoint_is_none(at) && !ip_is_v4(&at->ip) ? open_any(at, &fd)
							     : open_socket(at, &fd);

	if (err) {
		endpoint_str(at, text);
		snprintf(error, STUN_UDP_ERROR_LEN, "cannot listen on UDP %s: %s", text,
			 strerror(-err));
		return err;
	}
	w->sockets[w->n_sockets++] = (struct socket_slot){fd, *at};
	return 0;
}

static int check_listen(const struct stun_udp_config *cfg, char error[static STUN_UDP_ERROR_LEN])
{
	for (size_t i = 0; i < cfg->n_listen; i++) {
		if (check_free(&cfg->listen[i]) == -EADDRINUSE) {
			snprintf(error, STUN_UDP_ERROR_LEN,
				 "UDP port %u is in use by another program; stop that one, or "
				 "choose "
				 "another port",
				 cfg->listen[i].port);
			return -EADDRINUSE;
		}
	}
	return 0;
}

/* listen[] gets the ports given for 0, so that the next worker takes the same. */
static int open_sockets(struct worker *w, struct stun_udp_config *cfg,
			char error[static STUN_UDP_ERROR_LEN])
{
	const struct endpoint *first = &cfg->listen[0], *other = &cfg->alternate;

	for (size_t i = 0; i < cfg->n_listen; i++) {
		int err = add_socket(w, &cfg->listen[i], error);
		if (err)
			return err;
	}
	if (endpoint_is_none(other))
		return stun_server_init(&w->server, NULL, NULL, 0);

	struct endpoint corners[] = {
		{first->ip, other->port}, {other->ip, first->port}, {other->ip, other->port}};
	for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
		int err = add_socket(w, &corners[i], error);
		if (err)
			return err;
	}
	int err = stun_server_init(&w->server, first, other, 0);
	if (err)
		snprintf(
			error, STUN_UDP_ERROR_LEN,
			"--alternate must differ from the first --listen in address and port, both "
			"written out, of one family");
	return err;
}

/* ---- one packet ---- */

/* The local address a packet arrived at; the bound one where the kernel did not say. */
static struct endpoint arrival_of(struct msghdr *h, const struct endpoint *bound)
{
	struct endpoint at = *bound;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			uint8_t v4[4];

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(v4, &info.ipi_addr, sizeof(v4));
			at.ip = ip_from_v4(v4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(at.ip.b, &info.ipi6_addr, sizeof(at.ip.b));
		}
	}
	return at;
}

/* Turns the control data received into what sends from the same address, by whatever interface the
 * route says. */
static void keep_source(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			info.ipi_ifindex = 0;
			info.ipi_spec_dst = info.ipi_addr;
			memcpy(CMSG_DATA(c), &info, sizeof(info));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				info.ipi6_ifindex = 0;
			memcpy(CMSG_DATA(c), &info, sizeof(info));
		}
	}
}

static int socket_bound_to(const struct worker *w, const struct endpoint *at)
{
	for (size_t i = 0; i < w->n_sockets; i++) {
		if (endpoint_equal(&w->sockets[i].bound, at))
			return w->sockets[i].fd;
	}
	return -1;
}

static void send_answer(struct worker *w, int fd, struct msghdr *h,
			const struct stun_answer *answer)
{
	struct iovec iov = {.iov_len = answer->len};
	uint8_t bytes[STUN_ANSWER_MAX];

	memcpy(bytes, answer->bytes, answer->len);
	iov.iov_base = bytes;
	h->msg_iov = &iov;
	h->msg_iovlen = 1;
	h->msg_flags = 0;
	if (!endpoint_is_none(&answer->from)) {
		fd = socket_bound_to(w, &answer->from);
		h->msg_control = NULL;
		h->msg_controllen = 0;
	} else {
		keep_source(h);
	}
	if (sendmsg(fd, h, MSG_DONTWAIT) < 0)
		atomic_fetch_add_explicit(&w->send_errors, 1, memory_order_relaxed);
}

static void take_packet(struct worker *w, const struct socket_slot *s, struct mmsghdr *m,
			const struct packet *p, uint64_t now_us)
{
	struct endpoint at = arrival_of(&m->msg_hdr, &s->bound);
	struct stun_answer answer;
	struct endpoint from;

	if (endpoint_from_sockaddr((const struct sockaddr *)&p->from, &from) != 0)
		return;
	enum stun_verdict verdict = stun_server_on_packet(&w->server, p->bytes, m->msg_len, &from,
							  &at, now_us, &answer);
	atomic_fetch_add_explicit(&w->verdicts[verdict], 1, memory_order_relaxed);
	if (verdict == STUN_ANSWER)
		send_answer(w, s->fd, &m->msg_hdr, &answer);
}

/* ---- the thread ---- */

static void prepare(struct batch *b)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct packet *p = &b->packets[i];

		p->iov = (struct iovec){.iov_base = p->bytes, .iov_len = sizeof(p->bytes)};
		b->headers[i].msg_hdr = (struct msghdr){.msg_name = &p->from,
							.msg_namelen = sizeof(p->from),
							.msg_iov = &p->iov,
							.msg_iovlen = 1,
							.msg_control = p->control,
							.msg_controllen = sizeof(p->control)};
	}
}

static void drain(struct worker *w, const struct socket_slot *s, struct batch *b)
{
	prepare(b);
	int n = recvmmsg(s->fd, b->headers, BATCH, MSG_DONTWAIT, NULL);
	uint64_t now_us = clock_now_us();

	for (int i = 0; i < n; i++)
		take_packet(w, s, &b->headers[i], &b->packets[i], now_us);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct batch *b = calloc(1, sizeof(*b));
	struct pollfd fds[SOCKETS_MAX + 1];

	if (!b)
		return NULL;
	for (size_t i = 0; i < w->n_sockets; i++)
		fds[i] = (struct pollfd){.fd = w->sockets[i].fd, .events = POLLIN};
	fds[w->n_sockets] = (struct pollfd){.fd = w->stop_fd, .events = POLLIN};
	for (;;) {
		if (poll(fds, w->n_sockets + 1, -1) < 0 && errno != EINTR)
			break;
		if (fds[w->n_sockets].revents)
			break;
		for (size_t i = 0; i < w->n_sockets; i++) {
			if (fds[i].revents)
				drain(w, &w->sockets[i], b);
		}
	}
	free(b);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = err == 0;
	return -err;
}

/* ---- start and stop ---- */

static size_t count_threads(unsigned wished)
{
	int processors = get_nprocs();

	if (wished > 0)
		return wished < STUN_THREADS_MAX ? wished : STUN_THREADS_MAX;
	return processors < THREADS_DEFAULT_MAX ? (size_t)processors : THREADS_DEFAULT_MAX;
}

static int start_workers(struct stun_udp *u, const struct stun_udp_config *cfg,
			 char error[static STUN_UDP_ERROR_LEN])
{
	struct stun_udp_config own = *cfg;
	int taken = check_listen(cfg, error);

	if (taken)
		return taken;
	for (size_t i = 0; i < u->n_workers; i++) {
		struct worker *w = &u->workers[i];
		w->stop_fd = u->stop_fd;
		int err = open_sockets(w, &own, error);
		if (err)
			return err;
		randombytes_buf(&w->server.hash_key, sizeof(w->server.hash_key));
	}
	u->port = own.listen[0].port;
	for (size_t i = 0; i < u->n_workers; i++) {
		int err = start_thread(&u->workers[i]);
		if (err) {
			snprintf(error, STUN_UDP_ERROR_LEN, "cannot start a thread: %s",
				 strerror(-err));
			return err;
		}
	}
	return 0;
}

int stun_udp_start(const struct stun_udp_config *cfg, struct stun_udp **out,
		   char error[static STUN_UDP_ERROR_LEN])
{
	struct stun_udp *u = calloc(1, sizeof(*u));
	int err = -ENOMEM;

	snprintf(error, STUN_UDP_ERROR_LEN, "out of memory");
	if (!u)
		return err;
	u->n_workers = count_threads(cfg->threads);
	u->workers = calloc(u->n_workers, sizeof(*u->workers));
	u->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (u->workers && u->stop_fd >= 0)
		err = start_workers(u, cfg, error);
	if (err) {
		stun_udp_stop(u);
		return err;
	}
	*out = u;
	return 0;
}

void stun_udp_stop(struct stun_udp *u)
{
	if (!u)
		return;
	if (u->stop_fd >= 0)
		(void)eventfd_write(u->stop_fd, 1);
	for (size_t i = 0; u->workers && i < u->n_workers; i++) {
		struct worker *w = &u->workers[i];

		if (w->started)
			pthread_join(w->thread, NULL);
		for (size_t j = 0; j < w->n_sockets; j++)
			close(w->sockets[j].fd);
	}
	if (u->stop_fd >= 0)
		close(u->stop_fd);
	free(u->workers);
	free(u);
}

/* ---- counts ---- */

void stun_udp_counts(const struct stun_udp *u, struct stun_udp_counts *out)
{
	*out = (struct stun_udp_counts){0};
	for (size_t i = 0; i < u->n_workers; i++) {
		struct worker *w = &u->workers[i];

		for (int v = 0; v < STUN_VERDICTS; v++)
			out->verdicts[v] +=
				atomic_load_explicit(&w->verdicts[v], memory_order_relaxed);
		out->send_errors += atomic_load_explicit(&w->send_errors, memory_order_relaxed);
	}
}

void stun_udp_metrics(const struct stun_udp *u, struct metric_page *page)
{
	struct stun_udp_counts counts;

	stun_udp_counts(u, &counts);
	metric_counter(page, "warren_stun_packets_total",
		       "Packets that reached the STUN ports, by what became of them.");
	for (int v = 0; v < STUN_VERDICTS; v++) {
		struct metric_label label = {"verdict", stun_verdict_str((enum stun_verdict)v)};

		metric_u64(page, &label, 1, counts.verdicts[v]);
	}
	metric_one_counter(page, "warren_stun_send_errors_total",
			   "Answers that the kernel refused to send.", counts.send_errors);
}

uint16_t stun_udp_port(const struct stun_udp *u)
{
	return u->port;
}
