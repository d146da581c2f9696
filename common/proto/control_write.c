/*
 * control_write: a control message as text.
 */
#include "common/proto/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/json.h"
#include "common/proto/control_words.h"

static void add_public_key(struct json *obj, const char *key, const char *prefix,
			   const struct public_key *value)
{
	char text[KEY_TEXT_LEN];

	public_key_str(value, prefix, text);
	json_add_str(obj, key, text);
}

static void add_signature(struct json *obj, const char *key,
			  const uint8_t sig[static SIGNATURE_LEN])
{
	char hex[2 * SIGNATURE_LEN + 1] = "";

	if (!sodium_is_zero(sig, SIGNATURE_LEN))
		hex_encode(sig, SIGNATURE_LEN, hex);
	json_add_str(obj, key, hex);
}

static void add_key(struct json *obj, const char *key, const char *prefix,
		    const struct control_key *k)
{
	struct json *part = json_add_object(obj, key);

	add_public_key(part, "key", prefix, &k->key);
	json_add_u64(part, "serial", k->serial);
	add_signature(part, "sig", k->sig);
}

static void add_caps(struct json *obj, uint32_t caps)
{
	struct json *list = json_add_array(obj, "caps");

	for (size_t i = 0; i < CONTROL_CAPS; i++)
		if (caps & control_cap_words[i].cap)
			json_append_str(list, control_cap_words[i].word);
}

static void add_endpoints(struct json *obj, const struct control_endpoints *endpoints)
{
	struct json *list = json_add_array(obj, "endpoints");

	for (size_t i = 0; i < endpoints->count; i++) {
		struct json *item = json_append_object(list);
		char addr[ENDPOINT_TEXT_LEN];

		endpoint_str(&endpoints->list[i].addr, addr);
		json_add_str(item, "addr", addr);
		json_add_str(item, "kind", control_kind_words[endpoints->list[i].kind]);
	}
}

static void ports_str(const struct control_rule *rule, char out[static 16])
{
	if (rule->port_first == 0 && rule->port_last == UINT16_MAX)
		snprintf(out, 16, "*");
	else if (rule->port_first == rule->port_last)
		snprintf(out, 16, "%u", rule->port_first);
	else
		snprintf(out, 16, "%u-%u", rule->port_first, rule->port_last);
}

static void add_rules(struct json *obj, const char *key, const struct control_rules *rules)
{
	struct json *list = json_add_array(obj, key);

	for (size_t i = 0; i < rules->count; i++) {
		struct json *item = json_append_object(list);
		char ports[16];

		ports_str(&rules->list[i], ports);
		json_add_str(item, "proto", control_proto_words[rules->list[i].proto]);
		json_add_str(item, "ports", ports);
	}
}

static void add_epoch(struct json *obj, uint64_t epoch)
{
	char hex[17];

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)epoch);
	json_add_str(obj, "epoch", hex);
}

static void add_ip(struct json *obj, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_LEN];

	ip_str(ip, text);
	json_add_str(obj, key, text);
}

static void add_prefix(struct json *obj, const char *key, const struct prefix *p)
{
	char text[PREFIX_TEXT_LEN];

	prefix_str(p, text);
	json_add_str(obj, key, text);
}

static void add_hello(struct json *obj, const struct control_hello *h)
{
	add_public_key(obj, "machine_key", "mkey", &h->machine_key);
	add_key(obj, "node_key", "nodekey", &h->node_key);
	add_key(obj, "disco_key", "discokey", &h->disco_key);
	add_signature(obj, "proof", h->proof);
	if (h->token[0])
		json_add_str(obj, "token", h->token);
	if (h->name[0])
		json_add_str(obj, "name", h->name);
	if (h->owner[0])
		json_add_str(obj, "owner", h->owner);
	json_add_str(obj, "role", control_role_words[h->role]);
	json_add_str(obj, "version", h->version);
	add_caps(obj, h->caps);
	add_epoch(obj, h->epoch);
	json_add_u64(obj, "map_number", h->map_number);
	add_endpoints(obj, &h->endpoints);
	json_add_u64(obj, "home_region", h->home_region);
}

static void add_welcome(struct json *obj, const struct control_welcome *w)
{
	json_add_u64(obj, "id", w->id);
	json_add_str(obj, "name", w->name);
	json_add_str(obj, "owner", w->owner);
	json_add_str(obj, "role", control_role_words[w->role]);
	add_ip(obj, "v4", &w->v4);
	add_ip(obj, "v6", &w->v6);
	add_prefix(obj, "mesh_v4", &w->mesh_v4);
	add_prefix(obj, "mesh_v6", &w->mesh_v6);
	add_epoch(obj, w->epoch);
	json_add_str(obj, "version", w->version);
	add_caps(obj, w->caps);
	json_add_u64(obj, "unix_ms", w->unix_ms);
}

static void add_peer(struct json *obj, const struct control_peer *p)
{
	json_add_u64(obj, "id", p->id);
	json_add_str(obj, "name", p->name);
	json_add_str(obj, "owner", p->owner);
	json_add_str(obj, "role", control_role_words[p->role]);
	add_ip(obj, "v4", &p->v4);
	add_ip(obj, "v6", &p->v6);
	add_public_key(obj, "machine_key", "mkey", &p->machine_key);
	add_key(obj, "node_key", "nodekey", &p->node_key);
	add_key(obj, "disco_key", "discokey", &p->disco_key);
	add_endpoints(obj, &p->endpoints);
	json_add_u64(obj, "home_region", p->home_region);
	add_caps(obj, p->caps);
	json_add_bool(obj, "online", p->online);
	add_rules(obj, "access_in", &p->access_in);
	add_rules(obj, "access_out", &p->access_out);
}

static void add_map(struct json *obj, const struct control_map *m)
{
	json_add_u64(obj, "number", m->number);
	json_add_bool(obj, "full", m->full);

	struct json *peers = json_add_array(obj, "peers");
	for (size_t i = 0; i < m->n_peers; i++)
		add_peer(json_append_object(peers), &m->peers[i]);

	struct json *removed = json_add_array(obj, "removed");
	for (size_t i = 0; i < m->n_removed; i++)
		json_append_u64(removed, m->removed[i]);
}

static void add_body(struct json *obj, const struct control_message *m)
{
	switch (m->type) {
	case CONTROL_HELLO:
		add_hello(obj, &m->hello);
		break;
	case CONTROL_KEYS:
		add_key(obj, "node_key", "nodekey", &m->keys.node_key);
		add_key(obj, "disco_key", "discokey", &m->keys.disco_key);
		break;
	case CONTROL_ENDPOINTS:
		add_endpoints(obj, &m->endpoints.endpoints);
		json_add_u64(obj, "home_region", m->endpoints.home_region);
		break;
	case CONTROL_ACK:
		json_add_u64(obj, "number", m->ack);
		break;
	case CONTROL_PING:
		json_add_u64(obj, "number", m->ping);
		break;
	case CONTROL_WELCOME:
		add_welcome(obj, &m->welcome);
		break;
	case CONTROL_RELAYS:
		json_add_str(obj, "derp_map", m->relays);
		break;
	case CONTROL_MAP:
		add_map(obj, &m->map);
		break;
	case CONTROL_ERROR:
		json_add_str(obj, "code", control_error_words[m->error.code]);
		json_add_str(obj, "text", m->error.text);
		break;
	case CONTROL_GOAWAY:
		json_add_u64(obj, "after_ms", m->goaway_ms);
		break;
	case CONTROL_PONG:
		json_add_u64(obj, "number", m->pong);
		break;
	case CONTROL_TYPES:
		break;
	}
}

/* The caps that the reader will hold the message to. */
static bool fits(const struct control_message *m)
{
	if ((unsigned)m->type >= CONTROL_TYPES)
		return false;
	if (m->type == CONTROL_MAP)
		return m->map.n_peers <= CONTROL_MAX_PEERS &&
		       m->map.n_removed <= CONTROL_MAX_PEERS && m->map.number <= control_number_max;
	if (m->type == CONTROL_RELAYS)
		return m->relays && strlen(m->relays) <= CONTROL_RELAYS_TEXT_MAX;
	return true;
}

int control_encode(const struct control_message *m, char **text, size_t *len)
{
	if (!fits(m))
		return -EINVAL;

	struct json *obj = json_object_new();
	json_add_str(obj, "type", control_type_words[m->type]);
	add_body(obj, m);
	*text = json_print(obj);
	json_free(obj);
	if (!*text)
		return -ENOMEM;
	*len = strlen(*text);
	return 0;
}
