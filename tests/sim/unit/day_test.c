/* A day as text and back, drawn by its seed, and made smaller. */
#include "tests/sim/day.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/shrink.h"
#include "tests/unit/test.h"

static char *printed(const struct day *d)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CHECK(f != NULL);
	day_print(d, f);
	fclose(f);
	return text;
}

TEST(a_day_is_the_same_after_it_was_written_and_read)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct day d, again;
		char error[DAY_ERROR_LEN];

		day_draw(&d, seed);
		char *text = printed(&d);

		CHECK(day_parse(&again, text, error) == 0);
		char *twice = printed(&again);

		CHECK_STR(twice, text);
		CHECK(again.n_events == d.n_events && again.seed == seed);
		free(text);
		free(twice);
	}
}

TEST(days_have_what_is_drawn_by_dice_of_its_own)
{
	unsigned torn = 0, store_torn = 0, plain = 0, v6 = 0, forbidden = 0, together = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct day d;

		day_draw(&d, seed);
		plain += d.is_plain[0] || d.is_plain[1];
		together += d.nodes[1].lives_with || d.nodes[3].lives_with;
		for (size_t i = 0; i < d.n_events; i++) {
			torn += d.events[i].word == DAY_TORN;
			store_torn += d.events[i].word == DAY_COORDINATOR_TORN;
			forbidden += d.events[i].word == DAY_FORBID;
			v6 += d.events[i].is_v6 != 0;
		}
	}
	CHECK(torn > 20 && store_torn > 5 && plain > 2 && v6 > 100 && forbidden > 8);
	CHECK(together > 2);
}

TEST(strangers_come_in_a_day_of_six_with_every_kind_of_token)
{
	unsigned n[DAY_TOKENS] = {0}, sum = 0;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct day d;

		day_draw(&d, seed);
		for (size_t i = 0; i < d.n_events; i++) {
			if (d.events[i].word != DAY_INTRUDE)
				continue;
			n[d.events[i].amount]++;
			sum++;
		}
	}
	for (unsigned i = 0; i < DAY_TOKENS; i++)
		CHECK(n[i] >= 5);
	CHECK(sum >= 30 && sum <= 75);
}

TEST(a_coordinator_lies_in_a_day_of_six_to_each_side_in_every_way)
{
	unsigned n[DAY_LIES] = {0}, sum = 0, to_client = 0;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct day d;

		day_draw(&d, seed);
		for (size_t i = 0; i < d.n_events; i++) {
			if (d.events[i].word != DAY_LIE)
				continue;
			n[d.events[i].amount]++;
			sum++;
			to_client += d.nodes[d.events[i].whom].is_client;
		}
	}
	for (unsigned i = 0; i < DAY_LIES; i++)
		CHECK(n[i] >= 5);
	CHECK(sum >= 30 && sum <= 75);
	CHECK(to_client >= 10 && to_client + 10 <= sum);
}

TEST(a_seed_stands_for_one_day_and_another_for_another)
{
	struct day a, b, c;

	day_draw(&a, 7);
	day_draw(&b, 7);
	day_draw(&c, 8);
	char *text_a = printed(&a), *text_b = printed(&b), *text_c = printed(&c);

	CHECK_STR(text_a, text_b);
	CHECK(strcmp(text_a, text_c) != 0);
	free(text_a);
	free(text_b);
	free(text_c);
}

TEST(events_are_kept_in_the_order_of_their_times)
{
	struct day d = {0};

	CHECK(day_add(&d, &(struct day_event){.at_us = 20, .who = 1}));
	CHECK(day_add(&d, &(struct day_event){.at_us = 10, .who = 2}));
	CHECK(day_add(&d, &(struct day_event){.at_us = 20, .who = 3}));
	CHECK(d.events[0].who == 2 && d.events[1].who == 1 && d.events[2].who == 3);
}

TEST(what_is_not_understood_is_refused_with_its_line)
{
	static const char *const bad[] = {"at 1.000 dance laptop",
					  "at 1.0 join laptop",
					  "at 1.000 join stranger",
					  "home laptop colour 3",
					  "noon",
					  "plain relay3",
					  "together dev laptop",
					  "at 1.000 type laptop dev 90 for 1.000 v5",
					  "at 1.000 cut laptop dev both for 1.000 v6",
					  "at 1.000 intrude dev good for 8.000",
					  "at 1.000 lie dev laptop name for 6.000"};
	struct day d;
	char error[DAY_ERROR_LEN];

	day_draw(&d, 1);
	char *good = printed(&d);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[32768];

		snprintf(text, sizeof(text), "%s%s\n", good, bad[i]);
		CHECK_INT(day_parse(&d, text, error), -EBADMSG);
		CHECK(strstr(error, bad[i]) != NULL);
	}
	free(good);
}

TEST(an_owners_laptop_reaches_his_workspaces_and_nothing_else_may_start)
{
	struct day d;

	day_draw(&d, 1);
	for (unsigned i = 0; i < DAY_NODES; i++)
		memcpy(d.nodes[i].owner, i < 2 ? "ann" : "bob", 4);
	CHECK(day_may(&d, 0, 1) && day_may(&d, 2, 3));
	CHECK(!day_may(&d, 1, 0) && !day_may(&d, 0, 3) && !day_may(&d, 0, 2));
}

/* Goes wrong where a laptop sleeps after a cut, and where its NAT is stacked. */
static bool fails(void *arg, const struct day *d)
{
	bool cut = false, slept = false;

	*(unsigned *)arg += 1;
	for (size_t i = 0; i < d->n_events; i++) {
		cut |= d->events[i].word == DAY_CUT;
		slept |= cut && d->events[i].word == DAY_SLEEP;
	}
	return slept && d->nodes[0].home.is_stacked;
}

TEST(shrinking_leaves_what_matters)
{
	struct day d;
	unsigned trials = 0;

	day_draw(&d, 3);
	d.n_events = 0;
	for (unsigned i = 0; i < 60; i++)
		day_add(&d, &(struct day_event){.at_us = (i + 1) * 5 * US_PER_S,
						.word = i == 20	  ? DAY_CUT
							: i == 40 ? DAY_SLEEP
								  : DAY_TYPE});
	d.nodes[0].home.is_stacked = 1;
	d.nodes[0].home.loss_permille = 9;
	unsigned n = shrink_day(&d, fails, &trials, 400);

	CHECK(n == trials && n < 400);
	CHECK(d.n_events == 2 && d.events[0].word == DAY_CUT && d.events[1].word == DAY_SLEEP);
	CHECK(d.nodes[0].home.is_stacked == 1 && d.nodes[0].home.loss_permille == 0);
	CHECK(d.end_us < 300 * (uint64_t)US_PER_S);
}
