/*
 * datagrams: numbered UDP datagrams to an echo ("keys serve"), and what became of each: echoed,
 * lost, twice, or damaged. "mark calm" and "mark trouble" on stdin say whether a loss is to be
 * expected; one sent less than half a second before a trouble counts as sent in it. Ends when its
 * stdin does, and waits for the last echoes.
 */
#include "tests/lab/tools/tool.h"

enum { HEAD_LEN = 8, DATAGRAM_MIN = 32, DATAGRAM_MAX = 1200, DATAGRAMS_MAX = 1 << 20 };

static const uint64_t before_us = 500 * US_PER_MS, patience_us = 3 * US_PER_S;

struct sender {
	int fd;
	uint64_t every_us, next_us;
	uint64_t sent_at_us[DATAGRAMS_MAX];
	uint8_t echoes[DATAGRAMS_MAX];
	bool in_trouble[DATAGRAMS_MAX];
	size_t sent, refused, damaged;
	bool trouble;
};

/* Length and bytes follow from the number, so that an echo can be checked by itself. */
static size_t make_datagram(uint64_t number, uint8_t buf[static DATAGRAM_MAX])
{
	size_t len = DATAGRAM_MIN + number * 2654435761u % (DATAGRAM_MAX - DATAGRAM_MIN);
	struct writer w = writer_init(buf, HEAD_LEN);

	write_u64be(&w, number);
	for (size_t i = HEAD_LEN; i < len; i++)
		buf[i] = (uint8_t)(number * 31 + i * 7);
	return len;
}

static void send_next(struct sender *s, uint64_t now_us)
{
	uint8_t buf[DATAGRAM_MAX];

	if (s->sent == DATAGRAMS_MAX)
		return;
	size_t len = make_datagram(s->sent, buf);
	s->refused += send(s->fd, buf, len, MSG_DONTWAIT) < 0;
	s->in_trouble[s->sent] = s->trouble;
	s->sent_at_us[s->sent++] = now_us;
}

static void take_echoes(struct sender *s)
{
	uint8_t got[DATAGRAM_MAX + 1], want[DATAGRAM_MAX];
	ssize_t len;

	while ((len = recv(s->fd, got, sizeof(got), MSG_DONTWAIT)) >= 0) {
		struct reader r = reader_init(got, (size_t)len);
		uint64_t number = read_u64be(&r);

		if (r.failed || number >= s->sent || (size_t)len != make_datagram(number, want) ||
		    memcmp(got, want, (size_t)len) != 0)
			s->damaged++;
		else if (s->echoes[number] < UINT8_MAX)
			s->echoes[number]++;
	}
}

static void set_trouble(struct sender *s, bool trouble, uint64_t now_us)
{
	s->trouble = trouble;
	for (size_t i = s->sent; trouble && i-- > 0 && s->sent_at_us[i] + before_us > now_us;)
		s->in_trouble[i] = true;
}

/* False at the end of stdin. */
static bool read_marks(struct sender *s)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n < 0)
		return errno == EAGAIN;
	line[n] = '\0';
	for (char *save, *l = strtok_r(line, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		set_trouble(s, strcmp(l, "mark trouble") == 0, clock_now_us());
	return n > 0;
}

static void run(struct sender *s)
{
	uint64_t end_us = US_NEVER;

	while (clock_now_us() < end_us) {
		bool sends = end_us == US_NEVER;
		struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN},
				      {.fd = sends ? STDIN_FILENO : -1, .events = POLLIN}};
		uint64_t now_us = clock_now_us();
		uint64_t wait_us = s->next_us > now_us ? s->next_us - now_us : 0;

		poll(p, 2, (int)(wait_us / US_PER_MS));
		if (p[0].revents)
			take_echoes(s);
		now_us = clock_now_us();
		if (sends && ((p[1].revents && !read_marks(s)) || tool_stopped))
			end_us = now_us + patience_us;
		if (now_us < s->next_us)
			continue;
		if (end_us == US_NEVER)
			send_next(s, now_us);
		s->next_us = now_us + s->every_us;
	}
}

static void report(const struct sender *s)
{
	size_t lost[2] = {0, 0}, twice = 0;

	for (size_t i = 0; i < s->sent; i++) {
		lost[s->in_trouble[i]] += s->echoes[i] == 0;
		twice += s->echoes[i] > 1;
	}
	printf("{\"sent\": %zu, \"refused\": %zu, \"lost_calm\": %zu, \"lost_trouble\": %zu, "
	       "\"twice\": %zu, \"damaged\": %zu}\n",
	       s->sent, s->refused, lost[0], lost[1], twice, s->damaged);
}

int main(int argc, char **argv)
{
	static struct sender s;
	struct endpoint to = parse_target(positional(argc, argv, 1), positional(argc, argv, 2));
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(&to, &sa);

	if (to.port == 0)
		usage("datagrams ADDRESS PORT [--every-ms 20]");
	s.every_us = (uint64_t)(option_number(argc, argv, "--every-ms", 20) * US_PER_MS);
	s.fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s.fd < 0 || connect(s.fd, (struct sockaddr *)&sa, sa_len) < 0)
		die("socket");
	set_nonblocking(STDIN_FILENO);
	stop_on_signals();
	s.next_us = clock_now_us();
	run(&s);
	report(&s);
	return 0;
}
