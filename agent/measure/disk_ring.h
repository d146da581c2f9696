/*
 * disk_ring: numbered records of one length in a file that never grows beyond its capacity.
 *
 * Record number n lies at slot n mod capacity, so that the file needs no head that a crash could
 * tear: the end is found by reading. What cannot be written stays in memory, newest first to be
 * kept, and goes to the file with the next append that finds room. Knows nothing of what records
 * say; its user hands it a check that tells a record's number.
 */
#ifndef WARREN_DISK_RING_H
#define WARREN_DISK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum { DISK_RING_RECORD_MAX = 512, DISK_RING_BLOCK = 16 };

/* The number of a whole record, 0 where it is none. */
typedef uint64_t disk_ring_number_fn(const uint8_t *record);

struct disk_ring {
	int fd; /* -1: memory only */
	size_t record_len;
	uint64_t capacity;
	disk_ring_number_fn *number;
	uint64_t next; /* number of the next record; the first is 1 */
	int error;     /* -errno of the last write, 0: it worked */
	/* Records next - kept .. next - 1 in memory: at slot number mod keep_max. */
	uint8_t *memory;
	size_t keep_max, kept;
};

/* Opens or makes the file (0600) and finds its end; path NULL, or one that does not open: memory
 * only. keep_max records of memory are allocated. Returns 0 or the -errno of opening. */
int disk_ring_open(struct disk_ring *r, const char *path, size_t record_len, uint64_t capacity,
		   size_t keep_max, disk_ring_number_fn *number);
/* Tries once more to write what is in memory, and closes. */
void disk_ring_close(struct disk_ring *r);

/* Appends the record that was encoded with number r->next. */
void disk_ring_append(struct disk_ring *r, const uint8_t *record);

/* The oldest number that can still be there. */
uint64_t disk_ring_oldest(const struct disk_ring *r);

/* Reads on from number at; *at is where the record returned lies. */
struct disk_ring_cursor {
	uint64_t at;
	uint64_t block_first;
	size_t block_n;
	uint8_t block[DISK_RING_BLOCK * DISK_RING_RECORD_MAX];
};
void disk_ring_seek(struct disk_ring_cursor *c, uint64_t number);
/* The next whole record, borrowed until the next call, or NULL at the end. */
const uint8_t *disk_ring_next(const struct disk_ring *r, struct disk_ring_cursor *c);

/* One record; false where it is gone or torn. */
bool disk_ring_read(const struct disk_ring *r, uint64_t number, uint8_t *out);

#endif
