"""What a crash leaves behind is mended when the log is opened: nothing is lost, nothing is there twice, and it is said."""

import json
import os
import random
import shutil
import time

import pytest
from harness import FULL, LIMIT, SLOW, eventfold, event, line_of, tree
from test_kill import load

from oracle import crate
from oracle import reducers as oracle

VIEWS = ("count", "types", "todos", "stats")
LINES = [line_of(event(i)) for i in range(12)]
ROUNDS = 15 if SLOW else 150 if FULL else 30


def compressed(m, content):
    (m.path / "content").write_bytes(content)
    return m.sh("zstd -qc content").stdout


def rotated(m, head, tail):
    """An archive as this program writes it, with `head` in it; the active log is `tail`. Unmounted."""
    m.start()
    m.append(*head)
    (m.mnt / "ctl").write_text("rotate")
    if tail:
        m.append(*tail)
    for name in VIEWS:
        m.view(name)
    m.unmount()
    return (m.data / "archive.jsonl.zst").read_bytes()


def check(m, lines):
    """Mounted: exactly these lines."""
    assert m.history() == b"".join(lines)
    events = [oracle.load(line) for line in lines]
    for name in VIEWS:
        assert m.view(name) == oracle.fold(name, events), name
    assert m.status()["log"]["events"] == len(lines)


# The last line.


@pytest.mark.parametrize("cut", [1, 2, 10, len(LINES[2]) - 1])
def test_torn_last_line(new_mount, cut):
    m = new_mount.prepare()
    (m.data / "app.jsonl").write_bytes(b"".join(LINES[:3])[:-cut])
    m.start()
    whole = cut == 1  # only its newline is missing
    check(m, LINES[: 3 if whole else 2])
    assert m.status()["recovered"] == 1
    assert m.stderr().count("app.jsonl") >= 1
    m.append(LINES[5])  # the acknowledged event after it is a line of its own
    check(m, LINES[: 3 if whole else 2] + [LINES[5]])
    if not whole:
        assert (m.data / "app.jsonl.torn").read_bytes() == LINES[2][:-cut] + b"\n"
    m.remount()
    check(m, LINES[: 3 if whole else 2] + [LINES[5]])
    assert m.status()["recovered"] == 0


def test_torn_lines_of_several_crashes_are_all_kept(new_mount):
    m = new_mount.prepare()
    for i in range(3):
        with open(m.data / "app.jsonl", "ab") as f:
            f.write(b'{"type":"t%d' % i)
        m.start()
        m.append(LINES[i])
        m.unmount()
    assert (m.data / "app.jsonl.torn").read_bytes() == b'{"type":"t0\n{"type":"t1\n{"type":"t2\n'


def test_bad_lines_in_the_middle(new_mount):
    m = new_mount.prepare()
    bad = [b"\n", b"nonsense\n", b'{"type":"a"\n', b"\0" * 100 + b"\n", b'{"type":"","data":1,"ts":1}\n', b"[1]\n"]
    mixed = [line for pair in zip(LINES, bad) for line in pair]
    (m.data / "app.jsonl").write_bytes(b"".join(mixed))
    m.start()
    assert m.history() == b"".join(mixed)  # as it is
    for name in VIEWS:
        assert m.view(name) == oracle.fold(name, [oracle.load(line) for line in LINES[: len(bad)]])
    m.append(LINES[7])
    assert m.view("count") == {"count": len(bad) + 1}
    done = m.sh(f"{eventfold()} verify data", check=False)
    assert done.returncode == 1
    off = 0
    for i, line in enumerate(mixed):
        if line in bad:
            assert f"event {i + 1}, offset {off}:" in done.stdout.decode(), done.stdout.decode()
        off += len(line)


# Rotations that were not finished.


def test_stopped_between_the_renames(new_mount):
    m = new_mount.prepare()
    (m.data / "app.jsonl.sealed").write_bytes(b"".join(LINES[:5]))
    (m.data / ".app.jsonl.new").touch()
    m.start()
    check(m, LINES[:5])
    assert m.status()["recovered"] >= 1
    (m.mnt / "ctl").write_text("rotate")
    m.unmount()
    assert sorted(os.listdir(m.data)) == ["app.jsonl", "archive.jsonl.zst", "reducers", "rules", "views"]
    assert crate.archived(m.data) == b"".join(LINES[:5])


@pytest.mark.parametrize("older", [0, 4])
def test_archive_stopped_at_every_byte(new_mount, older):
    """The sealed file is there, and the archive has any part of its rotation."""
    m = new_mount.prepare()
    before = rotated(m, LINES[:older], []) if older else b""
    after = rotated(m, LINES[older:8], LINES[8:10])
    rng = random.Random(older)
    n = len(after) - len(before)
    cuts = sorted({0, 1, n - 1, n, n - 200, *rng.sample(range(n), 60 if FULL else 12)})
    for name in VIEWS:
        (m.data / f"views/{name}.snapshot.json").rename(m.path / name)
    for cut in cuts:
        (m.data / "archive.jsonl.zst").write_bytes(after[: len(before) + cut])
        if not older and cut == 0:
            (m.data / "archive.jsonl.zst").unlink()
        (m.data / "app.jsonl").write_bytes(b"".join(LINES[8:10]))
        # With the END written the sealed file is gone: never both.
        if cut < n:
            (m.data / "app.jsonl.sealed").write_bytes(b"".join(LINES[older:8]))
        for name in VIEWS:
            if cut % 2:
                (m.data / f"views/{name}.snapshot.json").write_bytes((m.path / name).read_bytes())
            else:
                (m.data / f"views/{name}.snapshot.json").unlink(missing_ok=True)
        listed = m.sh(f"{eventfold()} log data").stdout
        assert listed == b"".join(LINES[:10]), f"cut at {cut} of {n}"
        m.start()
        check(m, LINES[:10])
        (m.mnt / "ctl").write_text("rotate")
        m.append(LINES[10])
        check(m, LINES[:11])
        m.unmount()
        assert crate.archived(m.data) == b"".join(LINES[:10]), f"cut at {cut} of {n}"
        assert not (m.data / "app.jsonl.sealed").exists()
        m.sh(f"{eventfold()} verify data")


def test_crate_stopped_within_a_frame(new_mount):
    """Half a frame at the end of the archive and nothing that holds its content: cut off, kept apart, and told."""
    m = new_mount.prepare()
    frames = [compressed(m, b"".join(LINES[a:b])) for a, b in ((0, 3), (3, 6), (6, 9))]
    for cut in (1, 4, 12, len(frames[2]) - 1):
        (m.data / "archive.jsonl.zst").write_bytes(frames[0] + frames[1] + frames[2][:cut])
        (m.data / "app.jsonl").write_bytes(LINES[9])
        (m.data / "archive.jsonl.zst.torn").unlink(missing_ok=True)
        m.start()
        check(m, LINES[:6] + [LINES[9]])
        assert m.status()["recovered"] == 1
        assert "archive.jsonl.zst" in m.stderr()
        m.append(LINES[10])
        (m.mnt / "ctl").write_text("rotate")
        check(m, LINES[:6] + LINES[9:11])
        m.unmount()
        assert (m.data / "archive.jsonl.zst.torn").read_bytes() == frames[2][:cut] + b"\n"
        assert crate.history(m.data) == b"".join(LINES[:6] + LINES[9:11])


def test_power_lost_while_mending(new_mount):
    """kill -9 as soon as it runs, again and again, with a rotation half done and a torn line."""
    m = new_mount.prepare()
    (m.data / "app.jsonl.sealed").write_bytes(b"".join(LINES[:5]))
    (m.data / "app.jsonl").write_bytes(LINES[5] + LINES[6][:10])
    for _ in range(10):
        m.start()
        m.kill()
    m.start()
    check(m, LINES[:6])


def test_temporary_files_are_no_hindrance(new_mount):
    m = new_mount.prepare()
    (m.data / "app.jsonl").write_bytes(b"".join(LINES[:5]))
    (m.data / ".app.jsonl.new").write_bytes(LINES[7])
    (m.data / "views").mkdir()
    for name in ("count", "nosuch"):
        (m.data / f"views/.{name}.snapshot.json.tmp").write_bytes(b'{"state":{"count":7')
    m.start()
    check(m, LINES[:5])
    (m.mnt / "ctl").write_text("rotate")
    m.unmount()
    assert not (m.data / ".app.jsonl.new").exists()
    assert [p for p in os.listdir(m.data / "views") if p.startswith(".")] == []


def test_new_directory_is_durable(new_mount):
    """An acknowledged event is of no use in a directory that a power failure takes away."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    m = new_mount.prepare(reducers=[])
    (m.data / "reducers").rmdir()
    m.data.rmdir()
    command = m.command()
    # Where there is a leak check, it can't be done under another's eyes. Children are left alone: a set-uid
    # fusermount3 is none any more where it is traced.
    unchecked = ["-E", "ASAN_OPTIONS=detect_leaks=0"]
    m.command = lambda: ["strace", *unchecked, "-D", "-qq", "-y", "-e", "trace=fsync", "-o", str(m.path / "trace"), *command]
    m.start()
    m.append(LINES[0])
    m.unmount()
    trace = (m.path / "trace").read_text()
    assert f"<{m.path}>)" in trace and f"<{m.data}>)" in trace, trace


OWN_FILES = ["app.jsonl", "app.jsonl.sealed", "archive.jsonl.zst"]


@pytest.mark.parametrize("name", OWN_FILES)
@pytest.mark.parametrize("how", ["pipe", "directory", "dangling link"])
def test_what_is_no_file_is_refused(new_mount, name, how):
    """At once, and by its name; nothing is made of it."""
    m = new_mount.prepare(reducers=[])
    path = m.data / name
    {"pipe": os.mkfifo, "directory": os.mkdir, "dangling link": lambda p: p.symlink_to("nowhere")}[how](path)
    done = m.sh(f"timeout 10 {eventfold()} mount data mnt", check=False)
    assert done.returncode == 1 and name in done.stderr.decode(), done
    done = m.sh(f"timeout 10 {eventfold()} verify data", check=False)
    assert done.returncode in (0, 1), done
    assert not (m.data / "nowhere").exists()


@pytest.mark.parametrize("name", OWN_FILES)
def test_a_link_is_refused_and_left_alone(new_mount, name):
    """A rotation would replace it, and what it leads to would keep events that are in the archive as well. To read it does no harm."""
    m = new_mount.prepare()
    rotated(m, LINES[:5], LINES[5:10])
    if name == "app.jsonl.sealed":
        (m.data / "app.jsonl").rename(m.data / name)
    elsewhere = m.path / "elsewhere"
    (m.data / name).rename(elsewhere)
    (m.data / name).symlink_to(elsewhere)
    before = tree(m.path)
    done = m.sh(f"timeout 10 {eventfold()} mount data mnt", check=False)
    assert done.returncode == 1 and f"{name} is a symbolic link" in done.stderr.decode()
    after = tree(m.path)
    if name != "app.jsonl":
        after["data/app.jsonl"] = before.get("data/app.jsonl")  # the lock's file: made where it is missing
        before.setdefault("data/app.jsonl", None)
    assert after == before
    assert m.sh(f"{eventfold()} log data").stdout == b"".join(LINES[:10])
    # Put right.
    (m.data / name).unlink()
    elsewhere.rename(m.data / name)
    if name == "app.jsonl.sealed":
        (m.data / "app.jsonl").unlink()
    m.start()
    assert m.history() == b"".join(LINES[:10])


def test_a_directory_that_is_a_link(new_mount):
    m = new_mount.prepare(reducers=[])
    m.data.rename(m.path / "real")
    m.data.symlink_to("real")
    m.start()
    m.append(*LINES[:3])
    m.sh("echo rotate > mnt/ctl")
    assert m.history() == b"".join(LINES[:3]) and (m.path / "real/archive.jsonl.zst").exists()


def test_a_copy_made_of_hard_links(new_mount):
    """`cp -al data copy`: what it has must not come to be there twice, once in its archive and once in its active log."""
    m = new_mount.prepare()
    rotated(m, LINES[:5], LINES[5:10])
    m.sh("cp -al data copy")
    m.start()
    assert "app.jsonl has another name" in m.stderr()
    done = m.sh("echo rotate > mnt/ctl", check=False)
    assert done.returncode != 0 and "archive.jsonl.zst has another name" in m.stderr()
    m.append(LINES[10])
    assert m.history() == b"".join(LINES[:11])
    assert m.sh(f"{eventfold()} log copy").stdout == b"".join(LINES[:10])
    m.unmount()
    # Replaced by a copy, as it says.
    m.sh("cp data/archive.jsonl.zst new && mv new data/archive.jsonl.zst")
    m.start()
    m.sh("echo rotate > mnt/ctl")
    assert m.history() == b"".join(LINES[:11])
    assert m.sh(f"{eventfold()} log copy").stdout == b"".join(LINES[:10])
    m.unmount()
    m.sh(f"{eventfold()} verify data && {eventfold()} verify copy")


# Snapshots that are missing, damaged, or of another log.


def snapshots(m):
    return {name: m.data / f"views/{name}.snapshot.json" for name in VIEWS}


def edited(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


SPOILED = {
    "missing": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
    "zeros": lambda p: p.write_bytes(bytes(p.stat().st_size)),
    "cut": lambda p: p.write_bytes(p.read_bytes()[:-20]),
    "cut_in_the_middle": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "doubled": lambda p: p.write_bytes(p.read_bytes() * 2),
    "of_the_crate": lambda p: p.write_text(json.dumps({"state": {"count": 99}, "offset": 0, "hash": ""})),
    "state_changed": lambda p: edited(p, state={"count": 99}),
    "offset_changed": lambda p: edited(p, offset=0),
    "a_directory": lambda p: (p.unlink(), p.mkdir()),
    "a_pipe": lambda p: (p.unlink(), os.mkfifo(p)),
    "a_dangling_link": lambda p: (p.unlink(), p.symlink_to("nowhere")),
    "not_utf8": lambda p: p.write_bytes(p.read_bytes().replace(b"state", b"st\xff\xfee")),
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("archive", [False, True])
def test_spoiled_snapshots_are_not_used(new_mount, how, archive):
    m = new_mount.prepare()
    rotated(m, LINES[:5], LINES[5:10]) if archive else (m.start(), m.append(*LINES[:10]), m.view("count"), m.unmount())
    for path in snapshots(m).values():
        SPOILED[how](path)
    m.start()
    check(m, LINES[:10])
    assert m.status()["views"]["count"]["folded"] >= 10  # from scratch
    if how not in ("missing", "a_dangling_link"):
        assert "the snapshot of count is not used" in m.stderr()
    m.append(LINES[10])
    check(m, LINES[:11])
    m.unmount()
    if how != "a_directory":
        m.sh(f"{eventfold()} verify data")


def test_snapshots_of_another_log(new_mount):
    """A log restored from a backup, shorter, longer or other than the one that the snapshots were taken of."""
    m = new_mount.prepare()
    rotated(m, LINES[:5], LINES[5:10])
    saved = {name: path.read_bytes() for name, path in snapshots(m).items()}
    active = b"".join(LINES[5:10])
    other = active.replace(b"item", b"ITEM")
    first = active.replace(b"item 5", b"item X", 1)  # changed far before the last line, whose hash still holds
    for content in (b"".join(LINES[5:9]), other, first, b"", LINES[9] * 9):
        (m.data / "app.jsonl").write_bytes(content)
        for name, path in snapshots(m).items():
            path.write_bytes(saved[name])
        m.start()
        check(m, LINES[:5] + content.splitlines(keepends=True))
        m.unmount()
    # The active log is the same, the archive is gone.
    (m.data / "archive.jsonl.zst").unlink()
    (m.data / "app.jsonl").write_bytes(active)
    for name, path in snapshots(m).items():
        path.write_bytes(saved[name])
    m.start()
    check(m, LINES[5:10])


def test_snapshot_of_a_state_that_the_reducer_refuses(new_mount):
    """A sum that holds says nothing about what the reducer makes of the state."""
    m = new_mount(reducers=["count"])
    (m.data / "reducers/other.jq").write_text('{"count": "many"}')
    m.append(*LINES[:3])
    assert m.view("other") == {"count": "many"}
    m.unmount()
    (m.data / "views/other.snapshot.json").rename(m.data / "views/count.snapshot.json")
    m.start()
    assert m.view("count") == {"count": 3}


# kill -9 under load, with rotations all the time.


@pytest.mark.limit(40)
def test_kill_9_during_rotations(new_mount):
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    m = new_mount(options="rotate=64K,sync=write")
    acked, begun = {}, {}
    content = b""
    caught = 0
    for number in range(ROUNDS):
        pids = []
        for w in range(3):
            path = m.path / f"{number}-{w}"
            wrng = random.Random(rng.random())
            pid = os.fork()
            if pid == 0:
                load(m.app, str(path), wrng, True)
            pids.append(pid)
        # Half of the time it is a rotation by command that the end comes in: as soon as one is seen.
        sealed = m.data / "app.jsonl.sealed"
        until = time.monotonic() + rng.uniform(0.0, 0.25)
        rotator = os.fork()
        if rotator == 0:
            try:
                while number % 2:
                    (m.mnt / "ctl").write_text("rotate")
            finally:
                os._exit(0)
        while time.monotonic() < until:
            m.view(rng.choice(VIEWS))
        while number % 2 and not sealed.exists() and time.monotonic() < until + LIMIT:
            pass
        m.kill()
        for pid in [*pids, rotator]:
            os.waitpid(pid, 0)
        caught += sealed.exists()
        for w in range(3):
            path = m.path / f"{number}-{w}"
            steps = path.read_bytes() if path.exists() else b""
            acked[w], begun[w] = steps.count(b"a"), steps.count(b"b")
            path.unlink(missing_ok=True)
        m.start()
        now = m.history()
        assert now.startswith(content), f"round {number}: history has changed"
        seen = {}
        for line in now[len(content) :].splitlines():
            name, i = json.loads(line)["id"].split(":")
            assert int(i) == seen.get(name, 0), f"round {number}: {name}:{i} out of turn"
            seen[name] = int(i) + 1
        for w in range(3):
            n = seen.pop(f"{number}-{w}", 0)
            assert acked[w] <= n <= begun[w], f"round {number}: writer {w}: {acked[w]} <= {n} <= {begun[w]}"
        assert not seen
        content = now
        if number % 5 == 4:
            events = [json.loads(line) for line in content.splitlines()]
            for name in VIEWS:
                assert m.view(name) == oracle.fold(name, events), f"round {number}: {name}"
    m.unmount()
    assert crate.history(m.data) == content
    m.sh(f"{eventfold()} verify data")
    assert caught > 0, "no stop has come into a rotation"
