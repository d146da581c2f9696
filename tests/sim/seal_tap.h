/*
 * seal_tap: where the simulator remembers what was sealed and signed, for whoever opens or verifies
 * it: calls of libsodium that the linker leads past here (-Wl,--wrap).
 *
 * Disco messages are sealed and opened in one process here, and a signature of the coordinator is
 * verified by every node: opening what was sealed with the same key and nonce, unchanged to the
 * last byte, gives what went in. Anything else (another key, a changed byte, too long ago) is
 * opened by libsodium itself, so nothing can depend on what is remembered. It belongs to the
 * running world; without one, every call is passed on.
 */
#ifndef WARREN_SIM_SEAL_TAP_H
#define WARREN_SIM_SEAL_TAP_H

#include <stdint.h>

/* How many seals and signatures of the running world were known. */
uint64_t seal_tap_spared(void);

/* The linker's names. */
int __wrap_crypto_box_easy_afternm(unsigned char *c, const unsigned char *m,
				   unsigned long long mlen, const unsigned char *n,
				   const unsigned char *k);
int __real_crypto_box_easy_afternm(unsigned char *c, const unsigned char *m,
				   unsigned long long mlen, const unsigned char *n,
				   const unsigned char *k);
int __wrap_crypto_box_open_easy_afternm(unsigned char *m, const unsigned char *c,
					unsigned long long clen, const unsigned char *n,
					const unsigned char *k);
int __real_crypto_box_open_easy_afternm(unsigned char *m, const unsigned char *c,
					unsigned long long clen, const unsigned char *n,
					const unsigned char *k);
int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen,
				const unsigned char *m, unsigned long long mlen,
				const unsigned char *sk);
int __real_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen,
				const unsigned char *m, unsigned long long mlen,
				const unsigned char *sk);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
				       unsigned long long mlen, const unsigned char *pk);
int __real_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
				       unsigned long long mlen, const unsigned char *pk);

#endif
