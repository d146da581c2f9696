/*
 * coverage_wg_tap: what coverage_tap does, for the machines below the sessions: WireGuard's
 * keypairs, indices and timers, the filter's flows, disco keys, and what is remembered of the
 * others.
 */
#ifndef WARREN_SIM_COVERAGE_WG_TAP_H
#define WARREN_SIM_COVERAGE_WG_TAP_H

#include "agent/disco_box.h"
#include "agent/disco_keys.h"
#include "agent/filter/flow_table.h"
#include "agent/trust.h"
#include "agent/wg/index_table.h"
#include "agent/wg/rotation.h"
#include "agent/wg/timers.h"

void __wrap_rotation_add_as_initiator(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out);
void __real_rotation_add_as_initiator(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out);
void __wrap_rotation_add_as_responder(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out);
void __real_rotation_add_as_responder(struct rotation *r, struct keypair *kp,
				      struct rotation_drops *out);
bool __wrap_rotation_promote(struct rotation *r, const struct keypair *kp,
			     struct rotation_drops *out);
bool __real_rotation_promote(struct rotation *r, const struct keypair *kp,
			     struct rotation_drops *out);
void __wrap_rotation_clear(struct rotation *r, struct rotation_drops *out);
void __real_rotation_clear(struct rotation *r, struct rotation_drops *out);

int __wrap_index_table_reserve(struct index_table *t, void *owner, uint32_t random,
			       uint32_t *index);
int __real_index_table_reserve(struct index_table *t, void *owner, uint32_t random,
			       uint32_t *index);
void __wrap_index_table_publish(struct index_table *t, struct keypair *kp);
void __real_index_table_publish(struct index_table *t, struct keypair *kp);
void __wrap_index_table_release(struct index_table *t, uint32_t index);
void __real_index_table_release(struct index_table *t, uint32_t index);

void __wrap_timers_on_initiation_sent(struct timers *t, uint64_t now_us, uint32_t jitter);
void __real_timers_on_initiation_sent(struct timers *t, uint64_t now_us, uint32_t jitter);
void __wrap_timers_on_handshake_complete(struct timers *t);
void __real_timers_on_handshake_complete(struct timers *t);
unsigned __wrap_timers_take_due(struct timers *t, struct traffic *traffic, uint64_t now_us);
unsigned __real_timers_take_due(struct timers *t, struct traffic *traffic, uint64_t now_us);

struct flow *__wrap_flow_table_add(struct flow_table *t, const struct flow_key *key,
				   enum filter_direction started, uint64_t now_us, bool *evicted);
struct flow *__real_flow_table_add(struct flow_table *t, const struct flow_key *key,
				   enum filter_direction started, uint64_t now_us, bool *evicted);
void __wrap_flow_table_touch(struct flow_table *t, struct flow *flow, enum flow_state state,
			     uint64_t now_us);
void __real_flow_table_touch(struct flow_table *t, struct flow *flow, enum flow_state state,
			     uint64_t now_us);

enum disco_keys_due __wrap_disco_keys_judge(uint64_t made_unix_s, bool has_before, uint64_t unix_s);
enum disco_keys_due __real_disco_keys_judge(uint64_t made_unix_s, bool has_before, uint64_t unix_s);
void __wrap_disco_box_own_changed(struct disco_box *box);
void __real_disco_box_own_changed(struct disco_box *box);
int __wrap_disco_box_open(struct disco_box *box, const void *packet, size_t len, uint64_t now_us,
			  struct disco_message *m);
int __real_disco_box_open(struct disco_box *box, const void *packet, size_t len, uint64_t now_us,
			  struct disco_message *m);

enum trust_verdict __wrap_trust_judge(struct trust_book *book, const struct introduction *in);
enum trust_verdict __real_trust_judge(struct trust_book *book, const struct introduction *in);

#endif
