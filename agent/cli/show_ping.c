#include "agent/cli/show_ping.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/human.h"

enum { TEXT_MAX = 128 };

static void print_answer(const struct json_in *line, FILE *out)
{
	const char *path = json_opt_str(line, "path", TEXT_MAX - 1, "");
	uint64_t seq = json_opt_u64(line, "seq", 0, JSON_INT_MAX, 0);
	char rtt[HUMAN_LEN], addr[TEXT_MAX];

	if (json_opt_bool(line, "timeout", false)) {
		fprintf(out, "seq %-4" PRIu64 " no answer\n", seq);
		return;
	}
	human_ms(json_opt_f64(line, "rtt_ms", 0, 1e9, 0), rtt);
	human_safe(json_opt_str(line, "addr", TEXT_MAX - 1, ""), addr, sizeof(addr));
	if (strcmp(path, "direct") == 0)
		fprintf(out, "seq %-4" PRIu64 " %8s  direct %s\n", seq, rtt, addr);
	else
		fprintf(out, "seq %-4" PRIu64 " %8s  relay %" PRIu64 "\n", seq, rtt,
			json_opt_u64(line, "region", 0, JSON_INT_MAX, 0));
}

static void print_figure(const struct json_in *summary, const char *label, const char *key,
			 FILE *out)
{
	double ms = json_opt_f64(summary, key, 0, 1e12, -1);
	char text[HUMAN_LEN];

	if (ms < 0)
		return;
	human_ms(ms, text);
	fprintf(out, "  %s %s", label, text);
}

static void print_summary(const struct json_in *s, FILE *out)
{
	static const struct {
		const char *label, *key;
	} figures[] = {{"min", "min_ms"}, {"avg", "avg_ms"}, {"p50", "p50_ms"},
		       {"p95", "p95_ms"}, {"p99", "p99_ms"}, {"max", "max_ms"}};
	double loss = json_opt_f64(s, "loss_pct", 0, 100, 0);

	fprintf(out, "\n%" PRIu64 " sent, %" PRIu64 " answered, %.1f %% lost\n",
		json_opt_u64(s, "sent", 0, JSON_INT_MAX, 0),
		json_opt_u64(s, "received", 0, JSON_INT_MAX, 0), loss);
	if (!json_has(s, "min_ms"))
		return;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		print_figure(s, figures[i].label, figures[i].key, out);
	fputc('\n', out);
	print_figure(s, "jitter", "jitter_ms", out);
	print_figure(s, "direct after", "time_to_direct_ms", out);
	fputc('\n', out);
}

void show_ping(const struct json_in *line, FILE *out)
{
	struct json_in summary = json_find(line, "summary");

	if (summary.node)
		print_summary(&summary, out);
	else
		print_answer(line, out);
}
