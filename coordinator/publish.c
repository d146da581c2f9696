#include "coordinator/publish.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/sight.h"

/* Each is answered. */
static void send_map(struct coordinator *c, struct node_session *s, const char *text, size_t len)
{
	s->acks_due++;
	c->ops->send(s->link, text, len);
}

void publish_message(struct coordinator *c, struct node_session *s, const struct control_message *m)
{
	char *text;
	size_t len;

	if (control_encode(m, &text, &len) != 0)
		return; /* beyond the protocol's caps: counted as not sent */
	if (m->type == CONTROL_MAP)
		send_map(c, s, text, len);
	else
		c->ops->send(s->link, text, len);
	c->counters.changes_sent++;
	free(text);
}

static void fill_peer(const struct node *n, const struct sight *sight, struct control_peer *out)
{
	*out = (struct control_peer){
		.id = n->id,
		.role = n->role,
		.v4 = n->v4,
		.v6 = n->v6,
		.machine_key = n->machine_key,
		.node_key = n->node_key,
		.disco_key = n->disco_key,
		.endpoints = n->endpoints,
		.home_region = n->home_region,
		.caps = n->caps,
		.online = n->online,
		.access_in = sight->in,
		.access_out = sight->out,
	};
	memcpy(out->name, n->name, sizeof(out->name));
	memcpy(out->owner, n->owner, sizeof(out->owner));
}

/* ---- one change, to all who may see it ---- */

struct delta {
	struct coordinator *c;
	const struct node *subject;
	uint64_t number;
	struct sight sight; /* that text was made for */
	char *text;
	size_t len;
};

static bool rules_equal(const struct control_rules *a, const struct control_rules *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->list[i].proto != b->list[i].proto ||
		    a->list[i].port_first != b->list[i].port_first ||
		    a->list[i].port_last != b->list[i].port_last)
			return false;
	return true;
}

static bool fits_text(const struct delta *d, const struct sight *sight)
{
	return d->text && rules_equal(&d->sight.in, &sight->in) &&
	       rules_equal(&d->sight.out, &sight->out);
}

static void make_text(struct delta *d, const struct sight *sight)
{
	struct control_peer peer;
	struct control_message m = {.type = CONTROL_MAP,
				    .map = {.number = d->number, .peers = &peer, .n_peers = 1}};

	free(d->text);
	d->text = NULL;
	d->sight = *sight;
	fill_peer(d->subject, sight, &peer);
	if (control_encode(&m, &d->text, &d->len) != 0)
		d->text = NULL;
}

static void send_delta(void *arg, struct node *viewer)
{
	struct delta *d = arg;
	struct sight sight;

	if (!viewer->session || !sight_of(d->c->policy, viewer, d->subject, &sight))
		return;
	if (!fits_text(d, &sight))
		make_text(d, &sight);
	if (!d->text)
		return;
	send_map(d->c, viewer->session, d->text, d->len);
	d->c->counters.changes_sent++;
}

void publish_node(struct coordinator *c, struct node *n)
{
	coordinator_reserve_numbers(c);
	n->changed = netmap_next(c->netmap);
	struct delta d = {.c = c, .subject = n, .number = n->changed};

	sight_each_candidate(c->policy, c->registry, n, send_delta, &d);
	free(d.text);
}

static void send_removal(void *arg, struct node *viewer)
{
	struct delta *d = arg;
	struct sight sight;

	if (!viewer->session || !sight_of(d->c->policy, viewer, d->subject, &sight))
		return;
	send_map(d->c, viewer->session, d->text, d->len);
	d->c->counters.changes_sent++;
}

void publish_removal(struct coordinator *c, const struct node *n)
{
	coordinator_reserve_numbers(c);
	struct delta d = {.c = c, .subject = n, .number = netmap_log_removal(c->netmap, n->id)};
	uint32_t id = n->id;
	struct control_message m = {.type = CONTROL_MAP,
				    .map = {.number = d.number, .removed = &id, .n_removed = 1}};

	if (control_encode(&m, &d.text, &d.len) != 0)
		return;
	sight_each_candidate(c->policy, c->registry, n, send_removal, &d);
	free(d.text);
}

/* ---- a map for one session ---- */

struct map_maker {
	const struct coordinator *c;
	const struct node *viewer;
	uint64_t since;		/* nodes that did not change after it are left out */
	struct control_map map; /* grows; the lists are owned */
	size_t peers_cap;
};

static void add_peer(struct map_maker *maker, const struct node *other, const struct sight *sight)
{
	struct control_map *map = &maker->map;

	if (map->n_peers == CONTROL_MAX_PEERS)
		return;
	if (map->n_peers == maker->peers_cap) {
		size_t cap = maker->peers_cap ? maker->peers_cap * 2 : 8;
		struct control_peer *grown = reallocarray(map->peers, cap, sizeof(*grown));

		if (!grown)
			abort();
		map->peers = grown;
		maker->peers_cap = cap;
	}
	fill_peer(other, sight, &map->peers[map->n_peers++]);
}

static void see(void *arg, struct node *other)
{
	struct map_maker *maker = arg;
	struct sight sight;

	if (other->changed >= maker->since &&
	    sight_of(maker->c->policy, maker->viewer, other, &sight))
		add_peer(maker, other, &sight);
}

/* Makes it a delta from number on; false where a full map is due. Who is in sight stays so until it
 * is removed or the policy changes, and then numbers from before are too old. */
static bool start_delta(struct map_maker *maker, uint64_t epoch, uint64_t number)
{
	struct control_map *map = &maker->map;

	if (epoch != maker->c->epoch ||
	    netmap_removed_since(maker->c->netmap, number, &map->removed, &map->n_removed) != 0)
		return false;
	maker->since = number + 1;
	return true;
}

void publish_map_to(struct coordinator *c, struct node_session *s, uint64_t epoch, uint64_t number)
{
	struct map_maker maker = {
		.c = c, .viewer = s->node, .map = {.number = netmap_number(c->netmap)}};

	maker.map.full = !start_delta(&maker, epoch, number);
	c->counters.maps_full += maker.map.full;
	c->counters.maps_delta += !maker.map.full;
	sight_each_candidate(c->policy, c->registry, s->node, see, &maker);
	struct control_message m = {.type = CONTROL_MAP, .map = maker.map};
	publish_message(c, s, &m);
	free(maker.map.peers);
	free(maker.map.removed);
}

void publish_everything(struct coordinator *c)
{
	coordinator_reserve_numbers(c);
	netmap_forget(c->netmap);
	for (struct node_session *s = c->sessions; s; s = s->next)
		if (s->state == NODE_SESSION_JOINED)
			publish_map_to(c, s, 0, 0);
}

/* ---- relays ---- */

void publish_relays_to(struct coordinator *c, struct node_session *s)
{
	struct control_message m = {.type = CONTROL_RELAYS, .relays = c->relays.text};

	publish_message(c, s, &m);
}

void publish_relays(struct coordinator *c)
{
	struct control_message m = {.type = CONTROL_RELAYS, .relays = c->relays.text};
	char *text;
	size_t len;

	if (control_encode(&m, &text, &len) != 0)
		return;
	for (struct node_session *s = c->sessions; s; s = s->next)
		if (s->state == NODE_SESSION_JOINED)
			c->ops->send(s->link, text, len);
	free(text);
}
