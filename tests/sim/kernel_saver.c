/* saver.h for simulated hosts: each file takes a disk's time, one after the other. */
#include "agent/saver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/statefile.h"
#include "tests/sim/host.h"
#include "tests/sim/host_part.h"
#include "tests/sim/kernel_disk.h"
#include "tests/sim/platter.h"
#include "tests/sim/world.h"

enum { WRITE_US_MIN = 1000, WRITE_US_MAX = 40 * 1000 };
/* Changes of the disk that one file takes: the old temporary one, make, write, sync, rename, sync.
 */
enum { STEPS = 6 };

struct job {
	struct job *next;
	char *path;
	void *bytes;
	size_t len;
};

struct saver {
	struct host *host;
	struct job *waiting; /* oldest first: it is being written */
	struct world_event done;
	void (*failed)(void *arg, const char *path, int err);
	void *arg;
};

static void free_job(struct job *job)
{
	free(job->bytes);
	free(job->path);
	free(job);
}

static void write_next(struct saver *s)
{
	struct job *job = s->waiting;

	s->waiting = job->next;
	int err = statefile_write(job->path, job->bytes, job->len);

	if (err)
		s->failed(s->arg, job->path, err);
	free_job(job);
}

static void plan(struct saver *s)
{
	uint64_t takes_us =
		random_between(world_dice(WORLD_DICE_DISKS), WRITE_US_MIN, WRITE_US_MAX);

	if (s->waiting)
		world_event_set(&s->done, world_now_us() + takes_us);
}

static void on_done(void *arg)
{
	struct saver *s = arg;

	if (s->waiting)
		write_next(s);
	plan(s);
}

struct saver *saver_new(struct event_base *base,
			void (*failed)(void *arg, const char *path, int err), void *arg)
{
	struct saver *s = calloc(1, sizeof(*s));

	(void)base;
	if (!s)
		return NULL;
	*s = (struct saver){.host = world_here(), .failed = failed, .arg = arg};
	world_event_init(&s->done, on_done, s);
	host_set_part(s->host, HOST_SAVER, s, NULL);
	return s;
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	while (s->waiting)
		write_next(s);
	world_event_cancel(&s->done);
	if (host_part(s->host, HOST_SAVER) == s)
		host_set_part(s->host, HOST_SAVER, NULL, NULL);
	free(s);
}

/* The newest for a path replaces one that waits behind the one in hand. */
static struct job **place_for(struct saver *s, const char *path)
{
	struct job **at = s->waiting ? &s->waiting->next : &s->waiting;

	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

int saver_put(struct saver *s, const char *path, void *bytes, size_t len)
{
	struct job *job = calloc(1, sizeof(*job));
	char *copy = strdup(path);

	if (!job || !copy)
		abort();
	struct job **at = place_for(s, path), *older = *at;

	*job = (struct job){
		.next = older ? older->next : NULL, .path = copy, .bytes = bytes, .len = len};
	*at = job;
	if (older)
		free_job(older);
	if (!world_event_is_set(&s->done))
		plan(s);
	return 0;
}

void kernel_disk_interrupt(struct host *host, struct random *dice)
{
	struct saver *s = host_part(host, HOST_SAVER);
	struct platter *platter = kernel_disk_of(host);

	if (!s || !s->waiting || platter_is_frozen(platter))
		return;
	platter_freeze_after(platter, (unsigned)random_below(dice, STEPS + 1));
	struct job *job = s->waiting;

	(void)!statefile_write(job->path, job->bytes, job->len);
}
