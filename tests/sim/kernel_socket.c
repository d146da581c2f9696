#include "tests/sim/kernel_socket.h"

#include <errno.h>
#include <stdlib.h>

#include "common/net/socket.h"
#include "tests/sim/descriptor.h"
#include "tests/sim/host.h"
#include "tests/sim/stream.h"
#include "tests/sim/world.h"

enum { BACKLOG = 1024 };

struct connection {
	struct stream *stream;
	int fd;
};

struct accepting {
	struct stream_listener *listener;
	struct stream *waiting[BACKLOG]; /* a ring */
	size_t first, n_waiting;
	int fd;
};

/* ---- connections ---- */

static void on_stream(void *arg, struct stream *s)
{
	struct connection *c = arg;

	descriptor_set_readable(c->fd, stream_can_receive(s));
	descriptor_set_writable(c->fd, stream_can_send(s));
}

static struct connection *connection_new(void)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->fd = descriptor_new(DESCRIPTOR_STREAM, c);
	return c;
}

static void connection_free(struct connection *c)
{
	descriptor_free(c->fd);
	free(c);
}

int socket_connect(const struct endpoint *to, uint32_t mark, int *fd)
{
	struct connection *c = connection_new();
	int err = stream_dial(to, on_stream, c, &c->stream);

	(void)mark; /* no other way than the host's routes: the mesh's own packets do not come here
		     */
	*fd = -1;
	if (err)
		connection_free(c);
	else
		*fd = c->fd;
	return err;
}

int socket_connected(int fd)
{
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);

	return c ? stream_error(c->stream) : -EBADF;
}

struct stream *kernel_socket_stream(int fd)
{
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);

	return c ? c->stream : NULL;
}

void kernel_socket_look(int fd)
{
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);

	if (c)
		on_stream(c, c->stream);
}

struct endpoint socket_remote(int fd)
{
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);

	return c ? stream_remote(c->stream) : (struct endpoint){0};
}

/* ---- listening ---- */

static void on_accept(void *arg, struct stream *s)
{
	struct accepting *a = arg;

	if (a->n_waiting == BACKLOG) {
		stream_abort(s);
		return;
	}
	a->waiting[(a->first + a->n_waiting++) % BACKLOG] = s;
	descriptor_set_readable(a->fd, true);
}

int socket_listen(const struct endpoint *at, int *fd)
{
	struct accepting *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	*fd = -1;
	int err = stream_listen(at->port, on_accept, a, &a->listener);
	if (err) {
		free(a);
		return err;
	}
	a->fd = descriptor_new(DESCRIPTOR_LISTENER, a);
	*fd = a->fd;
	return 0;
}

static struct stream *pop_waiting(struct accepting *a)
{
	if (a->n_waiting == 0)
		return NULL;
	struct stream *s = a->waiting[a->first];
	a->first = (a->first + 1) % BACKLOG;
	a->n_waiting--;
	descriptor_set_readable(a->fd, a->n_waiting > 0);
	return s;
}

int socket_accept(int listening, int *fd, struct endpoint *from)
{
	struct accepting *a = descriptor_object(listening, DESCRIPTOR_LISTENER);
	struct stream *s = a ? pop_waiting(a) : NULL;

	*fd = -1;
	if (!s)
		return a ? -EAGAIN : -EBADF;
	struct connection *c = connection_new();
	c->stream = s;
	*fd = c->fd;
	*from = stream_remote(s);
	stream_watch(s, on_stream, c);
	return 0;
}

static void accepting_free(struct accepting *a)
{
	for (struct stream *s = pop_waiting(a); s; s = pop_waiting(a))
		stream_abort(s);
	stream_listener_close(a->listener);
	descriptor_free(a->fd);
	free(a);
}

/* ---- both ---- */

struct endpoint socket_local(int fd)
{
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);
	struct accepting *a = descriptor_object(fd, DESCRIPTOR_LISTENER);

	if (a)
		return (struct endpoint){.port = stream_listener_port(a->listener)};
	return c ? stream_local(c->stream) : (struct endpoint){0};
}

void socket_close(int fd)
{
	struct accepting *a = descriptor_object(fd, DESCRIPTOR_LISTENER);
	struct connection *c = descriptor_object(fd, DESCRIPTOR_STREAM);

	if (a)
		accepting_free(a);
	if (!c)
		return;
	stream_close(c->stream);
	connection_free(c);
}

bool socket_address_is_ours(const struct ip_addr *ip)
{
	return host_has_address(world_here(), ip);
}
