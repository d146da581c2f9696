#include "agent/measure/event.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_words[EVENT_KINDS] = {
	[EVENT_PATH] = "path",	     [EVENT_GAP] = "gap",
	[EVENT_RELAY] = "relay",     [EVENT_COORDINATOR] = "coordinator",
	[EVENT_NETWORK] = "network", [EVENT_SLEEP] = "sleep",
	[EVENT_DAEMON] = "daemon",   [EVENT_IDENTITY] = "identity",
	[EVENT_VERDICT] = "verdict",
};

static const char *const eyes_words[] = {
	[EVENT_SEEN_HERE] = "here",
	[EVENT_SEEN_BY_PEER] = "peer",
	[EVENT_SEEN_BY_BOTH] = "both",
};

const char *event_kind_str(enum event_kind kind)
{
	return kind_words[kind];
}

const char *event_eyes_str(enum event_eyes eyes)
{
	return eyes_words[eyes];
}

/* Cut at the end of a UTF-8 character: continuation bytes are 10xxxxxx. */
static void copy_text(char *out, size_t cap, const char *text)
{
	size_t len = strnlen(text, cap - 1);

	while (text[len] != '\0' && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(out, text, len);
	out[len] = '\0';
}

void event_set_cause(struct event *e, const char *cause)
{
	copy_text(e->cause, sizeof(e->cause), cause);
}

struct event event_make(enum event_kind kind, enum code code, uint32_t peer_id, const char *peer,
			const char *cause, uint64_t unix_us)
{
	struct event e = {.unix_us = unix_us, .kind = kind, .code = code, .peer_id = peer_id};

	copy_text(e.peer, sizeof(e.peer), peer ? peer : "");
	event_set_cause(&e, cause ? cause : code_entry(code)->cause);
	return e;
}
