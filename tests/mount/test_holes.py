"""A log that is damaged, or that can't be read for a moment. A view that lacks events is served, and says so everywhere; a read that
failed is tried again and leaves nothing out."""

import errno
import json
import os
import random
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from following import until
from harness import LIMIT, eventfold, line_of

PAD = "x" * 10_000
N = 300  # three frames of about 1 MiB


def line(i):
    return line_of({"type": "a", "ts": 1, "data": {"i": i, "pad": PAD}})


LINES = [line(i) for i in range(N)]
ENDS = [sum(map(len, LINES[: i + 1])) for i in range(N)]
ARCHIVE = "archive.jsonl.zst"


def frames(archive):
    """Where each frame lies: (begin, end, events), read off the records behind them."""
    found, at = [], len(archive)
    while at > 0:
        record = archive[at - 200 : at]
        assert record[8:15] == b"evfold2"
        at -= 200
        if record[15:16] == b"F":
            size, lines = (int.from_bytes(record[k : k + 8], "little") for k in (56, 72))
            found.append((at - size, at, lines))
            at -= size
    return found[::-1]


@pytest.fixture
def archived(new_mount):
    """All events in the archive. Unmounted; the events that its second frame holds."""
    m = new_mount(reducers=["count"])
    m.append(b"".join(LINES))
    (m.mnt / "ctl").write_text("rotate")
    assert m.view("count") == {"count": N}
    m.unmount()
    m.whole = (m.data / ARCHIVE).read_bytes()
    m.frames = frames(m.whole)
    assert len(m.frames) == 3
    m.first = m.frames[0][2] + 1
    m.last = m.frames[0][2] + m.frames[1][2]
    return m


def damage(m, which=(1,)):
    spoiled = bytearray(m.whole)
    for begin, end, _ in (m.frames[i] for i in which):
        spoiled[(begin + end) // 2] ^= 0x10
    (m.data / ARCHIVE).write_bytes(spoiled)


def restore(m):
    (m.data / ARCHIVE).write_bytes(m.whole)


def forget(m):
    (m.data / "views/count.snapshot.json").unlink()


def verify(m):
    return m.sh(f"{eventfold()} verify data", check=False)


def lost(m):
    return m.last - m.first + 1


def hole(m):
    return {"from": ENDS[m.first - 2], "to": ENDS[m.last - 1], "after": m.first - 1, "events": lost(m), "why": "damaged"}


def check_told(m):
    """The view is served, and everything says what it lacks."""
    assert m.view("count") == {"count": N - lost(m)}
    assert m.offset("count") == ENDS[-1]
    why = (m.mnt / "views/count.error").read_text()
    assert f"{lost(m)} events are missing" in why and f"events {m.first} to {m.last}" in why
    assert "eventfold verify" in why and why.count("\n") == 1
    assert "count.error" in os.listdir(m.mnt / "views")
    status = m.status()["views"]["count"]
    assert status["error"] == why.rstrip("\n") and not status["broken"]
    assert status["missing"] == lost(m) and status["holes"] == [hole(m)]


def check_well(m):
    assert m.view("count") == {"count": N}
    assert not (m.mnt / "views/count.error").exists()
    assert os.listdir(m.mnt / "views").count("count.error") == 0
    status = m.status()["views"]["count"]
    assert status["error"] is None and status["missing"] == 0 and status["holes"] == []


def check_past(m):
    """Up to the damage the past is as it was; from there on there is none."""
    at = m.mnt / "at"
    assert json.loads((at / f"{m.first - 1}/count.json").read_bytes()) == {"count": m.first - 1}
    for n in (m.first, m.last, N):
        with pytest.raises(OSError) as caught:
            (at / f"{n}/count.json").read_bytes()
        assert caught.value.errno == errno.EIO, n
    assert f"the view count as it was after {N} events can't be made: {lost(m)} events are missing" in m.stderr()


def test_a_damaged_frame_is_told(archived):
    m = archived
    damage(m)
    forget(m)
    done = verify(m)
    assert done.returncode == 1 and f"offset {ENDS[m.first - 2]}" in done.stdout.decode()
    m.start()
    check_told(m)
    check_past(m)
    # The view goes on, with its hole; so does its snapshot, over remounts, without another fold.
    m.append({"type": "a", "ts": 2})
    assert m.view("count") == {"count": N + 1 - lost(m)}
    m.remount()
    assert m.view("count") == {"count": N + 1 - lost(m)}
    status = m.status()["views"]["count"]
    assert status["folded"] == 0 and status["holes"] == [hole(m)] and status["missing"] == lost(m)
    assert "count.error" in os.listdir(m.mnt / "views")
    # Restored in place, while it is mounted.
    restore(m)
    (m.mnt / "ctl").write_text("rebuild")
    assert m.view("count") == {"count": N + 1}
    assert not (m.mnt / "views/count.error").exists()
    assert m.status()["views"]["count"]["holes"] == []
    assert json.loads((m.mnt / f"at/{N}/count.json").read_bytes()) == {"count": N}
    m.unmount()
    assert verify(m).returncode == 0


def test_a_rule_whose_view_is_made_anew(archived):
    """It judges again, without an edit."""
    m = archived
    damage(m)
    forget(m)
    m.start()
    (m.mnt / "rules/count.jq").write_text("true")
    with pytest.raises(OSError) as caught:
        m.append({"type": "a", "ts": 2})
    assert caught.value.errno == errno.EIO
    assert "events are missing" in m.status()["rules"]["count"]["error"]
    restore(m)
    (m.mnt / "ctl").write_text("rebuild")
    assert m.view("count") == {"count": N}

    def appends():
        try:
            m.append({"type": "a", "ts": 2})
        except OSError:
            return False
        return True

    until(appends)
    assert m.view("count") == {"count": N + 1}


def test_restored_while_it_was_not_mounted(archived):
    m = archived
    damage(m)
    forget(m)
    m.start()
    check_told(m)
    m.unmount()
    restore(m)
    assert verify(m).returncode == 0
    m.start()
    check_well(m)
    assert "can be read now" in m.stderr()


def test_a_part_of_a_hole_was_restored(archived):
    """Two frames side by side are one hole; the second one can be read again."""
    m = archived
    damage(m, (1, 2))
    forget(m)
    m.start()
    assert m.view("count") == {"count": m.first - 1}
    assert len(m.status()["views"]["count"]["holes"]) == 1
    m.unmount()
    damage(m)
    m.start()
    check_told(m)
    assert "can be read now" in m.stderr()


def test_a_damaged_record_is_looked_at_again(archived):
    """Damage of what the index of the archive is made of, not only of what it points to."""
    m = archived
    spoiled = bytearray(m.whole)
    spoiled[m.frames[1][0] + 2] ^= 0x10  # the frame's magic
    spoiled[m.frames[1][1] + 20] ^= 0x10  # its record
    (m.data / ARCHIVE).write_bytes(spoiled)
    forget(m)
    m.start()
    check_told(m)
    with pytest.raises(OSError):
        m.history()
    restore(m)
    (m.mnt / "ctl").write_text("rebuild count")
    check_well(m)
    assert m.history() == b"".join(LINES)


def test_a_state_from_before_the_damage_is_whole(archived):
    m = archived
    damage(m)
    m.start()
    check_well(m)
    done = verify(m)
    assert done.returncode == 1 and "not compared: the log before it is damaged" in done.stdout.decode()


def test_a_line_that_is_no_event_is_told(new_mount):
    m = new_mount.prepare(reducers=["count"])
    good = line_of({"type": "a", "ts": 1})
    (m.data / "app.jsonl").write_bytes(good * 2 + b'{"type":"a\n' + b"\n" + good)
    m.start()
    assert m.view("count") == {"count": 3}
    why = (m.mnt / "views/count.error").read_text()
    assert "1 event is missing" in why and "event 3, offset" in why and "no event" in why
    status = m.status()["views"]["count"]
    at = 2 * len(good)
    assert status["holes"] == [{"from": at, "to": at + 11, "after": 2, "events": 1, "why": "no event"}]
    # Whoever looks into the past sees that line, too.
    assert json.loads((m.mnt / "at/5/count.json").read_bytes()) == {"count": 3}
    m.remount()
    assert m.view("count") == {"count": 3}
    assert m.status()["views"]["count"]["holes"] == status["holes"]


def test_many_holes_are_counted(new_mount):
    m = new_mount.prepare(reducers=["count"])
    good = line_of({"type": "a", "ts": 1})
    (m.data / "app.jsonl").write_bytes((good + b"junk\n") * 50)
    m.start()
    for _ in range(2):
        assert m.view("count") == {"count": 50}
        status = m.status()["views"]["count"]
        assert status["missing"] == 50 and len(status["holes"]) == 8
        assert "50 events are missing" in (m.mnt / "views/count.error").read_text()
        m.remount()


def test_poll_tells_of_a_hole(archived):
    """Who waits for a view is told when it has come past damage, even where the state stays the same."""
    m = archived
    (m.data / "reducers/none.jq").write_text("empty")
    damage(m)
    forget(m)
    m.start()
    check_told(m)
    assert m.view("none") is None  # it has come as far
    fd = os.open(m.mnt / "views/none.error", os.O_RDONLY)
    try:
        assert b"events are missing" in os.read(fd, 1000)
        while os.read(fd, 1000):
            pass
        restore(m)
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        (m.mnt / "ctl").write_text("rebuild")
        assert poll.poll(LIMIT * 1000)
    finally:
        os.close(fd)


def test_a_log_that_is_cut_for_a_while_leaves_nothing_out(archived):
    """As when it is copied over itself: what can't be read just now is no damage. Who looks is told after a moment, and the view
    comes back by itself."""
    m = archived
    m.start()
    (m.data / ARCHIVE).write_bytes(b"")
    (m.mnt / "ctl").write_text("rebuild")
    with pytest.raises(OSError) as caught:
        m.view("count")
    assert caught.value.errno == errno.EIO
    why = (m.mnt / "views/count.error").read_text()
    assert "can't be read" in why and "tried again" in why
    status = m.status()["views"]["count"]
    assert status["broken"] and status["error"] == why.rstrip("\n") and status["holes"] == []
    restore(m)
    until = time.monotonic() + LIMIT
    while (m.mnt / "views/count.error").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    check_well(m)


def test_reads_that_fail_now_and_then(new_mount):
    """Every other read of the worker's fails. Nobody is told, since nothing is amiss."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    m = new_mount(reducers=["count"])
    m.append(LINES[0])
    assert m.view("count") == {"count": 1}
    command = ["strace", "-qq", "-o", m.path / "trace", "-P", m.data / "app.jsonl"]
    command += ["-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=1+2"]
    tracer = subprocess.Popen([*command, "-p", str(m.status()["worker"]["pid"])], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + LIMIT
        while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{m.status()['worker']['pid']}/status").read_text():
            assert tracer.poll() is None and time.monotonic() < until, "strace does not attach"
            time.sleep(0.01)
        for i in range(1, 6):
            m.append(LINES[i])
            assert m.view("count") == {"count": i + 1}
        assert m.status()["views"]["count"]["error"] is None
    finally:
        tracer.terminate()
        tracer.wait(LIMIT)
    assert "INJECTED" in (m.path / "trace").read_text()


def test_a_damaged_frame_of_another_program(new_mount):
    """Without a size and a record nobody knows how much is lost; that something is, is told."""
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    m = new_mount.prepare(reducers=["count"])
    rng = random.Random(1)
    lines = [line_of({"type": "a", "ts": 1, "data": "".join(rng.choices("abcdefghijklmnop", k=300))}) for _ in range(1500)]
    frames = []
    for half in (lines[:500], lines[500:1000]):
        (m.path / "content").write_bytes(b"".join(half))
        frames.append(bytearray(m.sh("cat content | zstd -qc --no-check").stdout))
    block = 6 + 3 + int.from_bytes(frames[1][6:9], "little") // 8  # the second block of the second frame
    frames[1][block + 3 : block + 40] = b"\xff" * 37
    (m.data / ARCHIVE).write_bytes(b"".join(frames))
    (m.data / "app.jsonl").write_bytes(b"".join(lines[1000:]))
    m.start()
    for _ in range(2):
        assert m.view("count") == {"count": 1000}
        assert "events are missing (nobody knows how many behind event 500" in (m.mnt / "views/count.error").read_text()
        status = m.status()["views"]["count"]
        assert status["missing"] is None and status["holes"][0]["events"] is None
        with pytest.raises(OSError):
            m.history()
        m.remount()
