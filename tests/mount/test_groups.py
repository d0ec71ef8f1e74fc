"""Groups: a line that is an array of events enters as that many, whole or not at all, for whoever looks, and after whatever end."""

import contextlib
import errno
import json
import os
import random
import select
import subprocess
import threading
import time

import pytest
from harness import ALL, LIMIT, SLOW, eventfold, fork_job, line_of, scaled
from xxh64 import xxh64

from oracle import crate, groups

ROUNDS = 10 if SLOW else 200 if ALL else 30

# The events of a group come to 0 together, and to that only together.
SUM = ".sum += $event.data.amount | .n += 1"
# The same so slowly that a turn of the worker ends within a group.
SLOW_SUM = f"([limit(500; repeat(1))] | length) as $x | {SUM}"


def amounts(rng, n):
    some = [rng.randrange(1, 100) for _ in range(n - 1)]
    return some + [-sum(some)]


def events_of(name, rng, n):
    return [
        {"type": "moved", "data": {"amount": amount, "group": name, "i": i, "n": n}, "ts": 1}
        for i, amount in enumerate(amounts(rng, n))
    ]


def group_of(events):
    return line_of(json.dumps(events, separators=(",", ":")))


def stored(events):
    return b"".join(map(line_of, events))


def size(rng):
    return rng.choice((2, 2, 3, 10, rng.randrange(2, 501), 500))


def check(history):
    """The names of the groups in it: each is whole, its events one behind the other."""
    assert history == b"" or history.endswith(b"\n")
    names, open_name, next_i = [], None, 0
    for line in history.splitlines():
        data = json.loads(line)["data"]
        if next_i == 0:
            open_name = data["group"]
            names.append(open_name)
        assert (data["group"], data["i"]) == (open_name, next_i), f"{open_name} goes on with {data}"
        next_i = (next_i + 1) % data["n"]
    assert next_i == 0, f"{open_name} ends after {next_i}"
    assert len(set(names)) == len(names), "one is there twice"
    return names


@pytest.fixture
def rng():
    return random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))


@pytest.fixture
def m(new_mount):
    m = new_mount(reducers=[])
    (m.mnt / "reducers/sum.jq").write_text(SUM)
    return m


def written_in_pieces(fd, data, rng):
    while data:
        n = os.write(fd, data[: rng.randrange(1, 5000)])
        data = data[n:]


def written_by_writev(fd, data, rng):
    """The kernel takes 256 pieces of it at a time."""
    step = max(1, len(data) // 1000)
    while data:
        n = os.writev(fd, [data[i : i + step] for i in range(0, min(len(data), 1000 * step), step)])
        assert n > 0
        data = data[n:]


def written_by_stdio(fd, data, rng):
    with os.fdopen(os.dup(fd), "wb", buffering=4096) as f:
        for i in range(0, len(data), 100):
            f.write(data[i : i + 100])


def written_at_once(fd, data, rng):
    while data:
        data = data[os.write(fd, data) :]


@pytest.mark.parametrize("way", [written_in_pieces, written_by_writev, written_by_stdio, written_at_once])
def test_however_it_is_cut(m, rng, way):
    """Also by the kernel, every 1 MiB."""
    want = b""
    for i, n in enumerate((1, 2, 500, 30_000)):
        events = events_of(f"g{i}", rng, n)
        fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
        way(fd, group_of(events), rng)
        os.close(fd)
        want += stored(events)
        assert m.history() == want
        assert m.view("sum")["sum"] == 0
    assert m.rejected() == []


def test_made_by_jq(m, rng):
    events = events_of("g", rng, 100)
    (m.path / "FILE").write_bytes(stored(events))
    m.sh("jq -cs . FILE >> mnt/events/app")
    assert m.history() == stored(events)


def test_without_its_newline(m, rng):
    events = events_of("g", rng, 3)
    m.sh(f"printf %s '{group_of(events).decode()[:-1]}' >> mnt/events/app")
    assert m.history() == stored(events)
    m.sh("printf '[{\"type\":\"a\"}' >> mnt/events/app")
    assert m.history() == stored(events)
    assert m.rejected()[-1]["column"] == 14


def test_nothing_is_nothing(m):
    m.append("[]", " [ ] ", "")
    assert m.history() == b"" and m.rejected() == []


def test_a_bad_one_refuses_all(m, rng):
    events = events_of("g", rng, 500)
    bad = group_of(events)[:-2] + b',{"type":7}]\n'
    with pytest.raises(OSError) as e:
        m.append(bad)
    assert e.value.errno == errno.EINVAL
    assert m.history() == b""
    last = m.rejected()[-1]
    assert last["column"] == len(bad) - 3 and last["reason"] == '"type" is not a string'


def test_what_is_before_a_bad_one_counts(m, rng):
    """And the write that comes again with the bad one is told."""
    good = events_of("g", rng, 5)
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    assert os.write(fd, group_of(good) + b"[1]\n") == len(group_of(good))
    with pytest.raises(OSError):
        os.write(fd, b"[1]\n")
    os.close(fd)
    assert m.history() == stored(good)


def test_longer_than_a_line_may_be(new_mount, rng):
    m = new_mount(options="max_line=4K", reducers=[])
    with pytest.raises(OSError) as e:
        m.append(group_of(events_of("g", rng, 500)))
    assert e.value.errno == errno.EMSGSIZE
    m.append(group_of(events_of("h", rng, 20)))
    assert check(m.history()) == ["h"]


def test_saving_the_log_as_one(m, rng):
    """`jq -cs` makes a group of the log: that saves it over itself, too."""
    m.append(group_of(events_of("g", rng, 5)))
    done = m.sh("jq -cs . mnt/events/app > new; cat new > mnt/events/app", check=False)
    assert b"Operation not permitted" in done.stderr
    assert check(m.history()) == ["g"]


def test_import_counts_events(m, rng):
    some = [events_of(f"g{i}", rng, n) for i, n in enumerate((3, 1, 500))]
    lines = [group_of(events) for events in some]
    (m.path / "FILE").write_bytes(lines[0] + b"[{}]\n[]\n" + lines[1] + lines[2])
    done = m.sh(f"{eventfold()} import mnt FILE", check=False)
    assert done.stdout.startswith(b"504 events imported, 1 line refused")
    assert json.loads((m.path / "FILE.refused.jsonl").read_text())["line"] == 2
    assert m.history() == b"".join(map(stored, some))


def follow_log(m, stop):
    """Reads the whole log again and again."""
    while not stop.is_set():
        check(m.history())


def reads_of(path, stop):
    """What each read of a tail gives, as it comes."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while not stop.is_set():
        if poll.poll(50):
            with contextlib.suppress(BlockingIOError):
                yield os.read(fd, 1 << 20)
    os.close(fd)


def follow_tail(m, stop):
    """Each read of a tail ends behind a group, if there is room for it."""
    for read in reads_of(m.mnt / "tail/app@0", stop):
        check(read)


def follow_view(m, stop):
    while not stop.is_set():
        for name in ("sum", "slow"):
            state = m.view(name)
            assert state is None or state["sum"] == 0, f"{name}: {state}"


def follow_changes(m, stop):
    """Each line is a state that the view has had."""
    for read in reads_of(m.mnt / "tail/slow.json", stop):
        for line in read.splitlines():
            assert json.loads(line) is None or json.loads(line)["sum"] == 0, line


def follow_places(m, stop):
    """Heads, and where views stand, are places between groups."""
    while not stop.is_set():
        for off in (int(m.head().split(":")[0]), m.offset("slow"), m.snapshot("slow")["offset"]):
            check(m.history()[:off])


def append_by_the_head(m, stop):
    """A conditional writer, who finds his place behind a group."""
    rng, i = random.Random(2), 0
    while not stop.is_set():
        head = m.head().strip()
        try:
            fd = os.open(f"{m.app}@{head}", os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            continue
        try:
            os.write(fd, group_of(events_of(f"c{i}", rng, size(rng))))
            i += 1
        except OSError as e:
            assert e.errno == errno.ESTALE
        finally:
            os.close(fd)


@pytest.mark.limit(10)
@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_nobody_sees_a_part(new_mount, rng, sync):
    m = new_mount(options=f"sync={sync},rotate=2M", reducers=[])
    (m.mnt / "reducers/sum.jq").write_text(SUM)
    (m.mnt / "reducers/slow.jq").write_text(SLOW_SUM)
    stop, failed = threading.Event(), []

    def job(what):
        try:
            what(m, stop)
        except BaseException as e:  # noqa: B902
            failed.append(e)
            stop.set()

    jobs = [follow_log, follow_tail, follow_view, follow_changes, follow_places, append_by_the_head]
    threads = [threading.Thread(target=job, args=(what,)) for what in jobs]
    for thread in threads:
        thread.start()
    names = []
    until = time.monotonic() + (2 if not ALL else 6)
    while time.monotonic() < until and not stop.is_set():
        with open(m.app, "ab", buffering=0) as f:
            for _ in range(3):
                names.append(f"g{len(names)}")
                data = group_of(events_of(names[-1], rng, size(rng)))
                cut = rng.randrange(len(data))
                f.write(data[:cut])
                f.write(data[cut:])
        time.sleep(rng.random() / 50)
    stop.set()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    assert [name for name in check(m.history()) if name[0] == "g"] == names


def write_until_the_end(app, told, seed, name):
    rng = random.Random(seed)
    notes = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    fd, i = os.open(app, os.O_WRONLY | os.O_APPEND), 0
    try:
        while True:
            data = group_of(events_of(f"{name}.{i}", rng, size(rng)))
            while data:
                data = data[os.write(fd, data) :]
            os.write(notes, b"a")
            i += 1
    except OSError:
        pass


@pytest.mark.limit(40)
@pytest.mark.parametrize("options", ["journal=off", "journal=on", "sync=none,journal=off"])
def test_kill_9(new_mount, rng, options):
    """Rounds of it: what the offline commands show then, and what the next mount has, is whole groups, those that were
    acknowledged among them."""
    m = new_mount(options=f"{options},rotate=4M", reducers=[])
    had = b""
    for number in range(ROUNDS // 3 + 1):
        told = [m.path / f"{number}-{w}" for w in range(3)]
        writers = [
            fork_job(lambda w=w: write_until_the_end(m.app, told[w], rng.random() + w, f"{number}-{w}")) for w in range(3)
        ]
        time.sleep(rng.uniform(0.0, 0.1))
        m.kill()
        m.detach()
        for pid in writers:
            os.waitpid(pid, 0)
        offline = m.sh(f"{eventfold()} log data").stdout
        check(offline)
        m.start()
        now = m.history()
        assert now.startswith(had) and now == offline
        names = set(check(now))
        if "sync=none" not in options:
            for w, path in enumerate(told):
                n = path.stat().st_size if path.exists() else 0
                missing = [i for i in range(n) if f"{number}-{w}.{i}" not in names]
                assert not missing, f"round {number}: {w}: {missing} of {n}"
        had = now
    assert not (m.data / "app.jsonl.torn").exists() or had


def test_what_a_crash_has_left_is_cut_off(new_mount, rng):
    """Wherever: nothing of it is shown before, nor afterwards, and its bytes are kept."""
    m = new_mount(options="sync=none,journal=off", reducers=["count"])
    good, last = events_of("good", rng, 3), events_of("last", rng, 5)
    m.append(group_of(good))
    m.append(group_of(last) + line_of({"type": "behind", "data": {"group": "behind", "i": 0, "n": 1}, "ts": 1}))
    m.kill()
    m.detach()
    log = (m.data / "app.jsonl").read_bytes()
    notes = (m.data / "app.jsonl.groups").read_bytes()
    begin, end = len(stored(good)), len(stored(good + last))
    # As docs/FORMAT.md has it.
    assert groups.notes(m.data / "app.jsonl.groups") == [
        (1, 0, begin, 0, xxh64(log[:begin]), 0),
        (2, begin, end - begin, xxh64(line_of(good[-1])[:-1]), xxh64(log[begin:end]), 0),
    ]
    holes = log[:begin] + bytes(40) + log[begin + 40 :]
    ends = [begin + 1, begin + len(stored(last[:1])), rng.randrange(begin + 1, end), end - 1]
    for left in [log[:n] for n in ends] + [holes]:
        (m.data / "app.jsonl").write_bytes(left)
        (m.data / "app.jsonl.groups").write_bytes(notes)
        (m.data / "app.jsonl.torn").unlink(missing_ok=True)
        assert m.sh(f"{eventfold()} log data").stdout == stored(good)
        verified = m.sh(f"{eventfold()} verify data", check=False)
        assert verified.returncode == 1 and b"a group that is not whole" in verified.stdout
        m.start()
        assert m.history() == stored(good)
        assert m.status()["recovered"] == 1
        assert m.view("count") == {"count": 3}
        m.kill()
        m.detach()
        assert (m.data / "app.jsonl.torn").read_bytes() == left[begin:] + b"\n"
        assert crate.active(m.data) == stored(good)
    # All of it, then: nothing is cut.
    (m.data / "app.jsonl").write_bytes(log)
    (m.data / "app.jsonl.groups").write_bytes(notes)
    m.start()
    assert m.history() == log
    m.unmount()
    assert not (m.data / "app.jsonl.groups").exists()
    m.start()


def test_a_line_removed_after_a_crash(new_mount, rng):
    """By a person, before the next mount: all others stay, though none is where a note says."""
    m = new_mount(options="sync=none,journal=off", reducers=["count"])
    m.append(line_of({"type": "first", "ts": 1}))
    for i in range(5):
        m.append(group_of(events_of(f"g{i}", rng, 3)))
    m.kill()
    m.detach()
    _, log = (m.data / "app.jsonl").read_bytes().split(b"\n", 1)
    (m.data / "app.jsonl").write_bytes(log)
    assert m.sh(f"{eventfold()} log data").stdout == log
    m.start()
    assert m.history() == log and m.view("count") == {"count": 15}
    assert not (m.data / "app.jsonl.torn").exists()


def test_another_program_after_a_power_cut(new_mount, rng):
    """The journal has a group that the log lacks, and another program comes first: what that has appended is no part of one."""
    m = new_mount(options="journal=on", reducers=["count"])
    group = events_of("g", rng, 3)
    m.append(line_of({"type": "before", "ts": 1}))
    end = time.monotonic() + LIMIT
    while not m.status()["log"]["journal"]["used"]:
        assert time.monotonic() < end, "no journal"
        time.sleep(0.005)
    before = m.history()
    m.append(group_of(group))
    m.kill()
    m.detach()
    theirs = line_of({"type": "theirs", "ts": 5, "data": None})
    (m.data / "app.jsonl").write_bytes(before + theirs)
    m.start()
    assert m.history() == before + theirs
    m.unmount()
    assert m.sh(f"{eventfold()} log data", check=False).stdout == before + theirs
    m.sh(f"{eventfold()} recover data")
    assert (m.data / "app.jsonl").read_bytes() == before + theirs + stored(group)
    assert not (m.data / "app.jsonl.torn").exists()
    m.start()
    m.log.write_text("")


def test_read_only_beside_a_writer(m, rng):
    """Who opens the files while the daemon writes a long group sees it whole or not at all."""
    group = group_of(events_of("g", rng, 5000))
    with open(m.app, "ab", buffering=0) as f:
        for _ in range(scaled(60 if ALL else 20)):
            reader = subprocess.Popen([eventfold(), "log", "data"], cwd=m.path, stdout=subprocess.PIPE)
            for _ in range(3):
                f.write(group)
            out, _ = reader.communicate(timeout=LIMIT)
            last = json.loads(out[out.rfind(b"\n", 0, -1) + 1 :])["data"] if out else {"i": 0, "n": 1}
            assert reader.returncode == 0 and last["i"] == last["n"] - 1
