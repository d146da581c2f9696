"""The static programs: of what form they are, and that nothing else need be there."""
import re
import subprocess
import time

import bare_root
import mesh
import netns
import topology
from scenario import Skip, Typing, scenario

ASK_STUN = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(bytes.fromhex("000100002112a442") + b"twelve bytes", (sys.argv[1], 3478))
print(s.recv(1500).hex())
"""


def need_programs(case):
    if missing := bare_root.missing_programs(case.build):
        raise Skip(f"{', '.join(missing)} not built: make static")


def headers(program):
    return subprocess.run(["readelf", "-lhdW", program], text=True, stdout=subprocess.PIPE,
                          check=True).stdout


def knows_all(node):
    status = node.status()
    return status["coordinator"]["connected"] and all(r["connected"] for r in status["relays"])


@scenario("static/form")
def form(case):
    """No interpreter, no library, nothing both writable and executable, relocations sealed."""
    need_programs(case)
    for name in bare_root.PROGRAMS:
        text = headers(f"{case.build}/static/{name}")
        case.check(f"{name} asks for an interpreter", "INTERP" not in text)
        case.check(f"{name} asks for a library", "NEEDED" not in text)
        case.check(f"{name} is bound to one address", re.search(r"Type: +DYN", text))
        case.check(f"{name} has no RELRO", "GNU_RELRO" in text and "BIND_NOW" in text)
        stack = re.search(r"GNU_STACK.* ([RWE ]{3}) 0x", text)
        case.check(f"{name} has an executable stack", stack and "E" not in stack.group(1))
        case.check(f"{name} has a segment to write and execute", not re.search(r"LOAD.* RWE 0x", text))


@scenario("static/bare-root", timeout=90)
def alone_in_their_roots(case):
    """Nodes and relays in roots that hold nothing else join by name, go direct, by relay, restart."""
    need_programs(case)
    with case.topology() as topo, bare_root.BareMesh(topo, f"{case.work}/bare") as m:
        m.join()
        m.wait_for_path("direct")
        typing = Typing(case, m)
        typing.during("straight", 1)
        topo.cut_udp()
        m.wait_for_path("relay")
        typing.during("relayed", 1)
        topo.restore_udp()
        m.wait_for_path("direct")
        m.dev.stop()
        m.dev.start()
        typing.during("restarted", 2)
        typing.finish()
        m.assert_alive()


@scenario("static/other-nameserver", timeout=90)
def other_nameserver(case):
    """A node that starts before it is told whom to ask for names finds all when it is told."""
    need_programs(case)
    with case.topology() as topo, bare_root.BareMesh(topo, f"{case.work}/bare") as m:
        m.join()
        m.laptop.stop()
        m.laptop.root.write("etc/resolv.conf", "nameserver 203.0.113.250\n")
        m.laptop.start()
        time.sleep(3)
        case.check("a name was found before there was whom to ask", not knows_all(m.laptop))
        m.laptop.root.write("etc/resolv.conf", f"nameserver {bare_root.NAMESERVER}\n")
        mesh.wait_for("relays and coordinator to be found", lambda: knows_all(m.laptop), 20)


# To enter a root that may lie below somebody's private folder.
CHROOT_CAPS = "+sys_chroot,+dac_read_search"


@scenario("static/operator")
def operator(case):
    """A static warrend knows the users of /etc/passwd: the operator may command it, others may not."""
    need_programs(case)
    with case.topology() as topo, bare_root.BareMesh(topo, f"{case.work}/bare") as m:
        node = m.laptop
        node.root.write("etc/passwd", "root:x:0:0::/:\nlab:x:12345:12345::/:\n")
        node.options = (*node.options, "--operator", "lab")
        node.join()
        mesh.wait_for("laptop to be online", node.is_online)
        for uid, allowed in ((12346, False), (12345, True)):
            done = subprocess.run(
                netns.inside(node.host, "setpriv", f"--reuid={uid}", f"--regid={uid}",
                             "--clear-groups", f"--inh-caps={CHROOT_CAPS}", f"--ambient-caps={CHROOT_CAPS}",
                             *node.program("warren"), "--socket", node.socket, "down"),
                check=False, capture_output=True, text=True, timeout=20)
            case.check(f"user {uid}: {done.stderr.strip()}", (done.returncode == 0) == allowed)


@scenario("static/stun")
def stun(case):
    """warren-stun, alone in its root, says where a question came from."""
    need_programs(case)
    with case.topology() as topo:
        root = bare_root.Root(f"{case.work}/stun.root")
        root.put(f"{case.build}/static/warren-stun")
        ip = topology.public_ip("relay1")
        server = netns.Process("relay1", [*root.command("warren-stun"), "--listen", f"{ip}:3478"],
                               f"{topo.logs}/stun.log")
        mesh.wait_for("warren-stun to listen", lambda: ":3478" in netns.run("relay1", "ss", "-Hlun"))
        answer = netns.run("laptop", "/usr/bin/python3", "-c", ASK_STUN, ip)
        case.check(f"not a success: {answer}", answer.startswith("0101"))
        # natA's 203.0.113.10, as XOR-MAPPED-ADDRESS has it (RFC 8489 section 14.2)
        case.check(f"another address: {answer}", "ea12d548" in answer)
        case.check("it did not end well", server.stop() == 0)
