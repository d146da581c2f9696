/*
 * coverage_server_tap: what coverage_tap does, for the machines of the servers: a relay's clients
 * and whom it admits, the coordinator's sessions and tokens; and for a node's questions to STUN.
 */
#ifndef WARREN_SIM_COVERAGE_SERVER_TAP_H
#define WARREN_SIM_COVERAGE_SERVER_TAP_H

#include "coordinator/coordinator.h"
#include "coordinator/node_session.h"
#include "coordinator/token.h"
#include "derp-relay/admission.h"
#include "derp-relay/client_conn.h"
#include "stun/stun_client.h"

int __wrap_client_conn_init(struct client_conn *c, uint16_t worker, const struct endpoint *from,
			    uint8_t flags, const uint8_t random[static CLIENT_NONCE_LEN],
			    uint32_t jitter, uint64_t now_us);
int __real_client_conn_init(struct client_conn *c, uint16_t worker, const struct endpoint *from,
			    uint8_t flags, const uint8_t random[static CLIENT_NONCE_LEN],
			    uint32_t jitter, uint64_t now_us);
void __wrap_client_conn_wipe(struct client_conn *c, struct hub *hub);
void __real_client_conn_wipe(struct client_conn *c, struct hub *hub);
int __wrap_client_conn_on_bytes(struct client_conn *c, const struct client_env *env,
				struct hub *hub, uint8_t *data, size_t len, uint64_t now_us,
				size_t *used);
int __real_client_conn_on_bytes(struct client_conn *c, const struct client_env *env,
				struct hub *hub, uint8_t *data, size_t len, uint64_t now_us,
				size_t *used);
int __wrap_client_conn_on_admission(struct client_conn *c, struct hub *hub, bool allowed,
				    uint64_t now_us);
int __real_client_conn_on_admission(struct client_conn *c, struct hub *hub, bool allowed,
				    uint64_t now_us);

enum admission_decision __wrap_admission_on_connect(struct admission *a,
						    const struct public_key *key,
						    const struct ip_addr *source, uint64_t now_us,
						    uint64_t unix_s);
enum admission_decision __real_admission_on_connect(struct admission *a,
						    const struct public_key *key,
						    const struct ip_addr *source, uint64_t now_us,
						    uint64_t unix_s);
enum admission_decision __wrap_admission_on_answer(struct admission *a,
						   const struct public_key *key,
						   enum admission_answer answer, uint64_t now_us,
						   uint64_t unix_s);
enum admission_decision __real_admission_on_answer(struct admission *a,
						   const struct public_key *key,
						   enum admission_answer answer, uint64_t now_us,
						   uint64_t unix_s);

struct node_session *__wrap_node_session_open(struct coordinator *c, void *link,
					      const struct endpoint *from,
					      const uint8_t nonce[static CONTROL_NONCE_LEN],
					      const struct moment *now);
struct node_session *__real_node_session_open(struct coordinator *c, void *link,
					      const struct endpoint *from,
					      const uint8_t nonce[static CONTROL_NONCE_LEN],
					      const struct moment *now);
void __wrap_node_session_on_text(struct coordinator *c, struct node_session *s, const char *text,
				 size_t len, const struct moment *now);
void __real_node_session_on_text(struct coordinator *c, struct node_session *s, const char *text,
				 size_t len, const struct moment *now);
void __wrap_node_session_on_closed(struct coordinator *c, struct node_session *s,
				   const struct moment *now);
void __real_node_session_on_closed(struct coordinator *c, struct node_session *s,
				   const struct moment *now);

enum token_verdict __wrap_token_judge(const struct token *t, const struct public_key *machine,
				      uint64_t now_unix_s);
enum token_verdict __real_token_judge(const struct token *t, const struct public_key *machine,
				      uint64_t now_unix_s);

void __wrap_stun_client_start(struct stun_client *c, const struct stun_timing *timing,
			      const struct endpoint *server, uint32_t change,
			      const uint8_t random[static STUN_TXID_LEN], uint64_t now_us);
void __real_stun_client_start(struct stun_client *c, const struct stun_timing *timing,
			      const struct endpoint *server, uint32_t change,
			      const uint8_t random[static STUN_TXID_LEN], uint64_t now_us);
bool __wrap_stun_client_on_deadline(struct stun_client *c, uint64_t now_us);
bool __real_stun_client_on_deadline(struct stun_client *c, uint64_t now_us);
void __wrap_stun_client_fail(struct stun_client *c);
void __real_stun_client_fail(struct stun_client *c);
int __wrap_stun_client_on_answer(struct stun_client *c, const struct stun_message *m,
				 const struct endpoint *from, uint64_t now_us);
int __real_stun_client_on_answer(struct stun_client *c, const struct stun_message *m,
				 const struct endpoint *from, uint64_t now_us);

#endif
