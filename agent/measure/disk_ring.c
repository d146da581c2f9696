#include "agent/measure/disk_ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/disk.h"

static uint64_t offset_of(const struct disk_ring *r, uint64_t number)
{
	return number % r->capacity * r->record_len;
}

static int write_at(const struct disk_ring *r, uint64_t number, const uint8_t *record)
{
	return disk_write_at(r->fd, offset_of(r, number), record, r->record_len);
}

/* Whole records read from where number lies, at most n. */
static size_t read_at(const struct disk_ring *r, uint64_t number, uint8_t *out, size_t n)
{
	size_t len;

	if (r->fd < 0 ||
	    disk_read_at(r->fd, offset_of(r, number), out, n * r->record_len, &len) != 0)
		return 0;
	return len / r->record_len;
}

/* The highest number in the file, from records that stand where their number says. */
static uint64_t find_last(const struct disk_ring *r)
{
	uint8_t block[DISK_RING_BLOCK * DISK_RING_RECORD_MAX];
	uint64_t last = 0;

	for (uint64_t slot = 0; slot < r->capacity; slot += DISK_RING_BLOCK) {
		size_t whole = read_at(r, slot, block, DISK_RING_BLOCK);

		for (size_t i = 0; i < whole; i++) {
			uint64_t number = r->number(block + i * r->record_len);

			if (number % r->capacity == slot + i && number > last)
				last = number;
		}
		if (whole < DISK_RING_BLOCK)
			break;
	}
	return last;
}

int disk_ring_open(struct disk_ring *r, const char *path, size_t record_len, uint64_t capacity,
		   size_t keep_max, disk_ring_number_fn *number)
{
	assert(record_len <= DISK_RING_RECORD_MAX && capacity > 0 && keep_max > 0);
	*r = (struct disk_ring){.fd = -1,
				.record_len = record_len,
				.capacity = capacity,
				.number = number,
				.next = 1,
				.keep_max = keep_max};
	r->memory = calloc(keep_max, record_len);
	if (!r->memory)
		abort();
	if (!path)
		return 0;
	r->error = disk_open(path, DISK_UPDATE, &r->fd);
	if (r->error)
		return r->error;
	r->next = find_last(r) + 1;
	return 0;
}

/* Oldest first, so that an error leaves the newest in memory. */
static void flush(struct disk_ring *r)
{
	while (r->kept > 0 && r->fd >= 0) {
		uint64_t number = r->next - r->kept;

		r->error = write_at(r, number, r->memory + number % r->keep_max * r->record_len);
		if (r->error != 0)
			return;
		r->kept--;
	}
}

void disk_ring_close(struct disk_ring *r)
{
	flush(r);
	disk_close(r->fd);
	free(r->memory);
	*r = (struct disk_ring){.fd = -1};
}

void disk_ring_append(struct disk_ring *r, const uint8_t *record)
{
	memcpy(r->memory + r->next % r->keep_max * r->record_len, record, r->record_len);
	r->next++;
	if (r->kept < r->keep_max)
		r->kept++;
	flush(r);
}

uint64_t disk_ring_oldest(const struct disk_ring *r)
{
	uint64_t held = r->fd < 0 ? r->kept : r->capacity;

	return r->next > held ? r->next - held : 1;
}

bool disk_ring_read(const struct disk_ring *r, uint64_t number, uint8_t *out)
{
	if (number < disk_ring_oldest(r) || number >= r->next)
		return false;
	if (number >= r->next - r->kept) {
		memcpy(out, r->memory + number % r->keep_max * r->record_len, r->record_len);
		return true;
	}
	return read_at(r, number, out, 1) == 1 && r->number(out) == number;
}

void disk_ring_seek(struct disk_ring_cursor *c, uint64_t number)
{
	c->at = c->block_first = number;
	c->block_n = 0;
}

/* As many records from number on as lie side by side in the file. */
static void load_block(const struct disk_ring *r, struct disk_ring_cursor *c, uint64_t number)
{
	uint64_t slot = number % r->capacity;
	uint64_t left = r->next - r->kept - number;
	uint64_t n = DISK_RING_BLOCK;

	if (n > r->capacity - slot)
		n = r->capacity - slot;
	if (n > left)
		n = left;
	c->block_first = number;
	c->block_n = read_at(r, number, c->block, n);
}

/* The record of that number in the file, or NULL. */
static const uint8_t *in_block(const struct disk_ring *r, struct disk_ring_cursor *c,
			       uint64_t number)
{
	if (number < c->block_first || number >= c->block_first + c->block_n)
		load_block(r, c, number);
	if (c->block_n == 0)
		return NULL;
	const uint8_t *record = c->block + (number - c->block_first) * r->record_len;

	return r->number(record) == number ? record : NULL;
}

const uint8_t *disk_ring_next(const struct disk_ring *r, struct disk_ring_cursor *c)
{
	uint64_t oldest = disk_ring_oldest(r);

	if (c->at < oldest)
		c->at = oldest;
	while (c->at < r->next) {
		uint64_t number = c->at++;

		if (number >= r->next - r->kept)
			return r->memory + number % r->keep_max * r->record_len;
		const uint8_t *record = in_block(r, c, number);
		if (record)
			return record;
	}
	return NULL;
}
