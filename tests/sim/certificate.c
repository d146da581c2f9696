#include "tests/sim/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/key.h"
#include "common/statefile.h"

static const char title[] = "warren-sim certificate\n";

int certificate_print(const uint8_t key[static CERTIFICATE_HASH_LEN], const char *issuer,
		      const char *const *names, size_t n_names,
		      char out[static CERTIFICATE_TEXT_MAX])
{
	char hex[2 * CERTIFICATE_HASH_LEN + 1];

	hex_encode(key, CERTIFICATE_HASH_LEN, hex);
	int len = snprintf(out, CERTIFICATE_TEXT_MAX, "%skey %s\nissuer %s\n", title, hex, issuer);
	for (size_t i = 0; i < n_names && len > 0 && len < CERTIFICATE_TEXT_MAX; i++)
		len += snprintf(out + len, CERTIFICATE_TEXT_MAX - (size_t)len, "name %s\n",
				names[i]);
	return len > 0 && len < CERTIFICATE_TEXT_MAX ? 0 : -ENOBUFS;
}

/* The rest of a line "WORD REST\n" at *at, without its newline, and *at behind it. */
static bool take_line(const char **at, const char *end, const char *word,
		      char out[static CERTIFICATE_NAME_LEN])
{
	size_t skip = strlen(word);
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));

	if (!newline || (size_t)(newline - *at) < skip || memcmp(*at, word, skip) != 0)
		return false;
	size_t len = (size_t)(newline - *at) - skip;
	if (len >= CERTIFICATE_NAME_LEN)
		return false;
	memcpy(out, *at + skip, len);
	out[len] = '\0';
	*at = newline + 1;
	return true;
}

int certificate_parse(const char *text, size_t len, struct certificate *out)
{
	const char *at = text + strlen(title), *end = text + len;
	char key[CERTIFICATE_NAME_LEN];
	uint8_t bytes[CERTIFICATE_HASH_LEN];

	*out = (struct certificate){.n_names = 0};
	if (len < strlen(title) || memcmp(text, title, strlen(title)) != 0 ||
	    !take_line(&at, end, "key ", key) || !take_line(&at, end, "issuer ", out->issuer) ||
	    hex_decode(key, bytes, sizeof(bytes)) != 0)
		return -EBADMSG;
	while (at < end && out->n_names < CERTIFICATE_NAMES_MAX)
		if (!take_line(&at, end, "name ", out->names[out->n_names++]))
			return -EBADMSG;
	if (at != end)
		return -EBADMSG;
	crypto_hash_sha256(out->spki, bytes, sizeof(bytes));
	crypto_hash_sha256(out->hash, (const uint8_t *)text, len);
	return 0;
}

bool certificate_is_for(const struct certificate *c, const char *name)
{
	for (size_t i = 0; i < c->n_names; i++)
		if (strcmp(c->names[i], name) == 0)
			return true;
	return false;
}

int certificate_issue(const char *cert_file, const char *key_file, const char *issuer,
		      const char *const *names, size_t n_names)
{
	uint8_t key[CERTIFICATE_HASH_LEN];
	char text[CERTIFICATE_TEXT_MAX], hex[2 * CERTIFICATE_HASH_LEN + 1];

	randombytes_buf(key, sizeof(key));
	hex_encode(key, sizeof(key), hex);
	int err = certificate_print(key, issuer, names, n_names, text);
	if (err == 0)
		err = statefile_write(key_file, hex, strlen(hex));
	return err ? err : statefile_write(cert_file, text, strlen(text));
}
