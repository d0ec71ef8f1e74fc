"""Modification times: those of the last change, the same in every look, and in the next life of the daemon."""

import os
import time

import pytest
from following import until
from harness import event

ADD = {"type": "todo_added", "data": {"text": "x"}, "ts": 1}
NOTHING = {"type": "nothing_to_todos", "data": None, "ts": 1}  # todos stays as it is
POSITIONS = ["events/app", "head/app", *(f"views/{v}.{s}" for v in ("todos", "count") for s in ("offset", "hash", "snapshot.json"))]
STATES = ["views/todos.json", "views/count.json"]
PAST = ["at/2/app", "at/2/todos.json"]
TICK = 20_000_000  # ns by which a filesystem's clock may be behind


@pytest.fixture
def m(new_mount):
    m = new_mount(reducers=["todos", "count"])
    m.append(*[event(i) for i in range(5)], NOTHING)
    settle(m)
    return m


def settle(m):
    """Reads all, so that nothing is under way."""
    for name in POSITIONS + STATES:
        (m.mnt / name).read_bytes()


def times(m, names):
    return {name: os.stat(m.mnt / name).st_mtime_ns for name in names}


def changed(before, after):
    assert all(after[name] >= before[name] for name in before), "never back"
    return {name for name in before if after[name] != before[name]}


def test_what_changes_with_an_event(m):
    names = POSITIONS + STATES + PAST + ["rejected.jsonl"]
    for ev, states in ((NOTHING, {"views/count.json"}), (ADD, set(STATES))):
        before, begin = times(m, names), time.time_ns()
        assert times(m, names) == before
        m.append(ev)
        settle(m)
        after, end = times(m, names), time.time_ns()
        assert changed(before, after) == set(POSITIONS) | states
        for name in set(POSITIONS) | states:
            assert begin - TICK <= after[name] <= end, name
        assert times(m, names) == after
    before = times(m, names)
    m.sh("echo '{' >> mnt/events/app", check=False)
    assert changed(before, times(m, names)) == {"rejected.jsonl"}
    m.sh("echo rotate > mnt/ctl")
    settle(m)
    assert changed(before, times(m, names)) == {"rejected.jsonl"}


def test_kept_over_a_remount(m):
    m.append(NOTHING)
    settle(m)
    before = times(m, POSITIONS + STATES + PAST)
    assert before["views/todos.json"] < before["views/count.json"]
    for _ in range(2):
        time.sleep(0.02)  # another time than that of the mount
        m.remount()
        settle(m)
        assert times(m, POSITIONS + STATES + PAST) == before


def test_kept_over_a_crash(m):
    """Without a snapshot nobody knows which event was the last that changed a state: it is the log's last, in each life."""
    log = os.stat(m.app).st_mtime_ns
    for _ in range(2):
        m.kill()
        m.detach()
        m.start()
        settle(m)
        assert set(times(m, POSITIONS + STATES).values()) == {log}


def test_another_reducer_is_a_change(m):
    (m.data / "reducers/v.jq").write_text("1")
    m.raw_view("v")
    names = ["events/app", "views/todos.json", "views/v.json", "at/2/v.json"]
    before, begin = times(m, names), time.time_ns()
    (m.data / "reducers/v.jq").write_text("2")
    assert m.raw_view("v") == b"2\n"
    after = times(m, names)
    assert changed(before, after) == {"views/v.json", "at/2/v.json"}
    assert after["views/v.json"] >= begin - TICK
    m.remount()
    m.raw_view("v")
    assert os.stat(m.mnt / "views/v.json").st_mtime_ns == after["views/v.json"]
    (m.data / "reducers/v.jq").write_text("(((")
    until(lambda: (m.mnt / "views/v.error").exists())
    broken = times(m, ["views/v.json", "views/v.error"])
    assert broken["views/v.json"] == broken["views/v.error"] > after["views/v.json"]
    assert times(m, ["views/v.json", "views/v.error"]) == broken


def test_status(m):
    """Of its last change, and not more than once in a second."""
    path = m.mnt / "status.json"
    path.read_bytes()
    until(lambda: time.time_ns() - os.stat(path).st_mtime_ns > 1_100_000_000)
    last = os.stat(path).st_mtime_ns
    path.read_bytes()
    assert os.stat(path).st_mtime_ns == last, "a look is no change"
    begin, seen = time.time_ns(), set()
    while time.time_ns() < begin + 1_500_000_000 or len(seen) < 2:
        m.append(ADD)
        path.read_bytes()
        seen.add(os.stat(path).st_mtime_ns)
    seen = sorted(seen)
    assert begin - TICK <= seen[0], "a change is one at once"
    assert len(seen) > 1 and all(b - a >= 1_000_000_000 for a, b in zip(seen, seen[1:]))
    m.append(ADD)
    until(lambda: time.time_ns() - os.stat(path).st_mtime_ns > 1_100_000_000)
    last = os.stat(path).st_mtime_ns
    assert last > seen[-1], "the last of them is told as well"
    m.sh("echo '{' >> mnt/events/app", check=False)
    assert os.stat(path).st_mtime_ns > last


def test_a_text_is_never_told_to_be_newer_than_it_is(m):
    """What a web server goes by: where the time is the same, so is the text."""
    app = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    seen = {}
    for i in range(200):
        os.write(app, b'{"type":"a","data":1}\n')
        fd = os.open(m.mnt / "views/count.json", os.O_RDONLY)
        st = os.fstat(fd)
        text = os.read(fd, 100)
        os.close(fd)
        assert seen.setdefault(st.st_mtime_ns, text) == text
        assert os.stat(m.mnt / "views/count.json").st_mtime_ns >= st.st_mtime_ns
    os.close(app)
