#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/udp.h"
#include "tests/unit/test.h"

enum { SEGMENT = 1000, SEGMENTS = 150, LAST = 7 };

static uint8_t sent[SEGMENTS * SEGMENT + LAST], buf[65536];

static struct endpoint loopback(bool v6, uint16_t port)
{
	struct endpoint to = {.port = port};

	if (v6)
		to.ip.b[15] = 1;
	else
		to.ip = ip_from_v4((const uint8_t[]){127, 0, 0, 1});
	return to;
}

/* Sends the whole run and finds its datagrams at the other end, in order and cut as they were. */
static void check_run(struct udp *from, struct udp *to, bool v6)
{
	int fd = v6 ? to->fd6 : to->fd4;
	struct endpoint there = loopback(v6, to->port), here = loopback(v6, from->port);
	size_t at = 0;

	CHECK_INT(udp_send_run(from, &there, sent, sizeof(sent), SEGMENT), 0);
	while (at < sizeof(sent)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct udp_received got;

		CHECK_INT(poll(&p, 1, 2000), 1);
		CHECK_INT(udp_receive(fd, buf, sizeof(buf), &got), 0);
		CHECK(endpoint_equal(&got.from, &here));
		CHECK(got.len <= sizeof(sent) - at);
		CHECK_MEM(got.buf, sent + at, got.len);
		CHECK_INT(got.segment_len, got.len == LAST ? LAST : SEGMENT);
		at += got.len;
	}
	struct udp_received none;
	CHECK_INT(udp_receive(fd, buf, sizeof(buf), &none), -EAGAIN);
}

TEST(a_run_of_datagrams_arrives_as_it_was_cut)
{
	struct udp a, b;

	srandom(5);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)random();
	CHECK_INT(udp_open(0, 0, &a), 0);
	CHECK_INT(udp_open(0, 0, &b), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		if (v6 && (a.fd6 < 0 || b.fd6 < 0))
			continue;
		check_run(&a, &b, v6);
		a.gso4 = a.gso6 = false; /* and one by one, as after a refusal */
		check_run(&a, &b, v6);
		a.gso4 = a.gso6 = true;
	}
	udp_close(&a);
	udp_close(&b);
}

TEST(both_families_have_one_port_and_it_is_theirs_alone)
{
	struct udp a, b;

	CHECK_INT(udp_open(0, 0, &a), 0);
	CHECK(a.port != 0);
	CHECK_INT(udp_open(a.port, 0, &b), -EADDRINUSE);
	udp_close(&a);
	CHECK_INT(udp_open(a.port, 0, &b), 0);
	udp_close(&b);
	CHECK(b.fd4 == -1 && b.fd6 == -1);
}

TEST(what_the_network_says_is_returned)
{
	static const uint8_t too_large[65520];
	struct endpoint nowhere = {.port = 9};
	struct udp a;

	CHECK_INT(udp_open(0, 0, &a), 0);
	nowhere.ip =
		ip_from_v4((const uint8_t[]){255, 255, 255, 255}); /* broadcast: not asked for */
	CHECK_INT(udp_send(&a, &nowhere, "x", 1), -EACCES);
	nowhere.ip = ip_from_v4((const uint8_t[]){127, 0, 0, 1});
	CHECK_INT(udp_send_run(&a, &nowhere, too_large, sizeof(too_large), sizeof(too_large)),
		  -EMSGSIZE);
	udp_close(&a);
	CHECK_INT(udp_send(&a, &nowhere, "x", 1), -EAFNOSUPPORT);
	CHECK_INT(udp_send_run(&a, &nowhere, sent, 10, 5), -EAFNOSUPPORT);
}
