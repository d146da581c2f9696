/*
 * curve_tap: where the simulator remembers multiplications on Curve25519 (RFC 7748), which were a
 * sixth of a day's cost: calls of libsodium that the linker leads past here (-Wl,--wrap).
 *
 * Every answer is the real one, computed once: a secret times a key is the same at both ends, so
 * the two ends of a handshake share it, found by the unordered pair of their public keys; that a
 * secret's public key is known follows from its having been computed here before. What is not known
 * is computed, and forgotten answers are computed again, so nothing can depend on this table. It
 * belongs to the running world; without one, every call is passed on.
 */
#ifndef WARREN_SIM_CURVE_TAP_H
#define WARREN_SIM_CURVE_TAP_H

#include <stdint.h>

/* How many multiplications the running world was spared. */
uint64_t curve_tap_spared(void);

/* The linker's names. */
int __wrap_crypto_scalarmult_base(unsigned char *q, const unsigned char *n);
int __real_crypto_scalarmult_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p);
int __real_crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p);
int __wrap_crypto_box_beforenm(unsigned char *k, const unsigned char *pk, const unsigned char *sk);
int __wrap_crypto_box_easy(unsigned char *c, const unsigned char *m, unsigned long long mlen,
			   const unsigned char *n, const unsigned char *pk,
			   const unsigned char *sk);
int __wrap_crypto_box_open_easy(unsigned char *m, const unsigned char *c, unsigned long long clen,
				const unsigned char *n, const unsigned char *pk,
				const unsigned char *sk);

#endif
