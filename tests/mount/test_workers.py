"""The processes that keep the views: stopped, stuck or lost, they are replaced, and no view is blamed for it."""

import errno
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest
from harness import FULL, LIMIT, SLOW, event, line_of

from oracle import reducers as oracle

BAD = Path(__file__).resolve().parents[1] / "unit/reducers_bad"


class Later(threading.Thread):
    """A call that may hang."""

    def __init__(self, call, *args):
        super().__init__(daemon=True)
        self.call, self.args = call, args
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.call(*self.args)
        except BaseException as e:  # noqa: B902
            self.error = e

    def settle(self):
        self.join(LIMIT)
        assert not self.is_alive(), f"no answer within {LIMIT} s"

    def get(self):
        self.settle()
        if self.error:
            raise self.error
        return self.result


def worker(m):
    return m.status()["worker"]["pid"]


def resident(pid):
    """Bytes; 0 of one that has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def test_an_idle_worker_that_is_stopped(m):
    m.append(event(0))
    assert m.view("count") == {"count": 1}
    time.sleep(0.5)  # it has gone to sleep
    stopped = worker(m)
    os.kill(stopped, signal.SIGSTOP)
    m.append(event(1))
    assert Later(m.view, "count").get() == {"count": 2}
    assert worker(m) != stopped
    assert m.status()["views"]["count"]["error"] is None


def test_a_worker_that_is_stopped_in_an_event(new_mount, compile_reducer):
    m = new_mount.prepare()
    m.enable(compile_reducer(BAD / "slow.c"))
    m.start()
    m.append(*(event(i) for i in range(499)))
    assert m.view("slow") == 499
    m.append(event(499))
    time.sleep(0.05)  # in the middle of 300 ms
    stopped = worker(m)
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(2)  # longer than reduce_timeout
    try:
        os.kill(stopped, signal.SIGCONT)
    except ProcessLookupError:
        pass  # it has been replaced
    assert Later(m.view, "slow").get() == 500
    assert Later(m.view, "count").get() == {"count": 500}


@pytest.mark.parametrize("source", ["heap", "stray", "descriptors", "scribble", "sockets"])
def test_harm_to_the_others_in_its_worker(new_mount, compile_reducer, source):
    """What a reducer in C does to the worker's memory or descriptors, again and again: the others are right and fresh."""
    m = new_mount.prepare()
    m.clean = False
    so = compile_reducer(BAD / f"{source}.c")
    m.enable(so)
    m.start()
    m.append(*(event(i) for i in range(499)))
    assert m.view(source) == 499
    n = 499
    for _ in range(50 if FULL else 5):
        begin = time.monotonic()
        m.append({"type": "todo_added", "data": {"text": "x" * 60_000}, "ts": 1})
        n += 1
        for name in ("todos", "count", "types", "stats"):
            assert Later(m.view, name).get() == oracle.fold(name, m.events())
            assert not (m.mnt / f"views/{name}.error").exists()
        assert time.monotonic() - begin < LIMIT
    Later(lambda: (m.mnt / f"views/{source}.json").open("rb").close()).settle()
    assert m.status()["pid"] == m.pid
    assert m.status()["worker"]["restarts"] < 30


def test_a_culprit_is_found(new_mount, compile_reducer):
    """Nobody is at work when the worker ends: its views go apart until it is known whose doing it is."""
    m = new_mount.prepare()
    m.enable(compile_reducer(BAD / "descriptors.c"))
    m.start()
    m.append(*(event(i) for i in range(500)))
    assert Later(m.view, "count").get() == {"count": 500}
    until = time.monotonic() + LIMIT
    with pytest.raises(OSError) as caught:
        for n in range(500, 100_000):
            assert time.monotonic() < until
            m.append(event(n))
            assert Later(m.view, "count").get() == {"count": n + 1}
            Later(m.view, "descriptors").get()
    assert caught.value.errno == errno.EIO
    why = (m.mnt / "views/descriptors.error").read_text()
    # A sanitizer's own end may come first: it has nothing left to write to.
    assert "closed" in why or (SLOW and why.startswith("exited with status ")), why
    # The others come together again.
    until = time.monotonic() + LIMIT
    while any(v["alone"] for v in m.status()["views"].values()):
        assert time.monotonic() < until
        m.append(event(n := m.status()["log"]["events"]))
        assert m.view("count") == {"count": n + 1}
        time.sleep(0.05)
    assert [v["error"] is None for v in m.status()["views"].values()].count(False) == 1


def fill(m, n, size, stop):
    """Appends blocks of events of that size until there are n, or `stop` says so; how many there are."""
    total = 0
    until = time.monotonic() + 3 * LIMIT
    while total < n and not stop():
        assert time.monotonic() < until
        m.append(b"".join(line_of(event(total + i, pad=size)) for i in range(100)))
        total += 100
        assert Later(m.view, "count").get() == {"count": total}
        assert Later(m.view, "n").get() == total
        assert Later(m.view, "last").get() == f"e{total - 1}"
    return total


@pytest.mark.skipif(SLOW, reason="a memory limit and a sanitizer's shadow memory do not go together")
def test_the_one_that_grows_is_the_one_that_breaks(new_mount):
    m = new_mount.prepare(options="reduce_memory=64M", reducers=["count"])
    for name, program in (("a", ". + [$event]"), ("n", ". + 1"), ("last", "$event.id"), ("types", ".[$event.type] += 1")):
        (m.data / f"reducers/{name}.jq").write_text(program)
    m.start()
    n = fill(m, 40_000, 4000, lambda: m.status()["views"]["a"]["error"])
    why = (m.mnt / "views/a.error").read_text()
    assert "memory" in why, why
    assert 4000 < n < 40_000
    for name in ("n", "last", "types", "count"):
        assert m.status()["views"][name]["error"] is None
        assert not (m.mnt / f"views/{name}.error").exists()
    assert sum(m.view("types").values()) == n


@pytest.mark.skipif(SLOW, reason="a memory limit and a sanitizer's shadow memory do not go together")
def test_memory_that_no_state_has(new_mount, compile_reducer):
    """What a reducer, or libjq, loses breaks no view: the worker is renewed before it is too much."""
    m = new_mount.prepare(options="reduce_memory=32M", reducers=["count"])
    m.enable(compile_reducer(BAD / "leak.c"))
    (m.data / "reducers/n.jq").write_text(". + 1")
    (m.data / "reducers/last.jq").write_text("$event.id")
    m.start()
    pids = set()

    def rest():
        """A writer who is faster than states can be saved is not what this is about: where it is time, it waits a while."""
        pid = worker(m)
        pids.add(pid)
        if resident(pid) < 20 << 20:
            return False
        until = time.monotonic() + 2
        while worker(m) == pid and time.monotonic() < until:
            time.sleep(0.01)
        return False

    fill(m, 15_000, 0, rest)  # 60 MB are lost
    assert m.view("leak") == 15_000
    assert m.status()["worker"]["restarts"] < len(pids) - 1 >= 2, "some were renewed, and have not died"
    assert [v["error"] for v in m.status()["views"].values()] == [None] * 4


def test_harm_that_shows_in_a_child(new_mount, compile_reducer):
    """A large state is written by a child of the worker, which dies of what another view has done to the heap."""
    m = new_mount.prepare()
    m.clean = False
    for source in ("heap", "large"):
        m.enable(compile_reducer(BAD / f"{source}.c"))
    m.start()
    m.append(*(event(i) for i in range(499)))
    assert m.view("large")[1] == 499
    for n in range(499, 504):
        m.append(event(n))
        assert Later(m.view, "large").get()[1] == n + 1
        assert Later(m.view, "count").get() == {"count": n + 1}
    assert m.status()["views"]["large"]["error"] is None


def test_a_state_that_may_not_be_written(m):
    """Larger than any file of the worker's: asked for again it would be no smaller, so the view says why it can't be read."""
    (m.data / "reducers/big.jq").write_text('if $event.id == "e1" then [range(100000)] else . end')
    m.append(event(0))
    assert m.view("big") is None
    until = time.monotonic() + LIMIT
    while m.status()["views"]["big"]["rebuilding"]:  # not in the main worker yet
        assert time.monotonic() < until
    hard = resource.prlimit(worker(m), resource.RLIMIT_FSIZE)[1]
    resource.prlimit(worker(m), resource.RLIMIT_FSIZE, (100_000, hard))
    m.append(event(1))
    with pytest.raises(OSError) as caught:
        Later(m.view, "big").get()
    assert caught.value.errno == errno.EIO
    assert "larger than what its worker may write" in (m.mnt / "views/big.error").read_text()
    assert m.view("count") == {"count": 2}
