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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_error err = {0};
	struct derp_map *map, *again;

	if (derp_map_parse((const char *)data, len, &map, &err) != 0)
		return 0;
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
