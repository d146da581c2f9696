/*
 * Any document as warrend's answer, shown to a person: the first byte says which command's. Names
 * and reasons in it were chosen by others.
 *
 * Must hold: what is printed can move no cursor and change no colour: lines of text, nothing else.
 */
#include "agent/cli/show_status.h"

#include "agent/cli/show_history.h"
#include "agent/cli/show_netcheck.h"
#include "agent/cli/show_ping.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { DOC_MAX = 64 << 10 };
static const uint64_t now_unix_us = 1800000000000000;

static void show(uint8_t which, const struct json_in *doc, FILE *out)
{
	switch (which) {
	case 'h':
		show_history(doc, 3600ULL * 1000 * 1000, out);
		break;
	case 'n':
		show_netcheck(doc, out);
		break;
	case 'p':
		show_ping(doc, out);
		break;
	default:
		show_status(doc, now_unix_us, out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_error err = {0};
	struct json *tree;
	char *text = NULL;
	size_t text_len;

	if (len < 1 || json_parse((const char *)data + 1, len - 1, DOC_MAX, &tree, &err) != 0)
		return 0;
	FILE *out = open_memstream(&text, &text_len);
	MUST(out);
	struct json_in root = json_root(tree, &err);
	show(data[0], &root, out);
	fclose(out);
	for (size_t i = 0; i < text_len; i++) {
		MUST(text[i] == '\n' || ((uint8_t)text[i] >= ' ' && text[i] != 127));
		/* U+0080 to U+009F, among which is another "escape [" */
		MUST((uint8_t)text[i] != 0xc2 || (uint8_t)text[i + 1] < 0x80 ||
		     (uint8_t)text[i + 1] >= 0xa0);
	}
	free(text);
	json_free(tree);
	return 0;
}
