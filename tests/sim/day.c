#include "tests/sim/day.h"

#include <string.h>

static const struct {
	const char *word;
	unsigned fields;
} words[DAY_WORDS] = {
	[DAY_JOIN] = {"join", DAY_HAS_NODE},
	[DAY_TYPE] = {"type", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_BULK] = {"bulk", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_TRESPASS] = {"trespass", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_FOR},
	[DAY_CUT] = {"cut", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_WAY | DAY_HAS_FOR},
	[DAY_BLOCK] = {"block", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_DARK] = {"dark", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_REBIND] = {"rebind", DAY_HAS_NODE},
	[DAY_MOVE] = {"move", DAY_HAS_NODE},
	[DAY_SLEEP] = {"sleep", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_RESTART] = {"restart", DAY_HAS_NODE},
	[DAY_CRASH] = {"crash", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_DOWN] = {"down", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_POWER] = {"power", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_TORN] = {"torn", DAY_HAS_NODE | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_REVOKE] = {"revoke", DAY_HAS_NODE},
	[DAY_FORBID] = {"forbid", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_CLOCK] = {"clock", DAY_HAS_NODE | DAY_HAS_WAY | DAY_HAS_AMOUNT},
	[DAY_FULL] = {"full", DAY_HAS_NODE | DAY_HAS_FOR},
	[DAY_WORSE] = {"worse", DAY_HAS_NODE | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_LOSSY] = {"lossy", DAY_HAS_NODE | DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_RELAY_CRASH] = {"relay-crash", DAY_HAS_RELAY | DAY_HAS_FOR},
	[DAY_RELAY_POWER] = {"relay-power", DAY_HAS_RELAY | DAY_HAS_FOR},
	[DAY_RELAY_DRAIN] = {"relay-drain", DAY_HAS_RELAY | DAY_HAS_FOR},
	[DAY_COORDINATOR] = {"coordinator-crash", DAY_HAS_FOR},
	[DAY_COORDINATOR_TERM] = {"coordinator-term", DAY_HAS_FOR},
	[DAY_COORDINATOR_TORN] = {"coordinator-torn", DAY_HAS_AMOUNT | DAY_HAS_FOR},
	[DAY_INTRUDE] = {"intrude", DAY_HAS_NODE | DAY_HAS_KIND | DAY_HAS_FOR},
	[DAY_LIE] = {"lie", DAY_HAS_NODE | DAY_HAS_WHOM | DAY_HAS_KIND | DAY_HAS_FOR},
};

enum { KINDS_MAX = 4 };

static const char *const kinds[DAY_WORDS][KINDS_MAX] = {
	[DAY_INTRUDE] = {"unknown", "expired", "spent", "revoked"},
	[DAY_LIE] = {"key", "address", "serial"},
};

unsigned day_fields(enum day_word word)
{
	return words[word].fields;
}

const char *day_word_str(enum day_word word)
{
	return words[word].word;
}

const char *day_kind_str(enum day_word word, unsigned kind)
{
	return kind < KINDS_MAX ? kinds[word][kind] : NULL;
}

bool day_word_is_traffic(enum day_word word)
{
	return word == DAY_TYPE || word == DAY_BULK || word == DAY_TRESPASS;
}

bool day_word_is_coordinator(enum day_word word)
{
	return word == DAY_COORDINATOR || word == DAY_COORDINATOR_TERM ||
	       word == DAY_COORDINATOR_TORN;
}

bool day_word_is_unfelt(enum day_word word)
{
	return word == DAY_INTRUDE || word == DAY_LIE;
}

bool day_add(struct day *d, const struct day_event *e)
{
	size_t i = d->n_events;

	if (i == DAY_EVENTS_MAX)
		return false;
	for (; i > 0 && d->events[i - 1].at_us > e->at_us; i--)
		d->events[i] = d->events[i - 1];
	d->events[i] = *e;
	d->n_events++;
	return true;
}

void day_without(const struct day *d, const bool out[static DAY_EVENTS_MAX], struct day *result)
{
	size_t n = 0;

	*result = *d;
	for (size_t i = 0; i < d->n_events; i++)
		if (!out[i])
			result->events[n++] = d->events[i];
	result->n_events = n;
}

bool day_may(const struct day *d, unsigned from, unsigned to)
{
	const struct day_node *a = &d->nodes[from], *b = &d->nodes[to];

	return a->is_client && !b->is_client && strcmp(a->owner, b->owner) == 0;
}

static unsigned host_of(const struct day *d, unsigned node)
{
	return d->nodes[node].lives_with ? d->nodes[node].lives_with - 1 : node;
}

bool day_share_home(const struct day *d, unsigned a, unsigned b)
{
	return host_of(d, a) == host_of(d, b);
}
