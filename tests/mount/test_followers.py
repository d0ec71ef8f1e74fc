"""Followers in numbers, and followers that come and go."""

import contextlib
import os
import random
import resource
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from following import Follower, child, opened, until, until_counts
from harness import ALL, FULL, LIMIT, SLOW, line_of, scaled

ADD = {"type": "todo_added", "data": {"text": "x"}, "ts": 1}
FILES = ["tail/app", "tail/app@0", "tail/todos.json", "events/app", "head/app", "views/todos.json", "views/todos.offset",
         "views/count.hash", "views/count.snapshot.json"]  # fmt: skip


@pytest.fixture(scope="session")
def helper(tmp_path_factory):
    """Builds helpers/NAME.c."""

    def build(name, *options):
        program = tmp_path_factory.mktemp("helpers") / name
        source = Path(__file__).parent / f"helpers/{name}.c"
        subprocess.run(["cc", "-O1", "-Wall", "-D_GNU_SOURCE", source, "-pthread", *options, "-o", program], check=True)
        return program

    return build


def memory(pid):
    """The most that the process has had at a time, in MiB."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


@pytest.mark.limit(12)
def test_a_thousand_followers(new_mount, helper):
    """The helper sees that each gets what it follows, in a process that has all of them open."""
    program = helper("followers")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    followers, events = min(scaled(1000, 100), (hard - 50) // 2), 10_000 if FULL else scaled(2000, 300)
    m = new_mount(reducers=["count"])
    before = memory(m.pid)
    done = subprocess.run(
        [program, m.mnt, str(followers), str(events), str(3 * LIMIT)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * LIMIT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    until_counts(m, (0, 0))
    assert m.view("count") == {"count": 2 * events}
    assert SLOW or memory(m.pid) < before + 32, "a sanitizer keeps what is freed"


@pytest.mark.skipif(SLOW, reason="a sanitizer has to be loaded first")
def test_an_event_that_comes_as_a_read_begins_to_wait(new_mount, helper, monkeypatch):
    """The read looks for it, or is told of it, however late either thread is."""
    program, late = helper("ping_pong"), helper("slow_locks", "-shared", "-fPIC", "-ldl")
    with monkeypatch.context() as env:
        env.setenv("LD_PRELOAD", str(late))
        m = new_mount(options="sync=none", reducers=[])
    command = [program, m.mnt / "tail/app", m.app, "5000", str(LIMIT // 4)]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


def test_a_client_that_selects(m, helper):
    """A program in C with a loop around select, as in libfuse's example: it is told of each change of each file once, and sleeps then."""
    names = ["events/app", "head/app", "views/count.json", "views/todos.json", "views/todos.offset", "tail/app", "tail/count.json"]
    line = len(line_of(ADD))
    m.append(ADD)
    with Follower([helper("poll_client"), *(m.mnt / n for n in names)], stdin=subprocess.PIPE) as w:

        def see(times):
            """Reads on until each file was read so often; the last size of each is what it is by now."""
            left, last = dict(enumerate(times)), {}
            while any(left.values()):
                i, n = map(int, w.line().split())
                assert left[i], f"{names[i]} once more, with {left} to come"
                left[i] -= 1
                last[i] = n
            sizes = [len((m.mnt / name).read_bytes()) for name in names[1:5]]
            sizes = [line, *sizes, line, sizes[1]]
            assert last == {i: sizes[i] for i in last}

        see([1, 2, 2, 2, 2, 0, 1])  # a text that is read whole a second time has no end to be looked for
        for _ in range(20):
            m.append(ADD)
            see([1] * len(names))
        assert not w.more(0.1), "it sleeps"
        w.process.stdin.close()
        assert w.end() == 0
    until_counts(m, (0, 0))


def follow_for_a_while(path, rng):
    """One life of a follower, of any kind; it ends by itself, by a signal of its own or by one of the test's."""
    signal.signal(signal.SIGALRM, lambda *_: None if rng.random() < 0.7 else os._exit(0))
    signal.siginterrupt(signal.SIGALRM, rng.random() < 0.5)
    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.1), rng.uniform(0.001, 0.1))
    fd = os.open(path, os.O_RDONLY | (os.O_NONBLOCK if rng.random() < 0.3 else 0))
    end = time.monotonic() + rng.uniform(0, 0.5)
    e = select.epoll()
    e.register(fd, select.EPOLLIN | (select.EPOLLET if rng.random() < 0.5 else 0))
    while time.monotonic() < end:
        way = rng.random()
        with contextlib.suppress(BlockingIOError, InterruptedError):
            if way < 0.3:
                p = select.poll()
                p.register(fd, select.POLLIN | select.POLLPRI)
                p.poll(rng.randrange(50))
            elif way < 0.6:
                e.poll(rng.uniform(0, 0.05))
            elif way < 0.9:
                os.read(fd, rng.choice((1, 100, 1 << 16)))
            elif "tail/" not in str(path):
                os.lseek(fd, 0, os.SEEK_SET)
            else:
                os.set_blocking(fd, rng.random() < 0.7)


@pytest.mark.limit(8)
def test_followers_that_come_and_go(new_mount):
    """Opened, interrupted and killed at random, under load: nobody is stuck, and nothing is left of them."""
    m = new_mount(options="sync=none", reducers=["count", "todos"])
    seconds = 60 if ALL else 25 if FULL else 10
    rng = random.Random(seconds)
    lives = {}
    n = 0

    def write_on():
        own = random.Random(1)
        fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
        while True:
            os.write(fd, line_of(ADD if own.random() < 0.5 else {"type": "nothing", "data": None, "ts": 1}))
            if own.random() < 0.05:
                time.sleep(own.uniform(0, 0.05))

    def begin():
        seed = rng.random()
        # An interrupt ends the child: it must not go through the test's own ends there.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            own = random.Random(seed)
            with contextlib.suppress(BaseException):
                follow_for_a_while(m.mnt / own.choice(FILES), own)
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        lives[pid] = os.pidfd_open(pid)

    def reap(wait):
        """Those that have ended; bounded, for a follower that nothing ends is what this looks for."""
        p = select.poll()
        for fd in lives.values():
            p.register(fd, select.POLLIN)
        ended = {fd for fd, _ in p.poll(wait * 1000)}
        for pid, fd in list(lives.items()):
            if fd in ended:
                os.waitpid(pid, 0)
                os.close(fd)
                del lives[pid]
        return bool(ended)

    begin_time = time.monotonic()
    writer = os.fork()
    if writer == 0:
        with contextlib.suppress(BaseException):
            write_on()
        os._exit(1)
    try:
        while time.monotonic() < begin_time + seconds:
            while len(lives) < 30:
                begin()
                n += 1
            pid = rng.choice(list(lives))
            signum = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGSTOP, 0))
            os.kill(pid, signum)
            if signum == signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
            reap(rng.uniform(0, 0.01))
        for pid in lives:
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + LIMIT / 2
        while lives:
            assert reap(max(0, end - time.monotonic())), f"stuck: {sorted(lives)}"
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        for pid in lives:
            os.kill(pid, signal.SIGKILL)
    assert n > 2 * seconds
    until_counts(m, (0, 0))
    # What was going on has left nothing broken: a new one is told.
    with opened(m.mnt / "tail/app") as fd, child(lambda: m.append(ADD)):
        assert os.read(fd, 4096) == line_of(ADD)
