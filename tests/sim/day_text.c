#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/day.h"

enum { WORDS_MAX = 40 };

static const char *const dependences[] = {"endpoint", "address", "port"};
static const char *const port_kinds[] = {"kept", "sequential", "random"};
static const char *const ways[DAY_WAYS] = {"both", "there", "back"};

/* The numbers of a network: by name, left out where they are 0. */
static const struct field {
	const char *word;
	size_t at;
	const char *const *values; /* NULL: a number */
	size_t n_values;
} fields[] = {
	{"public", offsetof(struct day_network, is_public), NULL, 0},
	{"stacked", offsetof(struct day_network, is_stacked), NULL, 0},
	{"no-udp", offsetof(struct day_network, blocks_udp), NULL, 0},
	{"mapping", offsetof(struct day_network, mapping), dependences, 3},
	{"filtering", offsetof(struct day_network, filtering), dependences, 3},
	{"ports", offsetof(struct day_network, ports), port_kinds, 3},
	{"lifetime", offsetof(struct day_network, lifetime_s), NULL, 0},
	{"delay", offsetof(struct day_network, delay_ms), NULL, 0},
	{"jitter", offsetof(struct day_network, jitter_ms), NULL, 0},
	{"loss", offsetof(struct day_network, loss_permille), NULL, 0},
	{"reorder", offsetof(struct day_network, reorder_permille), NULL, 0},
	{"duplicate", offsetof(struct day_network, duplicate_permille), NULL, 0},
	{"bursts", offsetof(struct day_network, burst_every_s), NULL, 0},
	{"mtu", offsetof(struct day_network, mtu_bytes), NULL, 0},
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static unsigned field_get(const struct day_network *n, const struct field *f)
{
	unsigned v;

	memcpy(&v, (const char *)n + f->at, sizeof(v));
	return v;
}

static void field_set(struct day_network *n, const struct field *f, unsigned v)
{
	memcpy((char *)n + f->at, &v, sizeof(v));
}

/* ---- printing ---- */

static void print_time(const char *word, uint64_t us, FILE *f)
{
	fprintf(f, " %s %" PRIu64 ".%03" PRIu64, word, us / US_PER_S, us % US_PER_S / US_PER_MS);
}

void day_print_event(const struct day *d, const struct day_event *e, FILE *f)
{
	unsigned has = day_fields(e->word);

	fprintf(f, "at %" PRIu64 ".%03" PRIu64 " %s", e->at_us / US_PER_S,
		e->at_us % US_PER_S / US_PER_MS, day_word_str(e->word));
	if (has & DAY_HAS_NODE)
		fprintf(f, " %s", d->nodes[e->who].name);
	if (has & DAY_HAS_RELAY)
		fprintf(f, " relay%u", e->who + 1);
	if (has & DAY_HAS_WHOM)
		fprintf(f, " %s", d->nodes[e->whom].name);
	if (has & DAY_HAS_WAY)
		fprintf(f, " %s", ways[e->way]);
	if (has & DAY_HAS_AMOUNT)
		fprintf(f, " %u", e->amount);
	if (has & DAY_HAS_KIND)
		fprintf(f, " %s", day_kind_str(e->word, e->amount));
	if (has & DAY_HAS_FOR)
		print_time("for", e->for_us, f);
	if (e->is_v6)
		fprintf(f, " v6");
	fputc('\n', f);
}

static void print_network(const char *where, const struct day_node *node,
			  const struct day_network *n, FILE *f)
{
	fprintf(f, "%s %s", where, node->name);
	for (size_t i = 0; i < FIELDS; i++) {
		unsigned v = field_get(n, &fields[i]);

		if (fields[i].values)
			fprintf(f, " %s %s", fields[i].word, fields[i].values[v]);
		else if (v != 0)
			fprintf(f, " %s %u", fields[i].word, v);
	}
	fputc('\n', f);
}

void day_print(const struct day *d, FILE *f)
{
	fprintf(f, "seed %" PRIu64 "\nend %" PRIu64 ".%03" PRIu64 "\n", d->seed,
		d->end_us / US_PER_S, d->end_us % US_PER_S / US_PER_MS);
	fprintf(f, "servers coordinator %u relay1 %u relay2 %u\n", d->coordinator_delay_ms,
		d->delay_ms[0], d->delay_ms[1]);
	for (unsigned i = 0; i < DAY_RELAYS; i++)
		if (d->is_plain[i])
			fprintf(f, "plain relay%u\n", i + 1);
	for (unsigned i = 0; i < DAY_NODES; i++) {
		const struct day_node *n = &d->nodes[i];

		fprintf(f, "node %s %s %s\n", n->name, n->owner, n->is_client ? "client" : "agent");
		print_network("home", n, &n->home, f);
		print_network("away", n, &n->away, f);
	}
	for (unsigned i = 0; i < DAY_NODES; i++)
		if (d->nodes[i].lives_with)
			fprintf(f, "together %s %s\n", d->nodes[d->nodes[i].lives_with - 1].name,
				d->nodes[i].name);
	for (size_t i = 0; i < d->n_events; i++)
		day_print_event(d, &d->events[i], f);
}

/* ---- reading ---- */

struct line {
	char *words[WORDS_MAX];
	size_t n, at;
	bool failed;
};

static const char *next_word(struct line *l)
{
	if (l->at < l->n)
		return l->words[l->at++];
	l->failed = true;
	return "";
}

static unsigned next_number(struct line *l)
{
	const char *word = next_word(l);
	char *end;
	unsigned long v = strtoul(word, &end, 10);

	if (end == word || *end != '\0' || v > 1000 * 1000 * 1000)
		l->failed = true;
	return (unsigned)v;
}

static uint64_t next_time(struct line *l)
{
	const char *word = next_word(l);
	unsigned s = 0, ms = 0;
	int end = 0;

	if (sscanf(word, "%9u.%3u%n", &s, &ms, &end) != 2 || word[end] != '\0' ||
	    strlen(strchr(word, '.')) != 4)
		l->failed = true;
	return (uint64_t)s * US_PER_S + ms * US_PER_MS;
}

static unsigned next_of(struct line *l, const char *const *values, size_t n)
{
	const char *word = next_word(l);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(word, values[i]) == 0)
			return i;
	l->failed = true;
	return 0;
}

static unsigned next_node(struct line *l, const struct day *d)
{
	const char *word = next_word(l);

	for (unsigned i = 0; i < DAY_NODES; i++)
		if (strcmp(word, d->nodes[i].name) == 0)
			return i;
	l->failed = true;
	return 0;
}

static unsigned next_relay(struct line *l)
{
	const char *const names[DAY_RELAYS] = {"relay1", "relay2"};

	return next_of(l, names, DAY_RELAYS);
}

static enum day_word next_event_word(struct line *l)
{
	const char *word = next_word(l);

	for (enum day_word w = 0; w < DAY_WORDS; w++)
		if (strcmp(word, day_word_str(w)) == 0)
			return w;
	l->failed = true;
	return DAY_JOIN;
}

static unsigned next_kind(struct line *l, enum day_word word)
{
	const char *kind, *text = next_word(l);

	for (unsigned i = 0; (kind = day_kind_str(word, i)) != NULL; i++)
		if (strcmp(text, kind) == 0)
			return i;
	l->failed = true;
	return 0;
}

static void next_expected(struct line *l, const char *expected)
{
	if (strcmp(next_word(l), expected) != 0)
		l->failed = true;
}

static void parse_event(struct day *d, struct line *l)
{
	struct day_event e = {.at_us = next_time(l), .word = next_event_word(l)};
	unsigned has = day_fields(e.word);

	if (has & DAY_HAS_NODE)
		e.who = next_node(l, d);
	if (has & DAY_HAS_RELAY)
		e.who = next_relay(l);
	if (has & DAY_HAS_WHOM)
		e.whom = next_node(l, d);
	if (has & DAY_HAS_WAY)
		e.way = next_of(l, ways, DAY_WAYS);
	if (has & DAY_HAS_AMOUNT)
		e.amount = next_number(l);
	if (has & DAY_HAS_KIND)
		e.amount = next_kind(l, e.word);
	if (has & DAY_HAS_FOR) {
		next_expected(l, "for");
		e.for_us = next_time(l);
	}
	if (day_word_is_traffic(e.word) && l->at < l->n) {
		next_expected(l, "v6");
		e.is_v6 = 1;
	}
	if (!l->failed && !day_add(d, &e))
		l->failed = true;
}

static void parse_network(struct line *l, struct day_network *n)
{
	while (l->at < l->n && !l->failed) {
		const char *word = next_word(l);
		const struct field *f = fields;

		while (f < fields + FIELDS && strcmp(f->word, word) != 0)
			f++;
		if (f == fields + FIELDS)
			l->failed = true;
		else if (f->values)
			field_set(n, f, next_of(l, f->values, f->n_values));
		else
			field_set(n, f, next_number(l));
	}
}

static void parse_node(struct day *d, struct line *l, unsigned *n_nodes)
{
	static const char *const roles[] = {"agent", "client"};

	if (*n_nodes == DAY_NODES) {
		l->failed = true;
		return;
	}
	struct day_node *n = &d->nodes[(*n_nodes)++];

	snprintf(n->name, sizeof(n->name), "%s", next_word(l));
	snprintf(n->owner, sizeof(n->owner), "%s", next_word(l));
	n->is_client = next_of(l, roles, 2);
}

static void parse_servers(struct day *d, struct line *l)
{
	next_expected(l, "coordinator");
	d->coordinator_delay_ms = next_number(l);
	next_expected(l, "relay1");
	d->delay_ms[0] = next_number(l);
	next_expected(l, "relay2");
	d->delay_ms[1] = next_number(l);
}

static void parse_together(struct day *d, struct line *l)
{
	unsigned host = next_node(l, d), guest = next_node(l, d);

	if (host >= guest || d->nodes[host].lives_with || d->nodes[host].home.is_public)
		l->failed = true;
	else
		d->nodes[guest].lives_with = host + 1;
}

static void parse_line(struct day *d, struct line *l, unsigned *n_nodes)
{
	const char *word = next_word(l);

	if (strcmp(word, "seed") == 0)
		d->seed = strtoull(next_word(l), NULL, 10);
	else if (strcmp(word, "end") == 0)
		d->end_us = next_time(l);
	else if (strcmp(word, "servers") == 0)
		parse_servers(d, l);
	else if (strcmp(word, "plain") == 0)
		d->is_plain[next_relay(l)] = 1;
	else if (strcmp(word, "node") == 0)
		parse_node(d, l, n_nodes);
	else if (strcmp(word, "together") == 0)
		parse_together(d, l);
	else if (strcmp(word, "home") == 0)
		parse_network(l, &d->nodes[next_node(l, d)].home);
	else if (strcmp(word, "away") == 0)
		parse_network(l, &d->nodes[next_node(l, d)].away);
	else if (strcmp(word, "at") == 0)
		parse_event(d, l);
	else
		l->failed = true;
	if (l->at != l->n)
		l->failed = true;
}

int day_parse(struct day *d, const char *text, char error[static DAY_ERROR_LEN])
{
	char *copy = strdup(text), *rest = NULL;
	unsigned n_nodes = 0;
	int err = 0;

	*d = (struct day){.seed = 1};
	for (char *s = strtok_r(copy, "\n", &rest); s && !err; s = strtok_r(NULL, "\n", &rest)) {
		struct line l = {0};
		char shown[DAY_ERROR_LEN - 32], *word_rest = NULL;

		snprintf(shown, sizeof(shown), "%s", s);
		for (char *w = strtok_r(s, " \t\r", &word_rest); w && l.n < WORDS_MAX;
		     w = strtok_r(NULL, " \t\r", &word_rest))
			l.words[l.n++] = w;
		if (l.n == 0 || l.words[0][0] == '#')
			continue;
		parse_line(d, &l, &n_nodes);
		if (l.failed) {
			snprintf(error, DAY_ERROR_LEN, "not understood: %s", shown);
			err = -EBADMSG;
		}
	}
	if (!err && n_nodes != DAY_NODES) {
		snprintf(error, DAY_ERROR_LEN, "%u nodes instead of %u", n_nodes, DAY_NODES);
		err = -EBADMSG;
	}
	free(copy);
	return err;
}
