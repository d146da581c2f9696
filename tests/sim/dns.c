#include "tests/sim/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/resolve.h"
#include "tests/sim/world.h"

struct dns_entry {
	char name[DNS_NAME_LEN];
	struct ip_addr ips[RESOLVE_ADDRS_MAX];
	size_t n_ips;
};

struct dns_book {
	struct dns_entry entries[DNS_NAMES_MAX];
	size_t n_entries;
	bool is_down;
};

static struct dns_book *book_of(struct world *world)
{
	struct dns_book *book = world_part(world, WORLD_NAMES);

	if (book)
		return book;
	book = calloc(1, sizeof(*book));
	if (!book)
		abort();
	world_set_part(world, WORLD_NAMES, book, free);
	return book;
}

static struct dns_entry *find(struct dns_book *book, const char *name)
{
	for (size_t i = 0; i < book->n_entries; i++)
		if (strcmp(book->entries[i].name, name) == 0)
			return &book->entries[i];
	return NULL;
}

void dns_add(struct world *world, const char *name, const struct ip_addr *ip)
{
	struct dns_book *book = book_of(world);
	struct dns_entry *e = find(book, name);

	if (!e) {
		if (book->n_entries == DNS_NAMES_MAX)
			abort();
		e = &book->entries[book->n_entries++];
		snprintf(e->name, sizeof(e->name), "%s", name);
		e->n_ips = 0;
	}
	if (e->n_ips < RESOLVE_ADDRS_MAX)
		e->ips[e->n_ips++] = *ip;
}

void dns_remove(struct world *world, const char *name)
{
	struct dns_entry *e = find(book_of(world), name);

	if (e)
		e->n_ips = 0;
}

void dns_set_down(struct world *world, bool is_down)
{
	book_of(world)->is_down = is_down;
}

bool dns_is_down(struct world *world)
{
	return book_of(world)->is_down;
}

size_t dns_find(struct world *world, const char *name, const struct ip_addr **ips)
{
	struct dns_entry *e = find(book_of(world), name);

	if (!e)
		return 0;
	*ips = e->ips;
	return e->n_ips;
}
