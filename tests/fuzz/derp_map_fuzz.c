/* Any text as a relay map: what reads writes, and reads back to the same text. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/proto/derp_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char *print(const struct derp_map *map)
{
	struct json *tree = derp_map_to_json(map);
	char *text = json_print(tree);

	json_free(tree);
	return text;
}

/* What becomes part of a request can break no line of it. */
static void check_node(const struct derp_node *n)
{
	for (const char *at = n->host; *at; at++)
		if ((uint8_t)*at <= ' ' || (uint8_t)*at >= 127)
			abort();
	for (const char *at = n->name; *at; at++)
		if ((uint8_t)*at < ' ' || (uint8_t)*at >= 127)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_error err = {0};
	struct derp_map *map, *again;

	if (derp_map_parse((const char *)data, len, &map, &err) != 0)
		return 0;
	for (size_t i = 0; i < map->n_regions; i++)
		for (size_t j = 0; j < map->regions[i].n_nodes; j++)
			check_node(&map->regions[i].nodes[j]);
	char *text = print(map);
	if (derp_map_parse(text, strlen(text), &again, &err) != 0)
		abort();
	char *text_again = print(again);
	if (strcmp(text, text_again) != 0)
		abort();
	free(text_again);
	free(text);
	derp_map_free(again);
	derp_map_free(map);
	return 0;
}
