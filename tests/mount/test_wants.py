"""Too few descriptors, for good or for a moment: many views need few, and what could not be had is asked for again."""

import os
import resource
import signal
import subprocess
import time

import pytest
from following import until
from harness import FULL, LIMIT, Mount, children, event, scaled

BIG = ". + [$event.data.text * 200]"  # soon a state that travels as a descriptor


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def limit(pid, n):
    """Sets the soft limit of descriptors of a running process; the hard one stays."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n if n is not None else hard, hard))


def exhaust(pid):
    """It can open nothing more: new descriptors have the lowest free number, which is at the limit or above."""
    found = []
    # One that is open for a moment only would leave its place.
    while len(found) < 5 or len(set(found[-5:])) > 1:
        try:
            used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
            found.append(next(i for i in range(len(used) + 1) if i not in used))
            limit(pid, min(found[-5:]))
        except (FileNotFoundError, ProcessLookupError):
            return  # a worker that has noticed, and has ended
        time.sleep(0.01)


def relieve(pid):
    """If it is still there."""
    try:
        limit(pid, None)
    except ProcessLookupError:
        pass


class Confined(Mount):
    def command(self):
        return ["prlimit", f"--nofile={self.nofile}", *super().command()]


@pytest.fixture
def confined(request, tmp_path):
    def make(nofile, views):
        m = Confined(tmp_path, reducers=["count"], start=False)
        m.nofile = nofile
        for i in range(views):
            (m.data / f"reducers/v{i}.jq").write_text(f". + {i}")
        request.node.mounts = [m]
        return m.start()

    yield make
    for m in request.node.mounts:
        if m in Mount.live:
            m.abandon()


def edits_rotates_and_travels(m, last):
    m.append(event(1), event(2))
    assert m.view(f"v{last}") == 2 * last
    assert m.view("count") == {"count": 2}
    (m.data / f"reducers/v{last}.jq").write_text(". + 1000000")
    assert m.view(f"v{last}") == 2000000
    (m.data / "reducers/new.jq").write_text(". + 3")
    assert m.view("new") == 6
    m.sh("echo rotate > mnt/ctl")
    m.append(event(3))
    assert m.view("v1") == 3
    assert (m.mnt / "at/1/v1.json").read_text() == "1\n"
    assert (m.mnt / "at/3/new.json").read_text() == "9\n"


def test_many_views_and_few_descriptors(confined):
    n = 1000 if FULL else scaled(100, 40)
    m = confined("70:70", n)
    edits_rotates_and_travels(m, n - 1)
    for pid in [m.pid, *children(m.pid)]:
        assert descriptors(pid) < 50
    m.remount()
    assert m.view(f"v{n - 1}") == 3000000
    m.unmount()


def test_the_soft_limit_is_raised(confined):
    hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    m = confined(f"64:{hard}", 2)
    for pid in [m.pid, *children(m.pid)]:
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)
    m.unmount()


@pytest.fixture
def m(new_mount):
    """Views with states that are small, and that travel as descriptors."""
    m = new_mount(options="journal=off", reducers=["count"])  # to see whether one is worth it takes descriptors, too
    (m.data / "reducers/big.jq").write_text(BIG)
    for i in range(8):
        m.append({"type": "a", "data": {"text": "x" * 40 + str(i)}})
    assert len(m.view("big")) == 8
    return m


def processes(m, who):
    """The daemon, or its workers; a view may be in either of them."""
    worker = m.status()["worker"]
    return [m.pid] if who == "daemon" else [p for p in (worker["pid"], worker["rebuild_pid"]) if p]


def append_and_read(m):
    """Begins to read the state with one event more in it."""
    m.append({"type": "a", "data": {"text": "y" * 40}})
    return subprocess.Popen(["cat", m.mnt / "views/big.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def waits_for(m, name):
    return m.status()["views"][name]["waits_for"]


def starve(m):
    """Begins a read for which the daemon has no descriptor; events that it took."""
    for n in range(1, 100):
        exhaust(m.pid)
        cat = append_and_read(m)
        until(lambda: cat.poll() is not None or waits_for(m, "big"), "an end, or word of what it waits for")
        if waits_for(m, "big"):
            return cat, n
        cat.communicate()  # something was closed meanwhile, and one more was free
    raise AssertionError("there always was a descriptor")


def test_a_state_whose_descriptor_does_not_fit(m):
    cat, n = starve(m)
    assert "Too many open files" in waits_for(m, "big")
    relieve(m.pid)
    out, err = cat.communicate(timeout=LIMIT)
    assert cat.returncode == 0 and out.count(b"y" * 40) == n * 200, err
    assert waits_for(m, "big") is None
    assert m.view("count") == {"count": 8 + n}


def test_a_worker_without_descriptors(m):
    for pid in processes(m, "worker"):
        exhaust(pid)
    cat = append_and_read(m)
    out, err = cat.communicate(timeout=LIMIT)
    assert cat.returncode == 0 and out.count(b"y" * 40) == 200, err
    assert m.view("count") == {"count": 9}


def test_a_state_that_cannot_be_had_for_long(m):
    cat, n = starve(m)
    out, err = cat.communicate(timeout=LIMIT)
    assert cat.returncode == 1 and b"Input/output error" in err
    text = (m.mnt / "views/big.error").read_text()
    assert "Too many open files" in text and "tried again" in text
    assert m.view("count") == {"count": 8 + n}
    relieve(m.pid)
    until(lambda: not (m.mnt / "views/big.error").exists(), "the view")
    assert len(m.view("big")) == 8 + n


@pytest.mark.parametrize("who", ["daemon", "worker"])
def test_an_edit_and_a_new_reducer(m, who):
    (m.data / "reducers/warm.jq").write_text(". + 1")
    assert m.view("warm") == 8
    short = processes(m, who)
    for pid in short:
        exhaust(pid)
    (m.data / "reducers/warm.jq").write_text(". + 10")
    (m.data / "reducers/new.jq").write_text(". + 100")
    m.sh("ls mnt/views")
    cat = subprocess.Popen(["cat", m.mnt / "views/new.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert m.view("count") == {"count": 8}
    for pid in short:
        relieve(pid)
    cat.communicate(timeout=LIMIT)
    for name, want in ("warm", b"80\n"), ("new", b"800\n"):
        read = ["cat", m.mnt / f"views/{name}.json"]
        until(lambda: subprocess.run(read, capture_output=True).stdout == want, name)


@pytest.mark.parametrize("who", ["daemon", "worker"])
def test_a_rotation(m, who):
    short = processes(m, who)
    if who == "worker":
        for pid in short:
            exhaust(pid)
    m.sh("echo rotate > mnt/ctl")
    if who == "daemon":
        exhaust(m.pid)
    m.append({"type": "a", "data": {"text": "z"}})
    reads = [subprocess.Popen(["cat", m.mnt / "views/count.json"], stdout=subprocess.PIPE) for _ in range(3)]
    for pid in short:
        relieve(pid)
    for p in reads:
        assert p.communicate(timeout=LIMIT)[0] == b'{"count":9}\n'
    assert len(m.view("big")) == 9
    assert (m.mnt / "at/9/count.json").read_text() == '{"count":9}\n'
    assert m.status()["worker"]["waits_for"] is None


def test_the_past(m):
    exhaust(m.pid)
    cat = subprocess.Popen(["cat", m.mnt / "at/3/big.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.2)  # into the pauses: of them nothing tells
    relieve(m.pid)
    out, err = cat.communicate(timeout=LIMIT)
    assert cat.returncode == 0 and out.count(b"x" * 40) == 3 * 200, err


def zombies(pid):
    found = 0
    for child in children(pid):
        try:
            with open(f"/proc/{child}/stat") as f:
                found += f.read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            pass
    return found


def test_children_that_nobody_wants_any_more(m):
    """A state of more than 1 MiB is written by a child; the view is edited meanwhile."""
    for i in range(4):
        big = m.data / "reducers/large.jq"
        big.write_text(f"[(\"x\" * 1200000), {i}]")
        assert (m.mnt / "views/large.json").stat().st_size > 1 << 20
        m.append({"type": "a", "data": {"text": "z"}})
        cat = subprocess.Popen(["cat", m.mnt / "views/large.json"], stdout=subprocess.DEVNULL)
        until(lambda: any(map(children, children(m.pid))) or cat.poll() is not None, "a child that writes, or its end")
        big.write_text(f". + {i}")
        m.view("large")
        assert cat.wait(LIMIT) in (0, 1)
    until(lambda: not any(map(zombies, children(m.pid))), "the end of all children")


def test_a_reducer_that_cannot_be_read_just_now(m):
    """Edited while one descriptor is left, which is too few to read it: the view is no worse for it, and the change comes in time."""
    (m.data / "reducers/edited.jq").write_text("1")
    m.append(event(0))
    assert m.view("edited") == 1
    exhaust(m.pid)
    limit(m.pid, resource.prlimit(m.pid, resource.RLIMIT_NOFILE)[0] + 1)
    (m.data / "reducers/edited.jq").write_text("10")
    assert m.view("edited") == 1
    relieve(m.pid)
    until(lambda: m.view("edited") == 10)


def test_a_worker_that_cannot_be_started(m):
    """It is tried again, and said once."""
    until(lambda: not any(v["rebuilding"] for v in m.status()["views"].values()), "all views in one worker")
    exhaust(m.pid)
    for pid in processes(m, "worker"):
        os.kill(pid, signal.SIGKILL)
    cat = append_and_read(m)
    _, err = cat.communicate(timeout=LIMIT)
    assert cat.returncode == 1 and b"Input/output error" in err
    assert m.stderr().count("cannot start a fold worker") == 1
    relieve(m.pid)
    until(lambda: not any((m.mnt / f"views/{view}.error").exists() for view in ("big", "count")), "the views")
    assert m.view("count") == {"count": 9}
