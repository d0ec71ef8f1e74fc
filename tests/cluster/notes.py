"""Writers, and what each of them knows of its writes: noted before and after, so that whoever is killed in between leaves "unknown".

A note is one byte of a writer's own file, at the place of its event's number: a process's end loses nothing of it.
"""

import contextlib
import errno
import json
import os
import random
import select
import time
from pathlib import Path

from harness import line_of

BEGUN, DONE, REFUSED, UNKNOWN = b"baru"  # a for acknowledged
# What a write fails with that has not entered the log, nor will.
REFUSALS = {errno.EPERM, errno.ESTALE, errno.EEXIST, errno.EINVAL, errno.EMSGSIZE}


class Notes:
    """Of all writers of a test."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.writers = {}  # name: pid
        self.go, self.stopper = os.pipe()
        os.set_inheritable(self.stopper, False)

    def start(self, m, name, **kwargs):
        """A process that appends through a machine's mount until stop(), whatever happens to that. Its name is its events' beginning."""
        assert name not in self.writers
        seed = random.random()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(self.stopper)
                Writer(m.app, name, self.path / name, self.go, random.Random(seed)).run(**kwargs)
                code = 0
            finally:
                os._exit(code)
        self.writers[name] = pid

    def stop(self):
        """They end what they are about."""
        os.close(self.stopper)
        for name, pid in self.writers.items():
            assert os.waitpid(pid, 0)[1] == 0, name
        os.close(self.go)
        self.writers = dict.fromkeys(self.writers)

    def abandon(self):
        for pid in filter(None, self.writers.values()):
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
                os.waitpid(pid, 0)

    def of(self, name):
        return (self.path / name).read_bytes()

    def count(self, kind=DONE):
        return sum(self.of(p.name).count(bytes([kind])) for p in self.path.iterdir())

    def check(self, history):
        """Against all of the log: each event that was acknowledged is there once, those that were refused are not, others are there at
        most once, each writer's in its order, those of a group side by side, and nothing else is."""
        found, ids = {}, [json.loads(line)["id"].rsplit(":", 1) for line in history.splitlines()]
        for name, n in ids:
            found.setdefault(name, []).append(int(n))
        for i, (name, n) in enumerate(ids):
            if name.startswith("group") and int(n) % 3 == 0:
                assert ids[i : i + 3] == [[name, str(int(n) + k)] for k in range(3)], f"{name}:{n}: the group is not whole"
        for p in self.path.iterdir():
            notes, numbers = p.read_bytes(), found.pop(p.name, [])
            assert numbers == sorted(set(numbers)), f"{p.name}: doubled, or out of order"
            there = set(numbers)
            for n, note in enumerate(notes):
                assert note != DONE or n in there, f"{p.name}:{n} was acknowledged, and is lost"
                assert note != REFUSED or n not in there, f"{p.name}:{n} was refused, and is there"
            assert not there or max(there) < len(notes), f"{p.name}: invented"
        assert not found, f"invented: {list(found)[:5]}"


class Writer:
    def __init__(self, app, name, path, go, rng):
        self.app, self.name, self.go, self.rng = app, name, go, rng
        self.notes = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        self.fd = None

    def stopped(self, seconds=0):
        p = select.poll()
        p.register(self.go, select.POLLHUP)
        return bool(p.poll(seconds * 1000))

    def note(self, numbers, what):
        os.pwrite(self.notes, bytes([what]) * len(numbers), numbers[0])

    def run(self, pause=0.0, events=None, line=None, way=""):
        """pause: of so many seconds between two events at most. events: as many as there are to be. line: each of them, the very same
        bytes. way: "group", three events at a time, as one line; "once", each again until it is known to be there."""
        n, size, text = 0, 3 if way == "group" else 1, line
        self.app = f"{self.app}@once" if way == "once" else self.app
        while not self.stopped(self.rng.uniform(0, pause)) and n != events:
            if self.fd is None and not self.open():
                continue
            numbers = range(n, n + size)
            text = text or self.text(numbers)
            self.note(numbers, BEGUN)
            outcome = self.write(text)
            self.note(numbers, outcome)
            if way != "once" or outcome != UNKNOWN:
                n, text = n + size, line

    def text(self, numbers):
        events = [{"id": f"{self.name}:{n}", **self.event()} for n in numbers]
        return line_of(json.dumps(events) if len(events) > 1 else events[0])

    def open(self):
        try:
            self.fd = os.open(self.app, os.O_WRONLY | os.O_APPEND)
        except OSError:
            time.sleep(0.005)  # nothing is mounted there at the moment
        return self.fd is not None

    def write(self, line):
        try:
            assert os.write(self.fd, line) == len(line)
            return DONE
        except OSError as e:
            if e.errno not in REFUSALS | {errno.EIO, errno.EINTR}:
                with contextlib.suppress(OSError):
                    os.close(self.fd)
                self.fd = None
            return REFUSED if e.errno in REFUSALS else UNKNOWN

    def event(self):
        kind = self.rng.randrange(4)
        if kind < 2:
            return {"type": "todo_added", "data": {"text": "x" * self.rng.randrange(100)}}
        return {"type": ("todo_completed", "todo_deleted")[kind - 2], "data": {"id": self.rng.randrange(300)}}
