/* coordinator_metrics: what /metrics of the coordinator says, from its counters. */
#ifndef WARREN_COORDINATOR_METRICS_H
#define WARREN_COORDINATOR_METRICS_H

struct coordinator;
struct metric_page;

void coordinator_metrics_fill(const struct coordinator *c, struct metric_page *page);

#endif
