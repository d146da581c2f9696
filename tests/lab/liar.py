#!/usr/bin/python3
"""A relay that lies: stands in front of a real one with its certificate, and drops, doubles,
delays and damages the packets that clients send each other, by a seed.

  liar.py LISTEN-IP CERT KEY BACKEND-PORT SEED

It speaks TLS as the relay does, and plain DERP to 127.0.0.1:BACKEND-PORT. Frames that are not
packets pass as they are. Prints at SIGTERM, as JSON, what it did to how many.
"""
import asyncio
import collections
import contextlib
import json
import random
import signal
import ssl
import sys

HEAD_LEN, KEY_LEN = 5, 32
PACKETS = (4, 5)  # SendPacket, RecvPacket
SHARE = {"dropped": 0.02, "doubled": 0.03, "delayed": 0.05, "damaged": 0.01}
LATE_S = 0.03


class Liar:
    """All connections: what becomes of a packet is drawn from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.done = collections.Counter()

    def fate(self):
        dice = self.random.random()
        for fate, share in SHARE.items():
            if dice < share:
                return fate
            dice -= share
        return "passed"

    def damage(self, frame):
        """Any byte behind the key may change, and nothing else: frames stay frames."""
        at = self.random.randrange(HEAD_LEN + KEY_LEN, len(frame)) if len(frame) > 40 else -1
        return frame[:at] + bytes([frame[at] ^ 0x5a]) + frame[at + 1:] if at > 0 else frame

    async def pass_on(self, frame, writer):
        fate = self.fate()
        self.done[fate] += 1
        if fate == "dropped":
            return
        if fate == "delayed":  # what comes behind it overtakes it
            asyncio.get_running_loop().call_later(LATE_S, write_if_open, writer, frame)
            return
        writer.write(self.damage(frame) if fate == "damaged" else frame)
        if fate == "doubled":
            writer.write(frame)

    async def pump(self, reader, writer):
        """The HTTP head as it is, then frame by frame."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.write(await reader.readuntil(b"\r\n\r\n"))
            while True:
                head = await reader.readexactly(HEAD_LEN)
                frame = head + await reader.readexactly(int.from_bytes(head[1:], "big"))
                if head[0] in PACKETS:
                    await self.pass_on(frame, writer)
                else:
                    writer.write(frame)
                await writer.drain()
        write_if_open(writer, None)

    async def serve(self, reader, writer, port):
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, back_writer), self.pump(back_reader, writer))


def write_if_open(writer, frame):
    """No frame: closes it."""
    if writer.is_closing():
        return
    if frame is None:
        writer.close()
    else:
        writer.write(frame)


async def main():
    listen, cert, key, port, seed = sys.argv[1:]
    liar = Liar(int(seed))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await asyncio.start_server(lambda r, w: liar.serve(r, w, int(port)), listen, 443, ssl=context)
    print(json.dumps({"listening": True}), flush=True)
    await over.wait()
    print(json.dumps(liar.done), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
