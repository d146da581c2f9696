#include "agent/path/path_why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NONE = -1 };

static const uint64_t cause_us = 30 * US_PER_S, settled_us = 3 * US_PER_S;

static bool is_direct(const struct path *path)
{
	return path->way.kind == WAY_DIRECT;
}

struct text {
	char *buf;
	size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->buf + t->len, t->cap - t->len, format, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

static void say_ms(struct text *t, uint64_t us)
{
	if (us < 10 * US_PER_MS)
		say(t, "%.1f ms", (double)us / US_PER_MS);
	else
		say(t, "%llu ms", (unsigned long long)((us + 500) / US_PER_MS));
}

static void say_way(struct text *t, const struct way *way)
{
	char text[WAY_TEXT_LEN];

	way_str(way, text);
	say(t, "%s", text);
}

/* "23 ms", "23 ms with 5.0 % loss" or "not measured". */
static void say_quality(struct text *t, const struct score *s)
{
	if (!score_is_known(s)) {
		say(t, "not measured");
		return;
	}
	say_ms(t, s->srtt_us);
	if (score_loss(s) >= 0.005)
		say(t, " with %.1f %% loss", 100 * score_loss(s));
}

/* "(23 ms; relay 1 measured 41 ms)" */
static void say_beside(struct text *t, const struct path_peer *p, int slot, int other)
{
	if (!score_is_known(&p->path[slot].score))
		return;
	say(t, " (");
	say_quality(t, &p->path[slot].score);
	if (other != NONE && score_is_known(&p->path[other].score)) {
		say(t, "; ");
		say_way(t, &p->path[other].way);
		say(t, " measured ");
		say_quality(t, &p->path[other].score);
	}
	say(t, ")");
}

static const struct {
	const char *code, *text;
} obstacles[] = {
	[PATH_NO_OBSTACLE] = {"path-first", "no direct address has answered yet"},
	[PATH_UDP_BLOCKED] = {"udp-blocked", "UDP does not get out of this network"},
	[PATH_HARD_NAT_HERE] = {"hard-nat-here", "this side's NAT shows every peer another port"},
	[PATH_HARD_NAT_THERE] = {"hard-nat-there", "the peer's NAT shows everyone another port"},
	[PATH_HARD_NAT_BOTH] = {"hard-nat-both",
				"the NATs of both sides show everyone another port"},
	[PATH_RELAY_ONLY] = {"path-first", "set to relays only"},
};

static void say_relay(struct text *t, const struct path_peer *p, int slot, struct path_reason r)
{
	if (strcmp(r.code, "path-back") == 0) {
		say(t, "answers again");
	} else if (strcmp(r.code, "path-silent") == 0) {
		say(t, "no answer by ");
		say_way(t, &p->choice.first);
	} else if (strcmp(r.code, "relay-lost") == 0) {
		say_way(t, &p->choice.first);
		say(t, " is gone");
	} else if (strcmp(r.code, "relay-drained") == 0) {
		say_way(t, &p->choice.first);
		say(t, " announced its end");
	} else if (strcmp(r.code, "path-better") == 0) {
		say(t, "better than ");
		say_way(t, &p->choice.first);
		say_beside(t, p, slot, r.old);
	} else if (p->obstacle != PATH_NO_OBSTACLE || p->choice.first.kind == WAY_NONE) {
		say(t, "%s", obstacles[p->obstacle].text);
	} else {
		say_way(t, &p->choice.first);
		say(t, " is no longer trusted (%s)", r.code);
	}
}

static void say_direct(struct text *t, const struct path_peer *p, int slot, struct path_reason r)
{
	bool has_old = r.old != NONE && r.old != slot;
	int other = has_old ? r.old : r.beside;

	if (strcmp(r.code, "path-first") == 0)
		say(t, "first path that answered");
	else if (strcmp(r.code, "path-back") == 0)
		say(t, "answers again");
	else if (strcmp(r.code, "path-better") == 0)
		say(t, "better path");
	else if (strcmp(r.code, "nat-rebound") == 0)
		say(t, "a NAT gave the path another port");
	else if (strcmp(r.code, "address-changed") == 0)
		say(t, "an address changed");
	else
		say(t, "answers again after %s", r.code);
	say_beside(t, p, slot, other);
}

void path_why_write(const struct path_peer *p, int slot, int copy, struct path_reason r,
		    char out[static PATH_WHY_LEN])
{
	struct text t = {.buf = out, .cap = PATH_WHY_LEN};

	out[0] = '\0';
	if (slot == NONE) {
		say(&t, "none: no relay stands and no direct address answers");
		return;
	}
	say_way(&t, &p->path[slot].way);
	if (copy != NONE && p->path[slot].live.state == PATH_SUSPECT) {
		say(&t, " and ");
		say_way(&t, &p->path[copy].way);
		say(&t, ": the first gives no answer, so packets go by both");
		return;
	}
	say(&t, ": ");
	if (is_direct(&p->path[slot]))
		say_direct(&t, p, slot, r);
	else
		say_relay(&t, p, slot, r);
}

void path_why_note_cause(struct path_peer *p, const char *code, uint64_t now_us)
{
	snprintf(p->pending_code, sizeof(p->pending_code), "%s", code);
	p->pending_us = now_us;
}

void path_why_on_failing(struct path_peer *p)
{
	if (p->path[p->in_use].live.proved_us > p->pending_us + settled_us)
		p->pending_code[0] = '\0';
}

static const char *pending_cause(const struct path_peer *p, uint64_t now_us)
{
	bool is_fresh = p->pending_code[0] != '\0' && now_us - p->pending_us < cause_us;

	return is_fresh ? p->pending_code : NULL;
}

const char *path_why_back(const struct path_peer *p, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);

	return cause ? cause : "path-back";
}

static const char *why_relay(const struct path_peer *p, int old, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);
	const struct path *left = old == NONE ? NULL : &p->path[old];

	if (!left || p->choice.first.kind == WAY_NONE)
		return obstacles[p->obstacle].code;
	if (left->way.kind == WAY_RELAY && left->relay.drains && left->relay.up)
		return "relay-drained";
	if (left->way.kind == WAY_RELAY && !left->relay.up)
		return "relay-lost";
	if (left->live.state == PATH_UP)
		return "path-better"; /* whatever happened before, it answers */
	if (is_direct(left) && p->obstacle == PATH_UDP_BLOCKED)
		return obstacles[p->obstacle].code;
	if (left->live.state == PATH_PROBING)
		return cause ? cause : "path-better";
	return cause ? cause : "path-silent";
}

static const char *why_direct(const struct path_peer *p, int slot, int old, uint64_t now_us)
{
	const char *cause = pending_cause(p, now_us);
	const struct endpoint *addr = &p->path[slot].way.addr;

	if (cause)
		return cause;
	if (!p->was_direct)
		return "path-first";
	if (p->last_direct.port != 0 && !endpoint_equal(&p->last_direct, addr) &&
	    (old == NONE || p->path[old].live.state != PATH_UP || !is_direct(&p->path[old])))
		return ip_equal(&p->last_direct.ip, &addr->ip) ? "nat-rebound" : "address-changed";
	return old != NONE && is_direct(&p->path[old]) ? "path-better" : "path-back";
}

const char *path_why_code(const struct path_peer *p, int slot, int old, uint64_t now_us)
{
	if (slot == NONE)
		return "no-relay";
	if (slot == old && p->path[slot].live.state == PATH_SUSPECT) {
		const char *cause = pending_cause(p, now_us);
		return cause ? cause : "path-silent";
	}
	return is_direct(&p->path[slot]) ? why_direct(p, slot, old, now_us)
					 : why_relay(p, old, now_us);
}
