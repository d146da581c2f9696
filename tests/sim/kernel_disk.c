#include "tests/sim/kernel_disk.h"

#include <errno.h>
#include <stdlib.h>

#include "common/disk.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/host_part.h"
#include "tests/sim/platter.h"
#include "tests/sim/world.h"

struct open_file {
	struct platter *platter;
	struct inode *inode;
	uint64_t position;
};

static void free_platter(void *ptr)
{
	platter_free(ptr);
}

struct platter *kernel_disk_of(struct host *host)
{
	struct platter *p = host_part(host, HOST_DISK);

	if (p)
		return p;
	p = platter_new();
	host_set_part(host, HOST_DISK, p, free_platter);
	return p;
}

static struct platter *here(void)
{
	return kernel_disk_of(world_here());
}

static struct open_file *file_of(int fd)
{
	return descriptor_object(fd, DESCRIPTOR_FILE);
}

int disk_open(const char *path, enum disk_open how, int *fd)
{
	struct platter *p = here();
	struct inode *inode = platter_find(p, path);
	int err = inode ? 0 : -ENOENT;

	*fd = -1;
	if (how == DISK_MAKE && inode)
		err = -EEXIST;
	else if (how != DISK_READ && !inode)
		err = world_is_ghost() ? -EIO : platter_make(p, path, world_now_us(), &inode);
	struct open_file *f = err ? NULL : calloc(1, sizeof(*f));

	if (!f) {
		platter_drop(inode);
		return err ? err : -ENOMEM;
	}
	*f = (struct open_file){.platter = p, .inode = inode};
	*fd = descriptor_new(DESCRIPTOR_FILE, f);
	return 0;
}

int disk_close(int fd)
{
	struct open_file *f = file_of(fd);

	if (!f)
		return 0;
	platter_drop(f->inode);
	free(f);
	descriptor_free(fd);
	return 0;
}

int disk_size(int fd, size_t *size)
{
	*size = platter_size(file_of(fd)->inode);
	return 0;
}

int disk_read(int fd, void *buf, size_t cap, size_t *len)
{
	struct open_file *f = file_of(fd);

	*len = platter_read(f->inode, f->position, buf, cap);
	f->position += *len;
	return 0;
}

int disk_read_at(int fd, uint64_t offset, void *buf, size_t cap, size_t *len)
{
	*len = platter_read(file_of(fd)->inode, offset, buf, cap);
	return 0;
}

int disk_write(int fd, const void *bytes, size_t len)
{
	struct open_file *f = file_of(fd);
	int err = disk_write_at(fd, f->position, bytes, len);

	if (!err)
		f->position += len;
	return err;
}

int disk_write_at(int fd, uint64_t offset, const void *bytes, size_t len)
{
	struct open_file *f = file_of(fd);

	if (world_is_ghost())
		return -EIO;
	return platter_write(f->platter, f->inode, offset, bytes, len, world_now_us());
}

int disk_sync(int fd)
{
	struct open_file *f = file_of(fd);

	return world_is_ghost() ? -EIO : platter_sync(f->platter, f->inode);
}

int disk_rename(const char *from, const char *to)
{
	return world_is_ghost() ? -EIO : platter_rename(here(), from, to, world_now_us());
}

int disk_remove(const char *path)
{
	return world_is_ghost() ? -EIO : platter_remove(here(), path, world_now_us());
}

int disk_sync_folder(const char *path)
{
	(void)path;
	return world_is_ghost() ? -EIO : platter_sync_names(here());
}

int disk_make_folder(const char *path)
{
	(void)path;
	return 0;
}

int disk_check_folder(const char *path)
{
	(void)path;
	return 0;
}
