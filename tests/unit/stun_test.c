#include "common/proto/stun.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "tests/unit/test.h"

/* RFC 5769 sections 2.1 to 2.4. */
static const char request_hex[] =
	"000100582112a442b7e7a701bc34d686fa87dfae"
	"802200105354554e207465737420636c69656e74"
	"002400046e0001ff80290008932ff9b151263b36"
	"000600096576746a3a68367659202020"
	"000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
static const char response_v4_hex[] = "0101003c2112a442b7e7a701bc34d686fa87dfae"
				      "8022000b7465737420766563746f7220"
				      "002000080001a147e112a643"
				      "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
				      "80280004c07d4c96";
static const char response_v6_hex[] = "010100482112a442b7e7a701bc34d686fa87dfae"
				      "8022000b7465737420766563746f7220"
				      "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
				      "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
				      "80280004c8fb0b4c";
static const char long_term_hex[] =
	"000100602112a44278ad3433c6ad72c029da412e"
	"00060012e3839ee38388e383aae38383e382afe382b90000"
	"0015001c662f2f3439396b393534643"
	"64f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
	"00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";
/* RFC 8489 appendix B.1 as erratum 6268 has it. */
static const char sha256_hex[] =
	"000100902112a44278ad3433c6ad72c029da412e"
	"001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
	"001500296f624d61744a6f7332414141436"
	"62f2f3439396b3935346436"
	"4f4c33346f4c39465354767936347341000000"
	"0014000b6578616d706c652e6f726700001d000400020000"
	"001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";
static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const char long_term_secret[] =
	"\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
	":example.org:TheMatrIX";

/* The request of the deployed clients (docs: STUN in relays), txid 0f1e2d3c4b5a69788796a5b4. */
static const char tailnode_hex[] = "000100142112a4420f1e2d3c4b5a69788796a5b4"
				   "802200087461696c6e6f6465802800"
				   "04295ad127";

struct vector {
	uint8_t bytes[256];
	size_t len;
	struct stun_message m;
	int err;
};

static struct vector load(const char *hex)
{
	struct vector v = {.len = strlen(hex) / 2};

	test_unhex(hex, v.bytes, v.len);
	v.err = stun_decode(v.bytes, v.len, &v.m);
	return v;
}

static bool maps_to(const struct stun_message *m, const char *text)
{
	char got[ENDPOINT_TEXT_LEN];

	endpoint_str(&m->mapped, got);
	return strcmp(got, text) == 0;
}

TEST(reads_the_rfcs_request_and_its_seals)
{
	struct vector v = load(request_hex);

	CHECK_INT(v.err, 0);
	CHECK(v.m.class == STUN_REQUEST && v.m.method == STUN_BINDING && v.m.has_fingerprint);
	CHECK_STR(v.m.software, "STUN test client");
	CHECK(v.m.n_unknown == 1 && v.m.unknown[0] == 0x0024); /* PRIORITY is ICE's */
	CHECK(stun_check_integrity(v.bytes, v.len, &v.m, password, strlen(password)));
	CHECK(!stun_check_integrity(v.bytes, v.len, &v.m, "VOkJxbRl1RmTxUk/WvJxBT", 22));
}

TEST(reads_the_rfcs_answers_of_both_families)
{
	struct vector v4 = load(response_v4_hex), v6 = load(response_v6_hex);

	CHECK(v4.err == 0 && v4.m.class == STUN_SUCCESS && v4.m.has_fingerprint);
	CHECK(maps_to(&v4.m, "192.0.2.1:32853"));
	CHECK_STR(v4.m.software, "test vector");
	CHECK(stun_check_integrity(v4.bytes, v4.len, &v4.m, password, strlen(password)));
	CHECK(v6.err == 0 && maps_to(&v6.m, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
	CHECK(stun_check_integrity(v6.bytes, v6.len, &v6.m, password, strlen(password)));
}

TEST(checks_the_rfcs_long_term_request)
{
	struct vector v = load(long_term_hex);
	uint8_t key[EVP_MAX_MD_SIZE];
	unsigned key_len = 0;

	CHECK_INT(v.err, 0);
	EVP_Digest(long_term_secret, strlen(long_term_secret), key, &key_len, EVP_md5(), NULL);
	CHECK(stun_check_integrity(v.bytes, v.len, &v.m, key, key_len));
	CHECK(!v.m.has_fingerprint);
}

TEST(checks_the_rfcs_request_with_sha256)
{
	struct vector v = load(sha256_hex);
	uint8_t key[EVP_MAX_MD_SIZE];
	unsigned key_len = 0;

	CHECK_INT(v.err, 0);
	EVP_Digest(long_term_secret, strlen(long_term_secret), key, &key_len, EVP_sha256(), NULL);
	CHECK(stun_check_integrity_sha256(v.bytes, v.len, &v.m, key, key_len));
	v.bytes[30] ^= 1;
	CHECK(!stun_check_integrity_sha256(v.bytes, v.len, &v.m, key, key_len));
	CHECK(!stun_check_integrity(v.bytes, v.len, &v.m, key, key_len));
}

TEST(writes_the_rfcs_ipv4_answer_to_the_byte)
{
	struct vector v = load(response_v4_hex);
	uint8_t out[128];
	struct writer w = writer_init(out, sizeof(out));
	struct endpoint ep;

	CHECK(endpoint_parse("192.0.2.1:32853", &ep) == 0);
	stun_write_header(&w, STUN_SUCCESS, STUN_BINDING, v.m.txid);
	stun_write_attribute(&w, STUN_SOFTWARE, "test vector", 11);
	out[w.len - 1] = ' '; /* the RFC pads with a blank; any byte is allowed */
	stun_write_address(&w, STUN_XOR_MAPPED_ADDRESS, &ep);
	stun_write_integrity(&w, password, strlen(password));
	stun_write_fingerprint(&w);
	CHECK(!w.failed && w.len == v.len);
	CHECK_MEM(out, v.bytes, v.len);
}

TEST(writes_the_request_that_deployed_relays_answer)
{
	struct vector v = load(tailnode_hex);
	uint8_t out[STUN_REQUEST_LEN];
	struct writer w = writer_init(out, sizeof(out));

	CHECK(v.err == 0 && v.m.has_fingerprint);
	CHECK_STR(v.m.software, "tailnode");
	stun_write_binding_request(&w, v.m.txid, 0);
	CHECK(!w.failed && w.len == STUN_REQUEST_LEN && v.len == STUN_REQUEST_LEN);
	CHECK_MEM(out, v.bytes, v.len);
}

TEST(a_change_request_stands_before_the_fingerprint)
{
	uint8_t out[64], txid[STUN_TXID_LEN] = {1};
	struct writer w = writer_init(out, sizeof(out));
	struct stun_message m;

	stun_write_binding_request(&w, txid, STUN_CHANGE_IP | STUN_CHANGE_PORT);
	CHECK_INT(stun_decode(out, w.len, &m), 0);
	CHECK(m.change == 6 && m.has_fingerprint);
}

TEST(a_wrong_or_misplaced_fingerprint_refuses_the_message)
{
	struct vector v = load(tailnode_hex);

	v.bytes[v.len - 1] ^= 1;
	CHECK_INT(stun_decode(v.bytes, v.len, &v.m), -EBADMSG);
	/* A right one, with an empty attribute behind it. */
	v = load("0001000c2112a442070000000000000000000000"
		 "80280004b53a37b680700000");
	CHECK_INT(v.err, -EBADMSG);
}

TEST(prefers_the_xored_address_and_takes_the_plain_one_as_a_last_resort)
{
	uint8_t out[128], txid[STUN_TXID_LEN] = {7, 8, 9};
	struct endpoint plain, old, xored;
	struct stun_message m;

	CHECK(endpoint_parse("192.0.2.1:1", &plain) == 0);
	CHECK(endpoint_parse("192.0.2.2:2", &old) == 0);
	CHECK(endpoint_parse("192.0.2.3:3", &xored) == 0);
	struct writer w = writer_init(out, sizeof(out));
	stun_write_header(&w, STUN_SUCCESS, STUN_BINDING, txid);
	stun_write_address(&w, STUN_MAPPED_ADDRESS, &plain);
	CHECK(stun_decode(out, w.len, &m) == 0 && maps_to(&m, "192.0.2.1:1"));
	stun_write_address(&w, STUN_XOR_MAPPED_ADDRESS_OLD, &old);
	CHECK(stun_decode(out, w.len, &m) == 0 && maps_to(&m, "192.0.2.2:2"));
	stun_write_address(&w, STUN_XOR_MAPPED_ADDRESS, &xored);
	stun_write_address(&w, STUN_MAPPED_ADDRESS, &plain);
	CHECK(stun_decode(out, w.len, &m) == 0 && maps_to(&m, "192.0.2.3:3"));
}

TEST(an_address_of_zeros_is_no_address)
{
	uint8_t out[64], txid[STUN_TXID_LEN] = {7};
	struct endpoint zeros = {.port = 4000};
	struct writer w = writer_init(out, sizeof(out));
	struct stun_message m;

	stun_write_header(&w, STUN_SUCCESS, STUN_BINDING, txid);
	stun_write_address(&w, STUN_XOR_MAPPED_ADDRESS, &zeros);
	CHECK_INT(stun_decode(out, w.len, &m), 0);
	CHECK(m.mapped.port == 0 && endpoint_is_none(&m.mapped));
}

TEST(an_error_answer_tells_code_and_attributes_not_understood)
{
	static const uint16_t unknown[] = {0x0024, 0x7ffe};
	uint8_t out[128], txid[STUN_TXID_LEN] = {3};
	struct writer w = writer_init(out, sizeof(out));
	struct stun_message m;

	stun_write_header(&w, STUN_ERROR, STUN_BINDING, txid);
	stun_write_error(&w, 420, "Unknown Attribute");
	stun_write_unknown(&w, unknown, 2);
	CHECK_INT(stun_decode(out, w.len, &m), 0);
	CHECK(m.class == STUN_ERROR && m.error_code == 420 && m.n_unknown == 0);
	CHECK(out[0] == 0x01 && out[1] == 0x11);
}

TEST(behind_the_integrity_attribute_nothing_but_the_fingerprint_counts)
{
	uint8_t out[128], txid[STUN_TXID_LEN] = {3};
	struct writer w = writer_init(out, sizeof(out));
	struct stun_message m;

	stun_write_header(&w, STUN_REQUEST, STUN_BINDING, txid);
	stun_write_integrity(&w, "key", 3);
	stun_write_attribute(&w, STUN_SOFTWARE, "forged", 6);
	stun_write_attribute(&w, 0x0024, "\0\0\0\1", 4);
	stun_write_fingerprint(&w);
	CHECK_INT(stun_decode(out, w.len, &m), 0);
	CHECK(m.software[0] == '\0' && m.n_unknown == 0 && m.has_fingerprint);
	CHECK(stun_check_integrity(out, w.len, &m, "key", 3));
}

TEST(every_shorter_message_and_every_wrong_length_is_refused)
{
	struct vector v = load(request_hex);

	for (size_t len = 0; len < v.len; len++)
		CHECK(stun_decode(v.bytes, len, &v.m) == -EBADMSG);
	v.bytes[3] -= 4;
	CHECK_INT(stun_decode(v.bytes, v.len, &v.m), -EBADMSG);
}

TEST(an_attribute_longer_than_the_message_is_refused)
{
	struct vector v = load(response_v4_hex);

	v.bytes[22] = 0xff;
	CHECK_INT(stun_decode(v.bytes, v.len, &v.m), -EBADMSG);
}

TEST(other_udp_packets_are_not_taken_for_stun)
{
	static const uint8_t disco[64] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	static const uint8_t wireguard[64] = {4, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct vector v = load(tailnode_hex);

	CHECK(stun_is_stun(v.bytes, v.len));
	CHECK(!stun_is_stun(disco, sizeof(disco)));
	CHECK(!stun_is_stun(wireguard, sizeof(wireguard)));
	CHECK(!stun_is_stun(v.bytes, v.len - 4));
}

TEST(writing_beyond_the_buffer_fails_and_stays_inside)
{
	uint8_t out[STUN_REQUEST_LEN + 1], txid[STUN_TXID_LEN] = {0};

	for (size_t cap = 0; cap < STUN_REQUEST_LEN; cap++) {
		struct writer w = writer_init(out, cap);

		out[cap] = 0xee;
		stun_write_binding_request(&w, txid, 0);
		CHECK(w.failed && out[cap] == 0xee);
	}
}
