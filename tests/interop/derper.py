#!/usr/bin/python3
"""Our daemon on relays that fleets run already: derper, unchanged, in the lab's relay hosts.

  tests/interop/derper.py DERPER        (derper.sh finds one and calls this; needs root)

Each derper makes its own certificate for its IP address and prints the pin; the coordinator gets both
regions as the DERPMap file that such a fleet has. Prints ok NAME, FAIL NAME why.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lab"))

import mesh  # noqa: E402
import netns  # noqa: E402
import tools  # noqa: E402
import topology  # noqa: E402

BUILD = os.path.abspath(os.environ.get("WARREN_BUILD", os.path.join(ROOT, "build")))
LOGS = os.path.join(BUILD, "interop-logs", "derper")
BULK_BYTES, BULK_RATE = 50 * 10 ** 6, 10 ** 9
# The node that fleets run needs 13 s where its relay dies.
LOST_RELAY_GAP_MS = 2000


def find():
    """The path of a derper that is here already, or None."""
    for name in (os.environ.get("DERPER"), "derper", f"{BUILD}/peers/derper"):
        path = shutil.which(name) if name else None
        if path:
            return path
    return None


class Derper(mesh.Daemon):
    """A derper in a relay's host."""

    def __init__(self, m, region, program):
        super().__init__(m, mesh.RELAY_HOSTS[region], f"derper{region}")
        self.region, self.program = region, program
        self.ip = topology.public_ip(self.host)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.log)  # an earlier one's pin is in it

    def command(self):
        return [self.program, "-a", f"{self.ip}:443", "-http-port", "-1", "-hostname", self.ip,
                "-certmode", "manual", "-certdir", self.state, "-c", f"{self.state}/key"]

    def start(self):
        os.makedirs(self.state, exist_ok=True)
        super().start()

    def entry(self):
        """Its region of the relay map, with the pin that it prints."""
        def printed():
            with open(self.log, encoding="utf-8") as f:
                return re.search(r'"CertName":"(sha256-raw:[0-9a-f]{64})"', f.read())
        pin = mesh.wait_for(f"the pin of {self.name}", printed).group(1)
        node = {"Name": f"{self.region}a", "RegionID": self.region, "HostName": self.ip, "IPv4": self.ip,
                "IPv6": "none", "CertName": pin}
        return {"RegionID": self.region, "RegionCode": self.name, "RegionName": self.name, "Nodes": [node]}


class DerperMesh(mesh.Mesh):
    """The lab's mesh with derpers for relays. change: what is done to the map's first node."""

    def __init__(self, topo, work, program, change=None):
        super().__init__(topo, work)
        self.relays = {region: Derper(self, region, program) for region in mesh.RELAY_HOSTS}
        self.change = change

    def __enter__(self):
        for relay in self.relays.values():
            relay.start()
        entries = {str(region): relay.entry() for region, relay in self.relays.items()}
        if self.change:
            self.change(entries["1"]["Nodes"][0])
        path = f"{self.work}/derpmap.json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"Regions": entries}, f)
        self.coordinator = Coordinator(self, path)
        self.coordinator.start()
        return self


class Coordinator(mesh.Coordinator):
    def __init__(self, m, relay_map):
        super().__init__(m)
        self.relay_map = relay_map

    def command(self):
        return super().command() + ["--relay-map", self.relay_map]


def check(what, condition):
    if not condition:
        raise mesh.LabError(what)


def carries_bulk(m):
    """Copies some megabytes from laptop to dev; the bytes must be the same."""
    data, copy = f"{m.work}/sent", f"{m.work}/received"
    with open(data, "wb") as f:
        f.write(os.urandom(BULK_BYTES))
    receiver = tools.bulk_receiver(m, "ws", out=copy)
    sender = tools.bulk_sender(m, "laptop", m.dev.address(), BULK_RATE, file=data)
    sender.result(timeout=60)
    receiver.result(timeout=60)
    check("the copy differs", subprocess.run(["cmp", data, copy], check=False).returncode == 0)


def is_connected(node, region):
    status = node.status() or {"relays": []}
    return any(r["region"] == region and r["connected"] for r in status["relays"])


def blocked(m):
    """UDP is blocked: everything goes through a derper."""
    m.join()
    carries_bulk(m)
    for a, b in ((m.laptop, m.dev), (m.dev, m.laptop)):
        check(f"{a.name} is not on a relay", a.path(b)[0] == "relay")
    regions = [r["rtt_ms"] for r in m.laptop.status()["relays"] if r["connected"]]
    check("no relay has a round-trip time", any(regions))
    m.assert_alive()


def killed(m):
    """The derper in use dies while keys are typed."""
    m.join()
    mesh.wait_for("both relays to be connected",
                  lambda: all(is_connected(n, r) for n in (m.laptop, m.dev) for r in m.relays))
    server = tools.keys_server(m, "ws")
    keys = tools.keys(m, "laptop", m.dev.address())
    time.sleep(1)
    used = m.laptop.path(m.dev)[1]
    m.relays[used].kill()
    time.sleep(4)
    gap_ms = keys.result()["longest_gap_ms"]
    server.stop()
    check(f"keys stood still for {gap_ms:.0f} ms", gap_ms < LOST_RELAY_GAP_MS)
    check("the path is not by the other relay", m.laptop.path(m.dev) == ("relay", 3 - used))
    return f"longest gap {gap_ms:.0f} ms"


def udp_open(m):
    """UDP is open: derper's STUN shows the public address, and the nodes find each other straight."""
    m.join()
    m.wait_for_path("direct")
    report = json.loads(m.laptop.warren("netcheck", "--json"))
    check(f"the public address is {report['public_v4']}",
          (report["public_v4"] or "").startswith(topology.public_ip("natA") + ":"))
    check("a region has no latency over UDP", all(r["udp_ms"] for r in report["regions"]))


def unpinned(m):
    """InsecureForTests stands in for the pin, as in the field's maps."""
    m.join()
    mesh.wait_for("region 1 to be connected", lambda: is_connected(m.laptop, 1))


def wrong_pin(m):
    """A certificate that is not the pinned one is refused; the other region serves."""
    m.join()
    mesh.wait_for("region 2 to be connected", lambda: is_connected(m.laptop, 2))
    check("region 1 is connected all the same", not is_connected(m.laptop, 1))


def forget_pin(node):
    del node["CertName"]
    node["InsecureForTests"] = True


def spoil_pin(node):
    node["CertName"] = "sha256-raw:" + "0" * 64


CASES = {
    "derper-blocked": (blocked, "udpblocked", None),
    "derper-killed": (killed, "udpblocked", None),
    "derper-stun": (udp_open, "portrestricted", None),
    "derper-unpinned": (unpinned, "udpblocked", forget_pin),
    "derper-wrong-pin": (wrong_pin, "udpblocked", spoil_pin),
}


def run(name, program):
    case, nat_a, change = CASES[name]
    logs = f"{LOGS}/{name}"
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(f"{logs}/state")
    with topology.Topology(BUILD, logs, nat_a=nat_a) as topo, \
            DerperMesh(topo, f"{logs}/state", program, change) as m:
        return case(m) or ""


def main():
    netns.setup()
    failed = 0
    for name in sys.argv[2:] or CASES:
        try:
            detail = run(name, sys.argv[1])
            print(f"ok {name} {detail}".strip(), flush=True)
        except Exception as e:  # pylint: disable=broad-except  one bad case does not end the others
            failed += 1
            print(f"FAIL {name} {type(e).__name__}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
