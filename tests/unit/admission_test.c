#include "derp-relay/admission.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"
#include "tests/unit/test.h"

static const uint8_t seed[ADMISSION_SEED_LEN] = {1};
static const uint64_t t0 = 1000 * US_PER_S, unix_s = 1800000000, week_s = 7 * 24 * 3600;
static const struct ip_addr source = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7}};

static struct public_key key(uint8_t n)
{
	return (struct public_key){.b = {n}};
}

static enum admission_decision connects(struct admission *a, uint8_t n, uint64_t at_us,
					uint64_t at_s)
{
	struct public_key k = key(n);

	return admission_on_connect(a, &k, &source, at_us, at_s);
}

/* The number of the key that is asked about now; 0: none. */
static uint8_t asks(struct admission *a, uint64_t at_us)
{
	struct admission_question q;

	return admission_ask(a, at_us, &q) ? q.key.b[0] : 0;
}

static enum admission_decision answers(struct admission *a, uint8_t n, enum admission_answer answer,
				       uint64_t at_us, uint64_t at_s)
{
	struct public_key k = key(n);

	return admission_on_answer(a, &k, answer, at_us, at_s);
}

TEST(an_unknown_key_waits_for_its_answer_and_is_asked_about_once)
{
	struct admission *a = admission_new(seed, false);

	CHECK(connects(a, 1, t0, unix_s) == ADMISSION_WAIT);
	CHECK(connects(a, 1, t0, unix_s) == ADMISSION_WAIT);
	CHECK_INT(asks(a, t0), 1);
	CHECK_INT(asks(a, t0), 0);
	CHECK(connects(a, 1, t0, unix_s) == ADMISSION_WAIT);
	CHECK_INT(asks(a, t0), 0);
	CHECK(answers(a, 1, ADMISSION_YES, t0, unix_s) == ADMISSION_LET_IN);
	CHECK(answers(a, 1, ADMISSION_NO, t0, unix_s) == ADMISSION_WAIT); /* nobody had asked */
	admission_free(a);
}

TEST(a_connected_key_is_asked_about_each_minute_and_a_no_closes_it)
{
	struct admission *a = admission_new(seed, false);

	connects(a, 1, t0, unix_s);
	asks(a, t0);
	answers(a, 1, ADMISSION_YES, t0, unix_s);
	CHECK_INT(admission_deadline_us(a), t0 + 60 * US_PER_S);
	CHECK_INT(asks(a, t0 + 60 * US_PER_S - 1), 0);
	CHECK_INT(asks(a, t0 + 60 * US_PER_S), 1);
	CHECK(answers(a, 1, ADMISSION_NO, t0 + 61 * US_PER_S, unix_s + 61) == ADMISSION_CLOSE);
	/* Refused is forgotten: it has to ask again. */
	CHECK(connects(a, 1, t0 + 62 * US_PER_S, unix_s + 62) == ADMISSION_WAIT);
	admission_free(a);
}

TEST(a_known_key_is_let_in_at_once_and_for_a_week_of_silence)
{
	struct admission *a = admission_new(seed, false);
	struct public_key k = key(1);

	connects(a, 1, t0, unix_s);
	asks(a, t0);
	answers(a, 1, ADMISSION_YES, t0, unix_s);
	admission_on_disconnect(a, &k);
	CHECK(admission_deadline_us(a) == US_NEVER); /* nobody is connected */

	CHECK(connects(a, 1, t0, unix_s + week_s - 1) == ADMISSION_LET_IN);
	CHECK_INT(asks(a, t0), 1);
	CHECK(answers(a, 1, ADMISSION_SILENT, t0, unix_s + week_s - 1) == ADMISSION_LET_IN);
	CHECK_INT(asks(a, t0 + 60 * US_PER_S), 1);
	CHECK(answers(a, 1, ADMISSION_SILENT, t0, unix_s + week_s) == ADMISSION_WAIT);
	CHECK(connects(a, 1, t0, unix_s + week_s) == ADMISSION_WAIT);
	admission_free(a);
}

TEST(an_unknown_key_is_asked_about_again_after_two_seconds_of_silence)
{
	struct admission *a = admission_new(seed, false);

	connects(a, 1, t0, unix_s);
	asks(a, t0);
	CHECK(answers(a, 1, ADMISSION_SILENT, t0, unix_s) == ADMISSION_WAIT);
	CHECK_INT(admission_deadline_us(a), t0 + 2 * US_PER_S);
	CHECK_INT(asks(a, t0 + 2 * US_PER_S), 1);
	admission_free(a);
}

TEST(fail_open_lets_unknown_keys_in_until_the_coordinator_answers)
{
	struct admission *a = admission_new(seed, true);

	CHECK(connects(a, 1, t0, unix_s) == ADMISSION_WAIT);
	asks(a, t0);
	CHECK(answers(a, 1, ADMISSION_SILENT, t0, unix_s) == ADMISSION_LET_IN);
	CHECK_INT(asks(a, t0 + 2 * US_PER_S), 1);
	CHECK(answers(a, 1, ADMISSION_NO, t0, unix_s) == ADMISSION_CLOSE);
	admission_free(a);
}

TEST(new_keys_are_asked_about_before_known_ones)
{
	struct admission *a = admission_new(seed, false);

	connects(a, 1, t0, unix_s);
	asks(a, t0);
	answers(a, 1, ADMISSION_YES, t0, unix_s);
	connects(a, 2, t0 + 90 * US_PER_S, unix_s);
	CHECK_INT(asks(a, t0 + 90 * US_PER_S), 2);
	CHECK_INT(asks(a, t0 + 90 * US_PER_S), 1);
	admission_free(a);
}

TEST(who_left_before_the_answer_is_kept_only_by_a_yes)
{
	struct admission *a = admission_new(seed, false);
	struct public_key k1 = key(1), k2 = key(2);

	connects(a, 1, t0, unix_s);
	connects(a, 2, t0, unix_s);
	asks(a, t0);
	asks(a, t0);
	admission_on_disconnect(a, &k1);
	admission_on_disconnect(a, &k2);
	answers(a, 1, ADMISSION_YES, t0, unix_s);
	answers(a, 2, ADMISSION_SILENT, t0, unix_s);
	CHECK(admission_deadline_us(a) == US_NEVER);
	CHECK(connects(a, 1, t0, unix_s) == ADMISSION_LET_IN);
	CHECK(connects(a, 2, t0, unix_s) == ADMISSION_WAIT);
	admission_free(a);
}

TEST(admitted_keys_outlive_the_process)
{
	struct admission *a = admission_new(seed, false), *b = admission_new(seed, false);
	struct json_error err = {0};

	for (uint8_t n = 1; n <= 3; n++) {
		connects(a, n, t0, unix_s);
		asks(a, t0);
		answers(a, n, n == 2 ? ADMISSION_NO : ADMISSION_YES, t0, unix_s + n);
	}
	CHECK(admission_is_changed(a));
	struct json *tree = admission_save(a, unix_s);
	CHECK(admission_is_changed(a)); /* the disk may refuse it */
	admission_saved(a);
	CHECK(!admission_is_changed(a));
	char *text = json_print(tree);
	json_free(tree);
	CHECK(json_parse(text, strlen(text), ADMISSION_FILE_MAX, &tree, &err) == 0);
	free(text);
	struct json_in root = json_root(tree, &err);
	CHECK(admission_load(b, &root, unix_s + week_s + 1) == 0); /* the first is over */
	json_free(tree);
	CHECK(connects(b, 1, t0, unix_s + week_s + 1) == ADMISSION_WAIT);
	CHECK(connects(b, 2, t0, unix_s + week_s + 1) == ADMISSION_WAIT);
	CHECK(connects(b, 3, t0, unix_s + week_s + 1) == ADMISSION_LET_IN);
	admission_free(a);
	admission_free(b);
}

static struct public_key large_key(uint32_t n)
{
	return (struct public_key){.b = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), 1}};
}

TEST(who_is_away_and_no_longer_admitted_makes_room)
{
	struct admission *a = admission_new(seed, false);
	struct admission_question q;
	uint64_t later_us = t0 + (week_s + 1) * US_PER_S, later_s = unix_s + week_s + 1;

	for (uint32_t n = 0; n < ADMISSION_KEYS_MAX; n++) {
		struct public_key k = large_key(n);

		CHECK(admission_on_connect(a, &k, &source, t0, unix_s) == ADMISSION_WAIT);
		CHECK(admission_ask(a, t0, &q));
		admission_on_answer(a, &k, ADMISSION_YES, t0, unix_s);
		admission_on_disconnect(a, &k);
	}
	CHECK(connects(a, 9, t0, unix_s) == ADMISSION_CLOSE); /* all of them have days to go */
	CHECK(connects(a, 9, later_us, later_s) == ADMISSION_WAIT);
	CHECK_INT(asks(a, later_us), 9);
	admission_free(a);
}

TEST(the_question_and_its_answers_are_those_of_the_field)
{
	struct admission_question q = {.key = key(0xab), .source = source};
	char body[ADMISSION_BODY_LEN];

	admission_body(&q, body);
	CHECK_STR(body, "{\"NodePublic\":\"nodekey:"
			"ab00000000000000000000000000000000000000000000000000000000000000\","
			"\"Source\":\"192.0.2.7\"}");
	CHECK(admission_read(200, "{\"Allow\":true}", 14) == ADMISSION_YES);
	CHECK(admission_read(200, "{\"Allow\":false}", 15) == ADMISSION_NO);
	CHECK(admission_read(200, "{}", 2) == ADMISSION_SILENT);
	CHECK(admission_read(200, "", 0) == ADMISSION_SILENT);
	CHECK(admission_read(503, "{\"Allow\":true}", 14) == ADMISSION_SILENT);
}
