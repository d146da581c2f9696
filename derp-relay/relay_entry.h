/*
 * relay_entry: this relay as one node of a relay map, ready for `warren-coordinator relay add -`.
 */
#ifndef WARREN_RELAY_ENTRY_H
#define WARREN_RELAY_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto/derp_map.h"

struct relay_entry {
	uint32_t region_id;
	const char *region_code, *region_name;
	const char *host; /* name or IP literal */
	uint16_t derp_port;
	uint16_t stun_port; /* 0: none */
	bool has_port80;
	uint8_t pin[DERP_PIN_LEN]; /* SHA-256 of the certificate */
};

/* One line of JSON; the caller frees it. */
char *relay_entry_print(const struct relay_entry *e);

#endif
