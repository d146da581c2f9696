/* Any text as a relay that an admin adds, beside a map from a file: what is taken merges into a map
 * that reads, and goes again. */
#include "coordinator/relay_book.h"

#include <errno.h>

#include "common/proto/derp_map.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char file_text[] =
	"{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"a\",\"Nodes\":[{\"Name\":\"1a\","
	"\"RegionID\":1,\"HostName\":\"relay.example\"}]}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[RELAY_RANDOM_LEN] = {3};
	char secret[RELAY_SECRET_LEN];
	struct relay_book book = {0};
	struct json_error err = {0};
	struct added_relay relay = {0};
	struct derp_map *map;

	MUST(derp_map_parse(file_text, sizeof(file_text) - 1, &map, &err) == 0);
	(void)relay_book_set_file(&book, map);
	MUST(relay_book_merge(&book, &err) == 0);
	if (relay_book_parse((const char *)data, len, &relay, &err) != 0) {
		MUST(err.failed && err.text[0]);
		relay_book_wipe(&book);
		return 0;
	}
	relay_book_make_secret(random, secret, relay.secret_hash);
	if (relay_book_add(&book, &relay) == 0) {
		MUST(relay_book_find_secret(&book, secret) == relay.region);
		secret[0] = (char)(secret[0] == '0' ? '1' : '0');
		MUST(relay_book_find_secret(&book, secret) == 0);
		MUST(relay_book_has(&book, relay.region));
		MUST(relay_book_add(&book, &relay) == -EEXIST);
		int rc = relay_book_merge(&book, &err);
		MUST(rc == 0 || (rc == -EEXIST && relay.region == 1));
		MUST(derp_map_parse(book.text, strlen(book.text), &map, &(struct json_error){0}) ==
		     0);
		derp_map_free(map);
		MUST(relay_book_remove(&book, relay.region) == 1);
	}
	free(relay.json);
	relay_book_wipe(&book);
	return 0;
}
