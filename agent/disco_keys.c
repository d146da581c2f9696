#include "agent/disco_keys.h"

#include <sodium.h>

void disco_keys_set(struct disco_keys *keys, const struct secret_key *now,
		    const struct secret_key *before)
{
	*keys = (struct disco_keys){.now.secret = *now, .before.secret = *before};
	keys->has_before = !sodium_is_zero(before->b, sizeof(before->b));
	secret_key_public(now, &keys->now.public);
	if (keys->has_before)
		secret_key_public(before, &keys->before.public);
}

void disco_keys_wipe(struct disco_keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}

enum disco_keys_due disco_keys_judge(uint64_t made_unix_s, bool has_before, uint64_t unix_s)
{
	if (made_unix_s == 0 || made_unix_s > unix_s)
		return DISCO_KEYS_STAMP;
	if (has_before && unix_s - made_unix_s >= DISCO_KEY_DAY_S)
		return DISCO_KEYS_FORGET;
	if (unix_s - made_unix_s >= DISCO_KEY_WEEK_S)
		return DISCO_KEYS_ROTATE;
	return DISCO_KEYS_FINE;
}
