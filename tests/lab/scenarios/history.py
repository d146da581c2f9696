"""What `warren history` says afterwards is what happened."""
import signal
import subprocess
import time

import mesh
import netns
from scenario import scenario


def away_for_two_seconds(m, number):
    m.dev.stop(number)
    time.sleep(2)
    m.dev.start()
    mesh.wait_for("dev to answer again", m.dev.is_online)
    time.sleep(2)


def events(node, other, kind, code):
    return [e for e in node.history(other)["events"] if e["kind"] == kind and e["code"] == code]


@scenario("history/restarts")
def restarts(case):
    """A restart and a crash: here warrend was not running, there the peer's warrend restarted."""
    with case.joined_mesh() as m:
        m.wait_for_path("direct")
        ping = subprocess.Popen(netns.inside("laptop", "ping", "-q", "-i", "0.05",
                                             m.dev.address()), stdout=subprocess.DEVNULL)
        time.sleep(6)  # both ends begin the first handshake: a renewal is told from it by its age
        try:
            for count, number in ((1, signal.SIGTERM), (2, signal.SIGKILL)):
                away_for_two_seconds(m, number)
                here = events(m.dev, m.laptop, "daemon", "restarted")
                there = events(m.laptop, m.dev, "gap", "peer-restarted")
                case.check(f"{number.name}: dev tells of {len(here)} restarts", len(here) == count)
                case.check(f"{number.name}: laptop tells of {len(there)} gaps",
                           len(there) == count)
                case.check(f"{number.name}: a gap of {there[-1]['gap_ms']} ms",
                           1500 < there[-1]["gap_ms"] < 4000)
                time.sleep(5)
        finally:
            ping.kill()
            ping.wait()
