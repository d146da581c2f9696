#include "agent/node_inside.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "agent/filter/filter.h"
#include "common/clock.h"
#include "common/statefile.h"

enum { SERIALS_RESERVED = 1 << 20 };

static const uint64_t late_from_us = 50 * US_PER_MS;
/* A nap this long leaves a relay's TCP waiting for as long again before it sends. */
static const uint64_t asleep_from_us = 500 * US_PER_MS;
static const uint64_t save_retry_us = 5 * US_PER_S;

/* ---- small services ---- */

struct peer *node_find_peer(struct node *node, uint32_t id)
{
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].id == id)
			return node->peers[i].peer;
	return NULL;
}

void node_warn_state(struct node *node, int err)
{
	if (err != 0 && err != -ENOENT)
		log_warn("state", log_event(err == -EBADMSG ? "left-out" : "disk"),
			 log_str("error", node->state.error));
}

static bool is_file(const struct node *node, const char *path, const char *name)
{
	char its_path[STATE_PATH_LEN];

	state_path(&node->state, name, its_path);
	return strcmp(path, its_path) == 0;
}

/* What has to be there at the next start is tried again, until the disk takes it: of a reservation,
 * what is used beyond it would be used again, and be refused for a replay. */
static void on_save_failed(void *arg, const char *path, int err)
{
	struct node *node = arg;
	uint64_t again_us = clock_now_us() + save_retry_us;

	state_explain_write(&node->state, path, err);
	node_warn_state(node, err);
	node->trust.changed |= is_file(node, path, "trust.json");
	if (is_file(node, path, "reserve.json"))
		node->reserve_save_us = again_us;
	else if (is_file(node, path, "identity.json") && !node->next_keys)
		node->identity_save_us = again_us;
	else if (node->has_map && (node->trust.changed || is_file(node, path, "map.json")))
		node->map_save_us = again_us;
	node_arm(node);
}

void node_save_identity(struct node *node)
{
	/* What is written here stands behind a next key that is on its way, and would bring back
	 * the old one once that has been told. */
	node_keys_drop(node);
	node->identity_save_us = US_NEVER;
	node_warn_state(node, state_save_identity(&node->state, &node->id));
}

static void save_reserve(struct node *node)
{
	node->reserve_save_us = US_NEVER;
	node_warn_state(node, state_save_reserve(&node->state, &node->reserve));
}

void node_save_refused(struct node *node)
{
	if (node->identity_save_us != US_NEVER)
		node_save_identity(node);
	if (node->reserve_save_us != US_NEVER)
		save_reserve(node);
}

void node_record(struct node *node, const struct event *event)
{
	int before = recorder_error(node->recorder);

	recorder_add_event(node->recorder, event);
	int now = recorder_error(node->recorder);
	if (now != before && now != 0)
		log_warn("history", log_event("memory-only"), log_str("error", strerror(-now)));
}

/* Numbers are reserved on disk in blocks, so that a crash reuses none. */
uint64_t node_next_serial(void *arg)
{
	struct node *node = arg;

	if (node->serial >= node->reserve.serial) {
		node->reserve.serial = node->serial + SERIALS_RESERVED;
		save_reserve(node);
	}
	return ++node->serial;
}

/* A disk that has been full for a while knows of no block that was used since, but the clock does:
 * nobody sends a million messages a second. */
static uint64_t first_serial(const struct node *node)
{
	uint64_t unix_us = clock_unix_us();

	return unix_us > node->reserve.serial ? unix_us : node->reserve.serial;
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t refused_due_us(const struct node *node)
{
	return sooner(node->identity_save_us, node->reserve_save_us);
}

static uint64_t next_deadline_us(const struct node *node)
{
	uint64_t next_us = sooner(node_commands_deadline_us(node), refused_due_us(node));

	if (node->on) {
		next_us = sooner(next_us, node_reach_deadline_us(node));
		next_us = sooner(next_us, node_relays_deadline_us(node));
		next_us = sooner(next_us, node->flows_due_us);
		next_us = sooner(next_us, node->map_save_us);
		next_us = sooner(next_us, node->warm_save_us);
		next_us = sooner(next_us, node->keys_due_us);
		for (size_t i = 0; i < node->n_peers; i++)
			if (node->peers[i].peer)
				next_us = sooner(next_us, peer_deadline_us(node->peers[i].peer));
	}
	return next_us;
}

/* What is due already ("at once" is written as 0) counts as due from now on, so that armed_us says
 * truly how late the timer then comes. */
void node_arm(struct node *node)
{
	uint64_t next_us = next_deadline_us(node), now_us = clock_now_us();

	if (next_us <= now_us) {
		if (node->armed_us <= now_us)
			return; /* the timer is on its way */
		next_us = now_us;
	}
	if (next_us != node->armed_us) {
		node->armed_us = next_us;
		loop_timer_set(node->timer, next_us);
	}
}

/* How long the machine has slept, ever. */
static uint64_t slept_us(void)
{
	uint64_t awake_us = clock_awake_us();

	return clock_now_us() - awake_us;
}

static void notice_sleep(struct node *node, uint64_t now_us)
{
	uint64_t asleep_us = slept_us();
	uint64_t nap_us = asleep_us > node->asleep_us ? asleep_us - node->asleep_us : 0;

	if (nap_us < asleep_from_us)
		return;
	node->asleep_us = asleep_us;
	uint64_t unix_us = clock_unix_us();
	struct event event = event_make(EVENT_SLEEP, CODE_ASLEEP, 0, NULL, NULL, unix_us - nap_us);
	event.end_unix_us = unix_us;
	node_record(node, &event);
	log_info("node", log_event("woke"), log_u64("slept_s", nap_us / US_PER_S));
	if (node->on)
		node_reach_changed(node, "asleep", now_us);
}

static void notice_lateness(struct node *node, uint64_t now_us)
{
	uint64_t late_us = now_us > node->armed_us ? now_us - node->armed_us : 0;

	if (late_us < late_from_us)
		return;
	for (size_t i = 0; i < node->n_peers; i++)
		if (node->peers[i].peer)
			peer_on_late(node->peers[i].peer, late_us);
}

static void peers_on_deadline(struct node *node, uint64_t now_us)
{
	for (size_t i = 0; i < node->n_peers; i++) {
		struct peer *peer = node->peers[i].peer;

		if (peer && peer_deadline_us(peer) <= now_us)
			peer_on_deadline(peer, now_us);
	}
}

static void on_saves_due(struct node *node, uint64_t now_us)
{
	if (now_us >= node->map_save_us) {
		node->map_save_us = US_NEVER;
		if (node->has_map)
			node_save_map(node);
	}
	if (now_us >= node->warm_save_us) {
		node->warm_save_us = US_NEVER;
		node_save_warm(node);
	}
	if (now_us >= node->flows_due_us) {
		uint64_t changes = filter_changes(node->filter);

		node->flows_due_us = now_us + node_flows_every_us;
		if (changes != node->flows_saved_changes)
			engine_save_filter(node->engine);
		node->flows_saved_changes = changes;
	}
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct node *node = arg;

	notice_sleep(node, now_us);
	notice_lateness(node, now_us);
	node->armed_us = US_NEVER;
	node_commands_on_deadline(node, now_us);
	if (now_us >= refused_due_us(node))
		node_save_refused(node);
	if (node->on) {
		node_reach_on_deadline(node, now_us);
		node_relays_on_deadline(node, now_us);
		peers_on_deadline(node, now_us);
		node_reach_on_activity(node, now_us);
		on_saves_due(node, now_us);
		node_keys_on_deadline(node, now_us);
	}
	node_arm(node);
}

/* ---- life ---- */

static int load_identity(struct node *node, char error[static NODE_ERROR_LEN])
{
	uint8_t random[96];
	int err = state_load_identity(&node->state, &node->id);

	if (err == -ENOENT) {
		randombytes_buf(random, sizeof(random));
		state_identity_new(&node->id, random);
		sodium_memzero(random, sizeof(random));
		err = state_save_identity(&node->state, &node->id);
	}
	if (err != 0)
		state_explain_refusal(&node->state, err, error, NODE_ERROR_LEN);
	return err;
}

static int load_state(struct node *node, char error[static NODE_ERROR_LEN])
{
	int err = state_open(&node->state, node->settings->state_dir);

	if (err == 0)
		err = load_identity(node, error);
	else
		state_explain_refusal(&node->state, err, error, NODE_ERROR_LEN);
	if (err != 0)
		return err;
	err = state_load_reserve(&node->state, &node->reserve);
	if (err == 0 || err == -ENOENT)
		err = state_load_trust(&node->state, &node->trust);
	if (err == -ENOENT)
		err = 0;
	if (err != 0)
		state_explain_refusal(&node->state, err, error, NODE_ERROR_LEN);
	node->serial = first_serial(node);
	return err;
}

/* The token of --token, --token-file or an invitation; a saved identity needs none. */
static int read_token(struct node *node, const struct invitation *invitation,
		      char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	char *text = NULL;
	size_t len;

	if (invitation->token[0]) {
		snprintf(node->token, sizeof(node->token), "%s", invitation->token);
	} else if (s->token) {
		snprintf(node->token, sizeof(node->token), "%s", s->token);
	} else if (s->token_file) {
		int err = statefile_read(s->token_file, CONTROL_TOKEN_LEN - 1, &text, &len);

		if (err != 0) {
			snprintf(error, NODE_ERROR_LEN, "cannot read the token file %s: %s",
				 s->token_file, strerror(-err));
			return err;
		}
		snprintf(node->token, sizeof(node->token), "%s", text);
		node->token[strcspn(node->token, "\r\n \t")] = '\0';
		sodium_memzero(text, len);
		free(text);
	}
	return 0;
}

static int parse_coordinator(const char *text, struct invitation *out,
			     char error[static NODE_ERROR_LEN])
{
	struct http_url url;

	*out = (struct invitation){0};
	if (strncmp(text, "warren:", 7) == 0) {
		if (invitation_parse(text, out) == 0)
			return 0;
		snprintf(error, NODE_ERROR_LEN,
			 "that is no invitation: paste the whole line, "
			 "warren://host:port/#token=...&pin=...");
		return -EINVAL;
	}
	if (http_url_parse(text, &url) != 0 || !url.tls || strlen(text) >= sizeof(out->url)) {
		snprintf(error, NODE_ERROR_LEN,
			 "--coordinator: not https://host[:port] and no invitation");
		return -EINVAL;
	}
	snprintf(out->url, sizeof(out->url), "%s", text);
	size_t len = strlen(out->url);
	if (out->url[len - 1] == '/')
		out->url[len - 1] = '\0';
	return 0;
}

static int apply_coordinator(struct node *node, char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	struct invitation invitation = {0};

	if (s->role && node->id.id == 0 && control_role_parse(s->role, &node->id.role) != 0)
		return -EINVAL;
	if (s->name && node->id.id == 0) {
		if (!control_name_valid(s->name)) {
			snprintf(error, NODE_ERROR_LEN,
				 "--name: 1 to 63 of a-z, 0-9 and '-', such as dev-2");
			return -EINVAL;
		}
		snprintf(node->id.name, sizeof(node->id.name), "%s", s->name);
	}
	if (!s->coordinator)
		return 0;
	int err = parse_coordinator(s->coordinator, &invitation, error);
	if (err != 0)
		return err;
	if (node->id.url[0] && strcmp(node->id.url, invitation.url) != 0) {
		snprintf(error, NODE_ERROR_LEN,
			 "this node belongs to %s, not to %s: use another --state-dir to join a "
			 "second mesh",
			 node->id.url, invitation.url);
		return -EINVAL;
	}
	if (node->id.id == 0) {
		memcpy(node->id.url, invitation.url, sizeof(node->id.url));
		node->id.has_pin = invitation.has_pin;
		memcpy(node->id.pin, invitation.pin, sizeof(node->id.pin));
		node->id.up = true;
		err = read_token(node, &invitation, error);
	}
	sodium_memzero(&invitation, sizeof(invitation));
	return err;
}

static int operator_uid(const char *name, uid_t *out, char error[static NODE_ERROR_LEN])
{
	*out = LOCAL_NO_OPERATOR;
	if (!name)
		return 0;
	const struct passwd *pw = getpwnam(name);
	if (!pw) {
		snprintf(error, NODE_ERROR_LEN, "--operator: there is no user %s", name);
		return -EINVAL;
	}
	*out = pw->pw_uid;
	return 0;
}

static void on_stop(void *arg)
{
	struct node *node = arg;

	loop_notify_stopping();
	if (node->on)
		node_leave_for_restart(node);
	loop_stop(node->base);
}

/* When the process before us ended: it said so, or it crashed after the last sample that it wrote.
 * 0: there was none. */
static uint64_t last_end_unix_us(struct node *node)
{
	uint64_t unix_us = state_load_stopped(&node->state);
	struct sample last;

	if (unix_us != 0) /* nothing is said of our own end yet */
		node_warn_state(node, state_save_stopped(&node->state, 0));
	if (recorder_last_sample(node->recorder, 0, &last) && last.unix_us > unix_us)
		unix_us = last.unix_us;
	return unix_us;
}

static void record_restart(struct node *node)
{
	uint64_t unix_us = clock_unix_us(), start_unix_us = last_end_unix_us(node);

	if (start_unix_us == 0 || start_unix_us > unix_us)
		return;
	struct event event = event_make(EVENT_DAEMON, CODE_RESTARTED, 0, NULL, NULL, start_unix_us);
	event.end_unix_us = unix_us;
	node_record(node, &event);
}

static int open_shells(struct node *node, char error[static NODE_ERROR_LEN])
{
	const struct settings *s = node->settings;
	uid_t operator;
	int err = operator_uid(s->operator, & operator, error);

	if (err == 0)
		err = local_server_new(node->base, s->socket, operator, & node_local_ops, node,
				       &node->local, error);
	if (err == 0 && s->metrics)
		err = http_metrics_start(node->base, s->metrics, node_fill_metrics, node,
					 &node->metrics, error);
	return err;
}

int node_new(const struct settings *settings, struct node **out, char error[static NODE_ERROR_LEN])
{
	struct node *node = calloc(1, sizeof(*node));
	int disk;

	if (!node) {
		snprintf(error, NODE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	node->settings = settings;
	node->tun.fd = -1;
	node->armed_us = node->identity_save_us = node->reserve_save_us = US_NEVER;
	node->asleep_us = slept_us();
	node->base = loop_base_new();
	node->timer = loop_timer_new(node->base, on_timer, node);
	node->signals = loop_signals_new(node->base, on_stop, NULL, node);
	int err = load_state(node, error);
	if (err == 0)
		err = apply_coordinator(node, error);
	if (err == 0) {
		node->saver = saver_new(node->base, on_save_failed, node);
		node->state.saver = node->saver;
		err = open_shells(node, error);
	}
	if (err == 0) {
		node->recorder = recorder_open(node->state.dir, &disk);
		if (disk != 0)
			log_warn("history", log_event("memory-only"),
				 log_str("error", strerror(-disk)));
		record_restart(node);
		if (node->id.url[0] && node->id.up)
			err = node_turn_on(node, error);
	}
	if (err != 0) {
		node_free(node);
		return err;
	}
	*out = node;
	return 0;
}

int node_run(struct node *node)
{
	if (!node->on)
		log_info("node", log_event("waiting"), log_str("hint", "warren up INVITATION"));
	loop_notify_ready();
	loop_run(node->base);
	return 0;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	if (node->on)
		node_stop_parts(node);
	state_map_wipe(&node->map);
	node_commands_drop(node);
	http_metrics_free(node->metrics);
	local_server_free(node->local);
	if (node->recorder)
		recorder_close(node->recorder);
	saver_free(node->saver);
	trust_book_free(&node->trust);
	loop_signals_free(node->signals);
	loop_timer_free(node->timer);
	loop_base_free(node->base);
	sodium_memzero(node, sizeof(*node));
	free(node);
}
