#include "agent/measure/code.h"

#include <string.h>

static const struct code_entry entries[CODES] = {
	[CODE_UNKNOWN] = {"unknown", "provider", "no cause could be found in what this node sees"},
	[CODE_PATH_FIRST] = {"path-first", "you", "the first way that worked"},
	[CODE_PATH_BETTER] = {"path-better", "provider", "another way was better for a while"},
	[CODE_PATH_SILENT] = {"path-silent", "provider", "the way in use stopped answering"},
	[CODE_PATH_BACK] = {"path-back", "provider", "the direct way answers again"},
	[CODE_RELAY_LOST] = {"relay-lost", "admin", "the connection to the relay in use was lost"},
	[CODE_RELAY_DRAINED] = {"relay-drained", "admin", "the relay in use announced its end"},
	[CODE_NAT_REBOUND] = {"nat-rebound", "provider",
			      "a NAT forgot the path and gave it another port"},
	[CODE_ADDRESS_CHANGED] = {"address-changed", "you", "an address of this machine changed"},
	[CODE_NETWORK_CHANGED] = {"network-changed", "you",
				  "this machine moved to another network or lost one"},
	[CODE_ASLEEP] = {"asleep", "you", "this machine slept"},
	[CODE_RESTARTED] = {"restarted", "you", "warrend was not running"},
	[CODE_PEER_RESTARTED] = {"peer-restarted", "you", "the peer's warrend restarted"},
	[CODE_PEER_LEFT] = {"peer-left", "you", "the peer left the mesh or went to sleep"},
	[CODE_PEER_OFFLINE] = {"peer-offline", "you",
			       "the coordinator does not hear the peer either"},
	[CODE_UDP_BLOCKED] = {"udp-blocked", "it", "UDP does not get out of this network"},
	[CODE_HARD_NAT_HERE] = {"hard-nat-here", "it",
				"the NAT here gives every destination another port"},
	[CODE_HARD_NAT_THERE] = {"hard-nat-there", "it",
				 "the peer's NAT gives every destination another port"},
	[CODE_HARD_NAT_BOTH] = {"hard-nat-both", "it",
				"the NATs of both sides give every destination another port"},
	[CODE_NO_RELAY] = {"no-relay", "admin", "no relay could be reached"},
	[CODE_HOST_CPU_STARVED] = {"host-cpu-starved", "you",
				   "this machine was too busy to run warrend in time"},
	[CODE_COORDINATOR_UNREACHABLE] = {"coordinator-unreachable", "admin",
					  "the coordinator could not be reached"},
	[CODE_IDENTITY_CHANGED] = {"identity-changed", "admin",
				   "a name came with another machine key than before"},
	[CODE_ADDRESS_OVERLAP] = {"address-overlap", "admin",
				  "a network of this machine overlaps the mesh's addresses"},
};

const struct code_entry *code_entry(enum code code)
{
	return &entries[code];
}

enum code code_find(const char *word)
{
	for (int i = 0; i < CODES; i++)
		if (strcmp(entries[i].word, word) == 0)
			return (enum code)i;
	return CODE_UNKNOWN;
}
