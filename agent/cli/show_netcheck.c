#include "agent/cli/show_netcheck.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/human.h"
#include "agent/cli/text_table.h"

enum { TEXT_MAX = 256, REGIONS_MAX = 4096 };

static const char *answer(const struct json_in *obj, const char *key)
{
	if (!json_has(obj, key))
		return "not tested";
	return json_opt_bool(obj, key, false) ? "yes" : "no";
}

/* "UDP over IPv4   yes, seen as 203.0.113.5:41641" */
static void print_family(const struct json_in *doc, const char *label, const char *udp,
			 const char *seen_as, FILE *out)
{
	char seen[TEXT_MAX];

	human_safe(json_opt_str(doc, seen_as, TEXT_MAX - 1, ""), seen, sizeof(seen));
	fprintf(out, "%-16s %s%s%s\n", label, answer(doc, udp), seen[0] ? ", seen as " : "", seen);
}

/* What a mapping of that kind means for whoever wants a direct path. */
static const char *meaning_of(const char *mapping)
{
	static const struct {
		const char *word, *meaning;
	} table[] = {
		{"none", "no NAT: the public address is this machine's own"},
		{"endpoint-independent", "easy: peers can be told where our packets come out"},
		{"address-dependent", "hard: another public endpoint for each peer"},
		{"address-and-port-dependent", "hard: another public endpoint for each peer"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(mapping, table[i].word) == 0)
			return table[i].meaning;
	}
	return "one STUN server answered, or none: it takes two to tell";
}

static void print_nat(const struct json_in *doc, FILE *out)
{
	struct json_in nat = json_find(doc, "nat");
	char mapping[TEXT_MAX], filtering[TEXT_MAX];

	human_safe(json_opt_str(&nat, "mapping", TEXT_MAX - 1, "unknown"), mapping, TEXT_MAX);
	human_safe(json_opt_str(&nat, "filtering", TEXT_MAX - 1, "unknown"), filtering, TEXT_MAX);
	fprintf(out, "%-16s %s (%s)\n", "NAT mapping", mapping, meaning_of(mapping));
	fprintf(out, "%-16s %s\n", "NAT filtering", filtering);
	fprintf(out, "%-16s %s\n", "keeps our port", answer(&nat, "port_preserving"));
	if (json_has(&nat, "hairpin"))
		fprintf(out, "%-16s %s\n", "hairpin", answer(&nat, "hairpin"));
}

static void print_portmap(const struct json_in *doc, FILE *out)
{
	struct json_in p = json_find(doc, "portmap");

	if (json_has(&p, "pcp") || json_has(&p, "nat_pmp") || json_has(&p, "upnp"))
		fprintf(out, "%-16s PCP %s, NAT-PMP %s, UPnP %s\n", "port mapping",
			answer(&p, "pcp"), answer(&p, "nat_pmp"), answer(&p, "upnp"));
	if (json_has(doc, "captive_portal"))
		fprintf(out, "%-16s %s\n", "captive portal", answer(doc, "captive_portal"));
}

static void add_latency(struct text_table *t, const struct json_in *region, const char *key)
{
	double ms = json_opt_f64(region, key, 0, 1e9, -1);
	char text[HUMAN_LEN] = "-";

	if (ms >= 0)
		human_ms(ms, text);
	text_table_add(t, text);
}

static void print_regions(const struct json_in *doc, FILE *out)
{
	struct json_in regions = json_opt_array(doc, "regions", REGIONS_MAX), region = {0};
	uint64_t preferred = json_opt_u64(doc, "preferred_region", 0, JSON_INT_MAX, 0);
	struct text_table *t = text_table_new(5);
	static const char *const heads[] = {"RELAY", "CODE", "UDP", "HTTPS", ""};

	for (size_t i = 0; i < 5; i++)
		text_table_add(t, heads[i]);
	while (json_each(&regions, &region)) {
		uint64_t id = json_opt_u64(&region, "region", 0, JSON_INT_MAX, 0);
		char text[32];

		snprintf(text, sizeof(text), "%" PRIu64, id);
		text_table_add(t, text);
		text_table_add(t, json_opt_str(&region, "code", TEXT_MAX, ""));
		add_latency(t, &region, "udp_ms");
		add_latency(t, &region, "https_ms");
		text_table_add(t, id == preferred ? "home" : "");
	}
	fputc('\n', out);
	if (json_count(&regions))
		text_table_print(t, 0, out);
	else
		fprintf(out, "no relays known\n");
	text_table_free(t);
}

void show_netcheck(const struct json_in *doc, FILE *out)
{
	print_family(doc, "UDP over IPv4", "udp_v4", "public_v4", out);
	print_family(doc, "UDP over IPv6", "udp_v6", "public_v6", out);
	print_nat(doc, out);
	print_portmap(doc, out);
	print_regions(doc, out);
}
