"""What reaches a UDP port, by the kernel's own count, and what the program says of it.

A datagram with DSCP 1 is a stranger's (tools/stranger marks its own so); the mark outlives a NAT.
"""
import re

import netns

RULES = """table ip witness%(port)d {
 counter strange { }
 counter ours { }
 chain c { type filter hook input priority 0;
  udp dport %(port)d ip dscp 1 counter name strange accept;
  udp dport %(port)d counter name ours; }
}
"""


class UdpPort:
    """A program's UDP port: where strangers find it, and what was counted since the last time.

    To be made while little comes: kernel and program are not read at the same instant."""

    def __init__(self, daemon, target, port):
        self.daemon, self.target, self.port = daemon, target, port
        self.name = f"{daemon.name} {target}"
        netns.run(daemon.host, "nft", "-f", "-", input=RULES % {"port": port})
        self.start = self.counted = self._count_at_rest()

    def _kernel_dropped(self):
        """What did not fit into the socket's buffer."""
        tables = netns.run(self.daemon.host, "cat", "/proc/net/udp", "/proc/net/udp6")
        rows = [line.split() for line in tables.splitlines() if ":" in line]
        return sum(int(r[-1]) for r in rows
                   if len(r) > 12 and r[1].endswith(f":{self.port:04X}"))

    def _seen(self):
        """What the kernel has seen come."""
        rules = netns.run(self.daemon.host, "nft", "list", "table", "ip", f"witness{self.port}")
        return {name: int(n) for name, n in
                re.findall(r"counter (\w+) \{\s+packets (\d+)", rules)}

    def _count_at_rest(self):
        """Between two looks at the kernel that agree, if that is to be had."""
        for _ in range(50):
            before, counted = self._seen(), self._count()
            if before["ours"] == counted["ours"]:
                break
        return counted

    def _count(self):
        ledger, seen = self.daemon.ledger(), self._seen()
        page = ledger["page"]
        if "warren_packets_total" in page:
            reasons = {**page["warren_dropped_packets_total"], **{
                f"handshake {why}": n for why, n in page["warren_handshake_dropped_total"].items()}}
            del reasons["handshake"]  # their sum
            # Of disco that was taken: pings answered once, answers to nothing.
            reasons.update({f"path {why}": n for why, n in page["warren_path_dropped_total"].items()})
            read = page["warren_packets_total"]["udp-read"]
        else:
            reasons = page["warren_stun_packets_total"]
            read = sum(reasons.values())
        return {"strange": seen["strange"], "ours": seen["ours"], "read": read,
                "kernel": self._kernel_dropped(), "reasons": reasons,
                "balanced": ledger["balanced"]}

    def take(self):
        """What was counted since the last time: (arrived, dropped by the kernel, reasons)."""
        before, now = self.counted, self._count()
        self.counted = now
        reasons = {why: int(n - before["reasons"].get(why, 0)) for why, n in now["reasons"].items()}
        return (now["strange"] - before["strange"], now["kernel"] - before["kernel"],
                {why: n for why, n in reasons.items() if n})

    def missing(self):
        """Datagrams that arrived since the start and that the program does not know of."""
        now = self._count_at_rest()
        since = {k: now[k] - self.start[k] for k in ("strange", "ours", "kernel", "read")}
        return int(since["strange"] + since["ours"] - since["kernel"] - since["read"])
