"""Programs that select before each read of a plain file, as ssh, socat and pv do: they get all of it, and its end."""

import contextlib
import mmap
import os
import select
import shutil
import subprocess

import pytest
from following import child, counts, opened, ready, until
from harness import LIMIT, event, line_of

ADD = {"type": "todo_added", "data": {"text": "x"}, "ts": 1}
N = 300
PLAIN = [
    "events/app", "head/app", "views/todos.json", "views/todos.offset", "views/todos.hash", "views/todos.snapshot.json",
    "views/broken.error", "status.json", "rejected.jsonl", "at/100/app", "at/100/todos.json",
]  # fmt: skip
TOLD = [name for name in PLAIN if not name.startswith("at/") and name != "views/broken.error"]  # there is news of them


@pytest.fixture
def m(new_mount):
    m = new_mount(reducers=["todos"])
    m.append(*[event(i) for i in range(N)])
    (m.data / "reducers/broken.jq").write_text("(((")
    refuse(m)
    # What is still under way, status.json would tell of.
    until(lambda: m.status()["views"]["todos"]["events"] == N and (m.mnt / "views/broken.error").exists())
    return m


def refuse(m):
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd, contextlib.suppress(OSError):
        os.write(fd, b"no event\n")


def change(m):
    """News of all there is news of."""
    m.append(ADD)
    refuse(m)


def is_log(name):
    return name == "events/app"


def without(name, text):
    """What a reader of status.json changes by being there, and what changes with time."""
    own = (b'"open_files"', b'"waiting"', b'"snapshot_age"', b'"rebuild_pid"')
    return [part for part in text.split(b",") if not part.startswith(own)] if name == "status.json" else text


def wait_select(fd):
    assert select.select([fd], [], [], LIMIT)[0], "not ready, but its end has not been read"


def wait_poll(fd):
    assert ready(fd, LIMIT)


def wait_epoll(fd):
    with select.epoll() as e:
        e.register(fd, select.EPOLLIN)
        assert e.poll(LIMIT)


def has_ended(fd, name):
    """status.json has news by itself as long as something is under way."""
    return not ready(fd, 0) or (name == "status.json" and until(lambda: os.read(fd, 1 << 16) == b"" and not ready(fd, 0)))


@pytest.mark.parametrize("wait", [wait_select, wait_poll, wait_epoll])
def test_a_loop_around_select(m, wait):
    for name in PLAIN:
        want = (m.mnt / name).read_bytes()
        for size in (1 << 16, len(want) // 2 + 1, len(want)):
            with opened(m.mnt / name) as fd:
                got = b""
                while wait(fd) or (part := os.read(fd, size)):
                    got += part
                assert without(name, got) == without(name, want), name
                assert has_ended(fd, name), f"{name}: it has ended"


def test_a_loop_around_select_of_an_empty_log(new_mount):
    m = new_mount()
    for name in ("events/app", "rejected.jsonl"):
        with opened(m.mnt / name) as fd:
            wait_select(fd)
            assert os.read(fd, 100) == b""
            assert not ready(fd, 0)


@pytest.mark.parametrize(
    "command",
    [
        *("socat -u OPEN:{0} -", "socat -u - - < {0}", "socat -u OPEN:{0} - | cat"),
        *("pv -q {0}", "pv -q < {0}", "pv -q {0} | cat", "pv -q {0} > out; cat out", "pv -q < {0} > out; cat out"),
    ],
)
def test_programs(m, command):
    if not shutil.which(command.split()[0]):
        pytest.skip("it is not installed")
    for name in PLAIN:
        want = (m.mnt / name).read_bytes()
        got = m.sh(command.format(m.mnt / name)).stdout
        assert without(name, got) == without(name, want), name


@pytest.mark.parametrize("name", TOLD)
def test_one_that_fills_a_buffer(m, name):
    """As pv does: it selects, reads until the buffer is full, and takes a 0 in between for a pause. Its end is told once more; no other
    one is."""
    with opened(m.mnt / name) as fd:
        wait_select(fd)
        n = len(os.read(fd, 1 << 16))
        assert os.read(fd, (1 << 16) - n) == b""
        wait_select(fd)
        assert os.read(fd, 1 << 16) == b""
        assert has_ended(fd, name)
        for _ in range(2):
            change(m)
            assert ready(fd, LIMIT)
            rewind(fd, name)
            n = len(os.read(fd, 1 << 16))
            assert n > 0 and os.read(fd, (1 << 16) - n) == b""
            assert has_ended(fd, name)


@pytest.mark.parametrize("name", TOLD)
def test_one_that_reads_all_there_is(m, name):
    """As Python does it: a byte more than the file's size, and what is left of that."""
    with open(m.mnt / name, "rb", buffering=0) as f:
        for _ in range(3):
            wait_select(f)
            assert f.read()
            assert has_ended(f.fileno(), name)
            change(m)
            rewind(f.fileno(), name)


def test_reads_elsewhere_hide_nothing(m):
    """pread, sendfile and mappings say nothing about how far the program has come."""
    for name in PLAIN:
        size = len((m.mnt / name).read_bytes())
        with opened(m.mnt / name) as fd, opened(m.path / "sink", os.O_WRONLY | os.O_CREAT) as sink:
            assert os.pread(fd, size, size - 1)
            wait_select(fd)
            with mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
                assert mapped[size - 1]
            wait_select(fd)
            assert os.sendfile(sink, fd, 0, size) == size
            wait_select(fd)
            assert os.pread(fd, 10, size) == b"", name
            assert name == "status.json" or not ready(fd, 0), "an end that was read"  # that has news by itself
            assert os.pread(fd, 10, 1)
            wait_select(fd)


def rewind(fd, name):
    if not is_log(name):
        os.lseek(fd, 0, os.SEEK_SET)


@pytest.mark.parametrize("name", TOLD)
def test_then_news(m, name):
    """One loop for all: wait, read to the end, wait for news."""
    with opened(m.mnt / name) as fd:
        while os.read(fd, 1 << 16):
            pass
        for _ in range(3):
            assert not ready(fd, 0)

            def change_when_it_waits():
                until(lambda: counts(m)[1] == 1)
                change(m)

            # Whoever looks at status.json meanwhile finds out what has changed there, and more than once.
            with child(lambda: change(m)) if name == "status.json" else child(change_when_it_waits):
                assert ready(fd, LIMIT), name
            rewind(fd, name)
            got = b""
            while ready(fd, 0) and (part := os.read(fd, 100)):
                got += part
            if is_log(name):
                assert got == line_of(ADD)
            elif name != "status.json":
                assert got == (m.mnt / name).read_bytes()
            else:
                os.read(fd, 1)


@pytest.mark.parametrize("name", ["views/todos.json", "head/app", "rejected.jsonl", "views/todos.hash"])
def test_readers_that_know_the_end(m, name):
    """As on sysfs: one read of all, from the beginning. Nobody of these looks for the end, and none is woken for nothing."""
    with opened(m.mnt / name) as fd, opened(m.mnt / name) as other:
        for _ in range(2):
            assert ready(fd, 0)
            assert os.pread(fd, 1 << 20, 0)
        assert not ready(fd, 0), "twice the same, and whole"
        assert os.pread(other, 1 << 20, 0)
        assert ready(other, 0, select.POLLIN | select.POLLPRI) == select.POLLIN, "an end, but no news"
        for _ in range(3):
            change(m)
            for f in (fd, other):
                assert ready(f, LIMIT, select.POLLPRI) == select.POLLPRI
                assert os.pread(f, 1 << 20, 0) == (m.mnt / name).read_bytes()
                assert not ready(f, 0, select.POLLPRI)
            assert not ready(fd, 0)


def test_edges(m):
    """Edge-triggered: each news is one edge, although nothing is ever read."""
    names = ["events/app", "head/app", "views/todos.json", "views/todos.offset", "views/todos.hash", "rejected.jsonl"]
    with contextlib.ExitStack() as stack:
        fds = {stack.enter_context(opened(m.mnt / name)): name for name in names}
        e = stack.enter_context(select.epoll())
        for fd in fds:
            e.register(fd, select.EPOLLIN | select.EPOLLET)
        assert {fd for fd, _ in e.poll(LIMIT)} == set(fds)
        assert e.poll(0) == []
        for _ in range(5):
            change(m)
            told = []
            until(lambda: told.extend(fd for fd, _ in e.poll(0.1)) or set(told) == set(fds), "each is told")
            assert e.poll(0.1) == [], "and once"
            assert sorted(told) == sorted(fds), [fds[fd] for fd in told]


def test_an_error_is_an_end(m):
    """The view is mended, breaks, and breaks in another way: what is read of it, text or error, has been read then."""
    with opened(m.mnt / "views/broken.error") as fd:

        def read():
            os.lseek(fd, 0, os.SEEK_SET)
            with contextlib.suppress(FileNotFoundError):
                return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))

        first = read()
        for text, want in ((".", None), ("(((", first), ("foo", b"foo")):
            assert not ready(fd, 0)
            (m.data / "new").write_text(text)
            os.replace(m.data / "new", m.data / "reducers/broken.jq")  # at once: no state between is told of
            found = b""
            while not (found is want or want and found and want in found):
                assert ready(fd, LIMIT), "while its worker looks at it, it is not broken"
                found = read()
            m.append(ADD)
            assert not ready(fd, 0.01), "no news of that"


def test_a_writer_is_ready_to_write(m):
    with opened(m.app, os.O_RDWR | os.O_APPEND) as fd:
        assert ready(fd, 0, select.POLLIN | select.POLLOUT) == select.POLLIN | select.POLLOUT
        while os.read(fd, 1 << 16):
            pass
        assert ready(fd, 0, select.POLLIN | select.POLLOUT) == select.POLLOUT


def test_a_program_that_ignores_the_end(m):
    """It selects and reads on for ever, and gets each event once."""
    want = m.history()
    with subprocess.Popen(["socat", "-u", f"OPEN:{m.app},ignoreeof", "-"], stdout=subprocess.PIPE) as w:
        try:
            for _ in range(3):
                got = b""
                while len(got) < len(want):
                    assert ready(w.stdout, LIMIT)
                    got += os.read(w.stdout.fileno(), 1 << 16)
                assert got == want
                m.append(ADD)
                want = line_of(ADD)
        finally:
            w.kill()
