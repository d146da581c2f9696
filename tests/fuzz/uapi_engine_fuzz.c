/*
 * uapi_engine_fuzz: messages of wg(8) to an engine, one behind the other; the first byte says
 * whether they may change it. A socket pair stands for the TUN. Ports, marks and endpoints but
 * loopback's discard are left out: they would be opened and dialled.
 *
 * Must hold:
 *   - each message is answered, with an errno line and an empty line at the end;
 *   - who may not change hears no secret and changes nothing;
 *   - what was read back can be set, and is then read back the same.
 */
#include "agent/tunnel/uapi_engine.h"

#include <sys/socket.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/tunnel/engine.h"
#include "agent/tunnel/uapi.h"
#include "common/net/loop.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 4096, ANSWER_MAX = 1 << 20 };

struct text {
	char bytes[ANSWER_MAX];
	size_t len;
};

static struct world { /* stands through all inputs; each begins with an empty engine */
	struct event_base *base;
	struct engine *engine;
	struct text answer, before, again, set;
} world;

static void open_world(struct world *w)
{
	static struct tun tun = {.name = "fuzz"};
	int pair[2];

	MUST(sodium_init() >= 0);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	tun.fd = pair[1];
	w->base = loop_base_new();
	struct engine_config config = {.base = w->base, .tun = &tun, .roaming = true};
	MUST(engine_new(&config, &w->engine) == 0);
}

static void ask(struct world *w, bool may_change, const char *message, size_t len, struct text *out)
{
	struct writer wr = writer_init(out->bytes, sizeof(out->bytes) - 1);

	uapi_engine_answer(w->engine, may_change, message, len, &wr);
	MUST(!wr.failed && wr.len > 2);
	out->len = wr.len;
	out->bytes[out->len] = '\0';
	MUST(memcmp(out->bytes + out->len - 2, "\n\n", 2) == 0 && strstr(out->bytes, "errno="));
}

static void get(struct world *w, struct text *out)
{
	ask(w, true, "get=1\n\n", 7, out);
}

static bool is_same(const struct text *a, const struct text *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static bool begins(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

/* Would this open a port or send to somebody? */
static bool goes_out(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (begins(line, "listen_port=") || begins(line, "fwmark="))
			return true;
		if (begins(line, "endpoint=") && !begins(line, "endpoint=127.0.0.1:9\n") &&
		    !begins(line, "endpoint=[::1]:9\n"))
			return true;
	}
	return false;
}

static void ask_as_stranger(struct world *w, const char *message, size_t len)
{
	get(w, &w->before);
	ask(w, false, message, len, &w->answer);
	MUST(!strstr(w->answer.bytes, "private_key=") &&
	     !strstr(w->answer.bytes, "preshared_key="));
	get(w, &w->again);
	MUST(is_same(&w->before, &w->again));
}

/* Lines that say what happened, and not what was set. */
static bool is_told(const char *line)
{
	static const char *const words[] = {"errno=", "listen_port=", "last_handshake",
					    "tx_bytes=", "rx_bytes="};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (begins(line, words[i]))
			return true;
	return *line == '\n';
}

static uint64_t hash_line(const char *line, const char *end, uint64_t hash)
{
	for (; line < end; line++) /* FNV-1a */
		hash = (hash ^ (uint8_t)*line) * 0x100000001b3;
	return hash;
}

/* What an answer says of the configuration, as a message that makes it so. Returns a sum over its
 * lines, each with its peer: prefixes of a peer come in any order. */
static uint64_t turn_into_set(const struct text *answer, struct text *out)
{
	static const char head[] = "set=1\nreplace_peers=true\n";
	struct writer wr = writer_init(out->bytes, sizeof(out->bytes) - 1);
	uint64_t peer = 0xcbf29ce484222325, sum = 0;

	write_bytes(&wr, head, sizeof(head) - 1);
	for (const char *line = answer->bytes, *end; *line; line = end) {
		end = strchr(line, '\n') + 1;
		if (is_told(line))
			continue;
		write_bytes(&wr, line, (size_t)(end - line));
		if (begins(line, "public_key="))
			peer = hash_line(line, end, 0xcbf29ce484222325);
		sum += hash_line(line, end, peer);
	}
	write_bytes(&wr, "\n", 1);
	MUST(!wr.failed);
	out->len = wr.len;
	return sum;
}

static void check_round_trip(struct world *w)
{
	get(w, &w->before);
	uint64_t before = turn_into_set(&w->before, &w->set);
	ask(w, true, w->set.bytes, w->set.len, &w->answer);
	MUST(strcmp(w->answer.bytes, "errno=0\n\n") == 0);
	get(w, &w->again);
	MUST(turn_into_set(&w->again, &w->set) == before);
}

static void empty(struct world *w)
{
	static const char message[] =
		"set=1\nprivate_key="
		"0000000000000000000000000000000000000000000000000000000000000000\n"
		"replace_peers=true\n\n";

	ask(w, true, message, sizeof(message) - 1, &w->answer);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[INPUT_MAX + 1];
	const char *at = text;
	size_t n;

	if (len == 0 || len > INPUT_MAX || memchr(data, 0, len))
		return 0;
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	if (goes_out(text))
		return 0;
	if (!world.engine)
		open_world(&world);
	while ((n = uapi_message_len(at, (size_t)(text + len - 1 - at))) > 0) {
		if (data[0] != 's')
			ask(&world, true, at, n, &world.answer);
		ask_as_stranger(&world, at, n);
		at += n;
	}
	check_round_trip(&world);
	empty(&world);
	return 0;
}
