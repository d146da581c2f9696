"""What people get wrong, and what they are told: one clear line, and nothing lost."""
import os
import re
import signal
import subprocess
import time

import mesh
import netns
import tools
from scenario import scenario


HOLD_PORT = ("import socket, time; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
             "s.bind(('::', 5555)); print('held', flush=True); time.sleep(60)")


def up(node, invitation, timeout=45):
    """`warren up -` as one types it: exit status and what stood on stderr."""
    done = subprocess.run(netns.inside(node.host, f"{node.mesh.build}/warren", "--socket",
                                       node.socket, "up", "-"),
                          input=invitation + "\n", text=True, capture_output=True, check=False,
                          timeout=timeout)
    return done.returncode, done.stderr.strip()


def up_bare(node, timeout=45):
    """`warren up` alone: exit status and what stood on stderr."""
    done = subprocess.run(netns.inside(node.host, f"{node.mesh.build}/warren", "--socket",
                                       node.socket, "up"), text=True, capture_output=True,
                          check=False, timeout=timeout)
    return done.returncode, done.stderr.strip()


def start_waiting(m, name, host="laptop2"):
    """A node that has no coordinator yet."""
    node = m.add_node(host, name, "client")
    node.start()
    mesh.wait_for(f"{name}'s socket", lambda: os.path.exists(node.socket))
    return node


def check_refused(case, what, answer, pattern):
    status, text = answer
    case.check(f"{what}: exit {status}, not 1 ({text!r})", status == 1)
    case.check(f"{what}: {text.count(chr(10)) + 1} lines: {text!r}", "\n" not in text)
    case.check(f"{what} is told as {text!r}", re.search(pattern, text, re.IGNORECASE))


@scenario("mistakes/invitations", timeout=120)
def invitations(case):
    """A wrong, used or expired token, a wrong pin, a dead coordinator: up says so and exits 1."""
    with case.topology() as topo, case.mesh(topo) as m:
        invite = m.coordinator.invite
        good = invite("laptop", "client")
        wrong = re.sub(r"token=([^&]+)", lambda t: f"token={t.group(1)[:-4]}AAAA", good)
        node = start_waiting(m, "guest")
        check_refused(case, "a wrong token", up(node, wrong), "token")
        pin = re.search(r"pin=sha256:([0-9a-f]{64})", good).group(1)
        check_refused(case, "a wrong pin", up(node, good.replace(pin, "0" * 64)), "pin")
        expiring = m.coordinator.ask("token", "create", "--owner", "alice", "--name", "late",
                                     "--ttl", "1s", "--json")
        time.sleep(2.1)
        check_refused(case, "an expired token",
                      up(node, re.search(r'"invitation":\s*"([^"]+)"', expiring).group(1)), "expired")
        check_refused(case, "garbage", up(node, "warren://nonsense"), "invitation")
        status, text = up(start_waiting(m, "laptop", "laptop"), good)
        case.check(f"the good one fails: {text}", status == 0)
        check_refused(case, "a used token", up(node, good), "used")
        late = invite("later", "client")
        m.coordinator.kill()
        check_refused(case, "a dead coordinator", up(node, late), "coordinator|203.0.113.100")
        case.check("the daemon died of it", node.process.is_running())


@scenario("mistakes/removed", timeout=60)
def removed(case):
    """A removed node: up says so at once, its old invitation helps no more, a new one does."""
    with case.joined_mesh() as m:
        old = m.coordinator.invite("dev2", "agent")
        m.coordinator.remove_node("dev")
        mesh.wait_for("dev to hear of it", lambda: not m.dev.is_online())
        check_refused(case, "up without an invitation", up_bare(m.dev), "removed")
        check_refused(case, "an invitation of before", up(m.dev, old), "revoked")
        time.sleep(1.1)  # tokens and removals are told apart by the second
        status, text = up(m.dev, m.coordinator.invite("dev3", "agent"))
        case.check(f"a new invitation fails: {text}", status == 0)
        mesh.wait_for("laptop to know it", lambda: any(
            p["name"] == "dev3" for p in m.laptop.status()["peers"]))


def run_to_its_end(node, *before, timeout=10):
    """Runs the daemon's command, with others in front of it; exit status and stderr."""
    invitation = node.mesh.coordinator.invite(node.name, node.role)
    done = subprocess.run(netns.inside(node.host, *before, *node.command()), text=True,
                          capture_output=True, check=False, timeout=timeout,
                          env={**os.environ, "WARREN_COORDINATOR": invitation})
    return done.returncode, done.stderr.strip()


@scenario("mistakes/start-up")
def start_up(case):
    """No permission for a TUN, a TUN that is taken, a live socket, nonsense flags: exit and a line."""
    with case.joined_mesh() as m:
        node = m.add_node("laptop2", "guest", "client")
        status, text = run_to_its_end(node, "setpriv", "--bounding-set", "-net_admin", "--inh-caps",
                                      "-net_admin")
        case.check(f"without permission: exit {status}", status == 1)
        case.check(f"without permission: {text!r}", re.search("tun|net_admin", text, re.IGNORECASE))
        taken = m.add_node("ws", "taken", "client")
        taken.tun = m.dev.tun
        status, text = run_to_its_end(taken)
        case.check(f"a taken TUN: exit {status}: {text!r}", status == 1 and taken.tun in text)
        taken = m.add_node("ws", "second", "client")
        taken.socket = m.dev.socket
        status, text = run_to_its_end(taken)
        case.check(f"a live socket: exit {status}: {text!r}", status == 1 and taken.socket in text)
        status, text = run_to_its_end(m.add_node("ws", "odd", "client", "--nonsense"))
        case.check(f"a wrong flag: exit {status}: {text!r}", status == 2 and "nonsense" in text)
        m.ping()


@scenario("mistakes/port-in-use")
def port_in_use(case):
    """The wanted UDP port is another program's: exit 1 and a line that names it."""
    with case.topology() as topo, case.mesh(topo) as m:
        holder = netns.Process("laptop2", ["/usr/bin/python3", "-c", HOLD_PORT],
                               f"{case.logs}/holder.log", stdout=subprocess.PIPE)
        holder.popen.stdout.readline()
        status, text = run_to_its_end(m.add_node("laptop2", "guest", "client", "--port", "5555"))
        case.check(f"a taken port: exit {status}: {text!r}", status == 1 and "5555" in text)
        holder.stop(signal.SIGKILL)


def read_log(node):
    with open(node.log, encoding="utf-8", errors="replace") as f:
        return f.read()


@scenario("mistakes/corrupt-state")
def corrupt_state(case):
    """A state file that was damaged: the daemon names it, exits 1 and leaves it as it is."""
    with case.joined_mesh() as m:
        m.laptop.stop()
        for name in sorted(os.listdir(m.laptop.state)):
            path = f"{m.laptop.state}/{name}"
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                saved = f.read()
            with open(path, "wb") as f:
                f.write(b"\0garbage" + saved[:20])
            m.laptop.start()
            time.sleep(1)
            told = name in read_log(m.laptop)
            survived = m.laptop.process.is_running()
            case.check(f"nobody says that {name} is damaged", told or survived)
            m.laptop.stop()
            with open(path, "wb") as f:
                f.write(saved)
        m.laptop.start()
        m.ping()


@scenario("mistakes/disk-full")
def disk_full(case):
    """The state directory's disk is full: the session goes on, and a restart finds the old state."""
    with case.topology() as topo, case.mesh(topo) as m:
        os.makedirs(m.laptop.state, mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", m.laptop.state], check=True)
        try:
            m.join()
            fill(f"{m.laptop.state}/filler")
            time.sleep(2)
            m.ping()
            m.laptop.stop()
            m.laptop.start()
            m.ping()
            m.assert_alive()
        finally:
            if m.laptop.process:
                m.laptop.kill()
            subprocess.run(["umount", "-l", m.laptop.state], check=False)


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while f.write(b"\0" * 4096):
                pass
        except OSError:
            pass


@scenario("mistakes/changed-machine-key")
def changed_machine_key(case):
    """Another machine under a known name is not used until somebody says `warren trust`."""
    with case.joined_mesh() as m:
        m.laptop.stop()
        m.coordinator.remove_node("laptop")
        again = mesh.Node(m, "laptop2", "laptop", "client")
        again.state += "-again"
        again.socket += "-again"
        m.others.append(again)
        again.join()
        mesh.wait_for("the new laptop to be online", again.is_online, timeout=15)
        time.sleep(1)
        ping = tools.first_ping(m, "laptop2", m.dev.address(), timeout=2)
        case.check("dev talks to a machine it does not know", ping.result()["first_ms"] is None)
        shown = m.dev.warren("trust", "laptop")
        prints = re.findall(r"[0-9A-Za-z+/:=-]{16,}", shown)
        case.check(f"trust shows no two fingerprints: {shown!r}", len(prints) >= 2)
        m.dev.warren("trust", "laptop", prints[-1])
        ping = tools.first_ping(m, "laptop2", m.dev.address(), timeout=10)
        case.check("dev does not talk to the trusted machine", ping.result()["first_ms"] is not None)


@scenario("mistakes/full-output", timeout=60)
def full_output(case):
    """Output that a full disk did not take is a failure, and told."""
    with case.topology() as topo, case.mesh(topo) as m:
        node = start_waiting(m, "guest")
        with open("/dev/full", "w", encoding="ascii") as full:
            for words in (["status", "--json"], ["status"], ["version"], ["history", "--json"]):
                done = subprocess.run(netns.inside(node.host, f"{node.mesh.build}/warren",
                                                   "--socket", node.socket, *words),
                                      text=True, stdout=full, stderr=subprocess.PIPE,
                                      check=False, timeout=10)
                check_refused(case, " ".join(words), (done.returncode, done.stderr.strip()),
                              "no space left")
