#include "derp-relay/relay_files.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/json.h"
#include "common/statefile.h"

enum { FILE_MAX = 4096 };

static int fail(char error[static RELAY_FILES_ERROR_LEN], const char *path, int err,
		const char *why)
{
	snprintf(error, RELAY_FILES_ERROR_LEN, "%.120s: %.120s", path, why);
	return err;
}

static int make_key(const char *path, const uint8_t random[static KEY_LEN], struct secret_key *out,
		    char error[static RELAY_FILES_ERROR_LEN])
{
	char hex[KEY_HEX_LEN + 1], text[KEY_HEX_LEN + 40];

	secret_key_from_random(out, random);
	secret_key_hex(out, hex);
	int len = snprintf(text, sizeof(text), "{\"PrivateKey\":\"privkey:%s\"}\n", hex);
	int err = statefile_write(path, text, (size_t)len);
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(text, sizeof(text));
	return err < 0 ? fail(error, path, err, strerror(-err)) : 0;
}

int relay_key_load(const char *path, const uint8_t random[static KEY_LEN], struct secret_key *out,
		   char error[static RELAY_FILES_ERROR_LEN])
{
	struct json_error why = {0};
	struct json *tree;
	int err = statefile_read_json(path, FILE_MAX, &tree, &why);

	if (err == -ENOENT)
		return make_key(path, random, out, error);
	if (err < 0)
		return fail(error, path, err, why.failed ? why.text : strerror(-err));
	struct json_in root = json_root(tree, &why);
	err = secret_key_parse(json_str(&root, "PrivateKey", KEY_TEXT_LEN), "privkey", out);
	json_free(tree);
	return err < 0 ? fail(error, path, err, "no {\"PrivateKey\":\"privkey:HEX\"}") : 0;
}

/* A file's one line, without its newline. */
static int read_line(const char *path, char **out, size_t *len,
		     char error[static RELAY_FILES_ERROR_LEN])
{
	int err = statefile_read(path, FILE_MAX, out, len);

	if (err < 0)
		return fail(error, path, err, strerror(-err));
	while (*len > 0 && ((*out)[*len - 1] == '\n' || (*out)[*len - 1] == '\r'))
		(*out)[--*len] = 0;
	return 0;
}

static void wipe_line(char *line, size_t len)
{
	sodium_memzero(line, len);
	free(line);
}

int mesh_key_load(const char *path, uint8_t out[static KEY_LEN],
		  char error[static RELAY_FILES_ERROR_LEN])
{
	char *line;
	size_t len;
	int err = read_line(path, &line, &len, error);

	if (err < 0)
		return err;
	err = hex_decode(line, out, KEY_LEN);
	wipe_line(line, len);
	return err < 0 ? fail(error, path, err, "not 64 hex digits") : 0;
}

static bool is_plain_text(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)line[i]))
			return false;
	}
	return len > 0 && len < RELAY_SECRET_LEN;
}

int admit_secret_load(const char *path, char out[static RELAY_SECRET_LEN],
		      char error[static RELAY_FILES_ERROR_LEN])
{
	char *line;
	size_t len;
	int err = read_line(path, &line, &len, error);

	if (err < 0)
		return err;
	if (is_plain_text(line, len))
		memcpy(out, line, len + 1);
	else
		err = fail(error, path, -EBADMSG, "not one line of text without spaces");
	wipe_line(line, len);
	return err;
}
