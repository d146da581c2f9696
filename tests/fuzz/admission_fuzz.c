/*
 * admission_fuzz: a relay's memory of admitted keys: its file, the coordinator's answers, and
 * clients that come and go while both say anything.
 *
 *	input: 'f' and a file   'a', a status and a body   else: a conversation
 *
 * Must hold: no key is let in that was never said yes to, neither by an answer nor by a file; a
 * refusal closes; what is saved loads, and to the same; a question is open once.
 */
#include "derp-relay/admission.h"

#include "common/clock.h"
#include "common/json.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { KEYS = 4, STEPS_MAX = 400 };
static const uint8_t seed[ADMISSION_SEED_LEN] = {1};
static const uint64_t unix_s = 1800000000;

static char *save(struct admission *a)
{
	struct json *tree = admission_save(a, unix_s);
	char *text = json_print(tree);

	json_free(tree);
	return text;
}

static void check_file(const char *text, size_t len)
{
	struct admission *a = admission_new(seed, false), *b = admission_new(seed, false);
	struct json_error err = {0}, err2 = {0};
	struct json *tree, *again;

	if (json_parse(text, len, ADMISSION_FILE_MAX, &tree, &err) == 0) {
		struct json_in root = json_root(tree, &err);

		(void)!admission_load(a, &root, unix_s);
		char *saved = save(a);
		MUST(json_parse(saved, strlen(saved), ADMISSION_FILE_MAX, &again, &err2) == 0);
		struct json_in root2 = json_root(again, &err2);
		MUST(admission_load(b, &root2, unix_s) == 0);
		char *saved2 = save(b);
		MUST(strlen(saved) == strlen(saved2));
		free(saved);
		free(saved2);
		json_free(again);
		json_free(tree);
	}
	admission_free(a);
	admission_free(b);
}

static void check_answer(const uint8_t *data, size_t len)
{
	struct script s = script_init(data, len);
	unsigned status = script_u16(&s);
	enum admission_answer a = admission_read(status, (const char *)s.r.at, reader_left(&s.r));

	MUST(status == 200 || a == ADMISSION_SILENT);
}

/* Per key: what the coordinator last said while it was asked, and its connections. */
struct client {
	bool was_admitted, is_asked;
	unsigned connections;
};

struct talk {
	struct script *s;
	struct admission *a;
	bool fail_open;
	struct client clients[KEYS];
	uint64_t now_us;
};

static void come(struct talk *t, struct client *c, const struct public_key *key)
{
	const struct ip_addr from = {{[10] = 0xff, 0xff, 192, 0, 2, 7}};
	enum admission_decision d = admission_on_connect(t->a, key, &from, t->now_us, unix_s);

	MUST(d != ADMISSION_LET_IN || c->was_admitted || t->fail_open);
	c->connections += d != ADMISSION_CLOSE;
}

static void ask(struct talk *t)
{
	struct admission_question q;

	while (admission_ask(t->a, t->now_us, &q)) {
		MUST(q.key.b[0] >= 1 && q.key.b[0] <= KEYS);
		MUST(!t->clients[q.key.b[0] - 1].is_asked);
		t->clients[q.key.b[0] - 1].is_asked = true;
	}
}

static void answer(struct talk *t, struct client *c, const struct public_key *key)
{
	enum admission_answer said = script_pick(t->s, 3);
	enum admission_decision d = admission_on_answer(t->a, key, said, t->now_us, unix_s);

	if (!c->is_asked) {
		MUST(d == ADMISSION_WAIT);
		return;
	}
	MUST(d != ADMISSION_LET_IN || said == ADMISSION_YES || c->was_admitted || t->fail_open);
	MUST(said != ADMISSION_NO || d == ADMISSION_CLOSE || c->connections == 0);
	c->is_asked = false;
	if (said != ADMISSION_SILENT)
		c->was_admitted = said == ADMISSION_YES;
}

static void converse(struct script *s)
{
	struct talk t = {.s = s, .fail_open = script_byte(s) & 1, .now_us = US_PER_S};

	t.a = admission_new(seed, t.fail_open);
	for (unsigned i = 0; i < STEPS_MAX && script_has_more(s); i++) {
		unsigned how = script_pick(s, 5), n = script_pick(s, KEYS);
		struct client *c = &t.clients[n];
		struct public_key key = {.b = {(uint8_t)(n + 1)}};

		switch (how) {
		case 0:
			come(&t, c, &key);
			break;
		case 1:
			if (c->connections > 0 && c->connections--)
				admission_on_disconnect(t.a, &key);
			break;
		case 2:
			t.now_us += script_pause_us(s);
			ask(&t);
			break;
		default:
			answer(&t, c, &key);
		}
	}
	admission_free(t.a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = script_init(data, len);

	if (len == 0)
		return 0;
	switch (script_byte(&s)) {
	case 'f':
		check_file((const char *)data + 1, len - 1);
		break;
	case 'a':
		check_answer(data + 1, len - 1);
		break;
	default:
		converse(&s);
	}
	return 0;
}
