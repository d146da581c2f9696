/* A coordinator that lies to a node about a peer that it knows: the peer goes on as it was. */
#include "tests/sim/liar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/kernel_random.h"
#include "tests/sim/town.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

enum { LAPTOP, DEV, ANSWER_LEN = 600 };

static const char morning[] = "seed 5\nend 60.000\nservers coordinator 10 relay1 3 relay2 2\n"
			      "node laptop alice client\nnode dev alice agent\n"
			      "node tablet alice client\nnode build alice agent\n";

struct scene {
	struct day day;
	struct world *world;
	struct town town;
	struct public_key known; /* dev's key, as laptop had it before anybody lied */
	unsigned told;		 /* lines of laptop's history that name another identity */
	char answer[ANSWER_LEN]; /* the first line that laptop answered last */
};

static void on_event(void *arg, struct node_machine *m, const struct event *event)
{
	struct scene *s = arg;

	if (m == s->town.nodes[LAPTOP].machine)
		s->told += event->code == CODE_IDENTITY_CHANGED;
}

static void on_answer(void *arg, struct node_machine *m, uint64_t ask_id, const struct json *line)
{
	struct scene *s = arg;
	char *text = json_print(line);

	(void)m;
	(void)ask_id;
	if (!s->answer[0])
		snprintf(s->answer, sizeof(s->answer), "%s", text);
	free(text);
}

static const struct node_taps taps = {.on_event = on_event, .on_answer = on_answer};

static void run_s(unsigned s)
{
	world_run_until(world_running(), world_now_us() + s * US_PER_S);
}

/* Laptop's peer dev. False: it has none. */
static bool find_dev(const struct scene *s, struct node_machine_peer *out)
{
	struct node_machine_peer peers[DAY_NODES];
	size_t n = node_machine_peers(s->town.nodes[LAPTOP].machine, peers, DAY_NODES);

	for (size_t i = 0; i < n; i++)
		if (strcmp(peers[i].name, "dev.alice") == 0) {
			*out = peers[i];
			return true;
		}
	return false;
}

static bool dev_is_as_known(const struct scene *s)
{
	struct node_machine_peer dev;

	return find_dev(s, &dev) && public_key_equal(&dev.key, &s->known);
}

static struct scene *begin(void)
{
	struct scene *s = calloc(1, sizeof(*s));
	char error[TOWN_ERROR_LEN], wrong[DAY_ERROR_LEN];
	struct node_machine_peer dev;

	CHECK(s && kernel_random_install());
	CHECK(day_parse(&s->day, morning, wrong) == 0);
	for (unsigned i = 0; i < DAY_NODES; i++) /* no NAT forgets anything here */
		s->day.nodes[i].home.is_public = 1;
	s->world = world_new(s->day.seed);
	CHECK(town_build(&s->town, &s->day, s->world, &taps, s, error) == 0);
	for (unsigned i = LAPTOP; i <= DEV; i++)
		CHECK(town_join(&s->town, i, error) == 0);
	run_s(5);
	CHECK(find_dev(s, &dev));
	s->known = dev.key;
	return s;
}

static void end(struct scene *s)
{
	town_raze(&s->town);
	world_free(s->world);
	free(s);
}

static void ask(struct scene *s, const char *request)
{
	s->answer[0] = '\0';
	CHECK(node_machine_ask(s->town.nodes[LAPTOP].machine, request) != 0);
}

static struct lie tell(struct scene *s, enum day_lie kind)
{
	struct lie lie = {.kind = kind,
			  .to = node_machine_member_id(s->town.nodes[LAPTOP].machine),
			  .about = node_machine_member_id(s->town.nodes[DEV].machine)};

	CHECK(liar_tell(s->town.coordinator, &lie, s->town.nodes[DEV].machine) == 0);
	CHECK(!liar_was_heard(s->town.coordinator, &lie));
	run_s(1);
	CHECK(liar_was_heard(s->town.coordinator, &lie));
	return lie;
}

TEST(a_peer_goes_on_as_it_was_known_whatever_is_said_of_it)
{
	for (enum day_lie kind = 0; kind < DAY_LIES; kind++) {
		struct scene *s = begin();
		struct lie lie = tell(s, kind);

		CHECK(s->told == 1);
		CHECK(dev_is_as_known(s));
		liar_recant(s->town.coordinator, &lie);
		run_s(1);
		CHECK(s->told == 1);
		CHECK(dev_is_as_known(s));
		end(s);
	}
}

TEST(a_restart_amid_a_lie_goes_on_with_the_peer_as_it_was_known)
{
	struct scene *s = begin();
	struct node_machine *laptop = s->town.nodes[LAPTOP].machine;
	char error[NODE_MACHINE_ERROR_LEN];

	tell(s, DAY_LIE_KEY);
	coordinator_machine_crash(s->town.coordinator);
	node_machine_term(laptop);
	CHECK(node_machine_start(laptop, error) == 0);
	CHECK(s->told == 2);
	CHECK(dev_is_as_known(s));
	end(s);
}

TEST(down_and_up_amid_a_lie_goes_on_with_the_peer_as_it_was_known)
{
	struct scene *s = begin();

	tell(s, DAY_LIE_KEY);
	coordinator_machine_crash(s->town.coordinator);
	ask(s, "{\"cmd\":\"down\"}");
	ask(s, "{\"cmd\":\"up\"}");
	CHECK(dev_is_as_known(s));
	end(s);
}

/* What is offered under the name, as `warren trust NAME` shows it and is then told. */
static void trust(struct scene *s, const char *name)
{
	char request[ANSWER_LEN];

	snprintf(request, sizeof(request), "{\"cmd\":\"trust\",\"name\":\"%s\"}", name);
	ask(s, request);
	const char *print = strstr(s->answer, "\"new\":\"SHA256:");
	CHECK(print != NULL);
	snprintf(request, sizeof(request),
		 "{\"cmd\":\"trust\",\"name\":\"%s\",\"fingerprint\":\"%.50s\"}", name,
		 print + strlen("\"new\":\""));
	ask(s, request);
	CHECK(strstr(s->answer, "\"accepted\":true") != NULL);
}

TEST(who_is_trusted_by_the_user_takes_the_known_ones_place)
{
	struct scene *s = begin();

	tell(s, DAY_LIE_KEY);
	trust(s, "dev");
	CHECK(!dev_is_as_known(s));
	end(s);
}

TEST(whose_addresses_the_user_gives_away_goes_on_no_more)
{
	struct scene *s = begin();
	struct node_machine_peer dev;

	tell(s, DAY_LIE_ADDRESS);
	CHECK(find_dev(s, &dev));
	trust(s, liar_double_name);
	CHECK(!find_dev(s, &dev));
	end(s);
}
