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

static void converse(struct script *s)
{
	bool fail_open = script_byte(s) & 1;
	struct admission *a = admission_new(seed, fail_open);
	struct client clients[KEYS] = {0};
	uint64_t now_us = US_PER_S;

	for (unsigned i = 0; i < STEPS_MAX && script_has_more(s); i++) {
		unsigned how = script_pick(s, 5), n = script_pick(s, KEYS);
		struct client *c = &clients[n];
		struct public_key key = {.b = {(uint8_t)(n + 1)}};
		const struct ip_addr from = {{[10] = 0xff, 0xff, 192, 0, 2, 7}};
		struct admission_question q;
		enum admission_decision d;

		switch (how) {
		case 0:
			d = admission_on_connect(a, &key, &from, now_us, unix_s);
			MUST(d != ADMISSION_LET_IN || c->was_admitted || fail_open);
			c->connections += d != ADMISSION_CLOSE;
			break;
		case 1:
			if (c->connections > 0 && c->connections--)
				admission_on_disconnect(a, &key);
			break;
		case 2:
			now_us += script_pause_us(s);
			while (admission_ask(a, now_us, &q)) {
				MUST(q.key.b[0] >= 1 && q.key.b[0] <= KEYS);
				MUST(!clients[q.key.b[0] - 1].is_asked);
				clients[q.key.b[0] - 1].is_asked = true;
			}
			break;
		default: {
			enum admission_answer said = script_pick(s, 3);

			d = admission_on_answer(a, &key, said, now_us, unix_s);
			if (!c->is_asked) {
				MUST(d == ADMISSION_WAIT);
				break;
			}
			MUST(d != ADMISSION_LET_IN || said == ADMISSION_YES || c->was_admitted ||
			     fail_open);
			MUST(said != ADMISSION_NO || d == ADMISSION_CLOSE || c->connections == 0);
			c->is_asked = false;
			if (said == ADMISSION_NO)
				c->was_admitted = false;
			if (said == ADMISSION_YES)
				c->was_admitted = true;
		}
		}
	}
	admission_free(a);
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
