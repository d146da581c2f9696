/*
 * certificate: what stands for an X.509 certificate and its key in the world: a text of a few lines
 * that kernel_tls writes where the real program writes PEM.
 *
 *	warren-sim certificate
 *	key 4f0c...          64 hex digits: its hash is the SPKI hash
 *	issuer self          or a name: "public" is what every system trusts
 *	name relay1.example  host names and IP literals it is good for
 *
 * The certificate's hash covers the whole text. No cryptography: the world's machines do not lie
 * about the key they hold, unless a day hands one machine the files of another.
 */
#ifndef WARREN_SIM_CERTIFICATE_H
#define WARREN_SIM_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum {
	CERTIFICATE_NAMES_MAX = 4,
	CERTIFICATE_NAME_LEN = 256,
	CERTIFICATE_TEXT_MAX = 2048,
	CERTIFICATE_HASH_LEN = 32
};

struct certificate {
	uint8_t spki[CERTIFICATE_HASH_LEN];
	uint8_t hash[CERTIFICATE_HASH_LEN];
	char issuer[CERTIFICATE_NAME_LEN];
	char names[CERTIFICATE_NAMES_MAX][CERTIFICATE_NAME_LEN];
	size_t n_names;
};

/* The text of a certificate for names with this key. -ENOBUFS. */
MUST_CHECK int certificate_print(const uint8_t key[static CERTIFICATE_HASH_LEN], const char *issuer,
				 const char *const *names, size_t n_names,
				 char out[static CERTIFICATE_TEXT_MAX]);
/* -EBADMSG where text is no certificate. */
MUST_CHECK int certificate_parse(const char *text, size_t len, struct certificate *out);
bool certificate_is_for(const struct certificate *c, const char *name);

/* Writes a certificate of issuer with a fresh key to the current host's disk (world_here), for
 * machines that are not self-signed, and for impostors. -errno of the disk. */
MUST_CHECK int certificate_issue(const char *cert_file, const char *key_file, const char *issuer,
				 const char *const *names, size_t n_names);

#endif
