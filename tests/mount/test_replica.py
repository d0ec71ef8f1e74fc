"""A copy of a log by two lines of shell, whatever dies meanwhile: it is at every moment a prefix of the original, and the same soon
after the last event."""

import os
import random
import signal
import subprocess
import time

import pytest
from following import until
from harness import ALL, SLOW, bound, event, fork_job

ROUNDS = 300 if ALL and not SLOW else 20
COPY = 'head=$(cat there/mnt/head/app) && exec bash -c "cat here/mnt/tail/app@$head" > there/mnt/events/app@$head'
LOOP = f"while :; do ({COPY}) 2>/dev/null; sleep 0.005; done"


class Loop:
    """Something that is started again when it has been ended."""

    def __init__(self, start):
        self.start = start
        self.process = start()

    def kill(self):
        self.end()
        self.process = self.start()

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def replicator(path):
    return subprocess.Popen(["bash", "-c", LOOP], cwd=path, start_new_session=True, stdin=subprocess.DEVNULL)


def write(app, seed):
    rng = random.Random(seed)
    i = 0
    while True:
        try:
            with open(app, "ab", buffering=0) as f:
                while True:
                    line = str(event(i, pad=rng.choice((0, 0, 200, 5000)))).encode()
                    line = b'{"type":"t","data":"' + line.replace(b'"', b"") + b'"}\n'
                    at = rng.randrange(1, len(line))
                    f.write(line[:at])
                    f.write(line[at:])
                    i += 1
                    time.sleep(rng.choice((0, 0, 0.001, 0.01)))
        except OSError:
            time.sleep(0.005)


class Writer:
    def __init__(self, app):
        self.app, self.seed = app, 0
        self.pid = None
        self.kill()

    def kill(self):
        self.end()
        self.seed += 1
        self.pid = fork_job(lambda: write(self.app, self.seed))

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.pid = None


def revive(m):
    try:
        m.kill()
    except BaseException:
        m.detach()
        raise
    m.start()


@pytest.mark.limit(30)
def test_a_copy_is_a_prefix_whatever_dies(new_mount, tmp_path):
    rng = random.Random(os.environ.get("EVENTFOLD_SEED", "1"))
    here, there = new_mount("here", reducers=()), new_mount("there", reducers=(), options="rotate=300K")
    writer, pipe = Writer(here.app), None
    try:
        pipe = Loop(lambda: replicator(tmp_path))
        for number in range(ROUNDS):
            time.sleep(rng.uniform(0, 0.1))
            what = rng.randrange(5)
            if what == 0:
                revive(here)
            elif what == 1:
                revive(there)
            elif what == 2:
                pipe.kill()
            elif what == 3:
                writer.kill()
            else:
                (rng.choice((here, there)).mnt / "ctl").write_text("rotate")
            copy = there.history()
            assert here.history().startswith(copy), f"round {number}, {what}"
        writer.end()
        here.append(event(1))
        begin = time.monotonic()
        until(lambda: there.head() == here.head(), "the last event's copy")
        assert (there.mnt / "head/app.sha256").read_text() == (here.mnt / "head/app.sha256").read_text()
        took = time.monotonic() - begin
        assert there.history() == here.history()
        assert len(here.history()) > ROUNDS
        assert took < bound(1), took
    finally:
        writer.end()
        if pipe:
            pipe.end()
