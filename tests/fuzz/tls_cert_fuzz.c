/* Any bytes as a certificate that a relay sends: hashed, and read as the one that names its key. */
#include <openssl/x509.h>

#include "common/net/tls_internal.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *at = data;
	X509 *cert = d2i_X509(NULL, &at, (long)len);
	uint8_t hash[TLS_HASH_LEN];
	struct public_key key;

	if (!cert)
		return 0;
	(void)!tls_hash_cert(cert, hash);
	(void)!tls_hash_spki(cert, hash);
	(void)!tls_derp_cert_key(cert, &key);
	(void)tls_library_reason();
	X509_free(cert);
	return 0;
}
