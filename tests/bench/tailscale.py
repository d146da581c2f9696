"""tailscaled and derper in the lab's topology, as the mesh to be measured beside ours.

Programs come from $TAILSCALED and $DERPER, PATH or build/peers; the control server is Tailscale's own
test server, built with Go (tailscale_control/).
"""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess

import derper
import mesh
import netns
import topology

HERE = os.path.dirname(os.path.abspath(__file__))
CONTROL = f"{topology.public_ip('coordinator')}:8080"


def find():
    """{"tailscaled": path, "derper": path, "control": path}, or None where one is missing."""
    names = (os.environ.get("TAILSCALED"), "tailscaled", f"{derper.BUILD}/peers/tailscaled")
    tailscaled = next((path for name in names if name and (path := shutil.which(name))), None)
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not tailscaled or not derper.find() or not go:
        return None
    control = f"{derper.BUILD}/peers/tailscale_control"
    os.makedirs(os.path.dirname(control), exist_ok=True)
    done = subprocess.run([go, "build", "-o", control, "."], cwd=f"{HERE}/tailscale_control", check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    return {"tailscaled": tailscaled, "derper": derper.find(), "control": control} if done.returncode == 0 else None


class LocalApi(http.client.HTTPConnection):
    """tailscaled's own API, by its socket."""

    def __init__(self, path):
        super().__init__("local-tailscaled.sock")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Tailscaled(mesh.Daemon):
    count = 0

    def __init__(self, m, host, name, program):
        super().__init__(m, host, name)
        Tailscaled.count += 1
        self.program, self.tun = program, f"t{os.getpid() % 100000}n{Tailscaled.count}"
        self.socket = f"{self.state}/tailscaled.sock"

    def command(self):
        return [self.program, "--tun", self.tun, "--statedir", self.state, "--socket", self.socket, "--port", "0",
                "--no-logs-no-support"]

    def start(self):
        os.makedirs(self.state)
        super().start()

    def call(self, method, path, body=None):
        with contextlib.closing(LocalApi(self.socket)) as api:
            api.request(method, f"/localapi/v0/{path}", json.dumps(body) if body else None)
            return api.getresponse().read()

    def status(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.call("GET", "status"))
        return {}

    def join(self):
        self.start()
        mesh.wait_for(f"{self.name} to answer", lambda: self.status().get("BackendState") == "NeedsLogin")
        self.call("POST", "start", {"UpdatePrefs": {"ControlURL": f"http://{CONTROL}", "WantRunning": True,
                                                    "CorpDNS": False, "NetfilterMode": 0, "Hostname": self.name}})
        self.call("POST", "login-interactive")

    def is_online(self):
        status = self.status()
        return status.get("BackendState") == "Running" and status.get("Peer")

    def address(self):
        return self.status()["Self"]["TailscaleIPs"][0]

    def path(self, _other):
        """The kind of path to the one peer, and by which relay."""
        peer = next(iter(self.status()["Peer"].values()))
        return ("direct", None) if peer["CurAddr"] else ("relay", peer["Relay"])


class TailscaleMesh(mesh.Mesh):
    """Two derpers, the control server, and tailscaled for laptop and dev."""

    def __init__(self, topo, work, programs):
        super().__init__(topo, work)
        self.programs, self.control = programs, None
        self.relays = {region: derper.Derper(self, region, programs["derper"]) for region in mesh.RELAY_HOSTS}
        self.laptop = Tailscaled(self, "laptop", "tailscaled-laptop", programs["tailscaled"])
        self.dev = Tailscaled(self, "ws", "tailscaled-dev", programs["tailscaled"])

    def __enter__(self):
        for relay in self.relays.values():
            relay.start()
        derp_map = f"{self.work}/derpmap.json"
        with open(derp_map, "w", encoding="utf-8") as f:
            json.dump({"Regions": {str(region): relay.entry() for region, relay in self.relays.items()}}, f)
        self.control = netns.Process("coordinator", [self.programs["control"], CONTROL, derp_map],
                                     f"{self.logs}/tailscale-control.log")
        return self

    def __exit__(self, *_):
        for node in (self.laptop, self.dev):
            if node.process:
                node.stop()  # it takes its rules and TUN along
        self.control.stop()
        super().__exit__()
