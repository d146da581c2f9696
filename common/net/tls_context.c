#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/net/tls_internal.h"

enum { PATH_LEN = 512, READ_BUFFER_LEN = 32 * 1024 };

struct tls_context {
	pthread_mutex_t lock; /* over ssl: connections of several threads, one that reloads */
	SSL_CTX *ssl;
	bool lacks_system; /* client: the system's authorities are not asked yet */
	X509 *derp_cert;   /* server: sent behind the chain, or NULL */
	char cert_file[PATH_LEN], key_file[PATH_LEN];
	uint8_t spki[TLS_HASH_LEN], cert_hash[TLS_HASH_LEN];
};

const char *tls_library_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "unknown TLS failure";
}

/* What client and server have in common. */
static SSL_CTX *new_ssl_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ssl = SSL_CTX_new(method);

	if (!ssl)
		abort();
	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 0);
	/* An idle connection holds no record buffers; a busy one reads many records a call. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER_LEN);
	return ssl;
}

static struct tls_context *new_context(SSL_CTX *ssl)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		abort();
	pthread_mutex_init(&ctx->lock, NULL);
	ctx->ssl = ssl;
	return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl);
	X509_free(ctx->derp_cert);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx);
}

SSL *tls_context_new_ssl(struct tls_context *ctx)
{
	pthread_mutex_lock(&ctx->lock);
	SSL *ssl = SSL_new(ctx->ssl);
	pthread_mutex_unlock(&ctx->lock);
	return ssl;
}

/* ---- client ---- */

/* A hash folder is read certificate by certificate as chains need them; a bundle, some 400 KB
 * parsed, only where a system has nothing else. */
static void use_system_authorities(SSL_CTX *ssl)
{
	static const char *const folders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs"};
	static const char *const bundles[] = {"/etc/pki/tls/certs/ca-bundle.crt",
					      "/etc/ssl/cert.pem"};

	if (getenv("SSL_CERT_DIR") || getenv("SSL_CERT_FILE")) {
		SSL_CTX_set_default_verify_paths(ssl);
		return;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (access(folders[i], R_OK) == 0)
			SSL_CTX_load_verify_dir(ssl, folders[i]);
	if (access(folders[0], R_OK) == 0)
		return;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (access(bundles[i], R_OK) == 0)
			SSL_CTX_load_verify_file(ssl, bundles[i]);
}

int tls_client_context_new(const char *ca_file, struct tls_context **out,
			   char error[static TLS_ERROR_LEN])
{
	SSL_CTX *ssl = new_ssl_ctx(TLS_client_method());

	if (ca_file && SSL_CTX_load_verify_file(ssl, ca_file) != 1) {
		snprintf(error, TLS_ERROR_LEN, "cannot use authorities of %.128s: %s", ca_file,
			 tls_library_reason());
		SSL_CTX_free(ssl);
		return -EINVAL;
	}
	/* A certificate given to us as authority is one, whatever it says about itself. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, tls_check_server, NULL);
	ERR_clear_error();
	*out = new_context(ssl);
	(*out)->lacks_system = true;
	return 0;
}

void tls_context_use_authorities(struct tls_context *ctx)
{
	pthread_mutex_lock(&ctx->lock);
	if (ctx->lacks_system)
		use_system_authorities(ctx->ssl);
	ctx->lacks_system = false;
	pthread_mutex_unlock(&ctx->lock);
	ERR_clear_error();
}

/* ---- server ---- */

static int load_files(SSL_CTX *ssl, const char *cert_file, const char *key_file,
		      char error[static TLS_ERROR_LEN])
{
	if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1) {
		snprintf(error, TLS_ERROR_LEN, "cannot use certificate %.128s: %s", cert_file,
			 tls_library_reason());
		return -EINVAL;
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1) {
		snprintf(error, TLS_ERROR_LEN, "cannot use key %.128s: %s", key_file,
			 tls_library_reason());
		return -EINVAL;
	}
	return 0;
}

static int append_derp_cert(const struct tls_context *ctx, SSL_CTX *ssl)
{
	if (ctx->derp_cert && SSL_CTX_add1_chain_cert(ssl, ctx->derp_cert) != 1)
		return -ENOMEM;
	return 0;
}

int tls_context_reload(struct tls_context *ctx, char error[static TLS_ERROR_LEN])
{
	uint8_t spki[TLS_HASH_LEN], cert_hash[TLS_HASH_LEN];
	SSL_CTX *ssl = new_ssl_ctx(TLS_server_method());
	int err = load_files(ssl, ctx->cert_file, ctx->key_file, error);

	if (err == 0 && (tls_hash_spki(SSL_CTX_get0_certificate(ssl), spki) != 0 ||
			 tls_hash_cert(SSL_CTX_get0_certificate(ssl), cert_hash) != 0 ||
			 append_derp_cert(ctx, ssl) != 0)) {
		snprintf(error, TLS_ERROR_LEN, "cannot use certificate: %s", tls_library_reason());
		err = -EINVAL;
	}
	if (err) {
		SSL_CTX_free(ssl);
		return err;
	}
	pthread_mutex_lock(&ctx->lock);
	SSL_CTX_free(ctx->ssl);
	ctx->ssl = ssl;
	memcpy(ctx->spki, spki, sizeof(spki));
	memcpy(ctx->cert_hash, cert_hash, sizeof(cert_hash));
	pthread_mutex_unlock(&ctx->lock);
	return 0;
}

int tls_server_context_new(const char *cert_file, const char *key_file, struct tls_context **out,
			   char error[static TLS_ERROR_LEN])
{
	if (strlen(cert_file) >= PATH_LEN || strlen(key_file) >= PATH_LEN) {
		snprintf(error, TLS_ERROR_LEN, "path of certificate or key is too long");
		return -ENAMETOOLONG;
	}
	struct tls_context *ctx = new_context(NULL);
	snprintf(ctx->cert_file, sizeof(ctx->cert_file), "%s", cert_file);
	snprintf(ctx->key_file, sizeof(ctx->key_file), "%s", key_file);
	int err = tls_context_reload(ctx, error);
	if (err) {
		tls_context_free(ctx);
		return err;
	}
	*out = ctx;
	return 0;
}

void tls_context_spki(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN])
{
	memcpy(out, ctx->spki, TLS_HASH_LEN);
}

void tls_context_cert_hash(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN])
{
	memcpy(out, ctx->cert_hash, TLS_HASH_LEN);
}

int tls_context_add_derp_key(struct tls_context *ctx, const struct public_key *derp_key,
			     uint64_t unix_s, const uint8_t random[static KEY_LEN])
{
	int err = tls_derp_cert_new(derp_key, unix_s, random, &ctx->derp_cert);

	if (err)
		return err;
	pthread_mutex_lock(&ctx->lock);
	err = append_derp_cert(ctx, ctx->ssl);
	pthread_mutex_unlock(&ctx->lock);
	return err;
}
