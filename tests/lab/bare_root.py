"""The static programs, each in a root of its own that holds nothing but what it cannot bring along:
where to ask for names, whom to trust and, for a node, /dev/net/tun. Everything is found by name.
"""
import os
import shutil
import stat
import subprocess
import sys

import mesh
import netns
import topology

PROGRAMS = ["warrend", "warren", "warren-relay", "warren-stun"]
NAMESERVER = topology.public_ip("coordinator")
TUN = os.makedev(10, 200)

# A static program must not heed it: what it names is not there, and could not be loaded.
OPENSSL_CONF = """openssl_conf = init
[init]
providers = providers
engines = engines
[providers]
default = on
legacy = on
away = away
[on]
activate = 1
[away]
module = /usr/lib/away.so
activate = 1
[engines]
away = engine
[engine]
dynamic_path = /usr/lib/away.so
init = 1
"""


def missing_programs(build):
    return [p for p in PROGRAMS if not os.access(f"{build}/static/{p}", os.X_OK)]


def name_of(host):
    return f"{host}.lab"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority, and what it signs."""

    KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]

    def __init__(self, folder):
        self.folder = folder
        self.certificate = f"{folder}/authority.pem"
        openssl("req", "-x509", *self.KEY, "-subj", "/CN=lab", "-keyout", f"{folder}/authority.key",
                "-out", self.certificate)

    def sign(self, name):
        """Files with a certificate for the name, and its key."""
        cert, key = f"{self.folder}/{name}.pem", f"{self.folder}/{name}.key"
        openssl("req", "-x509", *self.KEY, "-subj", f"/CN={name}", "-addext",
                f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE", "-CA",
                self.certificate, "-CAkey", f"{self.folder}/authority.key", "-keyout", key, "-out", cert)
        return cert, key


class Root:
    """A folder to be the root of one program."""

    def __init__(self, path):
        self.path = path
        os.makedirs(f"{path}/etc")
        self.write("etc/resolv.conf", f"nameserver {NAMESERVER}\n")

    def write(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(text)

    def put(self, *files):
        for file in files:
            shutil.copy(file, self.path)

    def add_tun(self):
        os.makedirs(f"{self.path}/dev/net")
        os.mknod(f"{self.path}/dev/net/tun", stat.S_IFCHR | 0o666, TUN)

    def command(self, program):
        return ["chroot", self.path, f"/{program}"]


class InBareRoot:
    """A daemon of the lab whose programs run in such a root."""

    def __init__(self, lab_mesh, *arguments, **options):
        super().__init__(lab_mesh, *arguments, **options)
        self.root = Root(f"{lab_mesh.work}/{self.name}.root")
        self.root.write("openssl.cnf", OPENSSL_CONF)
        self.state = "/state"

    def program(self, name):
        return self.root.command(name)

    def environment(self):
        return {**super().environment(), "OPENSSL_CONF": "/openssl.cnf"}


class BareRelay(InBareRoot, mesh.Relay):
    def __init__(self, lab_mesh, region):
        super().__init__(lab_mesh, region)
        self.hostname = name_of(self.host)
        self.root.put(f"{lab_mesh.build}/static/warren-relay")


class BareNode(InBareRoot, mesh.Node):
    def __init__(self, lab_mesh, host, name, role, *options, **more):
        super().__init__(lab_mesh, host, name, role, "--ca-file", "/authority.pem", *options, **more)
        self.socket = "/warrend.sock"
        self.root.add_tun()
        self.root.put(f"{lab_mesh.build}/static/warrend", f"{lab_mesh.build}/static/warren",
                      lab_mesh.authority.certificate)


class BareMesh(mesh.Mesh):
    """A mesh of static programs; the coordinator, which has no static form, stays outside."""

    relay_class, node_class = BareRelay, BareNode

    def __init__(self, topo, work):
        os.makedirs(work)
        self.authority = Authority(work)
        super().__init__(topo, work)
        cert, key = self.authority.sign(name_of("coordinator"))
        self.coordinator.url = f"https://{name_of('coordinator')}:8443"
        self.coordinator.options = ["--tls-cert", cert, "--tls-key", key]

    def __enter__(self):
        names = [f"{name_of(host)}={topology.public_ip(host)}"
                 for host in ("coordinator", *mesh.RELAY_HOSTS.values())]
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nameserver.py")
        netns.Process("coordinator", [sys.executable, "-B", script, NAMESERVER, *names],
                      f"{self.logs}/nameserver.log")
        return super().__enter__()
