"""-o sync=write|close|none: what may be asked for, and what each promises while the daemon lives."""

import mmap
import os
import resource

import pytest
from following import until

A = b'{"type":"a","data":1,"ts":1}\n'


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_in_the_file_when_promised(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    os.write(fd, A)
    if sync == "write":
        assert (m.data / "app.jsonl").read_bytes() == A
    else:
        os.fsync(fd)
        assert (m.data / "app.jsonl").read_bytes() == A
    os.write(fd, A)
    os.close(fd)
    assert (m.data / "app.jsonl").read_bytes() == A * 2


@pytest.mark.parametrize("flag", [os.O_DSYNC, os.O_SYNC, 0])
@pytest.mark.parametrize("sync", ["close", "none"])
def test_a_write_that_is_to_be_durable_waits(new_mount, sync, flag):
    """O_DSYNC, for the file or for this write: what cannot be written it is told itself, not whoever closes."""
    m = new_mount(options=f"sync={sync}")
    m.append(A)
    limit = resource.prlimit(m.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(m.pid, resource.RLIMIT_FSIZE, (len(A), limit[1]))
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND | flag)
    with pytest.raises(OSError, match="File too large"):
        os.pwritev(fd, [A], 0, 0 if flag else os.RWF_DSYNC)
    resource.prlimit(m.pid, resource.RLIMIT_FSIZE, limit)
    os.pwritev(fd, [A], 0, 0 if flag else os.RWF_DSYNC)
    assert (m.data / "app.jsonl").read_bytes() == A * 2
    os.close(fd)
    assert m.rejected() == []


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_nothing_is_lost_at_unmount(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    for _ in range(1000):
        os.write(fd, A)
    os.close(fd)
    m.unmount()
    assert (m.data / "app.jsonl").read_bytes() == A * 1000


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_sigterm_while_writing_loses_nothing_acknowledged(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    for _ in range(200):
        os.write(fd, A)
    m.terminate()
    try:
        os.close(fd)
    except OSError:
        pass
    assert (m.data / "app.jsonl").read_bytes() == A * 200


def append_until_refused(app, name, done):
    """Counts what was acknowledged into `done`."""
    n = 0
    try:
        while True:
            with open(app, "ab", buffering=0) as f:
                f.write(b'{"type":"a","data":"%s-%d","ts":1}\n' % (name, n))
            n += 1
            done[:] = n.to_bytes(8, "little")
    except OSError:
        pass


@pytest.mark.parametrize("sync", ["write", "close"])
def test_sigterm_amid_many_writers(new_mount, sync):
    """However many requests there always are, a signal is heard, and what was acknowledged is there."""
    m = new_mount(options=f"sync={sync}")
    done = memoryview(mmap.mmap(-1, 24 * 8))
    writers = []
    for i in range(24):
        pid = os.fork()
        if pid == 0:
            append_until_refused(m.app, b"%d" % i, done[i * 8 : i * 8 + 8])
            os._exit(0)
        writers.append(pid)
    counts = done.cast("Q")
    try:
        until(lambda: sum(counts) >= 500, "500 appends")
        m.terminate()
    finally:
        for pid in writers:
            os.waitpid(pid, 0)
    stored = [line.split(b'"')[7] for line in (m.data / "app.jsonl").read_bytes().splitlines()]
    assert len(stored) == len(set(stored))
    assert set(stored) >= {b"%d-%d" % (i, n) for i in range(24) for n in range(counts[i])}


def test_status_says_which(new_mount):
    for sync in ("write", "close", "none"):
        m = new_mount(sync, options=f"sync={sync}")
        assert f'"{sync}"' in (m.mnt / "status.json").read_text()


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_a_look_after_a_write_sees_it(new_mount, sync):
    """Whatever is looked at, and though the lines may only be queued."""
    m = new_mount(options=f"sync={sync}", reducers=["count"])
    fd = os.open(m.app, os.O_WRONLY)
    log = os.open(m.app, os.O_RDONLY)
    view = os.open(m.mnt / "views/count.json", os.O_RDONLY)
    assert os.pread(view, 100, 0) == b'{"count":0}\n'
    look = [
        lambda n: m.app.stat().st_size == n * len(A),
        lambda n: m.view("count") == {"count": n},
        lambda n: m.head().startswith(f"{n * len(A)}:"),
        lambda n: os.pread(log, 100, (n - 1) * len(A)) == A,
        lambda n: os.pread(view, 100, 0) == b'{"count":%d}\n' % n,
        lambda n: m.offset("count") == n * len(A),
        lambda n: (m.mnt / f"at/{n}").is_dir(),
        lambda n: m.status()["log"]["events"] == n,
    ]
    for n in range(1, 1 + 100 * len(look)):
        os.write(fd, A)
        assert look[n % len(look)](n), (n, n % len(look))
    for fd in (fd, log, view):
        os.close(fd)
