/* relay_metrics: the relay's counters as a Prometheus page. */
#ifndef WARREN_RELAY_METRICS_H
#define WARREN_RELAY_METRICS_H

#include <stdint.h>

struct hub_counters;
struct metric_page;
struct worker;

void relay_metrics_hub(struct metric_page *page, const struct hub_counters *n);
void relay_metrics_workers(struct metric_page *page, struct worker *const *workers, uint16_t n);

#endif
