"""head/app.sha256, tail/head and tail/app@OFFSET:HASH: what proves a log, and who follows it. The oracle is hashlib."""

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess

import pytest
from following import Follower, opened, read_lines, ready, until
from harness import ALL, ROOT, SLOW, event, eventfold, line_of
from xxh64 import hex_of

from oracle import crate

CRATE = ROOT / "tests/fixtures/crate-0.2.0"
ARCHIVE_1 = ROOT / "tests/fixtures/archive-1"
# Begun by this version, by the Rust crate, and by a version whose archive had no room for a SHA-256.
BEGINNINGS = {"new": None, "crate": CRATE, "archive-1": ARCHIVE_1}


def head_of(history):
    return f"{hashlib.sha256(history).hexdigest()}  {len(history)}\n"


def sha(m):
    return (m.mnt / "head/app.sha256").read_text()


def rotate(m):
    (m.mnt / "ctl").write_text("rotate")


def proof(m):
    return m.status()["proof"]


def begin(new_mount, source, **options):
    m = new_mount.prepare(**options)
    if source:
        for name in ("app.jsonl", "archive.jsonl.zst"):
            shutil.copyfile(source / name, m.data / name)
    return m.start()


# The head.


def test_of_an_empty_log_and_as_it_grows(m):
    assert sha(m) == head_of(b"")
    path = m.mnt / "head/app.sha256"
    for i in range(20):
        m.append(event(i))
        assert path.stat().st_size == len(head_of(m.history()))
        assert sha(m) == head_of(m.history())
    got = m.sh("head -c $(cut -d: -f1 mnt/head/app) mnt/events/app | sha256sum").stdout
    assert got.split()[0].decode() == sha(m).split()[0]
    assert m.sh("cat mnt/head/app.sha256; ls mnt/head").stdout.decode() == sha(m) + "app\napp.sha256\n"


def test_an_open_file_says_it_anew(m):
    m.append(event(1))
    with opened(m.mnt / "head/app.sha256") as fd:
        first = os.pread(fd, 200, 0).decode()
        assert first == head_of(m.history())
        m.append(event(2))
        assert ready(fd) & 1
        assert os.pread(fd, 200, 0).decode() == head_of(m.history()) != first


def test_nothing_is_done_before_somebody_asks(m):
    m.append(event(1))
    rotate(m)
    m.append(event(2))
    assert proof(m) == {"stage": "unused", "offset": 0, "progress": 0, "error": None}
    sha(m)
    assert proof(m) == {"stage": "ready", "offset": len(m.history()), "progress": 1, "error": None}


def test_with_writes_that_are_only_queued(new_mount):
    m = new_mount(options="sync=none")
    for i in range(50):
        m.append(event(i))
        got = sha(m)
        assert got == head_of(m.history())


@pytest.mark.limit(20)
@pytest.mark.parametrize("source", BEGINNINGS)
def test_heads_at_random_places(new_mount, source):
    """Through rotations and kill -9."""
    rounds = 334 if ALL and not SLOW else 30
    rng = random.Random(f"{source}{os.environ.get('EVENTFOLD_SEED', 1)}")
    m = begin(new_mount, BEGINNINGS[source], reducers=())
    steps = [rotate] * 20 + [lambda m: (m.kill(), m.start())] * (rounds // 5) + [lambda m: m.remount()] * 5
    at = sorted(rng.sample(range(rounds), min(rounds, len(steps))))
    rng.shuffle(steps)
    for i in range(rounds):
        m.append(*(event(i, pad=rng.choice((0, 0, 100, 3000))) for _ in range(rng.randrange(1, 9))))
        if i in at:
            steps.pop()(m)
        if rng.randrange(3):  # else it has more to do the next time
            assert sha(m) == head_of(m.history()), f"round {i}"
    history = m.history()
    assert sha(m) == head_of(history)
    m.unmount()
    assert subprocess.run([eventfold(), "head", m.data], stdout=subprocess.PIPE).stdout.decode() == head_of(history)


@pytest.mark.parametrize("source", ["crate", "archive-1"])
def test_an_older_archive_gets_it_once(new_mount, source):
    m = begin(new_mount, BEGINNINGS[source], reducers=())
    size = (m.data / "archive.jsonl.zst").stat().st_size
    assert sha(m) == head_of(m.history())
    # It is written down behind what is there.
    until(lambda: (m.data / "archive.jsonl.zst").stat().st_size == size + 200, "the record")
    m.append(event(1))
    rotate(m)
    history = m.history()
    m.unmount()
    assert crate.history(m.data) == history
    m.sh(f"{eventfold()} verify data")
    # From now on nobody reads the history for it: it may even be damaged at its begin.
    with open(m.data / "archive.jsonl.zst", "r+b") as f:
        f.seek(300)
        was = f.read(1)
        f.seek(300)
        f.write(bytes([was[0] ^ 0x55]))
    m.start()
    m.append(event(2))
    history += line_of(event(2))
    assert sha(m) == head_of(history)
    m.unmount()
    # Who reads it meets that. The crate's frames have no checksum: there it is another history.
    offline = m.sh(f"{eventfold()} head data", check=False)
    if source == "crate" and offline.returncode == 0:
        assert offline.stdout.decode() != head_of(history)
    else:
        assert offline.returncode == 1 and offline.stdout == b"" and b"cannot be read" in offline.stderr
    noted = m.sh(f"{eventfold()} verify --head {len(history)}:{hashlib.sha256(history).hexdigest()} data", check=False)
    assert noted.returncode == 1


def test_a_rotation_while_an_older_archive_is_read(new_mount):
    """Whatever comes first, in the end the archive knows it."""
    m = begin(new_mount, ARCHIVE_1, reducers=())
    for i in range(5):
        m.append(event(i))
        rotate(m)
        assert sha(m) == head_of(m.history())
    m.unmount()
    assert (m.data / "archive.jsonl.zst").read_bytes()[-104:-72] != bytes(32)


def test_damage_is_an_error_of_the_disk(new_mount):
    m = begin(new_mount, ARCHIVE_1, reducers=(), options=None)
    m.unmount()
    path = m.data / "archive.jsonl.zst"
    content = bytearray(path.read_bytes())
    content[150] ^= 0x55
    path.write_bytes(content)
    m.start()
    for _ in range(2):
        with pytest.raises(OSError) as e:
            sha(m)
        assert e.value.errno == errno.EIO
    assert proof(m)["error"] == "Input/output error"
    with opened(m.mnt / "tail/head") as fd:
        with pytest.raises(OSError) as e:
            os.read(fd, 100)
        assert e.value.errno == errno.EIO
    m.append(event(1))


def test_a_wait_can_be_interrupted(new_mount):
    """A long history that another program has compressed, so that nothing is known of it."""
    m = new_mount.prepare(reducers=())
    line = line_of({"type": "t", "data": "x" * 4000, "ts": 1})
    with open(m.data / "archive.jsonl.zst", "wb") as out:
        with subprocess.Popen(["zstd", "-qc"], stdin=subprocess.PIPE, stdout=out) as zstd:
            for _ in range(30 if SLOW else 300):
                zstd.stdin.write(line * 256)
            zstd.stdin.close()
    (m.data / "app.jsonl").write_bytes(line)
    m.start()
    with Follower("cat mnt/head/app.sha256", cwd=m.path) as cat:
        until(lambda: proof(m)["stage"] != "unused", "its begin")
        code = cat.end(signal.SIGINT)
        assert code in (-signal.SIGINT, 128 + signal.SIGINT) or proof(m)["stage"] == "ready"
    # Nobody waits, and nobody is in the way of the end.
    m.append(event(1))
    m.remount()
    digest = hashlib.sha256()
    for part in iter(lambda f=open(m.app, "rb"): f.read(1 << 20), b""):
        digest.update(part)
    assert sha(m).split() == [digest.hexdigest(), str(m.app.stat().st_size)]


# tail/head.


def heads(history, ends):
    return b"".join(
        f"{end} {hex_of(history[:end].splitlines()[-1])} {hashlib.sha256(history[:end]).hexdigest()}\n".encode()
        for end in ends
    )


def test_tail_of_heads(m):
    with opened(m.mnt / "tail/head") as fd:
        assert not ready(fd)
        ends = []
        for i in range(10):
            m.append(event(i))
            if i == 5:
                rotate(m)
            ends.append(len(m.history()))
            assert read_lines(fd, 1) == heads(m.history(), ends[-1:])
        with pytest.raises(BlockingIOError):
            os.set_blocking(fd, False)
            os.read(fd, 100)
    # Who comes later is told how it is.
    with opened(m.mnt / "tail/head") as fd:
        assert os.read(fd, 200) == heads(m.history(), ends[-1:])


def test_tail_of_heads_ends_with_the_mount_and_by_ctrl_c(m):
    m.append(event(1))
    with Follower("cat mnt/tail/head", cwd=m.path) as one, Follower("cat mnt/tail/head", cwd=m.path) as two:
        one.line(), two.line()
        assert one.end(signal.SIGINT) != 0
        m.append(event(2))
        assert two.line() == heads(m.history(), [len(m.history())]).decode().rstrip()
        m.sh("fusermount3 -u -z mnt")
        assert two.end() == 0
    m._end(m.watch())


# tail/app@OFFSET:HASH.


def test_following_on_what_one_holds(new_mount):
    m = new_mount(reducers=())
    for i in range(40):
        m.append(event(i))
        if i in (10, 11, 25):
            rotate(m)
    history, end = m.history(), 0
    for line in history.splitlines(keepends=True):
        end += len(line)
        digits = hex_of(line[:-1])
        with opened(m.mnt / f"tail/app@{end}:{digits}", os.O_RDONLY | os.O_NONBLOCK) as fd:
            if end < len(history):
                got = os.read(fd, 1 << 20)
                assert got and history[end:].startswith(got)
        other = digits[:-1] + ("0" if digits[-1] != "0" else "1")
        for name in (f"{end}:{other}", f"{end - 1}:{digits}", f"{end + len(history)}:{digits}"):
            with pytest.raises(OSError) as e:
                os.open(m.mnt / f"tail/app@{name}", os.O_RDONLY)
            assert e.value.errno == errno.ESTALE, name
    with opened(m.mnt / f"tail/{'app@' + m.head().strip()}") as fd:
        m.append(event(99))
        assert read_lines(fd, 1) == line_of(event(99)) or m.history().endswith(b"\n")
    with opened(m.mnt / "tail/app@0:") as fd:
        assert m.history().startswith(read_lines(fd, 1))


def test_a_name_that_is_no_head(m):
    m.append(event(1))
    for name in ("app@", "app@x:", "app@1:12", "app@01:0123456789abcdef", "app@1:0123456789ABCDEF", "heads", "head.json"):
        with pytest.raises(OSError) as e:
            os.open(m.mnt / "tail" / name, os.O_RDONLY)
        assert e.value.errno == errno.ENOENT, name
    for name in ("tail/head", "head/app.sha256"):
        with pytest.raises(OSError) as e:
            os.open(m.mnt / name, os.O_WRONLY)
        assert e.value.errno == errno.EACCES
