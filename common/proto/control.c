#include "common/proto/control.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/json.h"

static const char *const type_word[CONTROL_TYPES] = {"hello", "keys",	 "endpoints", "ack",
						     "ping",  "welcome", "relays",    "map",
						     "error", "goaway",	 "pong"};
static const char *const role_word[] = {"client", "agent"};
static const char *const kind_word[] = {"local", "stun", "portmap", "static"};
static const char *const proto_word[] = {"any", "tcp", "udp", "icmp"};
static const char *const error_word[CONTROL_ERROR_CODES] = {
	"other",	 "token-missing", "token-unknown", "token-expired", "token-used",
	"token-revoked", "name-taken",	  "key-changed",   "removed",	    "bad-proof",
	"bad-signature", "bad-message",	  "replaced",	   "full"};
static const struct {
	enum control_cap cap;
	const char *word;
} cap_words[] = {{CONTROL_CAP_MAP_DELTA, "map-delta"},
		 {CONTROL_CAP_DISCO_SERIAL, "disco-serial"},
		 {CONTROL_CAP_DISCO_NOTICE, "disco-notice"},
		 {CONTROL_CAP_GOAWAY, "goaway"}};

enum { N_CAP_WORDS = sizeof(cap_words) / sizeof(cap_words[0]) };
enum { MAX_CAPS_READ = 64, CAP_WORD_LEN = 63, RELAYS_TEXT_MAX = 1 << 20 };

const char *control_type_str(enum control_type type)
{
	return type_word[type];
}

const char *control_role_str(enum control_role role)
{
	return role_word[role];
}

const char *control_endpoint_kind_str(enum control_endpoint_kind kind)
{
	return kind_word[kind];
}

const char *control_proto_str(enum control_proto proto)
{
	return proto_word[proto];
}

const char *control_error_str(enum control_error_code code)
{
	return error_word[code];
}

/* The index of text among n words, or n. */
static size_t find_word(const char *text, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(text, words[i]) != 0)
		i++;
	return i;
}

int control_role_parse(const char *text, enum control_role *out)
{
	size_t i = find_word(text, role_word, 2);

	if (i == 2)
		return -EINVAL;
	*out = (enum control_role)i;
	return 0;
}

int control_proto_parse(const char *text, enum control_proto *out)
{
	size_t i = find_word(text, proto_word, 4);

	if (i == 4)
		return -EINVAL;
	*out = (enum control_proto)i;
	return 0;
}

/* Decimal digits only, no sign, no blank. */
static int parse_port(const char **at, uint16_t *out)
{
	unsigned value = 0;
	size_t digits = 0;

	for (; isdigit((unsigned char)**at); (*at)++, digits++) {
		value = value * 10 + (unsigned)(**at - '0');
		if (value > UINT16_MAX)
			return -EINVAL;
	}
	*out = (uint16_t)value;
	return digits > 0 ? 0 : -EINVAL;
}

int control_ports_parse(const char *text, struct control_rule *rule)
{
	uint16_t first = 0, last = UINT16_MAX;

	if (strcmp(text, "*") != 0) {
		if (parse_port(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (parse_port(&text, &last))
				return -EINVAL;
		}
		if (*text != '\0' || last < first)
			return -EINVAL;
	}
	rule->port_first = first;
	rule->port_last = last;
	return 0;
}

bool control_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CONTROL_NAME_LEN || name[0] == '-' || name[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';

		if (!fits)
			return false;
	}
	return true;
}

/* Copies the part up to the next dot; *at moves behind the dot. */
static int take_label(const char **at, char out[static CONTROL_NAME_LEN])
{
	const char *dot = strchr(*at, '.');

	if (!dot || dot - *at >= CONTROL_NAME_LEN)
		return -EBADMSG;
	size_t len = (size_t)(dot - *at);
	memcpy(out, *at, len);
	out[len] = '\0';
	*at = dot + 1;
	return control_name_valid(out) ? 0 : -EBADMSG;
}

int control_token_split(const char *token, char name[static CONTROL_NAME_LEN],
			char owner[static CONTROL_NAME_LEN], char secret[CONTROL_SECRET_LEN])
{
	const char *at = token;

	if (take_label(&at, name) || take_label(&at, owner))
		return -EBADMSG;
	size_t len = strlen(at);
	if (len == 0 || len >= CONTROL_SECRET_LEN || strchr(at, '.'))
		return -EBADMSG;
	if (secret)
		memcpy(secret, at, len + 1);
	return 0;
}

/* ---- what is signed ---- */

enum { SIGNED_TEXT_MAX = 32 + 8 + 2 * CONTROL_NAME_LEN + KEY_LEN + CONTROL_SPKI_HASH_LEN };

struct signed_text {
	uint8_t bytes[SIGNED_TEXT_MAX];
	size_t len;
};

static struct signed_text key_text(enum control_key_kind kind, const char *name, const char *owner,
				   const struct control_key *k)
{
	static const char *const label[] = {"warren-node-key-v1", "warren-disco-key-v1"};
	struct signed_text t;
	struct writer w = writer_init(t.bytes, sizeof(t.bytes));

	write_bytes(&w, label[kind], strlen(label[kind]) + 1);
	write_u64be(&w, k->serial);
	write_bytes(&w, name, strnlen(name, CONTROL_NAME_LEN - 1));
	write_u8(&w, 0);
	write_bytes(&w, owner, strnlen(owner, CONTROL_NAME_LEN - 1));
	write_u8(&w, 0);
	write_bytes(&w, k->key.b, sizeof(k->key.b));
	t.len = w.len;
	return t;
}

void control_key_sign(enum control_key_kind kind, const struct machine_secret *machine,
		      const char *name, const char *owner, struct control_key *k)
{
	struct signed_text t = key_text(kind, name, owner, k);

	machine_sign(machine, t.bytes, t.len, k->sig);
}

bool control_key_verify(enum control_key_kind kind, const struct public_key *machine,
			const char *name, const char *owner, const struct control_key *k)
{
	struct signed_text t = key_text(kind, name, owner, k);

	return machine_verify(machine, t.bytes, t.len, k->sig);
}

bool control_key_is_signed(const struct control_key *k)
{
	return !sodium_is_zero(k->sig, sizeof(k->sig));
}

static struct signed_text proof_text(const uint8_t nonce[static CONTROL_NONCE_LEN],
				     const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN])
{
	static const char label[] = "warren-session-v1";
	struct signed_text t;
	struct writer w = writer_init(t.bytes, sizeof(t.bytes));

	write_bytes(&w, label, sizeof(label));
	write_bytes(&w, nonce, CONTROL_NONCE_LEN);
	write_bytes(&w, spki_hash, CONTROL_SPKI_HASH_LEN);
	t.len = w.len;
	return t;
}

void control_proof_sign(const struct machine_secret *machine,
			const uint8_t nonce[static CONTROL_NONCE_LEN],
			const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			uint8_t proof[static SIGNATURE_LEN])
{
	struct signed_text t = proof_text(nonce, spki_hash);

	machine_sign(machine, t.bytes, t.len, proof);
}

bool control_proof_verify(const struct public_key *machine,
			  const uint8_t nonce[static CONTROL_NONCE_LEN],
			  const uint8_t spki_hash[static CONTROL_SPKI_HASH_LEN],
			  const uint8_t proof[static SIGNATURE_LEN])
{
	struct signed_text t = proof_text(nonce, spki_hash);

	return machine_verify(machine, t.bytes, t.len, proof);
}

/* ---- reading ---- */

static void read_text(const struct json_in *obj, const char *key, char *out, size_t cap)
{
	snprintf(out, cap, "%s", json_opt_str(obj, key, cap - 1, ""));
}

static void read_name(const struct json_in *obj, const char *key, bool needed, char *out)
{
	read_text(obj, key, out, CONTROL_NAME_LEN);
	if ((needed || out[0] != '\0') && !control_name_valid(out)) {
		struct json_in at = json_find(obj, key);
		json_fail(at.node ? &at : obj, "not a name (a-z, 0-9 and '-', 63 at most)");
	}
}

/* Fails at obj's member, or at obj itself where it is absent. */
static void fail_at(const struct json_in *obj, const char *key, const char *problem)
{
	struct json_in at = json_find(obj, key);

	json_fail(at.node ? &at : obj, problem);
}

static void read_word(const struct json_in *obj, const char *key, const char *const *words,
		      size_t n, size_t *out)
{
	*out = find_word(json_str(obj, key, CAP_WORD_LEN), words, n);
	if (*out == n) {
		fail_at(obj, key, "not a known word");
		*out = 0;
	}
}

static enum control_role read_role(const struct json_in *obj)
{
	size_t i;

	read_word(obj, "role", role_word, 2, &i);
	return (enum control_role)i;
}

static void read_public_key(const struct json_in *obj, const char *key, const char *prefix,
			    struct public_key *out)
{
	if (public_key_parse(json_str(obj, key, KEY_TEXT_LEN), prefix, out) != 0)
		fail_at(obj, key, "not a public key");
}

/* A signature in hexadecimal; "" or absent reads as all zero. */
static void read_signature(const struct json_in *obj, const char *key, bool needed,
			   uint8_t out[static SIGNATURE_LEN])
{
	const char *hex = json_opt_str(obj, key, 2 * SIGNATURE_LEN, "");

	memset(out, 0, SIGNATURE_LEN);
	if (hex[0] == '\0' && !needed)
		return;
	if (hex_decode(hex, out, SIGNATURE_LEN) != 0)
		fail_at(obj, key, "not a signature");
}

/* {"key", "serial", "sig"} */
static void read_key(const struct json_in *obj, const char *key, const char *prefix,
		     struct control_key *out)
{
	struct json_in in = json_object(obj, key);

	read_public_key(&in, "key", prefix, &out->key);
	out->serial = json_u64(&in, "serial", 0, control_number_max);
	read_signature(&in, "sig", false, out->sig);
}

static void read_ip(const struct json_in *obj, const char *key, bool v4, struct ip_addr *out)
{
	if (ip_parse(json_str(obj, key, IP_TEXT_LEN), out) != 0 || ip_is_v4(out) != v4)
		fail_at(obj, key, "not an address of its family");
}

static void read_prefix(const struct json_in *obj, const char *key, bool v4, struct prefix *out)
{
	if (prefix_parse(json_str(obj, key, PREFIX_TEXT_LEN), out) != 0 || ip_is_v4(&out->ip) != v4)
		fail_at(obj, key, "not a prefix of its family");
}

static uint32_t read_caps(const struct json_in *obj)
{
	struct json_in list = json_opt_array(obj, "caps", MAX_CAPS_READ);
	uint32_t caps = 0;

	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		const char *word = json_as_str(&item, CAP_WORD_LEN);

		for (size_t k = 0; k < N_CAP_WORDS; k++)
			if (strcmp(word, cap_words[k].word) == 0)
				caps |= cap_words[k].cap;
	}
	return caps;
}

static void read_endpoints(const struct json_in *obj, struct control_endpoints *out)
{
	struct json_in list = json_array(obj, "endpoints", CONTROL_MAX_ENDPOINTS);

	out->count = 0;
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		struct control_endpoint *e = &out->list[out->count++];
		size_t kind;

		if (endpoint_parse(json_str(&item, "addr", ENDPOINT_TEXT_LEN), &e->addr) != 0 ||
		    e->addr.port == 0)
			fail_at(&item, "addr", "not an address and port");
		read_word(&item, "kind", kind_word, 4, &kind);
		e->kind = (enum control_endpoint_kind)kind;
	}
}

static uint32_t read_region(const struct json_in *obj)
{
	return (uint32_t)json_opt_u64(obj, "home_region", 0, UINT32_MAX, 0);
}

static void read_rules(const struct json_in *obj, const char *key, struct control_rules *out)
{
	struct json_in list = json_opt_array(obj, key, CONTROL_MAX_RULES);

	out->count = 0;
	for (size_t i = 0; i < json_count(&list); i++) {
		struct json_in item = json_item(&list, i);
		struct control_rule *rule = &out->list[out->count++];
		size_t proto;

		read_word(&item, "proto", proto_word, 4, &proto);
		rule->proto = (enum control_proto)proto;
		if (control_ports_parse(json_str(&item, "ports", CAP_WORD_LEN), rule) != 0)
			fail_at(&item, "ports", "not \"22\", \"8000-8100\" or \"*\"");
	}
}

/* Epochs are 64-bit and so travel as 16 hexadecimal digits; absent or "" is none. */
static uint64_t read_epoch(const struct json_in *obj)
{
	const char *hex = json_opt_str(obj, "epoch", 16, "");
	uint8_t bytes[8] = {0};

	if (hex[0] == '\0')
		return 0;
	if (hex_decode(hex, bytes, sizeof(bytes)) != 0)
		fail_at(obj, "epoch", "not 16 hexadecimal digits");
	struct reader r = reader_init(bytes, sizeof(bytes));
	return read_u64be(&r);
}

static void read_hello(const struct json_in *in, struct control_hello *out)
{
	read_public_key(in, "machine_key", "mkey", &out->machine_key);
	read_key(in, "node_key", "nodekey", &out->node_key);
	read_key(in, "disco_key", "discokey", &out->disco_key);
	read_signature(in, "proof", true, out->proof);
	read_text(in, "token", out->token, sizeof(out->token));
	read_name(in, "name", false, out->name);
	read_name(in, "owner", false, out->owner);
	out->role = read_role(in);
	read_text(in, "version", out->version, sizeof(out->version));
	out->caps = read_caps(in);
	out->epoch = read_epoch(in);
	out->map_number = json_opt_u64(in, "map_number", 0, control_number_max, 0);
	read_endpoints(in, &out->endpoints);
	out->home_region = read_region(in);
}

static void read_welcome(const struct json_in *in, struct control_welcome *out)
{
	out->id = (uint32_t)json_u64(in, "id", 1, UINT32_MAX);
	read_name(in, "name", true, out->name);
	read_name(in, "owner", true, out->owner);
	out->role = read_role(in);
	read_ip(in, "v4", true, &out->v4);
	read_ip(in, "v6", false, &out->v6);
	read_prefix(in, "mesh_v4", true, &out->mesh_v4);
	read_prefix(in, "mesh_v6", false, &out->mesh_v6);
	out->epoch = read_epoch(in);
	read_text(in, "version", out->version, sizeof(out->version));
	out->caps = read_caps(in);
	out->unix_ms = json_opt_u64(in, "unix_ms", 0, control_number_max, 0);
}

static void read_peer(const struct json_in *in, struct control_peer *out)
{
	out->id = (uint32_t)json_u64(in, "id", 1, UINT32_MAX);
	read_name(in, "name", true, out->name);
	read_name(in, "owner", true, out->owner);
	out->role = read_role(in);
	read_ip(in, "v4", true, &out->v4);
	read_ip(in, "v6", false, &out->v6);
	read_public_key(in, "machine_key", "mkey", &out->machine_key);
	read_key(in, "node_key", "nodekey", &out->node_key);
	read_key(in, "disco_key", "discokey", &out->disco_key);
	read_endpoints(in, &out->endpoints);
	out->home_region = read_region(in);
	out->caps = read_caps(in);
	out->online = json_opt_bool(in, "online", false);
	read_rules(in, "access_in", &out->access_in);
	read_rules(in, "access_out", &out->access_out);
}

static int read_map(const struct json_in *in, struct control_map *out)
{
	struct json_in peers = json_opt_array(in, "peers", CONTROL_MAX_PEERS);
	struct json_in removed = json_opt_array(in, "removed", CONTROL_MAX_PEERS);

	out->number = json_u64(in, "number", 0, control_number_max);
	out->full = json_opt_bool(in, "full", false);
	out->n_peers = json_count(&peers);
	out->n_removed = json_count(&removed);
	out->peers = calloc(out->n_peers + 1, sizeof(*out->peers));
	out->removed = calloc(out->n_removed + 1, sizeof(*out->removed));
	if (!out->peers || !out->removed)
		return -ENOMEM;
	for (size_t i = 0; i < out->n_peers; i++) {
		struct json_in peer = json_item(&peers, i);
		read_peer(&peer, &out->peers[i]);
	}
	for (size_t i = 0; i < out->n_removed; i++) {
		struct json_in id = json_item(&removed, i);
		out->removed[i] = (uint32_t)json_as_u64(&id, 1, UINT32_MAX);
	}
	return 0;
}

/* The DERPMap stays text here: derp_map reads it, and what it does not know is not lost. */
static int read_relays(const struct json_in *in, char **out)
{
	const char *text = json_str(in, "derp_map", RELAYS_TEXT_MAX);

	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static void read_error(const struct json_in *in, struct control_error *out)
{
	size_t code =
		find_word(json_str(in, "code", CAP_WORD_LEN), error_word, CONTROL_ERROR_CODES);

	out->code =
		code == CONTROL_ERROR_CODES ? CONTROL_ERROR_OTHER : (enum control_error_code)code;
	read_text(in, "text", out->text, sizeof(out->text));
}

static int read_body(const struct json_in *in, struct control_message *out)
{
	switch (out->type) {
	case CONTROL_HELLO:
		read_hello(in, &out->hello);
		return 0;
	case CONTROL_KEYS:
		read_key(in, "node_key", "nodekey", &out->keys.node_key);
		read_key(in, "disco_key", "discokey", &out->keys.disco_key);
		return 0;
	case CONTROL_ENDPOINTS:
		read_endpoints(in, &out->endpoints.endpoints);
		out->endpoints.home_region = read_region(in);
		return 0;
	case CONTROL_ACK:
		out->ack = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_PING:
		out->ping = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_WELCOME:
		read_welcome(in, &out->welcome);
		return 0;
	case CONTROL_RELAYS:
		return read_relays(in, &out->relays);
	case CONTROL_MAP:
		return read_map(in, &out->map);
	case CONTROL_ERROR:
		read_error(in, &out->error);
		return 0;
	case CONTROL_GOAWAY:
		out->goaway_ms = json_u64(in, "after_ms", 0, UINT32_MAX);
		return 0;
	case CONTROL_PONG:
		out->pong = json_u64(in, "number", 0, control_number_max);
		return 0;
	case CONTROL_TYPES:
		break;
	}
	return -EPROTO;
}

static int read_message(const struct json_in *root, struct control_message *out)
{
	size_t type = find_word(json_str(root, "type", CAP_WORD_LEN), type_word, CONTROL_TYPES);

	if (root->err->failed)
		return -EBADMSG;
	if (type == CONTROL_TYPES)
		return -EPROTO;
	out->type = (enum control_type)type;
	int err = read_body(root, out);
	return err ? err : root->err->failed ? -EBADMSG : 0;
}

int control_decode(const char *text, size_t len, size_t max, struct control_message *out, char *why,
		   size_t why_size)
{
	struct json_error wrong = {0};
	struct json *tree;

	int err = json_parse(text, len, max, &tree, &wrong);
	if (err == 0) {
		struct json_in root = json_root(tree, &wrong);

		memset(out, 0, sizeof(*out));
		err = read_message(&root, out);
		json_free(tree);
		if (err)
			control_message_wipe(out);
	}
	snprintf(why, why_size, "%s", wrong.text);
	return err == -E2BIG ? -EMSGSIZE : err;
}

void control_message_wipe(struct control_message *m)
{
	if (m->type == CONTROL_RELAYS)
		free(m->relays);
	if (m->type == CONTROL_MAP) {
		free(m->map.peers);
		free(m->map.removed);
	}
	sodium_memzero(m, sizeof(*m));
}

/* ---- writing ---- */

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

	for (size_t i = 0; i < N_CAP_WORDS; i++)
		if (caps & cap_words[i].cap)
			json_append_str(list, cap_words[i].word);
}

static void add_endpoints(struct json *obj, const struct control_endpoints *endpoints)
{
	struct json *list = json_add_array(obj, "endpoints");

	for (size_t i = 0; i < endpoints->count; i++) {
		struct json *item = json_append_object(list);
		char addr[ENDPOINT_TEXT_LEN];

		endpoint_str(&endpoints->list[i].addr, addr);
		json_add_str(item, "addr", addr);
		json_add_str(item, "kind", kind_word[endpoints->list[i].kind]);
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
		json_add_str(item, "proto", proto_word[rules->list[i].proto]);
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
	json_add_str(obj, "role", role_word[h->role]);
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
	json_add_str(obj, "role", role_word[w->role]);
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
	json_add_str(obj, "role", role_word[p->role]);
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
		json_add_str(obj, "code", error_word[m->error.code]);
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
		return m->relays && strlen(m->relays) <= RELAYS_TEXT_MAX;
	return true;
}

int control_encode(const struct control_message *m, char **text, size_t *len)
{
	if (!fits(m))
		return -EINVAL;

	struct json *obj = json_object_new();
	json_add_str(obj, "type", type_word[m->type]);
	add_body(obj, m);
	*text = json_print(obj);
	json_free(obj);
	if (!*text)
		return -ENOMEM;
	*len = strlen(*text);
	return 0;
}
