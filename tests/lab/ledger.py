#!/usr/bin/python3
"""Do a program's counters add up? Reads /metrics, and holds what came against what went.

  ledger.py ADDRESS:PORT [SECONDS]

Prints JSON: the page, and the accounts of what kind of program it is, read anew until they balance
or the time is up: a page that was written amid a packet's way may miss one.

  account        came                                     went
  lane out       read from the TUN, made here, again      UDP, relay thread, waiting, drops
  lane in        UDP, relay thread                        TUN, keep-alives, main, drops
  main           the lane, the relay thread               taken and dropped: handshakes, disco, STUN
  relay thread   the lane, main                           sent, queued, drops
  relay          packets of clients and of the mesh       written, drops
"""
import json
import re
import sys
import time
import urllib.request

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
TYPE = re.compile(r"^# TYPE (\w+) ", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')

OUT = ("no-peer", "no-choice", "no-keypair", "staging-full", "filter-out", "send-failed",
       "relay-full", "bad-outgoing")
IN = ("filter-in", "bad-inner", "short", "unknown-type", "unknown-index", "forged", "replayed",
      "expired", "source", "tun-write", "main-full")
MAIN = ("disco-stranger", "disco-refused", "stun-stranger")


def parse(text):
    """A page as {family: {labels in order, "/" between them: value}}."""
    families = TYPE.findall(text)
    twice = {name for name in families if families.count(name) > 1}
    assert not twice, f"told twice: {twice}"
    page = {}
    for name, labels, value in SAMPLE.findall(text):
        key = "/".join(v for _, v in LABEL.findall(labels))
        page.setdefault(name, {})[key] = float(value)
    return page


def fetch(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return parse(answer.read().decode())


def total(family, names):
    return sum(family.get(n, 0) for n in names)


def node_accounts(page):
    step, drop = page["warren_packets_total"], page["warren_dropped_packets_total"]
    left, refused = page["warren_relay_dropped_total"], page["warren_handshake_dropped_total"]
    return {
        "lane out": (total(step, ("tun-read", "keepalive-made", "sent-again")),
                     total(step, ("sent-udp", "sent-relay")) + total(drop, OUT)
                     + page["warren_waiting_packets"][""]),
        "lane in": (total(step, ("udp-read", "relay-read")),
                    total(step, ("tun-written", "keepalive-read", "to-main")) + total(drop, IN)),
        "main": (total(step, ("to-main", "relay-to-main")),
                 total(step, ("handshake-taken", "disco-taken", "stun-taken"))
                 + total(drop, MAIN) + sum(refused.values())),
        "relay thread": (total(step, ("relay-from-lane", "relay-from-main")),
                         step["relay-sent"] + page["warren_relay_queued_packets"][""]
                         + total(left, ("no-session", "queue-full", "copy-late"))),
        "to the relay thread": (step["sent-relay"], step["relay-from-lane"]),
        "from the relay thread": (step["relay-received"],
                                  total(step, ("relay-read", "relay-to-main"))
                                  + left["receiver-full"]),
    }


def relay_accounts(page):
    packets, drops = page["warren_relay_packets_total"], page["warren_relay_drops_total"]
    # What the connection lost had been counted as written.
    dropped = sum(n for reason, n in drops.items() if not reason.startswith("write_error"))
    return {"relay": (packets["in"], packets["out"] + dropped)}


def accounts(page):
    """{account: (came, went)}."""
    if "warren_packets_total" in page:
        return node_accounts(page)
    if "warren_relay_drops_total" in page:
        return relay_accounts(page)
    return {}


def settle(address, seconds):
    """The page and its accounts, balanced if that is to be had within the time."""
    end = time.monotonic() + seconds
    while True:
        page = fetch(address)
        found = accounts(page)
        balanced = all(came == went for came, went in found.values())
        if balanced or time.monotonic() > end:
            return {"balanced": balanced, "accounts": found, "page": page}
        time.sleep(0.02)


if __name__ == "__main__":
    json.dump(settle(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0), sys.stdout)
