#include <errno.h>
#include <string.h>

#include "agent/tunnel/uapi.h"
#include "tests/unit/test.h"

#define HEX "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"

static int decode(const char *line, struct uapi_item *item)
{
	return uapi_line_decode(line, strlen(line), item);
}

TEST(reads_each_kind_of_line)
{
	struct uapi_item item;

	CHECK(decode("set=1", &item) == 0 && item.field == UAPI_SET);
	CHECK(decode("get=1", &item) == 0 && item.field == UAPI_GET);
	CHECK(decode("private_key=" HEX, &item) == 0 && item.field == UAPI_PRIVATE_KEY);
	CHECK(item.key[0] == 0xe8 && item.key[31] == 0x7a);
	CHECK(decode("listen_port=12912", &item) == 0 && item.number == 12912);
	CHECK(decode("fwmark=4294967295", &item) == 0 && item.number == UINT32_MAX);
	CHECK(decode("replace_peers=true", &item) == 0 && item.field == UAPI_REPLACE_PEERS);
	CHECK(decode("endpoint=[abcd:23::33]:51820", &item) == 0 && item.endpoint.port == 51820);
	CHECK(decode("endpoint=182.122.22.19:3233", &item) == 0 && ip_is_v4(&item.endpoint.ip));
	CHECK(decode("persistent_keepalive_interval=111", &item) == 0 && item.number == 111);
	CHECK(decode("allowed_ip=192.168.4.4/32", &item) == 0 && item.prefix.len == 32);
	CHECK(!item.is_removal);
	CHECK(decode("allowed_ip=-fd00::/8", &item) == 0 && item.is_removal &&
	      item.prefix.len == 8);
	CHECK(decode("protocol_version=1", &item) == 0);
}

TEST(refuses_what_is_no_line)
{
	static const char *const bad[] = {
		"",
		"=",
		"set",
		"set=",
		"set=2",
		"set=1 ",
		" set=1",
		"sett=1",
		"private_key=12",
		("private_key=" HEX "0"),
		"listen_port=65536",
		"listen_port=-1",
		"listen_port=",
		"listen_port=1x",
		"fwmark=4294967296",
		"fwmark=99999999999999999999",
		"replace_peers=false",
		"remove=1",
		"endpoint=:80",
		"endpoint=10.0.0.1",
		"endpoint=10.0.0.1:99999",
		"allowed_ip=10.0.0.0/33",
		"allowed_ip=--10.0.0.0/8",
		"allowed_ip=",
		"protocol_version=2",
		"last_handshake_time_sec=1",
	};
	struct uapi_item item;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(decode(bad[i], &item), -EINVAL);
	CHECK_INT(uapi_line_decode("set=1\0", 6, &item), -EINVAL);
}

TEST(a_message_ends_with_an_empty_line)
{
	CHECK_INT(uapi_message_len("get=1\n", 6), 0);
	CHECK_INT(uapi_message_len("get=1\n\n", 7), 7);
	CHECK_INT(uapi_message_len("get=1\n\nset=1\n\n", 14), 7);
	CHECK_INT(uapi_message_len("", 0), 0);
}

TEST(writes_what_wg_reads)
{
	static const char wanted[] =
		"private_key=" HEX "\nlisten_port=51820\nfwmark=3\n"
		"public_key=" HEX "\npreshared_key=" HEX "\nprotocol_version=1\n"
		"endpoint=192.0.2.1:7\nlast_handshake_time_sec=12\n"
		"last_handshake_time_nsec=345000\ntx_bytes=8\nrx_bytes=9\n"
		"persistent_keepalive_interval=25\nallowed_ip=10.0.0.0/8\n"
		"errno=0\n\n";
	struct secret_key secret;
	struct uapi_peer peer = {.psk = &secret,
				 .last_handshake_unix_us = 12000345,
				 .tx_bytes = 8,
				 .rx_bytes = 9,
				 .keepalive_s = 25};
	struct prefix prefix;
	char out[1000];
	struct writer w = writer_init(out, sizeof(out));

	CHECK_INT(hex_decode(HEX, secret.b, KEY_LEN), 0);
	memcpy(peer.key.b, secret.b, KEY_LEN);
	CHECK_INT(endpoint_parse("192.0.2.1:7", &peer.endpoint), 0);
	CHECK_INT(prefix_parse("10.0.0.0/8", &prefix), 0);
	uapi_write_device(&w, &secret, 51820, 3);
	uapi_write_peer(&w, &peer);
	uapi_write_allowed_ip(&w, &prefix);
	uapi_write_end(&w, 0);
	CHECK_INT(w.len, strlen(wanted));
	CHECK_MEM(out, wanted, w.len);
}

TEST(leaves_out_secrets_it_is_not_given_and_what_is_unset)
{
	struct uapi_peer peer = {0};
	struct secret_key zero = {0};
	char out[1000] = {0};
	struct writer w = writer_init(out, sizeof(out) - 1);

	uapi_write_device(&w, NULL, 0, 0);
	uapi_write_device(&w, &zero, 0, 0);
	CHECK_INT(w.len, 0);
	uapi_write_peer(&w, &peer);
	CHECK(!strstr(out, "preshared") && !strstr(out, "endpoint"));
	uapi_write_end(&w, -EPERM);
	CHECK(strstr(out, "errno=-1\n\n"));
}

TEST(too_little_room_fails_and_writes_nothing_beyond)
{
	char out[40];
	struct writer w = writer_init(out, sizeof(out));

	uapi_write_peer(&w, &(struct uapi_peer){0});
	CHECK(w.failed && w.len <= sizeof(out));
}
