#include "coordinator/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/net/loop.h"
#include "coordinator/coordinator.h"
#include "coordinator/manage.h"
#include "coordinator/server.h"

struct program {
	const struct server_settings *settings;
	struct event_base *base;
	struct server *server;
	struct loop_signals *signals;
};

static void on_stop(void *arg)
{
	struct program *p = arg;

	loop_notify_stopping();
	server_leave(p->server);
}

static void on_reload(void *arg)
{
	struct program *p = arg;

	loop_notify_reloading(clock_now_us());
	server_reload(p->server);
	loop_notify_ready();
}

static void on_ended(void *arg)
{
	struct program *p = arg;

	loop_stop(p->base);
}

/* The person who starts a new mesh, as its first owner. */
static void first_owner(char out[static CONTROL_NAME_LEN])
{
	static const char *const variables[] = {"SUDO_USER", "USER", "LOGNAME"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *user = getenv(variables[i]);

		if (user && control_name_valid(user)) {
			snprintf(out, CONTROL_NAME_LEN, "%s", user);
			return;
		}
	}
	snprintf(out, CONTROL_NAME_LEN, "admin");
}

/* The first token of a mesh that nobody has joined yet. */
static bool make_first_token(struct program *p, char text[static CONTROL_TOKEN_LEN])
{
	char owner[CONTROL_NAME_LEN], error[COORDINATOR_ERROR_LEN];
	struct token_request request = {
		.name = "node", .owner = owner, .ttl_s = 24 * 3600, .reusable = true};
	struct coordinator *core = server_core(p->server);
	struct moment now = {clock_now_us(), clock_unix_us() / US_PER_MS};
	uint8_t random[MANAGE_RANDOM_LEN];
	struct token t;
	size_t nodes;

	(void)registry_all(core->registry, &nodes);
	if (nodes + core->tokens.count > 0)
		return false;
	first_owner(owner);
	randombytes_buf(random, sizeof(random));
	return manage_token_create(core, &request, random, &now, text, &t, error) == 0;
}

/* A mesh in one command: a new mesh shows an invitation that works, a later start how to make one.
 * Under systemd standard output is the journal, where no secret belongs. */
static void print_invitation(struct program *p)
{
	struct invitation inv = *server_template(p->server);
	char text[INVITATION_TEXT_LEN];
	bool in_journal = getenv("JOURNAL_STREAM") != NULL;

	if (in_journal || !make_first_token(p, inv.token))
		snprintf(inv.token, sizeof(inv.token), "TOKEN");
	if (invitation_str(&inv, text) != 0)
		return;
	printf("coordinator: %s\n"
	       "invitation:  %s\n"
	       "another:     warren-coordinator token create --owner OWNER --name NAME "
	       "--state-dir %s\n",
	       server_template(p->server)->url, text, p->settings->state_dir);
	fflush(stdout);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&inv, sizeof(inv));
}

static const char *contradiction(const struct server_settings *s)
{
	if (s->store && strncmp(s->store, "sqlite:", 7) != 0)
		return "--store is sqlite:FILE; other stores are not built into this version";
	if (!s->tls_cert != !s->tls_key)
		return "--tls-cert and --tls-key belong together";
	return NULL;
}

int serve_run(const struct server_settings *settings)
{
	const char *wrong = contradiction(settings);

	if (wrong) {
		fprintf(stderr, "warren-coordinator: %s\n", wrong);
		return 2;
	}
	struct program p = {.settings = settings, .base = loop_base_new()};
	struct server_config config = {
		.settings = settings, .base = p.base, .ended = on_ended, .arg = &p};

	int err = server_start(&config, &p.server);
	if (err == 0) {
		p.signals = loop_signals_new(p.base, on_stop, on_reload, &p);
		print_invitation(&p);
		loop_notify_ready();
		loop_run(p.base);
		server_flush(p.server);
	}
	server_free(p.server);
	loop_signals_free(p.signals);
	loop_base_free(p.base);
	return err ? 1 : 0;
}
