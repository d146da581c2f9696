#include "agent/cli/show_status.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/human.h"
#include "agent/cli/text_table.h"

enum { TEXT_MAX = 512, SAFE_LEN = 513, PEERS_MAX = 1 << 20, CELL_LEN = 600 };

/* A string of the document made safe for a terminal; "" where there is none. */
static const char *safe_str(const struct json_in *obj, const char *key, char out[static SAFE_LEN])
{
	human_safe(json_opt_str(obj, key, TEXT_MAX, ""), out, SAFE_LEN);
	return out;
}

/* "3 min" since the time in the field; "" where there is none. */
static const char *age(const struct json_in *obj, const char *key, uint64_t now_unix_us,
		       char out[static HUMAN_LEN])
{
	uint64_t then_us;

	out[0] = '\0';
	if (human_time_parse(json_opt_str(obj, key, 64, ""), &then_us) == 0)
		human_duration(now_unix_us > then_us ? now_unix_us - then_us : 0, out);
	return out;
}

/* ---- ourselves ---- */

static void print_addresses(const struct json_in *self, FILE *out)
{
	struct json_in list = json_opt_array(self, "addresses", 16), item = {0};
	char text[SAFE_LEN];

	fprintf(out, "  addresses    ");
	for (bool first = true; json_each(&list, &item); first = false) {
		human_safe(json_as_str(&item, TEXT_MAX), text, sizeof(text));
		fprintf(out, "%s%s", first ? "" : ", ", text);
	}
	fprintf(out, "%s\n", json_count(&list) ? "" : "none yet");
}

static void print_coordinator(const struct json_in *doc, uint64_t now_unix_us, FILE *out)
{
	struct json_in c = json_find(doc, "coordinator");
	char url[SAFE_LEN], error[SAFE_LEN], since[HUMAN_LEN];

	safe_str(&c, "url", url);
	safe_str(&c, "last_error", error);
	age(&c, "since", now_unix_us, since);
	if (!url[0]) {
		fprintf(out, "  coordinator  none: join a mesh with `warren up INVITATION`\n");
		return;
	}
	fprintf(out, "  coordinator  %s, %s", url,
		json_opt_bool(&c, "connected", false) ? "connected" : "not connected");
	fprintf(out, since[0] ? " for %s" : "%s", since);
	if (error[0])
		fprintf(out, " (%s)", error);
	fputc('\n', out);
}

static void print_relay(const struct json_in *relay, FILE *out)
{
	double rtt_ms = json_opt_f64(relay, "rtt_ms", 0, 1e9, -1);
	bool connected = json_opt_bool(relay, "connected", false);
	char code[SAFE_LEN], error[SAFE_LEN], rtt[HUMAN_LEN] = "not measured";

	safe_str(relay, "code", code);
	safe_str(relay, "last_error", error);
	if (rtt_ms >= 0)
		human_ms(rtt_ms, rtt);
	fprintf(out, "  %-11s  %" PRIu64 "%s%s%s, %s, %s",
		json_opt_bool(relay, "home", false) ? "home relay" : "relay",
		json_opt_u64(relay, "region", 0, JSON_INT_MAX, 0), code[0] ? " (" : "", code,
		code[0] ? ")" : "", connected ? "connected" : "not connected", rtt);
	fprintf(out, error[0] ? " (%s)\n" : "%s\n", error);
}

static void print_self(const struct json_in *doc, uint64_t now_unix_us, FILE *out)
{
	struct json_in self = json_find(doc, "self");
	struct json_in relays = json_opt_array(doc, "relays", 4096), relay = {0};
	char name[SAFE_LEN], state[SAFE_LEN], role[SAFE_LEN], warning[SAFE_LEN];

	safe_str(&self, "name", name);
	fprintf(out, "%s is %s (%s)\n", name[0] ? name : "this node", safe_str(doc, "state", state),
		safe_str(doc, "role", role));
	if (safe_str(doc, "warning", warning)[0])
		fprintf(out, "  warning      %s\n", warning);
	print_addresses(&self, out);
	print_coordinator(doc, now_unix_us, out);
	while (json_each(&relays, &relay))
		print_relay(&relay, out);
}

/* ---- peers ---- */

static void describe_path(const struct json_in *path, char out[static CELL_LEN])
{
	char kind[SAFE_LEN], addr[SAFE_LEN];

	safe_str(path, "kind", kind);
	if (strcmp(kind, "direct") == 0)
		snprintf(out, CELL_LEN, "direct %s", safe_str(path, "addr", addr));
	else if (strcmp(kind, "relay") == 0)
		snprintf(out, CELL_LEN, "relay %" PRIu64,
			 json_opt_u64(path, "region", 0, JSON_INT_MAX, 0));
	else
		snprintf(out, CELL_LEN, "-");
}

static void add_ms(struct text_table *t, const struct json_in *obj, const char *key)
{
	double ms = json_opt_f64(obj, key, 0, 1e9, -1);
	char text[HUMAN_LEN] = "-";

	if (ms >= 0)
		human_ms(ms, text);
	text_table_add(t, text);
}

static void add_loss(struct text_table *t, const struct json_in *path)
{
	double loss = json_opt_f64(path, "loss_pct", 0, 100, -1);
	char text[HUMAN_LEN] = "-";

	if (loss >= 0)
		snprintf(text, sizeof(text), loss > 0 && loss < 9.95 ? "%.1f %%" : "%.0f %%", loss);
	text_table_add(t, text);
}

static void add_why(struct text_table *t, const struct json_in *path, uint64_t now_unix_us)
{
	char why[SAFE_LEN], since[HUMAN_LEN], way[CELL_LEN], cell[CELL_LEN];

	safe_str(path, "why", why);
	describe_path(path, way);
	age(path, "since", now_unix_us, since);
	snprintf(cell, sizeof(cell), "%s%s%s%s", human_reason(why, way), since[0] ? " (for " : "",
		 since, since[0] ? ")" : "");
	text_table_add(t, cell);
}

static void add_peer(struct text_table *t, const struct json_in *peer, uint64_t now_unix_us)
{
	struct json_in path = json_find(peer, "path");
	struct json_in addresses = json_opt_array(peer, "addresses", 16);
	struct json_in first = {0};
	char name[SAFE_LEN], owner[SAFE_LEN], cell[CELL_LEN];
	const char *activity = json_opt_bool(peer, "active", false) ? "active" : "idle";

	snprintf(cell, sizeof(cell), "%.250s.%.250s", safe_str(peer, "name", name),
		 safe_str(peer, "owner", owner));
	text_table_add(t, cell);
	text_table_add(t, json_each(&addresses, &first) ? json_as_str(&first, 64) : "-");
	text_table_add(t, json_opt_bool(peer, "online", false) ? activity : "offline");
	describe_path(&path, cell);
	text_table_add(t, cell);
	add_ms(t, &path, "rtt_ms");
	add_loss(t, &path);
	add_why(t, &path, now_unix_us);
}

static void print_peers(const struct json_in *doc, uint64_t now_unix_us, FILE *out)
{
	static const char *const heads[] = {"PEER", "ADDRESS", "STATE", "PATH",
					    "RTT",  "LOSS",    "WHY"};
	struct json_in peers = json_opt_array(doc, "peers", PEERS_MAX), peer = {0};
	struct text_table *t = text_table_new(sizeof(heads) / sizeof(heads[0]));

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		text_table_add(t, heads[i]);
	while (json_each(&peers, &peer))
		add_peer(t, &peer, now_unix_us);
	fputc('\n', out);
	if (json_count(&peers))
		text_table_print(t, 0, out);
	else
		fprintf(out, "no peers yet\n");
	text_table_free(t);
}

void show_status(const struct json_in *doc, uint64_t now_unix_us, FILE *out)
{
	print_self(doc, now_unix_us, out);
	print_peers(doc, now_unix_us, out);
}
