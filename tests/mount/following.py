"""What the tests of following share: waiting for a state that a daemon is about to reach, and blocked processes."""

import contextlib
import os
import re
import select
import signal
import subprocess
import time

from harness import LIMIT, fork_job


def until(true, what="it", seconds=LIMIT):
    """Waits for something that has no handshake of its own; bounded. Gives what `true` gave."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.002)
    return found


def counts(m):
    """Handles that the daemon has (beside the one that asks), and how many wait."""
    status = m.status()
    return status["open_files"] - 1, status["waiting"]


def until_counts(m, want):
    """A close is told to the daemon after close(2) has returned."""
    last = []

    def reached():
        last[:] = counts(m)
        return tuple(last) == tuple(want)

    try:
        until(reached)
    except AssertionError:
        raise AssertionError(f"open files and waiting are {last}, not {want}") from None


def ready(fd, seconds=0, events=select.POLLIN):
    """The events that poll(2) gives; 0: none within the time. The kernel asks once more when the time is over: what is found only
    then was a wake-up that did not come."""
    p = select.poll()
    p.register(fd, events)
    begin = time.monotonic()
    found = p.poll(seconds * 1000)
    assert not found or seconds < 1 or time.monotonic() - begin < seconds, "ready, but nobody was woken"
    return found[0][1] if found else 0


@contextlib.contextmanager
def child(job):
    """Runs job() in a process of its own, meanwhile; it must end well."""
    pid = fork_job(job)
    try:
        yield pid
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    assert os.waitpid(pid, 0)[1] == 0


def read_lines(fd, n, seconds=LIMIT):
    """Reads until there are n lines; the rest of a part is the caller's."""
    data = b""
    end = time.monotonic() + seconds
    while data.count(b"\n") < n:
        assert ready(fd, max(0, end - time.monotonic())), f"only {data!r} within {seconds} s"
        part = os.read(fd, 1 << 16)
        assert part, f"ended after {data!r}"
        data += part
    return data


class Follower:
    """A program that follows: its output comes line by line."""

    def __init__(self, command, **kwargs):
        shell = isinstance(command, str)
        if shell:
            command = ["bash", "-c", command]
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        # What a shell has started in the background ignores interrupts, and so would its children.
        kwargs.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs
        )
        self.pid = self.process.pid
        self.out = self.process.stdout.fileno()
        self.buffer = b""

    def line(self, seconds=LIMIT):
        while b"\n" not in self.buffer:
            assert ready(self.out, seconds), f"nothing within {seconds} s after {self.buffer!r}"
            part = os.read(self.out, 1 << 16)
            assert part, f"ended after {self.buffer!r}: {self.process.stderr.read()}"
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def until(self, pattern, stream=None):
        """Reads standard error (or another stream) until the pattern is there."""
        stream = stream or self.process.stderr
        text = b""
        while not re.search(pattern, text):
            assert ready(stream, LIMIT), f"no {pattern!r} in {text!r}"
            part = os.read(stream.fileno(), 4096)
            assert part, f"ended after {text!r}"
            text += part

    def more(self, seconds=0):
        """Is there output, or an end?"""
        return bool(self.buffer) or bool(ready(self.out, seconds))

    def end(self, signum=None):
        """Ends it by a signal, or waits for its own end; its exit code."""
        if signum is not None:
            self.process.send_signal(signum)
        code = self.process.wait(LIMIT)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT)
        self.process.stdout.close()
        self.process.stderr.close()


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)


def state(pid):
    """R, S, D, Z …: what a process does."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]
