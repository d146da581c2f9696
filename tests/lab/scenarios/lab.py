"""The lab about itself: its NATs and wires are what they claim, else no other result means much."""
import json
import os
import subprocess

import netns
import tools
from scenario import SLACK, scenario

PROBE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "natprobe.py")
SERVERS = ["203.0.113.101", "203.0.113.111", "3480", "3481"]

NATURE = {  # kind: mapping, filtering, port kept
    "portrestricted": ("independent", "address-and-port", True),
    "portrange": ("independent", "address-and-port", False),
    "addrrestricted": ("independent", "address", True),
    "fullcone": ("independent", "independent", True),
    "symmetric": ("dependent", "address-and-port", False),
    "udpblocked": ("blocked", None, None),
}


@scenario("lab/nats")
def nats(case):
    """Every kind of NAT maps and filters as its name says."""
    kinds = list(NATURE)
    for kind_a, kind_b in zip(kinds[::2], kinds[1::2]):
        with case.topology(nat_a=kind_a, nat_b=kind_b):
            netns.run("relay1", "ip", "addr", "add", f"{SERVERS[1]}/24", "dev", "eth0")
            server = netns.Process("relay1", ["/usr/bin/python3", PROBE, "serve", *SERVERS],
                                   f"{case.logs}/natprobe.log", stdout=subprocess.PIPE)
            server.popen.stdout.readline()
            for host, kind in (("laptop", kind_a), ("ws", kind_b)):
                seen = json.loads(netns.run(host, "/usr/bin/python3", PROBE, "ask", *SERVERS))
                got = (seen["mapping"], seen.get("filtering"), seen.get("port_kept"))
                case.check(f"{kind} is {got}", got == NATURE[kind])
            server.stop()


@scenario("lab/wire", rtts_ms=(40,), strict_rtts_ms=(20, 80, 150))
def wire(case):
    """A wire delays by what it was told, and loses nothing."""
    with case.topology():
        server = tools.keys_server(case, "ws")
        netns.run("natB", "ip", "route", "add", "10.1.0.0/24", "via", "203.0.113.10")
        netns.run("natA", "ip", "route", "add", "10.2.0.0/24", "via", "203.0.113.20")
        netns.run("natB", "nft", "flush", "ruleset")
        netns.run("natA", "nft", "flush", "ruleset")
        keys = tools.keys(case, "laptop", "10.2.0.2")
        keys.mark("steady")
        case.check("somebody types", keys.process.is_running())
        tools.time.sleep(2)
        result = keys.result()
        server.stop()
        case.check("a keystroke was lost", result["sent"] == result["echoed"])
        window = tools.window_of(result, "steady")
        late_ms = window["p50_ms"] - case.rtt_ms
        case.check(f"echoes take {window['p50_ms']} ms, not {case.rtt_ms}",
                   0 <= late_ms <= (3 if case.strict else (SLACK - 1) * case.rtt_ms))


@scenario("lab/keys-see-a-cut")
def keys_see_a_cut(case):
    """The measuring tools see a cut of 500 ms as a gap of at least that."""
    with case.topology():
        server = tools.keys_server(case, "relay1")
        keys = tools.keys(case, "laptop", "203.0.113.101")
        tools.time.sleep(0.5)
        keys.mark("cut")
        netns.run("natA", "ip", "link", "set", "xlaptop", "down")
        tools.time.sleep(0.5)
        netns.run("natA", "ip", "link", "set", "xlaptop", "up")
        tools.time.sleep(1.5)
        result = keys.result()
        server.stop()
        gap_ms = tools.window_of(result, "cut")["longest_gap_ms"]
        case.check(f"the gap reads {gap_ms} ms", 500 <= gap_ms <= 2500)
        case.check("a keystroke was lost", result["sent"] == result["echoed"])
