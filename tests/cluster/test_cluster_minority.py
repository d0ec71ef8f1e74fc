"""Without a majority of the engine writes wait, and can be interrupted or have a bound; reads and views go on. With it, all is as before."""

import errno
import os
import signal
import time

import pytest
from following import child, opened, state, until
from harness import bound, fork_job, line_of
from notes import UNKNOWN

A = {"type": "a", "id": "a", "ts": 1}


def lose_majority(c):
    for e in c.engine.members[:2]:
        e.pause()


def heal(c):
    for e in c.engine.members:
        e.resume()


def test_writes_wait_and_reads_go_on(new_cluster):
    c = new_cluster()
    m, other, _ = c.machines
    m.append({"type": "before"})
    other.until_events(1)
    lose_majority(c)
    m.until_state("away")
    with child(lambda: m.append(A)) as pid:
        until(lambda: state(pid) in "SD")
        for machine in (m, other):
            before = time.monotonic()
            assert machine.history().count(b"\n") == 1
            assert machine.view("count") == {"count": 1}
            assert time.monotonic() - before < bound(1)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it waits"
        heal(c)
        c.engine.wait_ready()
        healed = time.monotonic()
    assert time.monotonic() - healed < bound(5), "within seconds as before"
    m.append({"type": "after"})
    history = c.agree()
    assert history.count(b"\n") == 3 and history.count(b'"id":"a"') == 1


class Stop(Exception):
    pass


def interrupted(app, told):
    def stop(*_):
        raise Stop

    signal.signal(signal.SIGUSR1, stop)
    fd = os.open(app, os.O_WRONLY | os.O_APPEND)
    os.write(told, b".")
    with pytest.raises(Stop):
        os.write(fd, line_of(A))


def test_a_write_that_waits_can_be_interrupted(new_cluster):
    c = new_cluster(machines=1)
    (m,) = c.machines
    m.append({"type": "before"})
    lose_majority(c)
    m.until_state("away")
    read, told = os.pipe()
    for signum in (signal.SIGUSR1, signal.SIGKILL):
        pid = fork_job(lambda: interrupted(m.app, told))
        os.read(read, 1)
        until(lambda: state(pid) in "SD", "it waits")
        os.kill(pid, signum)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (0 if signum == signal.SIGUSR1 else -signum)
    heal(c)
    m.until_ready()
    m.append({"type": "after"})
    history = c.agree()
    assert history.count(b'"id":"a"') <= 2 and history.count(b"\n") == 2 + history.count(b'"id":"a"')


def test_a_bound_for_waiting(new_cluster, notes):
    """EIO, which says that nothing is known; the truth is found afterwards, once."""
    c = new_cluster(more="cluster_timeout=1s")
    m = c.machines[0]
    m.append({"type": "before", "id": "x:0"})
    lose_majority(c)
    for w in range(3):
        notes.start(m, f"w{w}", events=2)
    until(lambda: notes.count(UNKNOWN) == 6)
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        with pytest.raises(OSError) as e:
            os.write(fd, line_of({"type": "late", "id": "y:0"}))
        assert e.value.errno == errno.EIO
    reasons = [r["reason"] for r in m.rejected()]
    assert any("unknown" in r for r in reasons), reasons
    heal(c)
    m.until_ready()
    notes.stop()
    m.append({"type": "after", "id": "z:0"})
    history = c.agree()
    (notes.path / "x").write_bytes(b"a")
    (notes.path / "y").write_bytes(b"u")
    (notes.path / "z").write_bytes(b"a")
    notes.check(history)
