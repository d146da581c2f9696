"""Network namespaces and the processes in them, all of which are gone when the run ends.

Names begin with `wl<pid>-`, so that several runs may stand beside each other, and what a killed run
left behind is known by its dead pid.
"""
import atexit
import contextlib
import os
import re
import signal
import subprocess

PREFIX = f"wl{os.getpid()}-"


def full_name(name):
    return PREFIX + name


def ip_batch(commands):
    """Runs lines of `ip` in one process; the first that fails ends it."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)


def inside(name, *command):
    """The command line that runs a command in a namespace, and never outlives this process."""
    return ["nsenter", f"--net=/run/netns/{full_name(name)}", "setpriv", "--pdeathsig", "KILL",
            *map(str, command)]


def run(name, *command, **options):
    """Runs a command in a namespace to its end and returns its stdout."""
    done = subprocess.run(inside(name, *command), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} in {name}: {done.stderr.strip()}")
    return done.stdout


class Process:
    """A process in a namespace, its stderr in a log file; killed at the end of the run."""

    living = []

    def __init__(self, name, command, log, env=None, stdin=subprocess.DEVNULL,
                 stdout=subprocess.DEVNULL):
        self.command = [str(c) for c in command]
        self.log = log
        with open(log, "ab") as err:
            self.popen = subprocess.Popen(inside(name, *self.command), stdin=stdin, stdout=stdout,
                                          stderr=err, env={**os.environ, **(env or {})})
        Process.living.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def wait(self, timeout=10):
        return self.popen.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=5):
        """Ends it, by force where it does not end itself; returns its exit status."""
        self.send_signal(number)
        try:
            status = self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            status = self.wait()
        self.close_pipes()
        if self in Process.living:
            Process.living.remove(self)
        return status

    def close_pipes(self):
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def create(names):
    ip_batch([f"netns add {full_name(n)}" for n in names])
    for n in names:
        ip_batch_in(n, ["link set lo up"])


def ip_batch_in(name, commands):
    subprocess.run(["ip", "-n", full_name(name), "-batch", "-"], input="\n".join(commands) + "\n",
                   text=True, check=True, stdout=subprocess.DEVNULL)


def existing():
    done = subprocess.run(["ip", "netns", "list"], text=True, stdout=subprocess.PIPE, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def delete(full_names):
    for name in full_names:
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def clean():
    """Ends every process of this run and removes every namespace of it."""
    for process in list(Process.living):
        process.stop(signal.SIGKILL)
    delete([n for n in existing() if n.startswith(PREFIX)])


def is_dead(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def sweep():
    """Removes what runs left behind whose process is gone."""
    for name in existing():
        match = re.match(r"wl(\d+)-", name)
        if not match or not is_dead(int(match.group(1))):
            continue
        done = subprocess.run(["ip", "netns", "pids", name], text=True, stdout=subprocess.PIPE,
                              check=False)
        for pid in done.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        delete([name])


def _on_signal(number, _frame):
    raise SystemExit(128 + number)


def setup():
    """To be called once: sweeps, and sees to it that this run cleans up however it ends."""
    if os.geteuid() != 0:
        raise SystemExit("the lab makes network namespaces and needs root: run it with sudo")
    sweep()
    atexit.register(clean)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
