/*
 * folder: a folder of its own for targets whose cores read files, in memory where the system has
 * that, and gone at the end.
 */
#ifndef WARREN_FUZZ_FOLDER_H
#define WARREN_FUZZ_FOLDER_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/script.h"

enum { FOLDER_PATH_LEN = 128 };

struct folder {
	char path[64]; /* "" before the first use */
};

/* Made at the first call. names: the files that may come to lie in it, to be removed. */
static inline void folder_open(struct folder *f)
{
	if (f->path[0])
		return;
	snprintf(f->path, sizeof(f->path), "%s/warren-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(f->path));
}

static inline void folder_path(const struct folder *f, const char *name,
			       char out[static FOLDER_PATH_LEN])
{
	snprintf(out, FOLDER_PATH_LEN, "%s/%s", f->path, name);
}

static inline void folder_put(const struct folder *f, const char *name, const void *bytes,
			      size_t len)
{
	char path[FOLDER_PATH_LEN];

	folder_path(f, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0);
}

static inline void folder_remove(const struct folder *f, const char *name)
{
	char path[FOLDER_PATH_LEN];

	folder_path(f, name, path);
	(void)unlink(path);
}

static inline void folder_close(struct folder *f)
{
	if (f->path[0])
		(void)rmdir(f->path);
	f->path[0] = '\0';
}

#endif
