"""Locks on the mount's files are the file's, however each has opened it: flock(2) and fcntl(2)."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import threading

import pytest
from following import opened
from harness import LIMIT, scaled
from test_concurrent import fork_all

WAYS = [os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_TRUNC, os.O_RDWR]
PROCESSES = 50


def ofd(fd, kind, start=0, length=0, wait=False):
    """Locks for the open file, not for the process; the whole file, if nothing else is said."""
    op = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    fcntl.fcntl(fd, op, struct.pack("hhqqi", kind, os.SEEK_SET, start, length, 0))


def in_a_child(job):
    """Its exit code, or that it could not have a lock."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = job() or 0
        except BlockingIOError:
            code = 11
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_fcntl_locks_exclude_however_the_file_was_opened(m):
    for mine in WAYS:
        for other in WAYS:
            with opened(m.app, mine) as fd:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)

                def tries(start, length=1, other=other):
                    with opened(m.app, other) as own:
                        fcntl.lockf(own, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)

                assert in_a_child(lambda: tries(5)) == 11
                assert in_a_child(lambda: tries(14)) == 11
                assert in_a_child(lambda: tries(0, 0)) == 11
                assert in_a_child(lambda: tries(0, 5)) == 0
                assert in_a_child(lambda: tries(15)) == 0
                fcntl.lockf(fd, fcntl.LOCK_UN, 10, 5)
                assert in_a_child(lambda: tries(5)) == 0


def test_a_process_loses_its_locks_with_any_close(m):
    with opened(m.app, WAYS[0]) as fd, opened(m.app, WAYS[2]) as other:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        script = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'ab'), fcntl.LOCK_EX)"
        waiter = subprocess.Popen([sys.executable, "-c", script, str(m.app)])
        with pytest.raises(subprocess.TimeoutExpired):
            waiter.wait(0.2)
        # A child that has inherited the descriptor has no such lock, and takes none away.
        assert in_a_child(lambda: os.close(fd)) == 0
        with pytest.raises(subprocess.TimeoutExpired):
            waiter.wait(0.1)
        os.close(os.open(m.app, os.O_RDONLY))
        assert waiter.wait(LIMIT) == 0
        assert os.fstat(other).st_ino == os.fstat(fd).st_ino


def test_who_waits_gets_what_another_who_waited_gives_up(m):
    """A lock to write that becomes one to read makes way for who has waited for longer, too."""
    with opened(m.app, WAYS[0]) as fd, opened(m.app, WAYS[0]) as strong, opened(m.app, WAYS[0]) as reader:
        ofd(strong, fcntl.F_WRLCK, length=10)
        ofd(fd, fcntl.F_WRLCK, 20)
        waiters = []
        for own, length in ((reader, 5), (strong, 0)):
            waiters.append(threading.Thread(target=ofd, args=(own, fcntl.F_RDLCK, 0, length, True), daemon=True))
            waiters[-1].start()
            waiters[-1].join(0.2)
            assert waiters[-1].is_alive()
        ofd(fd, fcntl.F_UNLCK)
        for waiter in waiters:
            waiter.join(LIMIT)
            assert not waiter.is_alive()


def test_who_waits_can_be_interrupted_and_killed(m):
    with opened(m.app, WAYS[0]) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        for signum in (signal.SIGINT, signal.SIGKILL):
            waiter = subprocess.Popen(
                [sys.executable, "-c", "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'ab'), 2)", str(m.app)],
                stderr=subprocess.DEVNULL,
            )
            with pytest.raises(subprocess.TimeoutExpired):
                waiter.wait(0.2)
            waiter.send_signal(signum)
            assert waiter.wait(LIMIT) != 0


def test_whose_holder_is_killed(m):
    script = "import fcntl, sys; f = open(sys.argv[1], 'ab'); fcntl.lockf(f, 2); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(m.app)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline()
        with opened(m.app, WAYS[0]) as fd:
            with pytest.raises(BlockingIOError):
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            holder.kill()
            fcntl.lockf(fd, fcntl.LOCK_EX)


def test_locks_of_open_files(m):
    """F_OFD_SETLK: two handles of one process exclude each other, and a copy of the descriptor keeps the lock."""
    with opened(m.app, WAYS[0]) as a, opened(m.app, WAYS[2]) as b:
        ofd(a, fcntl.F_WRLCK)
        with pytest.raises(BlockingIOError):
            ofd(b, fcntl.F_RDLCK)
        copy = os.dup(a)
        os.close(copy)
        got = []
        waiter = threading.Thread(target=lambda: (ofd(b, fcntl.F_RDLCK, wait=True), got.append(1)))
        waiter.start()
        waiter.join(0.05)
        assert not got
        ofd(a, fcntl.F_UNLCK)
        waiter.join(LIMIT)
        assert got
        last = os.open(m.app, WAYS[1])
        ofd(b, fcntl.F_UNLCK)
        ofd(last, fcntl.F_WRLCK)
        os.close(last)
        ofd(a, fcntl.F_WRLCK)


def test_a_circle_of_those_who_wait_is_told(m):
    with opened(m.app, WAYS[0]) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, 0)
        script = (
            "import fcntl, sys; f = open(sys.argv[1], 'ab'); fcntl.lockf(f, 2, 1, 1); print(flush=True); fcntl.lockf(f, 2, 1, 0)"
        )
        other = subprocess.Popen([sys.executable, "-c", script, str(m.app)], stdout=subprocess.PIPE)
        with other:
            assert other.stdout.readline()
            # It may not wait yet: then this one does, until it is told.
            begin = threading.Timer(LIMIT, other.kill)
            begin.start()
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX, 1, 1)
            except OSError as e:
                assert e.strerror == os.strerror(35)
                fcntl.lockf(fd, fcntl.LOCK_UN, 1, 0)
                assert other.wait(LIMIT) == 0
            else:
                assert other.wait(LIMIT) != 0, "one of the two is told"
            begin.cancel()


def test_read_locks_of_what_nobody_writes(m):
    for name in ("views/todos.json", "status.json", "head/app"):
        with opened(m.mnt / name) as a, opened(m.mnt / name) as b:
            for fd in (a, b):
                fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with pytest.raises(OSError, match="Bad file descriptor"):
                fcntl.lockf(a, fcntl.LOCK_EX)


def test_counting_in_turns_by_flock(m):
    """From shells: each has the lock, counts the lines and appends the number."""
    rounds = scaled(4, 1)
    line = r'''flock mnt/events/app sh -c 'echo "{\"type\":\"n\",\"data\":$(wc -l < mnt/events/app)}" >> mnt/events/app' '''
    m.sh(f"for i in $(seq {PROCESSES}); do (for j in $(seq {rounds}); do {line}; done) & done; wait")
    assert [e["data"] for e in m.events()] == list(range(PROCESSES * rounds))


@pytest.mark.parametrize("flags", WAYS[::2])
@pytest.mark.parametrize("sync", ["write", "close"])
def test_counting_in_turns_by_fcntl(new_mount, flags, sync):
    """Each appends how long the log is, and closes in some rounds, which lets go of the lock; the line then has no end yet."""
    m = new_mount(options=f"sync={sync}")
    rounds = scaled(6, 2)

    def count(writer):
        fd = os.open(m.app, flags)
        for i in range(rounds):
            fcntl.lockf(fd, fcntl.LOCK_EX)
            line = json.dumps({"type": f"w{writer}", "data": os.fstat(fd).st_size}).encode()
            if (i + writer) % 3:
                os.write(fd, line + b"\n")
                fcntl.lockf(fd, fcntl.LOCK_UN)
            else:
                os.write(fd, line)
                os.close(fd)
                fd = os.open(m.app, flags)
        os.close(fd)

    fork_all([lambda w=w: count(w) for w in range(PROCESSES)])
    events, at = m.events(), 0
    assert len(events) == PROCESSES * rounds
    for line, event in zip(m.history().splitlines(keepends=True), events):
        assert event["data"] == at
        at += len(line)
