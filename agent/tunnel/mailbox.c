#include "agent/tunnel/mailbox.h"

#include "common/net/wake.h"

int mailbox_open(struct mailbox *box)
{
	atomic_init(&box->head, NULL);
	return wake_open(&box->fd);
}

void mailbox_close(struct mailbox *box)
{
	wake_close(box->fd);
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

	if (!head) /* whoever makes it non-empty wakes the reader */
		wake_post(box->fd);
}

struct mail *mailbox_take(struct mailbox *box)
{
	/* Before taking: a post that comes in between wakes us once for nothing, never too little.
	 */
	(void)wake_clear(box->fd);
	return atomic_exchange(&box->head, NULL);
}

unsigned mail_open(struct mail *mail)
{
	return atomic_exchange(&mail->bits, 0);
}
