/* Anything decodes or is refused; what decodes encodes, and that text decodes to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct control_message m, again;
	char *text = NULL, *text2 = NULL, why[128];
	size_t text_len, text2_len;

	if (control_decode((const char *)data, len, CONTROL_NODE_MESSAGE_MAX, &m, why,
			   sizeof(why)) != 0)
		return 0;
	if (control_encode(&m, &text, &text_len) != 0)
		abort();
	if (control_decode(text, text_len, CONTROL_SERVER_MESSAGE_MAX, &again, why, sizeof(why)))
		abort();
	if (control_encode(&again, &text2, &text2_len) != 0 || strcmp(text, text2) != 0)
		abort();
	free(text);
	free(text2);
	control_message_wipe(&m);
	control_message_wipe(&again);
	return 0;
}
