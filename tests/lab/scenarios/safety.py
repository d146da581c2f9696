"""Who may do what, and what others can see."""
import re
import signal
import time

import netns
import tools
import topology
from scenario import scenario

METRICS = "127.0.0.1:9100"
FETCH = "import urllib.request as u; print(u.urlopen('http://%s/metrics').read().decode())" % METRICS
MARKER = b"WARREN-LAB-PLAINTEXT"


def dropped_by_policy(node):
    """Packets that the node's filter refused by policy, as its metrics count them."""
    page = netns.run(node.host, "/usr/bin/python3", "-c", FETCH)
    return sum(float(n) for n in re.findall(r"^warren_filter_\w+\{[^}]*policy[^}]*\} (\S+)$", page,
                                            re.MULTILINE))


def reaches(m, host, address, by, port=7007):
    ping = tools.first_ping(m, host, address, timeout=1.5, by=by, port=port)
    return ping.result()["first_ms"] is not None


@scenario("filter/direction")
def filter_direction(case):
    """laptop reaches dev; dev reaches nothing on laptop, and the attempts are counted."""
    metrics = ["--metrics", METRICS]
    with case.joined_mesh(laptop_options=metrics, dev_options=metrics) as m:
        servers = [tools.keys_server(m, h) for h in ("laptop", "ws")]
        for by in ("tcp", "udp", "icmp"):
            case.check(f"laptop does not reach dev by {by}",
                       all(reaches(m, "laptop", a, by) for a in m.dev.addresses()))
        before = dropped_by_policy(m.dev) + dropped_by_policy(m.laptop)
        for by in ("tcp", "udp", "icmp"):
            case.check(f"dev reaches laptop by {by}",
                       not any(reaches(m, "ws", a, by) for a in m.laptop.addresses()))
        counted = dropped_by_policy(m.dev) + dropped_by_policy(m.laptop) - before
        case.check(f"only {counted:.0f} drops were counted", counted >= 6)
        for server in servers:
            server.stop()


@scenario("filter/removed")
def filter_removed(case):
    """A node is removed while somebody types to it: cut within a second."""
    with case.joined_mesh() as m:
        server = tools.keys_server(m, "ws")
        keys = tools.keys(m, "laptop", m.dev.address(), patience=1)
        time.sleep(1)
        removed_us = tools.now_us()
        m.coordinator.remove_node("dev")
        time.sleep(2)
        result = keys.result()
        server.stop()
        case.check("the keystrokes never came through", result["echoed"] > 20)
        case.check("nothing was cut", result["echoed"] < result["sent"])
        case.hold("cut", max(0, result["last_us"] - removed_us) / 1000, 1000)


@scenario("capture/plaintext")
def capture_plaintext(case):
    """No byte of what is copied can be read on the way, straight or by relay."""
    with case.joined_mesh() as m:
        path = f"{case.work}/plain"
        with open(path, "wb") as f:
            f.write((MARKER + b"." * 107 + b"\n") * 80000)
        capture = tools.Capture(m, "inet", "any", "inet")
        for by in ("direct", "relay"):
            if by == "relay":
                m.topo.cut_udp()
            m.wait_for_path(by)
            receiver = tools.bulk_receiver(m, "ws")
            sent = tools.bulk_sender(m, "laptop", m.dev.address(), 5e6, file=path).result()
            case.check("the copy differs", receiver.result()["sha256"] == sent["sha256"])
        capture.stop()
        case.check("the capture is empty", capture.packets() > 5000)
        case.check("the copied bytes stand in the capture", not capture.holds(MARKER))


def has_route(node, word):
    """Whether both families have a route that says so: to a device, or to nowhere."""
    return all(word in netns.run(node.host, "ip", family, "route") for family in ("-4", "-6"))


@scenario("capture/mesh-addresses")
def capture_mesh_addresses(case):
    """Over a restart and a crash nothing for the mesh leaves by the default route, and a daemon that
    was told to go leaves a route to nowhere: TCP keeps what it cannot send."""
    with case.joined_mesh() as m:
        v6 = topology.MESH_V6
        expression = f"net {topology.MESH_V4} or ip6 net {v6}"
        captures = [tools.Capture(m, h, "eth0", h, expression) for h in ("laptop", "ws")]
        server = tools.keys_server(m, "ws")
        keys = tools.keys(m, "laptop", m.dev.address())
        time.sleep(0.5)
        for node in (m.laptop, m.dev):
            for number in (signal.SIGTERM, signal.SIGKILL):
                node.stop(number)
                case.check(f"{node.name} after {number.name}",
                           has_route(node, "unreachable") == (number == signal.SIGTERM))
                time.sleep(0.5)
                node.start()
                time.sleep(1.5)
                case.check(f"{node.name} has routes to its TUN alone",
                           has_route(node, node.tun) and not has_route(node, "unreachable"))
        result = keys.result()
        server.stop()
        case.check("keystrokes were lost", result["sent"] == result["echoed"])
        for capture in captures:
            capture.stop()
            case.check(f"mesh packets in {capture.path}", capture.packets() == 0)


@scenario("relay/admission")
def relay_admission(case):
    """Relays that ask the coordinator let the mesh in, also while it is dead, and nobody else."""
    with case.topology(nat_a="udpblocked") as topo, case.mesh(topo) as m:
        m.admit_relays()
        m.join()
        case.check("the path is not by relay", m.laptop.path(m.dev)[0] == "relay")
        m.coordinator.kill()
        m.laptop.stop()
        m.laptop.start()
        m.ping()
