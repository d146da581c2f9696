#include "common/metric.h"

#include <math.h>
#include <string.h>

#include "tests/unit/test.h"

TEST(writes_families_samples_and_escaped_labels)
{
	struct metric_page *page = metric_page_new();
	const struct metric_label labels[] = {{"reason", "a\"b\\c\nd"}, {"kind", "x"}};
	size_t len;

	CHECK_STR(metric_page_text(page, &len), "");
	metric_counter(page, "warren_drops_total", "Packets dropped.");
	metric_u64(page, labels, 2, UINT64_MAX);
	metric_u64(page, NULL, 0, 3);
	metric_one_gauge(page, "warren_rtt_seconds", "Round trip.", 0.0235);
	metric_f64(page, labels + 1, 1, INFINITY);
	CHECK_STR(metric_page_text(page, &len),
		  "# HELP warren_drops_total Packets dropped.\n"
		  "# TYPE warren_drops_total counter\n"
		  "warren_drops_total{reason=\"a\\\"b\\\\c\\nd\",kind=\"x\"} 18446744073709551615\n"
		  "warren_drops_total 3\n"
		  "# HELP warren_rtt_seconds Round trip.\n"
		  "# TYPE warren_rtt_seconds gauge\n"
		  "warren_rtt_seconds 0.0235\n"
		  "warren_rtt_seconds{kind=\"x\"} +Inf\n");
	CHECK(len == strlen(metric_page_text(page, &len)));
	metric_page_free(page);
}

TEST(histograms_are_cumulative_and_end_with_inf)
{
	struct metric_page *page = metric_page_new();
	size_t len;

	metric_histogram(page, "h", "H.");
	metric_buckets(page, &(struct metric_label){"path", "direct"}, 1,
		       (const double[]){0.001, 0.01}, (const uint64_t[]){2, 3, 4}, 2, 1.5);
	CHECK_STR(metric_page_text(page, &len), "# HELP h H.\n# TYPE h histogram\n"
						"h_bucket{path=\"direct\",le=\"0.001\"} 2\n"
						"h_bucket{path=\"direct\",le=\"0.01\"} 5\n"
						"h_bucket{path=\"direct\",le=\"+Inf\"} 9\n"
						"h_count{path=\"direct\"} 9\n"
						"h_sum{path=\"direct\"} 1.5\n");
	metric_page_free(page);
}

TEST(the_process_shows_its_memory)
{
	struct metric_page *page = metric_page_new();
	size_t len;

	metric_process(page);
	CHECK(strstr(metric_page_text(page, &len), "\nprocess_resident_memory_bytes ") != NULL);
	CHECK(strstr(metric_page_text(page, &len), "process_resident_memory_bytes 0\n") == NULL);
	metric_page_free(page);
}
