"""Many writers at once: each event whole, each once, each writer's in order."""

import json
import os
import random

import pytest
from harness import fork_job, scaled, sh

from oracle import reducers as oracle

WRITERS = 8


def write_stream(app, writer, n):
    """One process: n events as one stream of bytes, cut at random places."""
    rng = random.Random(writer)
    stream = b"".join(
        b'{"type":"w%d","data":{"seq":%d,"pad":"%s"},"ts":%d}\n' % (writer, i, b"x" * rng.randrange(80), i)
        for i in range(n)
    )
    fd = os.open(app, os.O_WRONLY | os.O_APPEND)
    at = 0
    while at < len(stream):
        size = rng.choice([rng.randrange(1, 30), rng.randrange(1, 120), rng.randrange(1, 400)])
        wrote = os.write(fd, stream[at : at + size])
        assert wrote == len(stream[at : at + size])
        at += wrote
    os.close(fd)


def fork_all(jobs):
    """Runs each job in a process of its own and waits for all; they exit 0."""
    for pid in [fork_job(job) for job in jobs]:
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.limit(8)
@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_writers_in_pieces(new_mount, sync):
    n = scaled(5000, 300)
    m = new_mount(options=f"sync={sync}")
    fork_all([lambda w=w: write_stream(m.app, w, n) for w in range(WRITERS)])
    next_seq = [0] * WRITERS
    events = m.events()
    for ev in events:
        writer = int(ev["type"][1:])
        assert ev["data"]["seq"] == next_seq[writer]
        next_seq[writer] += 1
    assert next_seq == [n] * WRITERS
    assert m.view("count") == {"count": WRITERS * n}
    assert m.view("types") == oracle.fold("types", events)
    assert m.rejected() == []
    m.remount()
    assert m.view("types") == oracle.fold("types", events)
    log = m.status()["log"]
    assert log["events"] == WRITERS * n


def append_closing(app, writer, n):
    for i in range(n):
        fd = os.open(app, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b'{"type":"w%d","data":%d}\n' % (writer, i))
        os.close(fd)


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_open_append_close(new_mount, sync):
    n = scaled(200, 30)
    m = new_mount(options=f"sync={sync}")
    fork_all([lambda w=w: append_closing(m.app, w, n) for w in range(16)])
    for writer in range(16):
        assert [ev["data"] for ev in m.events() if ev["type"] == f"w{writer}"] == list(range(n))


def test_many_shells(m):
    m.sh("""for i in $(seq 8); do (for j in $(seq 20); do
        echo "{\\"type\\":\\"w$i\\",\\"data\\":$j}" >> mnt/events/app; done) & done; wait""")
    assert m.view("types") == oracle.fold("types", m.events())
    assert m.view("count") == {"count": 160}


def test_a_large_file_from_each_of_several(new_mount):
    m = new_mount(options="sync=close")
    n = scaled(20_000, 2000)
    for w in range(4):
        with open(m.path / f"in{w}", "w") as f:
            for i in range(n):
                f.write(json.dumps({"type": f"w{w}", "data": i, "ts": i}) + "\n")
    m.sh("for w in 0 1 2 3; do cat in$w >> mnt/events/app & done; wait; sync mnt/events/app")
    for w in range(4):
        assert sh(f"grep -h '\"w{w}\"' mnt/events/app | cmp - in{w}", cwd=m.path)
    assert m.view("count") == {"count": 4 * n}
