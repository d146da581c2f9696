#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "common/net/tls_internal.h"

static bool pin_matches(const struct tls_trust *trust, X509 *leaf)
{
	uint8_t hash[TLS_HASH_LEN];
	int err = trust->kind == TLS_TRUST_CERT_PIN ? tls_hash_cert(leaf, hash)
						    : tls_hash_spki(leaf, hash);

	return err == 0 && sodium_memcmp(hash, trust->pin, sizeof(hash)) == 0;
}

int tls_check_server(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_check *c = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	(void)arg;
	switch (c->trust.kind) {
	case TLS_TRUST_ANYONE:
		return 1;
	case TLS_TRUST_SPKI_PIN:
	case TLS_TRUST_CERT_PIN:
		if (pin_matches(&c->trust, leaf))
			return 1;
		snprintf(c->problem, sizeof(c->problem), "the server's key is not the pinned one");
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	case TLS_TRUST_AUTHORITIES:
		break;
	}
	int ok = X509_verify_cert(store);
	if (ok != 1)
		snprintf(c->problem, sizeof(c->problem), "certificate of %.80s: %s", c->trust.name,
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	return ok == 1;
}

int tls_check_start(struct tls_check *c, SSL *ssl)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char *name = c->trust.name, *sni = c->trust.sni[0] ? c->trust.sni : name;
	struct ip_addr ip;

	if (SSL_set_app_data(ssl, c) != 1)
		return -EINVAL;
	if (ip_parse(name, &ip) == 0) {
		if (X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1)
			return -EINVAL;
	} else if (X509_VERIFY_PARAM_set1_host(param, name, 0) != 1) {
		return -EINVAL;
	}
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* RFC 6066 section 3: no IP literals in SNI. */
	if (sni[0] != '\0' && ip_parse(sni, &ip) != 0 && SSL_set_tlsext_host_name(ssl, sni) != 1)
		return -EINVAL;
	return 0;
}
