"""Rotation, the archive, and the format that is shared with the crate."""

import hashlib
import json
import os
import select
import shutil
import stat
import threading

import pytest
from harness import ROOT, eventfold, event, line_of, scaled, sh
from xxh64 import hex_of

from oracle import crate
from oracle import reducers as oracle

CRATE = ROOT / "tests/fixtures/crate-0.2.0"
ARCHIVE_1 = ROOT / "tests/fixtures/archive-1"
CRATE_SHA256 = "4a6ef4b80ad3b2ec1e26b5c726fae8d90af96faaaff3a90a90cb4d78c170de2e"
VIEWS = ("count", "types", "todos", "stats")


def rotate(m):
    (m.mnt / "ctl").write_text("rotate")


def kept(m):
    return [name for name in crate.STEPS if (m.data / f"reducers/{name}.so").is_symlink()]


def end(m):
    """Unmounts, with every view at the head. Then any reader has all of it, and goes on from our snapshots to the
    right views."""
    for name in kept(m):
        m.view(name)
    history = m.history()
    m.unmount()
    check_disk(m, history)


def check_disk(m, history):
    assert not (m.data / "app.jsonl.sealed").exists()
    assert crate.history(m.data) == history
    sh(f"{eventfold()} verify data", cwd=m.path)
    events = [json.loads(line) for line in history.splitlines()]
    for name in crate.STEPS:
        if name in kept(m):
            assert crate.trusts(m.data, name), f"{name}: {crate.snapshot(m.data, name)}"
        assert crate.view(m.data, name) == oracle.fold(name, events), name


def check_views(m):
    events = m.events()
    for name in VIEWS:
        assert m.view(name) == oracle.fold(name, events), name
        assert m.offset(name) == m.app.stat().st_size


# What the crate wrote.


@pytest.fixture
def crates(new_mount):
    """The crate's directory, mounted."""
    m = new_mount.prepare()
    for name in ("app.jsonl", "archive.jsonl.zst"):
        shutil.copyfile(CRATE / name, m.data / name)
    (m.data / "views").mkdir()
    for path in (CRATE / "views").iterdir():
        shutil.copyfile(path, m.data / "views" / path.name)
    return m.start()


def test_crate_directory_mounts_with_every_event(crates):
    m = crates
    assert hashlib.sha256(m.history()).hexdigest() == CRATE_SHA256
    assert m.app.stat().st_size == len(m.history())
    assert [ev["ts"] for ev in m.events()] == sorted(ev["ts"] for ev in m.events())
    assert m.view("count") == {"count": 3200} == json.loads((CRATE / "views/counter.snapshot.json").read_text())["state"]
    assert m.view("types") == json.loads((CRATE / "views/stats.snapshot.json").read_text())["state"]
    theirs = json.loads((CRATE / "views/todos.snapshot.json").read_text())["state"]
    assert m.view("todos")["items"] == theirs["items"]
    check_views(m)
    # Its own snapshots are none of ours, so nothing was taken from them.
    assert m.status()["views"]["todos"]["folded"] >= 3200
    line = m.history().splitlines()[-1]
    assert m.head() == f"{len(m.history())}:{hex_of(line)}\n"


def test_crate_archive_by_offset_and_number(crates):
    m = crates
    whole = m.history()
    for off in (0, 1, 452_006, 452_007, 452_008, 300_000, len(whole) - 1):
        with open(m.app, "rb", buffering=0) as f:
            assert os.pread(f.fileno(), 5000, off) == whole[off : off + 5000]
    lines = whole.splitlines(keepends=True)
    for n in (0, 1, 1499, 1500, 1501, 2500, 3200):
        assert (m.mnt / f"at/{n}/app").read_bytes() == b"".join(lines[:n])
        assert json.loads((m.mnt / f"at/{n}/count.json").read_bytes()) == {"count": n}


def test_archive_of_version_1_is_read_and_goes_on(new_mount):
    """Written before records of version 2: two rotations, then an active log."""
    m = new_mount.prepare()
    for name in ("app.jsonl", "archive.jsonl.zst"):
        shutil.copyfile(ARCHIVE_1 / name, m.data / name)
    assert b"evfold1" in (m.data / "archive.jsonl.zst").read_bytes()
    before = crate.history(m.data)
    m.start()
    assert m.history() == before and m.status()["log"]["events"] == 120 and m.status()["log"]["frames"] == 2
    for _ in range(2):
        rotate(m)
        m.append(event(1), event(2))
    lines = m.history().splitlines(keepends=True)
    assert b"".join(lines[:120]) == before and len(lines) == 124
    for n in (0, 1, 39, 40, 41, 80, 81, 120, 121, 124):
        assert (m.mnt / f"at/{n}/app").read_bytes() == b"".join(lines[:n])
    m.unmount()
    archive = (m.data / "archive.jsonl.zst").read_bytes()
    assert archive.startswith((ARCHIVE_1 / "archive.jsonl.zst").read_bytes()) and b"evfold2" in archive
    assert crate.history(m.data) == b"".join(lines)
    m.sh(f"{eventfold()} verify data")


def test_crate_directory_goes_on_here_and_there(crates):
    m = crates
    m.append(*(event(i) for i in range(50)))
    rotate(m)
    m.append(*(event(i) for i in range(50, 70)))
    rotate(m)
    m.append(*(event(i) for i in range(70, 75)))
    check_views(m)
    history = m.history()
    assert history.count(b"\n") == 3275
    end(m)
    assert hashlib.sha256(history[:579_537]).hexdigest() == CRATE_SHA256
    # Its snapshots of views that nobody keeps here have missed a rotation: they must not look current to it.
    assert sorted(p.name for p in (m.data / "views").iterdir()) == [f"{name}.snapshot.json" for name in sorted(VIEWS)]
    # What the crate does then: appends, and rotates by one frame without a size.
    more = b"".join(line_of(event(i)) for i in range(75, 95))
    with open(m.data / "app.jsonl", "ab") as f:
        f.write(more)
    sh("zstd -q3 --no-check --stdout < data/app.jsonl >> data/archive.jsonl.zst && : > data/app.jsonl", cwd=m.path)
    history += more
    m.start()
    assert m.history() == history
    check_views(m)
    rotate(m)
    m.append(event(1))
    end(m)


def test_crate_appends_behind_our_snapshots(m):
    m.append(*(event(i) for i in range(10)))
    m.view("count")  # a view that has not come to read yet has nothing to save
    m.unmount()
    assert crate.snapshot(m.data, "count")["offset"] == len(crate.active(m.data))
    with open(m.data / "app.jsonl", "ab") as f:
        f.write(line_of(event(10)))
    assert crate.view(m.data, "count") == {"count": 11}
    m.start()
    check_views(m)
    assert m.status()["views"]["count"]["folded"] == 1  # from the snapshot on


# Rotation.


def test_rotate_by_command(m):
    m.append(*(event(i) for i in range(100)))
    head, history = m.head(), m.history()
    rotate(m)  # comes back when it is done
    assert (m.data / "app.jsonl").read_bytes() == b""
    assert not (m.data / "app.jsonl.sealed").exists()
    assert crate.archived(m.data) == history
    assert m.head() == head
    assert m.history() == history
    check_views(m)
    log = m.status()["log"]
    assert (log["archived_bytes"], log["active_bytes"], log["frames"]) == (len(history), 0, 1)
    size = (m.data / "archive.jsonl.zst").stat().st_size
    rotate(m)  # nothing to do
    assert (m.data / "archive.jsonl.zst").stat().st_size == size
    m.append(event(100))
    assert m.history() == history + line_of(event(100))
    check_views(m)
    end(m)


def test_rotate_while_a_rotation_is_under_way(new_mount):
    """It is waited for, and what was appended since is rotated as well."""
    m = new_mount.prepare(reducers=[])
    sealed = b"".join(line_of(event(i, pad=20_000)) for i in range(scaled(4000, 1000)))
    (m.data / "app.jsonl.sealed").write_bytes(sealed)
    (m.data / "app.jsonl").write_bytes(line_of(event(0)))
    m.start()
    rotate(m)
    assert not (m.data / "app.jsonl.sealed").exists()
    assert (m.data / "app.jsonl").read_bytes() == b""
    m.unmount()
    assert crate.archived(m.data) == sealed + line_of(event(0))


def test_rotate_by_several_at_once(new_mount):
    """Each comes back when what was appended before is in the archive: no longer in the other files."""
    m = new_mount(reducers=[])
    failed = []

    def left(line):
        for path in (m.data / "app.jsonl", m.data / "app.jsonl.sealed"):
            try:
                if line in path.read_bytes():
                    return True
            except FileNotFoundError:
                pass
        return False

    def work(w):
        for i in range(scaled(40, 10)):
            line = line_of({"type": "t", "data": f"{w}:{i}", "ts": 1})
            m.append(line)
            rotate(m)
            if left(line):
                failed.append(line)

    threads = [threading.Thread(target=work, args=(w,)) for w in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    assert len(m.events()) == 4 * scaled(40, 10)


def test_rotate_by_size(new_mount):
    m = new_mount(options="rotate=64K")
    m.append(*(event(i, pad=200) for i in range(1000)))
    rotate(m)  # waits for one that is under way
    log = m.status()["log"]
    assert log["archived_bytes"] + log["active_bytes"] == len(m.history()) == 201_000
    assert log["archived_bytes"] >= 65536
    assert [ev["id"] for ev in m.events()] == [f"e{i}" for i in range(1000)]
    check_views(m)
    end(m)


def test_no_rotation_when_off(new_mount):
    m = new_mount(options="rotate=off")
    m.append(*(event(i, pad=2000) for i in range(100)))
    assert not (m.data / "archive.jsonl.zst").exists()
    assert m.status()["options"]["rotate"] == "off"
    rotate(m)
    assert (m.data / "archive.jsonl.zst").exists()


def test_offsets_do_not_move(m):
    m.append(*(event(i) for i in range(20)))
    before = [(m.mnt / f"views/count.{what}").read_text() for what in ("offset", "hash")]
    shown = m.snapshot("count")
    with open(m.app, "rb", buffering=0) as f:
        first = os.read(f.fileno(), 500)
        rotate(m)
        m.append(event(20))
        rest = b"".join(iter(lambda: os.read(f.fileno(), 700), b""))
    assert first + rest == m.history()
    rotate(m)
    m.append(event(21))
    history = m.history()
    assert before[0] == f"{len(b''.join(history.splitlines(keepends=True)[:20]))}\n"
    assert shown["offset"] == int(before[0])
    assert m.snapshot("count")["offset"] == len(history)
    end(m)
    # On disk the offset counts into the active log.
    assert crate.snapshot(m.data, "count")["offset"] == len(line_of(event(21)))


def test_readers_and_tails_notice_nothing(new_mount):
    m = new_mount(options="rotate=64K")
    n = scaled(6000, 800)
    got, failed = {}, []

    def follow(name):
        data = b""
        with open(m.mnt / "tail" / name, "rb", buffering=0) as f:
            while data.count(b"\n") < n:
                data += f.read(1 << 16)
        got[name] = data

    def reread():
        seen = b""
        while not got:
            now = m.history()
            if not now.startswith(seen) or (now and not now.endswith(b"\n")):
                failed.append(len(now))
            seen = now

    threads = [threading.Thread(target=follow, args=("app@0",)), threading.Thread(target=reread)]
    for t in threads:
        t.start()
    with open(m.app, "ab", buffering=0) as f:
        for i in range(0, n, 8):
            f.write(b"".join(line_of(event(k, pad=150)) for k in range(i, i + 8)))
    for t in threads:
        t.join()
    history = m.history()
    assert got["app@0"] == history
    assert not failed
    assert m.status()["log"]["frames"] >= n * 150 // 65536 // 4
    end(m)


def test_poll_across_a_rotation(m):
    m.append(event(0))
    with open(m.app, "rb", buffering=0) as f:
        import select

        poll = select.poll()
        poll.register(f, select.POLLIN)
        assert poll.poll(0)
        f.read()
        assert not poll.poll(0)
        rotate(m)
        assert not poll.poll(0)  # a rotation adds nothing to read
        m.append(event(1))
        assert poll.poll(10_000)
        assert f.read() == line_of(event(1))


def test_conditional_append_across_a_rotation(m):
    m.append(event(0))
    head = m.head().strip()
    rotate(m)
    with open(m.mnt / f"events/app@{head}", "ab", buffering=0) as f:
        f.write(line_of(event(1)))
    with pytest.raises(OSError), open(m.mnt / f"events/app@{head}", "ab", buffering=0) as f:
        f.write(line_of(event(2)))
    assert len(m.events()) == 2


def test_frames_are_small_and_self_describing(new_mount):
    m = new_mount(options="rotate=off", reducers=["count"])
    line = line_of(event(0, pad=1000))
    (m.path / "events").write_bytes(line * 4000)
    m.sh("cat events > mnt/events/app")
    rotate(m)
    end(m)
    listing = m.sh("zstd -lv data/archive.jsonl.zst").stdout.decode()
    assert "Check: XXH64" in listing and "Decompressed Size" in listing, listing
    assert "(4004000 B)" in listing, listing
    frames = int(next(row for row in listing.splitlines() if "# Zstandard Frames" in row).split(":")[1])
    assert frames == 4


def test_ctl(m):
    with pytest.raises(OSError) as e:
        (m.mnt / "ctl").write_text("compress")
    assert e.value.errno == 22
    for bad in ("rotate now", "rebuild count types", "rebuild nosuch", "snapshot count", "rotate\0", "snapshot\0 and more"):
        with pytest.raises(OSError):
            (m.mnt / "ctl").write_text(bad)
    m.append(event(0))
    (m.mnt / "ctl").write_text("rebuild count\n")
    (m.mnt / "ctl").write_text("rebuild\n")
    check_views(m)
    assert stat.S_IMODE((m.mnt / "ctl").stat().st_mode) & 0o222


def test_snapshot_by_command(m):
    m.append(event(0))
    m.view("count")
    (m.mnt / "ctl").write_text("snapshot\n")
    path = m.data / "views/count.snapshot.json"
    m.sh(f"timeout 20 sh -c 'until [ -e {path} ]; do sleep 0.01; done'")
    saved = json.loads(path.read_bytes())
    assert saved["state"] == {"count": 1}
    assert saved["offset"] == len(line_of(event(0)))


# Snapshots of views that nobody keeps: after a rotation the crate would take one with offset 0 for current.


def put_stale(m):
    """A snapshot as the crate leaves it behind a rotation, of a view that has no reducer here."""
    (m.data / "views").mkdir(exist_ok=True)
    (m.data / "views/counter.snapshot.json").write_text('{"state":{"count":0},"offset":0,"hash":""}')


def test_unkept_snapshots_go_at_rotation(m):
    put_stale(m)
    m.append(event(0))
    assert (m.data / "views/counter.snapshot.json").exists()
    rotate(m)
    end(m)
    assert not (m.data / "views/counter.snapshot.json").exists()


def test_unkept_snapshots_go_when_a_rotation_is_finished_later(new_mount):
    m = new_mount.prepare()
    put_stale(m)
    (m.data / "app.jsonl.sealed").write_bytes(line_of(event(0)) + line_of(event(1)))
    (m.data / "app.jsonl").write_bytes(line_of(event(2)))
    m.start()
    assert m.view("count") == {"count": 3}
    m.unmount()
    assert not (m.data / "views/counter.snapshot.json").exists()


def test_no_stale_snapshot_looks_current(m):
    """At whatever moment after a rotation the daemon ends: not of a view that is kept, either."""
    put_stale(m)
    for i in range(scaled(30, 5)):
        m.append(event(2 * i))
        m.view("count")
        rotate(m)
        m.remount()  # all snapshots stand at the beginning of the active log
        assert not (m.data / "views/counter.snapshot.json").exists()
        put_stale(m)
        m.append(event(2 * i + 1))
        rotate(m)
        m.kill()
        assert crate.active(m.data) == b""
        for name in ("count", "types"):
            snapshot = crate.snapshot(m.data, name)
            if snapshot and snapshot["offset"] == 0:
                events = [oracle.load(line.decode()) for line in crate.history(m.data).splitlines()]
                assert snapshot["state"] == oracle.fold(name, events)
        assert not (m.data / "views/counter.snapshot.json").exists()
        m.start()


def test_snapshot_of_a_removed_view_goes_at_rotation(m):
    m.append(event(0))
    rotate(m)
    m.remount()  # all snapshots stand at offset 0
    (m.data / "reducers/types.so").unlink()
    assert "types.json" not in os.listdir(m.mnt / "views")
    m.append(event(1))
    rotate(m)
    end(m)
    assert crate.snapshot(m.data, "types") is None


# Lines that are long, or all the same.


@pytest.mark.parametrize("size", [100 << 10, 16 << 20])
def test_long_line(m, size):
    edge = b'{"type":"a","ts":1,"data":"'
    line = edge + b"x" * (size - len(edge) - 2) + b'"}'
    m.append(event(0))
    with open(m.app, "ab", buffering=0) as f:
        rest = line + b"\n"
        while rest:
            rest = rest[f.write(rest[: 1 << 20]) :]
    want = hash_by_xxhsum(m, line)
    off = len(line_of(event(0))) + size + 1
    assert m.head() == f"{off}:{want}\n"
    assert m.hash("types") == want
    m.remount()
    assert m.status()["views"]["types"]["folded"] == 0, m.stderr()  # from its snapshot
    assert m.head() == f"{off}:{want}\n"
    with open(m.mnt / f"events/app@{off}:{want}", "ab", buffering=0) as f:
        f.write(line_of(event(1)))
    rotate(m)
    m.append(event(2))
    assert m.history().splitlines()[1] == line
    assert m.view("types") == {"todo_added": 2, "a": 1, "todo_completed": 1}
    history = m.history()
    m.unmount()
    assert crate.history(m.data) == history
    m.sh(f"{eventfold()} verify data")


def hash_by_xxhsum(m, line):
    """Plain Python takes too long for 16 MiB."""
    if len(line) <= 1 << 17:
        return hex_of(line)
    xxhsum = shutil.which("xxhsum")
    if not xxhsum:
        return m.head().strip().split(":")[1]
    (m.path / "line").write_bytes(line)
    return sh(f"{xxhsum} -H64 line", cwd=m.path).stdout.decode().split()[0]


def test_identical_lines(m):
    line = b'{"type":"same","data":1,"ts":1}\n'
    same = hex_of(line[:-1])
    for i in range(1, 1001):
        m.append(line)
        if i % 250 == 0:
            assert m.head() == f"{i * len(line)}:{same}\n"
            assert m.view("count") == {"count": i}
        if i == 400:
            rotate(m)
        if i == 700:
            m.remount()
    # The hash alone would hold anywhere; the offset must, too.
    with pytest.raises(OSError) as e, open(m.mnt / f"events/app@{999 * len(line)}:{same}", "ab", buffering=0) as f:
        f.write(line)
    assert e.value.errno == 116
    with open(m.mnt / f"events/app@{1000 * len(line)}:{same}", "ab", buffering=0) as f:
        f.write(line)
    check_views(m)
    assert m.history() == line * 1001
    end(m)
    # The log without its last line: a snapshot's hash holds at other places too, but it is not taken.
    content = (m.data / "app.jsonl").read_bytes()
    (m.data / "app.jsonl").write_bytes(content[: -len(line)])
    m.start()
    assert m.view("count") == {"count": 1000}
