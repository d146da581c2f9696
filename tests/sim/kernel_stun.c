/*
 * stun_udp.h over the world's datagrams, with the real stun_server behind it. Without RFC 5780: a
 * simulated socket does not choose its source address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/metric.h"
#include "stun/stun_udp.h"
#include "tests/sim/datagram.h"

enum { FAMILIES = 2 };

struct stun_udp {
	struct stun_server server;
	struct datagram_socket *sockets[FAMILIES];
	struct stun_udp_counts counts;
};

static void answer(struct stun_udp *u, struct datagram_socket *s, const uint8_t *packet, size_t len,
		   const struct endpoint *from)
{
	struct stun_answer out;
	enum stun_verdict verdict =
		stun_server_on_packet(&u->server, packet, len, from, NULL, clock_now_us(), &out);

	u->counts.verdicts[verdict]++;
	if (verdict == STUN_ANSWER && datagram_send(s, from, out.bytes, out.len) != 0)
		u->counts.send_errors++;
}

static void on_arrival(void *arg, struct datagram_socket *s)
{
	struct endpoint from;
	const uint8_t *packet;
	size_t len;

	while ((packet = datagram_take(s, &len, &from)))
		answer(arg, s, packet, len, &from);
}

int stun_udp_start(const struct stun_udp_config *cfg, struct stun_udp **out,
		   char error[static STUN_UDP_ERROR_LEN])
{
	static const enum datagram_family families[FAMILIES] = {DATAGRAM_V4, DATAGRAM_V6};
	struct stun_udp *u = calloc(1, sizeof(*u));
	uint64_t random;

	if (!u)
		abort();
	randombytes_buf(&random, sizeof(random));
	int err = stun_server_init(&u->server, NULL, NULL, random);
	for (size_t i = 0; i < FAMILIES && err == 0; i++)
		err = datagram_open(families[i], cfg->listen[0].port, on_arrival, u,
				    &u->sockets[i]);
	if (err) {
		snprintf(error, STUN_UDP_ERROR_LEN, "cannot listen on port %u for STUN: errno %d",
			 cfg->listen[0].port, -err);
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
	for (size_t i = 0; i < FAMILIES; i++)
		datagram_close(u->sockets[i]);
	free(u);
}

void stun_udp_counts(const struct stun_udp *u, struct stun_udp_counts *out)
{
	*out = u->counts;
}

void stun_udp_metrics(const struct stun_udp *u, struct metric_page *page)
{
	metric_one_counter(page, "warren_stun_send_errors_total", "Answers that could not be sent.",
			   u->counts.send_errors);
}

uint16_t stun_udp_port(const struct stun_udp *u)
{
	return datagram_port(u->sockets[0]);
}
