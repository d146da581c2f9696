/*
 * crowd: many connections to one TCP port that keep it busy and get nothing done.
 *
 *	silent     says nothing                      drip       a TLS hello, a byte each 200 ms
 *	garbage    random bytes                      truncated  half a TLS hello, then the end
 *	oversized  a record longer than TLS allows   replayed   another connection's whole talk
 *	reflected  gives back what it is given       reader     asks on and on, reads no answer
 *
 * Opens them at a rate, holds them until its stdin or --seconds end, and prints how many stood,
 * were refused, and were closed by the server.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/lab/tools/garbage.h"
#include "tests/lab/tools/tool.h"

enum { MEMBERS_MAX = 8192, HELLO_MAX = 2048, TALK_MAX = 8192, RECORD_HEAD_LEN = 5 };

static const uint64_t drip_us = 200 * US_PER_MS;

enum manner { SILENT, DRIP, GARBAGE, TRUNCATED, OVERSIZED, REPLAYED, REFLECTED, READER, MANNERS };

static const char *const manner_names[MANNERS] = {
	[SILENT] = "silent",	   [DRIP] = "drip",	      [GARBAGE] = "garbage",
	[TRUNCATED] = "truncated", [OVERSIZED] = "oversized", [REPLAYED] = "replayed",
	[REFLECTED] = "reflected", [READER] = "reader",
};

#define ASK "GET / HTTP/1.1\r\nHost: crowd\r\n\r\n"
#define ASK_4 ASK ASK ASK ASK
#define ASK_16 ASK_4 ASK_4 ASK_4 ASK_4

static const char questions[] = ASK_16 ASK_16;
enum { QUESTIONS = 32, READER_BUFFER_LEN = 4096 };

struct member {
	SSL *ssl; /* readers only */
	size_t said;
	uint64_t next_us;
	bool stood, done; /* connected; closed, or has nothing more to say */
};

struct crowd {
	enum manner manner;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	struct pollfd fds[MEMBERS_MAX + 1]; /* the last one is stdin */
	struct member members[MEMBERS_MAX];
	size_t wanted, n;
	double rate;
	SSL_CTX *tls;
	uint8_t talk[TALK_MAX]; /* what a real client said, the hello first */
	size_t talk_len, hello_len;
	uint64_t random, asked;
	size_t stood, refused, closed;
};

/* ---- a real client's talk ---- */

static void keep_talk(struct crowd *c, const void *bytes, size_t len)
{
	size_t room = TALK_MAX - c->talk_len;

	memcpy(c->talk + c->talk_len, bytes, len < room ? len : room);
	c->talk_len += len < room ? len : room;
}

static void on_message(int is_write, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct crowd *c = arg;

	(void)version, (void)ssl;
	if (is_write && type == SSL3_RT_HANDSHAKE && c->hello_len == 0) {
		const uint8_t head[RECORD_HEAD_LEN] = {22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len};

		keep_talk(c, head, sizeof(head));
		keep_talk(c, buf, len);
		c->hello_len = c->talk_len;
	}
}

/* Begins a handshake into the void: the hello is all that is wanted. */
static void record_hello(struct crowd *c)
{
	SSL *ssl = SSL_new(c->tls);
	uint8_t rest[1024];

	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, c);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	(void)SSL_connect(ssl);
	SSL_free(ssl);
	if (c->hello_len == 0)
		die("no hello");
	/* Behind it comes what only a keypair would make right. */
	for (size_t i = 0; i < sizeof(rest); i++)
		rest[i] = (uint8_t)next_random(&c->random);
	memcpy(rest, (const uint8_t[]){23, 3, 3, 3, 0xfb}, RECORD_HEAD_LEN);
	keep_talk(c, rest, sizeof(rest));
}

/* ---- manners: true while there is more to say ---- */

static bool say(struct pollfd *p, struct member *m, const uint8_t *bytes, size_t len)
{
	ssize_t n = len > m->said ? send(p->fd, bytes + m->said, len - m->said, MSG_NOSIGNAL) : 0;

	m->said += n > 0 ? (size_t)n : 0;
	return m->said < len;
}

static bool say_garbage(struct crowd *c, struct pollfd *p)
{
	uint8_t garbage[GARBAGE_MAX];

	(void)!send(p->fd, garbage, make_garbage(&c->random, garbage), MSG_NOSIGNAL);
	return false;
}

static bool say_oversized(struct pollfd *p, struct member *m)
{
	static const uint8_t record[40000] = {22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xfa};

	return say(p, m, record, sizeof(record));
}

static bool ask_on(struct crowd *c, struct member *m)
{
	for (int i = 0; i < 16; i++) {
		int n = SSL_is_init_finished(m->ssl)
				? SSL_write(m->ssl, questions, sizeof(questions) - 1)
				: SSL_connect(m->ssl);

		if (n > 0) {
			c->asked += SSL_is_init_finished(m->ssl) ? QUESTIONS : 0;
			continue;
		}
		int err = SSL_get_error(m->ssl, n);
		ERR_clear_error();
		return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE;
	}
	return true;
}

static bool speak(struct crowd *c, struct pollfd *p, struct member *m, uint64_t now_us)
{
	switch (c->manner) {
	case SILENT:
	case REFLECTED:
	case MANNERS:
		return false;
	case DRIP:
		m->next_us = now_us + drip_us;
		(void)say(p, m, c->talk, m->said + 1);
		return m->said < c->hello_len;
	case GARBAGE:
		return say_garbage(c, p);
	case TRUNCATED:
		if (say(p, m, c->talk, c->hello_len / 2))
			return true;
		shutdown(p->fd, SHUT_WR);
		return false;
	case OVERSIZED:
		return say_oversized(p, m);
	case REPLAYED:
		return say(p, m, c->talk, c->talk_len);
	case READER:
		return ask_on(c, m);
	}
	return false;
}

/* ---- the crowd ---- */

static void join_in(struct crowd *c)
{
	struct pollfd *p = &c->fds[c->n];
	struct member *m = &c->members[c->n++];

	p->fd = socket(c->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->events = POLLIN | POLLOUT;
	if (p->fd < 0)
		die("socket");
	if (c->manner == READER) { /* what it does not read is the server's to keep */
		int len = READER_BUFFER_LEN;

		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof(len));
	}
	(void)!connect(p->fd, (struct sockaddr *)&c->sa, c->sa_len);
	if (c->manner != READER)
		return;
	m->ssl = SSL_new(c->tls);
	SSL_set_fd(m->ssl, p->fd);
}

static void leave(struct crowd *c, size_t i)
{
	struct member *m = &c->members[i];

	c->closed += m->stood;
	c->refused += !m->stood;
	SSL_free(m->ssl);
	m->ssl = NULL;
	m->done = true;
	close(c->fds[i].fd);
	c->fds[i].fd = -1;
}

/* False when the server has closed it. */
static bool listen_to(struct crowd *c, struct pollfd *p, struct member *m)
{
	uint8_t buf[4096];
	ssize_t n;

	if (c->manner == READER && SSL_is_init_finished(m->ssl)) {
		p->events &= (short)~POLLIN; /* it never reads */
		return true;
	}
	if (c->manner == READER)
		return ask_on(c, m);
	n = recv(p->fd, buf, sizeof(buf), 0);
	if (n > 0 && c->manner == REFLECTED)
		(void)!send(p->fd, buf, (size_t)n, MSG_NOSIGNAL);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static void attend(struct crowd *c, size_t i, uint64_t now_us)
{
	struct pollfd *p = &c->fds[i];
	struct member *m = &c->members[i];

	if (p->revents & (POLLERR | POLLHUP)) {
		leave(c, i);
		return;
	}
	if ((p->revents & POLLOUT) && !m->stood) {
		m->stood = true;
		c->stood++;
	}
	if ((p->revents & POLLIN) && !listen_to(c, p, m)) {
		leave(c, i);
		return;
	}
	if ((p->revents & POLLOUT) && !m->done && now_us >= m->next_us)
		m->done = !speak(c, p, m, now_us);
	if (m->done || now_us < m->next_us)
		p->events &= (short)~POLLOUT;
	else
		p->events |= POLLOUT;
}

/* False at the end of stdin. */
static bool goes_on(struct crowd *c)
{
	char line[64];

	return !tool_stopped &&
	       !(c->fds[c->n].revents && read(STDIN_FILENO, line, sizeof(line)) == 0);
}

static void run(struct crowd *c, uint64_t end_us)
{
	uint64_t start_us = clock_now_us(), now_us = start_us;
	bool more = true;

	while (more && now_us < end_us) {
		double due = (double)(now_us - start_us) / US_PER_S * c->rate;

		while (c->n < c->wanted && (double)c->n < due)
			join_in(c);
		c->fds[c->n] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
		poll(c->fds, c->n + 1, 20);
		now_us = clock_now_us();
		more = goes_on(c);
		for (size_t i = 0; i < c->n; i++) {
			bool is_due = c->members[i].next_us > 0 && !c->members[i].done &&
				      now_us >= c->members[i].next_us;

			if (is_due)
				c->fds[i].events |= POLLOUT;
			if (c->fds[i].fd >= 0 && c->fds[i].revents)
				attend(c, i, now_us);
		}
	}
}

static void disband(struct crowd *c)
{
	size_t open = 0;

	for (size_t i = 0; i < c->n; i++) {
		open += c->fds[i].fd >= 0 && c->members[i].stood;
		SSL_free(c->members[i].ssl);
		if (c->fds[i].fd >= 0)
			close(c->fds[i].fd);
	}
	printf("{\"tried\": %zu, \"stood\": %zu, \"refused\": %zu, \"closed\": %zu, \"open\": %zu, "
	       "\"asked\": %lu}\n",
	       c->n, c->stood, c->refused, c->closed, open, c->asked);
}

int main(int argc, char **argv)
{
	static struct crowd c;
	const char *name = positional(argc, argv, 1);
	struct endpoint to = parse_target(positional(argc, argv, 2), positional(argc, argv, 3));
	double seconds = option_number(argc, argv, "--seconds", 3600);

	while (c.manner < MANNERS && strcmp(name, manner_names[c.manner]) != 0)
		c.manner++;
	c.wanted = (size_t)option_number(argc, argv, "--connections", 1000);
	if (c.manner == MANNERS || c.wanted > MEMBERS_MAX)
		usage("crowd MANNER ADDRESS PORT [--connections 1000] [--rate 1000] "
		      "[--seconds 3600] [--seed 1]");
	c.rate = option_number(argc, argv, "--rate", 1000);
	c.random = garbage_seed(option_number(argc, argv, "--seed", 1));
	c.sa_len = endpoint_to_sockaddr(&to, &c.sa);
	c.tls = SSL_CTX_new(TLS_client_method());
	stop_on_signals();
	record_hello(&c);
	run(&c, clock_now_us() + (uint64_t)(seconds * US_PER_S));
	disband(&c);
	return 0;
}
