#include "agent/trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

static struct introduction introduce(const char *name, uint8_t key, uint8_t host, uint64_t serial)
{
	struct introduction in = {.node_serial = serial, .disco_serial = serial};

	strcpy(in.name, name);
	strcpy(in.owner, "alice");
	in.machine_key.b[0] = key;
	in.v4 = ip_from_v4((const uint8_t[]){10, 9, 0, host});
	return in;
}

TEST(introduces_a_stranger_and_remembers_it)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5);

	CHECK_INT(trust_judge(&book, &dev), TRUST_USED);
	CHECK(book.changed && trust_find(&book, "dev", "alice") != NULL);
	book.changed = false;
	CHECK_INT(trust_judge(&book, &dev), TRUST_USED);
	CHECK(!book.changed);
	trust_book_free(&book);
}

TEST(does_not_let_another_key_take_a_friends_name)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), forged = introduce("dev", 9, 2, 6);

	trust_judge(&book, &dev);
	CHECK_INT(trust_judge(&book, &forged), TRUST_KEY_CHANGED);
	CHECK_INT(trust_find(&book, "dev", "alice")->known.machine_key.b[0], 1);
	CHECK_INT(trust_judge(&book, &dev), TRUST_USED);
	trust_book_free(&book);
}

TEST(does_not_let_another_name_take_a_friends_address)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), other = introduce("gpu", 9, 2, 1);

	trust_judge(&book, &dev);
	CHECK_INT(trust_judge(&book, &other), TRUST_ADDRESS_TAKEN);
	CHECK(public_key_is_zero(&trust_find(&book, "gpu", "alice")->known.machine_key));
	trust_book_free(&book);
}

TEST(refuses_a_serial_that_went_back)
{
	struct trust_book book = {0};
	struct introduction now = introduce("dev", 1, 2, 5), before = introduce("dev", 1, 2, 4);

	trust_judge(&book, &now);
	CHECK_INT(trust_judge(&book, &before), TRUST_SERIAL_LOWER);
	trust_book_free(&book);
}

TEST(tells_a_list_that_is_behind_from_another_machine)
{
	struct trust_book book = {0};
	struct introduction now = introduce("dev", 1, 2, 5), before = introduce("dev", 1, 2, 4);
	struct introduction other = introduce("dev", 9, 2, 4), stranger = introduce("gpu", 3, 4, 1);

	trust_judge(&book, &now);
	CHECK(trust_knows_newer(&book, &before));
	CHECK(!trust_knows_newer(&book, &now));
	CHECK(!trust_knows_newer(&book, &other));
	CHECK(!trust_knows_newer(&book, &stranger));
	CHECK(!trust_find(&book, "dev", "alice")->has_offer);
	trust_book_free(&book);
}

TEST(accepts_exactly_the_offered_key)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), next = introduce("dev", 9, 2, 1);
	char shown[FINGERPRINT_LEN];

	trust_judge(&book, &dev);
	CHECK_INT(trust_accept(&book, "dev", "alice", "SHA256:x"), -ENOENT);
	trust_judge(&book, &next);
	CHECK_INT(trust_accept(&book, "dev", "alice", "SHA256:x"), -EKEYREJECTED);
	trust_fingerprint(&next.machine_key, shown);
	CHECK_INT(strlen(shown), FINGERPRINT_LEN - 2);
	CHECK_INT(trust_accept(&book, "dev", "alice", shown), 0);
	CHECK_INT(trust_judge(&book, &next), TRUST_USED);
	CHECK_INT(trust_judge(&book, &dev), TRUST_KEY_CHANGED);
	trust_book_free(&book);
}

TEST(gives_an_address_away_when_the_user_says_so)
{
	struct trust_book book = {0};
	struct introduction gone = introduce("dev", 1, 2, 5), heir = introduce("gpu", 9, 2, 1);
	char shown[FINGERPRINT_LEN];

	trust_judge(&book, &gone);
	CHECK_INT(trust_judge(&book, &heir), TRUST_ADDRESS_TAKEN);
	trust_fingerprint(&heir.machine_key, shown);
	CHECK_INT(trust_accept(&book, "gpu", "alice", shown), 0);
	CHECK_INT(trust_judge(&book, &heir), TRUST_USED);
	CHECK_INT(trust_judge(&book, &gone), TRUST_ADDRESS_TAKEN);
	trust_book_free(&book);
}

TEST(a_yes_to_a_key_is_none_to_a_friends_address)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), gpu = introduce("gpu", 9, 3, 1);
	struct introduction forged = introduce("dev", 7, 3, 1); /* another key, and gpu's address */
	char shown[FINGERPRINT_LEN];

	trust_judge(&book, &dev);
	trust_judge(&book, &gpu);
	CHECK_INT(trust_judge(&book, &forged), TRUST_KEY_CHANGED);
	trust_fingerprint(&forged.machine_key, shown);
	CHECK_INT(trust_accept(&book, "dev", "alice", shown), 0);
	CHECK_INT(trust_judge(&book, &gpu), TRUST_USED);
	CHECK_INT(trust_judge(&book, &forged), TRUST_ADDRESS_TAKEN);
	/* The user is told of the address now, and may give it away knowingly. */
	CHECK_INT(trust_accept(&book, "dev", "alice", shown), 0);
	CHECK_INT(trust_judge(&book, &forged), TRUST_USED);
	CHECK_INT(trust_judge(&book, &gpu), TRUST_ADDRESS_TAKEN);
	trust_book_free(&book);
}

TEST(a_full_book_takes_no_stranger_and_keeps_its_friends)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), filler = introduce("", 2, 3, 1);
	struct introduction stranger = introduce("stranger", 3, 4, 1);

	CHECK_INT(trust_judge(&book, &dev), TRUST_USED);
	while (book.count < TRUST_MAX_ENTRIES) {
		snprintf(filler.name, sizeof(filler.name), "n%zu", book.count);
		CHECK_INT(trust_book_add(&book, &filler), 0);
	}
	CHECK_INT(trust_judge(&book, &stranger), TRUST_BOOK_FULL);
	CHECK(trust_find(&book, "stranger", "alice") == NULL);
	CHECK_INT(trust_judge(&book, &dev), TRUST_USED);
	trust_book_free(&book);
}

TEST(a_refused_offer_takes_nobodys_place_and_an_accepted_one_does)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), forged = introduce("dev", 9, 3, 5);
	struct introduction newer = introduce("dev", 1, 2, 6), moved = introduce("dev", 1, 4, 5);
	struct introduction stranger = introduce("gpu", 1, 2, 5);
	char print[FINGERPRINT_LEN];

	CHECK(!trust_holds(&book, &dev));
	trust_judge(&book, &dev);
	CHECK_INT(trust_judge(&book, &forged), TRUST_KEY_CHANGED);
	CHECK(trust_holds(&book, &dev) && trust_holds(&book, &newer));
	CHECK(!trust_holds(&book, &forged) && !trust_holds(&book, &moved));
	CHECK(!trust_holds(&book, &stranger));
	trust_fingerprint(&forged.machine_key, print);
	CHECK_INT(trust_accept(&book, "dev", "alice", print), 0);
	CHECK(!trust_holds(&book, &dev) && trust_holds(&book, &forged));
	trust_book_free(&book);
}

TEST(a_name_that_was_only_offered_has_no_key_that_could_change)
{
	struct trust_book book = {0};
	struct introduction dev = introduce("dev", 1, 2, 5), gpu = introduce("gpu", 9, 2, 1);
	struct introduction moved = introduce("gpu", 9, 3, 1);

	trust_judge(&book, &dev);
	CHECK_INT(trust_judge(&book, &gpu), TRUST_ADDRESS_TAKEN);
	CHECK_INT(trust_judge(&book, &gpu), TRUST_ADDRESS_TAKEN);
	CHECK(trust_find(&book, "gpu", "alice")->why == TRUST_ADDRESS_TAKEN);
	CHECK_INT(trust_judge(&book, &moved), TRUST_USED); /* its address is nobody's */
	CHECK(!trust_find(&book, "gpu", "alice")->has_offer);
	moved.machine_key.b[0] = 8;
	CHECK_INT(trust_judge(&book, &moved), TRUST_KEY_CHANGED);
	trust_book_free(&book);
}
