#include "tests/sim/kernel_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "tests/sim/kernel_disk.h"
#include "tests/sim/platter.h"
#include "tests/sim/world.h"

enum { PATH_LEN = 256, REGIONS_MAX = 16 };

static const char vfs_name[] = "warren-sim";

struct file {
	sqlite3_file base; /* first: SQLite knows no more */
	struct platter *platter;
	struct inode *inode;
	char name[PATH_LEN];
	bool is_new; /* its name is not known to be on the medium */
	bool is_temporary;
	void *regions[REGIONS_MAX]; /* of the memory that connections share */
};

static struct file *file_of(sqlite3_file *base)
{
	return (struct file *)(void *)base;
}

/* ---- bytes ---- */

static int file_close(sqlite3_file *base)
{
	struct file *f = file_of(base);

	platter_drop(f->inode);
	if (f->is_temporary && !world_is_ghost())
		(void)!platter_remove(f->platter, f->name, world_now_us());
	for (size_t i = 0; i < REGIONS_MAX; i++)
		free(f->regions[i]);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *buf, int len, sqlite3_int64 offset)
{
	struct file *f = file_of(base);
	size_t got = platter_read(f->inode, (uint64_t)offset, buf, (size_t)len);

	if (got == (size_t)len)
		return SQLITE_OK;
	memset((char *)buf + got, 0, (size_t)len - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
	struct file *f = file_of(base);
	int err = world_is_ghost() ? -1
				   : platter_write(f->platter, f->inode, (uint64_t)offset, bytes,
						   (size_t)len, world_now_us());

	if (err == 0)
		return SQLITE_OK;
	return world_is_ghost() ? SQLITE_IOERR_WRITE : SQLITE_FULL;
}

/* SQLite cuts a file only to the size it has already, as nothing here shrinks one. */
static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	return platter_size(file_of(base)->inode) <= (size_t)size ? SQLITE_OK
								  : SQLITE_IOERR_TRUNCATE;
}

/* A new file's name goes with its bytes, as SQLite has it on a real disk. */
static int file_sync(sqlite3_file *base, int flags)
{
	struct file *f = file_of(base);

	(void)flags;
	if (world_is_ghost() || platter_sync(f->platter, f->inode) != 0)
		return SQLITE_IOERR_FSYNC;
	if (f->is_new && platter_sync_names(f->platter) != 0)
		return SQLITE_IOERR_DIR_FSYNC;
	f->is_new = false;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)platter_size(file_of(base)->inode);
	return SQLITE_OK;
}

/* ---- one connection needs no locks ---- */

static int file_lock(sqlite3_file *base, int kind)
{
	(void)base, (void)kind;
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *is_locked)
{
	(void)base;
	*is_locked = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *arg)
{
	(void)base, (void)what, (void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
	(void)base;
	return 512; /* the platter's */
}

/* Of a write that power interrupts each sector is old or new, and its neighbours stay. */
static int file_traits(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_map_region(sqlite3_file *base, int number, int len, int make, void volatile **out)
{
	struct file *f = file_of(base);

	if (number >= REGIONS_MAX)
		return SQLITE_IOERR_SHMSIZE;
	if (!f->regions[number] && make)
		f->regions[number] = calloc(1, (size_t)len);
	*out = f->regions[number];
	return make && !f->regions[number] ? SQLITE_NOMEM : SQLITE_OK;
}

static int file_lock_region(sqlite3_file *base, int offset, int n, int flags)
{
	(void)base, (void)offset, (void)n, (void)flags;
	return SQLITE_OK;
}

static void file_barrier(sqlite3_file *base)
{
	(void)base;
}

static int file_unmap_regions(sqlite3_file *base, int forget)
{
	(void)base, (void)forget;
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = file_map_region,
	.xShmLock = file_lock_region,
	.xShmBarrier = file_barrier,
	.xShmUnmap = file_unmap_regions,
};

/* ---- names ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags, int *given)
{
	struct file *f = file_of(out);
	struct platter *disk = kernel_disk_of(world_here());

	(void)vfs;
	*f = (struct file){.platter = disk,
			   .is_temporary = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
	snprintf(f->name, sizeof(f->name), "%s", name ? name : "/sqlite-temporary");
	f->inode = platter_find(disk, f->name);
	if (!f->inode) {
		if (!(flags & SQLITE_OPEN_CREATE) || world_is_ghost() ||
		    platter_make(disk, f->name, world_now_us(), &f->inode) != 0)
			return SQLITE_CANTOPEN;
		f->is_new = true;
	}
	f->base.pMethods = &methods;
	if (given)
		*given = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	struct platter *disk = kernel_disk_of(world_here());
	struct inode *inode = platter_find(disk, name);

	(void)vfs;
	if (!inode)
		return SQLITE_IOERR_DELETE_NOENT;
	platter_drop(inode);
	if (world_is_ghost() || platter_remove(disk, name, world_now_us()) != 0)
		return SQLITE_IOERR_DELETE;
	return !sync_folder || platter_sync_names(disk) == 0 ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *is_there)
{
	struct inode *inode = platter_find(kernel_disk_of(world_here()), name);

	(void)vfs;
	/* An empty journal is none, SQLite's own files have it so. */
	*is_there = inode && (flags != SQLITE_ACCESS_EXISTS || platter_size(inode) > 0);
	if (inode)
		platter_drop(inode);
	return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int cap, char *out)
{
	(void)vfs;
	sqlite3_snprintf(cap, out, "%s", name);
	return SQLITE_OK;
}

/* ---- the rest of a system ---- */

/* Seeds a generator that outlives worlds, so it takes nothing of any host's dice. It salts
 * journals; nothing depends on it. */
static int vfs_random(sqlite3_vfs *vfs, int len, char *out)
{
	(void)vfs;
	memset(out, 0x5a, (size_t)len);
	return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
	static const sqlite3_int64 epoch_ms = 210866760000000; /* 1970 in Julian days */

	(void)vfs;
	*out = epoch_ms + (sqlite3_int64)(world_unix_us() / 1000);
	return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
	sqlite3_int64 ms;

	(void)!vfs_time_ms(vfs, &ms);
	*out = (double)ms / 86400000.0;
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int cap, char *out)
{
	(void)vfs, (void)cap, (void)out;
	return 0;
}

/* The registry keeps it for the life of the process. */
static sqlite3_vfs *make_vfs(void)
{
	sqlite3_vfs *vfs = calloc(1, sizeof(*vfs));

	if (!vfs)
		abort();
	*vfs = (sqlite3_vfs){.iVersion = 2,
			     .szOsFile = sizeof(struct file),
			     .mxPathname = PATH_LEN - 1,
			     .zName = vfs_name,
			     .xOpen = vfs_open,
			     .xDelete = vfs_delete,
			     .xAccess = vfs_access,
			     .xFullPathname = vfs_full_path,
			     .xRandomness = vfs_random,
			     .xSleep = vfs_sleep,
			     .xCurrentTime = vfs_time,
			     .xCurrentTimeInt64 = vfs_time_ms,
			     .xGetLastError = vfs_last_error};
	return vfs;
}

void kernel_sqlite_install(void)
{
	if (!sqlite3_vfs_find(vfs_name) && sqlite3_vfs_register(make_vfs(), 1) != SQLITE_OK)
		abort();
}
