#include "agent/system/network.h"

#include "tests/unit/test.h"

TEST(counts_interfaces_of_the_machine_and_not_of_its_containers)
{
	static const char *const yes[] = {"eth0",  "enp3s0", "wlan0", "wlp2s0",
					  "bond0", "br0",    "lox",   "ppp0"};
	static const char *const no[] = {"lo",	 "docker0", "br-1f2e3d",  "veth12ab", "virbr0",
					 "cni0", "wg0",	    "tailscale0", "warren0",  "lxdbr0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		CHECK(network_name_counts(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		CHECK(!network_name_counts(no[i]));
}

TEST(tells_pictures_apart_by_address_and_gateway)
{
	struct network a = {.n_addresses = 1}, b;

	a.addresses[0] = ip_from_v4((const uint8_t[]){192, 0, 2, 1});
	b = a;
	CHECK(network_equal(&a, &b));
	b.addresses[0].b[15] = 2;
	CHECK(!network_equal(&a, &b));
	b = a;
	b.gateway_v4.ifindex = 3;
	CHECK(!network_equal(&a, &b));
	b = a;
	b.n_addresses = 0;
	CHECK(!network_equal(&a, &b));
}
