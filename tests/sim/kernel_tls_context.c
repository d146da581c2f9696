/* The contexts of tls.h: certificates of the world instead of OpenSSL's, and the judgement on them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/statefile.h"
#include "tests/sim/host_part.h"
#include "tests/sim/kernel_tls.h"
#include "tests/sim/kernel_tls_inside.h"
#include "tests/sim/world.h"

static struct tls_context *context_new(void)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		abort();
	return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
	if (!ctx)
		return;
	free(ctx->cert_file);
	free(ctx->key_file);
	free(ctx);
}

int tls_client_context_new(const char *ca_file, struct tls_context **out,
			   char error[static TLS_ERROR_LEN])
{
	struct tls_context *ctx = context_new();

	(void)error;
	if (ca_file)
		snprintf(ctx->issuer, sizeof(ctx->issuer), "%s", ca_file);
	*out = ctx;
	return 0;
}

/* ---- server ---- */

static bool is_there(const char *path)
{
	char *text;
	size_t len;

	if (statefile_read(path, CERTIFICATE_TEXT_MAX, &text, &len) != 0)
		return false;
	free(text);
	return true;
}

/* The key's file counts only by being there: machines do not steal each other's. */
static int read_certificate(const struct tls_context *ctx, char out[static CERTIFICATE_TEXT_MAX],
			    struct certificate *cert)
{
	char *text;
	size_t len;

	if (!is_there(ctx->key_file))
		return -ENOENT;
	int err = statefile_read(ctx->cert_file, CERTIFICATE_TEXT_MAX - 1, &text, &len);
	if (err)
		return err;
	err = certificate_parse(text, len, cert);
	memcpy(out, text, len + 1);
	free(text);
	return err;
}

int tls_context_reload(struct tls_context *ctx, char error[static TLS_ERROR_LEN])
{
	char text[CERTIFICATE_TEXT_MAX];
	struct certificate cert;
	int err = read_certificate(ctx, text, &cert);

	if (err) {
		snprintf(error, TLS_ERROR_LEN, "cannot use certificate %.128s: %s", ctx->cert_file,
			 strerror(-err));
		return -EINVAL;
	}
	memcpy(ctx->text, text, sizeof(text));
	ctx->cert = cert;
	return 0;
}

int tls_server_context_new(const char *cert_file, const char *key_file, struct tls_context **out,
			   char error[static TLS_ERROR_LEN])
{
	struct tls_context *ctx = context_new();

	ctx->is_server = true;
	ctx->cert_file = strdup(cert_file);
	ctx->key_file = strdup(key_file);
	if (!ctx->cert_file || !ctx->key_file)
		abort();
	int err = tls_context_reload(ctx, error);
	if (err)
		tls_context_free(ctx);
	else
		*out = ctx;
	return err;
}

void tls_context_spki(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN])
{
	memcpy(out, ctx->cert.spki, TLS_HASH_LEN);
}

void tls_context_cert_hash(const struct tls_context *ctx, uint8_t out[static TLS_HASH_LEN])
{
	memcpy(out, ctx->cert.hash, TLS_HASH_LEN);
}

int tls_context_add_derp_key(struct tls_context *ctx, const struct public_key *derp_key,
			     uint64_t unix_s, const uint8_t random[static KEY_LEN])
{
	(void)unix_s;
	(void)random;
	if (host_part(world_here(), HOST_PLAIN_RELAY))
		return 0;
	ctx->has_derp_key = true;
	ctx->derp_key = *derp_key;
	return 0;
}

int tls_self_signed_ensure(const char *cert_file, const char *key_file, const char *const *names,
			   size_t n_names, char error[static TLS_ERROR_LEN])
{
	if (is_there(cert_file) && is_there(key_file))
		return 0;
	int err = certificate_issue(cert_file, key_file, "self", names, n_names);
	if (err)
		snprintf(error, TLS_ERROR_LEN, "cannot make certificate %.128s: %s", cert_file,
			 strerror(-err));
	return err;
}

void kernel_tls_withhold_derp_key(struct host *relay, bool is_withheld)
{
	host_set_part(relay, HOST_PLAIN_RELAY, is_withheld ? relay : NULL, NULL);
}

/* ---- the server's flight ---- */

size_t kernel_tls_print_peer(const struct tls_context *ctx, uint8_t out[static FLIGHT_MAX])
{
	struct writer w = writer_init(out, FLIGHT_MAX);

	write_u8(&w, ctx->has_derp_key ? 1 : 0);
	write_bytes(&w, ctx->derp_key.b, KEY_LEN);
	write_bytes(&w, ctx->text, strlen(ctx->text));
	return w.len;
}

int kernel_tls_parse_peer(const uint8_t *bytes, size_t len, struct tls_peer *out)
{
	struct reader r = reader_init(bytes, len);

	out->has_derp_key = read_u8(&r) != 0;
	read_bytes(&r, out->derp_key.b, KEY_LEN);
	if (r.failed)
		return -EBADMSG;
	size_t head = len - reader_left(&r);
	return certificate_parse((const char *)bytes + head, len - head, &out->cert);
}

/* ---- judgement: the words are OpenSSL's, and tls_check's ---- */

static const char *chain_problem(const struct tls_context *ctx, const struct certificate *peer)
{
	bool is_known = strcmp(peer->issuer, "public") == 0 ||
			(ctx->issuer[0] != '\0' && strcmp(peer->issuer, ctx->issuer) == 0);

	if (is_known)
		return NULL;
	return strcmp(peer->issuer, "self") == 0 ? "self-signed certificate"
						 : "unable to get local issuer certificate";
}

const char *kernel_tls_problem(const struct tls_context *ctx, const struct tls_trust *trust,
			       const struct certificate *peer, char problem[static TLS_ERROR_LEN])
{
	struct ip_addr ip;
	const char *why = NULL;

	switch (trust->kind) {
	case TLS_TRUST_ANYONE:
		return NULL;
	case TLS_TRUST_SPKI_PIN:
	case TLS_TRUST_CERT_PIN:
		if (sodium_memcmp(trust->kind == TLS_TRUST_CERT_PIN ? peer->hash : peer->spki,
				  trust->pin, TLS_HASH_LEN) == 0)
			return NULL;
		snprintf(problem, TLS_ERROR_LEN, "the server's key is not the pinned one");
		return problem;
	case TLS_TRUST_AUTHORITIES:
		why = chain_problem(ctx, peer);
		break;
	}
	if (!why && !certificate_is_for(peer, trust->name))
		why = ip_parse(trust->name, &ip) == 0 ? "IP address mismatch" : "hostname mismatch";
	if (!why)
		return NULL;
	snprintf(problem, TLS_ERROR_LEN, "certificate of %.80s: %s", trust->name, why);
	return problem;
}
