#include "agent/saver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/statefile.h"
#include "tests/unit/test.h"

struct failures {
	struct event_base *base;
	unsigned n;
	int err;
};

static void on_failed(void *arg, const char *path, int err)
{
	struct failures *f = arg;

	(void)path;
	f->n++;
	f->err = err;
	event_base_loopbreak(f->base);
}

static void put(struct saver *s, const char *path, const char *text)
{
	CHECK_INT(saver_put(s, path, strdup(text), strlen(text)), 0);
}

TEST(has_written_everything_when_it_ends_and_the_newest_last)
{
	struct failures f = {.base = event_base_new()};
	struct saver *s = saver_new(f.base, on_failed, &f);
	char dir[] = "/tmp/warren-saver-XXXXXX", path[64], name[64], *text;
	size_t len;

	CHECK(s && mkdtemp(dir));
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i % 3);
		snprintf(name, sizeof(name), "version %d", i);
		put(s, path, name);
	}
	saver_free(s);
	CHECK_INT(f.n, 0);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		CHECK_INT(statefile_read(path, 100, &text, &len), 0);
		snprintf(name, sizeof(name), "version %d", 197 + (i + 1) % 3);
		CHECK_STR(text, name);
		free(text);
		unlink(path);
	}
	rmdir(dir);
	event_base_free(f.base);
}

TEST(tells_the_main_thread_what_could_not_be_written)
{
	struct failures f = {.base = event_base_new()};
	struct saver *s = saver_new(f.base, on_failed, &f);

	CHECK(s);
	put(s, "/nonexistent/warren/file", "x");
	event_base_dispatch(f.base);
	CHECK(f.n == 1 && f.err == -ENOENT);
	saver_free(s);
	event_base_free(f.base);
}
