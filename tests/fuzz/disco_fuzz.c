/* Any bytes as the plain text inside a disco seal, and as a sealed packet: what decodes encodes,
 * and decodes to the same again. */
#include <stdlib.h>
#include <string.h>

#include "common/proto/disco.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct disco_shared shared;
	uint8_t first[DISCO_BODY_MAX], second[DISCO_BODY_MAX];
	struct writer a = writer_init(first, sizeof(first));
	struct writer b = writer_init(second, sizeof(second));
	struct disco_message m;

	if (disco_open(data, len, &shared, &m) == 0)
		abort(); /* nobody has that key */
	if (disco_decode(data, len, &m) != 0)
		return 0;
	if (disco_encode(&m, &a) != 0 || disco_decode(first, a.len, &m) != 0 ||
	    disco_encode(&m, &b) != 0 || a.len != b.len || memcmp(first, second, a.len) != 0)
		abort();
	return 0;
}
