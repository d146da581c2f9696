/*
 * main: warrend, and warren-wg where it is called by that name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "agent/node.h"
#include "agent/settings.h"
#include "agent/warren_wg.h"
#include "common/config.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int fail(int status, const char *error)
{
	fprintf(stderr, "warrend: %s\n", error);
	return status;
}

static int run(struct settings *settings)
{
	char error[NODE_ERROR_LEN];
	struct node *node;
	int status = settings_finish(settings, error);

	if (status != 0)
		return fail(status, error);
	if (node_new(settings, &node, error) != 0)
		return fail(1, error);
	status = node_run(node);
	node_free(node);
	return status;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct config config;
	int status;

	if (sodium_init() < 0)
		return fail(1, "no secure random numbers on this machine");
	if (argc > 0 && strcmp(base_name(argv[0]), "warren-wg") == 0)
		return warren_wg_main(argc, argv);

	if (!config_load(&warrend_program, argc, argv, &settings, &config, &status))
		return status;
	status = run(&settings);
	config_wipe(&config);
	return status;
}
