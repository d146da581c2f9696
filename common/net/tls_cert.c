#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/net/tls_internal.h"
#include "common/statefile.h"

enum { DAY_S = 86400, SAN_LEN = 2048, DERP_PROTOCOL_VERSION = 2 };

static const char derp_prefix[] = "derpkey";

/* ---- hashes ---- */

static int hash_der(uint8_t *der, int len, uint8_t out[static TLS_HASH_LEN])
{
	if (len <= 0)
		return -EINVAL;
	SHA256(der, (size_t)len, out);
	OPENSSL_free(der);
	return 0;
}

int tls_hash_cert(const X509 *cert, uint8_t out[static TLS_HASH_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_X509(cert, &der);

	return hash_der(der, len, out);
}

int tls_hash_spki(const X509 *cert, uint8_t out[static TLS_HASH_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	return hash_der(der, len, out);
}

/* ---- making ---- */

/* Not MBSTRING_UTF8: that would enforce the 64 characters of RFC 5280, and DERP needs 71. */
static bool set_subject(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(subject, "CN", V_ASN1_UTF8STRING, (const uint8_t *)name,
					  -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, subject) == 1;
}

static bool set_validity(X509 *cert, time_t from_s, time_t to_s)
{
	return ASN1_TIME_set(X509_getm_notBefore(cert), from_s) &&
	       ASN1_TIME_set(X509_getm_notAfter(cert), to_s);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* "DNS:relay.example,IP:192.0.2.1" */
static int write_alt_names(const char *const *names, size_t n, char out[static SAN_LEN])
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		struct ip_addr ip;
		bool is_ip = ip_parse(names[i], &ip) == 0;

		if (strpbrk(names[i], ",:\n") && !is_ip)
			return -EINVAL;
		int len = snprintf(out + used, SAN_LEN - used, "%s%s:%s", i > 0 ? "," : "",
				   is_ip ? "IP" : "DNS", names[i]);
		if (len < 0 || (size_t)len >= SAN_LEN - used)
			return -ENOBUFS;
		used += (size_t)len;
	}
	return 0;
}

static bool set_random_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	bool ok = number && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

	BN_free(number);
	return ok;
}

/* notBefore lies a day back, for peers whose clock is behind. */
static bool fill_self_signed(X509 *cert, EVP_PKEY *key, const char *const *names, size_t n)
{
	time_t now_s = time(NULL);
	char alt_names[SAN_LEN];

	return write_alt_names(names, n, alt_names) == 0 && X509_set_version(cert, 2) == 1 &&
	       set_random_serial(cert) && set_subject(cert, names[0]) &&
	       set_validity(cert, now_s - DAY_S, now_s + (time_t)3650 * DAY_S) &&
	       X509_set_pubkey(cert, key) == 1 &&
	       add_extension(cert, NID_subject_alt_name, alt_names) &&
	       X509_sign(cert, key, EVP_sha256()) > 0;
}

static int write_bio(const char *path, BIO *pem)
{
	char *text;
	long len = BIO_get_mem_data(pem, &text);

	return len > 0 ? statefile_write(path, text, (size_t)len) : -EIO;
}

/* The key first: a certificate without its key is of no use, the other way round is made anew. */
static int write_pair(const char *cert_file, const char *key_file, X509 *cert, EVP_PKEY *key)
{
	BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_secmem());
	int err = -ENOMEM;

	if (cert_pem && key_pem && PEM_write_bio_X509(cert_pem, cert) == 1 &&
	    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1)
		err = write_bio(key_file, key_pem);
	if (err == 0)
		err = write_bio(cert_file, cert_pem);
	BIO_free(cert_pem);
	BIO_free(key_pem);
	return err;
}

int tls_self_signed_ensure(const char *cert_file, const char *key_file, const char *const *names,
			   size_t n_names, char error[static TLS_ERROR_LEN])
{
	int err = -EINVAL;

	if (access(cert_file, F_OK) == 0 && access(key_file, F_OK) == 0)
		return 0;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	if (n_names > 0 && key && cert && fill_self_signed(cert, key, names, n_names))
		err = write_pair(cert_file, key_file, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (err)
		snprintf(error, TLS_ERROR_LEN, "cannot make certificate %.128s: %s", cert_file,
			 strerror(-err));
	return err;
}

/* ---- DERP's meta certificate ---- */

static bool fill_derp_cert(X509 *cert, EVP_PKEY *key, const struct public_key *derp_key,
			   uint64_t unix_s)
{
	char name[sizeof(derp_prefix) + KEY_HEX_LEN], hex[KEY_HEX_LEN + 1];

	public_key_hex(derp_key, hex);
	snprintf(name, sizeof(name), "%s%s", derp_prefix, hex);
	return X509_set_version(cert, 2) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(cert), DERP_PROTOCOL_VERSION) == 1 &&
	       set_subject(cert, name) &&
	       set_validity(cert, (time_t)unix_s - 30 * DAY_S, (time_t)unix_s + 30 * DAY_S) &&
	       X509_set_pubkey(cert, key) == 1 &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       X509_sign(cert, key, NULL) > 0;
}

int tls_derp_cert_new(const struct public_key *derp_key, uint64_t unix_s,
		      const uint8_t random[static KEY_LEN], X509 **out)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, random, KEY_LEN);
	X509 *cert = X509_new();
	bool ok = key && cert && fill_derp_cert(cert, key, derp_key, unix_s);

	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!ok) {
		X509_free(cert);
		return -ENOMEM;
	}
	*out = cert;
	return 0;
}

int tls_derp_cert_key(const X509 *cert, struct public_key *out)
{
	char name[sizeof(derp_prefix) + KEY_HEX_LEN + 1];
	X509_NAME *subject = X509_get_subject_name(cert);
	int len = X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name));
	long version = ASN1_INTEGER_get(X509_get0_serialNumber(cert));

	bool is_meta = len == (int)sizeof(derp_prefix) - 1 + KEY_HEX_LEN &&
		       strncmp(name, derp_prefix, sizeof(derp_prefix) - 1) == 0;
	if (!is_meta || version < 1 || version > 255)
		return -ENOENT;
	return public_key_parse(name + sizeof(derp_prefix) - 1, NULL, out) == 0 ? 0 : -ENOENT;
}
