/*
 * firstping: asks each 50 ms until somebody answers, and says how long that took from a given
 * start.
 * --by icmp (the default), udp (an echo server's port) or tcp (a connection to a port). With
 * "--then go-on" it asks on until its stdin ends.
 */
#include <netinet/ip_icmp.h>

#include "tests/lab/tools/tool.h"

enum by { BY_ICMP, BY_UDP, BY_TCP };

struct asker {
	enum by by;
	struct sockaddr_storage to;
	socklen_t to_len;
	int fd; /* for TCP: of the try under way, or -1 */
	uint16_t id, sequence;
};

static uint16_t internet_checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void send_icmp(struct asker *a)
{
	bool v6 = a->to.ss_family == AF_INET6;
	uint8_t echo[16];
	struct writer w = writer_init(echo, sizeof(echo));

	write_u16be(&w, v6 ? 128 << 8 : ICMP_ECHO << 8);
	write_u16be(&w, 0);
	write_u16be(&w, a->id);
	write_u16be(&w, a->sequence++);
	write_u64be(&w, 0);
	write_u16be_at(&w, 2, v6 ? 0 : internet_checksum(echo, sizeof(echo)));
	(void)!sendto(a->fd, echo, w.len, 0, (struct sockaddr *)&a->to, a->to_len);
}

static bool is_icmp_answer(const struct asker *a, const uint8_t *pkt, size_t len)
{
	bool v6 = a->to.ss_family == AF_INET6;
	struct reader r = reader_init(pkt, len);

	if (!v6 && len > 0)
		read_skip(&r, (size_t)(pkt[0] & 0x0f) * 4);
	uint8_t type = read_u8(&r);
	read_skip(&r, 3);
	return read_u16be(&r) == a->id && !r.failed && type == (v6 ? 129 : ICMP_ECHOREPLY);
}

static void ask_tcp(struct asker *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)!connect(a->fd, (struct sockaddr *)&a->to, a->to_len);
}

static void ask(struct asker *a)
{
	switch (a->by) {
	case BY_ICMP:
		send_icmp(a);
		break;
	case BY_UDP:
		(void)!sendto(a->fd, "ping", 4, 0, (struct sockaddr *)&a->to, a->to_len);
		break;
	case BY_TCP:
		ask_tcp(a);
		break;
	}
}

static bool is_answer(struct asker *a)
{
	uint8_t buf[2048];
	int err = 0;
	socklen_t err_len = sizeof(err);

	if (a->by == BY_TCP) {
		getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &err_len);
		return err == 0 && recv(a->fd, buf, 1, MSG_PEEK) < 0 && errno == EAGAIN;
	}
	ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);
	return n >= 0 && (a->by == BY_UDP || is_icmp_answer(a, buf, (size_t)n));
}

static void open_asker(struct asker *a)
{
	bool v6 = a->to.ss_family == AF_INET6;

	a->fd = -1;
	if (a->by == BY_TCP)
		return;
	a->fd = a->by == BY_UDP
			? socket(a->to.ss_family, SOCK_DGRAM, 0)
			: socket(a->to.ss_family, SOCK_RAW, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (a->fd < 0)
		die("socket");
}

/* A TCP try outlives several rounds, as a handshake may take longer than one. */
static bool is_round_to_ask(const struct asker *a, unsigned round)
{
	return a->by != BY_TCP || a->fd < 0 || round % 10 == 0;
}

/* Keeps asking, so that there is traffic, until stdin ends. */
static void go_on(struct asker *a, uint64_t every_us)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	uint8_t dropped[2048];

	while (!tool_stopped && poll(&p, 1, (int)(every_us / US_PER_MS)) == 0) {
		ask(a);
		while (recv(a->fd, dropped, sizeof(dropped), MSG_DONTWAIT) >= 0)
			continue;
	}
}

static uint64_t wait_for_answer(struct asker *a, uint64_t every_us, uint64_t end_us,
				unsigned *rounds)
{
	uint64_t next_us = clock_now_us();

	for (;;) {
		uint64_t now_us = clock_now_us();

		if (tool_stopped || now_us >= end_us)
			return US_NEVER;
		if (now_us >= next_us) {
			if (is_round_to_ask(a, *rounds))
				ask(a);
			++*rounds;
			next_us = now_us + every_us;
		}
		struct pollfd p = {.fd = a->fd, .events = a->by == BY_TCP ? POLLOUT : POLLIN};
		struct timespec wait = {.tv_nsec = (long)(next_us - now_us) * 1000};
		if (ppoll(&p, 1, &wait, NULL) > 0 && is_answer(a))
			return clock_now_us();
		if (a->by == BY_TCP && p.revents) { /* refused: the next round tries again */
			close(a->fd);
			a->fd = -1;
		}
	}
}

static enum by parse_by(const char *word)
{
	if (strcmp(word, "udp") == 0)
		return BY_UDP;
	return strcmp(word, "tcp") == 0 ? BY_TCP : BY_ICMP;
}

int main(int argc, char **argv)
{
	const char *ip = positional(argc, argv, 1), *port = positional(argc, argv, 2);
	struct asker a = {.by = parse_by(option(argc, argv, "--by", "icmp")),
			  .id = (uint16_t)getpid()};
	uint64_t now_us = clock_now_us();
	uint64_t start_us = (uint64_t)option_number(argc, argv, "--start-us", (double)now_us);
	double timeout_s = option_number(argc, argv, "--timeout", 10);
	unsigned rounds = 0;

	if (!ip)
		usage("firstping ADDRESS [PORT] [--by icmp|udp|tcp] [--start-us T] [--every-ms 50] "
		      "[--timeout SECONDS] [--then go-on]");
	struct endpoint to = parse_target(ip, port);
	a.to_len = endpoint_to_sockaddr(&to, &a.to);
	stop_on_signals();
	open_asker(&a);
	uint64_t every_us = (uint64_t)(option_number(argc, argv, "--every-ms", 50) * US_PER_MS);
	uint64_t at_us =
		wait_for_answer(&a, every_us, now_us + (uint64_t)(timeout_s * US_PER_S), &rounds);
	if (at_us != US_NEVER && option(argc, argv, "--then", NULL))
		go_on(&a, every_us);
	if (at_us == US_NEVER)
		printf("{\"first_ms\": null, \"sent\": %u}\n", rounds);
	else
		printf("{\"first_ms\": %.1f, \"sent\": %u, \"at_us\": %lu}\n", ms(at_us - start_us),
		       rounds, at_us);
	return at_us == US_NEVER ? 1 : 0;
}
