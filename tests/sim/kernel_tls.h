/*
 * kernel_tls: what a day may say of the servers' TLS.
 */
#ifndef WARREN_SIM_KERNEL_TLS_H
#define WARREN_SIM_KERNEL_TLS_H

#include <stdbool.h>

struct host;

/* Its certificates name no DERP key from its next start on, as a relay that knows no fast start. */
void kernel_tls_withhold_derp_key(struct host *relay, bool is_withheld);

#endif
