"""How soon a node that starts cold reaches another one: the first answer, and straight.

Counted from the start of the second node's process, with a ping each 50 ms; each run joins a node
that nobody has seen before.
"""
import time

import mesh
import tools
from scenario import STRICT_RTTS_MS, scenario

STRICT_STARTS = {0: 20}  # runs without delay; with one, three


def since_ms(start_us, result):
    return (result["at_us"] - start_us) / 1000 if "at_us" in result else None


def start_once(m, number, direct):
    """Joins a new node on the laptop's host; milliseconds to the first answer and to direct, and
    the kind of path it says it has."""
    node = m.add_node("laptop", f"laptop{number}", "client")
    node.invitation = m.coordinator.invite(node.name, node.role)
    ping = tools.first_ping(m, "laptop", m.dev.address(), go_on=direct)
    straight = tools.FirstDirect(m) if direct else None
    node.start()
    direct_ms = since_ms(node.started_us, straight.result()) if direct else None
    first_ms = since_ms(node.started_us, ping.result())
    seen = node.path(m.dev)[0]
    node.leave_host()
    m.coordinator.remove_node(node.name)
    return first_ms, direct_ms, seen


def start(case, nat_a, nat_b, first_bar_ms, direct_bar_ms, peer):
    runs = STRICT_STARTS.get(case.rtt_ms, 3) if case.strict else 1
    # Half of the round trip between the nodes lies between a node and the servers.
    first_rtts, direct_rtts = 12 / 2, 14 / 2
    with case.topology(nat_a=nat_a, nat_b=nat_b) as topo, case.mesh(topo) as m:
        m.dev.join()
        mesh.wait_for("dev to be online", m.dev.is_online)
        time.sleep(1)
        results = [start_once(m, i, direct_bar_ms is not None) for i in range(runs)]
        firsts, directs, paths = zip(*results)
        case.hold_median("first answer", firsts, first_bar_ms, first_rtts, peer[0])
        if direct_bar_ms is None:
            case.check(f"the path is {set(paths)}, not relay", set(paths) == {"relay"})
            return
        case.hold_median("direct", directs, direct_bar_ms, direct_rtts, peer[1])
        if case.strict and case.rtt_ms == 0:
            case.hold("direct, worst", None if None in directs else max(directs), 1000)


def register(name, nat_a, nat_b, first_bar_ms=300, direct_bar_ms=400, peer=("0.36-0.50 s", "")):
    @scenario(f"start/{name}", strict_rtts_ms=STRICT_RTTS_MS,
              doc=f"A node behind {nat_a} starts cold and reaches one behind {nat_b}.")
    def _run(case):
        start(case, nat_a, nat_b, first_bar_ms, direct_bar_ms, peer)


for same in ("portrestricted", "portrange"):
    register(same, same, same, peer=("0.36-0.50 s", "0.40 s or 5.5 s"))
register("fullcone", "fullcone", "fullcone", peer=("0.36-0.50 s", "0.39 s"))
register("addrrestricted", "addrrestricted", "addrrestricted", peer=("0.36-0.50 s", "0.41 s"))
register("relay-only", "symmetric", "portrestricted", direct_bar_ms=None)
register("udp-blocked", "udpblocked", "portrestricted", first_bar_ms=600, direct_bar_ms=None,
         peer=("3.1 s", ""))


@scenario("start/same-lan")
def same_lan(case):
    """Two nodes behind one NAT find each other by their LAN addresses."""
    with case.joined_mesh() as m:
        near = m.add_node("laptop2", "near", "agent")
        near.join()
        ping = tools.first_ping(m, "laptop", near.address(), go_on=True)
        mesh.wait_for("laptop to be direct by the LAN",
                      lambda: (p := m.laptop.peer(near)) and p["path"]["kind"] == "direct"
                      and p["path"]["addr"].startswith("10.1.0."))
        case.check("near never answered", ping.result()["first_ms"] is not None)
