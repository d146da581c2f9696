"""Two WireGuard implementations facing each other over a veth pair, each in a namespace of its own.

  a: 10.99.0.1 and fd99::1, inside 10.77.0.1 and fd77::1          b: the same with 2

Only a knows b's endpoint, so a starts the handshake. Interface names are the pair's own: their
configuration sockets share one folder for all namespaces.
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

import netns  # noqa: E402

BUILD = os.environ.get("WARREN_BUILD", os.path.join(ROOT, "build"))
LOGS = os.path.join(BUILD, "interop-logs")
SOCKETS = "/var/run/wireguard"
PORT = 51820


def find_wireguard_go():
    """The path of a wireguard-go, built where there is Go and none yet; or None and the reason."""
    for name in (os.environ.get("WIREGUARD_GO"), "wireguard-go", os.path.join(BUILD, "peers/wireguard")):
        path = shutil.which(name) if name else None
        if path:
            return path, None
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        return None, "no wireguard-go in $WIREGUARD_GO or PATH, and no Go to build it with"
    peers = os.path.join(os.path.abspath(BUILD), "peers")
    os.makedirs(peers, exist_ok=True)
    done = subprocess.run([go, "install", "golang.zx2c4.com/wireguard@latest"], text=True, check=False,
                          env={**os.environ, "GOBIN": peers}, stderr=subprocess.PIPE, timeout=300)
    if done.returncode != 0:
        return None, "wireguard-go does not build: " + (done.stderr.strip().splitlines() or ["?"])[-1]
    return os.path.join(peers, "wireguard"), None


def missing_tools(*tools):
    return [t for t in tools if not shutil.which(t)]


def wg(*arguments, text=None):
    done = subprocess.run(["wg", *arguments], input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"wg {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


class End:
    """One side: a namespace, a program that serves an interface in it, and its keys."""

    def __init__(self, space, number, program, interface):
        self.space, self.number, self.program, self.interface = space, number, program, interface
        self.secret = wg("genkey")
        self.public = wg("pubkey", text=self.secret)
        self.process = None

    def start(self):
        os.makedirs(LOGS, exist_ok=True)
        socket = os.path.join(SOCKETS, self.interface + ".sock")
        self.process = netns.Process(self.space, [self.program, "-f", self.interface],
                                     os.path.join(LOGS, self.interface + ".log"),
                                     env={"LOG_LEVEL": "error"})
        deadline = time.monotonic() + 5
        while not os.path.exists(socket):
            if time.monotonic() > deadline or not self.process.is_running():
                raise RuntimeError(f"{self.program} did not come up, see {self.process.log}")
            time.sleep(0.02)

    def configure(self, other, psk, endpoint=None):
        peer = ["peer", other.public, "allowed-ips", f"10.77.0.{other.number}/32,fd77::{other.number}/128"]
        if psk:
            peer += ["preshared-key", "/dev/stdin"]
        if endpoint:
            peer += ["endpoint", f"{endpoint}:{PORT}"]
        wg("set", self.interface, "private-key", "/dev/stdin", "listen-port", str(PORT), text=self.secret)
        wg("set", self.interface, *peer, text=psk)
        netns.ip_batch_in(self.space, [
            f"addr add 10.77.0.{self.number}/24 dev {self.interface}",
            f"addr add fd77::{self.number}/64 dev {self.interface} nodad",
            f"link set {self.interface} up"])

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M).group(1))

    def last_handshake(self):
        return int(wg("show", self.interface, "latest-handshakes").split()[1])


class Pair:
    """`with Pair(name, program_a, program_b) as pair:` stands until its block ends."""

    def __init__(self, name, program_a, program_b, with_psk=False, by_v6=False):
        self.name = name
        self.endpoint = "[fd99::2]" if by_v6 else "10.99.0.2"
        self.psk = wg("genpsk") if with_psk else None
        tag = f"{os.getpid() % 100000}{name}"
        self.a = End(name + "a", 1, program_a, f"wi{tag}a")
        self.b = End(name + "b", 2, program_b, f"wi{tag}b")

    def __enter__(self):
        netns.create([self.a.space, self.b.space])
        netns.ip_batch([f"link add veth0 netns {netns.full_name(self.a.space)} type veth "
                        f"peer name veth0 netns {netns.full_name(self.b.space)}"])
        for end in (self.a, self.b):
            netns.ip_batch_in(end.space, [f"addr add 10.99.0.{end.number}/24 dev veth0",
                                          f"addr add fd99::{end.number}/64 dev veth0 nodad",
                                          "link set veth0 up"])
            end.start()
        self.wait_for_wire()
        self.a.configure(self.b, self.psk, self.endpoint)
        self.b.configure(self.a, self.psk)
        return self

    def __exit__(self, *_):
        for end in (self.a, self.b):
            end.process.stop()
        netns.delete([netns.full_name(self.a.space), netns.full_name(self.b.space)])

    def wait_for_wire(self):
        """A fresh link has no IPv6 routes for a moment; a handshake lost to that costs 5 s."""
        for _ in range(100):
            if self.ping("fd99::2", 1):
                return
            time.sleep(0.02)
        raise RuntimeError("no answer over the bare wire")

    def ping(self, address, count=3, interval=0.05):
        """Round trips in milliseconds, one for each answer."""
        done = subprocess.run(netns.inside(self.a.space, "ping", "-n", "-c", count, "-i", interval,
                                           "-W", "2", address),
                              text=True, stdout=subprocess.PIPE, check=False)
        return [float(t) for t in re.findall(r"time=([\d.]+) ms", done.stdout)]

    def iperf(self, address, *options):
        """One run of iperf3 from a to b; the parsed report."""
        server = netns.Process(self.b.space, ["iperf3", "-s", "-1"], os.path.join(LOGS, "iperf.log"))
        try:
            self.wait_for_server()
            done = subprocess.run(
                netns.inside(self.a.space, "iperf3", "-C", "cubic", "-J", "-c", address, *options),
                text=True, stdout=subprocess.PIPE, check=False)
        finally:
            server.stop()
        report = json.loads(done.stdout)
        if "error" in report:
            raise RuntimeError("iperf3: " + report["error"])
        return report

    def wait_for_server(self):
        for _ in range(100):
            if ":5201" in netns.run(self.b.space, "ss", "-Hltn"):
                return
            time.sleep(0.02)
        raise RuntimeError("iperf3 does not listen")
