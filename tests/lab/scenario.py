"""What a scenario is, what it is given, and what it is held to.

A scenario is a function that takes a Case. `@scenario` runs it once for each case; `@trouble` gives
it a mesh that is joined and direct, somebody typing from laptop to dev and, in every second strict
run, a bulk copy beside it. Numbers go to Case.hold, which keeps them for the table: a strict run is
held to the bar itself, a usual one to several times the bar, so that a busy machine fails no one.
"""
import contextlib
import dataclasses
import functools
import os
import shutil
import statistics
import time

import mesh
import tools
import topology

SLACK = 4  # a usual run fails beyond so many times the bar
STRICT_RTTS_MS = (0, 20, 80, 150)
STRICT_RUNS = 3
SCENARIOS = {}


class Skip(Exception):
    """The scenario cannot run here; the text says why."""


@dataclasses.dataclass
class Row:
    """One measured number in the table."""
    what: str
    value_ms: float
    bar_ms: float
    peer: str
    ok: bool


class Case:
    """One run of a scenario: where its files are, and what it measured."""

    def __init__(self, name, build, logs, strict=False, rtt_ms=0):
        self.name, self.build, self.logs = name, build, logs
        self.strict, self.rtt_ms = strict, rtt_ms
        self.work = f"{logs}/state"
        self.rows, self.failures = [], []
        self.notes = []  # lines to be shown below the outcome
        self.meshes = 0
        shutil.rmtree(logs, ignore_errors=True)
        os.makedirs(self.work)

    @contextlib.contextmanager
    def topology(self, **options):
        """An internet; in a usual run what crosses it is captured (headers), for a failure."""
        with topology.Topology(self.build, self.logs, rtt_ms=self.rtt_ms, **options) as topo:
            if self.strict:
                yield topo
                return
            capture = tools.Capture(topo, "inet", "any", "inet-headers", "inbound", snaplen=128)
            yield topo
            capture.stop()

    def mesh(self, topo, **options):
        missing = mesh.missing_programs(self.build)
        if missing:
            raise Skip(f"{', '.join(missing)} not built")
        self.meshes += 1
        return mesh.Mesh(topo, f"{self.work}/{self.meshes}", **options)

    @contextlib.contextmanager
    def joined_mesh(self, laptop_options=(), dev_options=(), metrics=False,
                    relay_class=None, **options):
        with self.topology(**options) as topo, \
                self.mesh(topo, laptop_options=laptop_options, dev_options=dev_options,
                          metrics=metrics, relay_class=relay_class) as m:
            yield m.join()
            m.assert_alive()

    def check(self, what, condition):
        """Says at once that the scenario failed."""
        if not condition:
            raise mesh.LabError(what)

    def note(self, text):
        self.notes.append(text)

    def hold(self, what, value_ms, bar_ms, rtts=0.0, peer=""):
        """A number and its bar: a constant and so many round trips. None: it never happened."""
        bar_ms += rtts * self.rtt_ms
        ok = value_ms is not None and value_ms <= bar_ms * (1 if self.strict else SLACK)
        self.rows.append(Row(what, value_ms, bar_ms, peer, ok))
        if not ok:
            shown = "never" if value_ms is None else f"{value_ms:.0f} ms"
            self.failures.append(f"{what}: {shown}, bar {bar_ms:.0f} ms")

    def hold_median(self, what, values_ms, bar_ms, rtts=0.0, peer=""):
        never = None in values_ms
        self.hold(what, None if never else statistics.median(values_ms), bar_ms, rtts, peer)


class Typing:
    """Keystrokes from laptop to dev, and perhaps a bulk copy beside them, in marked windows."""

    def __init__(self, case, m, bulk_rate=0):
        self.case, self.mesh = case, m
        self.server = tools.keys_server(m, m.dev.host)
        self.keys = tools.keys(m, m.laptop.host, m.dev.address())
        self.bulk = None
        if bulk_rate:
            self.receiver = tools.bulk_receiver(m, m.dev.host)
            self.bulk = tools.bulk_sender(m, m.laptop.host, m.dev.address(), bulk_rate)
        self.result = None

    def during(self, window, seconds):
        self.keys.mark(window)
        time.sleep(seconds)

    def finish(self):
        if self.bulk:
            self.bulk.stop()
            self.receiver.stop()
        self.result = self.keys.result()
        self.server.stop()
        lost = self.result["sent"] - self.result["echoed"]
        self.case.check(f"{lost} keystrokes were lost", lost == 0)
        self.case.check("keystrokes came back out of order", self.result["in_order"])

    def gap_ms(self, window):
        return tools.window_of(self.result, window)["longest_gap_ms"]

    def discard(self):
        for tool in [self.keys, self.server] + ([self.bulk, self.receiver] if self.bulk else []):
            with contextlib.suppress(Exception):
                tool.stop()


def scenario(name, rtts_ms=(0,), strict_rtts_ms=(0,), timeout=60, doc=None):
    """Registers a scenario; rtts_ms are the round trips of a usual run, and of a strict one."""
    def register(function):
        SCENARIOS[name] = {"run": function, "rtts": {False: rtts_ms, True: strict_rtts_ms},
                           "timeout": timeout, "doc": doc or function.__doc__}
        return function
    return register


def trouble(name, nat_kind="portrestricted", timeout=60):
    """Registers a scenario that gets (case, mesh, typing) on a mesh that is direct."""
    def register(function):
        @functools.wraps(function)
        def run(case):
            rates = [0]
            if case.strict:
                with case.joined_mesh(nat_a=nat_kind, nat_b=nat_kind) as m:
                    rates = [0, half_of_what_the_path_carries(m)] * STRICT_RUNS
            for rate in rates:
                with case.joined_mesh(nat_a=nat_kind, nat_b=nat_kind) as m:
                    trouble_once(function, case, m, rate)
        return scenario(name, strict_rtts_ms=STRICT_RTTS_MS, timeout=timeout)(run)
    return register


def trouble_once(function, case, m, rate):
    m.wait_for_path("direct")
    typing = Typing(case, m, rate)
    try:
        typing.during("before", 1)
        function(case, m, typing)
    finally:
        typing.discard()


def half_of_what_the_path_carries(m):
    """Bytes a second: half of what a copy gets by the slower of direct and relay, as the copy goes
    on by both."""
    m.wait_for_path("direct")
    rates = [throughput(m)]
    m.topo.cut_udp()
    try:
        m.wait_for_path("relay")
        rates.append(throughput(m))
    finally:
        m.topo.restore_udp()
    return min(rates) / 2


def throughput(m):
    receiver = tools.bulk_receiver(m, m.dev.host)
    sender = tools.bulk_sender(m, m.laptop.host, m.dev.address(), 0)
    time.sleep(3)
    sender.process.stop()
    result = receiver.result()
    return result["bytes"] / result["seconds"]
