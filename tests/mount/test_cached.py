"""What goes through the page cache (sendfile, splice, copy_file_range, private mappings) is the text that the handle had at its open."""

import fcntl
import mmap
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from following import Follower, until
from harness import FULL, LIMIT, event, line_of, scaled

VIEWS = ["views/todos.json", "views/todos.offset", "views/todos.hash", "views/todos.snapshot.json", "head/app", "rejected.jsonl", "status.json"]


def by_read(fd, size):
    return os.pread(fd, size, 1) if size > 1 else b""


def by_sendfile(fd, size):
    out = os.memfd_create("copy")
    try:
        offset = 0
        while sent := os.sendfile(out, fd, offset, 1 << 20):
            offset += sent
        return os.pread(out, offset, 0)
    finally:
        os.close(out)


def by_splice(fd, size):
    ends = os.pipe()
    got = b""
    try:
        while n := os.splice(fd, ends[1], 65536, offset_src=len(got)):
            got += os.read(ends[0], n)
        return got
    finally:
        os.close(ends[0])
        os.close(ends[1])


def by_copy(fd, size):
    """As cp does where it can; the target is on the same kind of filesystem as a plain file."""
    out = os.memfd_create("copy")
    try:
        offset = 0
        while n := os.copy_file_range(fd, out, 1 << 20, offset_src=offset):
            offset += n
        return os.pread(out, offset, 0)
    except OSError:
        return None
    finally:
        os.close(out)


def by_mapping(fd, size):
    with mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as map:
        return map[:]


# Before Linux 6.5 all but mappings go through read(2): from offset 0 on that is a fresh text each time.
ALL_CACHED = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 5)


def cached(fd, size):
    if not ALL_CACHED:
        return [by_mapping(fd, size)]
    found = [by_sendfile(fd, size), by_splice(fd, size), by_mapping(fd, size)]
    copy = by_copy(fd, size)
    return found + ([copy] if copy is not None else [])


def change(m, i):
    """A change of each of these files, and of its length."""
    m.append(event(3 * i))
    with pytest.raises(OSError):
        m.append("x" * (i + 1))


@pytest.mark.parametrize("name", VIEWS)
def test_overlapping_handles_keep_their_texts(m, name):
    texts, fds, sizes = [], [], []
    for i in range(6):
        change(m, i)
        fd = os.open(m.mnt / name, os.O_RDONLY)
        fds.append(fd)
        sizes.append(os.fstat(fd).st_size)
        texts.append(os.pread(fd, sizes[-1] + 100, 0))
        assert len(texts[-1]) == sizes[-1]
    assert len(set(texts)) == 6
    for _ in range(2):
        for fd, text, size in zip(fds, texts, sizes):
            assert cached(fd, size) == [text] * len(cached(fd, size))
            assert os.fstat(fd).st_size == len(text)
            assert by_read(fd, size) == text[1:]
        # In the other order, and with others that look at the file.
        fds, texts, sizes = fds[::-1], texts[::-1], sizes[::-1]
        os.stat(m.mnt / name)
        (m.mnt / name).read_bytes()
    # read(2) at offset 0 takes a fresh text, for itself alone.
    change(m, 7)
    for fd, text, size in zip(fds, texts, sizes):
        fresh = os.pread(fd, 1 << 20, 0)
        assert fresh != text
        assert cached(fd, size)[0] == text
    assert len({os.fstat(fd).st_ino for fd in fds} | {os.stat(m.mnt / name).st_ino}) == 1
    for fd in fds:
        os.close(fd)


def test_a_view_that_shrinks_leaves_mappings_whole(m):
    """A size that somebody else is told cuts nothing off."""
    m.append(*[{"type": "a"}] * 30)
    (m.data / "reducers/shrinks.jq").write_text('if $event.type == "cut" then "" else (. // "") + "0123456789" * 500 end')
    path = m.mnt / "views/shrinks.json"
    before = path.read_bytes()
    assert len(before) > 100_000
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    with mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as map:
        assert map[0:10] == before[0:10]
        m.append({"type": "cut"})
        os.stat(path)
        path.read_bytes()
        assert by_sendfile(fd, size) == before
        # In a process of its own, for if there is less, it ends by SIGBUS.
        child = os.fork()
        if child == 0:
            os._exit(map[:] != before)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(fd)
    until(lambda: path.stat().st_size == 3, "its own size")
    assert len(path.read_bytes()) == 3


def test_what_is_on_its_way_stays_whole(m):
    """What sendfile has given to a socket are pages of the cache: a size that somebody asks for afterwards may not touch them. He has looked
    the name up before, so that the size is the first thing that he is told."""
    (m.data / "reducers/shrinks.jq").write_text('if $event.type == "cut" then "" else "x" * 20000 end')
    path = m.mnt / "views/shrinks.json"
    for _ in range(20):
        m.append({"type": "a"})
        before = path.read_bytes()
        here, there = socket.socketpair()
        asks = os.open(path, os.O_PATH)
        fd = os.open(path, os.O_RDONLY)
        assert os.sendfile(here.fileno(), fd, 0, len(before)) == len(before)
        os.close(fd)
        here.close()
        m.append({"type": "cut"})
        until(lambda: os.fstat(asks).st_size == 3, "its own size")
        os.close(asks)
        with there.makefile("rb") as file:
            assert file.read() == before
        there.close()


def test_a_reader_that_comes_back_holds_up_no_sizes(m):
    """A handle that is read again and again, as one that polls, doesn't keep others from the size as it is."""
    (m.data / "reducers/shrinks.jq").write_text('if $event.type == "cut" then "" else (. // "") + "0123456789" end')
    m.append(*[{"type": "a"}] * 50)
    path = m.mnt / "views/shrinks.json"
    fd = os.open(path, os.O_RDONLY)
    assert len(os.pread(fd, 1 << 20, 0)) == 503
    m.append({"type": "cut"})
    assert os.pread(fd, 1 << 20, 0) == b'""\n'
    assert subprocess.run(["stat", "-c", "%s", path], stdout=subprocess.PIPE).stdout == b"3\n"
    os.close(fd)


LINE = '{"type":"a","data":"' + "x" * 40 + '"}'


def writers(m, how, count):
    """Programs that append a line with every open, until they are told to stop."""
    loop = f"while [ ! -e stop ]; do echo '{LINE}' {how} mnt/events/app || exit 1; done"
    return [subprocess.Popen(["bash", "-c", loop], cwd=m.path) for _ in range(count)]


def stop(m, processes):
    (m.path / "stop").touch()
    for p in processes:
        assert p.wait(LIMIT) == 0


ASKS_AND_SENDS = """
import os, sys
out = os.memfd_create("sent")
for _ in range(int(sys.argv[2])):
    os.stat(sys.argv[1])
    fd = os.open(sys.argv[1], os.O_RDONLY)
    size = os.lseek(fd, 0, os.SEEK_END)
    sent = 0
    while sent < size and (n := os.sendfile(out, fd, sent, min(size - sent, 1 << 20))):
        sent += n
    os.close(fd)
    assert sent == size, f"{sent} bytes are there, {size} were told"
    os.lseek(out, 0, os.SEEK_SET)
"""


def test_servers_that_seek_to_the_end_send_what_they_were_told(m):
    """As Go's net/http does, and so caddy: stat, open, lseek to the end, sendfile of so much. Several at a time, beside a writer."""
    path = m.mnt / "views/todos.json"
    m.append(event(0))
    servers = [subprocess.Popen(["/usr/bin/python3", "-c", ASKS_AND_SENDS, path, "2000" if FULL else "700"], stderr=subprocess.PIPE, text=True)
               for _ in range(4)]  # fmt: skip
    with open(m.mnt / "events/app", "ab", buffering=0) as log:
        while any(s.poll() is None for s in servers):
            log.write(line_of(event(1)))
            time.sleep(1 / 300)
    for server in servers:
        said = server.communicate(timeout=LIMIT)[1]
        assert server.returncode == 0, said


@pytest.fixture(scope="session")
def cached_reader(tmp_path_factory):
    program = tmp_path_factory.mktemp("helpers") / "cached_reader"
    source = Path(__file__).parent / "helpers/cached_reader.c"
    subprocess.run(["cc", "-O1", "-Wall", "-o", program, source], check=True)
    return program


@pytest.mark.parametrize("how", [">", ">>"])
def test_the_log_beside_writers(m, cached_reader, how):
    """No SIGBUS, and never less than fstat has told."""
    at_work = writers(m, how, 2)
    rounds = 600 if FULL else scaled(200)
    readers = [subprocess.Popen([cached_reader, m.app, str(rounds)], stderr=subprocess.PIPE) for _ in range(2)]
    for r in readers:
        _, error = r.communicate(timeout=4 * LIMIT)
        assert r.returncode == 0, error.decode()
    stop(m, at_work)
    lines = m.history().splitlines()
    assert all(line.startswith(LINE[:-1].encode()) for line in lines)
    assert len(lines) == m.status()["log"]["events"]


def test_a_truncating_open_cuts_nothing_under_a_mapping(m):
    """Neither by the name, nor where no name is looked up."""
    m.append(*(event(i) for i in range(300)))
    before = m.history()
    fd = os.open(m.app, os.O_RDONLY)
    with mmap.mmap(fd, len(before), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as map:
        keep = os.open(m.app, os.O_WRONLY | os.O_APPEND)
        for path in (m.app, f"/proc/self/fd/{fd}", f"/proc/self/fd/{keep}"):
            other = os.open(path, os.O_WRONLY | os.O_TRUNC)
            assert os.fstat(other).st_size >= len(before)
            child = os.fork()
            if child == 0:
                os._exit(map[:] != before)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert by_sendfile(fd, 0)[: len(before)] == before
            os.write(other, (LINE + "\n").encode())
            os.close(other)
        os.close(keep)
    os.close(fd)
    # What really cuts is refused as ever.
    with pytest.raises(PermissionError):
        os.truncate(m.app, 0)
    with open(m.app, "ab") as f, pytest.raises(PermissionError):
        os.truncate(m.app, 0)
    with open(m.app, "ab") as f, pytest.raises(PermissionError):
        f.truncate(0)
    assert m.history()[: len(before)] == before and len(m.events()) == 303


WAYS = [os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC, os.O_RDWR]


@pytest.mark.parametrize("name", ["events/app", "views/todos.json"])
def test_flock_is_of_the_file_however_it_was_opened(m, name):
    """Handles that the kernel has on different nodes exclude each other all the same."""
    ways = WAYS if name == "events/app" else [os.O_RDONLY] * 3
    fds = []
    for i, flags in enumerate(ways):
        fds.append(os.open(m.mnt / name, flags))
        m.append(event(3 * i))
    for holder in fds:
        fcntl.flock(holder, fcntl.LOCK_EX)
        for other in set(fds) - {holder}:
            for kind in (fcntl.LOCK_SH, fcntl.LOCK_EX):
                with pytest.raises(BlockingIOError):
                    fcntl.flock(other, kind | fcntl.LOCK_NB)
        got = []
        waiter = threading.Thread(target=lambda: (fcntl.flock(other, fcntl.LOCK_SH), got.append(1)))
        waiter.start()
        waiter.join(0.05)
        assert not got
        fcntl.flock(holder, fcntl.LOCK_SH)  # down to shared: the one that waits has it, too
        waiter.join(LIMIT)
        assert got
        with pytest.raises(BlockingIOError):
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for fd in fds:
            fcntl.flock(fd, fcntl.LOCK_UN)
    # Closing lets go, and Ctrl-C ends the waiting.
    fcntl.flock(fds[0], fcntl.LOCK_EX)
    p = subprocess.Popen(["flock", m.mnt / name, "true"])
    with pytest.raises(subprocess.TimeoutExpired):
        p.wait(0.1)
    p.terminate()
    assert p.wait(LIMIT) != 0
    p = subprocess.Popen(["flock", m.mnt / name, "true"])
    with pytest.raises(subprocess.TimeoutExpired):
        p.wait(0.1)
    for fd in fds:
        os.close(fd)
    assert p.wait(LIMIT) == 0


@pytest.mark.parametrize("name", ["views/todos.json", "events/app"])
def test_a_watch_hears_of_changes_whatever_node_others_have(m, name):
    """It is on the main node, where the daemon raises its notices, however many others come and go."""
    m.append(event(0))
    held = [os.open(m.mnt / name, os.O_RDONLY)]
    with Follower(["inotifywait", "-m", "-e", "modify", "--format", "%w", name], cwd=m.mnt) as watch:
        watch.until(rb"Watches established")
        for i in range(1, 6):
            m.sh(f"echo '{event_line(i)}' > mnt/events/app")
            held.append(os.open(m.mnt / name, os.O_RDONLY))
            (m.mnt / name).read_bytes()
            assert watch.line() == name
            watch.more(0.01) and watch.line()
    for fd in held:
        os.close(fd)


def event_line(i):
    return line_of(event(3 * i)).decode().rstrip()
