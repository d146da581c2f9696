#include "coordinator/relay_book.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/key.h"
#include "common/proto/derp_map.h"

void relay_book_wipe(struct relay_book *book)
{
	for (size_t i = 0; i < book->n_added; i++)
		free(book->added[i].json);
	free(book->added);
	derp_map_free(book->file);
	free(book->text);
	*book = (struct relay_book){0};
}

/* A map of the one relay that text describes. */
static int parse_relay(const char *text, size_t len, struct derp_map **out, struct json_error *err)
{
	struct json *tree;

	int rc = json_parse(text, len, DERP_MAP_TEXT_MAX, &tree, err);
	if (rc)
		return rc;
	struct json_in root = json_root(tree, err);
	rc = derp_map_from_relay_json(&root, out);
	json_free(tree);
	return rc;
}

int relay_book_parse(const char *text, size_t len, struct added_relay *out, struct json_error *err)
{
	struct derp_map *map;

	int rc = parse_relay(text, len, &map, err);
	if (rc)
		return rc;
	struct json *tree = derp_map_to_relay_json(map);
	*out = (struct added_relay){.region = map->regions[0].id, .json = json_print(tree)};
	snprintf(out->name, sizeof(out->name), "%s", map->regions[0].nodes[0].name);
	json_free(tree);
	derp_map_free(map);
	return out->json ? 0 : -ENOMEM;
}

int relay_book_add(struct relay_book *book, const struct added_relay *relay)
{
	for (size_t i = 0; i < book->n_added; i++)
		if (strcmp(book->added[i].name, relay->name) == 0)
			return -EEXIST;
	if (book->n_added == RELAY_ADDED_MAX)
		return -ENOSPC;

	struct added_relay *list =
		reallocarray(book->added, book->n_added + 1, sizeof(*book->added));
	char *json = strdup(relay->json);
	if (!list || !json)
		abort();
	book->added = list;
	list[book->n_added] = *relay;
	list[book->n_added++].json = json;
	return 0;
}

void relay_book_remove_last(struct relay_book *book)
{
	free(book->added[--book->n_added].json);
}

bool relay_book_has(const struct relay_book *book, uint32_t region)
{
	for (size_t i = 0; i < book->n_added; i++)
		if (book->added[i].region == region)
			return true;
	return false;
}

size_t relay_book_remove(struct relay_book *book, uint32_t region)
{
	size_t kept = 0;

	for (size_t i = 0; i < book->n_added; i++) {
		if (book->added[i].region == region)
			free(book->added[i].json);
		else
			book->added[kept++] = book->added[i];
	}
	size_t gone = book->n_added - kept;
	book->n_added = kept;
	return gone;
}

struct derp_map *relay_book_set_file(struct relay_book *book, struct derp_map *file)
{
	struct derp_map *before = book->file;

	book->file = file;
	return before;
}

__attribute__((format(printf, 3, 4))) static int fail(struct json_error *err, int rc,
						      const char *format, ...)
{
	va_list args;

	err->failed = true;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return rc;
}

static void *copy_of(const void *items, size_t count, size_t size)
{
	void *copy = calloc(count ? count : 1, size);

	if (!copy)
		abort();
	if (count > 0)
		memcpy(copy, items, count * size);
	return copy;
}

static struct derp_map *copy_map(const struct derp_map *map)
{
	struct derp_map *copy = copy_of(map, 1, sizeof(*map));

	copy->regions = copy_of(map->regions, map->n_regions, sizeof(*map->regions));
	for (size_t i = 0; i < map->n_regions; i++)
		copy->regions[i].nodes = copy_of(map->regions[i].nodes, map->regions[i].n_nodes,
						 sizeof(struct derp_node));
	return copy;
}

static void *append(void *list, size_t *count, const void *item, size_t size)
{
	uint8_t *grown = reallocarray(list, *count + 1, size);

	if (!grown)
		abort();
	memcpy(grown + *count * size, item, size);
	(*count)++;
	return grown;
}

static void put_relay(struct derp_map *map, const struct derp_region *region)
{
	for (size_t i = 0; i < map->n_regions; i++) {
		struct derp_region *r = &map->regions[i];

		if (r->id != region->id)
			continue;
		r->nodes =
			append(r->nodes, &r->n_nodes, &region->nodes[0], sizeof(struct derp_node));
		return;
	}
	struct derp_region first = *region;
	first.nodes = copy_of(region->nodes, 1, sizeof(struct derp_node));
	map->regions = append(map->regions, &map->n_regions, &first, sizeof(first));
}

/* Puts every added relay on top of those of the file. */
static int put_added(const struct relay_book *book, struct derp_map *map, struct json_error *err)
{
	for (size_t i = 0; i < book->n_added; i++) {
		const struct added_relay *relay = &book->added[i];
		struct derp_map *one;

		if (book->file && derp_map_find(book->file, relay->region))
			return fail(err, -EEXIST,
				    "region %u is in the --relay-map file and among the added "
				    "relays: take it out of the file, or: relay remove %u",
				    relay->region, relay->region);
		int rc = parse_relay(relay->json, strlen(relay->json), &one, err);
		if (rc)
			return rc;
		put_relay(map, &one->regions[0]);
		derp_map_free(one);
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = ((const struct derp_region *)a)->id;
	uint32_t right = ((const struct derp_region *)b)->id;

	return (left > right) - (left < right);
}

int relay_book_merge(struct relay_book *book, struct json_error *err)
{
	static const struct derp_map none;
	struct derp_map *map = copy_map(book->file ? book->file : &none);

	int rc = put_added(book, map, err);
	if (rc == 0) {
		qsort(map->regions, map->n_regions, sizeof(*map->regions), by_id);
		struct json *tree = derp_map_to_json(map);
		char *text = json_print(tree);

		json_free(tree);
		free(book->text);
		book->text = text;
	}
	derp_map_free(map);
	return rc;
}

uint32_t relay_book_find_secret(const struct relay_book *book, const char *secret)
{
	uint8_t hash[RELAY_HASH_LEN];
	uint32_t region = 0;

	crypto_generichash(hash, sizeof(hash), (const uint8_t *)secret, strlen(secret), NULL, 0);
	for (size_t i = 0; i < book->n_added; i++)
		if (sodium_memcmp(hash, book->added[i].secret_hash, sizeof(hash)) == 0)
			region = book->added[i].region;
	return region;
}

void relay_book_make_secret(const uint8_t random[static RELAY_RANDOM_LEN],
			    char secret[static RELAY_SECRET_LEN],
			    uint8_t hash[static RELAY_HASH_LEN])
{
	hex_encode(random, RELAY_RANDOM_LEN, secret);
	crypto_generichash(hash, RELAY_HASH_LEN, (const uint8_t *)secret, strlen(secret), NULL, 0);
}
