"""What programs hold: memory and descriptors, sampled over time, and whether they keep growing.

A leak shows in what a process has asked of the kernel (VmData). What it has touched of that
(RssAnon) goes on growing for a while without one: rings and tables are allocated whole, and each
page costs memory from its first use on.
"""
import dataclasses
import os
import re
import statistics

# A program may end up so much above where it was once warm: two steps of the allocator.
GROWTH_KB, GROWTH_FDS = 264, 4


def has_honest_memory(program):
    """False for one built with sanitizers: they keep what was freed, to catch who still uses it."""
    with open(program, "rb") as f:
        code = f.read()
    return not any(mark in code for mark in (b"__asan_init", b"__tsan_init"))


@dataclasses.dataclass
class Sample:
    """One look at a process."""
    at_s: float
    rss_kb: int   # resident: its own, and pages it shares with files
    anon_kb: int  # its own
    data_kb: int  # asked of the kernel, touched or not
    fds: int


def look(pid, at_s):
    """A sample of a living process; None where it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            kb = dict(re.findall(r"^(\w+):\s+(\d+) kB$", f.read(), re.MULTILINE))
        return Sample(at_s, int(kb["VmRSS"]), int(kb["RssAnon"]), int(kb["VmData"]),
                      len(os.listdir(f"/proc/{pid}/fd")))
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


class Life:
    """The samples of one process from its start to its end."""

    def __init__(self, name, pid):
        self.name, self.pid, self.samples = name, pid, []

    def warm(self, warm_s):
        """The samples from when it had lived for so long."""
        return [s for s in self.samples if s.at_s - self.samples[0].at_s >= warm_s]

    def slope_kb_per_h(self, warm_s):
        """Of its own memory, by least squares."""
        warm = self.warm(warm_s)
        if len(warm) < 3:
            return 0.0
        fit = statistics.linear_regression([s.at_s for s in warm], [s.anon_kb for s in warm])
        return fit.slope * 3600

    def thirds(self, warm_s, field):
        """Its median in the first, second and last third of the warm samples; None where it did not
        live for long enough."""
        warm = self.warm(warm_s)
        n = len(warm) // 3
        if n == 0:
            return None
        return [statistics.median(getattr(s, field) for s in third)
                for third in (warm[:n], warm[n:-n], warm[-n:])]

    def leaks(self, warm_s):
        """What it leaks, in a line; None where it is flat, or too young to tell."""
        for field, what, allowed in (("data_kb", "KB asked for", GROWTH_KB),
                                     ("fds", "descriptors", GROWTH_FDS)):
            thirds = self.thirds(warm_s, field)
            if thirds and keeps_growing(thirds, allowed):
                return f"{self.name} keeps growing: {thirds} {what}, by thirds of its warm life"
        return None


def keeps_growing(thirds, allowed):
    """A leak grows all the time; a buffer made on demand is one step."""
    first, second, last = thirds
    growth = last - first
    return growth > allowed and min(second - first, last - second) > growth / 4


class Census:
    """All lives of a mesh's programs. A restart begins another life."""

    def __init__(self):
        self.lives = []

    def take(self, daemons, at_s):
        for daemon in daemons:
            if not daemon.process or not daemon.process.is_running():
                continue
            sample = look(daemon.process.pid, at_s)
            if sample:
                self._life(daemon).samples.append(sample)

    def _life(self, daemon):
        for life in self.lives:
            if life.pid == daemon.process.pid:
                return life
        self.lives.append(Life(daemon.name, daemon.process.pid))
        return self.lives[-1]
