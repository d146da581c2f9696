/*
 * path_traffic: what the traffic with a peer tells of its ways.
 *
 * Part of path_peer, for its files only. Keeps how much was sent when, for what reports tell of it
 * later. Data that is sent and has no echo of any kind is a question to the way it went by, long
 * before a probe would be; data after a pause asks all ways.
 */
#ifndef WARREN_PATH_TRAFFIC_H
#define WARREN_PATH_TRAFFIC_H

#include "agent/path/path_peer.h"

/* When data was sent or heard last by any way, or had to wait; 0: never. */
uint64_t path_traffic_last_us(const struct path_traffic *t);
/* Keeps how much had been sent by now, for reports that will tell what was heard until then. */
void path_traffic_mark(struct path_peer *p, uint64_t now_us);
/* How much had been sent by ways of that kind until then, as closely as marks tell; now_sent: what
 * is sent now, where none does. */
uint32_t path_traffic_sent_until(const struct path_peer *p, enum way_kind kind, uint64_t until_us,
				 uint32_t now_sent);
/* Is so much sent by ways of that kind that our own packets make the queue which they show? */
bool path_traffic_is_loaded(const struct path_peer *p, enum way_kind kind);
/* Traffic begins after a pause: what was true then is asked again at once. */
void path_traffic_on_begin(struct path_peer *p, uint64_t now_us, struct path_actions *out);
/* Asks where data has had no echo for as long as an answer may take. A way is in use. */
void path_traffic_ask(struct path_peer *p, uint64_t now_us, struct path_actions *out);

#endif
