#include "coordinator/sight.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

enum { OWNERS = 100, NODES_EACH = 3 };

static struct node *add(struct registry *r, uint32_t id, unsigned owner, enum control_role role)
{
	struct node init = {.id = id, .role = role}, *n;

	snprintf(init.name, sizeof(init.name), "n%u", id);
	snprintf(init.owner, sizeof(init.owner), "o%u", owner);
	memcpy(init.machine_key.b, &id, sizeof(id));
	init.node_key.sig[0] = init.disco_key.sig[0] = 1;
	memcpy(init.node_key.key.b, &id, sizeof(id));
	CHECK_INT(registry_add(r, &init, &n), 0);
	return n;
}

static struct registry *make_mesh(void)
{
	static const uint8_t seed[REGISTRY_SEED_LEN] = {1};
	struct registry *r = registry_new(seed);
	uint32_t id = 1;

	for (unsigned owner = 0; owner < OWNERS; owner++)
		for (unsigned i = 0; i < NODES_EACH; i++)
			add(r, id++, owner, i == 0 ? CONTROL_CLIENT : CONTROL_AGENT);
	return r;
}

static void count(void *arg, struct node *other)
{
	(void)other;
	(*(unsigned *)arg)++;
}

TEST(looks_at_the_owners_nodes_only)
{
	struct registry *r = make_mesh();
	struct policy *p = policy_new_default();
	unsigned looked = 0;

	sight_each_candidate(p, r, registry_find_id(r, 1), count, &looked);
	CHECK_INT(looked, NODES_EACH - 1);
	policy_free(p);
	registry_free(r);
}

TEST(looks_at_owners_that_a_rule_names_once_each)
{
	static const char text[] = "{\"rules\":[{\"from\":{\"owner\":\"o0\"},\"to\":{\"owner\":"
				   "[\"o1\",\"o0\",\"nobody\"]}},{\"from\":{\"owner\":\"o1\"},"
				   "\"to\":{\"owner\":\"o0\"}}]}";
	struct registry *r = make_mesh();
	struct json_error err = {0};
	struct policy *p;
	unsigned looked = 0;

	CHECK_INT(policy_parse(text, strlen(text), &p, &err), 0);
	sight_each_candidate(p, r, registry_find_id(r, 1), count, &looked);
	CHECK_INT(looked, 2 * NODES_EACH - 1);
	policy_free(p);
	registry_free(r);
}

TEST(is_mutual_and_hides_who_has_not_signed)
{
	struct registry *r = make_mesh();
	struct policy *p = policy_new_default();
	struct node *laptop = registry_find_id(r, 1), *dev = registry_find_id(r, 2);
	struct node *gpu = registry_find_id(r, 3), *foreign = registry_find_id(r, 5);
	struct sight sight;

	CHECK(sight_of(p, laptop, dev, &sight) && sight.out.count == 1 && sight.in.count == 0);
	CHECK(sight_of(p, dev, laptop, &sight) && sight.out.count == 0 && sight.in.count == 1);
	CHECK(!sight_of(p, dev, gpu, &sight) && !sight_of(p, laptop, foreign, &sight));
	CHECK(!sight_of(p, laptop, laptop, &sight));
	memset(dev->disco_key.sig, 0, SIGNATURE_LEN);
	CHECK(!sight_of(p, laptop, dev, &sight) && sight_of(p, dev, laptop, &sight));
	policy_free(p);
	registry_free(r);
}
