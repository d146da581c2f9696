/*
 * invitation: warren://host[:port]/#token=…&pin=sha256:HEX, one paste that joins a mesh.
 *
 * The coordinator writes it, the node reads it. It carries a secret: never to be logged. A pin is
 * the SHA-256 of the server's public key (SubjectPublicKeyInfo, DER).
 */
#ifndef WARREN_INVITATION_H
#define WARREN_INVITATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum {
	INVITATION_URL_LEN = 288,
	INVITATION_TOKEN_LEN = 256,
	INVITATION_PIN_LEN = 32,
	INVITATION_TEXT_LEN = 700
};

struct invitation {
	char url[INVITATION_URL_LEN]; /* https://host[:port], no slash at the end */
	char token[INVITATION_TOKEN_LEN];
	bool has_pin;
	uint8_t pin[INVITATION_PIN_LEN];
};

/* -EBADMSG where text is no invitation. Surrounding blanks and a final newline are allowed. */
MUST_CHECK int invitation_parse(const char *text, struct invitation *out);

/* -EINVAL where url is not https://…; -ENOBUFS where it does not fit. */
MUST_CHECK int invitation_str(const struct invitation *inv, char out[static INVITATION_TEXT_LEN]);

#endif
