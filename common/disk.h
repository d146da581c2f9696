/*
 * disk: the few calls by which our own files are read and written: whole small files (statefile)
 * and rings of records (agent/measure). Decides nothing; one file per platform, and the
 * simulator's, which fills up and loses power.
 */
#ifndef WARREN_DISK_H
#define WARREN_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

enum disk_open {
	DISK_READ,
	DISK_MAKE,  /* to write; -EEXIST where it is there already */
	DISK_UPDATE /* to read and write; made where it is not there */
};

/* Files are made 0600 and never reached through a link. -errno: *fd is -1 then. */
MUST_CHECK int disk_open(const char *path, enum disk_open how, int *fd);
/* -1 is fine. -errno where something written before was lost. */
int disk_close(int fd);

/* Bytes in a regular file; SIZE_MAX for what has no size, such as a pipe. */
MUST_CHECK int disk_size(int fd, size_t *size);
/* From where the last disk_read ended; from offset. *len 0: the end. */
MUST_CHECK int disk_read(int fd, void *buf, size_t cap, size_t *len);
MUST_CHECK int disk_read_at(int fd, uint64_t offset, void *buf, size_t cap, size_t *len);
/* All of len or an error: -ENOSPC also where only a part went. */
MUST_CHECK int disk_write(int fd, const void *bytes, size_t len);
MUST_CHECK int disk_write_at(int fd, uint64_t offset, const void *bytes, size_t len);
/* What was written outlives a power cut once this has returned 0. */
MUST_CHECK int disk_sync(int fd);

/* Puts from in the place of to: old or new at any instant, but not lasting before
 * disk_sync_folder(to). */
MUST_CHECK int disk_rename(const char *from, const char *to);
MUST_CHECK int disk_remove(const char *path);
/* Names in the folder that path lies in last from now on. */
MUST_CHECK int disk_sync_folder(const char *path);
/* One folder, 0700; 0 where it is there already. */
MUST_CHECK int disk_make_folder(const char *path);
/* -EACCES, -EROFS where we cannot read and make files in it. */
MUST_CHECK int disk_check_folder(const char *path);

#endif
