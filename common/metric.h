/*
 * metric: a page of Prometheus text (exposition format 0.0.4), written family by family.
 *
 *	metric_counter(page, "warren_relay_drops_total", "Packets dropped.");
 *	metric_u64(page, &(struct metric_label){"reason", "queue-full"}, 1, drops);
 *
 * No registry: whoever serves /metrics fills a fresh page from the counters its modules keep.
 */
#ifndef WARREN_METRIC_H
#define WARREN_METRIC_H

#include <stddef.h>
#include <stdint.h>

struct metric_page;

struct metric_label {
	const char *name;
	const char *value; /* anyone's text: escaped */
};

/* Memory running out ends the process. */
struct metric_page *metric_page_new(void);
void metric_page_free(struct metric_page *page);
/* The text so far, NUL behind it; valid until the next call on the page. */
const char *metric_page_text(const struct metric_page *page, size_t *len);

/* Begin a family; its samples follow. name must outlive them. */
void metric_counter(struct metric_page *page, const char *name, const char *help);
void metric_gauge(struct metric_page *page, const char *name, const char *help);
void metric_histogram(struct metric_page *page, const char *name, const char *help);

/* A sample of the family begun last (counter or gauge). labels may be NULL with n = 0. */
void metric_u64(struct metric_page *page, const struct metric_label *labels, size_t n,
		uint64_t value);
void metric_f64(struct metric_page *page, const struct metric_label *labels, size_t n,
		double value);

/* One histogram of the family begun last: counts[i] observations at or under bounds[i] and above
 * the bound before it, counts[n_bounds] those above all (not cumulative). */
void metric_buckets(struct metric_page *page, const struct metric_label *labels, size_t n,
		    const double *bounds, const uint64_t *counts, size_t n_bounds, double sum);

/* A family of one sample without labels. */
void metric_one_counter(struct metric_page *page, const char *name, const char *help,
			uint64_t value);
void metric_one_gauge(struct metric_page *page, const char *name, const char *help, double value);

/* warren_build_info, process memory and CPU, open descriptors, of this process. */
void metric_process(struct metric_page *page);

#endif
