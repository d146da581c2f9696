#include "agent/local/local_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "tests/unit/test.h"

/* A server in a folder of its own whose handler answers "echo" at once and keeps "wait" open. */
struct rig {
	struct event_base *base;
	struct local_server *server;
	char dir[64], path[96];
	struct local_request *waiting;
	unsigned cancelled;
	bool privileged;
	char error[LOCAL_ERROR_LEN];
};

static void on_request(void *arg, struct local_request *req)
{
	struct rig *rig = arg;

	rig->privileged = local_request_is_privileged(req);
	if (strcmp(local_request_cmd(req), "wait") == 0) {
		rig->waiting = req;
		return;
	}
	struct json_error err = {0};
	struct json_in root = json_root(local_request_body(req), &err);
	struct json *tree = json_object_new();
	json_add_str(tree, "echo", json_opt_str(&root, "text", 64, "nothing"));
	local_reply(req, tree);
	local_done(req, 3, "enough");
}

static void on_cancel(void *arg, struct local_request *req)
{
	struct rig *rig = arg;

	CHECK(req == rig->waiting);
	rig->waiting = NULL;
	rig->cancelled++;
}

static const struct local_server_ops ops = {on_request, on_cancel};

static int open_at(struct rig *rig, const char *path, struct local_server **out)
{
	return local_server_new(rig->base, path, LOCAL_NO_OPERATOR, &ops, rig, out, rig->error);
}

static void rig_open(struct rig *rig)
{
	*rig = (struct rig){.base = event_base_new()};
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/warren-local-test-XXXXXX");
	CHECK(mkdtemp(rig->dir) != NULL);
	snprintf(rig->path, sizeof(rig->path), "%s/a/b/s.sock", rig->dir);
	CHECK_INT(open_at(rig, rig->path, &rig->server), 0);
}

static void rig_close(struct rig *rig)
{
	char path[128];

	local_server_free(rig->server);
	event_base_free(rig->base);
	snprintf(path, sizeof(path), "%s/a/b", rig->dir);
	CHECK_INT(rmdir(path), 0); /* empty: the socket is gone */
	path[strlen(path) - 2] = '\0';
	CHECK_INT(rmdir(path), 0);
	CHECK_INT(rmdir(rig->dir), 0);
}

static void turn(struct rig *rig)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path, path, strlen(path) + 1);
	CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* All that the server wrote before it closed. */
static void check_answer(int fd, const char *wanted)
{
	char text[1024] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	CHECK(n >= 0);
	CHECK_STR(text, wanted);
	close(fd);
}

TEST(a_request_is_answered_in_lines_with_the_exit_status_last)
{
	struct rig rig;

	rig_open(&rig);
	int fd = connect_to(rig.path);
	say(fd, "{\"cmd\":\"echo\",");
	turn(&rig);
	say(fd, "\"text\":\"hello\"}\n");
	turn(&rig);
	CHECK(rig.privileged); /* same user */
	check_answer(fd, "{\"echo\":\"hello\"}\n{\"done\":true,\"exit\":3,\"error\":\"enough\"}\n");
	rig_close(&rig);
}

TEST(what_is_no_request_is_told_so)
{
	struct rig rig;

	rig_open(&rig);
	int fd = connect_to(rig.path);
	say(fd, "{\"cmd\":7}\n");
	turn(&rig);
	char text[256] = "";
	CHECK(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	CHECK(strstr(text, "\"exit\":2,\"error\":\"not a request: cmd") != NULL);
	close(fd);
	rig_close(&rig);
}

TEST(a_crowd_keeps_nobody_out_who_commands)
{
	CHECK(local_has_room(false, 0, 0) && local_has_room(false, 47, 15));
	CHECK(!local_has_room(false, 16, 16) && !local_has_room(false, 48, 0));
	CHECK(local_has_room(true, 48, 16) && local_has_room(true, 63, 63));
	CHECK(!local_has_room(true, 64, 0));
}

TEST(a_client_that_leaves_cancels_its_request)
{
	struct rig rig;

	rig_open(&rig);
	int fd = connect_to(rig.path);
	say(fd, "{\"cmd\":\"wait\"}\n");
	turn(&rig);
	CHECK(rig.waiting != NULL && rig.cancelled == 0);
	close(fd);
	turn(&rig);
	CHECK(rig.waiting == NULL && rig.cancelled == 1);
	rig_close(&rig);
}

TEST(a_request_without_an_end_is_cut_off)
{
	static char flood[LOCAL_REQUEST_MAX + 4096];
	struct rig rig;

	rig_open(&rig);
	memset(flood, 'x', sizeof(flood) - 1);
	int fd = connect_to(rig.path);
	for (size_t at = 0; at < sizeof(flood) - 1;) {
		ssize_t n =
			send(fd, flood + at, sizeof(flood) - 1 - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
		turn(&rig);
	}
	turn(&rig);
	char byte;
	CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	CHECK(errno != EAGAIN);
	close(fd);
	rig_close(&rig);
}

TEST(the_socket_is_open_to_all_in_a_folder_open_to_all)
{
	struct rig rig;
	struct stat st;

	rig_open(&rig);
	CHECK(stat(rig.path, &st) == 0 && (st.st_mode & 07777) == 0666);
	rig.path[strlen(rig.path) - strlen("/s.sock")] = '\0';
	CHECK(stat(rig.path, &st) == 0 && (st.st_mode & 07777) == 0755);
	rig_close(&rig);
}

TEST(a_live_socket_is_never_replaced_and_a_dead_one_is)
{
	struct local_server *second = NULL;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rig rig;

	rig_open(&rig);
	CHECK_INT(open_at(&rig, rig.path, &second), -EADDRINUSE);
	CHECK(strstr(rig.error, "another warrend") != NULL);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dead", rig.dir);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); /* nobody behind it any more */
	CHECK_INT(open_at(&rig, addr.sun_path, &second), 0);
	local_server_free(second);
	CHECK(access(addr.sun_path, F_OK) != 0);
	rig_close(&rig);
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
	struct local_server *server = NULL;
	struct rig rig;
	char path[128];

	rig_open(&rig);
	snprintf(path, sizeof(path), "%s/file", rig.dir);
	FILE *f = fopen(path, "w");
	CHECK(f != NULL);
	fclose(f);
	CHECK_INT(open_at(&rig, path, &server), -EEXIST);
	CHECK_INT(unlink(path), 0);
	rig_close(&rig);
}
