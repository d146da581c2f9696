/* wake.h for simulated hosts: a descriptor and a count. */
#include "common/net/wake.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/descriptor.h"

struct wake {
	uint64_t posts;
};

int wake_open(int *fd)
{
	struct wake *w = calloc(1, sizeof(*w));

	*fd = w ? descriptor_new(DESCRIPTOR_WAKE, w) : -1;
	return w ? 0 : -ENOMEM;
}

void wake_close(int fd)
{
	free(descriptor_object(fd, DESCRIPTOR_WAKE));
	descriptor_free(fd);
}

void wake_post(int fd)
{
	struct wake *w = descriptor_object(fd, DESCRIPTOR_WAKE);

	if (!w)
		return;
	w->posts++;
	descriptor_set_readable(fd, true);
}

uint64_t wake_clear(int fd)
{
	struct wake *w = descriptor_object(fd, DESCRIPTOR_WAKE);
	uint64_t posts = w ? w->posts : 0;

	if (posts > 0) {
		w->posts = 0;
		descriptor_set_readable(fd, false);
	}
	return posts;
}
