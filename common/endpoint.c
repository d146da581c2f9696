#include "common/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct ip_addr ip_from_v4(const uint8_t v4[static 4])
{
	struct ip_addr ip;

	memcpy(ip.b, v4_mapped, sizeof(v4_mapped));
	memcpy(ip.b + 12, v4, 4);
	return ip;
}

bool ip_is_v4(const struct ip_addr *ip)
{
	return memcmp(ip->b, v4_mapped, sizeof(v4_mapped)) == 0;
}

bool ip_is_none(const struct ip_addr *ip)
{
	static const struct ip_addr none, none_v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

	return ip_equal(ip, &none) || ip_equal(ip, &none_v4);
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool ip_is_loopback(const struct ip_addr *ip)
{
	static const struct ip_addr v6 = {{[15] = 1}};

	return ip_is_v4(ip) ? ip->b[12] == 127 : ip_equal(ip, &v6);
}

bool ip_is_link_local(const struct ip_addr *ip)
{
	if (ip_is_v4(ip))
		return ip->b[12] == 169 && ip->b[13] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool ip_is_multicast(const struct ip_addr *ip)
{
	return ip_is_v4(ip) ? (ip->b[12] & 0xf0) == 0xe0 : ip->b[0] == 0xff;
}

bool ip_is_private(const struct ip_addr *ip)
{
	const uint8_t *v4 = ip->b + 12;

	if (!ip_is_v4(ip))
		return (ip->b[0] & 0xfe) == 0xfc;
	return v4[0] == 10 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) ||
	       (v4[0] == 192 && v4[1] == 168) || (v4[0] == 100 && (v4[1] & 0xc0) == 64);
}

bool ip_is_dialable(const struct ip_addr *ip)
{
	bool reserved_v4 = ip_is_v4(ip) && (ip->b[12] == 0 || ip->b[12] >= 240);

	return !ip_is_none(ip) && !ip_is_loopback(ip) && !ip_is_multicast(ip) &&
	       !ip_is_link_local(ip) && !reserved_v4;
}

void ip_str(const struct ip_addr *ip, char out[static IP_TEXT_LEN])
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, ip->b + 12, out, IP_TEXT_LEN);
	else
		inet_ntop(AF_INET6, ip->b, out, IP_TEXT_LEN);
}

int ip_parse(const char *text, struct ip_addr *out)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = ip_from_v4(v4);
		return 0;
	}
	return inet_pton(AF_INET6, text, out->b) == 1 ? 0 : -EBADMSG;
}

bool endpoint_is_none(const struct endpoint *ep)
{
	return ip_is_none(&ep->ip);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

void endpoint_str(const struct endpoint *ep, char out[static ENDPOINT_TEXT_LEN])
{
	char ip[IP_TEXT_LEN];

	ip_str(&ep->ip, ip);
	snprintf(out, ENDPOINT_TEXT_LEN, ip_is_v4(&ep->ip) ? "%s:%u" : "[%s]:%u", ip, ep->port);
}

/* Decimal digits only, in 0..max; -EBADMSG otherwise. */
static int parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (*text == '\0' || strlen(text) > 5)
		return -EBADMSG;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EBADMSG;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*out = value;
	return value <= max ? 0 : -EBADMSG;
}

int endpoint_parse(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	struct endpoint ep = {0};
	char host[IP_TEXT_LEN];
	unsigned port;

	if (!colon || host_len >= sizeof(host) || parse_number(colon + 1, 65535, &port) != 0)
		return -EBADMSG;
	ep.port = (uint16_t)port;
	memcpy(host, text, host_len);
	host[host_len] = '\0';

	bool bracketed = host_len > 2 && host[0] == '[' && host[host_len - 1] == ']';
	if (bracketed) {
		host[host_len - 1] = '\0';
		if (ip_parse(host + 1, &ep.ip) != 0 || !strchr(host + 1, ':'))
			return -EBADMSG;
	} else if (host_len > 0 && (strchr(host, ':') || ip_parse(host, &ep.ip) != 0)) {
		return -EBADMSG;
	}
	*out = ep;
	return 0;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ip_is_v4(&ep->ip)) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(ep->port);
		memcpy(&in->sin_addr, ep->ip.b + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(ep->port);
	memcpy(&in6->sin6_addr, ep->ip.b, 16);
	return sizeof(*in6);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		out->ip = ip_from_v4((const uint8_t *)&in.sin_addr);
		out->port = ntohs(in.sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(out->ip.b, &in6.sin6_addr, 16);
		out->port = ntohs(in6.sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

struct endpoint read_endpoint(struct reader *r)
{
	struct endpoint ep;

	read_bytes(r, ep.ip.b, sizeof(ep.ip.b));
	ep.port = read_u16be(r);
	return ep;
}

void write_endpoint(struct writer *w, const struct endpoint *ep)
{
	write_bytes(w, ep->ip.b, sizeof(ep->ip.b));
	write_u16be(w, ep->port);
}

/* The first bit of the family's own address within the 16 bytes. */
static unsigned family_offset(const struct ip_addr *ip)
{
	return ip_is_v4(ip) ? 96 : 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool prefix_contains(const struct prefix *p, const struct ip_addr *ip)
{
	return ip_is_v4(&p->ip) == ip_is_v4(ip) &&
	       same_bits(p->ip.b, ip->b, family_offset(&p->ip) + p->len);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->ip) : prefix_contains(b, &a->ip);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && prefix_contains(a, &b->ip);
}

struct prefix prefix_masked(const struct prefix *p)
{
	struct prefix out = *p;

	for (unsigned bit = family_offset(&p->ip) + p->len; bit < 128; bit++)
		out.ip.b[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return out;
}

void prefix_str(const struct prefix *p, char out[static PREFIX_TEXT_LEN])
{
	char ip[IP_TEXT_LEN];

	ip_str(&p->ip, ip);
	snprintf(out, PREFIX_TEXT_LEN, "%s/%u", ip, p->len);
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t host_len = slash ? (size_t)(slash - text) : strlen(text);
	char host[IP_TEXT_LEN];
	struct ip_addr ip;
	unsigned len;

	if (host_len >= sizeof(host))
		return -EBADMSG;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	if (ip_parse(host, &ip) != 0)
		return -EBADMSG;

	unsigned max = ip_is_v4(&ip) ? 32 : 128;
	if (!slash)
		len = max;
	else if (parse_number(slash + 1, max, &len) != 0)
		return -EBADMSG;
	out->ip = ip;
	out->len = (uint8_t)len;
	return 0;
}
