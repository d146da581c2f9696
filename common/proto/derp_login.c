#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/json.h"
#include "common/proto/derp.h"

/* The JSON inside a login; what is longer carries nothing we could use. */
enum { LOGIN_JSON_MAX = 8 << 10 };

static_assert(crypto_box_MACBYTES == DERP_TAG_LEN, "tag of the seal");
static_assert(crypto_box_NONCEBYTES == DERP_NONCE_LEN, "nonce of the seal");

/* One frame of optional sender key, nonce and the sealed text; consumes (wipes, frees) text. */
static int seal_login(enum derp_type type, char *text, const struct public_key *named,
		      const struct secret_key *ours, const struct public_key *theirs,
		      const uint8_t nonce[static DERP_NONCE_LEN], struct writer *w)
{
	size_t text_len = strlen(text), sealed_len = DERP_TAG_LEN + text_len;
	size_t named_len = named ? KEY_LEN : 0;
	int err = 0;

	write_u8(w, (uint8_t)type);
	write_u32be(w, (uint32_t)(named_len + DERP_NONCE_LEN + sealed_len));
	if (named)
		write_bytes(w, named->b, KEY_LEN);
	write_bytes(w, nonce, DERP_NONCE_LEN);
	uint8_t *sealed = write_span(w, sealed_len);
	if (!sealed)
		err = -ENOBUFS;
	else if (crypto_box_easy(sealed, (const uint8_t *)text, text_len, nonce, theirs->b,
				 ours->b) != 0)
		err = -EPROTO;
	sodium_memzero(text, text_len);
	free(text);
	return err;
}

/* The JSON sealed behind a nonce, in plain, which the caller wipes. */
static int open_login(struct reader *r, const struct secret_key *ours,
		      const struct public_key *theirs, uint8_t plain[static LOGIN_JSON_MAX],
		      struct json **out, struct json_error *err)
{
	uint8_t nonce[DERP_NONCE_LEN];

	read_bytes(r, nonce, sizeof(nonce));
	size_t sealed_len = reader_left(r);
	const uint8_t *sealed = read_span(r, sealed_len);
	if (r->failed || sealed_len < DERP_TAG_LEN || sealed_len - DERP_TAG_LEN > LOGIN_JSON_MAX)
		return -EBADMSG;
	if (crypto_box_open_easy(plain, sealed, sealed_len, nonce, theirs->b, ours->b) != 0)
		return -EACCES;
	if (json_parse((const char *)plain, sealed_len - DERP_TAG_LEN, LOGIN_JSON_MAX, out, err) !=
	    0)
		return -EBADMSG;
	return 0;
}

int derp_client_info_seal(const struct derp_client_info *info, const struct secret_key *client,
			  const struct public_key *server,
			  const uint8_t nonce[static DERP_NONCE_LEN], struct writer *w)
{
	struct json *tree = json_object_new();
	struct public_key named;
	char hex[2 * KEY_LEN + 1];

	secret_key_public(client, &named);
	if (info->has_mesh_key) {
		hex_encode(info->mesh_key, KEY_LEN, hex);
		json_add_str(tree, "meshKey", hex);
		sodium_memzero(hex, sizeof(hex));
	}
	json_add_u64(tree, "version", info->version);
	json_add_bool(tree, "CanAckPings", info->can_ack_pings);
	if (info->is_prober)
		json_add_bool(tree, "IsProber", true);
	if (info->app_name[0])
		json_add_str(tree, "AppName", info->app_name);
	char *text = json_print(tree);
	json_free(tree);
	return seal_login(DERP_CLIENT_INFO, text, &named, client, server, nonce, w);
}

static void read_client_info(const struct json_in *root, struct derp_client_info *out)
{
	const char *mesh_key = json_opt_str(root, "meshKey", 2 * KEY_LEN, "");
	const char *app_name = json_opt_str(root, "AppName", LOGIN_JSON_MAX, "");

	out->has_mesh_key = mesh_key[0] != '\0';
	if (out->has_mesh_key && hex_decode(mesh_key, out->mesh_key, KEY_LEN) != 0)
		json_fail(root, "meshKey is not 64 hex digits");
	out->version = (unsigned)json_opt_u64(root, "version", 0, UINT32_MAX, 0);
	out->can_ack_pings = json_opt_bool(root, "CanAckPings", false);
	out->is_prober = json_opt_bool(root, "IsProber", false);
	memcpy(out->app_name, app_name, strnlen(app_name, sizeof(out->app_name) - 1));
}

int derp_client_info_open(const uint8_t *payload, size_t len, const struct secret_key *server,
			  struct public_key *client, struct derp_client_info *out)
{
	struct reader r = reader_init(payload, len);
	uint8_t plain[LOGIN_JSON_MAX];
	struct json_error bad = {0};
	struct json *tree = NULL;

	memset(out, 0, sizeof(*out));
	read_bytes(&r, client->b, KEY_LEN);
	int err = open_login(&r, server, client, plain, &tree, &bad);
	if (!err) {
		struct json_in root = json_root(tree, &bad);
		read_client_info(&root, out);
		err = bad.failed ? -EBADMSG : 0;
	}
	json_free(tree);
	sodium_memzero(plain, sizeof(plain));
	return err;
}

int derp_server_info_seal(const struct derp_server_info *info, const struct secret_key *server,
			  const struct public_key *client,
			  const uint8_t nonce[static DERP_NONCE_LEN], struct writer *w)
{
	struct json *tree = json_object_new();

	json_add_u64(tree, "version", info->version);
	if (info->rate_bytes_per_s)
		json_add_u64(tree, "TokenBucketBytesPerSecond", info->rate_bytes_per_s);
	if (info->burst_bytes)
		json_add_u64(tree, "TokenBucketBytesBurst", info->burst_bytes);
	char *text = json_print(tree);
	json_free(tree);
	return seal_login(DERP_SERVER_INFO, text, NULL, server, client, nonce, w);
}

int derp_server_info_open(const uint8_t *payload, size_t len, const struct secret_key *client,
			  const struct public_key *server, struct derp_server_info *out)
{
	struct reader r = reader_init(payload, len);
	uint8_t plain[LOGIN_JSON_MAX];
	struct json_error bad = {0};
	struct json *tree = NULL;

	memset(out, 0, sizeof(*out));
	int err = open_login(&r, client, server, plain, &tree, &bad);
	if (!err) {
		struct json_in root = json_root(tree, &bad);
		out->version = (unsigned)json_opt_u64(&root, "version", 0, UINT32_MAX, 0);
		out->rate_bytes_per_s =
			json_opt_u64(&root, "TokenBucketBytesPerSecond", 0, JSON_INT_MAX, 0);
		out->burst_bytes = json_opt_u64(&root, "TokenBucketBytesBurst", 0, JSON_INT_MAX, 0);
		err = bad.failed ? -EBADMSG : 0;
	}
	json_free(tree);
	sodium_memzero(plain, sizeof(plain));
	return err;
}
