/* Any request to a relay's web paths: the answer is a whole one, and no line of it can be broken by
 * what was asked. The first byte's bit 0 says whether this port carries DERP. */
#include "derp-relay/http_paths.h"

#include "common/net/http.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* "Name: value\r\n" lines, each of printable bytes. */
static void check_fields(const char *fields)
{
	size_t len = strnlen(fields, HTTP_PATH_FIELDS_LEN);

	MUST(len < HTTP_PATH_FIELDS_LEN);
	MUST(len == 0 || (len > 2 && memcmp(fields + len - 2, "\r\n", 2) == 0));
	for (size_t i = 0; i < len; i++) {
		bool ends = fields[i] == '\r' && fields[i + 1] == '\n';

		MUST(ends || (fields[i] >= ' ' && fields[i] < 127));
		if (ends)
			i++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct public_key pub = {{7}};
	struct http_path_answer out;
	struct http_head head;
	size_t used;

	if (len < 1 || http_parse_request((const char *)data + 1, len - 1, &head, &used) != 0)
		return 0;
	http_paths_answer(&head, &pub, data[0] & 1, &out);
	check_fields(out.fields);
	MUST(out.kind != HTTP_PATH_REPLY || (out.status >= 200 && out.status < 600));
	MUST(out.kind == HTTP_PATH_REPLY || data[0] & 1);
	return 0;
}
