#include "agent/wg/cookie.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

enum { S = 1000 * 1000, LEN = 116, ALL = LEN + COOKIE_MACS_LEN };

struct both {
	struct hash *hash;
	struct cookie_checker checker;
	struct cookie_maker maker;
	struct wg_source source;
	uint8_t msg[ALL];
};

static void both_init(struct both *b)
{
	const struct public_key key = {{1, 2, 3}};
	const struct endpoint from = {.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 1234};

	memset(b, 0, sizeof(*b));
	b->hash = b->checker.hash = hash_new();
	cookie_keys_set(&b->checker.keys, b->hash, &key);
	cookie_keys_set(&b->maker.keys, b->hash, &key);
	b->source = wg_source_from_endpoint(&from);
	memset(b->msg, 0x55, LEN);
}

static enum cookie_verdict check(const struct both *b, uint64_t now_us)
{
	return cookie_check(&b->checker, b->msg, ALL, &b->source, true, now_us);
}

static void reply(struct both *b, uint8_t *out, uint64_t now_us)
{
	static const uint8_t secret[HASH_LEN] = {42}, nonce[COOKIE_NONCE_LEN] = {43};

	cookie_reply_create(&b->checker, b->msg, ALL, 0x01020304, &b->source, secret, nonce, now_us,
			    out);
}

TEST(mac1_shows_that_the_key_is_known)
{
	struct both b;

	both_init(&b);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	CHECK_INT(check(&b, 10 * S), COOKIE_MAC1_RIGHT);
	for (size_t i = 0; i < LEN + HASH_MAC_LEN; i++) {
		b.msg[i] ^= 1;
		CHECK_INT(check(&b, 10 * S), COOKIE_MAC1_WRONG);
		b.msg[i] ^= 1;
	}
	hash_free(b.hash);
}

TEST(a_cookie_taken_makes_mac2_right_from_its_source_alone)
{
	struct both b;
	uint8_t out[COOKIE_REPLY_LEN];

	both_init(&b);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	reply(&b, out, 10 * S);
	CHECK(out[0] == 3 && out[4] == 4 && out[7] == 1);
	CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), 0);
	CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), -EBADMSG); /* one for each message */

	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 11 * S);
	CHECK_INT(check(&b, 11 * S), COOKIE_MAC2_RIGHT);
	CHECK_INT(cookie_check(&b.checker, b.msg, ALL, &b.source, false, 11 * S),
		  COOKIE_MAC1_RIGHT);
	b.source.bytes[17]++; /* another port */
	CHECK_INT(check(&b, 11 * S), COOKIE_MAC1_RIGHT);
	hash_free(b.hash);
}

TEST(a_forged_or_foreign_reply_is_refused_and_the_true_one_taken_after)
{
	struct both b;
	uint8_t out[COOKIE_REPLY_LEN];

	both_init(&b);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	reply(&b, out, 10 * S);
	for (size_t i = 8; i < sizeof(out); i++) {
		out[i] ^= 1;
		CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), -EBADMSG);
		out[i] ^= 1;
	}
	CHECK(!b.maker.has_cookie);
	CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), 0);

	/* A reply to an older message of ours. */
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	reply(&b, out, 10 * S);
	b.msg[9] ^= 1;
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), -EBADMSG);
	hash_free(b.hash);
}

TEST(a_cookie_is_used_for_115_s_and_honoured_for_120)
{
	struct both b;
	uint8_t out[COOKIE_REPLY_LEN];

	both_init(&b);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	reply(&b, out, 10 * S);
	CHECK_INT(cookie_reply_consume(&b.maker, out, 10 * S), 0);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 125 * S - 1);
	CHECK_INT(check(&b, 130 * S - 1), COOKIE_MAC2_RIGHT);
	CHECK_INT(check(&b, 130 * S), COOKIE_MAC1_RIGHT);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 125 * S);
	CHECK_INT(check(&b, 125 * S), COOKIE_MAC1_RIGHT);
	for (size_t i = LEN + HASH_MAC_LEN; i < ALL; i++)
		CHECK_INT(b.msg[i], 0);
	hash_free(b.hash);
}

TEST(the_secret_is_kept_for_120_s_and_then_replaced)
{
	static const uint8_t first[HASH_LEN] = {1}, second[HASH_LEN] = {2};
	static const uint8_t nonce[COOKIE_NONCE_LEN];
	struct both b;
	uint8_t out[COOKIE_REPLY_LEN];

	both_init(&b);
	cookie_add_macs(&b.maker, b.hash, b.msg, LEN, 10 * S);
	cookie_reply_create(&b.checker, b.msg, ALL, 1, &b.source, first, nonce, 10 * S, out);
	cookie_reply_create(&b.checker, b.msg, ALL, 1, &b.source, second, nonce, 130 * S - 1, out);
	CHECK_MEM(b.checker.secret, first, HASH_LEN);
	cookie_reply_create(&b.checker, b.msg, ALL, 1, &b.source, second, nonce, 130 * S, out);
	CHECK_MEM(b.checker.secret, second, HASH_LEN);
	hash_free(b.hash);
}
