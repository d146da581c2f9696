/* What reads as an invitation is written and read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/invitation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char input[1024], text[INVITATION_TEXT_LEN];
	struct invitation inv, again;

	if (len >= sizeof(input))
		return 0;
	memcpy(input, data, len);
	input[len] = '\0';
	if (invitation_parse(input, &inv) != 0)
		return 0;
	if (invitation_str(&inv, text) != 0 || invitation_parse(text, &again) != 0)
		abort();
	if (memcmp(&inv, &again, sizeof(inv)) != 0)
		abort();
	return 0;
}
