/*
 * mss: lowers the segment size a TCP SYN offers, so that no inner packet exceeds the tunnel's MTU
 * although its path MTU discovery may be broken. A core: one packet in place, checksum mended.
 */
#ifndef WARREN_MSS_H
#define WARREN_MSS_H

#include <stddef.h>
#include <stdint.h>

/* Anything but a TCP SYN with an MSS option above what mtu_bytes allows is left as it is. The
 * packet's TCP checksum must already be a finished one. */
void mss_clamp(uint8_t *pkt, size_t len, unsigned mtu_bytes);

#endif
