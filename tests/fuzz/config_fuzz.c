/* The reader of --config files, on options of every kind. */
#include "common/config.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct settings {
	const char *text, *word;
	bool yes;
	int64_t number;
	uint64_t duration_us, bytes;
	struct config_list list;
};

static const struct config_option options[] = {
	{.name = "text", .kind = CONFIG_STRING, .offset = offsetof(struct settings, text)},
	{.name = "word",
	 .kind = CONFIG_STRING,
	 .offset = offsetof(struct settings, word),
	 .choices = "a|bc"},
	{.name = "yes", .kind = CONFIG_BOOL, .offset = offsetof(struct settings, yes)},
	{.name = "number", .kind = CONFIG_INT, .offset = offsetof(struct settings, number)},
	{.name = "time", .kind = CONFIG_DURATION, .offset = offsetof(struct settings, duration_us)},
	{.name = "bytes", .kind = CONFIG_BYTES, .offset = offsetof(struct settings, bytes)},
	{.name = "list", .kind = CONFIG_REPEATED, .offset = offsetof(struct settings, list)},
	{0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct config_program program = {.name = "fuzz", .options = options};
	char error[CONFIG_ERROR_LEN];
	struct settings s;
	struct config c;

	if (config_read_file_text(&program, (const char *)data, len, &s, &c, error) == 0)
		config_wipe(&c);
	return 0;
}
