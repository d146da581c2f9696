#include "derp-relay/forwarder.h"

#include <errno.h>
#include <stdlib.h>

struct forwarder *forwarder_find(struct forwarder *of_key, const struct hub_link *link)
{
	while (of_key && of_key->link != link)
		of_key = of_key->next_of_key;
	return of_key;
}

static void join_link(struct forwarder **head, struct forwarder *f)
{
	f->next_of_link = *head;
	f->back_of_link = head;
	if (*head)
		(*head)->back_of_link = &f->next_of_link;
	*head = f;
}

static void leave_link(struct forwarder *f)
{
	*f->back_of_link = f->next_of_link;
	if (f->next_of_link)
		f->next_of_link->back_of_link = f->back_of_link;
}

int forwarder_add(struct forwarder **of_key, struct forwarder **of_link, struct hub_key *entry,
		  struct hub_link *link)
{
	struct forwarder *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->entry = entry;
	f->link = link;
	while (*of_key)
		of_key = &(*of_key)->next_of_key;
	*of_key = f;
	join_link(of_link, f);
	return 0;
}

void forwarder_remove(struct forwarder **of_key, struct forwarder *f)
{
	while (*of_key != f)
		of_key = &(*of_key)->next_of_key;
	*of_key = f->next_of_key;
	leave_link(f);
	free(f);
}
