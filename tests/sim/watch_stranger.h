/*
 * watch_stranger: a machine that nobody invited stays outside.
 *
 * It has asked to be let in by an invitation that is not good: it is refused, in the words that a
 * person needs, and neither becomes a member, nor is known to one, nor receives anything. A core:
 * play_stranger tells it what is seen.
 */
#ifndef WARREN_SIM_WATCH_STRANGER_H
#define WARREN_SIM_WATCH_STRANGER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/verdict.h"

struct watch_stranger {
	const char *refusal; /* what the answer must say; borrowed */
	uint64_t asked_us;   /* 0: not yet */
	uint64_t bound_us;   /* of the answer, where the coordinator is there */
	bool is_answered;
};

struct watch_stranger_view {
	uint32_t member_id;   /* as the stranger has it: 0 where it is no member */
	bool has_address;     /* of the mesh */
	bool is_registered;   /* at the coordinator */
	const char *known_to; /* a node that takes it for a peer, or NULL */
};

void watch_stranger_init(struct watch_stranger *w, const char *refusal, uint64_t bound_us);
void watch_stranger_on_ask(struct watch_stranger *w, uint64_t now_us);
/* How `warren up` ended. is_told_apart: the coordinator was there ever since it was asked, and for
 * one reason only must it refuse. */
void watch_stranger_on_answer(struct watch_stranger *w, int exit_status, const char *error,
			      bool is_told_apart, uint64_t now_us, struct verdict *v);
/* A packet came out of its TUN. */
void watch_stranger_on_inner(const struct watch_stranger *w, uint64_t now_us, struct verdict *v);
/* It is about to go. */
void watch_stranger_on_end(const struct watch_stranger *w, const struct watch_stranger_view *view,
			   bool was_there, uint64_t now_us, struct verdict *v);

#endif
