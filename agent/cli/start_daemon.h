/* start_daemon: has systemd start warrend, for `warren up` on a machine where it does not run yet.
 */
#ifndef WARREN_START_DAEMON_H
#define WARREN_START_DAEMON_H

#include "agent/cli/daemon_link.h"

/* Starts it and connects, waiting 10 s at most. -errno with one line in error; without systemd that
 * line is the one of daemon_connect. */
MUST_CHECK int start_daemon(const char *path, int *fd, char error[static DAEMON_ERROR_LEN]);

#endif
