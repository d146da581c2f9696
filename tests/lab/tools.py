"""The measuring tools of tests/lab/tools, and captures, as objects."""
import contextlib
import json
import signal
import subprocess
import time

import netns


def now_us():
    """The tools' clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Tool:
    """A tool that runs beside the scenario and prints one line of JSON when it ends."""

    def __init__(self, lab, host, *command, wait_for_listening=False):
        self.name = str(command[0])
        self.process = netns.Process(host, [f"{lab.build}/lab/{command[0]}", *command[1:]],
                                     f"{lab.logs}/{self.name}-{host}.log",
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if wait_for_listening:
            self.process.popen.stdout.readline()

    def mark(self, window):
        with contextlib.suppress(BrokenPipeError):
            self.process.popen.stdin.write(f"mark {window}\n".encode())
            self.process.popen.stdin.flush()

    def result(self, timeout=60):
        """Waits for its end and returns what it printed."""
        out, _ = self.process.popen.communicate(timeout=timeout)
        netns.Process.living.remove(self.process)
        try:
            return json.loads(out.decode().strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError) as e:
            raise RuntimeError(f"{self.name} printed no result; see {self.process.log}") from e

    def stop(self):
        self.process.stop()


def window_of(result, name):
    """The window of a result by its name."""
    for window in result["windows"]:
        if window["name"] == name:
            return window
    raise KeyError(name)


def keys_server(lab, host, port=7007):
    return Tool(lab, host, "keys", "serve", port, wait_for_listening=True)


def keys(lab, host, address, port=7007, every_ms=20, patience=20):
    """Types until its stdin closes: result() ends it."""
    return Tool(lab, host, "keys", "type", address, port, "--every-ms", every_ms, "--patience",
                patience)


def first_ping(lab, host, address, start_us=0, timeout=15, by="icmp", port=0, go_on=False):
    """first_ms counts from start_us, at_us is the clock's own. go_on: pings until result()."""
    return Tool(lab, host, "firstping", address, 0 if by == "icmp" else port, "--by", by, "--start-us", start_us,
                "--timeout", timeout, *(["--then", "go-on"] if go_on else []))


class FirstDirect:
    """When laptop and ws had both got WireGuard data straight from the other, behind their NATs."""

    def __init__(self, lab, timeout=15):
        self.ends = [Tool(lab, nat, "firstdirect", wire, peer, "--timeout", timeout)
                     for nat, wire, peer in (("natA", "xlaptop", "203.0.113.20"),
                                             ("natB", "xws", "203.0.113.10"))]

    def result(self):
        """at_us of the later of the two; without it where one never got any."""
        seen = [end.result() for end in self.ends]
        return {"at_us": max(s["at_us"] for s in seen)} if all("at_us" in s for s in seen) else {}


def bulk_receiver(lab, host, port=7008, out=None):
    return Tool(lab, host, "bulk", "receive", port, *(["--out", out] if out else []),
                wait_for_listening=True)


def bulk_sender(lab, host, address, rate, port=7008, file=None, size=10**12):
    what = ["--file", file] if file else ["--bytes", size]
    return Tool(lab, host, "bulk", "send", address, port, "--rate", rate, *what)


def datagrams(lab, host, address, port=7007, every_ms=20):
    """Numbered datagrams to a keys_server until its stdin closes: result() ends it."""
    return Tool(lab, host, "datagrams", address, port, "--every-ms", every_ms)


def flood(lab, host, targets, seconds, rate=10000):
    return Tool(lab, host, "flood", *targets, "--seconds", seconds, "--rate", rate)


def stranger(lab, kind, targets, seconds=2, rate=4000, key=None):
    """Sends to UDP ports what it sees on the inet bridge, in its kind (tools/stranger)."""
    return Tool(lab, "stranger", "stranger", kind, *targets, "--wire", netns.full_name("inet"),
                "--seconds", seconds, "--rate", rate, *(["--key", key] if key else []))


def crowd(lab, manner, address, port, connections=1000, rate=1000, host="stranger"):
    """Connections that keep a TCP port busy until result()."""
    return Tool(lab, host, "crowd", manner, address, port, "--connections", connections,
                "--rate", rate)


class Capture:
    """tcpdump on an interface, into a file."""

    def __init__(self, lab, host, interface, name, expression="", snaplen=0):
        self.path = f"{lab.logs}/{name}.pcap"
        self.process = netns.Process(host, ["tcpdump", "-i", interface, "-n", "-U", "-s", snaplen,
                                            "-B", 16384, "-Z", "root", "-w", self.path,
                                            *([expression] if expression else [])],
                                     f"{lab.logs}/tcpdump-{name}.log")
        self._wait_until_listening()

    def _wait_until_listening(self):
        for _ in range(100):
            with open(self.process.log, encoding="utf-8", errors="replace") as log:
                if "listening on" in log.read():
                    return
            time.sleep(0.02)
        raise RuntimeError("tcpdump does not start")

    def stop(self):
        time.sleep(0.1)  # what is in its buffer
        self.process.stop(signal.SIGINT)

    def packets(self):
        """How many packets it holds."""
        done = subprocess.run(["tcpdump", "-n", "-r", self.path, "--count"], text=True,
                              capture_output=True, check=True)
        return int(done.stdout.split()[0])

    def holds(self, needle):
        """Do the captured bytes contain this? Works on pieces, since captures are large."""
        tail = b""
        with open(self.path, "rb") as f:
            while piece := f.read(1 << 20):
                if needle in tail + piece:
                    return True
                tail = piece[-len(needle):]
        return False
