"""The lab's internet, as data, and what builds it.

  laptop, laptop2 -(10.1.0.0/24)- natA -+- inet (a bridge: 203.0.113.0/24, 2001:db8::/64) -+- natB -(10.2.0.0/24)- ws
                                        |                                                 |
                             coordinator .100, relay1 .101, relay2 .102,            stranger .200

Only the relays speak STUN. A wire (tools/wire) may stand between a NAT and the inet bridge.
"""
import json
import subprocess

import nat
import netns

PUBLIC = {"coordinator": 100, "relay1": 101, "relay2": 102, "stranger": 200, "natA": 10, "natB": 20}
LANS = {"natA": ("10.1.0", ["laptop", "laptop2"]), "natB": ("10.2.0", ["ws"])}
NAT_OF = {host: name for name, (_, hosts) in LANS.items() for host in hosts}

MESH_V4, MESH_V6 = "10.77.0.0/16", "fd77:7777:7777::/48"

# New namespaces run IP rules on bridged frames, which would make one NAT of the whole internet.
NO_BRIDGE_RULES = [f"net.bridge.bridge-nf-call-{t}=0" for t in ("iptables", "ip6tables", "arptables")]
ROUTER = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]


def public_ip(name):
    return f"203.0.113.{PUBLIC[name]}"


class Topology:
    """One internet. nat_a and nat_b are kinds of nat.KINDS; rtt_ms is between laptop and ws, half of
    it on each NAT's outer wire; wire adds options of tools/wire to both."""

    def __init__(self, build, logs, nat_a="portrestricted", nat_b="portrestricted", rtt_ms=0, wire=()):
        self.build, self.logs = build, logs
        self.kinds = {"natA": nat_a, "natB": nat_b}
        self.wire_options = list(wire)
        if rtt_ms:
            self.wire_options += ["--delay-ms", rtt_ms / 4]
        self.processes = []
        self.rebindings, self.moves = 0, 0

    def __enter__(self):
        hosts = [h for _, lan in LANS.values() for h in lan]
        netns.create(["inet", *PUBLIC, *hosts])
        try:
            self._build_inet()
            for name in LANS:
                self._build_lan(name)
                nat.install(name, self.kinds[name])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stop()
        hosts = [h for _, lan in LANS.values() for h in lan]
        netns.delete([netns.full_name(n) for n in ["inet", *PUBLIC, *hosts]])

    def _build_inet(self):
        netns.run("inet", "sysctl", "-qw", *NO_BRIDGE_RULES)
        netns.ip_batch_in("inet", ["link add br0 type bridge", "link set br0 up"])
        for name in PUBLIC:
            if name in LANS and self.wire_options:
                self._lay_wire(name)
            else:
                netns.ip_batch_in("inet", [f"link add x{name} type veth peer name eth0 "
                                           f"netns {netns.full_name(name)}"])
            netns.ip_batch_in("inet", [f"link set x{name} master br0 up"])
            netns.ip_batch_in(name, ["link set eth0 up", f"addr add {public_ip(name)}/24 dev eth0",
                                     f"addr add 2001:db8::{PUBLIC[name]}/64 dev eth0 nodad"])

    def _lay_wire(self, name):
        wire = netns.Process("inet", [f"{self.build}/lab/wire", netns.full_name(name), "eth0",
                                      netns.full_name("inet"), f"x{name}", "--seed", PUBLIC[name],
                                      *self.wire_options],
                             f"{self.logs}/wire-{name}.log", stdout=subprocess.PIPE)
        self.processes.append(wire)
        json.loads(wire.popen.stdout.readline())

    def _build_lan(self, name):
        prefix, hosts = LANS[name]
        netns.run(name, "sysctl", "-qw", *ROUTER, *NO_BRIDGE_RULES)
        netns.ip_batch_in(name, ["link add lan type bridge", "link set lan up",
                                 f"addr add {prefix}.1/24 dev lan"])
        for i, host in enumerate(hosts):
            netns.ip_batch_in(name, [f"link add x{host} type veth peer name eth0 "
                                     f"netns {netns.full_name(host)}",
                                     f"link set x{host} master lan up"])
            netns.ip_batch_in(host, ["link set eth0 up", f"addr add {prefix}.{i + 2}/24 dev eth0",
                                     f"route add default via {prefix}.1"])

    # ---- troubles ----

    def cut_udp(self, there=True, back=True, everything=False):
        """Cuts UDP between laptop and ws (there: from the laptop's side), or all of natA's."""
        nat.cut_udp("natA", None if everything else public_ip("natB"), there, back)

    def restore_udp(self):
        nat.restore_udp("natA")

    def rebind(self, name):
        self.rebindings += 1
        nat.rebind(name, self.kinds[name], 40000 + 1000 * (self.rebindings % 20))

    def move_host(self, host):
        """Gives a host behind a NAT another address of its LAN, as a new lease would."""
        self.moves += 1
        prefix = LANS[NAT_OF[host]][0]
        netns.run(host, "ip", "addr", "flush", "dev", "eth0", "scope", "global")
        netns.ip_batch_in(host, [f"addr add {prefix}.{100 + self.moves}/24 dev eth0",
                                 f"route add default via {prefix}.1"])
