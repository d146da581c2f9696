#include "coordinator/registry.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/test.h"

static const uint8_t seed[REGISTRY_SEED_LEN] = {1};

static struct node node(uint32_t id, const char *name, const char *owner)
{
	struct node n = {.id = id};

	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.owner, sizeof(n.owner), "%s", owner);
	n.machine_key.b[0] = (uint8_t)id;
	n.machine_key.b[1] = (uint8_t)(id >> 8);
	n.node_key.key.b[0] = (uint8_t)id;
	n.node_key.key.b[1] = (uint8_t)(id >> 8);
	return n;
}

TEST(finds_a_node_by_each_of_its_names)
{
	struct registry *r = registry_new(seed);
	struct node init = node(7, "dev", "alice"), *n, *found;

	CHECK_INT(registry_add(r, &init, &n), 0);
	CHECK(registry_find_id(r, 7) == n && registry_find_id(r, 8) == NULL);
	CHECK(registry_find_name(r, "dev", "alice") == n);
	CHECK(registry_find_name(r, "dev", "bob") == NULL);
	CHECK(registry_find_machine(r, &init.machine_key) == n);
	CHECK(registry_find_node_key(r, &init.node_key.key) == n);
	CHECK(registry_find_text(r, "dev.alice", &found) == 0 && found == n);
	CHECK(registry_find_text(r, "dev", &found) == 0 && found == n);
	CHECK_INT(registry_find_text(r, "de", &found), -ENOENT);
	CHECK_INT(registry_find_text(r, "dev.bob", &found), -ENOENT);
	registry_free(r);
}

TEST(refuses_a_second_of_the_same_id_name_or_machine)
{
	struct registry *r = registry_new(seed);
	struct node a = node(1, "dev", "alice"), *n;
	struct node same_id = node(1, "x", "alice"), same_name = node(2, "dev", "alice");
	struct node same_machine = node(3, "y", "alice"), other_owner = node(4, "dev", "bob");

	same_machine.machine_key = a.machine_key;
	CHECK_INT(registry_add(r, &a, &n), 0);
	CHECK_INT(registry_add(r, &same_id, &n), -EEXIST);
	CHECK_INT(registry_add(r, &same_name, &n), -EEXIST);
	CHECK_INT(registry_add(r, &same_machine, &n), -EEXIST);
	CHECK_INT(registry_add(r, &other_owner, &n), 0);
	CHECK_INT(registry_find_text(r, "dev", &n), -ENOTUNIQ);
	registry_free(r);
}

TEST(follows_a_node_key_that_rotates)
{
	struct registry *r = registry_new(seed);
	struct node a = node(1, "dev", "alice"), *n;
	struct control_key next = {.key = {{99}}, .serial = 2};

	CHECK_INT(registry_add(r, &a, &n), 0);
	CHECK_INT(registry_set_node_key(r, n, &next), 0);
	CHECK(registry_find_node_key(r, &a.node_key.key) == NULL);
	CHECK(registry_find_node_key(r, &next.key) == n);
	registry_free(r);
}

TEST(keeps_the_lists_of_owners_whole_while_nodes_come_and_go)
{
	enum { N = 300 };
	struct registry *r = registry_new(seed);
	struct node *n;
	char name[16];
	size_t count;

	for (uint32_t i = 1; i <= N; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		struct node init = node(i, name, i % 3 ? "alice" : "bob");
		CHECK_INT(registry_add(r, &init, &n), 0);
	}
	CHECK_INT(registry_owner(r, "alice")->count, 200);
	for (uint32_t i = 1; i <= N; i += 2)
		registry_remove(r, registry_find_id(r, i));
	CHECK_INT(registry_owner(r, "alice")->count, 100);
	CHECK_INT(registry_owner(r, "bob")->count, 50);
	(void)registry_all(r, &count);
	CHECK_INT(count, 150);
	for (uint32_t i = 2; i <= N; i += 2)
		registry_remove(r, registry_find_id(r, i));
	CHECK(registry_owner(r, "alice") == NULL && registry_owner(r, "bob") == NULL);
	registry_free(r);
}
