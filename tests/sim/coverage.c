#include "tests/sim/coverage.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/world.h"

static const struct {
	const char *word;
	const char *states[COVERAGE_STATES_MAX];
} machines[COVERAGE_MACHINES] = {
	[COVERAGE_NODE] = {"node", {"off", "offline", "connecting", "online"}},
	[COVERAGE_PATH] = {"path", {"probing", "up", "suspect", "down"}},
	[COVERAGE_CHOICE] = {"choice",
			     {"none", "relay", "direct", "direct+relay", "relay+direct",
			      "relay+relay"}},
	[COVERAGE_CONTROL] = {"control",
			      {"waiting", "dialling", "upgrading", "greeting", "online",
			       "refused"}},
	[COVERAGE_RELAY] = {"relay",
			    {"down", "dialling", "upgrading", "awaits-key", "awaits-info", "up"}},
	[COVERAGE_GAP] = {"gap", {"closed", "open"}},
	[COVERAGE_KEYS] = {"keys", {"new", "current", "next", "previous", "older", "dropped"}},
	[COVERAGE_INDEX] = {"index", {"free", "reserved", "published"}},
	[COVERAGE_TIMERS] = {"timers",
			     {"quiet", "asking", "complete", "retry", "given-up", "new-handshake",
			      "keep-alive", "keep-again", "wiped"}},
	[COVERAGE_FLOW] = {"flow", {"none", "one-way", "both-ways", "closing"}},
	[COVERAGE_DISCO_KEYS] = {"own-disco", {"one", "both", "one-again"}},
	[COVERAGE_DISCO_BOX] = {"box", {"one-copy", "two-copies", "one-again"}},
	[COVERAGE_TRUST] = {"trust",
			    {"unknown", "used", "key-changed", "address-taken", "serial-lower",
			     "book-full"}},
	[COVERAGE_STUN] = {"stun", {"idle", "asking", "answered", "failed"}},
	[COVERAGE_CLIENT] = {"client", {"none", "login", "asking", "ready", "closed"}},
	[COVERAGE_ADMISSION] = {"admission",
				{"unknown", "admitted", "waits", "unanswered", "refused"}},
	[COVERAGE_NODE_SESSION] = {"session", {"none", "awaits-hello", "joined", "gone"}},
	[COVERAGE_TOKEN] = {"token", {"none", "good", "unknown", "expired", "spent", "revoked"}},
};

void coverage_note(struct coverage *c, enum coverage_machine machine, unsigned from, unsigned to)
{
	c->counts[machine][from][to]++;
}

void coverage_note_here(enum coverage_machine machine, unsigned from, unsigned to)
{
	struct world *world = world_running();
	struct coverage *c = world ? world_part(world, WORLD_WATCHES) : NULL;

	if (c && from != to)
		coverage_note(c, machine, from, to);
}

void coverage_add(struct coverage *to, const struct coverage *from)
{
	for (unsigned m = 0; m < COVERAGE_MACHINES; m++)
		for (unsigned a = 0; a < COVERAGE_STATES_MAX; a++)
			for (unsigned b = 0; b < COVERAGE_STATES_MAX; b++)
				to->counts[m][a][b] += from->counts[m][a][b];
}

static uint64_t entered(const struct coverage *c, unsigned machine, unsigned state)
{
	uint64_t n = 0;

	for (unsigned from = 0; from < COVERAGE_STATES_MAX; from++)
		n += c->counts[machine][from][state];
	return n;
}

static void print_state(const struct coverage *c, unsigned machine, unsigned state, FILE *f)
{
	fprintf(f, "  %-9s %-13s %9" PRIu64 " from", machines[machine].word,
		machines[machine].states[state], entered(c, machine, state));
	for (unsigned from = 0; from < COVERAGE_STATES_MAX; from++)
		if (c->counts[machine][from][state] > 0 && from != state)
			fprintf(f, " %s:%" PRIu64, machines[machine].states[from],
				c->counts[machine][from][state]);
	fputc('\n', f);
}

size_t coverage_print(const struct coverage *c, FILE *f)
{
	size_t missing = 0;

	for (unsigned m = 0; m < COVERAGE_MACHINES; m++)
		for (unsigned s = 0; s < COVERAGE_STATES_MAX && machines[m].states[s]; s++)
			print_state(c, m, s, f);
	for (unsigned m = 0; m < COVERAGE_MACHINES; m++)
		for (unsigned s = 0; s < COVERAGE_STATES_MAX && machines[m].states[s]; s++)
			if (s != 0 && entered(c, m, s) == 0) {
				fprintf(f, "  never entered: %s %s\n", machines[m].word,
					machines[m].states[s]);
				missing++;
			}
	return missing;
}
