#include "agent/state_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "agent/saver.h"
#include "common/statefile.h"

/* The state format's number: a later daemon that writes another shape raises it. */
static const uint64_t format = 1;

/* ---- reading ---- */

static int read_failed(struct state *s, const char *name, int err, const char *why)
{
	if (err == -EBADMSG)
		snprintf(s->error, sizeof(s->error), "%s/%s is damaged (%s)", s->dir, name, why);
	else if (err != -ENOENT)
		snprintf(s->error, sizeof(s->error), "cannot read %s/%s: %s", s->dir, name,
			 strerror(-err));
	return err;
}

int state_record_load(struct state *s, const char *name, size_t max, struct json **tree,
		      struct json_error *err)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int rc = statefile_read_json(path, max, tree, err);
	return rc == 0 ? 0 : read_failed(s, name, rc, err->text);
}

int state_record_finish(struct state *s, const char *name, struct json *tree,
			const struct json_error *err)
{
	json_free(tree);
	return err->failed ? read_failed(s, name, -EBADMSG, err->text) : 0;
}

int state_record_load_bytes(struct state *s, const char *name, size_t max, char **bytes,
			    size_t *len)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int rc = statefile_read(path, max, bytes, len);
	return rc == 0 ? 0 : read_failed(s, name, rc, "");
}

void state_explain_refusal(const struct state *s, int err, char *out, size_t cap)
{
	snprintf(out, cap, "%s%s", s->error,
		 err == -EBADMSG ? "; restore it from a backup, or move it away to start without it"
				 : "");
}

/* ---- writing ---- */

void state_explain_write(struct state *s, const char *path, int err)
{
	snprintf(s->error, sizeof(s->error), "cannot write %.*s: %s; the old file is kept%s",
		 STATE_PATH_LEN, path, strerror(-err),
		 err == -ENOSPC || err == -EDQUOT ? "; free some space on that disk" : "");
}

int state_record_write_failed(struct state *s, const char *name, int err)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	state_explain_write(s, path, err);
	return err;
}

int state_record_put(struct state *s, const char *name, void *bytes, size_t len)
{
	char path[STATE_PATH_LEN];
	int err;

	state_path(s, name, path);
	if (s->saver) {
		err = saver_put(s->saver, path, bytes, len);
	} else {
		err = statefile_write(path, bytes, len);
		sodium_memzero(bytes, len);
		free(bytes);
	}
	return err == 0 ? 0 : state_record_write_failed(s, name, err);
}

int state_record_put_unsynced(struct state *s, const char *name, const void *bytes, size_t len)
{
	char path[STATE_PATH_LEN];

	state_path(s, name, path);
	int err = statefile_write_unsynced(path, bytes, len);
	return err == 0 ? 0 : state_record_write_failed(s, name, err);
}

static char *to_text(struct json *tree)
{
	json_add_u64(tree, "format", format);
	char *text = json_print_pretty(tree);
	json_free(tree);
	return text;
}

int state_record_save(struct state *s, const char *name, struct json *tree)
{
	char *text = to_text(tree);

	return state_record_put(s, name, text, strlen(text));
}

int state_record_save_unsynced(struct state *s, const char *name, struct json *tree)
{
	char *text = to_text(tree);
	int err = state_record_put_unsynced(s, name, text, strlen(text));

	free(text);
	return err;
}

/* ---- fields ---- */

void state_get_key(const struct json_in *obj, const char *key, uint8_t *out, size_t len)
{
	struct json_in at = json_find(obj, key);

	if (hex_decode(json_str(obj, key, 2 * len), out, len) != 0)
		json_fail(&at, "not hexadecimal of the right length");
}

void state_add_key(struct json *obj, const char *key, const uint8_t *bytes, size_t len)
{
	char hex[2 * 64 + 1];

	hex_encode(bytes, len, hex);
	json_add_str(obj, key, hex);
	sodium_memzero(hex, sizeof(hex));
}

void state_get_ip(const struct json_in *obj, const char *key, struct ip_addr *out)
{
	const char *text = json_opt_str(obj, key, IP_TEXT_LEN, "");
	struct json_in at = json_find(obj, key);

	*out = (struct ip_addr){0};
	if (*text && ip_parse(text, out) != 0)
		json_fail(&at, "not an IP address");
}

void state_add_ip(struct json *obj, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_LEN];

	if (ip_is_none(ip))
		return;
	ip_str(ip, text);
	json_add_str(obj, key, text);
}

void state_get_prefix(const struct json_in *obj, const char *key, struct prefix *out)
{
	const char *text = json_opt_str(obj, key, PREFIX_TEXT_LEN, "");
	struct json_in at = json_find(obj, key);

	*out = (struct prefix){0};
	if (*text && prefix_parse(text, out) != 0)
		json_fail(&at, "not a prefix");
}

void state_add_prefix(struct json *obj, const char *key, const struct prefix *p)
{
	char text[PREFIX_TEXT_LEN];

	if (ip_is_none(&p->ip))
		return;
	prefix_str(p, text);
	json_add_str(obj, key, text);
}

void state_get_name(const struct json_in *obj, const char *key, char out[static CONTROL_NAME_LEN])
{
	const char *text = json_opt_str(obj, key, CONTROL_NAME_LEN - 1, "");
	struct json_in at = json_find(obj, key);

	snprintf(out, CONTROL_NAME_LEN, "%s", text);
	if (*text && !control_name_valid(text))
		json_fail(&at, "not a name");
}
