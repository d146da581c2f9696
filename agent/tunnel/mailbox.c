#include "agent/tunnel/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_open(struct mailbox *box)
{
	atomic_init(&box->head, NULL);
	box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return box->fd < 0 ? -errno : 0;
}

void mailbox_close(struct mailbox *box)
{
	if (box->fd >= 0)
		close(box->fd);
	box->fd = -1;
}

void mailbox_post(struct mailbox *box, struct mail *mail, unsigned bits)
{
	if (atomic_fetch_or(&mail->bits, bits) != 0)
		return; /* waits already: its reader will see these bits too */

	struct mail *head = atomic_load(&box->head);
	do
		mail->next = head;
	while (!atomic_compare_exchange_weak(&box->head, &head, mail));

	/* Whoever makes it non-empty wakes the reader; a full counter is readable anyway. */
	if (!head && eventfd_write(box->fd, 1) < 0)
		return;
}

struct mail *mailbox_take(struct mailbox *box)
{
	eventfd_t count;

	/* Before taking: a post that comes in between wakes us once for nothing, never too little.
	 */
	if (eventfd_read(box->fd, &count) < 0)
		count = 0;
	return atomic_exchange(&box->head, NULL);
}

unsigned mail_open(struct mail *mail)
{
	return atomic_exchange(&mail->bits, 0);
}
