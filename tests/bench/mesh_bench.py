"""What the mesh costs and carries: an idle daemon, TCP straight and TCP by a relay.

The topology is the lab's, on wires without delay; the daemon under test has two peers, a coordinator
and two relay sessions.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lab"))

import mesh  # noqa: E402
import netns  # noqa: E402
import topology  # noqa: E402

# Issue bars: RSS and its own part in MB, share of a core in percent over a minute.
RSS_MB, ANON_MB, CPU_PERCENT, IDLE_S = 12.0, 4.0, 0.2, 60
# What is wanted where no other mesh is there to compare with.
RELAY_GBIT_S = 0.2
TCP_S = 5


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
    server = netns.Process(m.dev.host, ["iperf3", "-s", "-1"], f"{m.logs}/iperf.log")
    try:
        mesh.wait_for("iperf3 to listen", lambda: ":5201" in netns.run(m.dev.host, "ss", "-Hltn"))
        out = subprocess.run(netns.inside(m.laptop.host, "iperf3", "-C", "cubic", "-J", "-t", TCP_S,
                                          "-c", m.dev.address(), *options),
                             text=True, stdout=subprocess.PIPE, check=False).stdout
    finally:
        server.stop()
    report = json.loads(out)
    mesh_error = report.get("error")
    if mesh_error:
        raise mesh.LabError(f"iperf3: {mesh_error}")
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def both_ways(m):
    return [iperf(m), iperf(m, "-R")]


class Bench:
    """Runs the three, tells each in a line, and counts."""

    def __init__(self, build, logs):
        self.build, self.logs = build, logs
        self.passed = self.failed = 0

    def verdict(self, good, text):
        self.passed += good
        self.failed += not good
        print(f"{'ok      ' if good else 'FAILED  '} {text}", flush=True)

    def mesh(self, topo, name):
        work = f"{self.logs}/{name}"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        return mesh.Mesh(topo, work)

    def idle_and_direct(self):
        with topology.Topology(self.build, self.logs) as topo, self.mesh(topo, "direct") as m:
            third = m.add_node("laptop2", "third", "client")
            m.join()
            third.join()
            mesh.wait_for("the third node to be online", third.is_online, timeout=15)
            m.wait_for_path("direct")
            self.idle(m.dev.process.pid)
            rates = both_ways(m)
            self.verdict(True, f"TCP straight: {rates[0]:.2f} and back {rates[1]:.2f} Gbit/s")
            rss, anon = memory_mb(m.dev.process.pid)
            print(f"         after it: {rss:.1f} MB resident, {anon:.1f} MB its own")

    def idle(self, pid):
        time.sleep(15)  # until nothing is active any more
        cpu, woken = cpu_seconds(pid), wakes(pid)
        time.sleep(IDLE_S)
        percent = (cpu_seconds(pid) - cpu) / IDLE_S * 100
        per_second = (wakes(pid) - woken) / IDLE_S
        rss, anon = memory_mb(pid)
        good = rss <= RSS_MB and anon <= ANON_MB and percent < CPU_PERCENT
        self.verdict(good, f"idle daemon: {rss:.1f} MB resident of {RSS_MB:g}, {anon:.1f} MB its own "
                     f"of {ANON_MB:g}, {percent:.3f} % of a core of {CPU_PERCENT:g}, "
                     f"{per_second:.1f} wakes a second")

    def by_relay(self):
        with topology.Topology(self.build, self.logs, nat_a="udpblocked") as topo, \
                self.mesh(topo, "relay") as m:
            m.join()
            rates = both_ways(m)
            if m.laptop.path(m.dev)[0] != "relay":
                raise mesh.LabError("UDP is blocked and yet they are not on a relay")
            self.verdict(min(rates) >= RELAY_GBIT_S,
                         f"TCP by the relay: {rates[0]:.2f} and back {rates[1]:.2f} Gbit/s, at least "
                         f"{RELAY_GBIT_S} wanted")

    def run(self):
        for part in (self.by_relay, self.idle_and_direct):
            try:
                part()
            except (mesh.LabError, RuntimeError, OSError, ValueError) as e:
                self.verdict(False, f"{part.__name__.replace('_', ' ')}: {e}")
