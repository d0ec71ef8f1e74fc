"""kill -9 under load, again and again: what was acknowledged is there once, and nothing else but what was in flight."""

import hashlib
import json
import os
import random
import time

import pytest
from harness import FULL, SLOW

from oracle import reducers as oracle

ROUNDS = 20 if SLOW else 200 if FULL else 40
WRITERS = 4
VIEWS = ("count", "types", "todos", "stats")


def load(app, path, rng, whole_lines):
    """A writer until the daemon dies. Notes each id before its write begins and after it was acknowledged: one byte a step
    in a file of its own, so that this process's end loses nothing."""
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    name = os.path.basename(path)
    i = 0
    try:
        fd = os.open(app, os.O_WRONLY | os.O_APPEND)
        while True:
            kind = rng.randrange(4)
            if kind < 2:
                ev = {"type": "todo_added", "data": {"text": "x" * rng.randrange(100)}}
            else:
                ev = {"type": ("todo_completed", "todo_deleted")[kind - 2], "data": {"id": rng.randrange(2000)}}
            line = json.dumps({"id": f"{name}:{i}", **ev}).encode() + b"\n"
            os.write(notes, b"b")
            at = len(line) if whole_lines else rng.randrange(1, len(line))
            os.write(fd, line[:at])
            if at < len(line):
                os.write(fd, line[at:])
            os.write(notes, b"a")
            i += 1
    except OSError:
        pass
    finally:
        os._exit(0)


@pytest.mark.limit(40)
def test_rounds_of_kill_9(new_mount):
    seed = int(os.environ.get("EVENTFOLD_SEED", "1"))
    rng = random.Random(seed)
    m = new_mount()
    acked, begun = {}, {}
    content = b""
    for number in range(ROUNDS):
        pids = []
        for w in range(WRITERS):
            path = m.path / f"{number}-{w}"
            wrng = random.Random(rng.random())
            pid = os.fork()
            if pid == 0:
                load(m.app, str(path), wrng, w % 2 == 0)
            pids.append(pid)
        # A reader as well, so that renderings are under way.
        until = time.monotonic() + rng.uniform(0.0, 0.15)
        while time.monotonic() < until:
            m.view(rng.choice(VIEWS))
        try:
            m.kill()
        except BaseException:
            m.detach()
            raise
        finally:
            for pid in pids:
                os.waitpid(pid, 0)
        for w in range(WRITERS):
            name = f"{number}-{w}"
            path = m.path / name
            steps = path.read_bytes() if path.exists() else b""
            acked[name], begun[name] = steps.count(b"a"), steps.count(b"b")
            path.unlink(missing_ok=True)
        m.start()
        now = m.history()
        assert now.startswith(content), f"round {number}: history has changed"
        new = [json.loads(line) for line in now[len(content) :].splitlines()]
        content = now
        seen = {}
        for ev in new:
            name, i = ev["id"].split(":")
            assert int(i) == seen.get(name, 0), f"round {number}: {ev['id']} out of turn"
            seen[name] = int(i) + 1
        for name in acked:
            if name.startswith(f"{number}-"):
                n = seen.pop(name, 0)
                assert acked[name] <= n <= begun[name], f"round {number}: {name}: {acked[name]} <= {n} <= {begun[name]}"
        assert not seen, f"round {number}: nobody wrote {seen}"
        assert m.view("count") == {"count": content.count(b"\n")}
        assert (m.mnt / "head/app.sha256").read_text().split()[0] == hashlib.sha256(content).hexdigest()
        if number % 10 == 9 or number == ROUNDS - 1:
            events = [json.loads(line) for line in content.splitlines()]
            for name in VIEWS:
                assert m.view(name) == oracle.fold(name, events), f"round {number}: {name}"
    assert content.count(b"\n") > ROUNDS
