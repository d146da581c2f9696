/*
 * state_record: what the files of the state directory have in common: how they are read, written
 * and complained about, and the kinds of fields that several of them hold.
 *
 * JSON with a "format" number, replaced whole (common/statefile.h). Every function returns 0 or
 * -errno with s->error, which names file and field; of a missing file (-ENOENT) it says nothing.
 * Called by state's own files alone.
 */
#ifndef WARREN_STATE_RECORD_H
#define WARREN_STATE_RECORD_H

#include "agent/state.h"
#include "common/json.h"

/* ---- reading */
/* *tree is the caller's until state_record_finish. -EBADMSG: no JSON. */
MUST_CHECK int state_record_load(struct state *s, const char *name, size_t max, struct json **tree,
				 struct json_error *err);
/* Frees tree. -EBADMSG where a field was wrong. */
MUST_CHECK int state_record_finish(struct state *s, const char *name, struct json *tree,
				   const struct json_error *err);
/* A file as it is; the caller frees *bytes. */
MUST_CHECK int state_record_load_bytes(struct state *s, const char *name, size_t max, char **bytes,
				       size_t *len);

/* ---- writing */
/* Takes tree, or bytes, over. */
MUST_CHECK int state_record_save(struct state *s, const char *name, struct json *tree);
MUST_CHECK int state_record_put(struct state *s, const char *name, void *bytes, size_t len);
/* At once and never waited for: a power cut may take it. */
MUST_CHECK int state_record_save_unsynced(struct state *s, const char *name, struct json *tree);
MUST_CHECK int state_record_put_unsynced(struct state *s, const char *name, const void *bytes,
					 size_t len);
/* Returns err, with s->error. */
int state_record_write_failed(struct state *s, const char *name, int err);

/* ---- fields: what is wrong in one fails the tree; what is none is not added */
void state_get_key(const struct json_in *obj, const char *key, uint8_t *out, size_t len);
void state_add_key(struct json *obj, const char *key, const uint8_t *bytes, size_t len);
void state_get_ip(const struct json_in *obj, const char *key, struct ip_addr *out);
void state_add_ip(struct json *obj, const char *key, const struct ip_addr *ip);
void state_get_prefix(const struct json_in *obj, const char *key, struct prefix *out);
void state_add_prefix(struct json *obj, const char *key, const struct prefix *p);
void state_get_name(const struct json_in *obj, const char *key, char out[static CONTROL_NAME_LEN]);

#endif
