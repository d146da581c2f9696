#!/usr/bin/python3
"""The lab's DNS: nameserver.py ADDRESS NAME=IPV4…  Answers A for these names; anything else has none."""
import ipaddress
import socket
import sys


def question_of(query):
    """The first question's name and type, and where it ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii"))
        at += 1 + query[at]
    return ".".join(labels).lower(), int.from_bytes(query[at + 1:at + 3], "big"), at + 5


def answer(query, names):
    name, kind, end = question_of(query)
    known = name in names
    found = known and kind == 1
    flags = b"\x85\x80" if known else b"\x85\x83"  # ours to say; NXDOMAIN
    head = query[:2] + flags + b"\0\1" + bytes([0, found]) + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + names[name].packed if found else b""
    return head + query[12:end] + record


def main():
    names = {name: ipaddress.IPv4Address(ip) for name, _, ip in (a.partition("=") for a in sys.argv[2:])}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((sys.argv[1], 53))
        while True:
            query, asker = s.recvfrom(1500)
            s.sendto(answer(query, names), asker)


if __name__ == "__main__":
    main()
