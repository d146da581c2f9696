/* warren: the command that people type; speaks to warrend over its Unix socket. */
#include <stdbool.h>
#include <stdio.h>

#include <sodium.h>

#include "agent/cli/arguments.h"
#include "agent/cli/commands.h"

int main(int argc, char **argv)
{
	struct arguments args;
	int status = 2;

	if (sodium_init() < 0)
		return 1;
	if (!arguments_read(&args, argc, argv, &status))
		return status;
	status = commands_run(&args);
	arguments_wipe(&args);
	/* A full disk behind stdout is a failure too. */
	bool is_lost = fflush(stdout) != 0 || ferror(stdout);
	if (is_lost && status == 0) {
		perror("warren: stdout");
		status = 1;
	}
	return status;
}
