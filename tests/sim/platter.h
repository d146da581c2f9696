/*
 * platter: a disk that can fill up and lose power: files and names, each as the programs see them
 * and as they are on the medium.
 *
 *	write --> seen --sync, or 30 s--> on the medium
 *	make, rename, remove --> seen --sync of the folder, or 30 s, in order--> on the medium
 *
 * At a power cut what has not reached the medium is thrown dice for: of names a beginning of the
 * list, of bytes each sector for itself; so records tear, and a file renamed unsynced may be empty.
 * One flat folder; paths are names.
 */
#ifndef WARREN_SIM_PLATTER_H
#define WARREN_SIM_PLATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "tests/sim/random.h"

struct inode;
struct platter;

struct platter *platter_new(void);
void platter_free(struct platter *p);

/* Every write fails with -ENOSPC while it is full. */
void platter_set_full(struct platter *p, bool is_full);
/* After n more changes nothing changes any more (-EIO) until the next power cut or thaw: a process
 * that ends in the middle of what it does. */
void platter_freeze_after(struct platter *p, unsigned n);
/* Called with the last change before that; only to note it. One at a time, NULL: nobody. */
void platter_watch_freeze(struct platter *p, void (*frozen)(void *arg), void *arg);
void platter_thaw(struct platter *p);
bool platter_is_frozen(const struct platter *p);
/* Nothing may be open by a process that lives. */
void platter_cut_power(struct platter *p, struct random *dice);

/* NULL: not there. Both give a reference, to be dropped. */
struct inode *platter_find(struct platter *p, const char *name);
/* -EEXIST, -EIO. */
MUST_CHECK int platter_make(struct platter *p, const char *name, uint64_t now_us,
			    struct inode **out);
void platter_drop(struct inode *i);

size_t platter_size(const struct inode *i);
size_t platter_read(const struct inode *i, uint64_t offset, void *buf, size_t cap);
/* A hole before offset reads as zeros. -ENOSPC, -EIO. */
MUST_CHECK int platter_write(struct platter *p, struct inode *i, uint64_t offset, const void *bytes,
			     size_t len, uint64_t now_us);
MUST_CHECK int platter_sync(struct platter *p, struct inode *i);
/* -ENOENT, -EIO. */
MUST_CHECK int platter_rename(struct platter *p, const char *from, const char *to, uint64_t now_us);
MUST_CHECK int platter_remove(struct platter *p, const char *name, uint64_t now_us);
MUST_CHECK int platter_sync_names(struct platter *p);

struct platter_counters {
	uint64_t writes, bytes; /* platter_write's */
};
const struct platter_counters *platter_counters(const struct platter *p);

#endif
