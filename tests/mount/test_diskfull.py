"""A full disk: a small ext4 in a file. Nothing of a refused line is in the log, all before it is, and appending works again once
there is room."""

import errno
import json
import os
import resource
import shutil
import subprocess

import pytest
from following import until
from harness import Mount, eventfold, event, line_of

from oracle import crate
from oracle import reducers as oracle

MIB = 1 << 20


def run(*command):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a filesystem of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a filesystem")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with open(image, "wb") as f:
        f.truncate(8 * MIB)
    done = run("mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", image)
    assert done.returncode == 0, done.stdout.decode()
    done = run("mount", "-o", "loop", image, disk)
    if done.returncode != 0:
        pytest.skip(f"no loop device: {done.stdout.decode().strip()}")
    yield disk
    for m in list(Mount.live):
        m.abandon()
    done = run("umount", disk)
    assert done.returncode == 0, done.stdout.decode()


class Full:
    """Takes up all the room of a disk but for some bytes."""

    def __init__(self, disk, leave=0):
        self.path = disk / "ballast"
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        size = 0
        try:
            for piece in (1 << 16, 4096):
                try:
                    while True:
                        size += os.pwrite(fd, b"x" * piece, size)
                except OSError as e:
                    assert e.errno == errno.ENOSPC
            os.ftruncate(fd, max(0, size - leave))
            os.fsync(fd)
        finally:
            os.close(fd)

    def free(self):
        self.path.unlink()


@pytest.fixture
def full_mount(small_disk, request):
    """Mounted, its data on the small disk, the mount point elsewhere."""
    made = []

    def make(**kwargs):
        m = Mount(small_disk.parent / "m", start=False, **kwargs)
        for name in m.data.iterdir():
            shutil.move(name, small_disk / name.name)
        m.data.rmdir()
        m.data.symlink_to(small_disk)
        made.append(m)
        return m.start()

    yield make
    for m in made:
        m.__exit__(None if not getattr(request.node, "failed_call", False) else AssertionError)


def fill(m, lines):
    """Appends until there is no room; how many were taken."""
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    n = 0
    try:
        for line in lines:
            assert os.write(fd, line) == len(line)
            n += 1
    except OSError as e:
        assert e.errno == errno.ENOSPC
        return n
    finally:
        os.close(fd)
    raise AssertionError("it never became full")


def test_no_room_for_a_line(full_mount, small_disk):
    m = full_mount(options="rotate=off")
    lines = [line_of(event(i, pad=300)) for i in range(2000)]
    m.append(*lines[:3])
    ballast = Full(small_disk, leave=20_000)
    n = 3 + fill(m, lines[3:])
    assert m.history() == b"".join(lines[:n])
    assert crate.active(m.data) == b"".join(lines[:n])  # no part of the refused one
    assert not m.status()["log"]["read_only"]
    assert m.view("count") == {"count": n}
    with pytest.raises(OSError) as e:
        m.append(*lines[n : n + 20])
    assert e.value.errno == errno.ENOSPC
    ballast.free()
    m.append(*lines[n : n + 5])
    assert m.history() == b"".join(lines[: n + 5])
    m.remount()
    assert m.status()["recovered"] == 0
    assert m.history() == b"".join(lines[: n + 5])


def test_no_room_for_some_of_a_write(full_mount, small_disk):
    """One write of many lines: those that fit are in, and the writer is told how many bytes that was."""
    m = full_mount(options="rotate=off")
    lines = [line_of(event(i, pad=300)) for i in range(1000)]
    m.append(lines[0])
    ballast = Full(small_disk, leave=40_000)
    data = b"".join(lines[1:])
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    stored = os.write(fd, data)
    assert 0 < stored < len(data) and data[:stored].endswith(b"\n")
    with pytest.raises(OSError) as e:
        os.write(fd, data[stored:])
    assert e.value.errno == errno.ENOSPC
    assert m.history() == lines[0] + data[:stored]
    ballast.free()
    assert os.write(fd, data[stored:]) == len(data) - stored
    os.close(fd)
    assert m.history() == b"".join(lines)


@pytest.mark.parametrize("sync", ["close", "none"])
def test_no_room_is_told_at_the_latest_by_fsync(full_mount, small_disk, sync):
    m = full_mount(options=f"rotate=off,sync={sync}")
    ballast = Full(small_disk, leave=8192)
    lines = [line_of(event(i, pad=300)) for i in range(400)]
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    errors, taken = [], 0
    for line in lines:
        try:
            os.write(fd, line)
            taken += 1
        except OSError as e:
            errors.append(e.errno)
            break
    try:
        os.fsync(fd)
    except OSError as e:
        errors.append(e.errno)
    try:
        os.close(fd)
    except OSError as e:
        errors.append(e.errno)
    assert errors and set(errors) == {errno.ENOSPC}, errors
    n = len(m.events())
    assert m.history() == b"".join(lines[:n])
    # What was taken and found no room can be found: shells look at no close.
    left = m.rejected()
    assert "".join(e["line"] for e in left).encode() == b"".join(lines[n:taken])
    assert {e["error"] for e in left} <= {"ENOSPC"}
    ballast.free()
    m.append(event(1))
    assert len(m.events()) == n + 1


def test_no_room_for_a_rotation(full_mount, small_disk):
    m = full_mount(options="rotate=off")
    rng = os.urandom
    lines = [line_of({"type": "a", "ts": i, "data": rng(600).hex()}) for i in range(1000)]
    (m.path / "lines").write_bytes(b"".join(lines))
    m.sh("cat lines > mnt/events/app")
    ballast = Full(small_disk, leave=60_000)
    with pytest.raises(OSError) as e:
        (m.mnt / "ctl").write_text("rotate")
    assert e.value.errno == errno.ENOSPC
    assert "archive.jsonl.zst" in m.stderr()
    history = b"".join(lines)
    assert m.history() == history
    m.append(event(1))  # there is still some room for events
    history += line_of(event(1))
    assert m.history() == history
    m.remount()  # with the rotation half done
    assert m.history() == history
    assert m.view("count") == {"count": 1001}
    ballast.free()
    (m.mnt / "ctl").write_text("rotate")
    assert not (m.data / "app.jsonl.sealed").exists()
    assert crate.archived(m.data) in (history, b"".join(lines))
    assert m.history() == history
    m.unmount()
    assert crate.history(m.data) == history
    m.sh(f"{eventfold()} verify data/")


def test_no_room_for_snapshots(full_mount, small_disk):
    m = full_mount(reducers=["count", "types"])
    # A state that is large enough not to fit.
    (small_disk / "reducers/large.jq").write_text('(. // []) + [$event.data]')
    lines = [line_of({"type": "a", "ts": i, "data": "x" * 3000}) for i in range(200)]
    m.append(*lines[:50])
    (m.mnt / "ctl").write_text("rotate")
    for name in ("count", "types", "large"):
        m.view(name)
    m.remount()
    m.append(*lines[50:])
    ballast = Full(small_disk)
    for name in ("count", "types", "large"):
        m.view(name)
    (m.mnt / "ctl").write_text("snapshot")
    m.sh("timeout 20 sh -c 'until grep -q \"could not be saved: No space\" stderr; do sleep 0.01; done'")
    assert m.view("count") == {"count": 200}
    # One was told; another may be at it. None leaves anything.
    until(lambda: not [name for name in os.listdir(small_disk / "views") if name.startswith(".")])
    ballast.free()
    # The end is another chance, though nothing was appended since.
    m.unmount()
    assert len(crate.snapshot(m.data, "large")["state"]) == 200
    for name in ("count", "types"):
        assert crate.snapshot(m.data, name)["offset"] == len(crate.active(m.data))
    m.start()
    assert m.status()["views"]["count"]["folded"] == 0
    events = [json.loads(line) for line in lines]
    for name in ("count", "types"):
        assert m.view(name) == oracle.fold(name, events)
    m.unmount()


def test_mounted_while_there_is_no_room(full_mount, small_disk):
    m = full_mount()
    m.append(*(event(i) for i in range(10)))
    history = m.history()
    m.kill()
    with open(small_disk / "app.jsonl", "ab") as f:
        f.write(b'{"type":"torn')
    ballast = Full(small_disk)
    try:
        m.start()
    except AssertionError as e:
        # Nothing may be cut off that could not be kept elsewhere: so it says why it does not start.
        assert "No space left" in str(e)
        Mount.live.remove(m)
        ballast.free()
        m.start()
    else:
        assert m.history() == history
        ballast.free()
    assert m.history() == history
    m.append(event(10))
    assert m.view("count") == {"count": 11}


def test_file_size_limit(m):
    """ulimit -f: the writer hears of it, and the daemon lives on."""
    lines = [line_of(event(i, pad=300)) for i in range(50)]
    m.append(*lines[:5])
    limit = resource.prlimit(m.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(m.pid, resource.RLIMIT_FSIZE, (5000, limit[1]))
    with pytest.raises(OSError) as e:
        m.append(*lines[5:])
    assert e.value.errno == errno.EFBIG
    n = len(m.events())
    assert m.history() == b"".join(lines[:n])
    assert m.view("count") == {"count": n}
    resource.prlimit(m.pid, resource.RLIMIT_FSIZE, limit)
    m.append(*lines[n:])
    assert m.history() == b"".join(lines)


@pytest.mark.parametrize("sync", ["write", "close"])
def test_no_room_for_a_group(full_mount, small_disk, sync):
    """All of it is there or nothing; it can come again, and what is smaller still enters."""
    m = full_mount(options=f"rotate=off,sync={sync}")
    groups = [[line_of(event(i * 50 + k, pad=300)) for k in range(50)] for i in range(100)]
    lines = [b"[" + b",".join(line[:-1] for line in group) + b"]\n" for group in groups]
    m.append(lines[0])
    ballast = Full(small_disk, leave=100_000)
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    n, failed = 1, None
    while not failed:
        try:
            os.write(fd, lines[n])
            os.fsync(fd)
            n += 1
        except OSError as e:
            failed = e.errno
    assert failed == errno.ENOSPC
    want = b"".join(b"".join(group) for group in groups[:n])
    assert m.history() == want == crate.active(m.data)
    assert not m.status()["log"]["read_only"]
    m.append(*groups[n][:2])
    want += b"".join(groups[n][:2])
    assert m.history() == want
    ballast.free()
    os.write(fd, lines[n + 1])
    os.close(fd)
    want += b"".join(groups[n + 1])
    assert m.history() == want
    m.kill()
    m.detach()
    m.start()
    assert m.history() == want and m.status()["recovered"] == 0


def test_what_rules_let_in_and_there_was_no_room_for(full_mount, small_disk):
    """It is not there for the rules either."""
    m = full_mount(options="rotate=off", reducers=[])
    (m.mnt / "reducers/last.jq").write_text("$event.data.n")
    (m.mnt / "rules/last.jq").write_text('if $event.data.n == (. // 0) + 1 then empty else "the last is \\(. // 0)" end')
    lines = [line_of({"type": "n", "data": {"n": n}, "meta": "x" * 300, "ts": 1}) for n in range(1, 3000)]
    m.append(*lines[:3])
    ballast = Full(small_disk, leave=20_000)
    n = 3 + fill(m, lines[3:])
    assert m.history() == b"".join(lines[:n])
    with pytest.raises(OSError) as e:
        m.append(lines[n + 1])
    assert e.value.errno == errno.EPERM
    assert m.rejected()[-1]["reason"] == f"last: the last is {n}"
    ballast.free()
    with pytest.raises(OSError) as e:
        m.append(lines[n - 1])
    assert e.value.errno == errno.EPERM
    m.append(*lines[n : n + 5])
    assert m.history() == b"".join(lines[: n + 5])
