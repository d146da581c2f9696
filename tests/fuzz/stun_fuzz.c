/* Any bytes as a STUN message: decoding stays inside, and what decodes as an answer of ours can be
 * written again. */
#include <stdlib.h>
#include <string.h>

#include "common/proto/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_again(const struct stun_message *m)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct writer w = writer_init(out, sizeof(out));
	struct stun_message again;

	stun_write_header(&w, m->class, m->method, m->txid);
	if (!endpoint_is_none(&m->mapped))
		stun_write_address(&w, STUN_XOR_MAPPED_ADDRESS, &m->mapped);
	if (m->error_code)
		stun_write_error(&w, m->error_code, "");
	stun_write_fingerprint(&w);
	if (w.failed || stun_decode(out, w.len, &again) != 0 ||
	    !endpoint_equal(&again.mapped, &m->mapped) || again.error_code != m->error_code ||
	    again.class != m->class || again.method != m->method)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct stun_message m;

	if (stun_decode(data, len, &m) != 0)
		return 0;
	if (!stun_is_stun(data, len))
		abort();
	(void)stun_check_integrity(data, len, &m, "key", 3);
	(void)stun_check_integrity_sha256(data, len, &m, "key", 3);
	write_again(&m);
	return 0;
}
