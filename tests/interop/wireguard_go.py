"""warren-wg and wireguard-go as each other's peers, both ways round.

Each case is a function that raises where something is not as it should be, and returns a line of
what it measured.
"""
import os
import re
import subprocess
import tempfile
import threading
import time

import netns
import pair

GIGABYTE = 10 ** 9
# A keystroke each 20 ms: a rekey that stalls shows as a gap. DESIGN's "no stall" is 0.3 s.
PING_S, GAP_MAX_S = 0.02, 0.3
REKEY_AFTER_S = 120


def find_programs():
    """{"warren": path, "go": path}, or the reason why not."""
    missing = pair.missing_tools("wg", "iperf3", "ip", "ping", "nsenter")
    if missing:
        return None, "missing: " + ", ".join(missing)
    go, why = pair.find_wireguard_go()
    if not go:
        return None, why
    return {"warren": os.path.join(pair.BUILD, "warren-wg"), "go": go}, None


def transfer(a, b, with_psk, by_v6, programs):
    """Handshake, ping and a gigabyte each way, IPv4 and IPv6 inside."""
    rates = []
    with pair.Pair("t", programs[a], programs[b], with_psk, by_v6) as p:
        for address in ("10.77.0.2", "fd77::2"):
            if len(p.ping(address)) != 3:
                raise RuntimeError(f"no answer from {address}")
            for direction in ([], ["-R"]):
                end = p.iperf(address, "-n", GIGABYTE, *direction)["end"]["sum_received"]
                if end["bytes"] < GIGABYTE * 0.99:
                    raise RuntimeError(f"only {end['bytes']} bytes arrived")
                rates.append(end["bits_per_second"] / 1e9)
    return "Gbit/s v4 out, back, v6 out, back: " + " ".join(f"{r:.2f}" for r in rates)


def longest_gap(ping_output):
    times = [float(t) for t in re.findall(r"^\[(\d+\.\d+)\].*time=", ping_output, re.M)]
    if len(times) < 2:
        raise RuntimeError("no echoes")
    return max(b - a for a, b in zip(times, times[1:]))


def rekey(a, b, programs):
    """Keystrokes and a paced copy across the 120 s mark: new keys, and nobody notices."""
    seconds = REKEY_AFTER_S + 12
    with pair.Pair("r" + a[0], programs[a], programs[b]) as p:
        if not p.ping("10.77.0.2"):
            raise RuntimeError("no answer")
        first = p.a.last_handshake()
        with tempfile.TemporaryFile("w+") as echoes:  # a pipe would fill up, and ping stop
            keys = subprocess.Popen(
                netns.inside(p.a.space, "ping", "-n", "-D", "-i", PING_S, "-w", seconds, "10.77.0.2"),
                stdout=echoes)
            report = p.iperf("10.77.0.2", "-b", "200M", "-t", seconds - 2)
            keys.wait()
            echoes.seek(0)
            gap_s = longest_gap(echoes.read())
        later = p.a.last_handshake()
    if later - first < REKEY_AFTER_S - 5:
        raise RuntimeError(f"no new handshake in {seconds} s")
    if gap_s > GAP_MAX_S:
        raise RuntimeError(f"longest gap between echoes {gap_s:.3f} s")
    if any(i["sum"]["bytes"] == 0 for i in report["intervals"]):
        raise RuntimeError("a second in which nothing was copied")
    return f"rekeyed after {later - first} s, longest gap between echoes {gap_s * 1000:.0f} ms"


def one_for_each_interface(programs):
    """A second warren-wg leaves the first one alone; each ends with its socket or its interface."""
    program, name = programs["warren"], f"wo{os.getpid() % 100000}"
    socket = os.path.join(pair.SOCKETS, name + ".sock")
    netns.create(["o"])
    try:
        netns.run("o", program, name)  # in the background, and ready
        pair.wg("show", name)
        second = subprocess.run(netns.inside("o", program, "-f", name), stderr=subprocess.PIPE, check=False,
                                text=True, timeout=5)
        if second.returncode != 1 or len(second.stderr.splitlines()) != 1:
            raise RuntimeError(f"the second one: exit {second.returncode}, {second.stderr!r}")
        os.unlink(socket)
        wait_until_gone(lambda: name in netns.run("o", "ip", "-br", "link"), "the interface")
        netns.run("o", program, name)
        netns.run("o", "ip", "link", "del", name)
        wait_until_gone(lambda: os.path.exists(socket), "the socket")
    finally:
        netns.delete([netns.full_name("o")])
    return "refused the second, ended with socket and interface"


def wait_until_gone(is_there, what):
    deadline = time.monotonic() + 3
    while is_there():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} is still there")
        time.sleep(0.05)


def wg_quick(programs):
    """warren-wg as a drop-in for wg-quick: up, an interface that answers to wg, down, gone."""
    if pair.missing_tools("wg-quick"):
        return None
    name = f"wq{os.getpid() % 100000}"
    config = os.path.join(pair.LOGS, name + ".conf")
    os.makedirs(pair.LOGS, exist_ok=True)
    netns.create(["q"])
    with open(config, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(f"[Interface]\nPrivateKey = {pair.wg('genkey')}\nAddress = 10.76.0.1/24, fd76::1/64\n"
                f"ListenPort = 51999\n[Peer]\nPublicKey = {pair.wg('pubkey', text=pair.wg('genkey'))}\n"
                "AllowedIPs = 10.76.0.2/32\nEndpoint = 127.0.0.1:9\n")
    env = {**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": programs["warren"],
           "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1"}
    try:
        netns.run("q", "wg-quick", "up", config, env=env)
        if "51999" not in pair.wg("show", name, "listen-port"):
            raise RuntimeError("wg show does not know the port")
        if "10.76.0.1" not in netns.run("q", "ip", "-br", "addr", "show", name):
            raise RuntimeError("no address on the interface")
        netns.run("q", "wg-quick", "down", config, env=env)
        time.sleep(0.3)
        if os.path.exists(os.path.join(pair.SOCKETS, name + ".sock")):
            raise RuntimeError("the socket outlives the interface")
    finally:
        os.unlink(config)
        netns.delete([netns.full_name("q")])
    return "up and down"


def both_rekeys(programs):
    """The two rekey cases side by side, since each takes two minutes."""
    results = {}

    def work(a, b):
        try:
            results[a] = (True, rekey(a, b, programs))
        except (RuntimeError, OSError, ValueError) as e:
            results[a] = (False, str(e))

    threads = [threading.Thread(target=work, args=ends) for ends in (("warren", "go"), ("go", "warren"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results
