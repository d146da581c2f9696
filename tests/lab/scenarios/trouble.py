"""What breaks while somebody types, and what the typist notices: bars of the session table.

Each gets a mesh on a direct path with keystrokes each 20 ms; nothing typed may be lost in any.
"""
import contextlib
import os
import signal
import time

import mesh
import nat
import tools
import topology
from scenario import trouble

NO_STALL_MS = 300


def cut(case, m, typing, peer, **directions):
    """UDP goes silently, stays away, and comes back."""
    m.topo.cut_udp(**directions)
    typing.during("cut", 4)
    straight = tools.FirstDirect(m)
    restored_us = tools.now_us()
    m.topo.restore_udp()
    typing.during("back", 3)
    seen = straight.result()
    typing.finish()
    case.hold("longest gap, UDP cut", typing.gap_ms("cut"), 1000, rtts=5, peer=peer)
    case.hold("longest gap, UDP back", typing.gap_ms("back"), NO_STALL_MS)
    back_ms = (seen["at_us"] - restored_us) / 1000 if "at_us" in seen else None
    case.hold("direct again", back_ms, 2000, peer="0.4-1.35 s")


@trouble("udp-cut/both-ways")
def udp_cut_both(case, m, typing):
    """UDP between the two dies silently in both directions, then comes back."""
    cut(case, m, typing, "6.45-6.67 s")


@trouble("udp-cut/there")
def udp_cut_there(case, m, typing):
    """Only what laptop sends straight to dev is lost, then comes through again."""
    cut(case, m, typing, "6.45-6.62 s", back=False)


@trouble("udp-cut/back")
def udp_cut_back(case, m, typing):
    """Only what dev sends straight to laptop is lost, then comes through again."""
    cut(case, m, typing, "6.45-6.62 s", there=False)


@trouble("relay-killed/while-direct")
def relay_killed_while_direct(case, m, typing):
    """dev's home relay dies while the path is direct: nobody notices."""
    relay = m.relays[m.dev.status()["self"]["home_region"]]
    relay.kill()
    typing.during("killed", 3)
    typing.finish()
    case.hold("longest gap", typing.gap_ms("killed"), NO_STALL_MS)


@trouble("relay-killed/while-on-it")
def relay_killed_while_on_it(case, m, typing):
    """The relay that carries the session dies: the other one takes over."""
    m.topo.cut_udp()
    m.wait_for_path("relay")
    typing.during("on relay", 1)
    relay = m.relays[m.laptop.path(m.dev)[1]]
    relay.kill()
    typing.during("killed", 4)
    m.topo.restore_udp()
    typing.finish()
    case.hold("longest gap", typing.gap_ms("killed"), 600, rtts=4, peer="13.1-13.2 s; best 0.66 s")


@trouble("nat-rebound")
def nat_rebound(case, m, typing):
    """The laptop's NAT forgets its state and gives other ports: direct again soon."""
    m.topo.rebind("natA")
    rebound_us = tools.now_us()
    straight = tools.FirstDirect(m)
    typing.during("rebound", 5)
    seen = straight.result()
    typing.finish()
    case.hold("longest gap", typing.gap_ms("rebound"), 1500, rtts=4, peer="7.2-7.5 s")
    again_ms = (seen["at_us"] - rebound_us) / 1000 if "at_us" in seen else None
    case.hold("direct again", again_ms, 2000, rtts=4, peer="never (relay)")


@trouble("coordinator-killed")
def coordinator_killed(case, m, typing):
    """The coordinator dies and comes back: nobody notices, and the nodes find it again."""
    m.coordinator.kill()
    typing.during("dead", 2)
    m.coordinator.start()
    typing.during("back", 3)
    typing.finish()
    case.hold("longest gap, dead", typing.gap_ms("dead"), NO_STALL_MS, peer="no gap")
    case.hold("longest gap, back", typing.gap_ms("back"), NO_STALL_MS)
    mesh.wait_for("both nodes to find the coordinator again",
                  lambda: all((n.status() or {}).get("coordinator", {}).get("connected")
                              for n in (m.laptop, m.dev)), timeout=30, every=0.2)


def restart_both(case, m, typing, bar_ms, number=signal.SIGTERM):
    for node in (m.dev, m.laptop):
        typing.keys.mark(node.name)
        node.stop(number)
        node.start()
        time.sleep(3)
    typing.finish()
    case.hold("dev restarted", typing.gap_ms("dev"), bar_ms, rtts=2, peer="0.10, 0.23 s; 0.67 s")
    case.hold("laptop restarted", typing.gap_ms("laptop"), bar_ms, rtts=2)


@trouble("restart/coordinator-alive")
def restart_alive(case, m, typing):
    """Each daemon is restarted by SIGTERM: a pause of 0.3 s."""
    restart_both(case, m, typing, 300)


@trouble("restart/coordinator-dead")
def restart_dead(case, m, typing):
    """The same with no coordinator in reach: state and saved map are enough."""
    m.coordinator.kill()
    restart_both(case, m, typing, 300)
    m.coordinator.start()


@trouble("crash")
def crash(case, m, typing):
    """Each daemon is killed outright and started again."""
    restart_both(case, m, typing, 1000, number=signal.SIGKILL)


@trouble("power-cut")
def power_cut(case, m, typing):
    """dev loses power and with it what was not synced: who was active, and the flow table."""
    typing.keys.mark("cut")
    m.dev.stop(signal.SIGKILL)
    for name in ("warm.json", "flows"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{m.dev.state}/{name}")
    m.dev.start()
    time.sleep(5)
    typing.finish()
    case.hold("dev back", typing.gap_ms("cut"), 1000, rtts=4)


@trouble("address-change")
def address_change(case, m, typing):
    """The laptop's address changes, as with a new lease."""
    m.topo.move_host("laptop")
    typing.during("moved", 5)
    typing.finish()
    case.hold("longest gap", typing.gap_ms("moved"), 2000)


@trouble("own-firewall")
def own_firewall(case, m, typing):
    """The laptop's own firewall refuses UDP, and lets it go again."""
    nat.refuse_udp("laptop")
    typing.during("refused", 4)
    why = m.laptop.status()["peers"][0]["path"]["why_code"]
    case.check(f"the reason given for the relay is {why}", why == "udp-blocked")
    straight = tools.FirstDirect(m)
    allowed_us = tools.now_us()
    nat.allow_udp("laptop")
    typing.during("back", 3)
    seen = straight.result()
    typing.finish()
    case.hold("longest gap, UDP refused", typing.gap_ms("refused"), 1000, rtts=5)
    case.hold("longest gap, UDP back", typing.gap_ms("back"), NO_STALL_MS)
    back_ms = (seen["at_us"] - allowed_us) / 1000 if "at_us" in seen else None
    case.hold("direct again", back_ms, 2000)


@trouble("flood", nat_kind="fullcone")
def flood(case, m, typing):
    """A stranger floods every open port with garbage: nobody notices, nothing dies."""
    targets = [f"tcp:{topology.public_ip('coordinator')}:8443"]
    for relay in m.relays.values():
        ip = topology.public_ip(relay.host)
        targets += [f"tcp:{ip}:443", f"udp:{ip}:3478"]
    for node in (m.laptop, m.dev):
        targets += [f"udp:{e['addr']}" for e in node.status()["self"]["endpoints"]
                    if e["kind"] == "stun"]
    stranger = tools.flood(m, "stranger", targets, seconds=4)
    typing.during("flood", 4)
    sent = stranger.result()
    typing.finish()
    case.check(f"the stranger sent only {sent}", sent["datagrams"] > 5000)
    case.hold("longest gap", typing.gap_ms("flood"), NO_STALL_MS)
    m.assert_alive()
