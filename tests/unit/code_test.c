#include "agent/measure/code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

TEST(every_code_has_a_word_an_owner_and_a_sentence)
{
	for (int i = 0; i < CODES; i++) {
		const struct code_entry *e = code_entry((enum code)i);
		const char *const owners[] = {"you", "it", "admin", "provider"};
		unsigned known = 0;

		CHECK(e->word && e->owner && e->cause);
		CHECK(strlen(e->word) < CODE_LEN && e->cause[0] != '\0');
		for (size_t k = 0; k < 4; k++)
			known += strcmp(e->owner, owners[k]) == 0;
		CHECK_INT(known, 1);
		CHECK(code_find(e->word) == (enum code)i);
	}
	CHECK(code_find("no such word") == CODE_UNKNOWN);
}

TEST(diagnose_md_explains_every_code)
{
	static char text[1 << 16];
	FILE *f = fopen("docs/DIAGNOSE.md", "r");

	CHECK(f != NULL);
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	for (int i = 0; i < CODES; i++) {
		char heading[64];
		const char *at;

		snprintf(heading, sizeof(heading), "\n### `%s`\n", code_entry((enum code)i)->word);
		at = strstr(text, heading);
		if (!at)
			print_message("missing in docs/DIAGNOSE.md: %s",
				      code_entry((enum code)i)->word);
		CHECK(at != NULL);
		/* And a paragraph stands below, not the next heading. */
		CHECK(at[strlen(heading)] != '#' && at[strlen(heading)] != '\n');
	}
}
