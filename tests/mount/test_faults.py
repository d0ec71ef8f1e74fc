"""A reducer that goes wrong breaks its own view and nothing else."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest
from harness import LIMIT, SLOW, bound, event, line_of

from oracle import reducers as oracle

SOURCES = Path(__file__).parent / "reducers"


def broken(m, name):
    with pytest.raises(OSError) as caught:
        (m.mnt / "views" / f"{name}.json").read_bytes()
    assert caught.value.errno == errno.EIO
    return (m.mnt / "views" / f"{name}.error").read_text()


class Appender(threading.Thread):
    """Appends event after event and remembers how long the slowest took and what failed."""

    def __init__(self, m, n):
        super().__init__()
        self.m, self.n = m, n
        self.slowest, self.error = 0.0, None

    def run(self):
        try:
            fd = os.open(self.m.app, os.O_WRONLY)
            for i in range(self.n):
                line = line_of(event(i))
                begin = time.monotonic()
                assert os.write(fd, line) == len(line)
                self.slowest = max(self.slowest, time.monotonic() - begin)
            os.close(fd)
        except BaseException as e:  # noqa: B902
            self.error = e


@pytest.mark.parametrize("source", ["null_deref", "aborts", "exits", "allocates", "fails"])
def test_only_its_own_view(new_mount, compile_reducer, source):
    if SLOW and source == "allocates":
        pytest.skip("a memory limit and a sanitizer's shadow memory do not go together")
    m = new_mount.prepare()
    m.clean = False  # under a sanitizer the worker's crash is reported there
    m.enable(compile_reducer(SOURCES / f"{source}.c"))
    m.start()
    m.append(*(event(i) for i in range(499)))
    assert m.view(source) == 499
    appender = Appender(m, 1000)
    begin = time.monotonic()
    appender.start()
    while m.status()["log"]["events"] < 501:
        assert time.monotonic() - begin < LIMIT
    begin = time.monotonic()
    count = m.view("count")["count"]
    took = time.monotonic() - begin
    appender.join()
    # What takes all memory may first take all of the time that one event has (reduce_timeout: 1 s).
    assert count >= 501 and took < bound(2 if source == "allocates" else 1), f"another view was late: {took:.3f} s"
    assert appender.error is None
    assert appender.slowest < bound(0.5), f"an append waited: {appender.slowest:.3f} s"
    why = broken(m, source)
    assert "500" in why and why.count("\n") == 1
    if source == "fails":
        assert "the 500th is one too many" in why
    for name in ("todos", "count", "types", "stats"):
        assert m.view(name) == oracle.fold(name, m.events())
        assert not (m.mnt / f"views/{name}.error").exists()
    assert m.status()["pid"] == m.pid
    assert "500" in m.status()["views"][source]["error"]
    # It stays broken, the others fresh, over a remount too.
    m.append(event(2000))
    broken(m, source)
    assert m.view("count") == {"count": 1500}
    m.remount()
    assert m.view("count") == {"count": 1500}
    assert "500" in broken(m, source)


def test_a_file_that_is_no_reducer(new_mount):
    m = new_mount.prepare()
    (m.data / "reducers/junk.so").write_bytes(b"not an ELF file\n")
    (m.data / "reducers/libc.so").symlink_to("/lib/x86_64-linux-gnu/libm.so.6")
    (m.data / "reducers/README").write_text("no reducer, and nobody minds\n")
    m.start()
    m.append(event(0))
    assert m.view("count") == {"count": 1}
    for name in ("junk", "libc"):
        assert broken(m, name)
    assert not (m.mnt / "views/README.json").exists()


def test_a_reducer_that_others_may_write_is_refused(new_mount, compile_reducer):
    m = new_mount.prepare()
    so = compile_reducer(SOURCES / "fails.c")
    os.chmod(so, 0o666)
    m.enable(so)
    m.start()
    m.append(event(0))
    assert "writable" in broken(m, "fails")
    assert m.view("count") == {"count": 1}


def test_all_at_once(new_mount, compile_reducer):
    m = new_mount.prepare()
    m.clean = False
    names = ["null_deref", "aborts", "exits", "fails"]
    for name in names:
        m.enable(compile_reducer(SOURCES / f"{name}.c"))
    m.start()
    m.append(b"".join(line_of(event(i)) for i in range(2000)))
    assert m.view("count") == {"count": 2000}
    for name in names:
        assert "500" in broken(m, name)
    assert m.view("todos") == oracle.fold("todos", m.events())
    assert m.status()["pid"] == m.pid
