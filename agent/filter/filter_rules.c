#include "agent/filter/filter_rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_MAX = 65535 };

struct rule_list {
	struct filter_rule *rules;
	size_t n;
};

struct peer_rules {
	uint32_t peer_id;
	struct rule_list lists[2]; /* by enum filter_direction */
};

struct filter_rules {
	uint64_t generation;
	struct peer_rules *peers; /* sorted by peer_id */
	size_t n;
	size_t cap;
};

struct filter_rules *filter_rules_new(uint64_t generation)
{
	struct filter_rules *rules = calloc(1, sizeof(*rules));

	if (rules)
		rules->generation = generation;
	return rules;
}

void filter_rules_free(struct filter_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->n; i++) {
		free(rules->peers[i].lists[FILTER_IN].rules);
		free(rules->peers[i].lists[FILTER_OUT].rules);
	}
	free(rules->peers);
	free(rules);
}

/* Where the peer stands, or where it would. */
static size_t peer_slot(const struct filter_rules *rules, uint32_t peer_id)
{
	size_t low = 0, high = rules->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (rules->peers[mid].peer_id < peer_id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct peer_rules *peer_find(const struct filter_rules *rules, uint32_t peer_id)
{
	size_t slot = peer_slot(rules, peer_id);
	bool found = slot < rules->n && rules->peers[slot].peer_id == peer_id;

	return found ? &rules->peers[slot] : NULL;
}

static int copy_list(struct rule_list *out, const struct filter_rule *rules, size_t n)
{
	*out = (struct rule_list){0};
	if (n == 0)
		return 0;
	out->rules = calloc(n, sizeof(*rules));
	if (!out->rules)
		return -ENOMEM;
	memcpy(out->rules, rules, n * sizeof(*rules));
	out->n = n;
	return 0;
}

static int make_room(struct filter_rules *rules)
{
	if (rules->n < rules->cap)
		return 0;

	size_t cap = rules->cap ? 2 * rules->cap : 16;
	struct peer_rules *peers = reallocarray(rules->peers, cap, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	rules->peers = peers;
	rules->cap = cap;
	return 0;
}

int filter_rules_add(struct filter_rules *rules, uint32_t peer_id, const struct filter_rule *in,
		     size_t n_in, const struct filter_rule *out, size_t n_out)
{
	struct peer_rules peer = {.peer_id = peer_id};
	size_t slot = peer_slot(rules, peer_id);

	if (peer_find(rules, peer_id))
		return -EEXIST;
	if (make_room(rules) < 0 || copy_list(&peer.lists[FILTER_IN], in, n_in) < 0)
		return -ENOMEM;
	if (copy_list(&peer.lists[FILTER_OUT], out, n_out) < 0) {
		free(peer.lists[FILTER_IN].rules);
		return -ENOMEM;
	}
	memmove(&rules->peers[slot + 1], &rules->peers[slot],
		(rules->n - slot) * sizeof(rules->peers[0]));
	rules->peers[slot] = peer;
	rules->n++;
	return 0;
}

uint64_t filter_rules_generation(const struct filter_rules *rules)
{
	return rules->generation;
}

bool filter_rules_know(const struct filter_rules *rules, uint32_t peer_id)
{
	return peer_find(rules, peer_id) != NULL;
}

static bool has_ports(uint8_t ip_proto)
{
	return ip_proto == IPPROTO_TCP || ip_proto == IPPROTO_UDP;
}

static bool rule_covers(const struct filter_rule *rule, uint8_t ip_proto, uint16_t called_port)
{
	bool is_icmp = ip_proto == IPPROTO_ICMP || ip_proto == IPPROTO_ICMPV6;
	bool every_port = rule->port_first == 0 && rule->port_last == PORT_MAX;
	bool port_in_range = called_port >= rule->port_first && called_port <= rule->port_last;

	switch (rule->proto) {
	case FILTER_ANY:
		return every_port || (has_ports(ip_proto) && port_in_range);
	case FILTER_TCP:
		return ip_proto == IPPROTO_TCP && port_in_range;
	case FILTER_UDP:
		return ip_proto == IPPROTO_UDP && port_in_range;
	case FILTER_ICMP:
		return is_icmp;
	}
	return false;
}

bool filter_rules_allow(const struct filter_rules *rules, uint32_t peer_id,
			enum filter_direction direction, uint8_t ip_proto, uint16_t called_port)
{
	const struct peer_rules *peer = peer_find(rules, peer_id);

	if (!peer)
		return false;
	const struct rule_list *list = &peer->lists[direction];
	for (size_t i = 0; i < list->n; i++) {
		if (rule_covers(&list->rules[i], ip_proto, called_port))
			return true;
	}
	return false;
}

int filter_proto_parse(const char *text, enum filter_proto *out)
{
	static const char *const names[] = {"any", "tcp", "udp", "icmp"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum filter_proto)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Reads a decimal port at *at and moves past it; -1 where there is none. */
static int parse_port(const char **at)
{
	int port = 0;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		port = 10 * port + (**at - '0');
		if (port > PORT_MAX)
			return -1;
	}
	return *at > start ? port : -1;
}

int filter_ports_parse(const char *text, struct filter_rule *out)
{
	const char *at = text;

	if (strcmp(text, "*") == 0) {
		out->port_first = 0;
		out->port_last = PORT_MAX;
		return 0;
	}
	int first = parse_port(&at), last = first;
	if (*at == '-') {
		at++;
		last = parse_port(&at);
	}
	if (first < 0 || last < first || *at != '\0')
		return -EINVAL;
	out->port_first = (uint16_t)first;
	out->port_last = (uint16_t)last;
	return 0;
}
