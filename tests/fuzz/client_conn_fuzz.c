/*
 * What a client sends, in pieces, to a relay's connection: first byte 0 leaves it before its login,
 * 1 logs an ordinary client in, 2 a mesh peer. Another client is connected, to be written to.
 */
#include <stdlib.h>
#include <string.h>

#include "common/proto/derp.h"
#include "derp-relay/client_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t seed[HUB_SEED_LEN], nonce[CLIENT_NONCE_LEN], mesh_key[KEY_LEN] = {5};
static uint8_t buf[CLIENT_BYTES_MAX * 2], out[CLIENT_BYTES_MAX];

static void env_init(struct client_env *env)
{
	*env = (struct client_env){.has_mesh_key = true, .limits = limits_make(0, 0)};
	memcpy(env->mesh_key, mesh_key, KEY_LEN);
	secret_key_from_random(&env->secret, (const uint8_t[KEY_LEN]){3});
	secret_key_public(&env->secret, &env->pub);
}

static void log_in(struct client_conn *c, const struct client_env *env, struct hub *hub,
		   uint8_t who, bool is_mesh_peer)
{
	struct derp_client_info info = {.version = DERP_VERSION, .has_mesh_key = is_mesh_peer};
	struct writer w = writer_init(buf, sizeof(buf));
	struct secret_key secret;
	size_t used;

	memcpy(info.mesh_key, mesh_key, KEY_LEN);
	secret_key_from_random(&secret, (const uint8_t[KEY_LEN]){who});
	if (derp_client_info_seal(&info, &secret, &env->pub, nonce, &w) != 0 ||
	    client_conn_on_bytes(c, env, hub, buf, w.len, 0, &used) != 0 ||
	    client_conn_on_admission(c, hub, true, 0) != 0)
		abort();
}

static void pull_all(struct client_conn *c, const struct client_env *env, struct hub *hub)
{
	struct writer w;

	do {
		w = writer_init(out, sizeof(out));
		(void)client_conn_pull(c, env, hub, &w, 0);
	} while (w.len > 0);
}

/* Gives the input in pieces of a length that is its first byte, as a stream may bring it. */
static void stream(struct client_conn *c, const struct client_env *env, struct hub *hub,
		   const uint8_t *data, size_t len)
{
	size_t piece = len > 0 ? (size_t)data[0] * 4 + 1 : 1, held = 0, used;

	while (len > 0) {
		size_t n = piece < len ? piece : len;
		memcpy(buf + held, data, n);
		held += n;
		data += n;
		len -= n;
		if (client_conn_on_bytes(c, env, hub, buf, held, 0, &used) != 0)
			return;
		if (used > held)
			abort();
		memmove(buf, buf + used, held - used);
		held -= used;
		if (c->state == CLIENT_ASKING && client_conn_on_admission(c, hub, true, 0) != 0)
			return;
		if (held > CLIENT_BYTES_MAX)
			abort(); /* a whole frame was there and was not taken */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct endpoint from = {.port = 1};
	struct hub *hub = hub_new(seed, 1 << 22);
	struct client_conn a, b;
	struct client_env env;

	if (len < 1 || len > CLIENT_BYTES_MAX)
		goto out;
	env_init(&env);
	if (client_conn_init(&a, 0, &from, 0, nonce, 0, 0) != 0 ||
	    client_conn_init(&b, 0, &from, 0, nonce, 0, 0) != 0)
		abort();
	log_in(&b, &env, hub, 9, false);
	if (data[0] > 0)
		log_in(&a, &env, hub, 8, data[0] == 2);
	stream(&a, &env, hub, data + 1, len - 1);
	pull_all(&a, &env, hub);
	pull_all(&b, &env, hub);
	client_conn_wipe(&a, hub);
	client_conn_wipe(&b, hub);
out:
	hub_free(hub);
	return 0;
}
