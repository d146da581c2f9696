#include "agent/tunnel/uapi.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"

enum { LINE_MAX_LEN = 160, NUMBER_MAX_LEN = 10 };

enum value_kind {
	VALUE_ONE,
	VALUE_TRUE,
	VALUE_KEY,
	VALUE_U16,
	VALUE_U32,
	VALUE_ENDPOINT,
	VALUE_PREFIX
};

static_assert((int)KEY_TEXT_LEN >= (int)ENDPOINT_TEXT_LEN, "one buffer holds either");

static const struct {
	const char *name;
	enum value_kind kind;
} fields[] = {
	[UAPI_GET] = {"get", VALUE_ONE},
	[UAPI_SET] = {"set", VALUE_ONE},
	[UAPI_PRIVATE_KEY] = {"private_key", VALUE_KEY},
	[UAPI_LISTEN_PORT] = {"listen_port", VALUE_U16},
	[UAPI_FWMARK] = {"fwmark", VALUE_U32},
	[UAPI_REPLACE_PEERS] = {"replace_peers", VALUE_TRUE},
	[UAPI_PUBLIC_KEY] = {"public_key", VALUE_KEY},
	[UAPI_REMOVE] = {"remove", VALUE_TRUE},
	[UAPI_UPDATE_ONLY] = {"update_only", VALUE_TRUE},
	[UAPI_PRESHARED_KEY] = {"preshared_key", VALUE_KEY},
	[UAPI_ENDPOINT] = {"endpoint", VALUE_ENDPOINT},
	[UAPI_KEEPALIVE] = {"persistent_keepalive_interval", VALUE_U16},
	[UAPI_REPLACE_ALLOWED_IPS] = {"replace_allowed_ips", VALUE_TRUE},
	[UAPI_ALLOWED_IP] = {"allowed_ip", VALUE_PREFIX},
	[UAPI_PROTOCOL_VERSION] = {"protocol_version", VALUE_ONE},
};

size_t uapi_message_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\n\n", 2);

	return end ? (size_t)(end - text) + 2 : 0;
}

static int decode_number(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	size_t len = strlen(text);

	if (len == 0 || len > NUMBER_MAX_LEN)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	if (v > max)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int decode_prefix(const char *text, struct uapi_item *out)
{
	out->is_removal = text[0] == '-';
	return prefix_parse(text + (out->is_removal || text[0] == '+'), &out->prefix);
}

static int decode_endpoint(const char *text, struct endpoint *out)
{
	int err = endpoint_parse(text, out);

	return err || ip_is_none(&out->ip) ? -EINVAL : 0;
}

static int decode_value(enum value_kind kind, const char *text, struct uapi_item *out)
{
	switch (kind) {
	case VALUE_ONE:
		return strcmp(text, "1") == 0 ? 0 : -EINVAL;
	case VALUE_TRUE:
		return strcmp(text, "true") == 0 ? 0 : -EINVAL;
	case VALUE_KEY:
		return strlen(text) == KEY_HEX_LEN ? hex_decode(text, out->key, KEY_LEN) : -EINVAL;
	case VALUE_U16:
		return decode_number(text, UINT16_MAX, &out->number);
	case VALUE_U32:
		return decode_number(text, UINT32_MAX, &out->number);
	case VALUE_ENDPOINT:
		return decode_endpoint(text, &out->endpoint);
	case VALUE_PREFIX:
		return decode_prefix(text, out);
	}
	return -EINVAL;
}

int uapi_line_decode(const char *line, size_t len, struct uapi_item *out)
{
	char text[LINE_MAX_LEN + 1];
	struct uapi_item item = {0};
	int err = -EINVAL;

	if (len > LINE_MAX_LEN || memchr(line, '\0', len))
		return -EINVAL;
	memcpy(text, line, len);
	text[len] = '\0';
	char *value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(text, fields[i].name) != 0)
			continue;
		item.field = (enum uapi_field)i;
		err = decode_value(fields[i].kind, value, &item);
	}
	if (!err)
		*out = item;
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&item, sizeof(item));
	return err ? -EINVAL : 0;
}

static void write_line(struct writer *w, enum uapi_field field, const char *value)
{
	write_bytes(w, fields[field].name, strlen(fields[field].name));
	write_u8(w, '=');
	write_bytes(w, value, strlen(value));
	write_u8(w, '\n');
}

static void write_number(struct writer *w, const char *name, uint64_t value)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s=%llu\n", name, (unsigned long long)value);

	write_bytes(w, line, (size_t)len);
}

static void write_secret(struct writer *w, enum uapi_field field, const struct secret_key *secret)
{
	char hex[KEY_HEX_LEN + 1];

	secret_key_hex(secret, hex);
	write_line(w, field, hex);
	sodium_memzero(hex, sizeof(hex));
}

void uapi_write_device(struct writer *w, const struct secret_key *secret, uint16_t port,
		       uint32_t fwmark)
{
	if (secret && !sodium_is_zero(secret->b, sizeof(secret->b)))
		write_secret(w, UAPI_PRIVATE_KEY, secret);
	if (port)
		write_number(w, fields[UAPI_LISTEN_PORT].name, port);
	if (fwmark)
		write_number(w, fields[UAPI_FWMARK].name, fwmark);
}

void uapi_write_peer(struct writer *w, const struct uapi_peer *peer)
{
	char text[KEY_TEXT_LEN]; /* the longest of them */

	public_key_hex(&peer->key, text);
	write_line(w, UAPI_PUBLIC_KEY, text);
	if (peer->psk)
		write_secret(w, UAPI_PRESHARED_KEY, peer->psk);
	write_line(w, UAPI_PROTOCOL_VERSION, "1");
	if (!endpoint_is_none(&peer->endpoint)) {
		endpoint_str(&peer->endpoint, text);
		write_line(w, UAPI_ENDPOINT, text);
	}
	write_number(w, "last_handshake_time_sec", peer->last_handshake_unix_us / US_PER_S);
	write_number(w, "last_handshake_time_nsec", peer->last_handshake_unix_us % US_PER_S * 1000);
	write_number(w, "tx_bytes", peer->tx_bytes);
	write_number(w, "rx_bytes", peer->rx_bytes);
	write_number(w, fields[UAPI_KEEPALIVE].name, peer->keepalive_s);
}

void uapi_write_allowed_ip(struct writer *w, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_LEN];

	prefix_str(prefix, text);
	write_line(w, UAPI_ALLOWED_IP, text);
}

void uapi_write_end(struct writer *w, int err)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "errno=%d\n\n", err);

	write_bytes(w, line, (size_t)len);
}
