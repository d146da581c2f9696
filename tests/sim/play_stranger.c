/* A fifth machine comes to the town with an invitation that is not good, and leaves again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "coordinator/coordinator.h"
#include "tests/sim/coordinator_machine.h"
#include "tests/sim/host.h"
#include "tests/sim/internet.h"
#include "tests/sim/play_inside.h"
#include "tests/sim/watch_stranger.h"

enum {
	SHORT_TTL_S = 1,
	TTL_S = 3600,
	LEG_MS = 10,
	FIRST_ADDRESS = 150,
	STRANGERS_MAX = 100,
	ERROR_LEN = 400
};

/* Times of tokens are whole seconds. */
static const uint64_t until_expired_us = 2 * US_PER_S;

struct play_stranger {
	struct play *play;
	const struct day_event *event;
	struct host *host;
	struct node_machine *machine;
	struct world_event knock;
	char invitation[INVITATION_TEXT_LEN];
	uint64_t ask_id;
	struct watch_stranger watch;
	struct play_stranger *before;
	unsigned number;  /* 0 and on */
	bool was_removed; /* whose invitation it may be, as the stranger came */
};

/* ---- invitations that are not good ---- */

/* A letter of the secret is another. */
static int misspell(char invitation[static INVITATION_TEXT_LEN])
{
	struct invitation inv;
	int err = invitation_parse(invitation, &inv);

	if (err)
		return err;
	char *last = &inv.token[strlen(inv.token) - 1];
	*last = *last == '0' ? '1' : '0';
	return invitation_str(&inv, invitation);
}

/* For a machine of the same owner's and of a new name: let in, it might do most. */
static int invite_guest(struct play *p, const struct day_event *e,
			char out[static INVITATION_TEXT_LEN])
{
	char name[2 * DAY_NAME_LEN], error[COORDINATOR_MACHINE_ERROR_LEN];
	struct coordinator_machine *m = p->town.coordinator;
	uint64_t ttl_s = e->amount == DAY_TOKEN_EXPIRED ? SHORT_TTL_S : TTL_S;
	uint32_t id;

	snprintf(name, sizeof(name), "guest.%s", p->day->nodes[e->who].owner);
	int err = coordinator_machine_invite_for(m, name, "client", ttl_s, &id, out, error);

	if (!err && e->amount == DAY_TOKEN_UNKNOWN)
		err = misspell(out);
	if (!err && e->amount == DAY_TOKEN_REVOKED)
		err = coordinator_machine_revoke_token(m, id, error);
	return err;
}

/* -ENOENT: there is none of the kind now. refusal: what the stranger is to hear. */
static int get_invitation(struct play *p, const struct day_event *e,
			  char out[static INVITATION_TEXT_LEN], const char **refusal)
{
	static const char *const refusals[DAY_TOKENS] = {
		[DAY_TOKEN_UNKNOWN] = "the token is not known here",
		[DAY_TOKEN_EXPIRED] = "the token has expired",
		[DAY_TOKEN_SPENT] = "the token was used by another machine",
		[DAY_TOKEN_REVOKED] = "the token was revoked",
	};
	const char *spent = town_spent_invitation(&p->town, e->who);

	*refusal = refusals[e->amount];
	if (e->amount != DAY_TOKEN_SPENT)
		return invite_guest(p, e, out);
	if (!spent)
		return -ENOENT;
	snprintf(out, INVITATION_TEXT_LEN, "%s", spent);
	if (p->town.nodes[e->who].is_removed)
		*refusal = refusals[DAY_TOKEN_REVOKED];
	return 0;
}

/* ---- what it meets ---- */

/* Was the coordinator there, ever since it was asked? */
static bool was_there(const struct play_stranger *s)
{
	const struct day *d = s->play->day;
	uint64_t now_us = play_now_us(s->play);

	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *e = &d->events[i];

		if (day_word_is_coordinator(e->word) && e->at_us <= now_us &&
		    e->at_us + e->for_us >= s->watch.asked_us)
			return false;
	}
	return true;
}

/* A token that was spent is revoked as the admin removes its node: amid that either word is right.
 */
static bool is_told_apart(const struct play_stranger *s)
{
	return was_there(s) && s->play->town.nodes[s->event->who].is_removed == s->was_removed;
}

static void on_answer(void *arg, struct node_machine *m, uint64_t ask_id, const struct json *line)
{
	struct play_stranger *s = arg;
	struct json_error wrong = {0};
	struct json_in in = json_root(line, &wrong);

	(void)m;
	(void)ask_id;
	if (!json_opt_bool(&in, "done", false))
		return;
	watch_stranger_on_answer(&s->watch, (int)json_opt_i64(&in, "exit", 0, INT8_MAX, 0),
				 json_opt_str(&in, "error", ERROR_LEN, ""), is_told_apart(s),
				 play_now_us(s->play), &s->play->result->verdict);
	play_check(s->play);
}

static void on_inner(void *arg, struct node_machine *m, const uint8_t *packet, size_t len)
{
	struct play_stranger *s = arg;

	(void)m;
	(void)packet;
	(void)len;
	watch_stranger_on_inner(&s->watch, play_now_us(s->play), &s->play->result->verdict);
	play_check(s->play);
}

static const struct node_taps taps = {.on_inner = on_inner, .on_answer = on_answer};

static bool knows(const struct node_machine *m, const struct public_key *key)
{
	struct node_machine_peer peers[DAY_NODES + 1];
	size_t n = node_machine_peers(m, peers, DAY_NODES + 1);

	for (size_t i = 0; i < n; i++)
		if (public_key_equal(&peers[i].key, key))
			return true;
	return false;
}

static void judge(struct play_stranger *s)
{
	const struct coordinator *c = coordinator_machine_core(s->play->town.coordinator);
	struct ip_addr v4 = node_machine_v4(s->machine), v6 = node_machine_v6(s->machine);
	struct watch_stranger_view view = {.member_id = node_machine_member_id(s->machine),
					   .has_address = !ip_is_none(&v4) || !ip_is_none(&v6)};
	struct public_key key;

	if (!node_machine_node_key(s->machine, &key))
		return;
	view.is_registered = c && registry_find_node_key(c->registry, &key);
	for (unsigned i = 0; i < DAY_NODES; i++)
		if (knows(s->play->town.nodes[i].machine, &key))
			view.known_to = s->play->day->nodes[i].name;
	watch_stranger_on_end(&s->watch, &view, was_there(s), play_now_us(s->play),
			      &s->play->result->verdict);
}

/* ---- its life ---- */

static void on_knock(void *arg)
{
	struct play_stranger *s = arg;
	char error[NODE_MACHINE_ERROR_LEN];

	if (node_machine_start(s->machine, error) != 0) {
		verdict_fail(&s->play->result->verdict, play_now_us(s->play), "start",
			     "a stranger: %s", error);
		play_check(s->play);
		return;
	}
	watch_stranger_on_ask(&s->watch, play_now_us(s->play));
	node_machine_join(s->machine, s->invitation);
}

/* In the internet itself, ten milliseconds from everywhere. */
static void settle(struct play_stranger *s)
{
	const uint8_t v4[4] = {203, 0, 113, (uint8_t)(FIRST_ADDRESS + s->number)};
	char name[HOST_NAME_LEN];

	snprintf(name, sizeof(name), "stranger%u", s->number + 1);
	s->host = host_new(name);
	host_plug(s->host, &(struct nic_config){.name = "eth0",
						.realm = internet_realm(),
						.v4 = ip_from_v4(v4),
						.quality.delay_us = LEG_MS * US_PER_MS});
	s->machine = node_machine_new(s->play->town.world,
				      &(struct node_machine_config){.host = s->host,
								    .name = "guest",
								    .role = "client",
								    .taps = &taps,
								    .arg = s});
}

/* DESIGN.md's table: a node that starts cold. */
static uint64_t bound_us(const struct play *p)
{
	uint64_t round_us = 2 * (uint64_t)(LEG_MS + p->day->coordinator_delay_ms) * US_PER_MS;

	return 150 * US_PER_MS + 12 * round_us;
}

void play_intrude(struct play *p, const struct day_event *e)
{
	struct play_stranger *s = calloc(1, sizeof(*s));
	const char *refusal;

	if (!s)
		abort();
	*s = (struct play_stranger){.play = p, .event = e, .before = p->strangers};
	s->number = p->strangers ? p->strangers->number + 1 : 0;
	s->was_removed = p->town.nodes[e->who].is_removed;
	if (s->number == STRANGERS_MAX || get_invitation(p, e, s->invitation, &refusal) != 0) {
		free(s);
		return;
	}
	p->strangers = s;
	settle(s);
	watch_stranger_init(&s->watch, refusal, bound_us(p));
	world_event_init(&s->knock, on_knock, s);
	world_event_set(&s->knock,
			world_now_us() + (e->amount == DAY_TOKEN_EXPIRED ? until_expired_us : 0));
}

void play_intruded(struct play *p, const struct day_event *e)
{
	struct play_stranger *s = p->strangers;

	while (s && s->event != e)
		s = s->before;
	if (!s)
		return;
	world_event_cancel(&s->knock);
	judge(s);
	node_machine_power_cut(s->machine);
}

void play_free_strangers(struct play *p)
{
	while (p->strangers) {
		struct play_stranger *s = p->strangers;

		p->strangers = s->before;
		world_event_cancel(&s->knock);
		node_machine_free(s->machine);
		host_free(s->host);
		free(s);
	}
}
