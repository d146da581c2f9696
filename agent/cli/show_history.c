#include "agent/cli/show_history.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/human.h"

enum { TEXT_MAX = 512, SAFE_LEN = 513, ITEMS_MAX = 1 << 24 };

static const char *safe_str(const struct json_in *obj, const char *key, char out[static SAFE_LEN])
{
	human_safe(json_opt_str(obj, key, TEXT_MAX, ""), out, SAFE_LEN);
	return out;
}

/* ---- how it was ---- */

struct overview {
	uint64_t measured, direct, relay; /* samples */
	uint64_t gaps;
	double gap_sum_ms, gap_longest_ms;
	double p50_sum_ms, worst_ms, loss_sum;
	uint64_t with_loss;
};

static void take_sample(struct overview *o, const struct json_in *sample)
{
	double p50_ms = json_opt_f64(sample, "rtt_p50_ms", 0, 1e9, -1);
	double p99_ms = json_opt_f64(sample, "rtt_p99_ms", 0, 1e9, -1);
	double loss = json_opt_f64(sample, "loss_pct", 0, 100, -1);
	const char *path = json_opt_str(sample, "path", TEXT_MAX, "");

	o->direct += strncmp(path, "direct", 6) == 0;
	o->relay += strncmp(path, "relay", 5) == 0;
	if (p50_ms >= 0) {
		o->measured++;
		o->p50_sum_ms += p50_ms;
		o->worst_ms = p99_ms > o->worst_ms ? p99_ms : o->worst_ms;
	}
	if (loss >= 0) {
		o->with_loss++;
		o->loss_sum += loss;
	}
}

static void take_gap(struct overview *o, const struct json_in *event)
{
	double gap_ms = json_opt_f64(event, "gap_ms", 0, 1e12, 0);

	if (strcmp(json_opt_str(event, "kind", TEXT_MAX, ""), "gap") != 0)
		return;
	o->gaps++;
	o->gap_sum_ms += gap_ms;
	o->gap_longest_ms = gap_ms > o->gap_longest_ms ? gap_ms : o->gap_longest_ms;
}

static void print_gaps(const struct overview *o, FILE *out)
{
	char sum[HUMAN_LEN], longest[HUMAN_LEN];

	if (o->gaps == 0) {
		fprintf(out, "  never out of reach while data was sent\n");
		return;
	}
	human_ms(o->gap_sum_ms, sum);
	human_ms(o->gap_longest_ms, longest);
	fprintf(out, "  out of reach %" PRIu64 " time%s, %s in all", o->gaps,
		o->gaps == 1 ? "" : "s", sum);
	if (o->gaps > 1)
		fprintf(out, ", %s the longest", longest);
	fputc('\n', out);
}

static void print_overview(const struct json_in *peer, FILE *out)
{
	struct json_in samples = json_opt_array(peer, "samples", ITEMS_MAX), sample = {0};
	struct json_in events = json_opt_array(peer, "events", ITEMS_MAX), event = {0};
	char typical[HUMAN_LEN], worst[HUMAN_LEN];
	struct overview o = {0};

	while (json_each(&samples, &sample))
		take_sample(&o, &sample);
	while (json_each(&events, &event))
		take_gap(&o, &event);
	if (o.measured == 0) {
		fprintf(out, "  nothing was measured: no data passed\n");
		return;
	}
	human_ms(o.p50_sum_ms / (double)o.measured, typical);
	human_ms(o.worst_ms, worst);
	fprintf(out, "  %s typical, %s at worst", typical, worst);
	if (o.with_loss)
		fprintf(out, ", %.1f %% lost", o.loss_sum / (double)o.with_loss);
	if (o.direct + o.relay)
		fprintf(out, "; direct %.0f %% of the time that data passed",
			100 * (double)o.direct / (double)(o.direct + o.relay));
	fputc('\n', out);
	print_gaps(&o, out);
}

/* ---- what happened ---- */

/* The day, once, above its first event. */
static void print_day(uint64_t unix_us, char day[static HUMAN_LEN], FILE *out)
{
	char date[HUMAN_LEN];

	human_date(unix_us, date);
	if (strcmp(date, day) == 0)
		return;
	memcpy(day, date, HUMAN_LEN);
	fprintf(out, "  %s\n", day);
}

static void print_length(const struct json_in *event, uint64_t start_us, FILE *out)
{
	double gap_ms = json_opt_f64(event, "gap_ms", 0, 1e12, -1);
	const char *kind = json_opt_str(event, "kind", TEXT_MAX, "");
	char text[HUMAN_LEN] = "";
	uint64_t end_us;

	if (gap_ms >= 0)
		human_ms(gap_ms, text);
	else if (human_time_parse(json_opt_str(event, "end", 64, ""), &end_us) == 0)
		human_duration(end_us > start_us ? end_us - start_us : 0, text);
	else if (strcmp(kind, "gap") == 0)
		snprintf(text, sizeof(text), "goes on");
	fprintf(out, "  %-8s", text);
}

static void print_move(const struct json_in *event, FILE *out)
{
	char from[SAFE_LEN], to[SAFE_LEN];

	safe_str(event, "from", from);
	safe_str(event, "to", to);
	if (strcmp(from, "none") != 0 && from[0] && strcmp(from, to) != 0)
		fprintf(out, ", from %s", from);
	if (strcmp(to, "none") != 0 && to[0])
		fprintf(out, strcmp(from, to) == 0 ? ", on %s" : ", to %s", to);
}

/* Who can do something about it. */
static const char *describe_owner(const char *owner)
{
	if (strcmp(owner, "it") == 0)
		return "your network's IT";
	if (strcmp(owner, "admin") == 0)
		return "the mesh's admin";
	if (strcmp(owner, "provider") == 0)
		return "the network provider";
	return owner;
}

static void print_evidence(const struct json_in *event, FILE *out)
{
	uint64_t lost = json_opt_u64(event, "lost_packets", 0, JSON_INT_MAX, 0);
	const char *seen_by = json_opt_str(event, "seen_by", TEXT_MAX, "");
	const char *kind = json_opt_str(event, "kind", TEXT_MAX, "");
	char code[SAFE_LEN], owner[SAFE_LEN];

	if (lost)
		fprintf(out, "; %" PRIu64 " packet%s lost", lost, lost == 1 ? "" : "s");
	if (strcmp(seen_by, "both") == 0)
		fprintf(out, "; both ends saw it");
	else if (strcmp(seen_by, "peer") == 0)
		fprintf(out, "; the peer saw it");
	fprintf(out, "  [%s", safe_str(event, "code", code));
	if (strcmp(kind, "path") != 0) /* a move is nobody's fault, and mended already */
		fprintf(out, ", up to %s", describe_owner(safe_str(event, "owner", owner)));
	fprintf(out, "]\n");
}

static void print_event(const struct json_in *event, char day[static HUMAN_LEN], FILE *out)
{
	char clock[HUMAN_LEN], kind[SAFE_LEN], cause[SAFE_LEN], way[SAFE_LEN];
	uint64_t start_us;

	if (human_time_parse(json_opt_str(event, "t", 64, ""), &start_us) != 0)
		return;
	print_day(start_us, day, out);
	human_clock(start_us, clock);
	fprintf(out, "  %s  %-11s", clock, safe_str(event, "kind", kind));
	print_length(event, start_us, out);
	safe_str(event, "cause", cause);
	fprintf(out, "  %s", human_reason(cause, safe_str(event, "to", way)));
	print_move(event, out);
	print_evidence(event, out);
}

static void print_peer(const struct json_in *peer, uint64_t since_us, FILE *out)
{
	struct json_in events = json_opt_array(peer, "events", ITEMS_MAX), event = {0};
	char name[SAFE_LEN], span[HUMAN_LEN], day[HUMAN_LEN] = "";

	human_duration(since_us, span);
	fprintf(out, "%s, the last %s\n", safe_str(peer, "peer", name), span);
	print_overview(peer, out);
	while (json_each(&events, &event))
		print_event(&event, day, out);
	if (json_count(&events) == 0)
		fprintf(out, "  no events\n");
}

void show_history(const struct json_in *doc, uint64_t since_us, FILE *out)
{
	struct json_in peers = json_find(doc, "peers"), peer = {0};

	if (!peers.node) {
		print_peer(doc, since_us, out);
		return;
	}
	for (bool first = true; json_each(&peers, &peer); first = false) {
		if (!first)
			fputc('\n', out);
		print_peer(&peer, since_us, out);
	}
	if (json_count(&peers) == 0)
		fprintf(out, "no peers yet, so no history\n");
}
