/*
 * flood: a stranger who sends random datagrams to UDP ports and opens connections to TCP ports, at
 * a bounded rate, with garbage on them. Targets are "udp:ADDRESS:PORT" and "tcp:ADDRESS:PORT".
 */
#include "tests/lab/tools/garbage.h"
#include "tests/lab/tools/tool.h"

enum { TARGETS_MAX = 32, CONNECTIONS_MAX = 256 };

struct target {
	bool tcp;
	struct sockaddr_storage sa;
	socklen_t sa_len;
};

struct flood {
	struct target targets[TARGETS_MAX];
	size_t n;
	int udp_v4, udp_v6;
	int connections[CONNECTIONS_MAX]; /* a ring: the oldest makes room */
	size_t next_connection;
	uint64_t random;
	uint64_t datagrams, connects;
};

static void hit_udp(struct flood *f, const struct target *t)
{
	uint8_t garbage[GARBAGE_MAX];
	size_t len = make_garbage(&f->random, garbage);
	int fd = t->sa.ss_family == AF_INET ? f->udp_v4 : f->udp_v6;

	f->datagrams += sendto(fd, garbage, len, MSG_DONTWAIT, (const struct sockaddr *)&t->sa,
			       t->sa_len) >= 0;
}

static void hit_tcp(struct flood *f, const struct target *t)
{
	uint8_t garbage[GARBAGE_MAX];
	int *slot = &f->connections[f->next_connection++ % CONNECTIONS_MAX];

	if (*slot >= 0) {
		(void)!send(*slot, garbage, make_garbage(&f->random, garbage),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		close(*slot);
	}
	*slot = socket(t->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*slot < 0)
		return;
	f->connects++;
	(void)!connect(*slot, (const struct sockaddr *)&t->sa, t->sa_len);
}

static void run(struct flood *f, double rate, uint64_t end_us)
{
	uint64_t start_us = clock_now_us(), now_us, sent = 0;

	while (!tool_stopped && (now_us = clock_now_us()) < end_us) {
		uint64_t due = (uint64_t)((double)(now_us - start_us) / US_PER_S * rate);

		for (; sent < due; sent++) {
			const struct target *t = &f->targets[next_random(&f->random) % f->n];

			/* A connection costs more than a datagram: one for each ten. */
			if (!t->tcp)
				hit_udp(f, t);
			else if (next_random(&f->random) % 10 == 0)
				hit_tcp(f, t);
		}
		usleep(1000);
	}
}

static void add_target(struct flood *f, const char *text)
{
	struct target *t = &f->targets[f->n];
	struct endpoint ep;

	t->tcp = strncmp(text, "tcp:", 4) == 0;
	if (f->n == TARGETS_MAX || (!t->tcp && strncmp(text, "udp:", 4) != 0) ||
	    endpoint_parse(text + 4, &ep) < 0) {
		fprintf(stderr, "not a target: %s\n", text);
		exit(2);
	}
	t->sa_len = endpoint_to_sockaddr(&ep, &t->sa);
	f->n++;
}

int main(int argc, char **argv)
{
	static struct flood f;

	f.random = garbage_seed(option_number(argc, argv, "--seed", 1));
	for (int i = 1; positional(argc, argv, i); i++)
		add_target(&f, positional(argc, argv, i));
	if (f.n == 0)
		usage("flood udp:ADDRESS:PORT|tcp:ADDRESS:PORT… [--rate 10000] [--seconds 5] "
		      "[--seed 1]");
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		f.connections[i] = -1;
	f.udp_v4 = socket(AF_INET, SOCK_DGRAM, 0);
	f.udp_v6 = socket(AF_INET6, SOCK_DGRAM, 0);
	stop_on_signals();
	run(&f, option_number(argc, argv, "--rate", 10000),
	    clock_now_us() + (uint64_t)(option_number(argc, argv, "--seconds", 5) * US_PER_S));
	printf("{\"datagrams\": %lu, \"connections\": %lu}\n", f.datagrams, f.connects);
	return 0;
}
