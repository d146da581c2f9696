#include "coordinator/relay_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/derp_map.h"
#include "tests/unit/test.h"

static const char fra[] = "{\"RegionID\":900,\"RegionCode\":\"fra\",\"RegionName\":\"Frankfurt\","
			  "\"Name\":\"900a\",\"HostName\":\"192.0.2.1\"}";
static const char fra2[] = "{\"RegionID\":900,\"RegionCode\":\"fra\",\"RegionName\":\"Frankfurt\","
			   "\"Name\":\"900b\",\"HostName\":\"192.0.2.2\"}";
static const char file_text[] =
	"{\"HomeParams\":{\"RegionScore\":{\"1\":0.5}},\"Regions\":{\"1\":{\"RegionID\":1,"
	"\"RegionCode\":\"nyc\",\"RegionName\":\"New York\",\"Nodes\":[{\"Name\":\"1a\","
	"\"RegionID\":1,\"HostName\":\"derp1.example\"}]}}}";

static int add(struct relay_book *book, const char *text)
{
	struct json_error err = {0};
	struct added_relay relay;

	CHECK_INT(relay_book_parse(text, strlen(text), &relay, &err), 0);
	relay.secret_hash[0] = (uint8_t)relay.name[3];
	int rc = relay_book_add(book, &relay);
	free(relay.json);
	return rc;
}

static struct derp_map *map_of(const char *text)
{
	struct json_error err = {0};
	struct derp_map *map;

	CHECK_INT(derp_map_parse(text, strlen(text), &map, &err), 0);
	return map;
}

TEST(puts_added_relays_on_top_of_the_file)
{
	struct relay_book book = {0};
	struct json_error err = {0};

	CHECK(relay_book_set_file(&book, map_of(file_text)) == NULL);
	CHECK_INT(add(&book, fra), 0);
	CHECK_INT(add(&book, fra2), 0);
	CHECK_INT(relay_book_merge(&book, &err), 0);
	struct derp_map *map = map_of(book.text);
	CHECK(map->n_regions == 2 && derp_map_find(map, 900)->n_nodes == 2);
	CHECK(derp_map_find(map, 1)->score == 0.5);
	CHECK_STR(derp_map_find(map, 900)->nodes[1].host, "192.0.2.2");
	derp_map_free(map);
	relay_book_wipe(&book);
}

TEST(refuses_a_region_in_both_and_keeps_the_text)
{
	static const char clash[] = "{\"RegionID\":1,\"RegionCode\":\"x\",\"RegionName\":\"x\","
				    "\"Name\":\"1z\",\"HostName\":\"192.0.2.9\"}";
	struct relay_book book = {0};
	struct json_error err = {0};

	CHECK(relay_book_set_file(&book, map_of(file_text)) == NULL);
	CHECK_INT(relay_book_merge(&book, &err), 0);
	char *before = strdup(book.text);
	CHECK_INT(add(&book, clash), 0);
	CHECK_INT(relay_book_merge(&book, &err), -EEXIST);
	CHECK(strstr(err.text, "region 1 ") != NULL);
	CHECK_STR(book.text, before);
	relay_book_remove_last(&book);
	CHECK_INT(book.n_added, 0);
	free(before);
	relay_book_wipe(&book);
}

TEST(removes_a_whole_region)
{
	struct relay_book book = {0};
	struct json_error err = {0};

	CHECK_INT(add(&book, fra), 0);
	CHECK_INT(add(&book, fra), -EEXIST);
	CHECK_INT(add(&book, fra2), 0);
	CHECK(relay_book_has(&book, 900) && !relay_book_has(&book, 901));
	CHECK_INT(relay_book_remove(&book, 901), 0);
	CHECK_INT(relay_book_remove(&book, 900), 2);
	CHECK_INT(relay_book_merge(&book, &err), 0);
	CHECK(strstr(book.text, "900") == NULL);
	relay_book_wipe(&book);
}

TEST(knows_a_relay_by_its_secret)
{
	struct relay_book book = {0};
	uint8_t random[RELAY_RANDOM_LEN] = {7};
	char secret[RELAY_SECRET_LEN];

	CHECK_INT(add(&book, fra), 0);
	relay_book_make_secret(random, secret, book.added[0].secret_hash);
	CHECK_INT(strlen(secret), 64);
	CHECK_INT(relay_book_find_secret(&book, secret), 900);
	secret[0] = '1';
	CHECK_INT(relay_book_find_secret(&book, secret), 0);
	CHECK_INT(relay_book_find_secret(&book, ""), 0);
	relay_book_wipe(&book);
}
