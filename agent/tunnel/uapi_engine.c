#include "agent/tunnel/uapi_engine.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "agent/tunnel/engine.h"
#include "agent/tunnel/uapi.h"

/* The state of one set message: the peer its lines are about. */
struct change {
	struct engine *engine;
	struct engine_peer *peer; /* NULL: removed, our own, or update_only of an unknown one */
	bool in_peer;		  /* a public_key line has come */
	bool is_fresh;		  /* this message made the peer */
};

static int set_private_key(struct change *c, const struct uapi_item *item)
{
	struct secret_key secret;

	memcpy(secret.b, item->key, sizeof(secret.b));
	if (!sodium_is_zero(secret.b, sizeof(secret.b))) { /* RFC 7748 section 5 */
		secret.b[0] &= 248;
		secret.b[31] = (uint8_t)((secret.b[31] & 127) | 64);
	}
	engine_set_secret_key(c->engine, &secret);
	secret_key_wipe(&secret);
	return 0;
}

static int replace_peers(struct change *c)
{
	struct engine_peer *peer;

	while ((peer = engine_peer_next(c->engine, NULL)) != NULL)
		engine_peer_remove(peer);
	return 0;
}

static int select_peer(struct change *c, const struct uapi_item *item)
{
	struct engine_peer_config config = {0};

	memcpy(config.key.b, item->key, sizeof(config.key.b));
	c->in_peer = true;
	c->is_fresh = false;
	c->peer = engine_peer_find(c->engine, &config.key);
	if (c->peer)
		return 0;
	struct public_key ours = engine_public_key(c->engine);
	if (public_key_equal(&ours, &config.key))
		return 0; /* others skip their own key silently, and wg-quick users rely on it */
	c->is_fresh = true;
	return engine_peer_add(c->engine, &config, &c->peer);
}

static int remove_peer(struct change *c)
{
	engine_peer_remove(c->peer);
	c->peer = NULL;
	return 0;
}

static int set_psk(struct change *c, const struct uapi_item *item)
{
	struct secret_key psk;

	memcpy(psk.b, item->key, sizeof(psk.b));
	engine_peer_set_psk(c->peer, sodium_is_zero(psk.b, sizeof(psk.b)) ? NULL : &psk);
	secret_key_wipe(&psk);
	return 0;
}

static int set_endpoint(struct change *c, const struct uapi_item *item)
{
	struct way way = way_direct(item->endpoint);

	engine_peer_set_choice(c->peer, &way, NULL);
	return 0;
}

static int change_allowed_ip(struct change *c, const struct uapi_item *item)
{
	if (!item->is_removal)
		return engine_peer_add_allowed_ip(c->peer, &item->prefix);
	(void)engine_peer_remove_allowed_ip(c->peer, &item->prefix);
	return 0;
}

static int change_peer(struct change *c, const struct uapi_item *item)
{
	if (!c->in_peer)
		return -EINVAL;
	if (!c->peer)
		return 0;
	switch ((int)item->field) {
	case UAPI_REMOVE:
		return remove_peer(c);
	case UAPI_UPDATE_ONLY:
		return c->is_fresh ? remove_peer(c) : 0;
	case UAPI_PRESHARED_KEY:
		return set_psk(c, item);
	case UAPI_ENDPOINT:
		return set_endpoint(c, item);
	case UAPI_KEEPALIVE:
		engine_peer_set_keepalive(c->peer, (uint16_t)item->number);
		return 0;
	case UAPI_REPLACE_ALLOWED_IPS:
		engine_peer_set_allowed_ips(c->peer, NULL, 0);
		return 0;
	case UAPI_ALLOWED_IP:
		return change_allowed_ip(c, item);
	case UAPI_PROTOCOL_VERSION:
		return 0;
	default:
		return -EINVAL;
	}
}

static int change(struct change *c, const struct uapi_item *item)
{
	switch ((int)item->field) {
	case UAPI_PUBLIC_KEY:
		return select_peer(c, item);
	case UAPI_PRIVATE_KEY:
		return c->in_peer ? -EINVAL : set_private_key(c, item);
	case UAPI_LISTEN_PORT:
		return c->in_peer ? -EINVAL : engine_set_port(c->engine, (uint16_t)item->number);
	case UAPI_FWMARK:
		return c->in_peer ? -EINVAL : engine_set_fwmark(c->engine, item->number);
	case UAPI_REPLACE_PEERS:
		return c->in_peer ? -EINVAL : replace_peers(c);
	default:
		return change_peer(c, item);
	}
}

/* Applies the lines behind "set=1" one by one, as they all do: what came before a bad one holds. */
static int set(struct engine *engine, const char *at, const char *end)
{
	struct change c = {.engine = engine};
	int err = 0;

	while (!err && at < end && *at != '\n') {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = newline ? (size_t)(newline - at) : (size_t)(end - at);
		struct uapi_item item;

		err = uapi_line_decode(at, len, &item);
		if (!err)
			err = change(&c, &item);
		sodium_memzero(&item, sizeof(item));
		at += len + 1;
	}
	return err;
}

static void get_peer(const struct engine_peer *peer, bool with_secrets, struct writer *w)
{
	struct way way = engine_peer_way(peer);
	struct engine_peer_stats stats;
	const struct prefix *prefixes;

	engine_peer_stats(peer, &stats);
	struct uapi_peer out = {
		.key = *engine_peer_key(peer),
		.psk = with_secrets ? engine_peer_psk(peer) : NULL,
		.last_handshake_unix_us = stats.last_handshake_unix_us,
		.tx_bytes = stats.tx_bytes,
		.rx_bytes = stats.rx_bytes,
		.keepalive_s = engine_peer_keepalive(peer),
	};
	if (way.kind == WAY_DIRECT)
		out.endpoint = way.addr;
	uapi_write_peer(w, &out);
	size_t n = engine_peer_allowed_ips(peer, &prefixes);
	for (size_t i = 0; i < n; i++)
		uapi_write_allowed_ip(w, &prefixes[i]);
}

static void get(struct engine *engine, bool with_secrets, struct writer *w)
{
	struct secret_key secret = engine_secret_key(engine);
	const struct engine_peer *peer = NULL;

	uapi_write_device(w, with_secrets ? &secret : NULL, engine_port(engine),
			  engine_fwmark(engine));
	secret_key_wipe(&secret);
	while ((peer = engine_peer_next(engine, peer)) != NULL)
		get_peer(peer, with_secrets, w);
	uapi_write_end(w, 0);
}

void uapi_engine_answer(struct engine *engine, bool may_change, const char *message, size_t len,
			struct writer *w)
{
	const char *newline = memchr(message, '\n', len);
	size_t first_len = newline ? (size_t)(newline - message) : len;
	struct uapi_item item;

	int err = uapi_line_decode(message, first_len, &item);
	if (!err && item.field == UAPI_GET) {
		get(engine, may_change, w);
		return;
	}
	if (!err && item.field != UAPI_SET)
		err = -EINVAL;
	if (!err && !may_change)
		err = -EPERM;
	if (!err && newline)
		err = set(engine, newline + 1, message + len);
	uapi_write_end(w, err);
}
