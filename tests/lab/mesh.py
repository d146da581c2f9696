"""The programs under test: a coordinator, two relays and nodes, placed in a topology.

Every daemon has a state directory, socket and TUN name of its own, and logs into the scenario's
folder. Nodes are joined by invitations, as people do it.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import netns
import tools
import topology

PROGRAMS = ["warrend", "warren", "warren-coordinator", "warren-relay"]
RELAY_HOSTS = {1: "relay1", 2: "relay2"}
METRICS = "127.0.0.1:9100"  # each host has a loopback of its own


class LabError(Exception):
    """The system under test did not do what it should."""


def wait_for(what, condition, timeout=10.0, every=0.05):
    """Returns the condition's first true value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"not within {timeout:g} s: {what}")
        time.sleep(every)


def missing_programs(build):
    return [p for p in PROGRAMS if not os.access(f"{build}/{p}", os.X_OK)]


class Daemon:
    """A program that can be killed and started again with the state it has."""

    metrics = METRICS

    def __init__(self, mesh, host, name):
        self.mesh, self.host, self.name = mesh, host, name
        self.state = f"{mesh.work}/{name}"
        self.log = f"{mesh.logs}/{name}.log"
        self.process = None

    def command(self):
        raise NotImplementedError

    def program(self, name):
        """The beginning of the command line that runs one of the programs on its host."""
        return [f"{self.mesh.build}/{name}"]

    def ledger(self, seconds=3):
        """Its /metrics and whether they add up (ledger.py); wants a mesh with metrics."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ledger.py")
        return json.loads(netns.run(self.host, "/usr/bin/python3", "-B", script, self.metrics,
                                    seconds))

    def environment(self):
        return {}

    def start(self):
        self.process = netns.Process(self.host, self.command(), self.log, self.environment())

    def stop(self, number=signal.SIGTERM):
        """Ends it on purpose; returns its exit status."""
        process, self.process = self.process, None
        return process.stop(number)

    def kill(self):
        return self.stop(signal.SIGKILL)

    def admin(self, program, *arguments, stdin=None):
        """Runs an admin command beside the daemon; returns its stdout."""
        return netns.run(self.host, f"{self.mesh.build}/{program}", *arguments, input=stdin)


class Coordinator(Daemon):
    URL = f"https://{topology.public_ip('coordinator')}:8443"

    def __init__(self, mesh):
        super().__init__(mesh, "coordinator", "coordinator")
        self.url, self.options = self.URL, []

    def command(self):
        return [*self.program("warren-coordinator"), "serve", "--url", self.url,
                "--listen", f"{topology.public_ip('coordinator')}:8443", "--state-dir", self.state,
                "--mesh-v4", topology.MESH_V4, "--mesh-v6", topology.MESH_V6, *self.options]

    def ask(self, *arguments, stdin=None):
        return self.admin("warren-coordinator", *arguments, "--state-dir", self.state, stdin=stdin)

    def start(self):
        super().start()
        wait_for("the coordinator's admin socket",
                 lambda: os.path.exists(f"{self.state}/admin.sock"))

    def invite(self, name, role, owner="alice"):
        """The invitation for a new node."""
        out = self.ask("token", "create", "--owner", owner, "--name", name, "--role", role, "--json")
        return json.loads(out)["invitation"]

    def add_relay(self, entry):
        """Returns what it prints, the relay's admission secret among it."""
        return self.ask("relay", "add", "-", stdin=entry)

    def remove_node(self, name):
        self.ask("node", "remove", name)


class Relay(Daemon):
    http = "off"  # or the port of its plain HTTP

    def __init__(self, mesh, region, name=None):
        super().__init__(mesh, RELAY_HOSTS[region], name or RELAY_HOSTS[region])
        self.region, self.options = region, []
        self.hostname = topology.public_ip(self.host)
        self.out = f"{mesh.logs}/{self.name}.entry"

    def command(self):
        ip = topology.public_ip(self.host)
        return [*self.program("warren-relay"), "--listen", f"{ip}:443",
                "--http", "off" if self.http == "off" else f"{ip}:{self.http}",
                "--stun", f"{ip}:3478", "--hostname", self.hostname, "--tls", "self-signed",
                "--region-id", self.region, "--region-code", self.name, "--region-name", self.name,
                "--state-dir", self.state, *self.options]

    def start(self):
        with open(self.out, "wb") as out:
            self.process = netns.Process(self.host, self.command(), self.log, stdout=out)

    def entry(self):
        """Its entry for the relay map, as it prints it."""
        def printed():
            with open(self.out, encoding="utf-8") as f:
                text = f.read()
            return text if text.endswith("\n") else None
        return wait_for(f"the map entry of {self.name}", printed)


class PlainRelay(Relay):
    """A relay that serves plain HTTP as well."""

    http = 80


class LyingRelay(Relay):
    """A relay whose packets pass a liar (liar.py): take_over() begins the lying."""

    BACKEND_PORT = 1443

    def __init__(self, mesh, region):
        super().__init__(mesh, region)
        self.liar = None

    def command(self):
        command = super().command()
        if self.liar:
            command[command.index("--listen") + 1] = f"127.0.0.1:{self.BACKEND_PORT}"
            command[command.index("--tls") + 1] = "off"
        return command

    def take_over(self, seed):
        """Between the relay and its clients, with the relay's own certificate."""
        self.stop()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "liar.py")
        command = ["/usr/bin/python3", "-B", script, topology.public_ip(self.host),
                   f"{self.state}/tls.crt", f"{self.state}/tls.key", self.BACKEND_PORT, seed]
        self.liar = netns.Process(self.host, command, f"{self.mesh.logs}/{self.name}-liar.log",
                                  stdout=subprocess.PIPE)
        self.liar.popen.stdout.readline()
        self.start()

    def lies(self):
        """Ends the lying; what was done to how many packets."""
        self.liar.send_signal(signal.SIGTERM)
        out, _ = self.liar.popen.communicate(timeout=10)
        netns.Process.living.remove(self.liar)
        return json.loads(out)


class StunServer(Daemon):
    """warren-stun, beside the coordinator."""

    metrics = "127.0.0.1:9101"

    def __init__(self, mesh):
        super().__init__(mesh, "coordinator", "stun")
        self.target = f"{topology.public_ip(self.host)}:3478"

    def command(self):
        return [f"{self.mesh.build}/warren-stun", "--listen", self.target, "--metrics", self.metrics]


class Node(Daemon):
    count = 0

    def __init__(self, mesh, host, name, role, *options, state=None):
        super().__init__(mesh, host, name)
        self.state = f"{mesh.work}/{state or name}"
        Node.count += 1
        self.role, self.options = role, options
        self.tun = f"w{os.getpid() % 100000}n{Node.count}"
        self.socket = f"{self.state}.sock"
        self.invitation = None
        self.started_us = 0
        self._addresses = None

    def command(self):
        return [*self.program("warrend"), "--role", self.role, "--state-dir", self.state,
                "--socket", self.socket, "--tun", self.tun, *self.options]

    def environment(self):
        return {"WARREN_COORDINATOR": self.invitation} if self.invitation else {}

    def start(self):
        self.started_us = tools.now_us()
        super().start()

    def join(self):
        """Starts it with a fresh invitation; the next start uses the identity it has kept."""
        self.invitation = self.mesh.coordinator.invite(self.name, self.role)
        self.start()
        self.invitation = None

    def warren(self, *arguments, check=True):
        """Runs the warren command against this node; returns stdout, or None where it failed."""
        done = subprocess.run(netns.inside(self.host, *self.program("warren"), "--socket",
                                           self.socket, *arguments),
                              text=True, capture_output=True, check=False, timeout=60)
        if done.returncode != 0 and check:
            raise LabError(f"warren {' '.join(arguments)} on {self.name}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else None

    def status(self):
        out = self.warren("status", "--json", check=False)
        return json.loads(out) if out else None

    def history(self, peer):
        return json.loads(self.warren("history", peer.name, "--json"))

    def all_events(self):
        """Of all peers and its own, each once."""
        peers = json.loads(self.warren("history", "--json"))["peers"]
        return {json.dumps(e): e for p in peers for e in p["events"]}.values()

    def is_online(self):
        status = self.status()
        return bool(status) and status["state"] == "online"

    def leave_host(self):
        """Ends it and takes its TUN away, which a stopped daemon leaves for the next one."""
        self.stop()
        netns.run(self.host, "ip", "link", "del", self.tun)
        self.mesh.others.remove(self)

    def addresses(self):
        """Its addresses in the mesh: IPv4, IPv6."""
        if not self._addresses:
            status = wait_for(f"{self.name} to have an address",
                              lambda: (s := self.status()) and s["self"]["addresses"] and s)
            self._addresses = status["self"]["addresses"]
        return self._addresses

    def address(self):
        return self.addresses()[0]

    def peer(self, other):
        status = self.status() or {"peers": []}
        return next((p for p in status["peers"] if p["name"] == other.name), None)

    def path(self, other):
        """The kind of path to the other node: direct, relay or none; and by which region."""
        peer = self.peer(other)
        return (peer["path"]["kind"], peer["path"]["region"]) if peer else ("none", None)


class Mesh:
    """A whole mesh in a topology: coordinator, two relays, and the nodes laptop and dev."""

    coordinator_class, relay_class, node_class = Coordinator, Relay, Node

    def __init__(self, topo, work, laptop_options=(), dev_options=(), metrics=False,
                 relay_class=None):
        self.topo, self.work = topo, work
        self.build, self.logs = topo.build, topo.logs
        os.makedirs(work, exist_ok=True)
        relay_class = relay_class or self.relay_class
        self.coordinator = self.coordinator_class(self)
        self.relays = {region: relay_class(self, region) for region in RELAY_HOSTS}
        self.laptop = self.node_class(self, "laptop", "laptop", "client", *laptop_options)
        self.dev = self.node_class(self, "ws", "dev", "agent", *dev_options)
        self.others = []
        for daemon in self.daemons() if metrics else ():
            daemon.options = [*daemon.options, "--metrics", METRICS]
        self.secrets = {}  # what `relay add` printed, by region

    def __enter__(self):
        for relay in self.relays.values():
            relay.start()
        self.coordinator.start()
        for relay in self.relays.values():
            self.secrets[relay.region] = self.coordinator.add_relay(relay.entry())
        return self

    def __exit__(self, *_):
        for daemon in self.daemons():
            if daemon.process:
                daemon.kill()
            with contextlib.suppress(AttributeError, FileNotFoundError):
                os.unlink(f"/var/run/wireguard/{daemon.tun}.sock")  # shared by all namespaces

    def daemons(self):
        return [self.laptop, self.dev, *self.others, *self.relays.values(), self.coordinator]

    def add_node(self, host, name, role, *options, state=None):
        """state: the name of its folder, where another node of that name has had one."""
        node = self.node_class(self, host, name, role, *options, state=state)
        self.others.append(node)
        return node

    def add_stun(self):
        stun = StunServer(self)
        self.others.append(stun)
        stun.start()
        return stun

    def admit_relays(self):
        """Restarts the relays such that they ask the coordinator whom to let in."""
        pin = re.search("pin=(sha256:[0-9a-f]{64})", self.coordinator.invite("nobody", "client"))
        for relay in self.relays.values():
            key = f"{self.work}/{relay.name}.secret"
            with open(key, "w", encoding="utf-8") as f:
                f.write(re.findall(r"\S{32,}", self.secrets[relay.region])[-1] + "\n")
            relay.stop()
            relay.options += ["--admit-url", f"{self.coordinator.url}/v1/relay/admit#pin={pin.group(1)}",
                             "--admit-key-file", key]
            relay.start()

    def join(self):
        """Joins dev, then laptop, and waits until both are online."""
        for node in (self.dev, self.laptop):
            node.join()
        for node in (self.dev, self.laptop):
            wait_for(f"{node.name} to be online", node.is_online, timeout=15)
        self.ping()
        return self

    def ping(self, timeout=15):
        """Waits for the first answer of dev to laptop; returns the milliseconds it took."""
        ping = tools.first_ping(self, "laptop", self.dev.address(), tools.now_us(), timeout)
        first_ms = ping.result()["first_ms"]
        if first_ms is None:
            raise LabError(f"dev does not answer laptop within {timeout} s")
        return first_ms

    def wait_for_path(self, kind, timeout=10):
        """Waits until both ends send by such a path, with traffic to wake them."""
        ping = subprocess.Popen(netns.inside("laptop", "ping", "-q", "-i", "0.1",
                                             self.dev.address()), stdout=subprocess.DEVNULL)
        try:
            wait_for(f"laptop and dev to be on {kind}",
                     lambda: self.laptop.path(self.dev)[0] == kind
                     and self.dev.path(self.laptop)[0] == kind, timeout, every=0.1)
        finally:
            ping.kill()
            ping.wait()

    def assert_alive(self):
        for daemon in self.daemons():
            if daemon.process and not daemon.process.is_running():
                raise LabError(f"{daemon.name} has died (status {daemon.process.popen.returncode})")
