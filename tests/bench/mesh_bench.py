"""What the mesh costs and carries: an idle daemon, TCP straight and TCP by a relay.

The topology is the lab's, on wires without delay; the daemon under test has two peers, a coordinator
and two relay sessions.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", folder) for folder in ("bench", "interop", "lab")]

import bare_root  # noqa: E402
import derper  # noqa: E402
import mesh  # noqa: E402
import netns  # noqa: E402
import tailscale  # noqa: E402
import topology  # noqa: E402

# Issue bars: RSS and its own part in MB, share of a core in percent over a minute.
RSS_MB, ANON_MB, CPU_PERCENT, IDLE_S = 12.0, 4.0, 0.2, 60
# The same of a static daemon, and its own part after so many bytes through the tunnel.
STATIC_RSS_MB, STATIC_ANON_MB, STATIC_BUSY_ANON_MB, STATIC_BYTES = 8.0, 3.0, 16.0, 3 * 10**9
# What is wanted where no other mesh is there to compare with.
RELAY_GBIT_S = 0.2
TCP_S = 5
RELAY_ROUNDS, RELAY_TCP_S = 3, 3


class StaticNode(mesh.Node):
    def program(self, name):
        return [f"{self.mesh.build}/static/{name}"]


class StaticMesh(mesh.Mesh):
    node_class = StaticNode


def memory_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        text = f.read()
    return [int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1)) / 1024
            for field in ("VmRSS", "RssAnon")]


def cpu_seconds(pid):
    """Of all threads, in the scheduler's own precision."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def wakes(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))
    return total


def iperf(m, *options):
    """One TCP stream between laptop and dev, for `-t` seconds or `-n` bytes; what the receiver got."""
    server = netns.Process(m.dev.host, ["iperf3", "-s", "-1"], f"{m.logs}/iperf.log")
    try:
        mesh.wait_for("iperf3 to listen", lambda: ":5201" in netns.run(m.dev.host, "ss", "-Hltn"))
        out = subprocess.run(netns.inside(m.laptop.host, "iperf3", "-C", "cubic", "-J", "-c",
                                          m.dev.address(), *options),
                             text=True, stdout=subprocess.PIPE, check=False).stdout
    finally:
        server.stop()
    report = json.loads(out)
    if report.get("error"):
        raise mesh.LabError(f"iperf3: {report['error']}")
    return report["end"]["sum_received"]


def both_ways(m):
    return [iperf(m, "-t", TCP_S, *options)["bits_per_second"] / 1e9 for options in ([], ["-R"])]


def measure_by_relay(m):
    """Both ways, one after the other: Gbit/s, and CPU seconds for each GB of relay and node."""
    relays = [relay.process.pid for relay in m.relays.values()]
    nodes = [m.laptop.process.pid, m.dev.process.pid]
    rows = []
    for options in ([], ["-R"]):
        before = [sum(map(cpu_seconds, pids)) for pids in (relays, nodes)]
        received = iperf(m, "-t", RELAY_TCP_S, *options)
        relay_s, nodes_s = (sum(map(cpu_seconds, pids)) - b for pids, b in zip((relays, nodes), before))
        gigabytes = received["bytes"] / 1e9
        rows.append({"Gbit/s": received["bits_per_second"] / 1e9,
                     "relay CPU-s per GB": relay_s / gigabytes,
                     "each node's CPU-s per GB": nodes_s / 2 / gigabytes})
    if m.laptop.path(m.dev)[0] != "relay":
        raise mesh.LabError("UDP is blocked and yet they are not on a relay")
    return rows


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}..{max(values):.2f}]"


class Bench:
    """Runs the three, tells each in a line, and counts."""

    def __init__(self, build, logs):
        self.build, self.logs = build, logs
        self.passed = self.failed = 0

    def verdict(self, good, text):
        self.passed += good
        self.failed += not good
        print(f"{'ok      ' if good else 'FAILED  '} {text}", flush=True)

    def work(self, name):
        work = f"{self.logs}/{name}"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        return work

    def mesh(self, topo, name, kind=mesh.Mesh):
        return kind(topo, self.work(name))

    def idle_and_direct(self):
        with topology.Topology(self.build, self.logs) as topo, self.mesh(topo, "direct") as m:
            third = m.add_node("laptop2", "third", "client")
            m.join()
            third.join()
            mesh.wait_for("the third node to be online", third.is_online, timeout=15)
            m.wait_for_path("direct")
            self.idle(m.dev)
            rates = both_ways(m)
            self.verdict(True, f"TCP straight: {rates[0]:.2f} and back {rates[1]:.2f} Gbit/s")
            rss, anon = memory_mb(m.dev.process.pid)
            print(f"         after it: {rss:.1f} MB resident, {anon:.1f} MB its own")

    def static(self):
        """The static daemon: idle, and after much traffic straight and by relay."""
        if missing := bare_root.missing_programs(self.build):
            print(f"skipped  static: {', '.join(missing)} not built: make static")
            return
        with topology.Topology(self.build, self.logs) as topo, self.mesh(topo, "static", StaticMesh) as m:
            third = m.add_node("laptop2", "third", "client")
            m.join()
            third.join()
            mesh.wait_for("the third node to be online", third.is_online, timeout=15)
            m.wait_for_path("direct")
            self.idle(m.dev, STATIC_RSS_MB, STATIC_ANON_MB)
            iperf(m, "-n", STATIC_BYTES)
            self.busy(m, "straight")
            topo.cut_udp()
            m.wait_for_path("relay")
            iperf(m, "-n", STATIC_BYTES)
            self.busy(m, "by relay")

    def busy(self, m, way):
        for node in (m.laptop, m.dev):
            rss, anon = memory_mb(node.process.pid)
            self.verdict(anon <= STATIC_BUSY_ANON_MB,
                         f"{node.name} after {STATIC_BYTES / 1e9:g} GB {way}: {rss:.1f} MB resident, "
                         f"{anon:.1f} MB its own of {STATIC_BUSY_ANON_MB:g}")

    def idle(self, node, rss_bar=RSS_MB, anon_bar=ANON_MB):
        pid = node.process.pid
        time.sleep(15)  # until nothing is active any more
        cpu, woken = cpu_seconds(pid), wakes(pid)
        time.sleep(IDLE_S)
        percent = (cpu_seconds(pid) - cpu) / IDLE_S * 100
        per_second = (wakes(pid) - woken) / IDLE_S
        rss, anon = memory_mb(pid)
        status = node.status()
        sessions = sum(relay["connected"] for relay in status["relays"])
        if len(status["peers"]) != 2 or sessions != 2 or not status["coordinator"]["connected"]:
            raise mesh.LabError(f"idle: {len(status['peers'])} peers, {sessions} relay sessions")
        good = rss <= rss_bar and anon <= anon_bar and percent < CPU_PERCENT
        self.verdict(good, f"idle daemon: {rss:.1f} MB resident of {rss_bar:g}, {anon:.1f} MB its own "
                     f"of {anon_bar:g}, {percent:.3f} % of a core of {CPU_PERCENT:g}, "
                     f"{per_second:.1f} wakes a second")

    def meshes(self):
        """What is measured by relay: name to what makes the mesh in a topology."""
        meshes = {"warren": lambda topo: self.mesh(topo, "relay")}
        if program := derper.find():
            meshes["warren by derper"] = lambda topo: derper.DerperMesh(topo, self.work("derper"), program)
        if programs := tailscale.find():
            meshes["tailscaled by derper"] = lambda topo: tailscale.TailscaleMesh(
                topo, self.work("tailscale"), programs)
        return meshes

    def by_relay(self):
        """UDP is blocked. We, and beside us those that are here, in turns."""
        meshes = self.meshes()
        rows = {name: [] for name in meshes}
        for _ in range(RELAY_ROUNDS):
            for name, make in meshes.items():
                with topology.Topology(self.build, self.logs, nat_a="udpblocked") as topo, make(topo) as m:
                    rows[name] += measure_by_relay(m.join())
        for name, theirs in rows.items():
            print(f"         by relay, {name}: " + "; ".join(
                f"{figure} {spread([row[figure] for row in theirs])}" for figure in theirs[0]), flush=True)
        rate, bar = (statistics.median([row["Gbit/s"] for row in rows.get(name, [{"Gbit/s": RELAY_GBIT_S}])])
                     for name in ("warren", "tailscaled by derper"))
        self.verdict(rate >= bar, f"TCP by the relay: {rate:.2f} Gbit/s, at least {bar:.2f} wanted: "
                     f"{rate / bar:.1f} times")

    def run(self, *parts):
        for part in parts or (self.by_relay, self.idle_and_direct, self.static):
            try:
                part()
            except (mesh.LabError, RuntimeError, OSError, ValueError) as e:
                self.verdict(False, f"{part.__name__.replace('_', ' ')}: {e}")


def main(part):
    """For one part alone: its lines and the count of them; returns the exit status."""
    build = os.path.abspath(os.environ.get("WARREN_BUILD", os.path.join(ROOT, "build")))
    missing = mesh.missing_programs(build)
    if os.geteuid() != 0 or missing:
        why = f"{', '.join(missing)} not built" if missing else "needs root for network namespaces"
        print(f"skipped  {part}: {why}\n0 passed, 0 failed, 1 skipped")
        return 0
    netns.setup()
    bench = Bench(build, os.path.join(build, "bench-logs"))
    bench.run(getattr(bench, part))
    print(f"{bench.passed} passed, {bench.failed} failed, 0 skipped")
    return 1 if bench.failed else 0
