/*
 * commands: what each of `warren`'s commands does: ask the daemon, print what it says. A shell.
 */
#ifndef WARREN_COMMANDS_H
#define WARREN_COMMANDS_H

#include "agent/cli/arguments.h"

/* The exit status. */
int commands_run(const struct arguments *args);

#endif
