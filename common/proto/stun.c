#include "common/proto/stun.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

enum {
	ATTRIBUTE_HEADER_LEN = 4,
	FINGERPRINT_LEN = 4,
	SHA1_LEN = 20,
	SHA256_LEN = 32,
	FAMILY_V4 = 1,
	FAMILY_V6 = 2,
	COMPREHENSION_OPTIONAL = 0x8000
};
static const uint32_t fingerprint_xor = 0x5354554e;

/* ---- checksum (RFC 8489 section 14.7: the CRC-32 of ITU V.42) ---- */

static uint32_t crc32(const uint8_t *bytes, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* ---- header ---- */

/* Section 5: two class bits lie between those of the method. */
static uint16_t type_of(enum stun_class class, uint16_t method)
{
	unsigned bits = (unsigned)class;

	return (uint16_t)((method & 0x000fU) | (method & 0x0070U) << 1 | (method & 0x0f80U) << 2 |
			  (bits & 1U) << 4 | (bits & 2U) << 7);
}

static enum stun_class class_of(uint16_t type)
{
	return (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
}

static uint16_t method_of(uint16_t type)
{
	return (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}

bool stun_is_stun(const void *packet, size_t len)
{
	struct reader r = reader_init(packet, len);
	uint16_t type = read_u16be(&r);
	uint16_t body_len = read_u16be(&r);
	uint32_t cookie = read_u32be(&r);

	read_skip(&r, STUN_TXID_LEN);
	return !r.failed && (type & 0xc000) == 0 && cookie == STUN_COOKIE && body_len % 4 == 0 &&
	       body_len == reader_left(&r);
}

/* ---- decode ---- */

/* What decoding needs besides the result. */
struct decoding {
	const uint8_t *packet;
	struct stun_message *out;
	int mapped_rank; /* how good the address in out->mapped is */
};

static int read_address(struct reader *r, const uint8_t *mask, struct endpoint *out)
{
	uint8_t ip[16];

	read_skip(r, 1);
	uint8_t family = read_u8(r);
	uint16_t port = read_u16be(r);
	size_t ip_len = family == FAMILY_V4 ? 4 : 16;

	read_bytes(r, ip, ip_len);
	if (r->failed || reader_left(r) != 0 || (family != FAMILY_V4 && family != FAMILY_V6))
		return -EBADMSG;
	if (mask) {
		port = (uint16_t)(port ^ (mask[0] << 8 | mask[1]));
		for (size_t i = 0; i < ip_len; i++)
			ip[i] ^= mask[i];
	}
	if (family == FAMILY_V4)
		out->ip = ip_from_v4(ip);
	else
		memcpy(out->ip.b, ip, sizeof(ip));
	out->port = port;
	return 0;
}

/* Several answers may stand in one message; the plainest to tamper with counts least. */
static int decode_mapped(struct decoding *d, struct reader *value, uint16_t type)
{
	int rank = type == STUN_XOR_MAPPED_ADDRESS	 ? 3
		   : type == STUN_XOR_MAPPED_ADDRESS_OLD ? 2
							 : 1;
	const uint8_t *mask = rank > 1 ? d->packet + 4 : NULL;
	struct endpoint ep;
	int err = read_address(value, mask, &ep);

	if (err)
		return err;
	/* An address of zeros says nothing. */
	if (rank > d->mapped_rank && !endpoint_is_none(&ep)) {
		d->mapped_rank = rank;
		d->out->mapped = ep;
	}
	return 0;
}

static int decode_error(struct reader *value, unsigned *out)
{
	read_skip(value, 2);
	unsigned class = read_u8(value) & 7;
	unsigned number = read_u8(value);

	if (value->failed || class < 3 || class > 6 || number > 99)
		return -EBADMSG;
	*out = class * 100 + number;
	return 0;
}

static int decode_change(struct reader *value, struct stun_message *out)
{
	out->has_change = true;
	out->change = read_u32be(value) & (STUN_CHANGE_IP | STUN_CHANGE_PORT);
	return value->failed || reader_left(value) != 0 ? -EBADMSG : 0;
}

static int decode_software(struct reader *value, char out[static STUN_SOFTWARE_LEN])
{
	size_t len = reader_left(value);

	read_bytes(value, out, len < STUN_SOFTWARE_LEN ? len : STUN_SOFTWARE_LEN - 1);
	return 0;
}

/* It must be last and right (section 14.7). */
static int decode_fingerprint(struct decoding *d, struct reader *value, size_t at, bool is_last)
{
	uint32_t got = read_u32be(value);

	if (value->failed || reader_left(value) != 0 || !is_last ||
	    got != (crc32(d->packet, at) ^ fingerprint_xor))
		return -EBADMSG;
	d->out->has_fingerprint = true;
	return 0;
}

static int decode_integrity(const struct reader *value, size_t at, size_t min, size_t max,
			    size_t *out)
{
	size_t len = reader_left(value);

	if (len < min || len > max || len % 4 != 0)
		return -EBADMSG;
	if (*out == 0)
		*out = at;
	return 0;
}

static void note_unknown(struct stun_message *out, uint16_t type)
{
	if (type < COMPREHENSION_OPTIONAL && out->n_unknown < STUN_UNKNOWN_MAX)
		out->unknown[out->n_unknown++] = type;
}

static int decode_attribute(struct decoding *d, uint16_t type, struct reader *value, size_t at,
			    bool is_last)
{
	switch (type) {
	case STUN_XOR_MAPPED_ADDRESS:
	case STUN_XOR_MAPPED_ADDRESS_OLD:
	case STUN_MAPPED_ADDRESS:
		return decode_mapped(d, value, type);
	case STUN_RESPONSE_ORIGIN:
		return read_address(value, NULL, &d->out->response_origin);
	case STUN_OTHER_ADDRESS:
		return read_address(value, NULL, &d->out->other_address);
	case STUN_CHANGE_REQUEST:
		return decode_change(value, d->out);
	case STUN_ERROR_CODE:
		return decode_error(value, &d->out->error_code);
	case STUN_SOFTWARE:
		return decode_software(value, d->out->software);
	case STUN_FINGERPRINT:
		return decode_fingerprint(d, value, at, is_last);
	case STUN_MESSAGE_INTEGRITY:
		return decode_integrity(value, at, SHA1_LEN, SHA1_LEN, &d->out->integrity_at);
	case STUN_MESSAGE_INTEGRITY_SHA256:
		return decode_integrity(value, at, 16, SHA256_LEN, &d->out->integrity_sha256_at);
	case STUN_USERNAME:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_USERHASH:
	case STUN_UNKNOWN_ATTRIBUTES:
		return 0; /* understood, and of no use to us */
	}
	note_unknown(d->out, type);
	return 0;
}

/* Section 14.5: what stands behind MESSAGE-INTEGRITY is ignored, the integrity of SHA-256 and the
 * fingerprint apart; behind that of SHA-256 the fingerprint alone counts. */
static bool is_ignored(const struct stun_message *m, uint16_t type)
{
	if (type == STUN_FINGERPRINT)
		return false;
	if (m->integrity_sha256_at)
		return true;
	return m->integrity_at && type != STUN_MESSAGE_INTEGRITY_SHA256;
}

int stun_decode(const void *packet, size_t len, struct stun_message *out)
{
	struct decoding d = {.packet = packet, .out = out};
	struct reader r = reader_init(packet, len);

	memset(out, 0, sizeof(*out));
	if (!stun_is_stun(packet, len))
		return -EBADMSG;
	uint16_t type = read_u16be(&r);
	out->class = class_of(type);
	out->method = method_of(type);
	read_skip(&r, 6);
	read_bytes(&r, out->txid, STUN_TXID_LEN);
	while (reader_left(&r) > 0) {
		size_t at = len - reader_left(&r);
		uint16_t attribute = read_u16be(&r);
		uint16_t value_len = read_u16be(&r);
		struct reader value = read_slice(&r, value_len);

		read_skip(&r, (4U - value_len % 4U) % 4U);
		if (r.failed)
			return -EBADMSG;
		if (is_ignored(out, attribute))
			continue;
		int err = decode_attribute(&d, attribute, &value, at, reader_left(&r) == 0);
		if (err)
			return err;
	}
	return 0;
}

/* ---- encode ---- */

/* The header's length, as the message is now. */
static void set_length(struct writer *w)
{
	write_u16be_at(w, 2, (uint16_t)(w->len - STUN_HEADER_LEN));
}

void stun_write_header(struct writer *w, enum stun_class class, uint16_t method,
		       const uint8_t txid[static STUN_TXID_LEN])
{
	write_u16be(w, type_of(class, method));
	write_u16be(w, 0);
	write_u32be(w, STUN_COOKIE);
	write_bytes(w, txid, STUN_TXID_LEN);
}

void stun_write_attribute(struct writer *w, uint16_t type, const void *value, size_t len)
{
	if (len > UINT16_MAX)
		w->failed = true;
	write_u16be(w, type);
	write_u16be(w, (uint16_t)len);
	write_bytes(w, value, len);
	write_zeros(w, (4 - len % 4) % 4);
	set_length(w);
}

void stun_write_address(struct writer *w, uint16_t type, const struct endpoint *ep)
{
	bool is_xored = type == STUN_XOR_MAPPED_ADDRESS || type == STUN_XOR_MAPPED_ADDRESS_OLD;
	size_t ip_len = ip_is_v4(&ep->ip) ? 4 : 16;
	uint8_t value[4 + 16] = {0, ip_len == 4 ? FAMILY_V4 : FAMILY_V6};

	if (w->failed)
		return;
	const uint8_t *mask = w->buf + 4; /* cookie and txid (section 14.2) */
	value[2] = (uint8_t)(ep->port >> 8);
	value[3] = (uint8_t)ep->port;
	memcpy(value + 4, ep->ip.b + 16 - ip_len, ip_len);
	if (is_xored) {
		value[2] ^= mask[0];
		value[3] ^= mask[1];
		for (size_t i = 0; i < ip_len; i++)
			value[4 + i] ^= mask[i];
	}
	stun_write_attribute(w, type, value, 4 + ip_len);
}

void stun_write_error(struct writer *w, unsigned code, const char *reason)
{
	uint8_t value[4 + 128] = {0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100)};
	size_t len = strnlen(reason, sizeof(value) - 4);

	memcpy(value + 4, reason, len);
	stun_write_attribute(w, STUN_ERROR_CODE, value, 4 + len);
}

void stun_write_unknown(struct writer *w, const uint16_t *types, size_t n)
{
	uint8_t value[2 * STUN_UNKNOWN_MAX];
	struct writer list = writer_init(value, sizeof(value));

	for (size_t i = 0; i < n && i < STUN_UNKNOWN_MAX; i++)
		write_u16be(&list, types[i]);
	stun_write_attribute(w, STUN_UNKNOWN_ATTRIBUTES, value, list.len);
}

void stun_write_fingerprint(struct writer *w)
{
	uint8_t value[FINGERPRINT_LEN] = {0};
	size_t at = w->len;
	struct writer sum = writer_init(value, sizeof(value));

	/* The length it covers counts the attribute itself. */
	stun_write_attribute(w, STUN_FINGERPRINT, value, sizeof(value));
	if (w->failed)
		return;
	write_u32be(&sum, crc32(w->buf, at) ^ fingerprint_xor);
	memcpy(w->buf + at + ATTRIBUTE_HEADER_LEN, value, sizeof(value));
}

void stun_write_binding_request(struct writer *w, const uint8_t txid[static STUN_TXID_LEN],
				uint32_t change)
{
	static const char software[] = "tailnode";
	uint8_t flags[4] = {0, 0, 0, (uint8_t)change};

	stun_write_header(w, STUN_REQUEST, STUN_BINDING, txid);
	stun_write_attribute(w, STUN_SOFTWARE, software, sizeof(software) - 1);
	if (change)
		stun_write_attribute(w, STUN_CHANGE_REQUEST, flags, sizeof(flags));
	stun_write_fingerprint(w);
}

/* ---- integrity (sections 14.5, 14.6) ---- */

/* HMAC over the message before the attribute, its header's length counting up to the attribute's
 * end. True where it worked out. */
static bool integrity_of(const uint8_t *packet, size_t at, size_t tag_len, const EVP_MD *md,
			 const void *key, size_t key_len, uint8_t out[static EVP_MAX_MD_SIZE])
{
	uint8_t copy[STUN_MESSAGE_MAX];
	struct writer w = writer_init(copy, sizeof(copy));
	unsigned out_len = 0;

	write_bytes(&w, packet, at);
	if (w.failed || key_len > INT32_MAX)
		return false;
	write_u16be_at(&w, 2, (uint16_t)(at + ATTRIBUTE_HEADER_LEN + tag_len - STUN_HEADER_LEN));
	return HMAC(md, key, (int)key_len, copy, w.len, out, &out_len) != NULL;
}

static void write_tag(struct writer *w, uint16_t type, size_t tag_len, const EVP_MD *md,
		      const void *key, size_t key_len)
{
	uint8_t tag[EVP_MAX_MD_SIZE];

	if (w->failed || !integrity_of(w->buf, w->len, tag_len, md, key, key_len, tag))
		w->failed = true;
	else
		stun_write_attribute(w, type, tag, tag_len);
}

void stun_write_integrity(struct writer *w, const void *key, size_t key_len)
{
	write_tag(w, STUN_MESSAGE_INTEGRITY, SHA1_LEN, EVP_sha1(), key, key_len);
}

void stun_write_integrity_sha256(struct writer *w, const void *key, size_t key_len)
{
	write_tag(w, STUN_MESSAGE_INTEGRITY_SHA256, SHA256_LEN, EVP_sha256(), key, key_len);
}

static bool tag_is_right(const uint8_t *packet, size_t len, size_t at, const EVP_MD *md,
			 const void *key, size_t key_len)
{
	struct reader r = reader_init(packet, len);
	uint8_t wanted[EVP_MAX_MD_SIZE];

	read_skip(&r, at + 2);
	uint16_t tag_len = read_u16be(&r);
	const uint8_t *tag = read_span(&r, tag_len);
	return tag && integrity_of(packet, at, tag_len, md, key, key_len, wanted) &&
	       sodium_memcmp(tag, wanted, tag_len) == 0;
}

bool stun_check_integrity(const void *packet, size_t len, const struct stun_message *m,
			  const void *key, size_t key_len)
{
	return m->integrity_at &&
	       tag_is_right(packet, len, m->integrity_at, EVP_sha1(), key, key_len);
}

bool stun_check_integrity_sha256(const void *packet, size_t len, const struct stun_message *m,
				 const void *key, size_t key_len)
{
	return m->integrity_sha256_at &&
	       tag_is_right(packet, len, m->integrity_sha256_at, EVP_sha256(), key, key_len);
}
