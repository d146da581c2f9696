/*
 * admission: which keys may use this relay, as the coordinator says, and what holds while it is
 * silent.
 *
 *	unknown --yes--> admitted --no--> refused (its connections are closed, and it is forgotten)
 *	   |  '-silent-> asked again in 2 s (with fail_open: let in until it answers)
 *	   '----no----> refused
 *
 * An admitted key is let in at once, for 7 days from the last yes, and asked about at the same
 * time; while connected it is asked about each minute. A key has at most one question open, and
 * the caller bounds how many there are in all. A pure core: the caller asks (admission_ask), tells
 * the answers and carries the decisions out. On one thread. The admitted keys outlive the process
 * by _save, _load.
 */
#ifndef WARREN_ADMISSION_H
#define WARREN_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/key.h"
#include "common/wire.h"

enum { ADMISSION_KEYS_MAX = 1 << 16, ADMISSION_SEED_LEN = 16, ADMISSION_FILE_MAX = 16 << 20 };

enum admission_answer { ADMISSION_YES, ADMISSION_NO, ADMISSION_SILENT };

enum admission_decision { ADMISSION_LET_IN, ADMISSION_CLOSE, ADMISSION_WAIT };

struct json;
struct json_in;
struct admission;

struct admission_question {
	struct public_key key;
	struct ip_addr source;
};

/* seed: random, against chosen collisions. fail_open: unknown keys are let in while nobody answers.
 */
struct admission *admission_new(const uint8_t seed[static ADMISSION_SEED_LEN], bool fail_open);
void admission_free(struct admission *a);

/* A connection has proved that it holds key. LET_IN or WAIT (then a decision follows an answer);
 * CLOSE where there is no room for another key. Each LET_IN and WAIT is ended by one
 * _on_disconnect. */
enum admission_decision admission_on_connect(struct admission *a, const struct public_key *key,
					     const struct ip_addr *source, uint64_t now_us,
					     uint64_t unix_s);
void admission_on_disconnect(struct admission *a, const struct public_key *key);

/* The next question that is due, now open until its answer; false where none is. */
bool admission_ask(struct admission *a, uint64_t now_us, struct admission_question *out);
/* When admission_ask is next to be called, but for calls of admission_on_connect; US_NEVER. */
uint64_t admission_deadline_us(const struct admission *a);
/* What to do with the key's connections: LET_IN those that wait, CLOSE all, or WAIT: nothing. */
enum admission_decision admission_on_answer(struct admission *a, const struct public_key *key,
					    enum admission_answer answer, uint64_t now_us,
					    uint64_t unix_s);

/* True where keys have been admitted or refused since the last _saved. */
bool admission_is_changed(const struct admission *a);
/* {"admitted": [{"key": "nodekey:…", "unix_s": 1}]}; the tree is the caller's. */
struct json *admission_save(struct admission *a, uint64_t unix_s);
/* What _save gave is on disk. */
void admission_saved(struct admission *a);
/* -EBADMSG where the tree is not of that form; what was read until then is kept. */
MUST_CHECK int admission_load(struct admission *a, const struct json_in *root, uint64_t unix_s);

/* The question as the coordinator wants it; NUL-terminated. */
enum { ADMISSION_BODY_LEN = 192 };
void admission_body(const struct admission_question *q, char out[static ADMISSION_BODY_LEN]);
/* Reads {"Allow": bool} of an HTTP answer. Anything but a well-formed 200 is SILENT: a coordinator
 * in trouble, or a wrong secret of ours, must not cut those who are known. */
enum admission_answer admission_read(unsigned status, const char *body, size_t len);

#endif
