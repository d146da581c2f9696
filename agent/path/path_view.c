/* What others ask of a path_peer: it changes nothing. Declared in path_peer.h. */
#include "agent/path/path_peer.h"
#include "agent/path/path_send.h"
#include "agent/path/path_slot.h"

const struct path_choice *path_peer_choice(const struct path_peer *p)
{
	return &p->choice;
}

bool path_peer_is_active(const struct path_peer *p, uint64_t now_us)
{
	return path_send_is_active(p, now_us);
}

static size_t add_way(struct way *out, size_t n, size_t max, const struct way *way)
{
	for (size_t i = 0; i < n; i++)
		if (way_equal(&out[i], way))
			return n;
	if (n < max && way->kind != WAY_NONE)
		out[n++] = *way;
	return n;
}

static bool relay_stands(const struct path *path)
{
	return path->way.kind == WAY_RELAY && path->relay.up;
}

size_t path_peer_handshake_ways(const struct path_peer *p, struct way *out, size_t max)
{
	size_t n = add_way(out, 0, max, &p->choice.first);
	bool is_direct = p->choice.first.kind == WAY_DIRECT;

	n = add_way(out, n, max, &p->choice.copy);
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		if (relay_stands(&p->path[i]))
			n = add_way(out, n, max, &p->path[i].way);
	for (int i = 0; i < CANDIDATES_MAX && !is_direct; i++) {
		const struct candidate *c = &p->candidates.slot[i];

		if (c->answered_us != 0 || c->sources & 1u << CANDIDATE_LAST)
			n = add_way(out, n, max, &p->path[i].way);
	}
	return n;
}

size_t path_peer_notice_ways(const struct path_peer *p, struct way *out, size_t max)
{
	size_t n = add_way(out, 0, max, &p->choice.first);

	n = add_way(out, n, max, &p->choice.copy);
	for (int i = CANDIDATES_MAX; i < PATH_SLOTS; i++)
		if (relay_stands(&p->path[i]) && p->path[i].live.state == PATH_UP)
			n = add_way(out, n, max, &p->path[i].way);
	return n;
}

struct path_proof path_peer_proof(const struct path_peer *p)
{
	struct path_proof proof = {0};

	for (int i = path_slot_after(p, -1); i < PATH_SLOTS; i = path_slot_after(p, i)) {
		const struct liveness *l = &p->path[i].live;
		uint64_t proved_us = l->proved_us > l->progress_us ? l->proved_us : l->progress_us;

		if (l->heard_us > proof.heard_us)
			proof.heard_us = l->heard_us;
		if (proved_us > proof.proved_us)
			proof.proved_us = proved_us;
	}
	return proof;
}

static const char *why_of(const struct path *path)
{
	bool is_connected = path->way.kind != WAY_RELAY || path->relay.up;

	switch (path->live.state) {
	case PATH_PROBING:
		return is_connected ? "has not answered yet" : "not connected";
	case PATH_UP:
		return "answers";
	case PATH_SUSPECT:
		return "gives no answer just now";
	case PATH_DOWN:
		return is_connected ? "stopped answering" : "not connected";
	case PATH_STATES:
		break;
	}
	return "";
}

static struct path_view view_slot(const struct path_peer *p, int slot)
{
	const struct path *path = &p->path[slot];

	return (struct path_view){
		.way = path->way,
		.state = path->live.state,
		.since_us = path->live.since_us,
		.rtt_us = path->score.srtt_us,
		.jitter_us = path->score.jitter_us,
		.loss = score_loss(&path->score),
		.in_use = slot == p->in_use,
		.why = slot == p->in_use ? p->choice.why : why_of(path),
	};
}

size_t path_peer_list(const struct path_peer *p, struct path_view *out, size_t max)
{
	size_t n = 0;

	if (p->in_use >= 0 && max > 0)
		out[n++] = view_slot(p, p->in_use);
	for (int i = path_slot_after(p, -1); i < PATH_SLOTS && n < max; i = path_slot_after(p, i))
		if (i != p->in_use)
			out[n++] = view_slot(p, i);
	return n;
}
