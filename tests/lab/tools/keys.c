/*
 * keys: somebody typing over the network. "keys serve PORT" echoes TCP and UDP; "keys type ADDRESS
 * PORT" sends a keystroke of eight bytes each 20 ms over TCP and checks that every echo comes, in
 * order. Ends when its stdin does (or after --seconds), waits for the echoes still due, and prints
 * the longest gap between two echoes and the echo times, by window.
 */
#include "tests/lab/tools/tool.h"

enum { KEY_LEN = 8, KEYS_MAX = 1 << 20, CLIENTS_MAX = 64, BUF_LEN = 65536 };

/* ---- serve ---- */

struct server {
	struct pollfd fds[2 + CLIENTS_MAX]; /* listener, UDP socket, connections */
	nfds_t n;
};

static void accept_client(struct server *s)
{
	int on = 1, fd = accept4(s->fds[0].fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (s->n == 2 + CLIENTS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fds[s->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void echo_datagram(int fd)
{
	static uint8_t buf[BUF_LEN];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

	if (n >= 0)
		(void)!sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, from_len);
}

/* False when the client is gone. */
static bool echo_stream(int fd)
{
	static uint8_t buf[BUF_LEN];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	return n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve(uint16_t port)
{
	struct server s = {.n = 2};

	s.fds[0] = (struct pollfd){.fd = open_server(SOCK_STREAM, port), .events = POLLIN};
	s.fds[1] = (struct pollfd){.fd = open_server(SOCK_DGRAM, port), .events = POLLIN};
	puts("{\"listening\": true}");
	fflush(stdout);
	while (!tool_stopped) {
		if (poll(s.fds, s.n, 1000) <= 0)
			continue;
		if (s.fds[1].revents)
			echo_datagram(s.fds[1].fd);
		for (nfds_t i = s.n; i-- > 2;) {
			if (!s.fds[i].revents || echo_stream(s.fds[i].fd))
				continue;
			close(s.fds[i].fd);
			s.fds[i] = s.fds[--s.n];
		}
		if (s.fds[0].revents)
			accept_client(&s);
	}
}

/* ---- type ---- */

struct typist {
	int fd;
	uint64_t every_us, next_us, end_us;
	uint64_t patience_us; /* for the echoes still due at the end */
	uint64_t sent_at_us[KEYS_MAX];
	uint32_t echo_us[KEYS_MAX]; /* how long each echo took */
	size_t sent, echoed;
	uint8_t partial[KEY_LEN];
	size_t partial_len;
	bool in_order, typing;
	struct windows windows;
};

static void press_key(struct typist *t, uint64_t now_us)
{
	uint8_t key[KEY_LEN];
	struct writer w = writer_init(key, sizeof(key));

	if (t->sent == KEYS_MAX)
		return;
	write_u64be(&w, t->sent);
	if (send(t->fd, key, sizeof(key), MSG_NOSIGNAL) != KEY_LEN) {
		if (errno != EAGAIN) {
			perror("send");
			tool_stopped = 1;
		}
		return;
	}
	t->sent_at_us[t->sent++] = now_us;
}

static void take_key(struct typist *t, const uint8_t key[static KEY_LEN], uint64_t now_us)
{
	struct reader r = reader_init(key, KEY_LEN);

	if (read_u64be(&r) != t->echoed || t->echoed == t->sent) {
		t->in_order = false;
		return;
	}
	t->echo_us[t->echoed] = (uint32_t)(now_us - t->sent_at_us[t->echoed]);
	t->echoed++;
	windows_event(&t->windows, now_us);
}

/* False when the connection is over. */
static bool take_echoes(struct typist *t, uint64_t now_us)
{
	uint8_t buf[4096];
	ssize_t n = recv(t->fd, buf, sizeof(buf), 0);

	if (n < 0)
		return errno == EAGAIN;
	for (ssize_t i = 0; i < n; i++) {
		t->partial[t->partial_len++] = buf[i];
		if (t->partial_len == KEY_LEN) {
			take_key(t, t->partial, now_us);
			t->partial_len = 0;
		}
	}
	return n > 0;
}

static void type_until_told(struct typist *t)
{
	uint64_t give_up_us = US_NEVER;
	bool connected = true;

	while (connected && clock_now_us() < give_up_us && (t->typing || t->echoed < t->sent)) {
		struct pollfd fds[2] = {{.fd = t->fd, .events = POLLIN},
					{.fd = t->typing ? STDIN_FILENO : -1, .events = POLLIN}};
		uint64_t now_us = clock_now_us();
		uint64_t wait_us = t->next_us > now_us ? t->next_us - now_us : 0;
		struct timespec wait = {.tv_nsec = (long)wait_us * 1000};

		ppoll(fds, 2, &wait, NULL);
		now_us = clock_now_us();
		if (fds[0].revents)
			connected = take_echoes(t, now_us);
		if (fds[1].revents && !windows_read_marks(&t->windows, t->echoed))
			tool_stopped = 1;
		if (t->typing && (tool_stopped || now_us >= t->end_us)) {
			t->typing = false;
			give_up_us = now_us + t->patience_us;
		}
		if (now_us >= t->next_us) {
			if (t->typing)
				press_key(t, now_us);
			t->next_us += t->every_us;
		}
	}
	if (t->echoed < t->sent)
		windows_gap(&t->windows, clock_now_us());
}

static void report(const struct typist *t)
{
	uint64_t longest_us = 0;

	for (size_t i = 0; i < t->windows.n; i++) {
		if (t->windows.w[i].longest_us > longest_us)
			longest_us = t->windows.w[i].longest_us;
	}
	printf("{\"sent\": %zu, \"echoed\": %zu, \"in_order\": %s, \"longest_gap_ms\": %.1f, ",
	       t->sent, t->echoed, t->in_order ? "true" : "false", ms(longest_us));
	print_percentiles(t->echo_us, 0, t->echoed);
	printf(", \"last_us\": %lu, \"windows\": [", t->windows.last_us);
	for (size_t i = 0; i < t->windows.n; i++) {
		const struct window *w = &t->windows.w[i];
		size_t end = i + 1 < t->windows.n ? w[1].first_sample : t->echoed;

		printf("%s{\"name\": \"%s\", \"start_us\": %lu, \"echoed\": %zu, "
		       "\"longest_gap_ms\": %.1f, \"gap_at_us\": %lu, ",
		       i ? ", " : "", w->name, w->start_us, end - w->first_sample,
		       ms(w->longest_us), w->longest_at_us);
		print_percentiles(t->echo_us, w->first_sample, end);
		printf("}");
	}
	printf("]}\n");
}

static int type(int argc, char **argv)
{
	static struct typist t = {.in_order = true, .typing = true};
	struct endpoint to = parse_target(positional(argc, argv, 2), positional(argc, argv, 3));
	double seconds = option_number(argc, argv, "--seconds", 0);

	t.every_us = (uint64_t)(option_number(argc, argv, "--every-ms", 20) * US_PER_MS);
	t.patience_us = (uint64_t)(option_number(argc, argv, "--patience", 20) * US_PER_S);
	t.fd = open_client(&to);
	t.next_us = clock_now_us();
	t.end_us = seconds > 0 ? t.next_us + (uint64_t)(seconds * US_PER_S) : US_NEVER;
	windows_start(&t.windows, "start", 0, t.next_us);
	set_nonblocking(STDIN_FILENO);
	type_until_told(&t);
	report(&t);
	return t.in_order && t.echoed == t.sent ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const char help[] = "keys serve PORT | keys type ADDRESS PORT [--every-ms 20] "
				   "[--seconds N] [--patience 20]";

	stop_on_signals();
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve((uint16_t)strtoul(argv[2], NULL, 10));
	else if (argc >= 4 && strcmp(argv[1], "type") == 0)
		return type(argc, argv);
	else
		usage(help);
	return 0;
}
