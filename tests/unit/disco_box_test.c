#include <errno.h>

#include "agent/disco_box.h"
#include "tests/unit/test.h"

static const uint64_t day_us = 86400 * (uint64_t)1000000;

/* Two ends that may each change keys. */
struct end {
	struct secret_key first, second;
	struct disco_keys keys;
	struct disco_box box;
};

static const struct secret_key none;

static void open_ends(struct end *a, struct end *b)
{
	memset(a->first.b, 1, KEY_LEN);
	memset(a->second.b, 2, KEY_LEN);
	memset(b->first.b, 3, KEY_LEN);
	memset(b->second.b, 4, KEY_LEN);
	disco_keys_set(&a->keys, &a->first, &none);
	disco_keys_set(&b->keys, &b->first, &none);
	CHECK_INT(disco_box_init(&a->box, &a->keys, &b->keys.now.public), 0);
	CHECK_INT(disco_box_init(&b->box, &b->keys, &a->keys.now.public), 0);
}

static void rotate(struct end *e)
{
	disco_keys_set(&e->keys, &e->second, &e->first);
	disco_box_own_changed(&e->box);
}

/* Sends one copy of a ping from one to the other; what open said. */
static int carry(struct end *from, struct end *to, size_t copy, uint64_t now_us)
{
	static const uint8_t nonce[DISCO_NONCE_LEN] = {7};
	struct disco_message m = {.type = DISCO_PING}, got;
	uint8_t packet[DISCO_PACKET_MAX];
	size_t len;

	m.ping.txid[0] = 42;
	CHECK_INT(disco_box_seal(&from->box, copy, &m, nonce, packet, sizeof(packet), &len), 0);
	int err = disco_box_open(&to->box, packet, len, now_us, &got);
	if (err == 0)
		CHECK(got.type == DISCO_PING && got.ping.txid[0] == 42);
	return err;
}

TEST(without_a_change_there_is_one_copy_each_way)
{
	struct end a, b;

	open_ends(&a, &b);
	CHECK_INT(disco_box_copies(&a.box), 1);
	CHECK_INT(carry(&a, &b, 0, 1000), 0);
	CHECK_INT(carry(&b, &a, 0, 1000), 0);
}

TEST(until_the_peer_hears_of_a_new_key_the_old_one_reaches_it)
{
	struct end a, b;

	open_ends(&a, &b);
	rotate(&a);
	CHECK_INT(disco_box_copies(&a.box), 2);
	CHECK_INT(carry(&a, &b, 0, 1000), -EACCES);
	CHECK_INT(carry(&a, &b, 1, 1000), 0);
	/* b answers to the old key: a still does not know whether b knows. */
	CHECK_INT(carry(&b, &a, 0, 1000), 0);
	CHECK_INT(disco_box_copies(&a.box), 2);
}

TEST(one_answer_to_the_new_key_ends_the_second_copy)
{
	struct end a, b;

	open_ends(&a, &b);
	rotate(&a);
	CHECK_INT(disco_box_set_theirs(&b.box, &a.keys.now.public, 2000), 0);
	CHECK_INT(carry(&b, &a, 0, 2000), 0);
	CHECK_INT(disco_box_copies(&a.box), 1);
	CHECK_INT(carry(&a, &b, 0, 2000), 0);
}

TEST(what_was_sealed_before_the_news_is_good_for_a_day)
{
	struct end a, b;

	open_ends(&a, &b);
	rotate(&a);
	CHECK_INT(disco_box_set_theirs(&b.box, &a.keys.now.public, 2000), 0);
	CHECK_INT(carry(&a, &b, 1, 2000 + day_us - 1), 0);
	CHECK_INT(carry(&a, &b, 1, 2000 + day_us), -EACCES);
}

TEST(both_ends_may_change_at_the_same_time)
{
	struct end a, b;

	open_ends(&a, &b);
	rotate(&a);
	rotate(&b);
	/* Neither has heard of the other's: the old keys carry. */
	CHECK_INT(carry(&a, &b, 1, 1000), 0);
	CHECK_INT(carry(&b, &a, 1, 1000), 0);
	CHECK_INT(disco_box_set_theirs(&a.box, &b.keys.now.public, 1000), 0);
	CHECK_INT(carry(&a, &b, 0, 1000), -EACCES); /* b does not know a's new key */
	CHECK_INT(carry(&a, &b, 1, 1000), 0);
	CHECK_INT(disco_box_copies(&b.box), 1);
	CHECK_INT(disco_box_set_theirs(&b.box, &a.keys.now.public, 1000), 0);
	CHECK_INT(carry(&b, &a, 0, 1000), 0);
	CHECK_INT(disco_box_copies(&a.box), 1);
	CHECK_INT(carry(&a, &b, 0, 1000), 0);
}

TEST(a_forgotten_key_opens_nothing)
{
	struct end a, b;

	open_ends(&a, &b);
	rotate(&a);
	disco_keys_set(&a.keys, &a.second, &none);
	disco_box_own_changed(&a.box);
	CHECK_INT(disco_box_copies(&a.box), 1);
	CHECK_INT(carry(&b, &a, 0, 1000), -EACCES);
}

TEST(a_key_of_low_order_changes_nothing)
{
	struct end a, b;
	struct public_key low = {{0}};

	open_ends(&a, &b);
	CHECK_INT(disco_box_set_theirs(&b.box, &low, 1000), -EPROTO);
	CHECK_INT(carry(&a, &b, 0, 1000), 0);
}
