"""The NATs: what each kind does, as nftables rules, and the troubles they can make.

Kinds, in the words of RFC 4787 (mapping / filtering):
  portrestricted   endpoint-independent / address-and-port-dependent, port kept
  portrange        the same, port not kept
  addrrestricted   endpoint-independent / address-dependent
  fullcone         endpoint-independent / endpoint-independent
  symmetric        address-and-port-dependent / address-and-port-dependent
  udpblocked       no UDP at all; TCP as portrestricted
"""
import netns

# Without this a peer's early packet would be taken by the NAT itself, whose conntrack would then
# hold the port, and the inside host's own packet to that peer would be given another one.
INPUT = """
 chain c_in { type filter hook input priority 0; iif eth0 meta l4proto { tcp, udp } ct state new drop; }"""

POST = """
 chain c_post { type nat hook postrouting priority 100; oif eth0 %s; }"""

PORTS = """
 chain c_post { type nat hook postrouting priority 100;
  oif eth0 meta l4proto { tcp, udp } masquerade to :%s; oif eth0 masquerade; }"""

FULLCONE = """
 map fc { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 60s; size 65535; }
 chain c_fwd { type filter hook forward priority 0;
  iif lan oif eth0 meta l4proto udp update @fc { udp sport : ip saddr . udp sport }; }
 chain c_pre { type nat hook prerouting priority -100;
  iif eth0 meta l4proto udp dnat ip to udp dport map @fc; }"""

ADDRRESTRICTED = """
 map fc { type inet_service . ipv4_addr : ipv4_addr . inet_service; flags dynamic,timeout; timeout 60s; size 65535; }
 chain c_fwd { type filter hook forward priority 0;
  iif lan oif eth0 meta l4proto udp update @fc { udp sport . ip daddr : ip saddr . udp sport }; }
 chain c_pre { type nat hook prerouting priority -100;
  iif eth0 meta l4proto udp dnat ip to udp dport . ip saddr map @fc; }"""

NO_UDP = """
 chain c_udp { type filter hook forward priority 0; meta l4proto udp drop; }"""

KINDS = {
    "portrestricted": POST % "masquerade",
    "portrange": PORTS % "20000-30000",
    "addrrestricted": ADDRRESTRICTED + POST % "masquerade",
    "fullcone": FULLCONE + POST % "masquerade",
    "symmetric": POST % "masquerade random,fully-random",
    "udpblocked": NO_UDP + POST % "masquerade",
}

# After a rebinding: the same kind, ports of another range. The full cone notes the port it gave out.
REBOUND_FULLCONE = """
 map fc { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 60s; size 65535; }
 chain c_pre { type nat hook prerouting priority -100;
  iif eth0 meta l4proto udp dnat ip to udp dport map @fc; }
 chain c_rec { type filter hook postrouting priority 200; oif eth0 ct direction original
  meta l4proto udp update @fc { udp sport : ct original ip saddr . ct original proto-src }; }"""

REBOUND = {
    "portrestricted": PORTS,
    "portrange": PORTS,
    "fullcone": REBOUND_FULLCONE + PORTS,
}


def load(name, rules):
    netns.run(name, "nft", "-f", "-", input=rules)


def replace_rules(name, rules):
    """Makes the namespace a NAT by these rules, and makes it forget every mapping."""
    load(name, f"flush ruleset\ntable ip n {{{INPUT}{rules}\n}}\n")
    netns.run(name, "conntrack", "-F")


def install(name, kind):
    replace_rules(name, KINDS[kind])


def rebind(name, kind, first_port):
    """As a NAT that was restarted: every mapping gone, new ones from another range of ports."""
    replace_rules(name, REBOUND[kind] % f"{first_port}-{first_port + 999}")


def cut_udp(name, peer_ip=None, out=True, back=True):
    """Drops UDP silently on its way through the NAT: to and from one address, or all of it."""
    to_peer = f"ip daddr {peer_ip} " if peer_ip else ""
    from_peer = f"ip saddr {peer_ip} " if peer_ip else ""
    lines = [f"oif eth0 {to_peer}meta l4proto udp drop;"] if out else []
    lines += [f"iif eth0 {from_peer}meta l4proto udp drop;"] if back else []
    load(name, "table ip cut { }\ndelete table ip cut\ntable ip cut {\n chain c_cut { "
               "type filter hook forward priority -10; " + " ".join(lines) + " }\n}\n")


def refuse_udp(name):
    """The host's own firewall: sending UDP fails at once (EPERM)."""
    load(name, "table inet refuse {\n chain c_out { type filter hook output priority 0; "
               "meta l4proto udp drop; }\n}\n")


def allow_udp(name):
    load(name, "delete table inet refuse\n")


def restore_udp(name):
    load(name, "table ip cut { }\ndelete table ip cut\n")
