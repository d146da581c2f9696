#include "agent/saver.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sodium.h>

#include "common/net/wake.h"
#include "common/statefile.h"

enum { STACK_BYTES = 256 << 10 };

struct job {
	struct job *next;
	char *path;
	void *bytes; /* keys may be among them: wiped before they are freed */
	size_t len;
	int err; /* of a job that failed */
};

struct saver {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *waiting; /* oldest first */
	struct job *failures;
	bool ends;

	int fd; /* a wake, readable when there are failures */
	struct event *event;
	void (*failed)(void *arg, const char *path, int err);
	void *arg;
};

static void free_job(struct job *job)
{
	sodium_memzero(job->bytes, job->len);
	free(job->bytes);
	free(job->path);
	free(job);
}

/* ---- the thread ---- */

static void report(struct saver *s, struct job *job)
{
	pthread_mutex_lock(&s->lock);
	job->next = s->failures;
	s->failures = job;
	pthread_mutex_unlock(&s->lock);
	wake_post(s->fd);
}

static void do_job(struct saver *s, struct job *job)
{
	job->err = statefile_write(job->path, job->bytes, job->len);
	if (job->err != 0)
		report(s, job);
	else
		free_job(job);
}

static void *run(void *arg)
{
	struct saver *s = arg;

	pthread_mutex_lock(&s->lock);
	while (s->waiting || !s->ends) {
		struct job *job = s->waiting;

		if (!job) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->waiting = job->next;
		pthread_mutex_unlock(&s->lock);
		do_job(s, job);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the main thread ---- */

static void tell_failures(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	struct job *job = s->failures;
	s->failures = NULL;
	pthread_mutex_unlock(&s->lock);
	while (job) {
		struct job *next = job->next;

		s->failed(s->arg, job->path, job->err);
		free_job(job);
		job = next;
	}
}

static void on_failures(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)wake_clear(fd);
	tell_failures(arg);
}

static int start_thread(struct saver *s)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	int err = pthread_create(&s->thread, &attr, run, s);
	pthread_attr_destroy(&attr);
	return err;
}

struct saver *saver_new(struct event_base *base,
			void (*failed)(void *arg, const char *path, int err), void *arg)
{
	struct saver *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct saver){.failed = failed, .arg = arg};
	int err = wake_open(&s->fd);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->event = err ? NULL : event_new(base, s->fd, EV_READ | EV_PERSIST, on_failures, s);
	if (!s->event || event_add(s->event, NULL) != 0 || start_thread(s) != 0) {
		if (s->event)
			event_free(s->event);
		wake_close(s->fd);
		free(s);
		return NULL;
	}
	return s;
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ends = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	tell_failures(s);
	event_free(s->event);
	wake_close(s->fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The waiting job of that path, or the end of the list, where a new one goes. Called locked. */
static struct job **place_for(struct saver *s, const char *path)
{
	struct job **at = &s->waiting;

	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

int saver_put(struct saver *s, const char *path, void *bytes, size_t len)
{
	struct job *job = calloc(1, sizeof(*job));
	char *copy = strdup(path);

	if (!job || !copy) {
		free(job);
		free(copy);
		free(bytes);
		return -ENOMEM;
	}
	*job = (struct job){.path = copy, .bytes = bytes, .len = len};
	pthread_mutex_lock(&s->lock);
	struct job **at = place_for(s, path), *older = *at;
	job->next = older ? older->next : NULL;
	*at = job;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (older)
		free_job(older);
	return 0;
}
