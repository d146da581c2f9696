/* show_ping: the lines of `warren ping` for people, out of those of `ping --json`. */
#ifndef WARREN_SHOW_PING_H
#define WARREN_SHOW_PING_H

#include <stdio.h>

#include "common/json.h"

/* One line: an answer, a timeout, or the summary. */
void show_ping(const struct json_in *line, FILE *out);

#endif
