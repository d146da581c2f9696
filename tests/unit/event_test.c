#include "agent/measure/event.h"

#include <string.h>

#include "tests/unit/test.h"

TEST(an_event_says_its_codes_sentence_unless_told_another)
{
	struct event e = event_make(EVENT_RELAY, CODE_RELAY_LOST, 4, "dev.alice", NULL, 99);

	CHECK_STR(e.cause, code_entry(CODE_RELAY_LOST)->cause);
	CHECK_STR(e.peer, "dev.alice");
	e = event_make(EVENT_RELAY, CODE_RELAY_LOST, 0, NULL, "relay 1 closed", 99);
	CHECK_STR(e.cause, "relay 1 closed");
	CHECK_STR(e.peer, "");
}

TEST(a_long_cause_is_cut_at_the_end_of_a_character)
{
	char text[400];
	struct event e = {0};

	memset(text, 'x', sizeof(text));
	memcpy(text + EVENT_CAUSE_LEN - 2, "\xc3\xa4", 2); /* its second byte would be cut off */
	text[sizeof(text) - 1] = '\0';
	event_set_cause(&e, text);
	CHECK_INT(strlen(e.cause), EVENT_CAUSE_LEN - 2);
}

TEST(kinds_and_eyes_have_the_words_of_the_interface)
{
	CHECK_STR(event_kind_str(EVENT_GAP), "gap");
	CHECK_STR(event_kind_str(EVENT_VERDICT), "verdict");
	CHECK_STR(event_eyes_str(EVENT_SEEN_BY_BOTH), "both");
}
