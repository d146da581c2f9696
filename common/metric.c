#include "common/metric.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/version.h"

struct metric_page {
	char *text;
	size_t len, cap;
	const char *family; /* the name of the family begun last */
};

struct metric_page *metric_page_new(void)
{
	struct metric_page *page = calloc(1, sizeof(*page));

	if (!page)
		abort();
	return page;
}

void metric_page_free(struct metric_page *page)
{
	if (!page)
		return;
	free(page->text);
	free(page);
}

const char *metric_page_text(const struct metric_page *page, size_t *len)
{
	*len = page->len;
	return page->text ? page->text : "";
}

static void put(struct metric_page *page, const char *text, size_t len)
{
	if (page->cap - page->len < len + 1) {
		page->cap = (page->len + len + 1) * 2;
		page->text = realloc(page->text, page->cap);
		if (!page->text)
			abort();
	}
	memcpy(page->text + page->len, text, len);
	page->len += len;
	page->text[page->len] = '\0';
}

static void put_str(struct metric_page *page, const char *text)
{
	put(page, text, strlen(text));
}

/* Label values escape backslash, quote and newline; help texts have no quotes to escape. */
static void put_escaped(struct metric_page *page, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			put_str(page, "\\n");
		else if (*text == '\\' || *text == '"')
			put(page, (const char[]){'\\', *text}, 2);
		else
			put(page, text, 1);
	}
}

static void begin(struct metric_page *page, const char *name, const char *help, const char *type)
{
	page->family = name;
	put_str(page, "# HELP ");
	put_str(page, name);
	put_str(page, " ");
	put_str(page, help);
	put_str(page, "\n# TYPE ");
	put_str(page, name);
	put_str(page, " ");
	put_str(page, type);
	put_str(page, "\n");
}

void metric_counter(struct metric_page *page, const char *name, const char *help)
{
	begin(page, name, help, "counter");
}

void metric_gauge(struct metric_page *page, const char *name, const char *help)
{
	begin(page, name, help, "gauge");
}

void metric_histogram(struct metric_page *page, const char *name, const char *help)
{
	begin(page, name, help, "histogram");
}

static void put_label(struct metric_page *page, const char *name, const char *value, bool first)
{
	put_str(page, first ? "{" : ",");
	put_str(page, name);
	put_str(page, "=\"");
	put_escaped(page, value);
	put_str(page, "\"");
}

/* One line: family, suffix, labels, the bucket's bound where there is one, value. */
static void put_sample(struct metric_page *page, const char *suffix,
		       const struct metric_label *labels, size_t n, const char *le,
		       const char *value)
{
	put_str(page, page->family);
	put_str(page, suffix);
	for (size_t i = 0; i < n; i++)
		put_label(page, labels[i].name, labels[i].value, i == 0);
	if (le)
		put_label(page, "le", le, n == 0);
	put_str(page, n > 0 || le ? "} " : " ");
	put_str(page, value);
	put_str(page, "\n");
}

enum { NUMBER_LEN = 40 };

static const char *number(double value, char out[static NUMBER_LEN])
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	snprintf(out, NUMBER_LEN, "%.15g", value);
	return out;
}

void metric_u64(struct metric_page *page, const struct metric_label *labels, size_t n,
		uint64_t value)
{
	char digits[NUMBER_LEN];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	put_sample(page, "", labels, n, NULL, digits);
}

void metric_f64(struct metric_page *page, const struct metric_label *labels, size_t n, double value)
{
	char digits[NUMBER_LEN];

	put_sample(page, "", labels, n, NULL, number(value, digits));
}

void metric_buckets(struct metric_page *page, const struct metric_label *labels, size_t n,
		    const double *bounds, const uint64_t *counts, size_t n_bounds, double sum)
{
	char digits[NUMBER_LEN], bound[NUMBER_LEN];
	uint64_t total = 0;

	for (size_t i = 0; i <= n_bounds; i++) {
		total += counts[i];
		snprintf(digits, sizeof(digits), "%" PRIu64, total);
		put_sample(page, "_bucket", labels, n,
			   i < n_bounds ? number(bounds[i], bound) : "+Inf", digits);
	}
	put_sample(page, "_count", labels, n, NULL, digits);
	put_sample(page, "_sum", labels, n, NULL, number(sum, bound));
}

void metric_one_counter(struct metric_page *page, const char *name, const char *help,
			uint64_t value)
{
	metric_counter(page, name, help);
	metric_u64(page, NULL, 0, value);
}

void metric_one_gauge(struct metric_page *page, const char *name, const char *help, double value)
{
	metric_gauge(page, name, help);
	metric_f64(page, NULL, 0, value);
}

static double resident_bytes(void)
{
	unsigned long size_pages = 0, resident_pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size_pages, &resident_pages) != 2)
		resident_pages = 0;
	fclose(f);
	return (double)resident_pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_SELF, &use) != 0)
		return 0;
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

void metric_process(struct metric_page *page)
{
	const struct metric_label build[] = {{"version", version_number()},
					     {"commit", version_commit()}};

	metric_gauge(page, "warren_build_info", "Version and commit of this program.");
	metric_u64(page, build, 2, 1);
	metric_one_gauge(page, "process_resident_memory_bytes", "Resident memory.",
			 resident_bytes());
	metric_counter(page, "process_cpu_seconds_total", "CPU time, user and system.");
	metric_f64(page, NULL, 0, cpu_seconds());
}
