"""Strangers do their worst to every open port while somebody types: nothing stalls, nothing grows,
and whatever they send is counted by a reason."""
import contextlib
import signal
import time

import census
import mesh
import netns
import tools
import topology
import witness
from scenario import Typing, scenario

NO_STALL_MS = 300
KINDS = ("random", "truncated", "oversized", "forged", "replayed", "reflected")
MANNERS = ("garbage", "truncated", "oversized", "replayed", "reflected")

# What a program may hold above what it held before strangers came, once they are gone; and beside
# that a page for each descriptor it ever had, as libevent's map of them pins the page it lies on.
NODE_KEEPS_KB, SERVER_KEEPS_KB, DESCRIPTOR_KB = 2048, 8192, 5


class Watch:
    """Memory of all programs, against what it was at the beginning."""

    def __init__(self, case, m):
        self.case, self.mesh = case, m
        self.is_honest = census.has_honest_memory(f"{case.build}/warrend")
        self.before = self.look()

    def look(self):
        return {d.name: census.look(d.process.pid, 0) for d in self.mesh.daemons() if d.process}

    def rise_kb(self, daemon, before):
        return self.look()[daemon.name].anon_kb - before[daemon.name].anon_kb

    def hold(self, descriptors=0):
        """To be called when the strangers are gone."""
        self.mesh.assert_alive()
        now = self.look()
        stayed = {name: was.anon_kb for name, was in self.before.items() if name in now}
        self.case.note("own KB before, after: " + ", ".join(
            f"{name} {kb}, {now[name].anon_kb}" for name, kb in stayed.items()))
        for name, kb in stayed.items():
            allowed = (NODE_KEEPS_KB if name in ("laptop", "dev")
                       else SERVER_KEEPS_KB + descriptors * DESCRIPTOR_KB)
            rise = now[name].anon_kb - kb
            self.case.check(f"{name} holds {rise} KB more than before",
                            rise <= allowed or not self.is_honest)


@contextlib.contextmanager
def typing_in_mesh(case, prepare=None, relay_class=None):
    """A mesh with metrics, direct, somebody typing, and its memory watched; prepare(m) is called
    before anybody types."""
    with case.joined_mesh(metrics=True, nat_a="fullcone", nat_b="fullcone",
                          relay_class=relay_class) as m:
        m.wait_for_path("direct")
        if prepare:
            prepare(m)
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
    for host in ("laptop", "ws"):  # so that the kernel counts datagrams, not trains of them
        netns.run(host, "ip", "link", "set", "eth0", "gso_max_segs", 1)
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
    ports = []
    with typing_in_mesh(case, lambda m: ports.extend(all_udp_ports(m))) as (m, typing, watch):
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
            missing = port.missing()
            case.check(f"{port.name} does not know of {missing} datagrams", missing == 0)
            case.check(f"{port.daemon.name}'s counters do not add up", port.daemon.ledger()["balanced"])
        told = gaps_told(m, told_before)
        case.check(f"the history tells of {len(told)} gaps: {told[:2]}", not told)
        watch.hold()


# ---- initiations ----

@scenario("strangers/initiations", timeout=90)
def initiations(case):
    """A flood of initiations that cost dev a Diffie-Hellman each: cookies answer, and a peer that
    has no relay gets in beside it."""
    with typing_in_mesh(case) as (m, typing, watch):
        guest = m.add_node("laptop2", "guest", "client")
        guest.join()
        mesh.wait_for("guest to be online", guest.is_online)
        port, key = udp_port_of(m.dev), m.dev.status()["self"]["node_key"]
        flood = tools.stranger(m, "initiations", [port.target], seconds=12, key=key)
        typing.during("flood", 2)
        newcomer = ping_from(m, guest)
        newcomer_ms = newcomer.result()["first_ms"]
        for relay in m.relays.values():
            relay.kill()
        typing.during("no relay", 1)
        guest.stop()
        ping = ping_from(m, guest)
        guest.start()
        # The cookie serves the next try, five seconds later (WireGuard, section 6.6).
        case.hold("guest, restarted, no relay", ping.result()["first_ms"], 6000)
        case.hold("guest, new", newcomer_ms, 1000)
        sent = flood.result()["sent"]
        typing.during("after", 1)
        typing.finish()
        hold_gaps(case, typing, ["flood", "no relay", "after"])
        case.note(f"sent {sent}: dev tells of {port.take()}")
        refused = m.dev.ledger()["page"]["warren_handshake_dropped_total"]
        case.check(f"no cookie answered: {refused}", refused["under-load"] > 1000)
        case.check("dev's counters do not add up", m.dev.ledger()["balanced"])
        watch.hold()


def ping_from(m, node):
    return tools.first_ping(m, node.host, m.dev.address(), tools.now_us(), timeout=10)


# ---- TCP ----

class TcpPort:
    """A port of a relay or the coordinator, and how connections to the program ended."""

    def __init__(self, daemon, port, family):
        self.daemon, self.host, self.port = daemon, topology.public_ip(daemon.host), port
        self.name = f"{daemon.name}:{port}"
        self.family = family
        self.before = self.ended()

    def ended(self):
        page = self.daemon.ledger()["page"]
        return {**page[f"{self.family}_http_ended_total"],
                "still open": page[f"{self.family}_http_open"][""]}

    def take(self):
        """How many more than the last time, by end."""
        before, now = self.before, self.ended()
        self.before = now
        return {end: int(n - before[end]) for end, n in now.items() if n != before[end]}


def all_tcp_ports(m):
    return [TcpPort(m.relays[1], 443, "warren_relay"), TcpPort(m.relays[2], 80, "warren_relay"),
            TcpPort(m.coordinator, 8443, "warren_coordinator")]


@scenario("strangers/connections", timeout=120)
def connections(case):
    """Garbage, cut, oversized, replayed and reflected bytes on every TCP port."""
    with typing_in_mesh(case, relay_class=mesh.PlainRelay) as (m, typing, watch):
        ports = all_tcp_ports(m)
        for manner in MANNERS:
            typing.keys.mark(manner)
            crowds = [tools.crowd(m, manner, p.host, p.port, 200, 100) for p in ports]
            time.sleep(3)
            results = [crowd.result() for crowd in crowds]
            for port, result in zip(ports, results):
                mesh.wait_for(f"{port.name} to let go of them",
                              lambda p=port: p.ended()["still open"] <= 5)
                ends = port.take()
                case.note(f"{manner:10} {port.name:16} stood {result['stood']}, ended: {ends}")
                # A node may have come anew meanwhile; a stranger's that is missing shows.
                case.check(f"{manner}: {port.name} counts {ends} of {result}",
                           0 <= sum(ends.values()) - result["stood"] <= 3)
        typing.finish()
        hold_gaps(case, typing, MANNERS)
        watch.hold()


CROWDS = (("silent", 5000), ("drip", 1000), ("reader", 300))
# Records in and out, a request, and 64 KB of answers that nobody reads, in a buffer that doubles.
CROWD_KB_EACH = 256


@scenario("strangers/crowds", timeout=150)
def crowds(case):
    """Half-open connections and slow readers by the thousand: a new node still gets in."""
    with typing_in_mesh(case) as (m, typing, watch):
        ports = [TcpPort(m.relays[1], 443, "warren_relay"),
                 TcpPort(m.coordinator, 8443, "warren_coordinator")]
        for number, (manner, size) in enumerate(CROWDS):
            typing.keys.mark(manner)
            before = watch.look()
            standing = [tools.crowd(m, manner, p.host, p.port, size, 1500) for p in ports]
            time.sleep(size / 1500 + 4)
            for port in ports:
                rise = watch.rise_kb(port.daemon, before)
                case.note(f"{manner:8} {size} at {port.daemon.name}: {rise} KB more, "
                          f"{port.ended()['still open']:.0f} stand")
                case.check(f"{port.daemon.name} took {rise} KB for {size} connections",
                           rise <= size * CROWD_KB_EACH or not watch.is_honest)
            case.hold(f"a new node beside {manner}", join_beside(m, number), 3000)
            for port, crowd in zip(ports, standing):
                result = crowd.result()
                mesh.wait_for(f"{port.daemon.name} to let go of them",
                              lambda p=port: p.ended()["still open"] <= 5)
                case.note(f"{manner:8} {port.daemon.name}: {result}, ended {port.take()}, "
                          f"{watch.rise_kb(port.daemon, before)} KB kept")
        typing.during("after", 1)
        typing.finish()
        hold_gaps(case, typing, [*(manner for manner, _ in CROWDS), "after"])
        watch.hold(descriptors=max(size for _, size in CROWDS))


def join_beside(m, number):
    """A new node joins and reaches dev: milliseconds from its start to the first answer."""
    node = m.add_node("laptop2", f"guest{number}", "client")
    node.invitation = m.coordinator.invite(node.name, node.role)
    ping = tools.first_ping(m, node.host, m.dev.address(), tools.now_us())
    node.start()
    first_ms = ping.result()["first_ms"]
    node.leave_host()
    m.coordinator.remove_node(node.name)
    return first_ms


@scenario("strangers/stopped-reader", timeout=60)
def stopped_reader(case):
    """A client that the relay has let in reads nothing while another sends to it: what waits for it
    is bounded, dropped by a reason, and then it is closed."""
    with typing_in_mesh(case) as (m, typing, watch):
        sleeper = m.add_node("stranger", "sleeper", "agent")
        sleeper.join()
        mesh.wait_for("sleeper to be online", sleeper.is_online)
        m.topo.cut_udp(everything=True)
        m.wait_for_path("relay")
        mesh.wait_for("laptop to reach sleeper by relay",
                      lambda: reaches(m, sleeper) and m.laptop.path(sleeper)[0] == "relay")
        relay = m.relays[m.laptop.path(sleeper)[1]]
        sender = tools.datagrams(m, "laptop", sleeper.address(), every_ms=1)
        typing.during("flowing", 1)
        sleeper.process.send_signal(signal.SIGSTOP)
        typing.during("stopped", 8)
        sent = sender.result()["sent"]
        page = relay.ledger()["page"]
        drops = {why: int(n) for why, n in page["warren_relay_drops_total"].items() if n}
        closed = {why: int(n) for why, n in page["warren_relay_closed_total"].items() if n}
        case.note(f"{sent} sent, {relay.name} dropped {drops}, closed {closed}")
        case.check("the relay dropped nothing", drops)
        case.check("the relay did not close who reads nothing", closed.get("write_late"))
        case.check(f"{relay.name}'s counters do not add up", relay.ledger()["balanced"])
        typing.finish()
        hold_gaps(case, typing, ["flowing", "stopped"])
        sleeper.process.send_signal(signal.SIGCONT)
        watch.hold()


# ---- servers that are not who they should be ----

WRONG_KEY = "not the pinned one"


@scenario("strangers/wrong-server", timeout=90)
def wrong_server(case):
    """Another relay and another coordinator at the known addresses: refused, and told."""
    with typing_in_mesh(case) as (m, typing, watch):
        relay, false_relay = m.relays[1], mesh.Relay(m, 1, "false-relay")
        relay.kill()
        false_relay.start()
        typing.during("false relay", 6)
        told = next(r for r in m.laptop.status()["relays"] if r["region"] == 1)
        case.note(f"laptop's status of the relay: {told}")
        case.check("laptop took the false relay", not told["connected"])
        case.check("laptop does not say why", WRONG_KEY in (told["last_error"] or ""))
        hold_told(case, m, WRONG_KEY)
        false_relay.kill()
        relay.start()
        mesh.wait_for("the true relay to be taken again", lambda: next(
            r for r in m.laptop.status()["relays"] if r["region"] == 1)["connected"], timeout=30)
        false_coordinator(case, m, typing)
        typing.finish()
        hold_gaps(case, typing, ["false relay", "false coordinator"])
        watch.hold()


def false_coordinator(case, m, typing):
    true_state = m.coordinator.state
    m.coordinator.kill()
    m.coordinator.state = f"{m.work}/false-coordinator"
    m.coordinator.start()
    typing.during("false coordinator", 6)
    told = m.laptop.status()["coordinator"]
    case.note(f"laptop's status of the coordinator: {told}")
    case.check("laptop took the false coordinator", not told["connected"])
    case.check("laptop does not say why", WRONG_KEY in (told["last_error"] or ""))
    m.coordinator.kill()
    m.coordinator.state = true_state
    m.coordinator.start()
    mesh.wait_for("the true coordinator to be taken again",
                  lambda: m.laptop.status()["coordinator"]["connected"], timeout=30)


def hold_told(case, m, word):
    """Log and history of laptop have these words."""
    with open(m.laptop.log, encoding="utf-8") as log:
        case.check(f"laptop's log has no {word}", word in log.read())
    case.check(f"laptop's history has no {word}",
               any(word in e["cause"] for e in m.laptop.all_events()))


@scenario("strangers/lying-relay", timeout=90)
def lying_relay(case):
    """Both relays drop, double, delay and damage packets on purpose, and there is no other way."""
    with case.topology(nat_a="udpblocked") as topo, \
            case.mesh(topo, metrics=True, relay_class=mesh.LyingRelay) as m:
        for seed, relay in enumerate(m.relays.values()):
            relay.take_over(seed)
        m.join()
        typing = Typing(case, m)
        try:
            typing.during("before", 1)
            watch = Watch(case, m)
            typing.during("lies", 10)
            case.check("the path is not by relay", m.laptop.path(m.dev)[0] == "relay")
            typing.finish()
        finally:
            typing.discard()
        # A lost keystroke is the kernel's to send again: after 0.2 s, and if that one is lost, 0.4.
        case.hold("longest gap, lies", typing.gap_ms("lies"), 1000)
        for node in (m.laptop, m.dev):
            ledger = node.ledger()
            drops = {why: int(n) for why, n in
                     ledger["page"]["warren_dropped_packets_total"].items() if n}
            case.note(f"{node.name} dropped {drops}")
            case.check(f"{node.name}'s counters do not add up: {ledger['accounts']}",
                       ledger["balanced"])
            case.check(f"{node.name} has seen no lie", drops.get("replayed") and drops.get("forged"))
        for relay in m.relays.values():
            case.note(f"{relay.name} {relay.lies()}")
        watch.hold()


@scenario("strangers/false-key", timeout=90)
def false_key(case):
    """The coordinator introduces another machine under a known name: refused, told, and used only
    once the user says so."""
    with typing_in_mesh(case) as (m, typing, watch):
        vault = m.add_node("laptop2", "vault", "agent")
        vault.join()
        mesh.wait_for("laptop to reach vault", lambda: reaches(m, vault))
        m.coordinator.remove_node("vault")
        vault.leave_host()
        false_vault = m.add_node("laptop2", "vault", "agent", state="false-vault")
        typing.keys.mark("false key")
        false_vault.join()
        mesh.wait_for("the false vault to be online", false_vault.is_online)
        mesh.wait_for("laptop to be told", lambda: m.laptop.status().get("warning"))
        case.check("laptop sends to the false vault", not reaches(m, false_vault))
        status = m.laptop.status()
        case.note(f"laptop's warning: {status['warning']}")
        shown = m.laptop.warren("trust", "vault")
        case.note("warren trust vault: " + " | ".join(shown.split("\n")))
        event = [e for e in m.laptop.all_events() if e["code"] == "identity-changed"]
        case.check(f"the history has {len(event)} such events", len(event) == 1)
        case.note(f"history: {event[0]['cause']}")
        fingerprint = shown.strip().rsplit(" ", 1)[1]
        m.laptop.warren("trust", "vault", fingerprint)
        mesh.wait_for("laptop to reach the vault it was told to trust",
                      lambda: reaches(m, false_vault))
        typing.finish()
        hold_gaps(case, typing, ["false key"])
        watch.hold()


def reaches(m, node):
    return tools.first_ping(m, "laptop", node.address(), timeout=1).result()["first_ms"] is not None
