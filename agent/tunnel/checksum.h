/*
 * checksum: the Internet checksum (RFC 1071), in pieces.
 *
 * A sum is kept unfolded in 64 bits and in the byte order of the machine, as RFC 1071 section 2(B)
 * allows. Only the last piece of a packet may have an odd length.
 */
#ifndef WARREN_CHECKSUM_H
#define WARREN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Adds len bytes to a running sum that starts at 0. */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len);
/* What belongs in the checksum field: folded to 16 bits and complemented. */
uint16_t checksum_finish(uint64_t sum);
/* Folded only: what a pseudo-header leaves in the field for the kernel or a card to finish. */
uint16_t checksum_fold(uint64_t sum);

/* The pseudo-header of TCP and UDP (RFC 9293 section 3.1, RFC 8200 section 8.1): addr_len is 4 or
 * 16, source and destination lie one behind the other. */
uint64_t checksum_pseudo(const uint8_t *addresses, size_t addr_len, uint8_t proto, size_t len);

/* Writes and reads the field itself. */
void checksum_store(uint8_t *field, uint16_t sum);
uint16_t checksum_load(const uint8_t *field);
/* The field after the 16-bit word at an even place changed from old to new (RFC 1624). */
uint16_t checksum_adjust(uint16_t field, uint16_t old_word, uint16_t new_word);

#endif
