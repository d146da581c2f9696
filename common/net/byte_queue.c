#include "common/net/byte_queue.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 4096 };

void byte_queue_wipe(struct byte_queue *q)
{
	free(q->bytes);
	*q = (struct byte_queue){0};
}

void byte_queue_take(struct byte_queue *q, size_t n)
{
	q->at += n;
	if (q->at == q->len)
		byte_queue_wipe(q);
}

static void make_room(struct byte_queue *q, size_t n)
{
	if (q->cap - q->len < n && q->at > 0) {
		memmove(q->bytes, q->bytes + q->at, byte_queue_len(q));
		q->len -= q->at;
		q->at = 0;
	}
	if (q->cap - q->len >= n)
		return;
	size_t cap = q->cap ? q->cap : FIRST_CAP;
	while (cap - q->len < n)
		cap *= 2;
	q->bytes = realloc(q->bytes, cap);
	if (!q->bytes)
		abort();
	q->cap = cap;
}

void byte_queue_append(struct byte_queue *q, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	make_room(q, n);
	memcpy(q->bytes + q->len, bytes, n);
	q->len += n;
}

void byte_queue_prepend(struct byte_queue *q, const void *bytes, size_t n)
{
	struct byte_queue behind = *q;

	*q = (struct byte_queue){0};
	byte_queue_append(q, bytes, n);
	if (byte_queue_len(&behind) > 0)
		byte_queue_append(q, byte_queue_front(&behind), byte_queue_len(&behind));
	byte_queue_wipe(&behind);
}
