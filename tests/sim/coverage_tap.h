/*
 * coverage_tap: where the simulator counts what states the machines of warrend enter: calls between
 * modules that the linker leads past here (-Wl,--wrap), so that the program knows nothing of it.
 *
 * Each compares the state before and after the real call; all writing of states happens within
 * those calls. Counts go to the coverage that hangs on the running world (WORLD_WATCHES), if any.
 */
#ifndef WARREN_SIM_COVERAGE_TAP_H
#define WARREN_SIM_COVERAGE_TAP_H

#include "agent/measure/gap.h"
#include "agent/path/liveness.h"
#include "agent/session/control_session.h"
#include "agent/session/relay_session.h"

/* The linker's names. */
enum control_session_do __wrap_control_session_on_deadline(struct control_session *s,
							   uint32_t random, uint64_t now_us);
enum control_session_do __real_control_session_on_deadline(struct control_session *s,
							   uint32_t random, uint64_t now_us);
void __wrap_control_session_on_connected(struct control_session *s, uint64_t now_us);
void __real_control_session_on_connected(struct control_session *s, uint64_t now_us);
int __wrap_control_session_on_upgraded(struct control_session *s, const char *nonce_hex,
				       uint8_t nonce[static CONTROL_NONCE_LEN], uint64_t now_us);
int __real_control_session_on_upgraded(struct control_session *s, const char *nonce_hex,
				       uint8_t nonce[static CONTROL_NONCE_LEN], uint64_t now_us);
enum control_session_do __wrap_control_session_on_message(struct control_session *s,
							  const struct control_message *m,
							  uint32_t random, uint64_t now_us);
enum control_session_do __real_control_session_on_message(struct control_session *s,
							  const struct control_message *m,
							  uint32_t random, uint64_t now_us);
void __wrap_control_session_on_closed(struct control_session *s, const char *reason,
				      uint32_t random, uint64_t now_us);
void __real_control_session_on_closed(struct control_session *s, const char *reason,
				      uint32_t random, uint64_t now_us);
void __wrap_control_session_retry(struct control_session *s, uint64_t now_us);
void __real_control_session_retry(struct control_session *s, uint64_t now_us);

enum relay_session_do __wrap_relay_session_on_deadline(struct relay_session *s, uint64_t acked_us,
						       uint64_t now_us, struct writer *out);
enum relay_session_do __real_relay_session_on_deadline(struct relay_session *s, uint64_t acked_us,
						       uint64_t now_us, struct writer *out);
int __wrap_relay_session_on_connected(struct relay_session *s, const char *host,
				      const char *ideal_node, const struct public_key *derp_key,
				      const struct secret_key *secret,
				      const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				      struct writer *out);
int __real_relay_session_on_connected(struct relay_session *s, const char *host,
				      const char *ideal_node, const struct public_key *derp_key,
				      const struct secret_key *secret,
				      const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				      struct writer *out);
int __wrap_relay_session_on_answer(struct relay_session *s, const struct http_head *head,
				   uint64_t now_us);
int __real_relay_session_on_answer(struct relay_session *s, const struct http_head *head,
				   uint64_t now_us);
int __wrap_relay_session_on_frame(struct relay_session *s, const struct derp_raw_frame *frame,
				  const struct secret_key *secret,
				  const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				  struct writer *out, struct relay_event *event);
int __real_relay_session_on_frame(struct relay_session *s, const struct derp_raw_frame *frame,
				  const struct secret_key *secret,
				  const uint8_t nonce[static DERP_NONCE_LEN], uint64_t now_us,
				  struct writer *out, struct relay_event *event);
void __wrap_relay_session_on_closed(struct relay_session *s, const char *reason, uint32_t random,
				    uint64_t now_us);
void __real_relay_session_on_closed(struct relay_session *s, const char *reason, uint32_t random,
				    uint64_t now_us);

void __wrap_liveness_on_proof(struct liveness *l, uint64_t sent_us, uint64_t now_us);
void __real_liveness_on_proof(struct liveness *l, uint64_t sent_us, uint64_t now_us);
void __wrap_liveness_on_doubt(struct liveness *l, uint64_t now_us);
void __real_liveness_on_doubt(struct liveness *l, uint64_t now_us);
void __wrap_liveness_on_loss(struct liveness *l, uint64_t now_us);
void __real_liveness_on_loss(struct liveness *l, uint64_t now_us);
void __wrap_liveness_reset(struct liveness *l, uint64_t now_us);
void __real_liveness_reset(struct liveness *l, uint64_t now_us);
bool __wrap_liveness_on_deadline(struct liveness *l, uint64_t now_us);
bool __real_liveness_on_deadline(struct liveness *l, uint64_t now_us);

bool __wrap_gap_step(struct gap *g, const struct gap_view *view, uint64_t now_us, uint64_t unix_us,
		     struct event *out);
bool __real_gap_step(struct gap *g, const struct gap_view *view, uint64_t now_us, uint64_t unix_us,
		     struct event *out);

#endif
