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
    m = new_mount.prepare(options="sync=none")  # no append waits for the disk
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


MESSAGES = {
    "long": ('error("\u20ac" * 400)', None),
    "longer": ('error("x" + "\u20ac" * 4000)', None),
    "zero": ('error("before\\u0000after")', "before\\u0000after"),
    "escape": ('error("\\u001b[31mred\\u001b]0;title\\u0007\\u007f")', "\\u001b[31mred\\u001b]0;title\\u0007\\u007f"),
    "c1": ('error("\\u009b31m")', "\\u009b31m"),
    "lines": ('error("a\\nb\\r\\nc\\td\\u2028e")', "a b  c d\\u2028e"),
    "turned": ('error("\\u202etxt.exe")', "\\u202etxt.exe"),
    "object": ('error({a: "\\u0000\\u001b"})', '{"a":"\\u0000\\u001b"}'),
    "source": ('. + \u001b1', None),
}


def test_error_texts_are_plain(new_mount):
    """Whatever a reducer says: one line, whole characters, nothing that acts on a terminal; in the daemon's log as well."""
    m = new_mount(reducers=[])
    for name, (program, _) in MESSAGES.items():
        (m.data / "reducers" / f"{name}.jq").write_text(program)
    m.append(event(0))
    for name, (_, want) in MESSAGES.items():
        text = broken(m, name)  # is UTF-8, or read_text() fails
        assert text.endswith("\n") and text[:-1].isprintable(), (name, text)
        if want:
            assert text == f"event 1 at offset 0: {want}\n"
        assert m.status()["views"][name]["error"] == text[:-1]
    for name, character in ("long", "\u20ac"), ("longer", "\u20ac"):
        text = broken(m, name)
        assert text.endswith("\u2026\n") and text.count(character) > 150
        assert set(text.split(": ")[1].lstrip("x")) == {character, "\u2026", "\n"}
    said = m.log.read_bytes().decode()
    assert all(line.isprintable() for line in said.split("\n")) and "[31mred" in said


def test_a_text_from_c_is_plain(new_mount, compile_reducer, tmp_path):
    source = tmp_path / "raw.c"
    source.write_text(
        """#include <eventfold/reducer.h>
static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	return eventfold_fail(ev, "not UTF-8: \\xff\\xc3( and a bell \\a");
}
EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
"""
    )
    m = new_mount.prepare(reducers=[])
    m.enable(compile_reducer(source))
    m.start()
    m.append(event(0))
    assert broken(m, "raw") == "event 1 at offset 0: not UTF-8: \ufffd\ufffd( and a bell \\u0007\n"
