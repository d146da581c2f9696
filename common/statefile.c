#include "common/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(dir, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int statefile_make_dir(const char *dir)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, len + 1);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int err = make_one_dir(path);
		*slash = '/';
		if (err)
			return err;
	}
	return make_one_dir(path);
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* A rename lasts once its folder is on disk. */
static int sync_folder_of(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	if (!slash)
		strcpy(dir, ".");
	else if (len == 0)
		strcpy(dir, "/");
	else {
		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return err;
}

/* Writes and syncs the new file; it is removed again where that fails. */
static int write_beside(const char *beside, const void *bytes, size_t len, bool synced)
{
	unlink(beside); /* left by a crash; its mode need not be ours */
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;

	int err = write_all(fd, bytes, len);
	if (err == 0 && synced && fsync(fd) != 0)
		err = -errno;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err)
		unlink(beside);
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
	if (rename(beside, path) != 0) {
		err = -errno;
		unlink(beside);
		return err;
	}
	return synced ? sync_folder_of(path) : 0;
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
		ssize_t n = read(fd, buf + *len, cap - *len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			*len += (size_t)n;
	}
	return 0;
}

/* Reads one byte more than allowed, to notice a file that is too long whatever stat says. */
static int read_open(int fd, size_t max_len, char **out, size_t *len)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > max_len)
		return -EFBIG;
	size_t cap = (S_ISREG(st.st_mode) ? (size_t)st.st_size : max_len) + 1;
	char *buf = malloc(cap + 1);
	if (!buf)
		return -ENOMEM;

	int err = read_all(fd, buf, cap, len);
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
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = read_open(fd, max_len, out, len);
	close(fd);
	return err;
}

int statefile_read_json(const char *path, size_t max_len, struct json **out, struct json_error *err)
{
	char *text;
	size_t len;
	int rc = statefile_read(path, max_len, &text, &len);

	if (rc)
		return rc;
	rc = json_parse(text, len, max_len, out, err);
	free(text);
	return rc;
}

int statefile_remove(const char *path)
{
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_folder_of(path);
}
