/* Whatever a client writes to the configuration socket: cut into messages and lines, decoded. */
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A prefix that was read is written in the form it is read in. */
static void check_prefix(const struct uapi_item *item)
{
	char out[128];
	struct writer w = writer_init(out, sizeof(out));
	struct uapi_item again;

	uapi_write_allowed_ip(&w, &item->prefix);
	if (w.failed || w.len == 0 || uapi_line_decode(out, w.len - 1, &again) != 0 ||
	    !prefix_equal(&again.prefix, &item->prefix))
		abort();
}

static void read_lines(const char *at, const char *end)
{
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		struct uapi_item item;

		if (uapi_line_decode(at, (size_t)(stop - at), &item) == 0 &&
		    item.field == UAPI_ALLOWED_IP)
			check_prefix(&item);
		at = stop + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *at = (const char *)data, *end = at + len;
	size_t message_len;

	while ((message_len = uapi_message_len(at, (size_t)(end - at))) > 0) {
		read_lines(at, at + message_len);
		at += message_len;
	}
	read_lines(at, end);
	return 0;
}
