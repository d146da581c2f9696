#include "coordinator/coordinator_metrics.h"

#include "common/metric.h"
#include "coordinator/coordinator.h"

static void fill_refusals(const struct coordinator *c, struct metric_page *page)
{
	metric_counter(page, "warren_coordinator_refusals_total", "Sessions refused, by code.");
	for (unsigned code = 0; code < CONTROL_ERROR_CODES; code++) {
		struct metric_label label = {"code",
					     control_error_str((enum control_error_code)code)};

		metric_u64(page, &label, 1, c->counters.refusals[code]);
	}
}

void coordinator_metrics_fill(const struct coordinator *c, struct metric_page *page)
{
	const struct coordinator_counters *n = &c->counters;
	size_t nodes;

	(void)registry_all(c->registry, &nodes);
	metric_one_gauge(page, "warren_coordinator_nodes", "Nodes of the mesh.", (double)nodes);
	metric_one_gauge(page, "warren_coordinator_sessions", "Node sessions open.",
			 (double)c->n_sessions);
	metric_one_gauge(page, "warren_coordinator_map_number", "Number of the last change.",
			 (double)netmap_number(c->netmap));
	metric_one_counter(page, "warren_coordinator_joins_total", "Nodes joined.", n->joins);
	metric_one_counter(page, "warren_coordinator_sessions_total", "Sessions opened.",
			   n->sessions_opened);
	fill_refusals(c, page);
	metric_one_counter(page, "warren_coordinator_bad_messages_total",
			   "Messages that were not as the protocol has them.", n->bad_messages);
	metric_one_counter(page, "warren_coordinator_maps_full_total", "Full maps sent.",
			   n->maps_full);
	metric_one_counter(page, "warren_coordinator_maps_delta_total", "Resumed maps sent.",
			   n->maps_delta);
	metric_one_counter(page, "warren_coordinator_messages_total", "Messages sent to nodes.",
			   n->changes_sent);
	metric_one_counter(page, "warren_coordinator_audit_dropped_total",
			   "Audit rows not written: too many denials, or the store failed.",
			   n->audit_dropped);
	metric_one_counter(page, "warren_coordinator_store_failures_total",
			   "Transactions that the store refused.", n->store_failures);
}
