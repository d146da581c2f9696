#include "common/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int disk_open(const char *path, enum disk_open how, int *fd)
{
	static const int flags[] = {
		[DISK_READ] = O_RDONLY,
		[DISK_MAKE] = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
		[DISK_UPDATE] = O_RDWR | O_CREAT | O_NOFOLLOW,
	};

	*fd = open(path, flags[how] | O_CLOEXEC, 0600);
	return *fd < 0 ? -errno : 0;
}

int disk_close(int fd)
{
	return fd >= 0 && close(fd) != 0 ? -errno : 0;
}

int disk_size(int fd, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	*size = S_ISREG(st.st_mode) ? (size_t)st.st_size : SIZE_MAX;
	return 0;
}

int disk_read(int fd, void *buf, size_t cap, size_t *len)
{
	ssize_t n = read(fd, buf, cap);

	if (n < 0)
		return -errno;
	*len = (size_t)n;
	return 0;
}

int disk_read_at(int fd, uint64_t offset, void *buf, size_t cap, size_t *len)
{
	ssize_t n = pread(fd, buf, cap, (off_t)offset);

	if (n < 0)
		return -errno;
	*len = (size_t)n;
	return 0;
}

int disk_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int disk_write_at(int fd, uint64_t offset, const void *bytes, size_t len)
{
	ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? -errno : -ENOSPC; /* a short write is a disk that has just filled up */
}

int disk_sync(int fd)
{
	return fsync(fd) != 0 ? -errno : 0;
}

int disk_rename(const char *from, const char *to)
{
	return rename(from, to) != 0 ? -errno : 0;
}

int disk_remove(const char *path)
{
	return unlink(path) != 0 ? -errno : 0;
}

/* "a/b" lies in "a", "/b" in "/", "b" in ".". */
static int folder_of(const char *path, char out[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (len == 0) {
		memcpy(out, slash ? "/" : ".", sizeof("."));
		return 0;
	}
	memcpy(out, path, len);
	out[len] = '\0';
	return 0;
}

int disk_sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int err = folder_of(path, folder);

	if (err)
		return err;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = disk_sync(fd);
	close(fd);
	return err;
}

int disk_make_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int disk_check_folder(const char *path)
{
	return access(path, R_OK | W_OK | X_OK) == 0 ? 0 : -errno;
}
