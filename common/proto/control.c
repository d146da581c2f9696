#include "common/proto/control.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/proto/control_words.h"

const char *const control_type_words[CONTROL_TYPES] = {"hello", "keys",	   "endpoints", "ack",
						       "ping",	"welcome", "relays",	"map",
						       "error", "goaway",  "pong"};
const char *const control_role_words[CONTROL_ROLES] = {"client", "agent"};
const char *const control_kind_words[CONTROL_KINDS] = {"local", "stun", "portmap", "static"};
const char *const control_proto_words[CONTROL_PROTOS] = {"any", "tcp", "udp", "icmp"};
const char *const control_error_words[CONTROL_ERROR_CODES] = {
	"other",	 "token-missing", "token-unknown", "token-expired", "token-used",
	"token-revoked", "name-taken",	  "key-changed",   "removed",	    "bad-proof",
	"bad-signature", "bad-message",	  "replaced",	   "full"};
const struct control_cap_word control_cap_words[CONTROL_CAPS] = {
	{CONTROL_CAP_MAP_DELTA, "map-delta"},
	{CONTROL_CAP_DISCO_SERIAL, "disco-serial"},
	{CONTROL_CAP_DISCO_NOTICE, "disco-notice"},
	{CONTROL_CAP_GOAWAY, "goaway"}};

const char *control_type_str(enum control_type type)
{
	return control_type_words[type];
}

const char *control_role_str(enum control_role role)
{
	return control_role_words[role];
}

const char *control_endpoint_kind_str(enum control_endpoint_kind kind)
{
	return control_kind_words[kind];
}

const char *control_proto_str(enum control_proto proto)
{
	return control_proto_words[proto];
}

const char *control_error_str(enum control_error_code code)
{
	return control_error_words[code];
}

size_t control_find_word(const char *text, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(text, words[i]) != 0)
		i++;
	return i;
}

int control_role_parse(const char *text, enum control_role *out)
{
	size_t i = control_find_word(text, control_role_words, CONTROL_ROLES);

	if (i == CONTROL_ROLES)
		return -EINVAL;
	*out = (enum control_role)i;
	return 0;
}

int control_proto_parse(const char *text, enum control_proto *out)
{
	size_t i = control_find_word(text, control_proto_words, CONTROL_PROTOS);

	if (i == CONTROL_PROTOS)
		return -EINVAL;
	*out = (enum control_proto)i;
	return 0;
}

/* Decimal digits only, no sign, no blank. */
static int parse_port(const char **at, uint16_t *out)
{
	unsigned value = 0;
	size_t digits = 0;

	for (; isdigit((unsigned char)**at); (*at)++, digits++) {
		value = value * 10 + (unsigned)(**at - '0');
		if (value > UINT16_MAX)
			return -EINVAL;
	}
	*out = (uint16_t)value;
	return digits > 0 ? 0 : -EINVAL;
}

int control_ports_parse(const char *text, struct control_rule *rule)
{
	uint16_t first = 0, last = UINT16_MAX;

	if (strcmp(text, "*") != 0) {
		if (parse_port(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (parse_port(&text, &last))
				return -EINVAL;
		}
		if (*text != '\0' || last < first)
			return -EINVAL;
	}
	rule->port_first = first;
	rule->port_last = last;
	return 0;
}

bool control_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CONTROL_NAME_LEN || name[0] == '-' || name[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';

		if (!fits)
			return false;
	}
	return true;
}

/* Copies the part up to the next dot; *at moves behind the dot. */
static int take_label(const char **at, char out[static CONTROL_NAME_LEN])
{
	const char *dot = strchr(*at, '.');

	if (!dot || dot - *at >= CONTROL_NAME_LEN)
		return -EBADMSG;
	size_t len = (size_t)(dot - *at);
	memcpy(out, *at, len);
	out[len] = '\0';
	*at = dot + 1;
	return control_name_valid(out) ? 0 : -EBADMSG;
}

int control_token_split(const char *token, char name[static CONTROL_NAME_LEN],
			char owner[static CONTROL_NAME_LEN], char secret[CONTROL_SECRET_LEN])
{
	const char *at = token;

	if (take_label(&at, name) || take_label(&at, owner))
		return -EBADMSG;
	size_t len = strlen(at);
	if (len == 0 || len >= CONTROL_SECRET_LEN || strchr(at, '.'))
		return -EBADMSG;
	if (secret)
		memcpy(secret, at, len + 1);
	return 0;
}

void control_message_wipe(struct control_message *m)
{
	if (m->type == CONTROL_RELAYS)
		free(m->relays);
	if (m->type == CONTROL_MAP) {
		free(m->map.peers);
		free(m->map.removed);
	}
	sodium_memzero(m, sizeof(*m));
}
