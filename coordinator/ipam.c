#include "coordinator/ipam.h"

#include <errno.h>
#include <string.h>

/* The first host numbers stay free for what a mesh may want to serve itself; network and broadcast
 * address are never given. */
enum { FIRST_HOST = 2, LAST_HOST = 65534 };

static const struct prefix v4_space = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0}},
				       8};
static const struct prefix v6_space = {{{0xfd}}, 8};

static bool overlaps_any(const struct prefix *p, const struct prefix *avoid, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_overlaps(p, &avoid[i]))
			return true;
	return false;
}

int ipam_draw_v4(const uint8_t random[static IPAM_RANDOM_LEN], const struct prefix *avoid, size_t n,
		 struct prefix *out)
{
	/* 10.0 to 10.15 and 10.255 are where home routers and data centres start: asked last. */
	for (unsigned i = 0; i < 256; i++) {
		uint8_t second = (uint8_t)(i < 239 ? 16 + (random[0] + i) % 239 : 16 + i);
		struct prefix p = {ip_from_v4((const uint8_t[]){10, second, 0, 0}), 16};

		if (overlaps_any(&p, avoid, n))
			continue;
		*out = p;
		return 0;
	}
	return -EADDRNOTAVAIL;
}

int ipam_draw_v6(const uint8_t random[static IPAM_RANDOM_LEN], const struct prefix *avoid, size_t n,
		 struct prefix *out)
{
	struct prefix p = {{{0xfd}}, 48};

	memcpy(p.ip.b + 1, random, 5); /* RFC 4193 section 3.2: a 40-bit Global ID */
	for (unsigned i = 0; i < 256; i++, p.ip.b[5]++) {
		if (overlaps_any(&p, avoid, n))
			continue;
		*out = p;
		return 0;
	}
	return -EADDRNOTAVAIL;
}

bool ipam_v4_valid(const struct prefix *p)
{
	return p->len == 16 && ip_is_v4(&p->ip) && prefix_contains(&v4_space, &p->ip);
}

bool ipam_v6_valid(const struct prefix *p)
{
	return p->len == 48 && !ip_is_v4(&p->ip) && prefix_contains(&v6_space, &p->ip);
}

void ipam_init(struct ipam *ipam, const struct prefix *v4, const struct prefix *v6)
{
	*ipam = (struct ipam){
		.v4 = prefix_masked(v4), .v6 = prefix_masked(v6), .last = FIRST_HOST - 1};
}

static bool is_used(const struct ipam *ipam, uint32_t host)
{
	return ipam->used[host / 64] >> (host % 64) & 1;
}

static struct ip_addr address_of(const struct prefix *p, uint32_t host)
{
	struct ip_addr ip = p->ip;

	ip.b[14] = (uint8_t)(host >> 8);
	ip.b[15] = (uint8_t)host;
	return ip;
}

static void give(struct ipam *ipam, uint32_t host)
{
	ipam->used[host / 64] |= UINT64_C(1) << (host % 64);
	ipam->last = host;
}

int ipam_take(struct ipam *ipam, struct ip_addr *v4, struct ip_addr *v6)
{
	uint32_t host = ipam->last;

	for (uint32_t tries = 0; tries < IPAM_HOSTS; tries++) {
		host = host >= LAST_HOST ? FIRST_HOST : host + 1;
		if (is_used(ipam, host))
			continue;
		give(ipam, host);
		*v4 = address_of(&ipam->v4, host);
		*v6 = address_of(&ipam->v6, host);
		return 0;
	}
	return -ENOSPC;
}

static uint32_t host_of(const struct ip_addr *v4)
{
	return (uint32_t)v4->b[14] << 8 | v4->b[15];
}

int ipam_claim(struct ipam *ipam, const struct ip_addr *v4, struct ip_addr *v6)
{
	uint32_t host = host_of(v4);

	if (!prefix_contains(&ipam->v4, v4))
		return -ERANGE;
	if (is_used(ipam, host))
		return -EEXIST;
	give(ipam, host);
	*v6 = address_of(&ipam->v6, host);
	return 0;
}

void ipam_release(struct ipam *ipam, const struct ip_addr *v4)
{
	uint32_t host = host_of(v4);

	if (prefix_contains(&ipam->v4, v4))
		ipam->used[host / 64] &= ~(UINT64_C(1) << (host % 64));
}
