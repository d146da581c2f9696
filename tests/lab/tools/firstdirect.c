/*
 * firstdirect: watches a host's own wire, behind its NAT, for WireGuard data that comes straight
 * from another host's public address, and says how long that took from a given start. It believes
 * packets that arrived, not what a daemon says, nor what one merely sent.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

#include "tests/lab/tools/tool.h"

enum { TRANSPORT_DATA = 4, ETHERNET_HEADER_LEN = 14, UDP_HEADER_LEN = 8, KEEPALIVE_LEN = 32 };

static bool is_straight_data(const uint8_t from[static 4], const uint8_t *frame, size_t len)
{
	struct reader r = reader_init(frame, len);
	uint8_t src[4];

	read_skip(&r, ETHERNET_HEADER_LEN - 2);
	bool is_v4 = read_u16be(&r) == ETH_P_IP;
	size_t header_len = (size_t)(read_u8(&r) & 0x0f) * 4;
	read_skip(&r, 8);
	bool is_udp = read_u8(&r) == IPPROTO_UDP;
	read_skip(&r, 2);
	read_bytes(&r, src, sizeof(src));
	read_skip(&r, header_len - 16 + UDP_HEADER_LEN);
	bool is_keepalive = reader_left(&r) <= KEEPALIVE_LEN;
	bool is_data = read_u32le(&r) == TRANSPORT_DATA;
	return !r.failed && is_v4 && is_udp && is_data && !is_keepalive &&
	       memcmp(src, from, sizeof(src)) == 0;
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
	const char *interface = positional(argc, argv, 1), *from_text = positional(argc, argv, 2);
	uint8_t from[4];

	if (!from_text || inet_pton(AF_INET, from_text, from) != 1)
		usage("firstdirect INTERFACE FROM-ADDRESS [--start-us T] [--timeout SECONDS]");
	uint64_t now_us = clock_now_us(), at_us = 0;
	uint64_t start_us = (uint64_t)option_number(argc, argv, "--start-us", (double)now_us);
	uint64_t end_us =
		now_us + (uint64_t)(option_number(argc, argv, "--timeout", 10) * US_PER_S);
	struct pollfd p = {.fd = open_wire(interface), .events = POLLIN};

	stop_on_signals();
	while (!tool_stopped && at_us == 0 && clock_now_us() < end_us) {
		uint8_t frame[256];
		ssize_t n = poll(&p, 1, 100) > 0 ? recv(p.fd, frame, sizeof(frame), 0) : -1;

		if (n > 0 && is_straight_data(from, frame, (size_t)n))
			at_us = clock_now_us();
	}
	if (at_us == 0)
		printf("{\"direct_ms\": null}\n");
	else
		printf("{\"direct_ms\": %.1f, \"at_us\": %lu}\n", ms(at_us - start_us), at_us);
	return at_us == 0 ? 1 : 0;
}
