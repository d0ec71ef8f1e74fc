"""Real power cuts: DATA on a real file system, on a disk that notes all that it is sent (power.py). What was acknowledged is
there after a cut at any moment, once, in order, with nothing that nobody wrote and no part of a group; also after a cut while
what an earlier one has left is mended."""

import bisect
import collections
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import power
import pytest
from harness import ALL, SLOW, Mount, eventfold, line_of, reducer

from oracle import crate
from oracle import reducers as oracle

CUTS = 4 if SLOW else 24 if ALL else 6  # of each generation
GENERATIONS = 2
VIEWS = ("count", "types", "todos", "stats")
# What verify finds of a write that was under way, until the next mount: a line's beginning, a group's, a snapshot of what was not on
# disk yet.
CUT_OFF = (b"has no newline", b"a group that is not whole", b"it has read further than the log goes")
WRITERS = 3


def why_not():
    """None, or why there is no such disk here."""
    if os.geteuid() != 0:
        return "mounts a disk, as only root can"
    if subprocess.run(["pkg-config", "--exists", "fuse3"]).returncode:
        return "no libfuse3 to build the disk with"
    if subprocess.run(["losetup", "--find"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return "no loop device"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture
def disks():
    """A directory in memory, where there is one: what is synced there costs nothing."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return power.build(tmp_path_factory.mktemp("helpers"))


class Told:
    """What writers were told, and when."""

    def __init__(self, disk, known):
        self.disk = disk
        self.known = known  # what is there from the beginning
        self.acked = []  # (moment, line), by any thread
        self.number = iter(range(10**9))

    def group(self, rng, name):
        """A line that is several events, and these."""
        n = rng.choice((2, 5, 100))
        key = f"{name}:{next(self.number)}"
        lines = [line_of({"type": "todo_added", "id": f"{key}.{i}", "group": [key, n], "ts": 1, "data": None}) for i in range(n)]
        return b"[" + b",".join(line[:-1] for line in lines) + b"]\n", lines

    def line(self, rng, name):
        kind = rng.randrange(4)
        if kind < 2:
            event = {"type": "todo_added", "data": {"text": "x" * rng.choice((10, 100, 1000, 20000))}}
        else:
            event = {"type": ("todo_completed", "todo_deleted")[kind - 2], "data": {"id": rng.randrange(200)}}
        return line_of({"id": f"{name}:{next(self.number)}", "ts": 1, **event})

    def heard(self, lines):
        moment = self.disk.now()
        self.acked += [(moment, line) for line in lines]

    def by(self, moment):
        return self.known + [line for at, line in self.acked if at <= moment]


def write_some(told, app, seed, name, at_close):
    """A writer until the daemon dies, or it has enough."""
    rng = random.Random(seed)
    try:
        for _ in range(rng.randrange(5, 40)):
            fd, lines = os.open(app, os.O_WRONLY | os.O_APPEND), []
            try:
                for _ in range(rng.randrange(1, 8)):
                    if rng.random() < 0.3:
                        data, some = told.group(rng, name)
                    else:
                        some = [told.line(rng, name) for _ in range(rng.choice((1, 1, 1, 5)))]
                        data = b"".join(some)
                    os.write(fd, data)
                    lines += some
                    if not at_close:
                        told.heard(some)
            finally:
                os.close(fd)
            if at_close:
                told.heard(lines)
    except OSError:
        pass


def live(m, told, rng, name):
    """Writers, a rotation by hand, a reader; sometimes a kill in the middle of it, and on again. Returns the log."""
    at_close = "sync=close" in m.options  # there is no journal then
    for stage in range(3):
        threads = [
            threading.Thread(target=write_some, args=(told, m.app, rng.random(), f"{name}.{stage}.{w}", at_close))
            for w in range(rng.randrange(1, WRITERS + 1))
        ]
        for thread in threads:
            thread.start()
        kills = stage < 2 and rng.random() < 0.5
        if rng.random() < 0.5:
            (m.mnt / "ctl").write_text("rotate")
        m.view("count")
        if kills:
            m.kill()
            m.detach()
        for thread in threads:
            thread.join()
        if kills:
            m.start()
        told.heard(m.history().splitlines(keepends=True))
    return m.history()


def check(history, must, may):
    lines = history.splitlines(keepends=True)
    assert history == b"" or history.endswith(b"\n")
    assert max(collections.Counter(lines).values(), default=1) == 1, "a line is there twice"
    missing = set(must) - set(lines)
    assert not missing, f"{len(missing)} acknowledged lines are lost, such as {sorted(missing)[0][:80]}"
    rest = iter(may.splitlines(keepends=True))
    assert all(line in rest for line in lines), "a line is there that nobody wrote, or out of order"


def check_groups(history):
    """Each is there whole or not at all, its events one behind the other."""
    counts = collections.Counter()
    last = None
    for line in history.splitlines():
        key, n = json.loads(line).get("group", (None, 0)) if b'"group"' in line else (None, 0)
        assert last in (None, key) or counts[last] == wanted, f"{last}: {counts[last]} of {wanted}"
        if key:
            counts[key] += 1
            assert counts[key] <= n, f"{key} is there twice"
        last, wanted = key, n
    assert last is None or counts[last] == wanted, f"{last}: {counts[last]} of {wanted}"


def add_reducers(data):
    (data / "reducers").mkdir()
    for name in VIEWS:
        (data / f"reducers/{name}.so").symlink_to(reducer(name))


def see(path, options, must, may):
    """What is there after the cut: first offline, then mounted, then by plain means."""
    with Mount(path, options=options, reducers=(), start=False) as m:
        offline, torn = b"", False
        if any(m.data.glob("a*.jsonl*")):  # else there is no log yet
            verified = m.sh(f"{eventfold()} verify data", check=False)
            told = sum(verified.stdout.count(words) for words in CUT_OFF)
            torn = verified.returncode == 1 and told > 0 and b": %d damaged\n" % told in verified.stdout
            assert verified.returncode == 0 or torn, verified.stdout.decode()
            offline = m.sh(f"{eventfold()} log data").stdout
            check_groups(offline)
        m.start()
        history = m.history()
        check(history, must, may)
        check_groups(history)
        assert history == offline or torn and history[: history[:-1].rfind(b"\n") + 1] == offline
        assert (m.mnt / "head/app.sha256").read_text().split()[0] == hashlib.sha256(history).hexdigest()
        lines = history.splitlines()
        for name in VIEWS:
            assert m.raw_view(name) == oracle.text(name, lines) + b"\n", name
        last = line_of({"type": "last", "ts": 2, "data": None})
        m.append(last)
        m.unmount()
        assert crate.history(m.data) == history + last
        m.sh(f"{eventfold()} verify data")


def choose(records, opened, told, rng):
    """After how many records the power goes: at any time, just when somebody had been told, or while the log is being opened."""
    how = rng.randrange(4)
    if how == 0:
        return rng.randrange(bisect.bisect_left(records, (opened,)) + 2)
    if how == 1:
        return rng.randrange(len(records) + 1)
    return bisect.bisect_left(records, (rng.choice(told.acked)[0],)) + 1


@pytest.mark.limit(40)
@pytest.mark.parametrize("options", ["journal=auto", "journal=on,rotate=100K", "journal=off,rotate=100K", "sync=close,rotate=100K"])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cuts(tmp_path, disks, program, kind, options):
    if not shutil.which(f"mkfs.{kind}"):
        pytest.skip(f"no mkfs.{kind}")
    rng = random.Random(os.environ.get("EVENTFOLD_SEED", "1") + kind + options)
    base, cut = disks / "base", disks / "cut"
    power.make_image(base, kind, add_reducers)
    must, may = [], b""
    for generation in range(GENERATIONS):
        name = f"g{generation}"
        disk = power.PowerDisk(program, disks / name, base)
        told = Told(disk, must)
        path = tmp_path / name
        with disk.mounted(path / "data"):
            with Mount(path, options=options, reducers=()) as m:
                opened = disk.now()
                told.heard(m.history().splitlines(keepends=True))
                log = live(m, told, rng, name)
        records = disk.records()
        numbers = sorted(choose(records, opened, told, rng) for _ in range(CUTS))
        chosen = rng.randrange(CUTS)
        for i, (moment, image) in enumerate(disk.cuts(records, numbers, rng, cut)):
            known = told.by(moment)
            also = may if moment < opened else log
            if i == chosen:
                run_on = disks / f"{name}.next"
                power.run("cp", "--sparse=always", image, run_on)
                next_must, next_may = known, also
            with power.mounted(image, tmp_path / "cut/data"):
                see(tmp_path / "cut", options, known, also)
        base, must, may = run_on, next_must, next_may
