#include "stun/stun_server.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"

int stun_server_init(struct stun_server *s, const struct endpoint *first,
		     const struct endpoint *alternate, uint64_t random)
{
	memset(s, 0, sizeof(*s));
	s->hash_key = random;
	if (!alternate)
		return 0;

	bool whole = !endpoint_is_none(first) && !endpoint_is_none(alternate) && first->port &&
		     alternate->port;
	bool same_family = ip_is_v4(&first->ip) == ip_is_v4(&alternate->ip);
	bool apart = !ip_equal(&first->ip, &alternate->ip) && first->port != alternate->port;
	if (!whole || !same_family || !apart)
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++) {
			s->main[i][j].ip = i ? alternate->ip : first->ip;
			s->main[i][j].port = j ? alternate->port : first->port;
		}
	}
	return 0;
}

static bool has_alternate(const struct stun_server *s)
{
	return !endpoint_is_none(&s->main[0][0]);
}

/* ---- rate limit ---- */

/* Who counts as one source: a host of IPv4, a /64 of IPv6. */
static uint64_t source_of(const struct ip_addr *ip)
{
	struct reader r = reader_init(ip->b, sizeof(ip->b));
	uint64_t high = read_u64be(&r), low = read_u64be(&r);

	return ip_is_v4(ip) ? low : high;
}

/* A finaliser of splitmix64: spreads sources over slots in a way that only we know. */
static size_t slot_of(uint64_t source, uint64_t key)
{
	uint64_t x = source ^ key;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (size_t)((x ^ x >> 31) % STUN_SERVER_SLOTS);
}

/* A token bucket per source; one that takes a slot over starts full. */
static bool take_token(struct stun_server *s, const struct ip_addr *ip, uint64_t now_us)
{
	uint64_t source = source_of(ip);
	struct stun_slot *slot = &s->slots[slot_of(source, s->hash_key)];
	const uint64_t token_us = US_PER_S / STUN_SERVER_RATE;

	if (slot->source != source || slot->at_us == 0)
		*slot = (struct stun_slot){source, now_us, STUN_SERVER_BURST};
	uint64_t earned = (now_us - slot->at_us) / token_us;
	if (earned > STUN_SERVER_BURST - slot->tokens) {
		slot->tokens = STUN_SERVER_BURST;
		slot->at_us = now_us;
	} else {
		slot->tokens += (uint32_t)earned;
		slot->at_us += earned * token_us;
	}
	if (slot->tokens == 0)
		return false;
	slot->tokens--;
	return true;
}

/* ---- answers ---- */

static void write_refusal(struct writer *w, const struct stun_message *m)
{
	stun_write_header(w, STUN_ERROR, STUN_BINDING, m->txid);
	stun_write_error(w, 420, "");
	stun_write_unknown(w, m->unknown, m->n_unknown);
}

/* One of the four that CHANGE-REQUEST moves between. */
static bool is_corner(const struct stun_server *s, const struct endpoint *at)
{
	for (int address = 0; address < 2; address++)
		for (int port = 0; port < 2; port++)
			if (has_alternate(s) && endpoint_equal(&s->main[address][port], at))
				return true;
	return false;
}

/* Where the answer is to come from, at being a corner: RFC 5780 section 6.1, table 1. */
static const struct endpoint *origin_of(const struct stun_server *s, const struct endpoint *at,
					uint32_t change)
{
	int address = ip_equal(&at->ip, &s->main[1][0].ip) ? 1 : 0;
	int port = at->port == s->main[0][1].port ? 1 : 0;

	if (change & STUN_CHANGE_IP)
		address = !address;
	if (change & STUN_CHANGE_PORT)
		port = !port;
	return &s->main[address][port];
}

/* The address and port that are both other than those of at. */
static const struct endpoint *other_of(const struct stun_server *s, const struct endpoint *at)
{
	return origin_of(s, at, STUN_CHANGE_IP | STUN_CHANGE_PORT);
}

static void write_success(const struct stun_server *s, const struct stun_message *m,
			  const struct endpoint *from, const struct endpoint *at,
			  struct stun_answer *out, struct writer *w)
{
	stun_write_header(w, STUN_SUCCESS, STUN_BINDING, m->txid);
	stun_write_address(w, STUN_XOR_MAPPED_ADDRESS, from);
	if (!is_corner(s, at))
		return;
	const struct endpoint *origin = origin_of(s, at, m->change);
	stun_write_address(w, STUN_RESPONSE_ORIGIN, origin);
	stun_write_address(w, STUN_OTHER_ADDRESS, other_of(s, at));
	out->from = *origin;
}

/* Without a second address CHANGE-REQUEST is an attribute we do not know (RFC 5780 section 6.1);
 * likewise at an address that is none of the four, as one of IPv6 beside four of IPv4. */
static void disown_change(const struct stun_server *s, const struct endpoint *at,
			  struct stun_message *m)
{
	if (m->has_change && !is_corner(s, at) && m->n_unknown < STUN_UNKNOWN_MAX)
		m->unknown[m->n_unknown++] = STUN_CHANGE_REQUEST;
}

enum stun_verdict stun_server_on_packet(struct stun_server *s, const void *packet, size_t len,
					const struct endpoint *from, const struct endpoint *at,
					uint64_t now_us, struct stun_answer *out)
{
	struct writer w = writer_init(out->bytes, sizeof(out->bytes));
	struct stun_message m;

	if (stun_decode(packet, len, &m) != 0 || m.class != STUN_REQUEST ||
	    m.method != STUN_BINDING)
		return STUN_MALFORMED;
	if (!take_token(s, &from->ip, now_us))
		return STUN_LIMITED;

	out->from = (struct endpoint){0};
	disown_change(s, at, &m);
	if (m.n_unknown > 0)
		write_refusal(&w, &m);
	else
		write_success(s, &m, from, at, out, &w);
	out->len = w.len;
	return STUN_ANSWER;
}

const char *stun_verdict_str(enum stun_verdict verdict)
{
	switch (verdict) {
	case STUN_ANSWER:
		return "answer";
	case STUN_MALFORMED:
		return "malformed";
	case STUN_LIMITED:
		return "limited";
	case STUN_VERDICTS:
		break;
	}
	return "unknown";
}
