/* Parsing with limits, and walking whatever came with every getter; what prints parses again. */
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX = 4096 };

static void walk(const struct json_in *at, unsigned depth)
{
	if (depth > JSON_DEPTH_MAX)
		abort(); /* the parser lets nothing deeper through */
	for (struct json_in item = {0}; json_each(at, &item);) {
		struct json_error err = {0};
		struct json_in copy = item;

		copy.err = &err;
		(void)strlen(json_as_str(&copy, 100));
		(void)json_as_u64(&copy, 1, 1000);
		(void)json_opt_bool(&copy, "a", false);
		(void)json_opt_f64(&copy, "b", -1, 1, 0);
		walk(&item, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_error err = {0};
	struct json *tree, *again;

	if (json_parse((const char *)data, len, MAX, &tree, &err) != 0)
		return 0;
	struct json_in root = json_root(tree, &err);
	walk(&root, 0);
	char *text = json_print(tree);
	struct json_error err2 = {0};
	if (json_parse(text, strlen(text), SIZE_MAX, &again, &err2) == 0)
		json_free(again);
	free(text);
	json_free(tree);
	return 0;
}
