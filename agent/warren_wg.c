#include "agent/warren_wg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/tunnel/engine.h"
#include "agent/tunnel/uapi_socket.h"
#include "common/net/loop.h"
#include "common/version.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
/* What wg-quick and other user-space implementations take. */
enum { PLAIN_MTU_BYTES = 1420 };

struct program {
	const char *interface;
	bool in_foreground;
	int ready_fd; /* where the parent waits; -1: there is none */
	struct event_base *base;
	struct tun tun;
	unsigned ifindex;
	struct engine *engine;
	struct uapi_socket *uapi;
	struct loop_signals *signals;
	struct event *on_link;
};

static const char usage[] =
	"usage: warren-wg [-f] INTERFACE\n"
	"Plain WireGuard on a new interface, to be configured with wg(8) or wg-quick(8).\n"
	"  -f, --foreground  stay in the foreground\n"
	"      --help        this text\n"
	"      --version     name, version and commit\n"
	"It ends when the interface or /var/run/wireguard/INTERFACE.sock is removed.\n";

static int fail(const char *what, const char *hint, int err)
{
	fprintf(stderr, "warren-wg: %s: %s%s%s\n", what, strerror(-err), hint ? "; " : "",
		hint ? hint : "");
	return err;
}

/* ---- while it runs ---- */

static void stop(void *arg)
{
	struct program *p = arg;

	loop_stop(p->base);
}

/* Any news of links: is ours still there, and how large are its packets? */
static void on_link(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;
	char name[IF_NAMESIZE], news[8192];
	unsigned mtu_bytes;

	(void)what;
	while (recv(fd, news, sizeof(news), 0) > 0)
		;
	if (!if_indextoname(p->ifindex, name))
		stop(p);
	else if (tun_get_mtu(name, &mtu_bytes) == 0)
		engine_set_mtu(p->engine, mtu_bytes);
}

static int watch_links(struct program *p)
{
	struct sockaddr_nl links = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&links, sizeof(links)) < 0)
		return -errno;
	p->on_link = event_new(p->base, fd, EV_READ | EV_PERSIST, on_link, p);
	return p->on_link && event_add(p->on_link, NULL) == 0 ? 0 : -ENOMEM;
}

/* ---- start and end ---- */

static int open_tun(struct program *p)
{
	struct tun_config config = {.name = p->interface, .mtu_bytes = PLAIN_MTU_BYTES};
	int err = tun_open(&config, &p->tun);

	p->ifindex = err ? 0 : (unsigned)p->tun.ifindex;
	if (err == -EBUSY)
		return fail(p->interface, "another process holds the interface", err);
	if (err == -EPERM)
		return fail(p->interface, "making an interface needs CAP_NET_ADMIN", err);
	if (err == -EINVAL)
		return fail(p->interface, "an interface of another kind has this name", err);
	return err ? fail(p->interface, NULL, err) : 0;
}

static int open_all(struct program *p)
{
	int err = uapi_socket_open(p->interface, &p->uapi);
	if (err == -EADDRINUSE)
		return fail("/var/run/wireguard", "a live process serves this interface", err);
	if (err)
		return fail("/var/run/wireguard", NULL, err);
	err = open_tun(p);
	if (err)
		return err;
	struct engine_config config = {.base = p->base, .tun = &p->tun, .roaming = true};
	err = engine_new(&config, &p->engine);
	if (err) {
		tun_close(&p->tun);
		return fail("engine", NULL, err);
	}
	err = uapi_socket_serve(p->uapi, p->base, p->engine, true, stop, p);
	if (!err)
		err = watch_links(p);
	return err ? fail("events", NULL, err) : 0;
}

static void close_all(struct program *p)
{
	uapi_socket_close(p->uapi);
	engine_free(p->engine);
	loop_signals_free(p->signals);
	if (p->on_link) {
		close(event_get_fd(p->on_link));
		event_free(p->on_link);
	}
	loop_base_free(p->base);
}

/* Tells the waiting parent, and lets go of the terminal. */
static void say_ready(struct program *p)
{
	if (p->ready_fd < 0)
		return;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null_fd >= 0; fd++)
		dup2(null_fd, fd);
	if (null_fd > 2)
		close(null_fd);
	if (write(p->ready_fd, "", 1) < 0)
		stop(p); /* the parent is gone, and with it who wanted us */
	close(p->ready_fd);
}

static int serve(struct program *p)
{
	p->base = loop_base_new();
	p->signals = loop_signals_new(p->base, stop, NULL, p);
	int err = open_all(p);
	if (!err) {
		say_ready(p);
		loop_run(p->base);
	}
	close_all(p);
	return err ? EXIT_FAILED : EXIT_OK;
}

/* The parent's part: waits until the child is ready or has failed. */
static int await_child(pid_t child, int fd)
{
	char byte;
	int status = 0;

	if (read(fd, &byte, 1) == 1)
		return EXIT_OK;
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_FAILED;
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static int serve_in_background(struct program *p)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return fail("pipe", NULL, -errno), EXIT_FAILED;
	pid_t child = fork();
	if (child < 0)
		return fail("fork", NULL, -errno), EXIT_FAILED;
	if (child > 0) {
		close(pair[1]);
		return await_child(child, pair[0]);
	}
	close(pair[0]);
	setsid();
	if (chdir("/") < 0)
		return EXIT_FAILED;
	p->ready_fd = pair[1];
	return serve(p);
}

static bool is_interface_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IF_NAMESIZE && name[0] != '-' && !strpbrk(name, "/ \t\n%") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int warren_wg_main(int argc, char **argv)
{
	struct program p = {.ready_fd = -1, .tun.fd = -1};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("warren-wg %s (%s)\n", version_number(), version_commit());
			return EXIT_OK;
		}
		if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--foreground") == 0)
			p.in_foreground = true;
		else if (!p.interface)
			p.interface = argv[i];
		else
			p.interface = "";
	}
	if (!p.interface || !is_interface_name(p.interface)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (sodium_init() < 0)
		return fail("libsodium", NULL, -ENOSYS), EXIT_FAILED;
	return p.in_foreground ? serve(&p) : serve_in_background(&p);
}
