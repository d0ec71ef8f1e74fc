"""A flipped bit anywhere in a small data directory: it is reported, or without effect on what is read. tests/unit/test_bitflips.c
flips every bit under the library; here the program is asked, and a mount of it, for a sample spread over all files."""

import json
import os
import subprocess

import pytest
from harness import LIMIT, SLOW, Mount, eventfold, event, line_of

from oracle import crate
from oracle import reducers as oracle

STEP = 149 if SLOW else 37
VIEWS = ("count", "types")
LINES = [line_of(event(i)) for i in range(10)]
FILES = ("app.jsonl", "archive.jsonl.zst", "views/count.snapshot.json", "views/types.snapshot.json")


@pytest.fixture
def small(new_mount):
    """Ten events, a rotation in the middle, snapshots at the head. Unmounted."""
    m = new_mount(reducers=VIEWS)
    m.append(*LINES[:5])
    (m.mnt / "ctl").write_text("rotate")
    m.append(*LINES[5:])
    for name in VIEWS:
        m.view(name)
    m.unmount()
    assert crate.history(m.data) == b"".join(LINES)
    m.log.write_text("")
    return m


def flips(small, step):
    """Flips each step'th bit, one at a time: gives the file and the bit, and mends it all after."""
    whole = {name: (small.data / name).read_bytes() for name in FILES}
    number = 0
    for name in FILES:
        for bit in range(8 * len(whole[name])):
            number += 1
            if number % step:
                continue
            flipped = bytearray(whole[name])
            flipped[bit // 8] ^= 1 << bit % 8
            (small.data / name).write_bytes(flipped)
            yield name, bit
            for other in os.listdir(small.data):
                if other.endswith(".torn"):
                    (small.data / other).unlink()
            for other in FILES:
                (small.data / other).write_bytes(whole[other])


def run(*arguments):
    return subprocess.run([eventfold(), *arguments], capture_output=True, timeout=LIMIT)


def good(content):
    """The events that are in it, as folds see them."""
    events = []
    for line in content.split(b"\n")[:-1]:
        try:
            ev = oracle.load(line.decode())
            if isinstance(ev, dict) and isinstance(ev.get("type"), str) and ev["type"]:
                events.append(ev)
        except ValueError:
            pass
    return events


def readable(path):
    """What can be read of a file, past parts that cannot; and whether it was all."""
    content, whole, off = b"", True, 0
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    while off < size:
        try:
            piece = os.pread(fd, 1 << 16, off)
            content += piece
            off += len(piece) or size
        except OSError:
            whole = False
            off += 1
    os.close(fd)
    return content, whole


@pytest.mark.limit(20)
def test_verify_and_log(small):
    history = b"".join(LINES)
    for name, bit in flips(small, max(1, STEP // 4)):
        where = f"{name}, bit {bit}"
        listed, checked = run("log", small.data), run("verify", small.data)
        assert listed.returncode in (0, 1) and checked.returncode in (0, 1), where
        if listed.stdout != history:
            assert checked.returncode == 1, f"{where}: read otherwise, and verify says nothing: {checked.stdout.decode()}"
            assert len(checked.stdout.splitlines()) > 1, where
        if name.startswith("views/"):
            assert listed.stdout == history, where
            assert name in checked.stdout.decode(), f"{where}: {checked.stdout.decode()}"


@pytest.mark.limit(40)
def test_mount(small):
    history = b"".join(LINES)
    said = 0
    for name, bit in flips(small, STEP):
        where = f"{name}, bit {bit}"
        before = run("verify", small.data)
        small.start()
        content, whole = readable(small.app)
        states = {view: small.view(view) for view in VIEWS}
        told = small.stderr()[said:]
        for view, state in states.items():
            # Of all events, from a snapshot that holds; or of those that can be read, and then it has been told.
            if state != oracle.fold(view, good(content)):
                assert state == oracle.fold(view, good(history)) and not whole, where
            if state != oracle.fold(view, good(history)):
                assert before.returncode == 1 and told, f"{where}: {state}"
        if content != history:
            assert before.returncode == 1, f"{where}: {before.stdout.decode()}"
            assert told or not whole, where
        small.append(event(10))
        assert small.app.stat().st_size > len(content) - 100
        small.unmount()
        said = len(small.stderr())
    assert json.loads((small.data / "views/count.snapshot.json").read_bytes())["state"] == {"count": 10}
    assert Mount.live == []
