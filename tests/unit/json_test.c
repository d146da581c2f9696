#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static struct json *parse(const char *text, struct json_error *err)
{
	struct json *tree = NULL;

	CHECK(json_parse(text, strlen(text), 4096, &tree, err) == 0);
	return tree;
}

TEST(reads_members_of_each_type)
{
	struct json_error err = {0};
	struct json *tree = parse("{\"s\":\"hey\",\"u\":9007199254740991,\"i\":-3,\"f\":1.5,"
				  "\"b\":true,\"a\":[\"x\",\"y\"],\"o\":{\"k\":1},\"z\":null} \n",
				  &err);
	struct json_in root = json_root(tree, &err), a = json_array(&root, "a", 2);
	struct json_in second = json_item(&a, 1), o = json_object(&root, "o");
	struct json_in member = json_item(&o, 0);

	CHECK_STR(json_str(&root, "s", 3), "hey");
	CHECK(json_u64(&root, "u", 0, UINT64_MAX) == JSON_INT_MAX);
	CHECK(json_i64(&root, "i", -5, 5) == -3);
	CHECK(fabs(json_f64(&root, "f", 0, 2) - 1.5) < 1e-9);
	CHECK(json_bool(&root, "b"));
	CHECK(json_count(&a) == 2);
	CHECK_STR(json_as_str(&second, 10), "y");
	CHECK_STR(json_name(&member), "k");
	CHECK(!json_has(&root, "z") && !json_has(&root, "none") && json_has(&root, "s"));
	CHECK(json_opt_u64(&root, "z", 1, 2, 7) == 7);
	CHECK(!err.failed);
	json_free(tree);
}

struct wrong {
	const char *text, *problem;
};

/* What is read: peers[i].endpoints[j].addr (at most 4 bytes), peers[i].id in 1..9. */
static void read_peers(const struct json_in *root)
{
	struct json_in peers = json_array(root, "peers", 2);

	for (size_t i = 0; i < json_count(&peers); i++) {
		struct json_in peer = json_item(&peers, i);
		struct json_in eps = json_opt_array(&peer, "endpoints", 8);

		(void)json_u64(&peer, "id", 1, 9);
		for (size_t j = 0; j < json_count(&eps); j++) {
			struct json_in ep = json_item(&eps, j);

			(void)json_str(&ep, "addr", 4);
		}
	}
}

TEST(says_which_field_is_wrong_and_how)
{
	static const struct wrong cases[] = {
		{"{}", "peers: missing"},
		{"{\"peers\":3}", "peers: not an array"},
		{"{\"peers\":[1,2,3]}", "peers: too many items"},
		{"{\"peers\":[{}]}", "peers[0].id: missing"},
		{"{\"peers\":[{\"id\":1},{\"id\":\"1\"}]}", "peers[1].id: not a number"},
		{"{\"peers\":[{\"id\":1.5}]}", "peers[0].id: not a whole number"},
		{"{\"peers\":[{\"id\":10}]}", "peers[0].id: out of range"},
		{"{\"peers\":[{\"id\":-1}]}", "peers[0].id: out of range"},
		{"{\"peers\":[{\"id\":1e300}]}", "peers[0].id: not a whole number"},
		{"{\"peers\":[{\"id\":2,\"endpoints\":[{\"addr\":\"a\"},{\"addr\":7}]}]}",
		 "peers[0].endpoints[1].addr: not a string"},
		{"{\"peers\":[{\"id\":2,\"endpoints\":[{\"addr\":\"abcde\"}]}]}",
		 "peers[0].endpoints[0].addr: too long"},
		{"{\"peers\":[null]}", "peers[0]: missing"},
		{"[]", "peers: missing"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_error err = {0};
		struct json *tree = parse(cases[i].text, &err);
		struct json_in root = json_root(tree, &err);

		read_peers(&root);
		CHECK(err.failed);
		CHECK_STR(err.text, cases[i].problem);
		json_free(tree);
	}
}

TEST(keeps_the_first_failure_and_gives_harmless_values_after_it)
{
	struct json_error err = {0};
	struct json *tree = parse("{\"a\":\"x\",\"n\":4}", &err);
	struct json_in root = json_root(tree, &err), none = json_object(&root, "o");

	CHECK(json_u64(&root, "n", 1, 9) == 1);
	CHECK_STR(json_str(&none, "deep", 9), "");
	CHECK_STR(json_str(&root, "a", 9), "");
	CHECK_STR(err.text, "o: missing");
	json_free(tree);
}

TEST(refuses_texts_that_are_no_single_short_shallow_document)
{
	struct json_error err = {0};
	struct json *tree;
	char deep[100];

	CHECK(json_parse("{}", 2, 1, &tree, &err) == -E2BIG);
	CHECK(json_parse("", 0, 9, &tree, &err) == -EBADMSG);
	CHECK(json_parse("{} {}", 5, 9, &tree, &err) == -EBADMSG);
	CHECK(json_parse("{}\0", 3, 9, &tree, &err) == -EBADMSG);
	CHECK(json_parse("{\"a\":}", 6, 9, &tree, &err) == -EBADMSG);
	memset(deep, '[', 33);
	memset(deep + 33, ']', 33);
	CHECK(json_parse(deep, 66, 99, &tree, &err) == -EBADMSG);
	CHECK(json_parse(deep + 1, 64, 99, &tree, &err) == 0);
	json_free(tree);
	memset(deep, '[', 40);
	deep[0] = deep[40] = '"'; /* brackets within a string are no depth */
	CHECK(json_parse(deep, 41, 99, &tree, &err) == 0);
	json_free(tree);
}

TEST(walks_items_and_stops_at_a_null)
{
	struct json_error err = {0};
	struct json *tree = parse("[1,2,null,4]", &err);
	struct json_in root = json_root(tree, &err);
	uint64_t sum = 0;

	for (struct json_in item = {0}; json_each(&root, &item);)
		sum = sum * 10 + json_as_u64(&item, 0, 9);
	CHECK(sum == 12);
	CHECK_STR(err.text, "[2]: missing");
	json_free(tree);
}

TEST(cleans_foreign_member_names_in_its_error)
{
	struct json_error err = {0};
	struct json *tree = parse("{\"a\\u001b[2J\":1}", &err);
	struct json_in root = json_root(tree, &err), item = json_item(&root, 0);

	CHECK_STR(json_as_str(&item, 9), "");
	CHECK_STR(err.text, "a?[2J: not a string");
	json_free(tree);
}

TEST(builds_what_it_reads)
{
	struct json *obj = json_object_new();
	struct json *list = json_add_array(obj, "list"), *inner = json_append_object(list);

	json_add_u64(inner, "big", UINT64_MAX);
	json_add_i64(inner, "small", -7);
	json_add_f64(inner, "ms", 20.5);
	json_add_f64(inner, "round", 100);
	json_add_f64(inner, "none", NAN);
	json_append_str(list, "a\"b\n");
	json_append_u64(list, 3);
	json_append_f64(list, 0.1234);
	json_add_bool(obj, "yes", true);
	json_add_str(obj, "nil", NULL);

	char *text = json_print(obj);
	CHECK_STR(text, "{\"list\":[{\"big\":18446744073709551615,\"small\":-7,\"ms\":20.5,"
			"\"round\":100,\"none\":null},\"a\\\"b\\n\",3,0.123],\"yes\":true,"
			"\"nil\":null}");
	free(text);
	json_free(obj);
}
