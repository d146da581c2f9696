#include "derp-relay/switchboard.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/net/socket.h"
#include "common/net/wake.h"
#include "derp-relay/hub.h"

struct seat {
	pthread_mutex_t lock;
	struct message *first, *last;
	int fd;
};

struct switchboard {
	pthread_mutex_t lock;
	struct hub *hub;
	uint16_t seats;
	struct seat seat[HUB_WORKERS_MAX];
};

static bool open_seats(struct switchboard *sb, uint16_t seats)
{
	for (; sb->seats < seats; sb->seats++) {
		struct seat *s = &sb->seat[sb->seats];

		if (wake_open(&s->fd) < 0)
			return false;
		pthread_mutex_init(&s->lock, NULL);
	}
	return true;
}

struct switchboard *switchboard_new(struct hub *hub, uint16_t seats)
{
	struct switchboard *sb = calloc(1, sizeof(*sb));

	if (!sb)
		return NULL;
	pthread_mutex_init(&sb->lock, NULL);
	sb->hub = hub;
	if (seats <= HUB_WORKERS_MAX && open_seats(sb, seats))
		return sb;
	sb->hub = NULL; /* stays the caller's after a failure */
	switchboard_free(sb);
	return NULL;
}

void switchboard_free(struct switchboard *sb)
{
	struct message message;

	if (!sb)
		return;
	for (uint16_t i = 0; i < sb->seats; i++) {
		while (switchboard_hear(sb, i, &message)) {
			if (message.fd >= 0)
				socket_close(message.fd);
		}
		wake_close(sb->seat[i].fd);
		pthread_mutex_destroy(&sb->seat[i].lock);
	}
	hub_free(sb->hub);
	pthread_mutex_destroy(&sb->lock);
	free(sb);
}

struct hub *switchboard_lock(struct switchboard *sb)
{
	pthread_mutex_lock(&sb->lock);
	return sb->hub;
}

bool switchboard_unlock(struct switchboard *sb, uint16_t seat)
{
	uint64_t wakes = hub_take_wakes(sb->hub);

	pthread_mutex_unlock(&sb->lock);
	for (uint16_t i = 0; wakes >> i != 0; i++) {
		if ((wakes >> i & 1) && i != seat)
			wake_post(sb->seat[i].fd);
	}
	return wakes >> seat & 1;
}

int switchboard_fd(const struct switchboard *sb, uint16_t seat)
{
	return sb->seat[seat].fd;
}

void switchboard_rest(struct switchboard *sb, uint16_t seat)
{
	(void)wake_clear(sb->seat[seat].fd);
}

void switchboard_tell(struct switchboard *sb, uint16_t seat, const struct message *message)
{
	struct seat *s = &sb->seat[seat];
	struct message *copy = malloc(sizeof(*copy));

	if (!copy) {
		if (message->fd >= 0)
			socket_close(message->fd);
		return;
	}
	*copy = *message;
	copy->next = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->last)
		s->last->next = copy;
	else
		s->first = copy;
	s->last = copy;
	pthread_mutex_unlock(&s->lock);
	wake_post(s->fd);
}

bool switchboard_hear(struct switchboard *sb, uint16_t seat, struct message *out)
{
	struct seat *s = &sb->seat[seat];

	pthread_mutex_lock(&s->lock);
	struct message *first = s->first;
	if (first) {
		s->first = first->next;
		if (!s->first)
			s->last = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (!first)
		return false;
	*out = *first;
	free(first);
	return true;
}
