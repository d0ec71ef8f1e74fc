"""at/N/app and at/N/NAME.json: the log and the views as they were after the first N events."""

import errno
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from following import until
from harness import FULL, LIMIT, SLOW, children, event, line_of, scaled

from oracle import reducers as oracle
from test_holes import frames

JQ = ".n += 1 | .last = $event.id | .types[$event.type] += 1"


def at(m, n, name):
    return (m.mnt / f"at/{n}/{name}").read_bytes()


def state_of(events, name):
    if name == "n":
        state = None
        for ev in events:
            state = state or {"n": 0, "last": None, "types": {}}
            state.update(n=state["n"] + 1, last=ev.get("id"))
            state["types"][ev["type"]] = state["types"].get(ev["type"], 0) + 1
        return state
    return oracle.fold(name, events)


def check_at(m, n, lines):
    events = [json.loads(line) for line in lines[:n]]
    assert at(m, n, "app") == b"".join(lines[:n])
    for name in ("count", "todos", "n"):
        assert json.loads(at(m, n, f"{name}.json")) == state_of(events, name), f"{name} at {n}"


def fill(m, n, first=0):
    m.append(b"".join(line_of(event(i)) for i in range(first, first + n)))


def rotate(m):
    (m.mnt / "ctl").write_text("rotate\n")
    until(lambda: not m.status()["log"]["rotating"] and m.status()["log"]["active_bytes"] == 0)


@pytest.fixture
def m(new_mount):
    m = new_mount.prepare(reducers=["count", "todos"])
    (m.data / "reducers/n.jq").write_text(JQ)
    return m.start()


def test_every_n(m):
    """From nothing to the head, forwards and backwards."""
    n = scaled(40, 10)
    fill(m, n)
    lines = m.history().splitlines(keepends=True)
    for i in [*range(n + 1), *range(n, -1, -3)]:
        check_at(m, i, lines)
    for name in ("app", "count.json", "n.json"):
        with pytest.raises(FileNotFoundError):
            at(m, n + 1, name)
    # What is beyond the log now is in it later; what was, stays.
    m.append(event(n))
    check_at(m, n + 1, m.history().splitlines(keepends=True))
    check_at(m, n, lines)


def test_over_rotations(m):
    """In the archive, in its frames, at their borders, in the active file; the same after a remount."""
    total = 0
    for part in (700, 1, 300):
        fill(m, part, total)
        total += part
        rotate(m)
    fill(m, 50, total)
    total += 50
    lines = m.history().splitlines(keepends=True)
    places = [0, 1, 699, 700, 701, 702, 1000, 1001, 1002, 1050, 350]
    for n in places:
        check_at(m, n, lines)
    m.remount()
    for n in reversed(places):
        check_at(m, n, lines)
    rotate(m)
    for n in places:
        check_at(m, n, lines)


def test_names(m):
    fill(m, 12)
    for n in ("-1", "+1", "01", "00", "x", "1x", " 1", "0x1", "1.0", "18446744073709551616", "9" * 40, "13", "a/b"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            at(m, n, "app")
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            at(m, n, "count.json")
    for name in ("nothing.json", "count", "count.offset", "count.error", "app.json", ".json", "App"):
        with pytest.raises(FileNotFoundError):
            at(m, 5, name)
    with pytest.raises(OSError) as caught:
        open(m.mnt / "at/5/count.json", "w").close()
    assert caught.value.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    with pytest.raises(OSError):
        (m.mnt / "at/5/new").write_text("x")
    with pytest.raises(OSError):
        (m.mnt / "at/5/app").unlink()


def test_tools(m):
    """Listed as far as it can be, sizes exact, copied as any directory."""
    fill(m, 30)
    lines = m.history().splitlines(keepends=True)
    assert os.listdir(m.mnt / "at") == []
    assert "at" not in os.listdir(m.mnt) or m.sh("ls mnt/at").stdout == b""
    assert sorted(os.listdir(m.mnt / "at/5")) == ["app", "count.json", "n.json", "todos.json"]
    for name in os.listdir(m.mnt / "at/5"):
        assert (m.mnt / "at/5" / name).stat().st_size == len(at(m, 5, name)) > 0
    m.sh("cp -r mnt/at/5 five && rsync -a mnt/at/7/ seven/ && tar cf - -C mnt/at/9 . | tar xf - --one-top-level=nine")
    for n, where in ((5, "five"), (7, "seven"), (9, "nine")):
        assert (m.path / where / "app").read_bytes() == b"".join(lines[:n])
        assert json.loads((m.path / where / "count.json").read_bytes()) == {"count": n}
    assert m.sh("diff <(jq -S . mnt/at/29/todos.json) <(jq -S . mnt/at/30/todos.json)", check=False).returncode in (0, 1)
    assert m.sh("wc -l < mnt/at/17/app").stdout == b"17\n"
    assert m.sh("cat mnt/at/0/app; cat mnt/at/0/n.json").stdout == b"null\n"
    with open(m.mnt / "at/20/app", "rb") as f:
        f.seek(-len(lines[19]), os.SEEK_END)
        assert f.read() == lines[19]


def test_what_is_open_stays_as_it_is(m):
    fill(m, 10)
    with open(m.mnt / "at/5/n.json", "rb", buffering=0) as f, open(m.mnt / "at/5/app", "rb", buffering=0) as log:
        before, log_before = f.read(), log.read()
        fill(m, 10, 10)
        rotate(m)
        (m.mnt / "reducers/n.jq").write_text(". + 1")
        f.seek(0), log.seek(0)
        assert (f.read(), log.read()) == (before, log_before)
    assert json.loads(at(m, 5, "n.json")) == 5, "a changed reducer has another past"
    (m.mnt / "reducers/n.jq").unlink()
    with pytest.raises(FileNotFoundError):
        at(m, 5, "n.json")


def test_a_broken_reducer(m):
    """Before the event it breaks on there is a past."""
    fill(m, 20)
    (m.mnt / "reducers/bad.jq").write_text('if . == 10 then error("x") else . + 1 end')
    assert json.loads(at(m, 10, "bad.json")) == 10
    with pytest.raises(OSError) as caught:
        at(m, 11, "bad.json")
    assert caught.value.errno == errno.EIO
    assert json.loads(at(m, 3, "bad.json")) == 3
    (m.mnt / "reducers/bad.jq").write_text(". +")
    for n in (0, 5):
        with pytest.raises(OSError) as caught:
            at(m, n, "bad.json")
        assert caught.value.errno == errno.EIO
        assert m.sh(f"ls -l mnt/at/{n}").stderr == b"", "it can be listed"
    assert json.loads(at(m, 11, "count.json")) == {"count": 11}
    # One that never comes back is cut off, and nobody else has to wait for it but those who come behind.
    (m.mnt / "reducers/bad.jq").write_text("if . == 10 then until(false; .) else . + 1 end")
    with pytest.raises(OSError) as caught:
        at(m, 15, "bad.json")
    assert caught.value.errno == errno.EIO
    check_at(m, 15, m.history().splitlines(keepends=True))


def test_an_open_that_is_interrupted(new_mount):
    """It ends at once, and so does what was done for it: nobody has to wait behind that."""
    m = new_mount(options=f"reduce_timeout={4 * LIMIT}", reducers=["count"])
    fill(m, 20)
    (m.mnt / "reducers/slow.jq").write_text("if . == 10 then until(false; .) else . + 1 end")
    readers = [subprocess.Popen(["cat", m.mnt / "at/15" / name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for name in ("slow.json", "count.json", "app")]
    # Both workers are at that event: the one that keeps the view, and the one of the past.
    until(lambda: len(children(m.pid)) >= 3)
    assert readers[0].poll() is None
    # The log of then needs no fold.
    assert len(at(m, 7, "app").splitlines()) == 7
    assert readers[0].poll() is None and readers[2].wait(LIMIT) == 0
    begin = time.monotonic()
    readers[0].kill()
    assert readers[0].wait(LIMIT) != 0
    assert [r.wait(LIMIT) for r in readers[1:]] == [0, 0]
    assert time.monotonic() - begin < LIMIT
    m.append(event(20))
    assert m.view("count") == {"count": 21}
    check = json.loads(at(m, 5, "count.json"))
    assert check == {"count": 5}
    (m.mnt / "reducers/slow.jq").unlink()


def test_several_at_a_time(new_mount):
    """Nobody waits for a trip that takes long, but those who want what it brings."""
    m = new_mount(options=f"reduce_timeout={4 * LIMIT}", reducers=["count"])
    fill(m, 3000)
    (m.mnt / "reducers/slow.jq").write_text("if . == 2500 then until(false; .) else . + 1 end")
    (m.mnt / "reducers/slow2.jq").write_text("if . == 10 then until(false; .) else . + 1 end")
    slow = [subprocess.Popen(["cat", m.mnt / "at" / str(n) / name], stdout=subprocess.DEVNULL)
            for n, name in ((2600, "slow.json"), (2601, "slow.json"), *((n, "slow2.json") for n in range(100, 108)))]
    # Those that keep the views, and one at least on a trip of each.
    until = time.monotonic() + LIMIT
    while len(children(m.pid)) < 4:
        assert time.monotonic() < until
    for n in (2700, 5, 2701, 2000, 2699):
        done = subprocess.run(["cat", m.mnt / "at" / str(n) / "count.json"], stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        assert json.loads(done.stdout) == {"count": n}
    assert all(s.poll() is None for s in slow)
    for s in slow:
        s.kill()
    assert all(s.wait(LIMIT) != 0 for s in slow)
    for view in ("slow", "slow2"):
        (m.mnt / f"reducers/{view}.jq").unlink()


def ended(pid):
    """The processor time of the children that have ended: each trip into the past is one."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def test_neighbours_are_cheap(new_mount):
    """A reducer that counts in how many steps it was asked: from a place nearby, not from the start."""
    m = new_mount.prepare(reducers=["count"])
    # Slow enough to be told apart: about 20 us an event more, and what each trip costs is more on a slow machine.
    (m.data / "reducers/slow.jq").write_text(f"reduce range({scaled(200, 2_000)}) as $i (.; .) | . + 1")
    m.start()
    n = scaled(30_000, 6_000)
    m.append(b"".join(b'{"type":"a","data":null,"ts":1}\n' for _ in range(n)))
    assert json.loads(at(m, n - 10, "slow.json")) == n - 10  # wherever it begins
    mid = n // 2
    before = ended(m.pid)
    assert json.loads(at(m, mid, "slow.json")) == mid
    first = ended(m.pid) - before
    for i in range(10):
        assert json.loads(at(m, mid + i, "slow.json")) == mid + i
        assert json.loads(at(m, mid - i, "slow.json")) == mid - i
    assert ended(m.pid) - before - first < 20 * max(first, 0.05) / 2


LARGE = 'if $event.type == "big" then {pad: $event.data, n: 0} else .n += 1 | .last = $event.data end'


PAD = scaled(2_000_000, 1_100_000)  # a worker stands ready for a state of more than 1 MiB, and where the first one took 2 s at most


@pytest.fixture
def large(new_mount):
    """A view of some MB, and events that change little of it: large(n) after n of them."""
    m = new_mount.prepare(reducers=[])
    (m.data / "reducers/large.jq").write_text(LARGE)
    m.start()
    m.append({"type": "big", "ts": 1, "data": "x" * PAD})
    m.append(b"".join(line_of({"type": "e", "ts": 1, "data": i, "meta": "x" * 1700}) for i in range(1, 2001)))
    assert m.view("large")["n"] == 2000

    def state(n):
        got = json.loads(at(m, n + 1, "large.json"))
        assert len(got.pop("pad")) == PAD
        return got

    m.large = state
    return m


def expected(n):
    return {"n": n, "last": n}


def ready(m, others):
    """The workers that stand ready."""
    return sorted(set(children(m.pid)) - others)


def test_a_worker_stands_ready(large):
    """For who goes from neighbour to neighbour, either way; for a while."""
    m = large
    others = set(children(m.pid))
    assert m.large(1500) == expected(1500)
    assert ready(m, others) == [], "the way was long"
    assert m.large(1499) == expected(1499)
    (worker,) = ready(m, others)
    for n in (1498, 1490, 1501, 1502, 1800, 1300, 1499):
        assert m.large(n) == expected(n)
        assert worker in ready(m, others), n
    # Further away there are others, but never many.
    for n in (600, 599, 100, 99, 1999, 1998, 700):
        assert m.large(n) == expected(n)
        assert len(ready(m, others)) <= 2
    until(lambda: ready(m, others) == [])
    assert m.large(1497) == expected(1497)
    assert len(ready(m, others)) == 1
    m.remount()  # nobody is left behind


def test_who_stands_ready_sees_what_is_new(large):
    """Another reducer, a rotated log, events that came since; one that is killed is missed by nobody."""
    m = large
    others = set(children(m.pid))
    assert [m.large(n) for n in (1500, 1499)] == [expected(1500), expected(1499)]
    rotate(m)
    assert m.large(1498) == expected(1498) and len(ready(m, others)) == 1
    m.append(*[{"type": "e", "ts": 1, "data": i} for i in range(2001, 2005)])
    assert [m.large(n) for n in (2003, 2002, 2004)] == [expected(n) for n in (2003, 2002, 2004)]
    for pid in ready(m, others):
        os.kill(pid, signal.SIGKILL)
    assert [m.large(n) for n in (1496, 1495)] == [expected(1496), expected(1495)]
    (m.mnt / "reducers/large.jq").write_text(LARGE.replace(".n += 1", ".n += 2"))
    assert [m.large(n) for n in (1494, 1493)] == [{"n": 2 * n, "last": n} for n in (1494, 1493)]


def test_who_stands_ready_sees_damage(large):
    """A state of the past has all events before it, or is none."""
    m = large
    rotate(m)
    archive = m.data / "archive.jsonl.zst"
    whole = archive.read_bytes()
    ends = [sum(count for _, _, count in frames(whole)[: i + 1]) for i in range(len(frames(whole)))]
    i, end = next((i, end) for i, end in enumerate(ends) if end > 1100)
    assert end < 1800, "there is one more behind it"
    assert [m.large(n) for n in (end + 52, end + 51)] == [expected(end + 52), expected(end + 51)]
    middle = sum(frames(whole)[i][:2]) // 2

    def write(byte):
        with open(archive, "r+b") as f:
            f.seek(middle)
            f.write(bytes([byte]))

    write(whole[middle] ^ 0x10)
    with pytest.raises(OSError) as caught:
        m.large(end + 50)
    assert caught.value.errno == errno.EIO
    write(whole[middle])
    assert m.large(end + 50) == expected(end + 50)


def test_who_stands_ready_breaks_as_others_do(large):
    m = large
    (m.mnt / "reducers/large.jq").write_text(LARGE.replace(".n += 1", 'if .n == 1400 then error("x") else .n += 1 end'))
    assert [m.large(n) for n in (1300, 1299)] == [expected(1300), expected(1299)]
    for n in (1450, 1401):
        with pytest.raises(OSError) as caught:
            m.large(n)
        assert caught.value.errno == errno.EIO
    assert [m.large(n) for n in (1400, 1298)] == [expected(1400), expected(1298)]


def test_many_neighbours_at_a_time(large):
    m = large
    others = set(children(m.pid))
    assert m.large(1500) == expected(1500)
    wrong = []

    def look(k):
        for n in range(1400 + k, 1480, 8):
            if m.large(n) != expected(n):
                wrong.append(n)

    threads = [threading.Thread(target=look, args=[k]) for k in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert wrong == []
    until(lambda: len(ready(m, others)) <= 2)


def test_large_events(new_mount):
    """Where the way is long in bytes there is a state nearer by, to begin at."""
    m = new_mount.prepare(reducers=[])
    (m.data / "reducers/v.jq").write_text(".last = $event.data | .n += 1")
    m.start()
    m.append(*[{"type": "e", "ts": 1, "data": f"{i:07}" * 30_000} for i in range(60)])
    for n in (*range(59, 39, -1), 60, 1, 20, 19, 18):
        got = json.loads(at(m, n, "v.json"))
        assert got["n"] == n and got["last"] == f"{n - 1:07}" * 30_000


def test_the_cache_is_bounded(m):
    """A thousand large states of the past do not stay in memory."""
    m.append(b"".join(line_of({"type": "todo_added", "data": {"text": "x" * 100}}) for _ in range(3000)))

    def resident():
        with open(f"/proc/{m.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    places = range(1000, 3000, 7 if FULL and not SLOW else 100)
    for n in places:
        assert len(json.loads(at(m, n, "todos.json"))["items"]) == n
    if not SLOW:
        assert resident() < 128 << 20


def test_long_events_a_second_time(new_mount):
    """What the first look into them has noted lies inside of them."""
    m = new_mount(reducers=["count"], options="sync=none")
    m.append(*[{"type": "e", "ts": 1, "data": "x" * size} for size in (0, 0, 0, 3_000_000, 3_000_000, 3_000_000)])
    for _ in range(2):
        for n in range(7):
            assert json.loads((m.mnt / f"at/{n}/count.json").read_bytes()) == {"count": n}
