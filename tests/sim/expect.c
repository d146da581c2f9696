#include "tests/sim/expect.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"

static const uint64_t warm_us = 180 * US_PER_S;
static const uint64_t idle_ask_us = 25 * US_PER_S, redial_us = 65 * US_PER_S;
static const uint64_t loss_us = 2 * US_PER_S;

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- round trips ---- */

static uint64_t crossing_us(const struct day_network *n)
{
	return (uint64_t)(n->delay_ms + n->jitter_ms) * US_PER_MS;
}

/* The slowest that the node's link ever gets. */
static uint64_t leg_us(const struct day *d, unsigned node)
{
	uint64_t worse = 0;

	for (size_t i = 0; i < d->n_events; i++)
		if (d->events[i].word == DAY_WORSE && d->events[i].who == node)
			worse = max_u64(worse, (uint64_t)d->events[i].amount * US_PER_MS);
	return max_u64(crossing_us(&d->nodes[node].home), crossing_us(&d->nodes[node].away)) +
	       worse;
}

static bool loses(const struct day *d, unsigned node)
{
	const struct day_network *n[2] = {&d->nodes[node].home, &d->nodes[node].away};

	for (unsigned i = 0; i < 2; i++)
		if (n[i]->loss_permille || n[i]->burst_every_s || n[i]->reorder_permille)
			return true;
	for (size_t i = 0; i < d->n_events; i++)
		if (d->events[i].word == DAY_LOSSY && d->events[i].who == node)
			return true;
	return false;
}

static void fill_round_trips(struct expect *e, const struct day *d, unsigned a, unsigned b)
{
	uint64_t relay_leg =
		(uint64_t)(d->delay_ms[0] > d->delay_ms[1] ? d->delay_ms[0] : d->delay_ms[1]) *
		US_PER_MS;
	uint64_t coordinator_leg = (uint64_t)d->coordinator_delay_ms * US_PER_MS;
	uint64_t leg_a = leg_us(d, a), leg_b = leg_us(d, b);

	e->direct_us = 2 * (leg_a + leg_b);
	e->relay_us = e->direct_us + 4 * relay_leg;
	e->server_us = 2 * (max_u64(leg_a, leg_b) + max_u64(relay_leg, coordinator_leg));
	e->stall_us = 300 * US_PER_MS + e->relay_us;
	e->loss_us = loses(d, a) || loses(d, b) ? loss_us + 4 * e->relay_us : 0;
}

/* ---- links that lose much ---- */

/* Which part of all packets passes the node's link, where it loses most from since_us to until_us.
 */
static double passes(const struct day *d, unsigned node, uint64_t since_us, uint64_t until_us)
{
	const struct day_network *home = &d->nodes[node].home, *away = &d->nodes[node].away;
	uint64_t steady = max_u64(home->loss_permille, away->loss_permille), most = 0;

	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *e = &d->events[i];

		if (e->word == DAY_LOSSY && e->who == node && e->at_us <= until_us &&
		    e->at_us + e->for_us >= since_us)
			most = max_u64(most, e->amount);
	}
	return (1 - (double)steady / 1000) * (1 - (double)most / 1000);
}

double expect_lost(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	return 1 -
	       passes(e->day, e->a, since_us, until_us) * passes(e->day, e->b, since_us, until_us);
}

static bool is_relay_event(const struct day_event *event)
{
	return (day_fields(event->word) & DAY_HAS_RELAY) != 0;
}

static bool is_a_relay_away(const struct day *d, uint64_t since_us, uint64_t until_us)
{
	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *e = &d->events[i];

		if (is_relay_event(e) && e->at_us <= until_us && e->at_us + e->for_us >= since_us)
			return true;
	}
	return false;
}

/* What is lost is sent again after 0.3, 0.6 and 1.2 s: loss_us is three losses in a row, at one in
 * ten. At a loss of p as rare are n = 3 ln 0.1 / ln p in a row, which take 0.3 (2^n - 1) s. Two
 * relays carry what one relay's TCP holds; one alone meets four such losses about as often. */
static uint64_t heavy_loss_us(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	double p = expect_lost(e, since_us, until_us);
	double rows = is_a_relay_away(e->day, since_us, until_us) ? 4 : 3;

	if (p <= 0)
		return 0;
	double times = (exp2(rows * log(0.1) / log(p)) - 1) / (exp2(3) - 1);
	return times > 1 ? (uint64_t)((times - 1) * (double)loss_us) : 0;
}

/* ---- can a packet get straight through? ---- */

/* Does what `from` sends reach `to`, who sends too and knows from's mapping as STUN saw it? */
static bool gets_in(const struct day_network *from, const struct day_network *to)
{
	if (to->is_public)
		return true;
	if (to->mapping != NAT_ENDPOINT_INDEPENDENT)
		return false; /* nobody knows where to send */
	if (from->is_public || from->mapping == NAT_ENDPOINT_INDEPENDENT)
		return true;
	return to->filtering != NAT_ADDRESS_AND_PORT_DEPENDENT;
}

static bool are_open(const struct day_network *a, const struct day_network *b)
{
	return !a->blocks_udp && !b->blocks_udp && (gets_in(a, b) || gets_in(b, a));
}

static bool never_moves(const struct day *d, unsigned node)
{
	for (size_t i = 0; i < d->n_events; i++)
		if (d->events[i].word == DAY_MOVE && d->events[i].who == node)
			return false;
	return true;
}

static bool can_be_direct(const struct day *d, unsigned who, unsigned whom)
{
	const struct day_node *a = &d->nodes[who], *b = &d->nodes[whom];

	if (day_share_home(d, who, whom) && never_moves(d, who) && never_moves(d, whom))
		return true; /* whatever their NAT is */
	return are_open(&a->home, &b->home) && are_open(&a->away, &b->home) &&
	       are_open(&a->home, &b->away) && are_open(&a->away, &b->away);
}

/* ---- edges ---- */

static void add_edge(struct expect *e, const struct day_event *event, uint64_t at_us,
		     uint64_t allow_us)
{
	if (e->n_edges < EXPECT_EDGES_MAX)
		e->edges[e->n_edges++] = (struct expect_edge){at_us, allow_us, event};
}

static void add_apart(struct expect *e, uint64_t from_us, uint64_t until_us)
{
	size_t i = e->n_apart;

	if (i == DAY_EVENTS_MAX)
		return;
	for (; i > 0 && e->apart[i - 1].from_us > from_us; i--)
		e->apart[i] = e->apart[i - 1];
	e->apart[i] = (struct expect_span){from_us, until_us};
	e->n_apart++;
}

/* Apart while it lasts, and back within allow_us of its end. */
static void add_absence(struct expect *e, const struct day_event *event, uint64_t allow_us)
{
	add_apart(e, event->at_us, event->at_us + event->for_us);
	add_edge(e, event, event->at_us + event->for_us, allow_us);
}

static void on_node_event(struct expect *e, const struct day_event *event)
{
	uint64_t ends_us = event->at_us + event->for_us;
	uint64_t slow_us = max_u64(e->relay_us, e->server_us);

	switch (event->word) {
	case DAY_JOIN:
		add_edge(e, event, event->at_us, US_PER_S + 14 * e->server_us);
		break;
	case DAY_BLOCK:
		add_edge(e, event, event->at_us, US_PER_S + 4 * e->direct_us + e->relay_us);
		add_edge(e, event, ends_us, e->stall_us);
		break;
	case DAY_DARK:
		add_absence(e, event, 2 * US_PER_S + 4 * slow_us + event->for_us);
		break;
	case DAY_REBIND:
		add_edge(e, event, event->at_us, 1500 * US_PER_MS + 4 * e->direct_us + e->relay_us);
		break;
	case DAY_MOVE:
		add_edge(e, event, event->at_us, 2 * US_PER_S + 8 * slow_us);
		break;
	case DAY_SLEEP:
		add_absence(e, event, US_PER_S + 8 * slow_us);
		break;
	case DAY_RESTART:
		add_edge(e, event, event->at_us, 300 * US_PER_MS + 2 * e->direct_us + 6 * slow_us);
		break;
	case DAY_DOWN:
	case DAY_CRASH:
	case DAY_POWER:
	case DAY_TORN:
		add_absence(e, event, US_PER_S + 8 * slow_us);
		break;
	case DAY_WORSE:
	case DAY_LOSSY:
		add_edge(e, event, event->at_us, e->stall_us);
		add_edge(e, event, ends_us, e->stall_us);
		break;
	case DAY_CLOCK:
	case DAY_FULL:
	case DAY_REVOKE:
	case DAY_FORBID:
	case DAY_CUT:
	case DAY_TYPE:
	case DAY_BULK:
	case DAY_TRESPASS:
	case DAY_RELAY_CRASH:
	case DAY_RELAY_POWER:
	case DAY_RELAY_DRAIN:
	case DAY_COORDINATOR:
	case DAY_COORDINATOR_TERM:
	case DAY_COORDINATOR_TORN:
	case DAY_INTRUDE:
	case DAY_LIE:
	case DAY_WORDS:
		break;
	}
}

static void on_relay_event(struct expect *e, const struct day_event *event)
{
	uint64_t allow_us = e->stall_us + 300 * US_PER_MS + 4 * e->relay_us;

	add_edge(e, event, event->at_us, allow_us);
	if (event->word == DAY_RELAY_POWER) /* nobody is told: until TCP and relay fall silent */
		add_edge(e, event, event->at_us, 3 * US_PER_S);
	add_edge(e, event, event->at_us + event->for_us, e->stall_us);
}

static void on_cut(struct expect *e, const struct day_event *event)
{
	add_edge(e, event, event->at_us, US_PER_S + 4 * e->direct_us + e->relay_us);
	add_edge(e, event, event->at_us + event->for_us, e->stall_us);
}

static void on_pair_event(struct expect *e, const struct day_event *event)
{
	if (event->word == DAY_CUT)
		on_cut(e, event);
	else /* as strangers, and then as if the second had just joined */
		add_absence(e, event, US_PER_S + 14 * e->server_us);
}

/* Until it joins for the first time, and from its removal until it joins again. */
static void add_strangeness(struct expect *e, const struct day *d, unsigned node)
{
	uint64_t since_us = 0;
	bool is_member = false;

	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *event = &d->events[i];

		if (event->who != node || (event->word != DAY_JOIN && event->word != DAY_REVOKE))
			continue;
		if (event->word == DAY_JOIN && !is_member)
			add_apart(e, since_us, event->at_us);
		else if (event->word == DAY_REVOKE && is_member)
			since_us = event->at_us;
		is_member = event->word == DAY_JOIN;
	}
	if (!is_member)
		add_apart(e, since_us, d->end_us);
}

/* No relay at all: the two may be apart, and come back once one is there again. */
static void add_relayless(struct expect *e, const struct day *d)
{
	for (size_t i = 0; i < d->n_events; i++)
		for (size_t j = 0; j < d->n_events; j++) {
			const struct day_event *a = &d->events[i], *b = &d->events[j];

			if (!is_relay_event(a) || !is_relay_event(b) || a->who != 0 || b->who != 1)
				continue;
			uint64_t from = max_u64(a->at_us, b->at_us);
			uint64_t a_end = a->at_us + a->for_us, b_end = b->at_us + b->for_us;
			uint64_t until = a_end < b_end ? a_end : b_end;

			if (from >= until)
				continue;
			add_apart(e, from, until);
			add_edge(e, a, until, 15 * US_PER_S);
		}
}

static uint64_t apart_us(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	uint64_t sum = 0, counted_us = since_us;

	for (size_t i = 0; i < e->n_apart; i++) {
		uint64_t from = max_u64(e->apart[i].from_us, counted_us);
		uint64_t until = e->apart[i].until_us < until_us ? e->apart[i].until_us : until_us;

		if (from >= until)
			continue;
		sum += until - from;
		counted_us = until;
	}
	return sum;
}

/* What happens to a NAT happens to all behind it. */
static bool meets(const struct day *d, const struct day_event *event, unsigned node)
{
	bool is_of_nat = event->word == DAY_BLOCK || event->word == DAY_REBIND;

	return event->who == node || (is_of_nat && day_share_home(d, event->who, node));
}

static bool talks(const struct day *d, unsigned node, uint64_t at_us)
{
	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *event = &d->events[i];

		if (day_word_is_traffic(event->word) &&
		    (event->who == node || event->whom == node) && event->at_us <= at_us &&
		    at_us < event->at_us + event->for_us)
			return true;
	}
	return false;
}

/* Has one of the two come back so lately that the other may not have heard of it? */
static bool is_just_back(const struct expect *e, uint64_t at_us)
{
	for (size_t i = 0; i < e->n_edges; i++) {
		const struct expect_edge *edge = &e->edges[i];
		enum day_word word = edge->event->word;
		bool is_return = word == DAY_JOIN || word == DAY_RESTART || word == DAY_DOWN ||
				 word == DAY_CRASH || word == DAY_POWER || word == DAY_TORN ||
				 word == DAY_SLEEP || word == DAY_DARK;

		if (is_return && edge->at_us <= at_us && at_us <= edge->at_us + edge->allow_us)
			return true;
	}
	return false;
}

/* Nobody talks with a node while its NAT forgets it: it has no cause to look, and finds its servers
 * gone when it asks them next, each 25 s. */
static void forgive_idle_rebinds(struct expect *e, const struct day *d, unsigned a, unsigned b)
{
	for (size_t i = 0; i < e->n_edges; i++) {
		struct expect_edge *edge = &e->edges[i];
		bool is_idle = (meets(d, edge->event, a) && !talks(d, a, edge->at_us)) ||
			       (meets(d, edge->event, b) && !talks(d, b, edge->at_us)) ||
			       is_just_back(e, edge->at_us);

		if (edge->event->word == DAY_REBIND &&
		    (is_idle || apart_us(e, edge->at_us, edge->at_us + idle_ask_us) > 0))
			edge->allow_us += idle_ask_us + 5 * US_PER_S;
	}
}

/* After the coordinator was gone, nodes dial it with longer and longer waits between: until then
 * nobody hears of who joins. */
static void forgive_news(struct expect *e, const struct day *d)
{
	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *event = &d->events[i];
		uint64_t heard_us = event->at_us + event->for_us + redial_us;

		if (!day_word_is_coordinator(event->word))
			continue;
		for (size_t j = 0; j < e->n_edges; j++) {
			struct expect_edge *edge = &e->edges[j];

			if (edge->event->word == DAY_JOIN && edge->at_us > event->at_us &&
			    edge->at_us < heard_us)
				edge->allow_us += heard_us - edge->at_us;
		}
	}
}

static bool is_between(const struct day *d, const struct day_event *event, unsigned a, unsigned b)
{
	unsigned who = event->who, whom = event->whom;

	if (event->word != DAY_CUT)
		return (who == a && whom == b) || (who == b && whom == a);
	return (day_share_home(d, who, a) && day_share_home(d, whom, b)) ||
	       (day_share_home(d, who, b) && day_share_home(d, whom, a));
}

void expect_init(struct expect *e, const struct day *d, unsigned a, unsigned b)
{
	*e = (struct expect){.day = d, .a = a, .b = b, .can_be_direct = can_be_direct(d, a, b)};
	fill_round_trips(e, d, a, b);
	for (size_t i = 0; i < d->n_events; i++) {
		const struct day_event *event = &d->events[i];
		unsigned has = day_fields(event->word);

		if (day_word_is_traffic(event->word) || day_word_is_unfelt(event->word))
			continue;
		if (has & DAY_HAS_WHOM) {
			if (is_between(d, event, a, b))
				on_pair_event(e, event);
		} else if (has & DAY_HAS_RELAY) {
			on_relay_event(e, event);
		} else if ((has & DAY_HAS_NODE) && (meets(d, event, a) || meets(d, event, b))) {
			on_node_event(e, event);
		}
	}
	add_strangeness(e, d, a);
	add_strangeness(e, d, b);
	add_relayless(e, d);
	forgive_idle_rebinds(e, d, a, b);
	forgive_news(e, d);
}

/* ---- questions ---- */

uint64_t expect_pause_us(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	uint64_t sum = e->stall_us + e->loss_us;
	uint64_t excused_us = 0;

	for (size_t i = 0; i < e->n_edges; i++) {
		const struct expect_edge *edge = &e->edges[i];

		if (edge->at_us <= until_us && edge->at_us + edge->allow_us >= since_us)
			excused_us += edge->allow_us;
	}
	if (excused_us > 0)
		sum = e->loss_us + max_u64(excused_us, e->stall_us);
	return sum + heavy_loss_us(e, since_us, until_us) + apart_us(e, since_us, until_us);
}

bool expect_is_calm(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	for (size_t i = 0; i < e->n_edges; i++)
		if (e->edges[i].at_us <= until_us &&
		    e->edges[i].at_us + e->edges[i].allow_us >= since_us)
			return false;
	return !expect_is_apart(e, since_us, until_us);
}

bool expect_is_worse(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	for (size_t i = 0; i < e->n_edges; i++) {
		enum day_word word = e->edges[i].event->word;

		if ((word == DAY_WORSE || word == DAY_LOSSY) && e->edges[i].at_us >= since_us &&
		    e->edges[i].at_us <= until_us)
			return true;
	}
	return false;
}

/* Nobody looks for another direct way while nobody talks; but a process that starts shakes hands by
 * the last one with whom its predecessor had keys, of three minutes at most. A power cut takes what
 * it knows of that. */
static bool ends_way(const struct day_event *event, uint64_t talked_us)
{
	if (event->word == DAY_WORSE || event->word == DAY_LOSSY || is_relay_event(event))
		return false;
	bool is_warm = event->at_us + event->for_us <= talked_us + warm_us;

	return !is_warm || (event->word != DAY_RESTART && event->word != DAY_CRASH);
}

bool expect_keeps_way(const struct expect *e, uint64_t talked_us, uint64_t until_us)
{
	for (size_t i = 0; i < e->n_edges; i++) {
		const struct expect_edge *edge = &e->edges[i];

		if (edge->at_us <= until_us && edge->at_us + edge->allow_us >= talked_us &&
		    ends_way(edge->event, talked_us))
			return false;
	}
	return talked_us > 0;
}

bool expect_is_apart(const struct expect *e, uint64_t since_us, uint64_t until_us)
{
	return apart_us(e, since_us, until_us) > 0;
}
