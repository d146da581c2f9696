/*
 * firstdirect: watches a wire for WireGuard data straight between two hosts, and says how long it
 * took from a given start until both had sent some. It believes packets, not what a daemon says.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

#include "tests/lab/tools/tool.h"

enum { TRANSPORT_DATA = 4, ETHERNET_HEADER_LEN = 14, UDP_HEADER_LEN = 8, KEEPALIVE_LEN = 32 };

struct pair {
	uint8_t a[4], b[4];
};

/* 1: a to b, 2: b to a, 0: something else. */
static int direction_of(const struct pair *pair, const uint8_t *frame, size_t len)
{
	struct reader r = reader_init(frame, len);
	uint8_t src[4], dst[4];

	read_skip(&r, ETHERNET_HEADER_LEN - 2);
	if (read_u16be(&r) != ETH_P_IP)
		return 0;
	size_t header_len = (size_t)(read_u8(&r) & 0x0f) * 4;
	read_skip(&r, 8);
	uint8_t proto = read_u8(&r);
	read_skip(&r, 2);
	read_bytes(&r, src, sizeof(src));
	read_bytes(&r, dst, sizeof(dst));
	read_skip(&r, header_len - 20);
	read_skip(&r, UDP_HEADER_LEN);
	bool is_keepalive = reader_left(&r) <= KEEPALIVE_LEN;
	bool is_data = read_u32le(&r) == TRANSPORT_DATA;
	if (r.failed || proto != IPPROTO_UDP || !is_data || is_keepalive)
		return 0;
	if (memcmp(src, pair->a, 4) == 0 && memcmp(dst, pair->b, 4) == 0)
		return 1;
	return memcmp(src, pair->b, 4) == 0 && memcmp(dst, pair->a, 4) == 0 ? 2 : 0;
}

static int open_wire(const char *interface)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll sa = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	sa.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die(interface);
	return fd;
}

int main(int argc, char **argv)
{
	const char *interface = positional(argc, argv, 1);
	const char *a = positional(argc, argv, 2), *b = positional(argc, argv, 3);
	struct pair pair;

	if (!b || inet_pton(AF_INET, a, pair.a) != 1 || inet_pton(AF_INET, b, pair.b) != 1)
		usage("firstdirect INTERFACE ADDRESS-A ADDRESS-B [--start-us T] [--timeout "
		      "SECONDS]");
	uint64_t now_us = clock_now_us(), at_us[3] = {0};
	uint64_t start_us = (uint64_t)option_number(argc, argv, "--start-us", (double)now_us);
	uint64_t end_us =
		now_us + (uint64_t)(option_number(argc, argv, "--timeout", 10) * US_PER_S);
	struct pollfd p = {.fd = open_wire(interface), .events = POLLIN};

	stop_on_signals();
	while (!tool_stopped && (!at_us[1] || !at_us[2]) && (now_us = clock_now_us()) < end_us) {
		uint8_t frame[256];
		ssize_t n = poll(&p, 1, 100) > 0 ? recv(p.fd, frame, sizeof(frame), 0) : -1;
		int direction = n > 0 ? direction_of(&pair, frame, (size_t)n) : 0;

		if (!at_us[direction])
			at_us[direction] = clock_now_us();
	}
	if (!at_us[1] || !at_us[2]) {
		printf("{\"direct_ms\": null}\n");
		return 1;
	}
	uint64_t both_us = at_us[1] > at_us[2] ? at_us[1] : at_us[2];
	printf("{\"direct_ms\": %.1f, \"at_us\": %lu, \"there_us\": %lu, \"back_us\": %lu}\n",
	       ms(both_us - start_us), both_us, at_us[1], at_us[2]);
	return 0;
}
