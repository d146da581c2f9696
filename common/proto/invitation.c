#include "common/proto/invitation.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/key.h"

static const char scheme[] = "warren://", https[] = "https://", pin_prefix[] = "sha256:";

static bool is_host_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == ':' || c == '[' ||
	       c == ']';
}

static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_';
}

/* Copies the run of characters that fit accepts from *at into out; -EBADMSG where it is empty or
 * too long. */
static int take_run(const char **at, bool (*fits)(char c), char *out, size_t cap)
{
	size_t len = 0;

	while (fits((*at)[len]))
		len++;
	if (len == 0 || len >= cap)
		return -EBADMSG;
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len;
	return 0;
}

static int read_pin(const char **at, struct invitation *inv)
{
	char hex[2 * INVITATION_PIN_LEN + 1];

	if (strncmp(*at, pin_prefix, strlen(pin_prefix)) != 0)
		return -EBADMSG;
	*at += strlen(pin_prefix);
	if (take_run(at, is_token_char, hex, sizeof(hex)) ||
	    hex_decode(hex, inv->pin, sizeof(inv->pin)))
		return -EBADMSG;
	inv->has_pin = true;
	return 0;
}

/* One key=value of the fragment. Unknown keys are passed over, so that some can be added; of two
 * tokens or pins none is right. */
static int read_part(const char **at, struct invitation *inv)
{
	char key[16], ignored[INVITATION_TOKEN_LEN];

	if (take_run(at, is_token_char, key, sizeof(key)) || *(*at)++ != '=')
		return -EBADMSG;
	if (strcmp(key, "token") == 0)
		return inv->token[0] ? -EBADMSG
				     : take_run(at, is_token_char, inv->token, sizeof(inv->token));
	if (strcmp(key, "pin") == 0)
		return inv->has_pin ? -EBADMSG : read_pin(at, inv);
	return take_run(at, is_token_char, ignored, sizeof(ignored));
}

int invitation_parse(const char *text, struct invitation *out)
{
	struct invitation inv = {0};
	const char *at = text;
	size_t prefix_len = strlen(https);

	while (isspace((unsigned char)*at))
		at++;
	if (strncmp(at, scheme, strlen(scheme)) != 0)
		return -EBADMSG;
	at += strlen(scheme);
	memcpy(inv.url, https, prefix_len);
	if (take_run(&at, is_host_char, inv.url + prefix_len, sizeof(inv.url) - prefix_len))
		return -EBADMSG;
	if (*at == '/')
		at++;
	if (*at != '#')
		return -EBADMSG;
	do {
		at++;
		if (read_part(&at, &inv))
			return -EBADMSG;
	} while (*at == '&');
	while (isspace((unsigned char)*at))
		at++;
	if (*at != '\0' || inv.token[0] == '\0')
		return -EBADMSG;
	*out = inv;
	return 0;
}

int invitation_str(const struct invitation *inv, char out[static INVITATION_TEXT_LEN])
{
	char pin[2 * INVITATION_PIN_LEN + 1];

	if (strncmp(inv->url, https, strlen(https)) != 0)
		return -EINVAL;
	hex_encode(inv->pin, sizeof(inv->pin), pin);
	int len = snprintf(out, INVITATION_TEXT_LEN, "%s%s/#token=%s%s%s%s", scheme,
			   inv->url + strlen(https), inv->token, inv->has_pin ? "&pin=" : "",
			   inv->has_pin ? pin_prefix : "", inv->has_pin ? pin : "");
	return len < 0 || len >= INVITATION_TEXT_LEN ? -ENOBUFS : 0;
}
