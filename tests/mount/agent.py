"""An agent of the test's own: what a daemon that shares its log says to the program beside it, and what it is told, without an engine.

The program that the daemon starts only hands its socket to the test. Each frame is a type, a length, a text (src/cluster/link/proto.h).
"""

import json
import select
import socket
import struct
import threading

from following import until

BEGIN, PROPOSE, APPENDED, CONFIG, ASK = 1, 2, 3, 4, 5
BATCH, MINE, MOVED, REFUSED, STATE, FATAL, MEMBERS, DONE = range(32, 40)

PROGRAM = """#!/usr/bin/python3
import select, socket
s = socket.socket(socket.AF_UNIX)
s.connect({path!r})
socket.send_fds(s, [b"x"], [3])
p = select.poll()
p.register(3, 0)
p.poll()
"""


class Agent:
    """What has come is in `frames`; it is answered as by an engine that nobody else uses, unless the test says otherwise."""

    def __init__(self, directory):
        self.program = directory / "eventfold-cluster"
        self.program.write_text(PROGRAM.format(path=str(directory / "agent")))
        self.program.chmod(0o755)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(directory / "agent"))
        self.server.listen()
        self.frames, self.state, self.socket = [], "ready", None
        self.refuse = None  # what proposals and commands are answered with: (errno, why)
        self.silent = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                s, _ = self.server.accept()
                fd = socket.recv_fds(s, 1, 1)[1][0]
            except OSError:
                return
            with s, socket.socket(fileno=fd) as daemon:
                self.socket = daemon
                self.serve(daemon)

    def serve(self, daemon):
        data = b""
        while part := self.receive(daemon):
            data += part
            while len(data) >= 8 and len(data) >= 8 + (size := struct.unpack_from("=II", data)[1]):
                kind, text, data = struct.unpack_from("=I", data)[0], data[8 : 8 + size], data[8 + size :]
                self.take(kind, text)

    def receive(self, daemon):
        select.select([daemon], [], [])  # it does not block
        try:
            return daemon.recv(1 << 16)
        except OSError:
            return b""

    def take(self, kind, text):
        value = json.loads(text.split(b"\n")[0])
        self.frames.append((kind, value))
        if self.silent:
            return
        if kind == BEGIN:
            self.say(STATE, {"state": self.state, "why": None, "engine": value["endpoints"][0], "head": value["head"]})
        elif kind == PROPOSE and self.refuse:
            self.say(REFUSED, {"n": value["n"], "errno": self.refuse[0], "why": self.refuse[1]})
        elif kind == PROPOSE:
            self.say(MINE, {"n": value["n"]})
        elif kind == ASK:
            error, why = self.refuse or (0, None)
            self.say(DONE, {"id": value["id"], "errno": error, "why": why})

    def say(self, kind, value):
        text = json.dumps(value).encode()
        self.socket.sendall(struct.pack("=II", kind, len(text)) + text)

    def of(self, kind):
        return [value for k, value in list(self.frames) if k == kind]

    def until(self, kind, n=1):
        """The n-th of a kind."""
        return until(lambda: self.of(kind)[n - 1 :], f"frame {n} of type {kind}")[0]

    def config(self):
        """What was last said to decide."""
        return [v["config"] for k, v in list(self.frames) if k in (BEGIN, CONFIG)][-1]

    def end(self):
        self.server.close()
