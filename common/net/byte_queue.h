/*
 * byte_queue: bytes that wait, in order. Storage exists only while some do, so that ten thousand
 * idle connections hold none. Used by tls_conn.
 */
#ifndef WARREN_BYTE_QUEUE_H
#define WARREN_BYTE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct byte_queue { /* all zero: empty */
	uint8_t *bytes;
	size_t at, len, cap; /* bytes[at..len) wait */
};

static inline size_t byte_queue_len(const struct byte_queue *q)
{
	return q->len - q->at;
}

static inline const uint8_t *byte_queue_front(const struct byte_queue *q)
{
	return q->bytes + q->at;
}

/* Memory running out ends the process: owners bound what they queue. */
void byte_queue_append(struct byte_queue *q, const void *bytes, size_t n);
/* Puts bytes in front of all that wait. */
void byte_queue_prepend(struct byte_queue *q, const void *bytes, size_t n);
/* Drops the first n, which must be there. */
void byte_queue_take(struct byte_queue *q, size_t n);
void byte_queue_wipe(struct byte_queue *q);

#endif
