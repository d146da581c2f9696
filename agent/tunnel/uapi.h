/*
 * uapi: the lines of WireGuard's cross-platform configuration protocol, by which wg(8) and
 * wg-quick(8) drive a user-space implementation (https://www.wireguard.com/xplatform/).
 *
 *	set=1 | get=1, then key=value lines, and an empty line at the end of each message
 *
 * A core: one line and one item, and back. What the items do is uapi_engine's, the socket
 * uapi_socket's. Keys pass through here: callers wipe what they held them in.
 */
#ifndef WARREN_UAPI_H
#define WARREN_UAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

enum uapi_field {
	UAPI_GET,
	UAPI_SET,
	UAPI_PRIVATE_KEY, /* key; zero removes it */
	UAPI_LISTEN_PORT, /* number */
	UAPI_FWMARK,
	UAPI_REPLACE_PEERS,
	UAPI_PUBLIC_KEY, /* key; the peer that the lines behind it are about */
	UAPI_REMOVE,
	UAPI_UPDATE_ONLY,
	UAPI_PRESHARED_KEY,
	UAPI_ENDPOINT,
	UAPI_KEEPALIVE,
	UAPI_REPLACE_ALLOWED_IPS,
	UAPI_ALLOWED_IP, /* prefix; is_removal where it was written with a minus */
	UAPI_PROTOCOL_VERSION,
};

struct uapi_item {
	enum uapi_field field;
	uint8_t key[KEY_LEN];
	uint32_t number;
	struct endpoint endpoint;
	struct prefix prefix;
	bool is_removal;
};

/* Length of the first whole message in text, its empty line included; 0: more is to come. */
size_t uapi_message_len(const char *text, size_t len);

/* Reads one line, len bytes without the newline. -EINVAL: unknown key, or a value that is none. */
MUST_CHECK int uapi_line_decode(const char *line, size_t len, struct uapi_item *out);

struct uapi_peer {
	struct public_key key;
	const struct secret_key *psk; /* NULL: not to be told */
	struct endpoint endpoint;     /* none: not written */
	uint64_t last_handshake_unix_us;
	uint64_t tx_bytes, rx_bytes;
	uint16_t keepalive_s;
};

/* secret NULL or zero: not written; the same with port 0 and fwmark 0. */
void uapi_write_device(struct writer *w, const struct secret_key *secret, uint16_t port,
		       uint32_t fwmark);
void uapi_write_peer(struct writer *w, const struct uapi_peer *peer);
void uapi_write_allowed_ip(struct writer *w, const struct prefix *prefix);
/* Ends the answer. err: 0 or -errno, written as it is, as wg(8) expects it. */
void uapi_write_end(struct writer *w, int err);

#endif
