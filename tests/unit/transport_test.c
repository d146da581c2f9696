#include "agent/wg/transport.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/test.h"

enum { S = 1000 * 1000, BUFFER = 2048 };
static const uint64_t NOW_US = 77 * (uint64_t)S;

/* The two ends of one session. */
struct ends {
	struct aead *aead;
	struct keypair *ours, *theirs;
};

static void ends_init(struct ends *e)
{
	e->aead = aead_new();
	e->ours = keypair_new();
	e->theirs = keypair_new();
	e->ours->birth_us = e->theirs->birth_us = NOW_US;
	e->ours->local_index = e->theirs->remote_index = 0x11223344;
	e->ours->remote_index = e->theirs->local_index = 0x55667788;
	memset(e->ours->send_key.b, 1, KEY_LEN);
	memset(e->ours->receive_key.b, 2, KEY_LEN);
	e->theirs->send_key = e->ours->receive_key;
	e->theirs->receive_key = e->ours->send_key;
}

static void ends_wipe(struct ends *e)
{
	aead_free(e->aead);
	keypair_free(e->ours);
	keypair_free(e->theirs);
}

TEST(messages_are_told_apart_by_type_and_length)
{
	static const struct {
		uint8_t head[4];
		size_t len;
		unsigned type;
	} cases[] = {
		{{1, 0, 0, 0}, 148, 1}, {{1, 0, 0, 0}, 147, 0}, {{1, 0, 0, 0}, 149, 0},
		{{2, 0, 0, 0}, 92, 2},	{{2, 0, 0, 0}, 148, 0}, {{3, 0, 0, 0}, 64, 3},
		{{3, 0, 0, 0}, 63, 0},	{{4, 0, 0, 0}, 32, 4},	{{4, 0, 0, 0}, 1500, 4},
		{{4, 0, 0, 0}, 31, 0},	{{4, 0, 0, 1}, 64, 0},	{{1, 1, 0, 0}, 148, 0},
		{{0, 0, 0, 0}, 64, 0},	{{5, 0, 0, 0}, 64, 0},	{{4, 0, 0, 0}, 3, 0},
		{{4, 0, 0, 0}, 0, 0},
	};
	uint8_t pkt[BUFFER] = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(pkt, cases[i].head, 4);
		CHECK_INT(wg_message_type(pkt, cases[i].len), cases[i].type);
	}
}

TEST(padding_ends_at_16_or_at_the_mtu)
{
	static const struct {
		size_t len, mtu, padded;
	} cases[] = {
		{0, 1280, 0},	    {1, 1280, 16},	{16, 1280, 16},	    {17, 1280, 32},
		{1280, 1280, 1280}, {1275, 1275, 1275}, {1270, 1275, 1275}, {1264, 1275, 1264},
		{1300, 1280, 1300}, {1300, 0, 1312},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(transport_padded_len(cases[i].len, cases[i].mtu), cases[i].padded);
}

TEST(a_packet_has_the_papers_header_and_opens_to_itself)
{
	struct ends e;
	uint8_t pkt[BUFFER];
	size_t len = 20;
	uint32_t index;

	ends_init(&e);
	atomic_store(&e.ours->send_counter, 0x0102);
	memset(pkt, 0xee, sizeof(pkt));
	memset(pkt + 16, 7, 20);
	CHECK_INT(transport_seal(e.aead, e.ours, pkt, &len, 1280, NOW_US), 0);
	CHECK_INT(len, 16 + 32 + 16);
	CHECK_MEM(pkt, "\x04\0\0\0\x88\x77\x66\x55\x02\x01\0\0\0\0\0\0", 16);
	CHECK_INT(pkt[len], 0xee); /* nothing is written behind the tag */
	CHECK_INT(transport_receiver(pkt, len, &index), 0);
	CHECK(index == 0x55667788);
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), 0);
	CHECK_INT(len, 32);
	for (size_t i = 0; i < 32; i++)
		CHECK_INT(pkt[16 + i], i < 20 ? 7 : 0); /* padding is zeros */
	ends_wipe(&e);
}

TEST(a_keepalive_is_32_bytes)
{
	struct ends e;
	uint8_t pkt[BUFFER];
	size_t len = 0;

	ends_init(&e);
	CHECK_INT(transport_seal(e.aead, e.ours, pkt, &len, 1280, NOW_US), 0);
	CHECK_INT(len, TRANSPORT_OVERHEAD);
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), 0);
	CHECK_INT(len, 0);
	ends_wipe(&e);
}

TEST(what_is_spoilt_replayed_or_late_is_refused_and_leaves_no_trace)
{
	struct ends e;
	uint8_t pkt[BUFFER] = {0}, copy[BUFFER];
	size_t len = 100, sealed_len;

	ends_init(&e);
	CHECK_INT(transport_seal(e.aead, e.ours, pkt, &len, 1280, NOW_US), 0);
	memcpy(copy, pkt, len);
	sealed_len = len;
	for (size_t i = 0; i < sealed_len; i++) {
		memcpy(pkt, copy, sealed_len);
		pkt[i] ^= 1;
		len = sealed_len;
		CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), -EBADMSG);
	}
	CHECK(e.theirs->window.next == 0);

	memcpy(pkt, copy, sealed_len);
	len = sealed_len;
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US + 180 * S), -EKEYEXPIRED);
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), 0);
	memcpy(pkt, copy, sealed_len);
	len = sealed_len;
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), -ESTALE);
	CHECK_MEM(pkt, copy, sealed_len); /* a copy doesn't cost the opening */
	ends_wipe(&e);
}

TEST(a_used_up_keypair_seals_and_opens_nothing)
{
	struct ends e;
	uint8_t pkt[BUFFER] = {0};
	size_t len = 100;

	ends_init(&e);
	atomic_store(&e.ours->send_counter, REJECT_AFTER_MESSAGES);
	CHECK_INT(transport_seal(e.aead, e.ours, pkt, &len, 1280, NOW_US), -EKEYEXPIRED);
	CHECK_INT(pkt[0], 0);

	atomic_store(&e.ours->send_counter, REJECT_AFTER_MESSAGES - 1);
	CHECK_INT(transport_seal(e.aead, e.ours, pkt, &len, 1280, NOW_US), 0);
	pkt[8] = 0xff; /* counter 2^64 - 8192 + 254, which no sender may use */
	pkt[9] |= 0xff;
	CHECK_INT(transport_open(e.aead, e.theirs, pkt, &len, NOW_US), -EKEYEXPIRED);
	ends_wipe(&e);
}

TEST(a_batch_does_what_one_by_one_does)
{
	static uint8_t pkts[TRANSPORT_BATCH_MAX][BUFFER];
	struct transport_job jobs[TRANSPORT_BATCH_MAX];
	struct keypair *dead = keypair_new();
	struct ends e;

	ends_init(&e);
	for (size_t i = 0; i < TRANSPORT_BATCH_MAX; i++) {
		memset(pkts[i], (int)i, sizeof(pkts[i]));
		jobs[i] = (struct transport_job){
			.keypair = i % 10 == 3 ? dead : e.ours, .pkt = pkts[i], .len = i * 10};
	}
	transport_seal_batch(e.aead, jobs, TRANSPORT_BATCH_MAX, 1280, NOW_US + 178 * S);
	for (size_t i = 0; i < TRANSPORT_BATCH_MAX; i++)
		CHECK_INT(jobs[i].status, i % 10 == 3 ? -EKEYEXPIRED : 0);

	/* The dead ones' places take: a copy of a neighbour, and something spoilt. */
	for (size_t i = 0; i < TRANSPORT_BATCH_MAX; i++) {
		if (i % 10 == 3) {
			memcpy(pkts[i], pkts[i - 1], BUFFER);
			jobs[i].len = jobs[i - 1].len;
		}
		if (i % 10 == 5)
			pkts[i][16] ^= 1;
		jobs[i].keypair = e.theirs;
	}
	transport_open_batch(e.aead, jobs, TRANSPORT_BATCH_MAX, NOW_US);
	for (size_t i = 0; i < TRANSPORT_BATCH_MAX; i++) {
		CHECK_INT(jobs[i].status, i % 10 == 3 ? -ESTALE : i % 10 == 5 ? -EBADMSG : 0);
		if (jobs[i].status != 0)
			continue;
		CHECK_INT(jobs[i].len, transport_padded_len(i * 10, 1280));
		for (size_t j = 0; j < i * 10; j++)
			CHECK_INT(pkts[i][16 + j], (uint8_t)i);
	}
	keypair_free(dead);
	ends_wipe(&e);
}

TEST(an_inner_packet_ends_where_its_header_says)
{
	uint8_t v4[64] = {0x45, 0, 0, 33}, v6[64] = {0x60, 0, 0, 0, 0, 9};
	size_t len;

	CHECK_INT(transport_inner_len(v4, 48, &len), 0);
	CHECK_INT(len, 33);
	CHECK_INT(transport_inner_len(v4, 32, &len), -EBADMSG);
	v4[3] = 19;
	CHECK_INT(transport_inner_len(v4, 48, &len), -EBADMSG);
	CHECK_INT(transport_inner_len(v4, 19, &len), -EBADMSG);

	CHECK_INT(transport_inner_len(v6, 64, &len), 0);
	CHECK_INT(len, 49);
	CHECK_INT(transport_inner_len(v6, 48, &len), -EBADMSG);
	CHECK_INT(transport_inner_len(v6, 39, &len), -EBADMSG);
	v6[0] = 0x50;
	CHECK_INT(transport_inner_len(v6, 64, &len), -EBADMSG);
	CHECK_INT(transport_inner_len(v6, 0, &len), -EBADMSG);
}
