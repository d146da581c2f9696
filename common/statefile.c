#include "common/statefile.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/disk.h"

int statefile_make_dir(const char *dir)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, len + 1);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int err = disk_make_folder(path);
		*slash = '/';
		if (err)
			return err;
	}
	int err = disk_make_folder(path);
	return err ? err : disk_check_folder(path);
}

/* Writes and syncs the new file; it is removed again where that fails. */
static int write_beside(const char *beside, const void *bytes, size_t len, bool synced)
{
	int fd;

	(void)!disk_remove(beside); /* left by a crash; its mode need not be ours */
	int err = disk_open(beside, DISK_MAKE, &fd);
	if (err)
		return err;

	err = disk_write(fd, bytes, len);
	if (err == 0 && synced)
		err = disk_sync(fd);
	int close_err = disk_close(fd);
	if (err == 0)
		err = close_err;
	if (err)
		(void)!disk_remove(beside);
	return err;
}

static int replace(const char *path, const void *bytes, size_t len, bool synced)
{
	char beside[PATH_MAX];
	int n = snprintf(beside, sizeof(beside), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(beside))
		return -ENAMETOOLONG;
	int err = write_beside(beside, bytes, len, synced);
	if (err)
		return err;
	err = disk_rename(beside, path);
	if (err) {
		(void)!disk_remove(beside);
		return err;
	}
	/* A rename lasts once its folder is on disk. */
	return synced ? disk_sync_folder(path) : 0;
}

int statefile_write(const char *path, const void *bytes, size_t len)
{
	return replace(path, bytes, len, true);
}

int statefile_write_unsynced(const char *path, const void *bytes, size_t len)
{
	return replace(path, bytes, len, false);
}

int statefile_write_json(const char *path, const struct json *tree)
{
	char *text = json_print_pretty(tree);
	int err = statefile_write(path, text, strlen(text));

	free(text);
	return err;
}

static int read_all(int fd, char *buf, size_t cap, size_t *len)
{
	*len = 0;
	while (*len < cap) {
		size_t n;
		int err = disk_read(fd, buf + *len, cap - *len, &n);

		if (err && err != -EINTR)
			return err;
		if (!err && n == 0)
			break;
		if (!err)
			*len += n;
	}
	return 0;
}

/* Reads one byte more than allowed, to notice a file that is too long whatever its size says. */
static int read_open(int fd, size_t max_len, char **out, size_t *len)
{
	size_t size;
	int err = disk_size(fd, &size);

	if (err)
		return err;
	if (size == SIZE_MAX)
		size = max_len;
	if (size > max_len)
		return -EFBIG;
	size_t cap = size + 1;
	char *buf = malloc(cap + 1);
	if (!buf)
		return -ENOMEM;

	err = read_all(fd, buf, cap, len);
	if (err == 0 && *len > max_len)
		err = -EFBIG;
	if (err) {
		free(buf);
		return err;
	}
	buf[*len] = '\0';
	*out = buf;
	return 0;
}

int statefile_read(const char *path, size_t max_len, char **out, size_t *len)
{
	int fd;
	int err = disk_open(path, DISK_READ, &fd);

	if (err)
		return err;
	err = read_open(fd, max_len, out, len);
	disk_close(fd);
	return err;
}

int statefile_read_json(const char *path, size_t max_len, struct json **out, struct json_error *err)
{
	char *text = NULL;
	size_t len = 0;
	int rc = statefile_read(path, max_len, &text, &len);

	if (rc)
		return rc;
	rc = json_parse(text, len, max_len, out, err);
	free(text);
	return rc;
}

int statefile_remove(const char *path)
{
	int err = disk_remove(path);

	if (err)
		return err == -ENOENT ? 0 : err;
	return disk_sync_folder(path);
}
