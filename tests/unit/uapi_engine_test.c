/* What wg(8) says to an engine, and what it hears back. A socket pair stands for the TUN. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "agent/tunnel/engine.h"
#include "agent/tunnel/uapi_engine.h"
#include "common/net/loop.h"
#include "tests/unit/test.h"

/* Curve25519 secrets and their publics, RFC 7748 section 6.1. */
#define ALICE_SECRET "77076d0a7318a57d3c16c17251b26645d4a82f8e7e7e1c2a9d5d1e0d1d9a4b2a"
#define BOB "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define CAROL "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define PSK "0101010101010101010101010101010101010101010101010101010101010101"

static struct event_base *base;
static struct engine *engine;
static int app;
static char answer[8192];

static void start(void)
{
	int pair[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	app = pair[0];
	base = loop_base_new();
	struct tun tun = {.fd = pair[1], .name = "test"};
	struct engine_config config = {.base = base, .tun = &tun, .roaming = true};
	CHECK_INT(engine_new(&config, &engine), 0);
}

static void end(void)
{
	engine_free(engine);
	loop_base_free(base);
	close(app);
}

static const char *say(bool may_change, const char *message)
{
	struct writer w = writer_init(answer, sizeof(answer) - 1);

	uapi_engine_answer(engine, may_change, message, strlen(message), &w);
	CHECK(!w.failed);
	answer[w.len] = '\0';
	return answer;
}

static bool get_has(const char *line)
{
	return strstr(say(true, "get=1\n\n"), line) != NULL;
}

static size_t n_peers(void)
{
	const struct engine_peer *peer = NULL;
	size_t n = 0;

	while ((peer = engine_peer_next(engine, peer)) != NULL)
		n++;
	return n;
}

TEST(what_was_set_can_be_read_back)
{
	start();
	CHECK_STR(say(true, "set=1\nprivate_key=" ALICE_SECRET "\nfwmark=0\nreplace_peers=true\n"
			    "public_key=" BOB "\npreshared_key=" PSK "\nendpoint=192.0.2.1:51820\n"
			    "persistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
			    "allowed_ip=10.0.0.0/24\nallowed_ip=fd00::/64\n\n"),
		  "errno=0\n\n");
	/* Clamped as RFC 7748 section 5 has it: the first byte loses three bits. */
	CHECK(get_has("private_key=70076d0a"));
	CHECK(get_has("public_key=" BOB "\npreshared_key=" PSK "\nprotocol_version=1\n"
		      "endpoint=192.0.2.1:51820\n"));
	CHECK(get_has("persistent_keepalive_interval=25\n"));
	CHECK(get_has("allowed_ip=10.0.0.0/24\n") && get_has("allowed_ip=fd00::/64\n"));
	CHECK(get_has("listen_port=") && !get_has("fwmark="));
	end();
}

TEST(a_peer_is_updated_removed_or_left_out)
{
	start();
	CHECK_STR(say(true, "set=1\npublic_key=" BOB "\nupdate_only=true\n\n"), "errno=0\n\n");
	CHECK_INT(n_peers(), 0);
	say(true, "set=1\npublic_key=" BOB "\nallowed_ip=10.0.0.0/24\n\n");
	say(true, "set=1\npublic_key=" BOB "\nupdate_only=true\nallowed_ip=10.0.1.0/24\n\n");
	CHECK(n_peers() == 1 && get_has("10.0.0.0/24") && get_has("10.0.1.0/24"));
	say(true, "set=1\npublic_key=" BOB "\nallowed_ip=-10.0.0.0/24\n\n");
	CHECK(!get_has("10.0.0.0/24") && get_has("10.0.1.0/24"));
	say(true, "set=1\npublic_key=" CAROL "\nallowed_ip=10.0.1.0/24\n\n"); /* it moves */
	CHECK_INT(n_peers(), 2);
	CHECK(strstr(say(true, "get=1\n\n"), CAROL) < strstr(answer, "10.0.1.0/24"));
	say(true, "set=1\npublic_key=" BOB "\nremove=true\npublic_key=" CAROL "\n\n");
	CHECK(n_peers() == 1 && !get_has(BOB));
	say(true, "set=1\nreplace_peers=true\n\n");
	CHECK_INT(n_peers(), 0);
	end();
}

TEST(lines_that_are_none_are_einval)
{
	start();
	CHECK_STR(say(true, "set=1\nnonsense=1\n\n"), "errno=-22\n\n");
	CHECK_STR(say(true, "set=1\nremove=true\n\n"), "errno=-22\n\n"); /* of whom? */
	CHECK_STR(say(true, "set=1\npublic_key=" BOB "\nlisten_port=1\n\n"), "errno=-22\n\n");
	CHECK_STR(say(true, "set=1\nget=1\n\n"), "errno=-22\n\n");
	CHECK_STR(say(true, "dump=1\n\n"), "errno=-22\n\n");
	CHECK_STR(say(true, "\n\n"), "errno=-22\n\n");
	end();
}

TEST(read_only_tells_no_secret_and_changes_nothing)
{
	start();
	say(true,
	    "set=1\nprivate_key=" ALICE_SECRET "\npublic_key=" BOB "\npreshared_key=" PSK "\n\n");
	CHECK_STR(say(false, "set=1\nreplace_peers=true\n\n"), "errno=-1\n\n");
	CHECK_INT(n_peers(), 1);
	say(false, "get=1\n\n");
	CHECK(strstr(answer, BOB) && strstr(answer, "errno=0\n\n"));
	CHECK(!strstr(answer, "private_key") && !strstr(answer, "preshared_key"));
	end();
}

TEST(a_taken_port_is_eaddrinuse_and_the_old_one_stays)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint any = {.ip = ip_from_v4((const uint8_t[4]){0})}, taken;
	char message[64], wanted[32];

	start();
	uint16_t port = engine_port(engine);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&sa, endpoint_to_sockaddr(&any, &sa)), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	CHECK_INT(endpoint_from_sockaddr((struct sockaddr *)&sa, &taken), 0);
	snprintf(message, sizeof(message), "set=1\nlisten_port=%u\n\n", taken.port);
	snprintf(wanted, sizeof(wanted), "errno=%d\n\n", -EADDRINUSE);
	CHECK_STR(say(true, message), wanted);
	CHECK_INT(engine_port(engine), port);
	close(fd);
	CHECK_STR(say(true, message), "errno=0\n\n");
	CHECK_INT(engine_port(engine), taken.port);
	end();
}

TEST(our_own_key_is_skipped_as_a_peer)
{
	struct public_key ours;
	char hex[KEY_HEX_LEN + 1], message[128];

	start();
	say(true, "set=1\nprivate_key=" ALICE_SECRET "\n\n");
	ours = engine_public_key(engine);
	public_key_hex(&ours, hex);
	snprintf(message, sizeof(message), "set=1\npublic_key=%s\nallowed_ip=10.0.0.0/8\n\n", hex);
	CHECK_STR(say(true, message), "errno=0\n\n");
	CHECK_INT(n_peers(), 0);
	end();
}

TEST(an_answer_that_does_not_fit_fails_whole)
{
	char small[20];
	struct writer w = writer_init(small, sizeof(small));

	start();
	say(true, "set=1\npublic_key=" BOB "\n\n");
	uapi_engine_answer(engine, true, "get=1\n\n", 7, &w);
	CHECK(w.failed);
	end();
}
