/*
 * bulk: a paced copy over TCP. "bulk send" sends a file, or --bytes of made-up data, at --rate
 * bytes a second; "bulk receive PORT" takes one connection, and prints the SHA-256 and the longest
 * stall between two reads, by window. A stalled sender does not make up for lost time.
 */
#include <inttypes.h>

#include <sodium.h>

#include "common/key.h"
#include "tests/lab/tools/tool.h"

enum { CHUNK_LEN = 65536 };

/* Credit that a pause may leave: it bounds the burst behind it. */
static const uint64_t credit_max_us = 20 * US_PER_MS;

struct totals {
	crypto_hash_sha256_state hash;
	uint64_t bytes;
	uint64_t start_us;
};

static void totals_start(struct totals *t)
{
	*t = (struct totals){.start_us = clock_now_us()};
	crypto_hash_sha256_init(&t->hash);
}

static void totals_add(struct totals *t, const uint8_t *bytes, size_t len)
{
	crypto_hash_sha256_update(&t->hash, bytes, len);
	t->bytes += len;
}

static void totals_print(struct totals *t)
{
	uint8_t sum[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(sum) + 1];

	crypto_hash_sha256_final(&t->hash, sum);
	hex_encode(sum, sizeof(sum), hex);
	printf("\"bytes\": %" PRIu64 ", \"sha256\": \"%s\", \"seconds\": %.3f", t->bytes, hex,
	       (double)(clock_now_us() - t->start_us) / US_PER_S);
}

/* ---- send ---- */

struct source {
	FILE *file; /* NULL: made-up data */
	uint64_t left;
	uint64_t random;
};

static size_t make_up(struct source *s, uint8_t *buf, size_t len)
{
	size_t n = s->left < len ? (size_t)s->left : len;

	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			s->random = s->random * 6364136223846793005u + 1442695040888963407u;
		buf[i] = (uint8_t)(s->random >> (8 * (i % 8)));
	}
	s->left -= n;
	return n;
}

static size_t read_source(struct source *s, uint8_t *buf, size_t len)
{
	return s->file ? fread(buf, 1, len, s->file) : make_up(s, buf, len);
}

static void send_all(int fd, const uint8_t *buf, size_t len)
{
	while (len > 0) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, 1000);
		else if (n < 0)
			die("send");
		else {
			buf += n;
			len -= (size_t)n;
		}
	}
}

static void pace(uint64_t *due_us, size_t len, double rate)
{
	uint64_t now_us = clock_now_us();

	if (*due_us + credit_max_us < now_us)
		*due_us = now_us - credit_max_us;
	if (rate > 0)
		*due_us += (uint64_t)((double)len / rate * US_PER_S);
	if (*due_us > now_us)
		usleep((useconds_t)(*due_us - now_us));
}

static void wait_for_close(int fd)
{
	uint8_t byte;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	shutdown(fd, SHUT_WR);
	poll(&p, 1, 60 * MS_PER_S);
	if (recv(fd, &byte, 1, 0) != 0)
		die("the receiver did not take all");
}

static int send_main(int argc, char **argv)
{
	static uint8_t buf[CHUNK_LEN];
	struct endpoint to = parse_target(positional(argc, argv, 2), positional(argc, argv, 3));
	const char *path = option(argc, argv, "--file", NULL);
	double rate = option_number(argc, argv, "--rate", 0);
	struct source source = {.left = (uint64_t)option_number(argc, argv, "--bytes", 0),
				.random = 1};
	size_t chunk = rate > 0 && rate < 4e6 ? 8192 : CHUNK_LEN;
	struct totals totals;

	if (path && !(source.file = fopen(path, "rb")))
		die(path);
	int fd = open_client(&to);
	totals_start(&totals);
	uint64_t due_us = totals.start_us;
	for (size_t n; !tool_stopped && (n = read_source(&source, buf, chunk)) > 0;) {
		totals_add(&totals, buf, n);
		send_all(fd, buf, n);
		pace(&due_us, n, rate);
	}
	wait_for_close(fd);
	printf("{");
	totals_print(&totals);
	printf("}\n");
	return 0;
}

/* ---- receive ---- */

static int accept_one(uint16_t port)
{
	int listener = open_server(SOCK_STREAM, port);
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd = -1;

	puts("{\"listening\": true}");
	fflush(stdout);
	while (!tool_stopped && fd < 0) {
		if (poll(&p, 1, 1000) > 0)
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	close(listener);
	return fd;
}

/* False at the end of the stream. */
static bool take(int fd, struct totals *totals, struct windows *windows, FILE *out)
{
	static uint8_t buf[CHUNK_LEN];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n < 0)
		perror("recv");
	if (n <= 0)
		return false;
	windows_event(windows, clock_now_us());
	totals_add(totals, buf, (size_t)n);
	if (out && fwrite(buf, 1, (size_t)n, out) != (size_t)n)
		die("write");
	return true;
}

static void report_windows(const struct windows *ws)
{
	printf(", \"windows\": [");
	for (size_t i = 0; i < ws->n; i++)
		printf("%s{\"name\": \"%s\", \"start_us\": %" PRIu64 ", \"longest_gap_ms\": %.1f}",
		       i ? ", " : "", ws->w[i].name, ws->w[i].start_us, ms(ws->w[i].longest_us));
	printf("]}\n");
}

static int receive_main(int argc, char **argv)
{
	const char *port = positional(argc, argv, 2), *path = option(argc, argv, "--out", NULL);
	FILE *out = path ? fopen(path, "wb") : NULL;
	struct windows windows = {0};
	struct totals totals;
	bool more = true, marks = true;

	if (!port || (path && !out))
		die(path ? path : "port");
	int fd = accept_one((uint16_t)strtoul(port, NULL, 10));
	totals_start(&totals);
	windows_start(&windows, "start", 0, totals.start_us);
	windows_event(&windows, totals.start_us);
	set_nonblocking(STDIN_FILENO);
	while (fd >= 0 && more && !tool_stopped) {
		struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
				      {.fd = marks ? STDIN_FILENO : -1, .events = POLLIN}};

		poll(p, 2, 1000);
		if (p[1].revents)
			marks = windows_read_marks(&windows, 0);
		if (p[0].revents)
			more = take(fd, &totals, &windows, out);
	}
	if (out && fclose(out) != 0)
		die(path);
	printf("{");
	totals_print(&totals);
	report_windows(&windows);
	return more ? 1 : 0;
}

int main(int argc, char **argv)
{
	stop_on_signals();
	if (argc >= 4 && strcmp(argv[1], "send") == 0)
		return send_main(argc, argv);
	if (argc >= 3 && strcmp(argv[1], "receive") == 0)
		return receive_main(argc, argv);
	usage("bulk send ADDRESS PORT [--file F | --bytes N] [--rate BYTES-A-SECOND] | "
	      "bulk receive PORT [--out F]");
}
