#include "tests/sim/alone.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

void alone_judge(struct verdict *v, int status)
{
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM))
		verdict_fail(v, 0, "hang", "the day did not end in %d s of the processor",
			     ALONE_PATIENCE_S);
	else if (WIFSIGNALED(status))
		verdict_fail(v, 0, "crash", "%s", strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0) /* what a sanitizer does */
		verdict_fail(v, 0, "crash", "the process ended with status %d",
			     WEXITSTATUS(status));
}

void alone_limit(bool is_on)
{
	const struct itimerval patience = {.it_value.tv_sec = is_on ? ALONE_PATIENCE_S : 0};

	setitimer(ITIMER_PROF, &patience, NULL);
	alarm(is_on ? ALONE_WAIT_S : 0);
}

void alone_play(const struct day *day, const struct play_options *options,
		struct play_result *result)
{
	struct play_result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	if (shared == MAP_FAILED)
		abort();
	fflush(NULL);
	pid_t child = fork();

	if (child < 0)
		abort();
	if (child == 0) {
		alone_limit(true);
		play_day(day, options, shared);
		fflush(NULL);
		_exit(0);
	}
	while (waitpid(child, &status, 0) != child)
		;
	*result = *shared;
	alone_judge(&result->verdict, status);
	munmap(shared, sizeof(*shared));
}
