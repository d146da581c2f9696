"""Keys that change while somebody types."""
import json
import os
import time

import mesh
import tools
from scenario import scenario

WEEK_S = 7 * 24 * 3600


def edit_identity(node, change):
    path = f"{node.state}/identity.json"
    with open(path, encoding="utf-8") as f:
        identity = json.load(f)
    change(identity)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(identity, f)
    return identity


def known_serial(node, name):
    """The highest serial of a disco key that the node has seen of that peer; 0: none on disk yet."""
    path = f"{node.state}/trust.json"
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as f:
        book = json.load(f)
    return max(entry["disco_serial"] for entry in book["nodes"] if entry["name"] == name)


@scenario("keys/disco-key-rotates")
def disco_key_rotates(case):
    """A disco key that is a week old gives way to another: nobody notices, and the path stays."""
    with case.joined_mesh() as m:
        m.wait_for_path("direct")
        m.dev.stop()

        def age(identity):
            identity["disco_made"] -= WEEK_S
        before = edit_identity(m.dev, age)
        m.dev.start()
        m.ping()
        server = tools.keys_server(m, m.dev.host)
        keys = tools.keys(m, m.laptop.host, m.dev.address())
        keys.mark("rotation")
        mesh.wait_for("laptop to remember the new key",
                      lambda: known_serial(m.laptop, "dev") == before["disco_serial"] + 1,
                      timeout=20, every=0.2)
        time.sleep(3)
        result = keys.result()
        server.stop()
        after = edit_identity(m.dev, lambda identity: None)
        case.check("the old key is kept for a day",
                   after["disco_old_secret"] == before["disco_secret"])
        case.check("a path was lost", m.laptop.path(m.dev)[0] == m.dev.path(m.laptop)[0] == "direct")
        case.check("keystrokes were lost", result["sent"] == result["echoed"])
        case.hold("longest gap", tools.window_of(result, "rotation")["longest_gap_ms"], 300)
