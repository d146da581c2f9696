/*
 * tool: what the lab's measuring tools share: arguments, sockets, time windows and their figures.
 *
 * A tool measures by itself, since the orchestrator's own timing would be measured too. The
 * orchestrator only says what happens when: a line "mark NAME" on a tool's stdin starts a window of
 * that name. Every tool prints one line of JSON on stdout. Times are those of clock_now_us.
 */
#ifndef WARREN_LAB_TOOL_H
#define WARREN_LAB_TOOL_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/endpoint.h"

__attribute__((noreturn)) static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((noreturn)) static inline void usage(const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	exit(2);
}

/* ---- arguments: "--name value" anywhere, the rest by position ---- */

static inline const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	}
	return otherwise;
}

static inline double option_number(int argc, char **argv, const char *name, double otherwise)
{
	const char *text = option(argc, argv, name, NULL);

	return text ? strtod(text, NULL) : otherwise;
}

/* The n-th argument (from 1) that belongs to no option, or NULL. */
static inline const char *positional(int argc, char **argv, int n)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0)
			i++;
		else if (--n == 0)
			return argv[i];
	}
	return NULL;
}

static inline struct endpoint parse_target(const char *ip, const char *port)
{
	struct endpoint ep = {.port = (uint16_t)(port ? strtoul(port, NULL, 10) : 0)};

	if (!ip || ip_parse(ip, &ep.ip) < 0) {
		fprintf(stderr, "not an address: %s\n", ip ? ip : "(none)");
		exit(2);
	}
	return ep;
}

/* ---- sockets ---- */

static inline void set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		die("fcntl");
}

/* A non-blocking socket bound to the port, both families. */
static inline int open_server(int type, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 64) < 0)
		die("listen");
	return fd;
}

/* A connected, non-blocking TCP socket; tries again for ten seconds. */
static inline int open_client(const struct endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);
	uint64_t end_us = clock_now_us() + 10 * US_PER_S;
	int on = 1;

	for (;;) {
		int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		if (connect(fd, (struct sockaddr *)&sa, sa_len) == 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			set_nonblocking(fd);
			return fd;
		}
		if (clock_now_us() > end_us)
			die("connect");
		close(fd);
		usleep(50 * US_PER_MS);
	}
}

/* ---- windows: the longest gap between two events, for each stretch of time ---- */

enum { WINDOWS_MAX = 64, WINDOW_NAME_LEN = 32 };

struct window {
	char name[WINDOW_NAME_LEN];
	uint64_t start_us;
	uint64_t longest_us;	/* a gap counts where it ends, and up to a window's end */
	uint64_t longest_at_us; /* its begin */
	size_t first_sample;	/* of the tool's own list of samples */
};

struct windows {
	struct window w[WINDOWS_MAX];
	size_t n;
	uint64_t last_us; /* the last event */
};

static inline void windows_gap(struct windows *ws, uint64_t now_us)
{
	struct window *w = &ws->w[ws->n - 1];
	uint64_t gap_us = ws->last_us ? now_us - ws->last_us : 0;

	if (gap_us > w->longest_us) {
		w->longest_us = gap_us;
		w->longest_at_us = ws->last_us;
	}
}

static inline void windows_event(struct windows *ws, uint64_t now_us)
{
	windows_gap(ws, now_us);
	ws->last_us = now_us;
}

static inline void windows_start(struct windows *ws, const char *name, size_t sample,
				 uint64_t now_us)
{
	if (ws->n == WINDOWS_MAX)
		return;
	if (ws->n > 0)
		windows_gap(ws, now_us);
	struct window *w = &ws->w[ws->n++];
	*w = (struct window){.start_us = now_us, .first_sample = sample};
	snprintf(w->name, sizeof(w->name), "%s", name);
}

/* Reads "mark NAME" lines from stdin (non-blocking). False at its end. */
static inline bool windows_read_marks(struct windows *ws, size_t sample)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n < 0)
		return errno == EAGAIN;
	line[n] = '\0';
	for (char *save, *l = strtok_r(line, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (strncmp(l, "mark ", 5) == 0)
			windows_start(ws, l + 5, sample, clock_now_us());
	}
	return n > 0;
}

/* ---- figures ---- */

static inline double ms(uint64_t us)
{
	return (double)us / US_PER_MS;
}

static inline int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Nearest-rank percentile of sorted microseconds, in milliseconds; 0 of none. */
static inline double percentile_ms(const uint32_t *sorted, size_t n, unsigned percent)
{
	return n == 0 ? 0 : ms(sorted[(n - 1) * percent / 100]);
}

/* Prints "p50_ms", "p95_ms" and "p99_ms" of samples[first … end). */
static inline void print_percentiles(const uint32_t *samples, size_t first, size_t end)
{
	size_t n = end - first;
	uint32_t *sorted = malloc((n + 1) * sizeof(*sorted));

	if (!sorted)
		die("malloc");
	memcpy(sorted, samples + first, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_u32);
	printf("\"p50_ms\": %.2f, \"p95_ms\": %.2f, \"p99_ms\": %.2f", percentile_ms(sorted, n, 50),
	       percentile_ms(sorted, n, 95), percentile_ms(sorted, n, 99));
	free(sorted);
}

/* ---- the end ---- */

static volatile sig_atomic_t tool_stopped;

static inline void on_stop(int signal_number)
{
	(void)signal_number;
	tool_stopped = 1;
}

static inline void stop_on_signals(void)
{
	struct sigaction action = {.sa_handler = on_stop};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

#endif
