"""Strangers do their worst to every open port while somebody types: nothing stalls, nothing grows,
and whatever they send is counted by a reason."""
import contextlib
import time

import census
import mesh
import tools
import topology
import witness
from scenario import Typing, scenario

NO_STALL_MS = 300
KINDS = ("random", "truncated", "oversized", "forged", "replayed", "reflected")
MANNERS = ("garbage", "truncated", "oversized", "replayed", "reflected")

# What a program may hold above what it held before strangers came, once they are gone.
NODE_KEEPS_KB, SERVER_KEEPS_KB = 2048, 8192


class Watch:
    """Memory of all programs, against what it was at the beginning."""

    def __init__(self, case, m):
        self.case, self.mesh = case, m
        self.before = self.look()

    def look(self):
        return {d.name: census.look(d.process.pid, 0) for d in self.mesh.daemons() if d.process}

    def rise_kb(self, daemon):
        return self.look()[daemon.name].anon_kb - self.before[daemon.name].anon_kb

    def hold(self):
        """To be called when the strangers are gone."""
        self.mesh.assert_alive()
        now = self.look()
        self.case.note("own KB before, after: " + ", ".join(
            f"{name} {was.anon_kb}, {now[name].anon_kb}" for name, was in self.before.items()))
        for name, was in self.before.items():
            allowed = (NODE_KEEPS_KB if name in ("laptop", "dev") else SERVER_KEEPS_KB)
            rise = now[name].anon_kb - was.anon_kb
            self.case.check(f"{name} holds {rise} KB more than before", rise <= allowed)


@contextlib.contextmanager
def typing_in_mesh(case, nat_kind="fullcone"):
    """A mesh with metrics, direct, somebody typing, and its memory watched."""
    with case.joined_mesh(metrics=True, nat_a=nat_kind, nat_b=nat_kind) as m:
        m.wait_for_path("direct")
        typing = Typing(case, m)
        try:
            typing.during("before", 2)
            yield m, typing, Watch(case, m)
        finally:
            typing.discard()


def hold_gaps(case, typing, windows):
    for window in windows:
        case.hold(f"longest gap, {window}", typing.gap_ms(window), NO_STALL_MS)


def gaps_told(m, since):
    """Gaps that the history holds since then: strangers must not make any."""
    return [e for e in m.laptop.history(m.dev)["events"][since:] if e["kind"] == "gap"]


# ---- UDP ----

def udp_port_of(node):
    """A node's port, as its NAT shows it."""
    endpoints = node.status()["self"]["endpoints"]

    def of_kind(kind):
        return next(e["addr"] for e in endpoints if e["kind"] == kind and "[" not in e["addr"])
    return witness.UdpPort(node, of_kind("stun"), int(of_kind("local").rsplit(":", 1)[1]))


def all_udp_ports(m):
    ports = [udp_port_of(node) for node in (m.laptop, m.dev)]
    ports += [witness.UdpPort(r, f"{topology.public_ip(r.host)}:3478", 3478)
              for r in m.relays.values()]
    stun = m.add_stun()
    mesh.wait_for("warren-stun's metrics", lambda: is_served(stun))
    return [*ports, witness.UdpPort(stun, stun.target, 3478)]


def is_served(daemon):
    with contextlib.suppress(RuntimeError):
        return bool(daemon.ledger(0))
    return False


def note_kind(case, kind, ports, sent):
    for port in ports:
        arrived, kernel, reasons = port.take()
        told = ", ".join(f"{why} {n}" for why, n in sorted(reasons.items(), key=lambda r: -r[1]))
        case.note(f"{kind:11} {port.name:32} sent {sent[port.target]:6} arrived {arrived:6} "
                  f"full buffer {kernel:5}  {told}")


@scenario("strangers/packets", timeout=120)
def packets(case):
    """Truncated, oversized, forged, replayed, reflected and random packets to every UDP port."""
    with typing_in_mesh(case) as (m, typing, watch):
        ports = all_udp_ports(m)
        told_before = len(m.laptop.history(m.dev)["events"])
        for kind in KINDS:
            typing.keys.mark(kind)
            stranger = tools.stranger(m, kind, [p.target for p in ports])
            result = stranger.result()
            case.check(f"{kind}: the kernel did not send {result['refused']}",
                       result["refused"] < sum(result["sent"].values()) / 10)
            time.sleep(0.5)
            note_kind(case, kind, ports, result["sent"])
        typing.during("after", 1)
        case.check("the path is no longer direct", m.laptop.path(m.dev)[0] == "direct")
        typing.finish()
        hold_gaps(case, typing, [*KINDS, "after"])
        for port in ports:
            mesh.wait_for(f"{port.name} to account for all ({port.missing()} are missing)",
                          lambda p=port: p.missing() == 0)
            case.check(f"{port.daemon.name}'s counters do not add up", port.daemon.ledger()["balanced"])
        told = gaps_told(m, told_before)
        case.check(f"the history tells of {len(told)} gaps: {told[:2]}", not told)
        watch.hold()
