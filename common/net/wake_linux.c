#include "common/net/wake.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wake_open(int *fd)
{
	*fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

void wake_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void wake_post(int fd)
{
	/* A full counter is readable anyway. */
	(void)eventfd_write(fd, 1);
}

uint64_t wake_clear(int fd)
{
	eventfd_t posts;

	return eventfd_read(fd, &posts) == 0 ? posts : 0;
}
