#include "common/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

struct folder {
	char dir[64], file[128];
};

static struct folder folder_make(void)
{
	struct folder f;

	strcpy(f.dir, "/tmp/warren-state-XXXXXX");
	CHECK(mkdtemp(f.dir) != NULL);
	snprintf(f.file, sizeof(f.file), "%s/state.json", f.dir);
	return f;
}

static void folder_remove(const struct folder *f)
{
	unlink(f->file);
	CHECK(rmdir(f->dir) == 0); /* nothing else was left in it */
}

TEST(replaces_a_file_with_mode_0600_and_leaves_nothing_beside_it)
{
	struct folder f = folder_make();
	struct stat st;
	char *text;
	size_t len;

	CHECK(statefile_write(f.file, "old", 3) == 0);
	CHECK(chmod(f.file, 0644) == 0);
	CHECK(statefile_write(f.file, "new one", 7) == 0);
	CHECK(stat(f.file, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(statefile_read(f.file, 7, &text, &len) == 0 && len == 7);
	CHECK_STR(text, "new one");
	free(text);
	CHECK(statefile_read(f.file, 6, &text, &len) == -EFBIG);
	CHECK(statefile_remove(f.file) == 0 && statefile_remove(f.file) == 0);
	CHECK(statefile_read(f.file, 9, &text, &len) == -ENOENT);
	folder_remove(&f);
}

TEST(makes_folders_with_their_parents_0700_and_keeps_an_existing_one)
{
	struct folder f = folder_make();
	struct stat st;
	char a[100], b[100];

	snprintf(a, sizeof(a), "%s/a", f.dir);
	snprintf(b, sizeof(b), "%s/a/b", f.dir);
	CHECK(statefile_make_dir(b) == 0);
	CHECK(stat(a, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(chmod(a, 0755) == 0 && statefile_make_dir(b) == 0);
	CHECK(stat(a, &st) == 0 && (st.st_mode & 0777) == 0755);
	CHECK(statefile_write(f.file, "x", 1) == 0);
	CHECK(statefile_make_dir(f.file) == -ENOTDIR);
	CHECK(rmdir(b) == 0 && rmdir(a) == 0);
	folder_remove(&f);
}

/* In a child that is not root any more, where we are. */
TEST(a_folder_of_somebody_else_is_no_state_folder)
{
	struct folder f = folder_make();
	char own[PATH_MAX];
	int status = 0;

	snprintf(own, sizeof(own), "%s/own", f.dir);
	CHECK(chmod(f.dir, 0755) == 0 && mkdir(own, 0500) == 0);
	pid_t child = fork();
	if (child == 0) {
		bool fits = (geteuid() != 0 || setuid(65534) == 0) &&
			    statefile_make_dir(own) == -EACCES;
		_exit(fits ? 0 : 1);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(rmdir(own) == 0);
	folder_remove(&f);
}

/* A size limit on written files stands for the full disk: the write itself fails half-way. */
TEST(a_write_that_fails_half_way_keeps_the_old_file_whole)
{
	struct folder f = folder_make();
	struct rlimit before, small;
	static char big[8192];
	char *text;
	size_t len;

	CHECK(statefile_write(f.file, "old", 3) == 0);
	CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
	small = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	int err = statefile_write(f.file, big, sizeof(big));
	CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
	CHECK_INT(err, -EFBIG);
	CHECK(statefile_read(f.file, 100, &text, &len) == 0 && len == 3);
	CHECK_STR(text, "old");
	free(text);
	folder_remove(&f);
}

TEST(a_missing_folder_is_told)
{
	struct folder f = folder_make();
	char path[160];

	snprintf(path, sizeof(path), "%s/none/state", f.dir);
	CHECK(statefile_write(path, "x", 1) == -ENOENT);
	folder_remove(&f);
}

TEST(json_goes_out_and_comes_back_and_a_corrupt_file_is_told)
{
	struct folder f = folder_make();
	struct json *tree = json_object_new();
	struct json_error err = {0};

	json_add_u64(tree, "n", 42);
	CHECK(statefile_write_json(f.file, tree) == 0);
	json_free(tree);
	CHECK(statefile_read_json(f.file, 4096, &tree, &err) == 0);
	struct json_in root = json_root(tree, &err);
	CHECK(json_u64(&root, "n", 0, 100) == 42 && !err.failed);
	json_free(tree);
	CHECK(statefile_write(f.file, "{\"n\":", 5) == 0);
	CHECK(statefile_read_json(f.file, 4096, &tree, &err) == -EBADMSG && err.failed);
	folder_remove(&f);
}
