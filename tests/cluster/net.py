"""The network between the machines and the members of the engine, as far as the tests cut it: every connection goes through a relay,
a process of its own, that knows who is at either end.

    net.cut("m0", "e1")     what m0 says does not reach e1; answers do
    net.cut("e1", "m0")     only answers are swallowed
    net.apart(["e0"], ["e1", "e2", "m0"])     both ways, each with each
    net.heal()              what was held goes on; reset=True: connections that were cut are closed instead, and what was held is lost
"""

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

FROM = re.compile(rb"X-Server-From: ([0-9a-f]+)\r\n")  # a member of etcd, in what it asks of another


def free_port():
    """One that nobody has: the kernel is asked. Not of those it gives to who only calls: somebody else would have it when its owner is
    started again, or the caller itself, who then would speak to himself."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1024, low - 20000), low)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Net:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        answer = self.process.stdout.readline()
        assert answer, "the relay has ended"
        return json.loads(answer)

    def relay(self, client, server, port):
        """A port that leads to the server's. client None: one of the engine's members, which says itself who it is."""
        listen = free_port()
        self._ask(do="relay", client=client, server=server, listen=listen, port=port)
        return listen

    def members(self, names):
        """Names of the engine's members by their ids, in hex."""
        self._ask(do="members", names=names)

    def cut(self, source, target):
        self._ask(do="cut", pairs=[[source, target]])

    def apart(self, some, others):
        self._ask(do="cut", pairs=[p for a in some for b in others for p in ([a, b], [b, a]) if a != b])

    def heal(self, reset=False):
        self._ask(do="heal", reset=reset)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


class Relay:
    """Below here: the process."""

    def __init__(self):
        self.cuts, self.names, self.connections = set(), {}, set()
        self.changed = asyncio.Event()  # replaced by a new one whenever it is set

    async def run(self):
        loop = asyncio.get_running_loop()
        commands = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            await self.do(**json.loads(line))
            print("{}", flush=True)

    async def do(self, do, **args):
        if do == "relay":
            await asyncio.start_server(
                lambda r, w: Connection(self, args["client"], args["server"]).run(r, w, args["port"]), "127.0.0.1", args["listen"]
            )
        elif do == "members":
            self.names.update(args["names"])
        elif do == "cut":
            self.cuts.update(map(tuple, args["pairs"]))
        elif do == "heal":
            for c in [c for c in self.connections if c.is_cut()] if args["reset"] else []:
                c.abort()
            self.cuts.clear()
        self.changed.set()
        self.changed = asyncio.Event()


class Connection:
    def __init__(self, net, client, server):
        self.net, self.client, self.server, self.writers = net, client, server, []

    def ways(self):
        """Up, down."""
        client = self.net.names.get(self.client, self.client)
        return (client, self.server), (self.server, client)

    def is_cut(self):
        return not self.net.cuts.isdisjoint(self.ways())

    def abort(self):
        for w in self.writers:
            w.transport.abort()

    async def open(self, up):
        while self.ways()[0 if up else 1] in self.net.cuts:
            await self.net.changed.wait()

    async def run(self, reader, writer, port):
        self.net.connections.add(self)
        self.writers.append(writer)
        try:
            await self.open(True)
            there, back = await asyncio.open_connection("127.0.0.1", port)
            self.writers.append(back)
            await asyncio.gather(self.pump(reader, back, True), self.pump(there, writer, False))
        except OSError:
            pass
        finally:
            self.abort()
            self.net.connections.discard(self)

    async def pump(self, reader, writer, up):
        while data := await reader.read(1 << 16):
            if up and self.client is None and (found := FROM.search(data)):
                self.client = found[1].decode()
            await self.open(up)
            writer.write(data)
            await writer.drain()
        await self.open(up)
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(Relay().run())
