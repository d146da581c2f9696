/* Any text as an address, an endpoint, a prefix and a key: what reads is written, and reads back to
 * the same. */
#include "common/endpoint.h"

#include "common/key.h"
#include "tests/fuzz/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TEXT_MAX = 200 };

static void check_addresses(const char *text)
{
	char again[ENDPOINT_TEXT_LEN];
	struct ip_addr ip, ip2;
	struct endpoint ep, ep2;
	struct prefix p, p2;

	if (ip_parse(text, &ip) == 0) {
		ip_str(&ip, again);
		MUST(ip_parse(again, &ip2) == 0 && ip_equal(&ip, &ip2));
		(void)(ip_is_dialable(&ip) || ip_is_private(&ip));
	}
	if (endpoint_parse(text, &ep) == 0) {
		endpoint_str(&ep, again);
		MUST(endpoint_parse(again, &ep2) == 0 && endpoint_equal(&ep, &ep2));
	}
	if (prefix_parse(text, &p) == 0) {
		prefix_str(&p, again);
		MUST(prefix_parse(again, &p2) == 0 && prefix_equal(&p, &p2));
		MUST(p.len <= (ip_is_v4(&p.ip) ? 32 : 128));
		p2 = prefix_masked(&p);
		MUST(prefix_contains(&p, &p.ip) && prefix_contains(&p2, &p.ip));
		MUST(prefix_overlaps(&p, &p2));
	}
}

static void check_keys(const char *text)
{
	static const char *const names[] = {"nodekey", "mkey", "discokey", NULL};
	char again[KEY_TEXT_LEN];
	struct public_key key, key2;
	struct secret_key secret;

	for (size_t i = 0; i < 4; i++)
		if (public_key_parse(text, names[i], &key) == 0) {
			public_key_str(&key, names[i], again);
			MUST(public_key_parse(again, names[i], &key2) == 0);
			MUST(public_key_equal(&key, &key2));
		}
	(void)!secret_key_parse(text, "privkey", &secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[TEXT_MAX + 1];

	if (len > TEXT_MAX)
		return 0;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)data[i];
	text[len] = '\0';
	check_addresses(text);
	check_keys(text);
	return 0;
}
