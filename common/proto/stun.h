/*
 * stun: STUN messages (RFC 8489, with the attributes of RFC 5780), both directions.
 *
 * Decodes what we use into a struct and keeps account of what it must not ignore. Transactions,
 * retries and NAT behaviour are stun/'s. Authentication serves the vectors of RFC 5769; our
 * programs neither ask for it nor give it.
 */
#ifndef WARREN_STUN_H
#define WARREN_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/wire.h"

enum {
	STUN_HEADER_LEN = 20,
	STUN_TXID_LEN = 12,
	STUN_COOKIE = 0x2112a442,
	STUN_MESSAGE_MAX = 1280, /* longer than any message we send or take */
	STUN_SOFTWARE_LEN = 128, /* characters kept, NUL included */
	STUN_UNKNOWN_MAX = 8,	 /* unknown comprehension-required attributes kept */
	STUN_REQUEST_LEN = 40,	 /* what stun_write_binding_request writes without flags */
	STUN_PORT = 3478
};

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };
enum { STUN_BINDING = 0x001 }; /* the one method */

enum stun_attribute {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_CHANGE_REQUEST = 0x0003,
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_USERHASH = 0x001e,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_XOR_MAPPED_ADDRESS_OLD = 0x8020, /* of old servers, before RFC 5389 */
	STUN_SOFTWARE = 0x8022,
	STUN_FINGERPRINT = 0x8028,
	STUN_RESPONSE_ORIGIN = 0x802b,
	STUN_OTHER_ADDRESS = 0x802c
};

/* Bits of CHANGE-REQUEST (RFC 5780 section 7.2). */
enum stun_change { STUN_CHANGE_PORT = 2, STUN_CHANGE_IP = 4 };

/* Endpoints are none where the attribute is absent. */
struct stun_message {
	enum stun_class class;
	uint16_t method;
	uint8_t txid[STUN_TXID_LEN];
	struct endpoint mapped;		 /* XOR-MAPPED-ADDRESS, else 0x8020, else MAPPED-ADDRESS */
	struct endpoint response_origin; /* RFC 5780: where the answer came from */
	struct endpoint other_address;	 /* the server's other address and port */
	bool has_change;		 /* CHANGE-REQUEST is there */
	uint32_t change;		 /* its enum stun_change bits */
	unsigned error_code;		 /* 300..699; 0 = none */
	char software[STUN_SOFTWARE_LEN];
	bool has_fingerprint; /* there, last and right: a wrong one is -EBADMSG */
	size_t integrity_at, integrity_sha256_at; /* offset of the attribute, 0 = absent */
	/* Attributes below 0x8000 that we do not know: a request with one is answered by 420. */
	uint16_t unknown[STUN_UNKNOWN_MAX];
	size_t n_unknown;
};

/* Whether one UDP packet among others is STUN: header, cookie, and length as in section 6.3. */
bool stun_is_stun(const void *packet, size_t len);

/* -EBADMSG: not STUN, attributes that do not fit, or a wrong FINGERPRINT. */
MUST_CHECK int stun_decode(const void *packet, size_t len, struct stun_message *out);

/* ---- writing: header, attributes, at last fingerprint; then w->failed says whether it fit ---- */

void stun_write_header(struct writer *w, enum stun_class class, uint16_t method,
		       const uint8_t txid[static STUN_TXID_LEN]);
void stun_write_attribute(struct writer *w, uint16_t type, const void *value, size_t len);
/* MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS plainly; XOR-MAPPED-ADDRESS with the txid that
 * stands in w's header. */
void stun_write_address(struct writer *w, uint16_t type, const struct endpoint *ep);
void stun_write_error(struct writer *w, unsigned code, const char *reason);
void stun_write_unknown(struct writer *w, const uint16_t *types, size_t n);
/* Appends the attribute over everything before it, with the length as if it ended the message. */
void stun_write_integrity(struct writer *w, const void *key, size_t key_len);
void stun_write_integrity_sha256(struct writer *w, const void *key, size_t key_len);
void stun_write_fingerprint(struct writer *w);

/* Our request: SOFTWARE "tailnode" and FINGERPRINT, without which deployed relays do not answer;
 * CHANGE-REQUEST too where change is not 0. */
void stun_write_binding_request(struct writer *w, const uint8_t txid[static STUN_TXID_LEN],
				uint32_t change);

/* True where the packet, decoded as m, carries an integrity attribute made with key. Constant time
 * in the tag. False where it carries none. */
bool stun_check_integrity(const void *packet, size_t len, const struct stun_message *m,
			  const void *key, size_t key_len);
bool stun_check_integrity_sha256(const void *packet, size_t len, const struct stun_message *m,
				 const void *key, size_t key_len);

#endif
