"""What a NAT does, seen from behind it (RFC 5780's questions, without its protocol).

  natprobe.py serve ADDRESS1 ADDRESS2 PORT1 PORT2    on a public host with both addresses
  natprobe.py ask ADDRESS1 ADDRESS2 PORT1 PORT2      behind the NAT; prints one line of JSON
"""
import json
import select
import socket
import sys


def open_socket(ip="0.0.0.0", port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ip, port))
    return s


def serve(ips, ports):
    """Answers from the same socket, or from another port, or from another address too."""
    sockets = {(i, p): open_socket(ips[i], ports[p]) for i in (0, 1) for p in (0, 1)}
    place = {s: at for at, s in sockets.items()}
    print("ready", flush=True)
    while True:
        for s in select.select(list(place), [], [])[0]:
            data, client = s.recvfrom(100)
            i, p = place[s]
            answer_from = {b"same": (i, p), b"port": (i, 1 - p), b"both": (1 - i, 1 - p)}[data]
            sockets[answer_from].sendto(f"{client[0]} {client[1]}".encode(), client)


def ask(s, to, what, tries=2):
    """Our address as the server saw it, or None."""
    for _ in range(tries):
        s.sendto(what, to)
        if select.select([s], [], [], 0.3)[0]:
            return tuple(s.recv(100).decode().split())
    return None


def classify(ips, ports):
    s = open_socket()
    seen = [ask(s, (ip, port), b"same") for ip in ips for port in ports]
    if seen[0] is None:
        return {"mapping": "blocked"}
    result = {"port_kept": int(seen[0][1]) == s.getsockname()[1]}
    result["mapping"] = "independent" if len(set(seen)) == 1 else "dependent"
    filtering = open_socket()
    if ask(filtering, (ips[0], ports[0]), b"both"):
        result["filtering"] = "independent"
    elif ask(open_socket(), (ips[0], ports[0]), b"port"):
        result["filtering"] = "address"
    else:
        result["filtering"] = "address-and-port"
    return result


def main():
    role, ips, ports = sys.argv[1], sys.argv[2:4], [int(p) for p in sys.argv[4:6]]
    if role == "serve":
        serve(ips, ports)
    print(json.dumps(classify(ips, ports)))


main()
