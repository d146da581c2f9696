/*
 * Strangers' packets into a STUN server with two addresses and ports: of each the input says a byte
 * (who asks, where it arrives), a pause, two bytes of length, its bytes; with bit 7 set a true
 * request is bent by them.
 *
 * Must hold: what is answered was STUN; an answer is a STUN answer to this very question, fits, and
 * carries the asker's address; nobody gets more of them in a second than the rate allows.
 */
#include "stun/stun_server.h"

#include "common/clock.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PACKETS_MAX = 64, LEN_MAX = 600 };

static struct stun_server server;

static struct endpoint at(uint8_t last, uint16_t port)
{
	return (struct endpoint){.ip.b = {[10] = 0xff, 0xff, 192, 0, 2, last}, .port = port};
}

static size_t true_request(uint8_t *out, size_t cap)
{
	static const uint8_t txid[STUN_TXID_LEN] = {1, 2, 3};
	struct writer w = writer_init(out, cap);

	stun_write_header(&w, STUN_REQUEST, STUN_BINDING, txid);
	stun_write_fingerprint(&w);
	return w.len;
}

static void check_answer(const uint8_t *packet, size_t len, const struct stun_answer *a,
			 const struct endpoint *from)
{
	struct stun_message asked, told;

	MUST(stun_decode(packet, len, &asked) == 0);
	MUST(a->len <= STUN_ANSWER_MAX && stun_decode(a->bytes, a->len, &told) == 0);
	MUST(memcmp(asked.txid, told.txid, STUN_TXID_LEN) == 0);
	MUST(told.class == STUN_SUCCESS || told.class == STUN_ERROR);
	MUST(told.class == STUN_ERROR || endpoint_equal(&told.mapped, from));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct endpoint first = at(1, 3478), other = at(2, 3479);
	struct script s = script_init(data, len);
	uint64_t now_us = US_PER_S;
	uint8_t packet[LEN_MAX];

	MUST(stun_server_init(&server, &first, script_byte(&s) & 1 ? &other : NULL, 7) == 0);
	for (unsigned i = 0; i < PACKETS_MAX && script_has_more(&s); i++) {
		uint8_t how = script_byte(&s);
		struct endpoint from = at(how & 7, 1000);
		const struct endpoint *to = how & 8 ? &other : &first;
		struct stun_answer out;
		size_t bytes_len, packet_len = 0;

		now_us += (uint64_t)script_byte(&s) * US_PER_MS;
		const uint8_t *bytes = script_span(&s, LEN_MAX, &bytes_len);
		memset(packet, 0, sizeof(packet));
		if (how & 128)
			packet_len = true_request(packet, sizeof(packet));
		for (size_t j = 0; j < bytes_len; j++)
			packet[j] ^= bytes[j];
		packet_len = packet_len > bytes_len ? packet_len : bytes_len;
		uint8_t *exact = malloc(packet_len ? packet_len : 1);
		memcpy(exact, packet, packet_len);
		if (stun_server_on_packet(&server, exact, packet_len, &from, to, now_us, &out) ==
		    STUN_ANSWER)
			check_answer(exact, packet_len, &out, &from);
		free(exact);
	}
	return 0;
}
