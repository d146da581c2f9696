/*
 * aead_mb: aead's second library, ipsec-mb, behind a face that every build has.
 *
 * Only aead.c calls it. Builds without the library get a twin that is never available.
 */
#ifndef WARREN_AEAD_MB_H
#define WARREN_AEAD_MB_H

#include <stdbool.h>
#include <stddef.h>

struct aead_job;
struct aead_mb;

/* True where this build and CPU have it and it wins against OpenSSL. Costs nothing to ask. */
bool aead_mb_available(void);

struct aead_mb *aead_mb_new(void); /* NULL where unavailable or out of memory. 4 MB */
void aead_mb_free(struct aead_mb *mb);

/* Jobs with len above 0 only, as the library knows no empty message. */
void aead_mb_seal(struct aead_mb *mb, struct aead_job *jobs, size_t n);
void aead_mb_open(struct aead_mb *mb, struct aead_job *jobs, size_t n);

#endif
