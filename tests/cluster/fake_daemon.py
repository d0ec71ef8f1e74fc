"""A daemon that is none: the frames of src/cluster/link/proto.h with an agent of its own, and a log that is a string."""

import contextlib
import hashlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time

from harness import LIMIT

BEGIN, PROPOSE, APPENDED, CONFIG, ASK = range(1, 6)
BATCH, MINE, MOVED, REFUSED, STATE, FATAL, MEMBERS, DONE = range(32, 40)
CONFIG_A, CONFIG_B = "a" * 64, "b" * 64
OUTCOMES = (MINE, MOVED, REFUSED)


def sha(text):
    return hashlib.sha256(text).hexdigest()


def head_of(text):
    return f"{len(text)}:{sha(text)}"


def write_batch(history, lines, machine, boot, n, **more):
    after = history + lines
    header = {"v": 1, "from": len(history), "before": sha(history), "to": len(after), "after": sha(after), "machine": machine, "boot": boot,
              "n": n, "time": int(time.time()), **more}  # fmt: skip
    return json.dumps(header).encode() + b"\n" + lines


class Batch:
    def __init__(self, text):
        first, self.lines = text.split(b"\n", 1)
        self.__dict__.update(json.loads(first))
        self.begin = self.__dict__["from"]


class Over(Exception):
    """FATAL, with its reason."""


class Daemon:
    def __init__(self, program, urls, log="log", name="0", history=b"", config=CONFIG_A, window_bytes=256 << 20, window_ms=7 * 86400000,
                 kernel="k", lazy=False):  # fmt: skip
        self.program, self.urls, self.log_name, self.config = program, urls, log, config
        self.machine, self.boot, self.kernel = sha(name.encode())[:16], os.urandom(16).hex(), kernel
        self.window_bytes, self.window_ms, self.lazy = window_bytes, window_ms, lazy
        self.history, self.n, self.proposed, self.proposal = history, 0, 0, None
        self.outcomes, self.batches, self.states, self.members, self.done, self.fatal = {}, [], [], None, {}, None
        self.process = None
        self.start()

    def start(self):
        ours, theirs = socket.socketpair()

        def third():
            os.dup2(theirs.fileno(), 3)

        self.process = subprocess.Popen([self.program, "agent"], preexec_fn=third, pass_fds=(3,), stdin=subprocess.DEVNULL)
        theirs.close()
        self.socket, self.buffer = ours, b""
        begin = {"endpoints": self.urls.split("+"), "log": self.log_name, "machine": self.machine, "host": "host", "path": "/data",
                 "boot": self.boot, "kernel": self.kernel, "config": self.config, "head": head_of(self.history),
                 "proposed": self.proposed, "window_bytes": self.window_bytes, "window_ms": self.window_ms, "ca": None, "cert": None,
                 "key": None, "user": None, "password_file": None, "version": "0"}  # fmt: skip
        self.say(BEGIN, begin)
        if self.proposed:
            self.say(PROPOSE, self.proposal)

    def say(self, kind, text):
        text = text if isinstance(text, bytes) else json.dumps(text).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has just ended: the next one is told all anew
            self.socket.sendall(struct.pack("=II", kind, len(text)) + text)

    def propose(self, lines, **more):
        self.n += 1
        self.proposed = self.n
        self.proposal = write_batch(self.history, lines, self.machine, self.boot, self.n, **more)
        self.say(PROPOSE, self.proposal)
        return self.n

    def append(self, lines, seconds=LIMIT):
        """As a writer has it: tried again until it is in the order."""
        while True:
            n = self.propose(lines)
            kind = self.outcome(n, seconds)
            if kind != MOVED:
                return kind

    def outcome(self, n, seconds=LIMIT):
        self.until(lambda: n in self.outcomes, f"what became of {n}", seconds)
        return self.outcomes[n][0]

    def appended(self):
        self.say(APPENDED, {"head": head_of(self.history)})

    def _take(self, lines):
        self.history += lines
        if not self.lazy:
            self.appended()

    def _hear(self, kind, text):
        if kind == BATCH:
            b = Batch(text)
            skip = len(self.history) - b.begin
            assert skip == 0 or (skip > 0 and not self.batches), (b.begin, len(self.history))
            assert self.history[b.begin :] == b.lines[:skip]
            self.batches.append(b)
            self._take(b.lines[skip:])
            assert sha(self.history) == b.after and len(self.history) == b.to
            return
        text = json.loads(text)
        if kind in OUTCOMES:
            assert text["n"] == self.proposed, (text, self.proposed)
            mine = Batch(self.proposal)
            self.outcomes[self.proposed] = (kind, text)
            self.proposed = 0
            if kind == MINE:
                assert mine.begin == len(self.history)
                self._take(mine.lines)
        elif kind == STATE:
            self.states.append(text)
        elif kind == MEMBERS:
            self.members = {m["machine"]: m for m in text}
        elif kind == DONE:
            self.done[text["id"]] = text
        else:
            assert kind == FATAL
            self.fatal = text["why"]

    def hear(self, seconds=0):
        """What has come; within that time something."""
        if self.socket is None or not select.select([self.socket], [], [], seconds)[0]:
            return False
        got = b""
        with contextlib.suppress(ConnectionResetError):  # it has not read all
            got = self.socket.recv(1 << 20)
        if not got:
            self.socket.close()
            self.socket = None
            return False
        self.buffer += got
        while len(self.buffer) >= 8:
            kind, size = struct.unpack_from("=II", self.buffer)
            if len(self.buffer) < 8 + size:
                break
            text, self.buffer = self.buffer[8 : 8 + size], self.buffer[8 + size :]
            self._hear(kind, text)
        return True

    def until(self, true, what="it", seconds=LIMIT):
        end = time.monotonic() + seconds
        while not (found := true()):
            left = end - time.monotonic()
            assert left > 0, f"{what}: not within {seconds} s; {self.states[-1:]}"
            if self.fatal is not None:
                raise Over(self.fatal)
            assert self.socket is not None, f"{what}: the agent has ended with {self.process.wait(LIMIT)}"
            self.hear(min(left, 0.05))
        return found

    def until_state(self, *names, seconds=LIMIT):
        return self.until(lambda: self.states and self.states[-1]["state"] in names and self.states[-1], names, seconds)

    def until_fatal(self, seconds=LIMIT):
        try:
            self.until(lambda: False, "FATAL", seconds)
        except Over as over:
            assert self.process.wait(LIMIT) == 0
            return str(over)

    def until_history(self, history, seconds=LIMIT):
        self.until(lambda: len(self.history) >= len(history), "the history", seconds)
        assert self.history == history

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT)
        while self.socket:  # what it has said is heard
            self.hear(1)

    def end(self):
        """The daemon is gone. The agent goes at once."""
        if self.socket:
            self.socket.close()
            self.socket = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            assert self.process.wait(LIMIT) in (0, 1)
