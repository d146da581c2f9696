#include "agent/filter/inner_packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/unit/test.h"

static int decode_hex(const char *hex, struct inner_packet *out)
{
	uint8_t pkt[256];
	size_t len = strlen(hex) / 2;

	test_unhex(hex, pkt, len);
	return inner_packet_decode(pkt, len, out);
}

#define V4(total, id, fragment, proto)                                                             \
	"4500" total id fragment "40" proto "0000"                                                 \
	"0a4d0001"                                                                                 \
	"0a4d0002"
#define V6(length, next) "60000000" length next "40" ADDR_A ADDR_B
#define ADDR_A "fd77000000000000000000000000000a"
#define ADDR_B "fd77000000000000000000000000000b"
#define TCP_SYN                                                                                    \
	"c0000016"                                                                                 \
	"00000001"                                                                                 \
	"00000000"                                                                                 \
	"5002ffff"                                                                                 \
	"00000000"
#define UDP_53                                                                                     \
	"c0010035"                                                                                 \
	"0008"                                                                                     \
	"0000"

TEST(reads_ports_and_flags_of_tcp_over_ipv4)
{
	struct inner_packet p;
	char text[IP_TEXT_LEN];

	CHECK_INT(decode_hex(V4("0028", "0001", "4000", "06") TCP_SYN, &p), 0);
	CHECK(p.kind == INNER_PLAIN && p.can_start && !p.first_fragment);
	CHECK_INT(p.tuple.src_port, 0xc000);
	CHECK_INT(p.tuple.dst_port, 22);
	CHECK_INT(p.tcp_flags, TCP_FLAG_SYN);
	ip_str(&p.tuple.src, text);
	CHECK_STR(text, "10.77.0.1");
}

TEST(skips_ipv4_options)
{
	struct inner_packet p;

	CHECK_INT(decode_hex("46000020"
			     "00010000"
			     "40110000"
			     "0a4d0001"
			     "0a4d0002"
			     "94040000" UDP_53,
			     &p),
		  0);
	CHECK_INT(p.tuple.dst_port, 53);
}

TEST(follows_ipv6_options_to_the_transport)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V6("0010", "3c") "1100010400000000" UDP_53, &p), 0);
	CHECK(p.tuple.proto == IPPROTO_UDP && p.tuple.src_port == 0xc001);
}

TEST(refuses_an_ipv6_routing_header_and_a_ninth_extension)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V6("0010", "2b") "1100000000000000" UDP_53, &p), -EPROTO);

	char nine[2 * 256] = V6("0050", "3c");
	for (int i = 0; i < 9; i++)
		strcat(nine, "3c00010400000000");
	CHECK_INT(decode_hex(strcat(nine, UDP_53), &p), -EPROTO);

	char eight[2 * 256] = V6("0048", "3c");
	for (int i = 0; i < 7; i++)
		strcat(eight, "3c00010400000000");
	CHECK_INT(decode_hex(strcat(strcat(eight, "1100010400000000"), UDP_53), &p), 0);
}

TEST(refuses_what_is_cut_short_or_lies_about_its_length)
{
	static const char *const bad[] = {
		"",
		"50",
		"45000014",
		V4("0014", "0001", "0000", "06"),	    /* no TCP header */
		V4("0029", "0001", "0000", "06") TCP_SYN,   /* one byte more than there is */
		V4("0015", "0001", "0000", "2f"),	    /* GRE, and a byte too few */
		V4("0013", "0001", "0000", "11") UDP_53,    /* shorter than its own header */
		V4("001b", "0001", "0000", "11") UDP_53,    /* UDP header cut by the length */
		"44000028000140004006000000000000" TCP_SYN, /* header of 16 bytes */
		V6("0009", "11") UDP_53,		    /* body longer than there is */
		V6("0004", "3c") "11000104",		    /* an extension cut short */
		V6("0004", "2c") "11000000",		    /* a fragment header cut short */
		"60000000"
		"0008"
		"11"
		"40"
		"00000000000000000000ffff0a4d0001" ADDR_B UDP_53,
	};
	struct inner_packet p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(decode_hex(bad[i], &p), -EBADMSG);
}

TEST(tells_first_and_later_fragments_apart)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V4("001c", "1234", "2000", "11") UDP_53, &p), 0);
	CHECK(p.kind == INNER_PLAIN && p.first_fragment && p.fragment_id == 0x1234);

	CHECK_INT(decode_hex(V4("001c", "1234", "00b9", "11") UDP_53, &p), 0);
	CHECK(p.kind == INNER_FRAGMENT && p.fragment_id == 0x1234 &&
	      p.fragment_proto == IPPROTO_UDP);

	CHECK_INT(decode_hex(V6("0010", "2c") "1100000100005678" UDP_53, &p), 0);
	CHECK(p.kind == INNER_PLAIN && p.first_fragment && p.fragment_id == 0x5678);

	CHECK_INT(decode_hex(V6("0010", "2c") "110005a800005678" UDP_53, &p), 0);
	CHECK(p.kind == INNER_FRAGMENT && p.fragment_id == 0x5678 && p.fragment_proto == 0);
}

TEST(refuses_a_fragment_that_could_rewrite_tcp_flags) /* RFC 1858 section 3 */
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V4("001c", "1234", "0001", "06") UDP_53, &p), -EBADMSG);
	CHECK_INT(decode_hex(V4("001c", "1234", "0001", "11") UDP_53, &p), 0);
}

TEST(gives_an_echo_the_identifier_as_the_askers_port)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V4("001c", "0001", "0000", "01") "0800000012340001", &p), 0);
	CHECK(p.can_start && p.tuple.src_port == 0x1234 && p.tuple.dst_port == 0);
	CHECK_INT(decode_hex(V4("001c", "0001", "0000", "01") "0000000012340001", &p), 0);
	CHECK(!p.can_start && p.tuple.src_port == 0 && p.tuple.dst_port == 0x1234);
	CHECK_INT(decode_hex(V6("0008", "3a") "8000000012340001", &p), 0);
	CHECK(p.can_start && p.tuple.src_port == 0x1234);
	CHECK_INT(decode_hex(V6("0008", "3a") "8100000012340001", &p), 0);
	CHECK(!p.can_start && p.tuple.dst_port == 0x1234);
}

TEST(reads_the_packet_that_an_error_quotes)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V4("0038", "0001", "0000",
				"01") "0303000000000000"
				      "4500002800014000400600000a4d00020a4d0001"
				      "c000001600000001",
			     &p),
		  0);
	CHECK(p.kind == INNER_ICMP_ERROR && p.about.proto == IPPROTO_TCP);
	CHECK(p.about.src_port == 0xc000 && p.about.dst_port == 22);
	CHECK(ip_equal(&p.about.src, &p.tuple.dst));
}

TEST(refuses_an_error_about_an_error_or_about_nothing)
{
	struct inner_packet p;

	CHECK_INT(decode_hex(V4("0038", "0001", "0000",
				"01") "0303000000000000"
				      "4500001c00014000400100000a4d00020a4d0001"
				      "0303000000000000",
			     &p),
		  -EBADMSG);
	/* Even where the error inside quotes a sound packet. */
	CHECK_INT(decode_hex(V4("0054", "0001", "0000",
				"01") "0303000000000000"
				      "4500003800014000400100000a4d00020a4d0001"
				      "0303000000000000"
				      "4500002800014000400600000a4d00020a4d0001"
				      "c000001600000001",
			     &p),
		  -EBADMSG);
	CHECK_INT(decode_hex(V4("001c", "0001", "0000", "01") "0303000000000000", &p), -EBADMSG);
}
