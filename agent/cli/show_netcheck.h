/* show_netcheck: `warren netcheck` for people, out of the document of `netcheck --json`. */
#ifndef WARREN_SHOW_NETCHECK_H
#define WARREN_SHOW_NETCHECK_H

#include <stdio.h>

#include "common/json.h"

void show_netcheck(const struct json_in *doc, FILE *out);

#endif
