"""Many processes that append at once, each durably: they share syncs, and nothing is lost, doubled or out of order."""

import collections
import errno
import os
import random
import signal
import time

import pytest
from following import opened, until
from harness import line_of, scaled
from test_concurrent import append_closing, fork_all

WRITERS = 32
APPEND = os.O_WRONLY | os.O_APPEND


def line(writer, i):
    return b'{"type":"w%d","data":%d}\n' % (writer, i)


def append_held(app, writer, n, flags=APPEND):
    fd = os.open(app, flags)
    for i in range(n):
        assert os.write(fd, line(writer, i)) == len(line(writer, i))
    os.close(fd)


def truncating(app, writer, n):
    for i in range(n):
        with open(app, "wb", buffering=0) as f:
            f.write(line(writer, i))


def shell(app, writer, n):
    script = f'for i in $(seq 0 {n - 1}); do echo "{{\\"type\\":\\"w{writer}\\",\\"data\\":$i}}" >> {app}; done'
    assert os.spawnlp(os.P_WAIT, "bash", "bash", "-c", script) == 0


def of_each(m):
    """What each writer has appended, in the log's order."""
    found = collections.defaultdict(list)
    for e in m.events():
        found[int(e["type"][1:])].append(e["data"])
    return found


def check_all(m, n):
    assert of_each(m) == {w: list(range(n)) for w in range(WRITERS)}
    for view in ("count", "types"):
        assert sum(m.view(view).values()) == WRITERS * n
    assert os.stat(m.app).st_size == len(m.history()) == int(m.head().split(":")[0])
    assert m.rejected() == []


# Writers on one node have one line a sync. How many there are in fact is for scripts/bench.
WAYS = {"held": append_held, "closing": append_closing, "truncating": truncating, "shell": shell}


@pytest.mark.limit(8)
@pytest.mark.parametrize("way", WAYS)
def test_they_share_syncs(new_mount, way):
    m = new_mount(options="sync=write")
    n = scaled(60, 10)
    fork_all([lambda w=w: WAYS[way](m.app, w, n) for w in range(WRITERS)])
    log = m.status()["log"]
    check_all(m, n)
    assert log["events"] > log["commits"]
    m.remount()
    check_all(m, n)


def test_each_sees_the_file_as_it_is(m):
    """Whatever node each is on: size, number, and what a follower reads."""
    with opened(m.app, os.O_RDWR | os.O_APPEND) as mine:
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            fd = os.open(m.app, os.O_RDWR | os.O_APPEND)
            os.read(r, 1)
            os.write(fd, line(1, 1))
            ok = os.fstat(fd).st_size == len(os.pread(fd, 1 << 20, 0)) and os.fstat(fd).st_ino == os.stat(m.app).st_ino
            os._exit(not ok)
        os.write(mine, line(0, 0))
        with opened(m.app) as reader:
            os.write(w, b"x")
            assert os.waitpid(pid, 0)[1] == 0
            size = len(m.history())
            assert {os.fstat(mine).st_size, os.fstat(reader).st_size, os.stat(m.app).st_size} == {size}
            assert os.pread(reader, size, 0) == os.pread(mine, size, 0) == m.history()
        os.close(r)
        os.close(w)


def test_a_bad_line_is_its_writers_alone(m):
    def job(writer):
        fd = os.open(m.app, APPEND)
        for i in range(20):
            if writer % 2:
                good = line(writer, i)
                assert os.write(fd, good + b"nonsense\n") == len(good)
                with pytest.raises(OSError, match="Invalid argument"):
                    os.write(fd, b"nonsense\n")
            else:
                os.write(fd, line(writer, i))
        os.close(fd)

    fork_all([lambda w=w: job(w) for w in range(8)])
    assert of_each(m) == {w: list(range(20)) for w in range(8)}
    assert len(m.rejected()) == 80


def test_conditions_among_writers(m):
    """Each appends on condition that the head is still where it was, beside others who just append: its line then is right behind that."""
    n = scaled(20, 4)

    def decide(writer):
        for i in range(n):
            while True:
                head = (m.mnt / "head/app").read_text().strip()
                try:
                    with open(m.mnt / f"events/app@{head}", "ab", buffering=0) as f:
                        f.write(b'{"type":"w%d","data":%d,"off":"%s"}\n' % (writer, i, head.split(":")[0].encode()))
                    break
                except OSError as e:
                    assert e.errno == errno.ESTALE

    def just(writer):
        for i in range(n):
            append_closing(m.app, writer, 1)

    fork_all([lambda w=w: (decide if w < 6 else just)(w) for w in range(10)])
    at = decided = 0
    for text, e in zip(m.history().splitlines(keepends=True), m.events()):
        if "off" in e:
            assert int(e["off"]) == at
            decided += 1
        at += len(text)
    assert decided == 6 * n and len(m.events()) == 10 * n


def endless(app, writer, notes, held):
    """Until it is killed, or the mount goes: how many were acknowledged stands in the notes."""
    out = os.open(notes / str(writer), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    fd = os.open(app, APPEND)
    try:
        i = 0
        while True:
            os.write(fd, line(writer, i))
            os.write(out, b".")
            i += 1
            if not held:
                os.close(fd)
                fd = os.open(app, APPEND)
    except OSError:
        os._exit(0)


def start_endless(m):
    notes = m.path / "notes"
    notes.mkdir()
    pids = []
    for w in range(WRITERS):
        pid = os.fork()
        if pid == 0:
            endless(m.app, w, notes, w % 2)
        pids.append(pid)
    until(lambda: len(list(notes.iterdir())) == WRITERS and all(f.stat().st_size > 2 for f in notes.iterdir()))
    return notes, pids


def check_acknowledged(m, notes):
    """Each one's lines in order, none twice; those that were acknowledged, and at most one more."""
    found = of_each(m)
    for w in range(WRITERS):
        acked = (notes / str(w)).stat().st_size
        assert found[w] == list(range(len(found[w])))
        assert acked <= len(found[w]) <= acked + 1


@pytest.mark.limit(8)
def test_writers_are_killed(m):
    notes, pids = start_endless(m)
    random.Random(1).shuffle(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    check_acknowledged(m, notes)
    # Nothing of theirs is in anybody's way.
    before = len(m.events())
    m.append({"type": "w0", "data": 0})
    assert len(m.events()) == before + 1
    m.remount()
    assert len(m.events()) == before + 1


@pytest.mark.limit(8)
@pytest.mark.parametrize("how", ["kill", "terminate", "unmount"])
def test_the_mount_goes_under_load(m, how):
    notes, pids = start_endless(m)
    if how == "kill":
        m.kill()
    elif how == "terminate":
        m.terminate()
    else:
        # It is busy, until those have gone who have it open.
        while os.path.ismount(m.mnt) and m.process.poll() is None:
            m.sh("fusermount3 -u mnt", check=False)
            if pids:
                os.kill(pids[-1], signal.SIGTERM)
                os.waitpid(pids.pop(), 0)
            else:
                time.sleep(0.01)
        assert m.process.wait() == 0
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    m.sh("fusermount3 -u -z mnt", check=False)
    m.start()
    check_acknowledged(m, notes)


def test_fsync_covers_what_others_have_queued(new_mount):
    """In the modes where a write does not wait: after fsync through one handle a crash of the daemon loses nothing of another's."""
    m = new_mount(options="sync=close")
    pids = []
    r, w = os.pipe()
    for writer in range(4):
        pid = os.fork()
        if pid == 0:
            fd = os.open(m.app, APPEND)
            for i in range(50):
                os.write(fd, line(writer, i))
            os.write(w, b"x")
            signal.pause()
        pids.append(pid)
    with opened(m.app, APPEND) as fd:
        for _ in pids:
            os.read(r, 1)
        os.fsync(fd)
        assert m.status()["log"]["events"] == 200
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(r)
    os.close(w)
    m.kill()
    m.detach()
    m.start()
    assert of_each(m) == {writer: list(range(50)) for writer in range(4)}


@pytest.mark.parametrize("sync", ["write", "close"])
def test_order_within_a_writer_through_two_handles(new_mount, sync):
    """Two threads of one process share the descriptor; others come and go beside them."""
    m = new_mount(options=f"sync={sync}")
    with opened(m.app, APPEND) as fd:

        def job(writer):
            for i in range(40):
                os.write(fd, line(writer, i))

        fork_all([lambda w=w: job(w) for w in range(4)] + [lambda: append_held(m.app, 9, 40)])
    found = of_each(m)
    assert all(found[w] == list(range(40)) for w in (0, 1, 2, 3, 9))


def test_one_alone_has_the_files_own_node(m):
    """Seen by the path of its descriptor: who is on another is told "(deleted)" once somebody has looked the name up."""
    for _ in range(3):
        with opened(m.app, APPEND) as fd:
            os.write(fd, line_of({"type": "w1"}))
            os.stat(m.app)
            assert os.readlink(f"/proc/self/fd/{fd}") == str(m.app)
