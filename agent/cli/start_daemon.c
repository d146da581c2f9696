#include "agent/cli/start_daemon.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WAIT_STEPS = 100 }; /* of 100 ms */

/* systemctl's own words go to stderr, among them why it may not. */
static int run_systemctl(void)
{
	char systemctl[] = "systemctl", start[] = "start", unit[] = "warrend.service";
	char *argv[] = {systemctl, start, unit, NULL};
	pid_t pid;
	int status;

	int err = posix_spawnp(&pid, systemctl, NULL, NULL, argv, environ);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EACCES;
}

int start_daemon(const char *path, int *fd, char error[static DAEMON_ERROR_LEN])
{
	const struct timespec step = {.tv_nsec = 100 * 1000 * 1000};
	int err = daemon_connect(path, fd, error);

	if ((err != -ENOENT && err != -ECONNREFUSED) || !daemon_has_systemd())
		return err;
	fprintf(stderr, "starting warrend\n");
	if (run_systemctl() != 0) {
		snprintf(error, DAEMON_ERROR_LEN,
			 "systemd could not start warrend: try `sudo warren up`, or see "
			 "`systemctl status warrend`");
		return -EACCES;
	}
	for (int i = 0; i < WAIT_STEPS && err; i++) {
		err = daemon_connect(path, fd, error);
		if (err)
			nanosleep(&step, NULL);
	}
	return err;
}
