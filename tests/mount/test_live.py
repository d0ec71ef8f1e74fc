"""Reducers that come, change, break and go while the log is mounted: in force for the very next look-up or open."""

import errno
import json
import os
import random
import subprocess
import threading
import time

import pytest
from following import until
from harness import FULL, LIMIT, SLOW, bound, event, line_of, reducer, scaled

from oracle import reducers as oracle


def error_of(m, name):
    """The one line of a broken view's .error; that view reads as EIO."""
    with pytest.raises(OSError) as caught:
        m.raw_view(name)
    assert caught.value.errno == errno.EIO
    text = (m.mnt / "views" / f"{name}.error").read_text()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert m.status()["views"][name]["error"] == text[:-1]
    return text[:-1]


def is_gone(m, name):
    assert not [n for n in os.listdir(m.mnt / "views") if n.split(".")[0] == name]
    with pytest.raises(FileNotFoundError):
        m.raw_view(name)


@pytest.fixture
def m(new_mount):
    """100 events of type a, and a view that must stay as it is."""
    m = new_mount(reducers=["count"])
    m.append(b"".join(line_of({"type": "a", "data": i}) for i in range(100)))
    yield m
    assert m.view("count") == {"count": len(m.events())}
    assert m.status()["pid"] == m.pid


@pytest.fixture
def jq(m):
    return lambda text, name="n": (m.mnt / f"reducers/{name}.jq").write_text(text)


def test_one_line_of_shell(m):
    """Written and read without a pause in between, many times over."""
    for i in range(scaled(100, 10)):
        out = m.sh(f"echo '.[$event.type] += {i + 1}' > mnt/reducers/n.jq && cat mnt/views/n.json").stdout
        assert json.loads(out) == {"a": 100 * (i + 1)}
        out = m.sh("rm mnt/reducers/n.jq && ls mnt/views").stdout.decode()
        assert "n." not in out.replace("count.", "")


def test_every_way_to_edit(m, jq):
    jq(". + 1")
    assert m.view("n") == 100
    path = m.data / "reducers/n.jq"
    # In place, without changing the size, nor (as `touch -r` does) the date.
    before = path.stat()
    with open(path, "r+") as f:
        f.write(". + 2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert m.view("n") == 200
    # A part of it, at a time, by a program that keeps it open.
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, b"3", 4)
    assert m.view("n") == 300
    os.pwrite(fd, b"4", 4)
    assert m.view("n") == 400
    os.ftruncate(fd, 1)
    assert m.view("n") is None
    os.close(fd)
    # As editors do: another file takes its place; or it is moved away first.
    (m.data / "reducers/.n.jq.new").write_text(". + 5")
    (m.data / "reducers/.n.jq.new").rename(path)
    assert m.view("n") == 500
    path.rename(m.data / "reducers/n.jq~")
    is_gone(m, "n")
    path.write_text(". + 6")
    assert m.view("n") == 600
    m.sh("sed -i 's/6/7/' mnt/reducers/n.jq")
    assert m.view("n") == 700
    m.sh("cp mnt/reducers/n.jq x.jq && sed -i 's/7/8/' x.jq && mv x.jq mnt/reducers/n.jq")
    assert m.view("n") == 800
    # Under another name it is another view.
    path.rename(m.data / "reducers/k.jq")
    assert m.view("k") == 800
    is_gone(m, "n")
    os.link(m.data / "reducers/k.jq", path)
    assert m.view("n") == 800
    # Under a name elsewhere.
    path.unlink()
    (m.path / "mine.jq").write_text(". + 9")
    os.link(m.path / "mine.jq", path)
    assert m.view("n") == 900
    (m.path / "mine.jq").write_text(". + 1")
    assert m.view("n") == 100


def test_what_does_not_change_it_rebuilds_nothing(m, jq):
    jq(". + 1")
    assert m.view("n") == 100
    folded = m.status()["views"]["n"]["folded"]
    for _ in range(5):
        os.utime(m.data / "reducers/n.jq")
        with open(m.mnt / "reducers/n.jq", "r+") as f:  # one that is emptied first may be seen so
            f.write(". + 1")
        os.chmod(m.data / "reducers/n.jq", 0o600)
        m.sh("cp mnt/reducers/n.jq x && mv x mnt/reducers/n.jq")
        assert m.view("n") == 100
    assert m.status()["views"]["n"]["folded"] == folded
    m.remount()
    assert m.view("n") == 100
    assert m.status()["views"]["n"]["folded"] == 0


def test_symbolic_links(m):
    target, other, link = m.path / "target", m.path / "other", m.data / "reducers/n.jq"
    target.write_text(". + 1")
    other.write_text(". + 2")
    link.symlink_to(target)
    assert m.view("n") == 100
    target.write_text(". + 3")
    assert m.view("n") == 300
    m.sh("ln -sfn ../../other mnt/reducers/n.jq")
    assert m.view("n") == 200
    # A link to a link, whose own target changes.
    (m.path / "middle").symlink_to("target")
    m.sh("ln -sfn ../../middle mnt/reducers/n.jq")
    assert m.view("n") == 300
    m.sh("ln -sfn other middle")
    assert m.view("n") == 200
    other.unlink()
    assert "points to nothing" in error_of(m, "n")
    other.write_text(". + 4")
    assert m.view("n") == 400
    m.sh("ln -sfn /proc/self/mem mnt/reducers/n.jq")
    assert error_of(m, "n")
    m.sh("ln -sfn n.jq mnt/reducers/n.jq")
    assert "n.jq" in error_of(m, "n")
    link.unlink()
    is_gone(m, "n")


def test_a_shared_object(m):
    path = m.data / "reducers/n.so"
    m.sh(f"cp {reducer('types')} mnt/reducers/n.so")
    assert m.view("n") == {"a": 100}
    m.sh(f"cp {reducer('count')} mnt/reducers/n.so")  # in place, under the running one
    assert m.view("n") == {"count": 100}
    m.sh(f"install {reducer('types')} mnt/reducers/n.so")
    assert m.view("n") == {"a": 100}
    # Of the same name as a .jq: neither counts until one is gone.
    (m.data / "reducers/n.jq").write_text(". + 1")
    assert error_of(m, "n") == "both n.jq and n.so define it; remove one"
    path.unlink()
    assert m.view("n") == 100
    m.sh(f"cp {reducer('count')} mnt/reducers/n.so")
    error_of(m, "n")
    (m.data / "reducers/n.jq").unlink()
    assert m.view("n") == {"count": 100}


def test_names_that_are_none(m):
    """What editors leave lying about, and what could not be a file's name in views/."""
    before = os.listdir(m.mnt / "views")
    names = ["4913", "x.jq~", ".x.jq.swp", ".x.jq", "#x.jq#", "x y.jq", "ä.jq", "x.jq.bak", "jq", ".jq", ".so", "x.jqx",
             "x.JQ", "a" * 252 + ".jq", "-.txt", "x.py", "x\n.jq", "a.b.jq"]
    for name in names:
        (m.data / "reducers" / name).write_text(". + 1")
    assert os.listdir(m.mnt / "views") == before
    for name in ["-x", "_", "0", "A-b_9"]:
        (m.data / "reducers" / f"{name}.jq").write_text(". + 1")
        assert m.view(name) == 100
    m.remount()
    assert {n.split(".")[0] for n in os.listdir(m.mnt / "views")} == {"count", "-x", "_", "0", "A-b_9"}


def test_things_that_are_no_file(m):
    """None of them may hang whoever asks, or anybody else."""
    reducers = m.data / "reducers"
    (reducers / "dir.jq").mkdir()
    os.mkfifo(reducers / "fifo.jq")
    os.mkfifo(reducers / "fifo2.so")
    # Named from where it is: what a socket is bound to has 107 bytes at most.
    subprocess.run(["python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('sock.jq')"], cwd=reducers, check=True)
    (reducers / "null.jq").symlink_to("/dev/null")
    (reducers / "zero.jq").symlink_to("/dev/zero")
    begin = time.monotonic()
    for name in ["dir", "fifo", "fifo2", "sock", "null", "zero"]:
        why = error_of(m, name)
        assert "not a regular file" in why or name == "sock" and "cannot read" in why, why
    assert m.view("count") == {"count": 100}
    assert time.monotonic() - begin < bound(1)
    (reducers / "dir.jq").rmdir()
    (reducers / "dir.jq").write_text(". + 1")
    assert m.view("dir") == 100


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(m, jq):
    jq(". + 1")
    os.chmod(m.data / "reducers/n.jq", 0)
    assert "Permission denied" in error_of(m, "n")
    os.chmod(m.data / "reducers/n.jq", 0o600)
    assert m.view("n") == 100


def test_huge(m):
    """What is far too large for a program is not even read: everybody would wait meanwhile."""
    path = m.data / "reducers/huge.jq"
    path.write_text("1 #" + "x" * (1 << 20))
    assert "File too large" in error_of(m, "huge")
    os.truncate(path, 1 << 20)
    assert m.view("huge") == 1
    os.truncate(path, 1 << 40)
    assert "File too large" in error_of(m, "huge")
    path.rename(path.with_suffix(".so"))
    assert "File too large" in error_of(m, "huge")
    path.write_text(". + 1")
    path.with_suffix(".so").unlink()
    assert m.view("huge") == 100


def test_the_directory_itself(m, jq):
    jq(". + 1")
    assert m.view("n") == 100
    (m.data / "reducers").rename(m.data / "elsewhere")
    assert os.listdir(m.mnt / "views") == []
    (m.data / "reducers").mkdir()
    assert os.listdir(m.mnt / "views") == []
    jq(". + 2")
    assert m.view("n") == 200
    m.sh("rm -r data/reducers")
    assert os.listdir(m.mnt / "views") == []
    (m.data / "elsewhere").rename(m.data / "reducers")
    assert m.view("n") == 100
    jq(". + 3")
    assert m.view("n") == 300
    # Replaced by a link to one.
    (m.data / "reducers").rename(m.path / "real")
    (m.data / "reducers").symlink_to(m.path / "real")
    assert m.view("n") == 300
    jq(". + 4")
    assert m.view("n") == 400
    (m.path / "other").mkdir()
    (m.path / "other/n.jq").write_text(". + 5")
    m.sh("ln -sfn ../other data/reducers")
    assert m.view("n") == 500
    m.sh("ln -sfn ../nowhere data/reducers")
    assert os.listdir(m.mnt / "views") == []
    m.sh("ln -sfn ../real data/reducers")
    assert m.view("n") == 400


def test_what_is_wrong_is_said(m, jq):
    jq(".a |\n  foo(1)\n| .b")
    assert error_of(m, "n") == "line 2, column 3: foo/1 is not defined:   foo(1)"
    jq("")
    assert "empty" in error_of(m, "n")
    jq("now")
    assert "`now` is not available" in error_of(m, "n")
    jq("if . == 41 then error(\"enough\") else . + 1 end")
    off = sum(len(line) for line in m.history().splitlines(keepends=True)[:41])
    assert error_of(m, "n") == f"event 42 at offset {off}: enough"
    assert m.status()["views"]["n"]["reducer"] == "n.jq"
    jq("$event.data.b")
    assert error_of(m, "n") == 'event 1 at offset 0: Cannot index number with string "b"'
    jq(". + 1")
    assert m.view("n") == 100
    assert not (m.mnt / "views/n.error").exists()
    assert m.status()["views"]["n"].get("error") is None
    # Mended before anybody has looked.
    jq(". +")
    jq(". + 2")
    assert m.view("n") == 200


def test_state_of_a_view_that_breaks_later(m, jq):
    jq('if $event.type == "bad" then error("bad event") else . + 1 end')
    assert m.view("n") == 100
    off = len(m.history())
    m.append({"type": "bad"})
    assert error_of(m, "n") == f"event 101 at offset {off}: bad event"
    m.append({"type": "a"})
    assert error_of(m, "n") == f"event 101 at offset {off}: bad event"
    m.remount()
    assert error_of(m, "n") == f"event 101 at offset {off}: bad event"
    jq('if $event.type == "bad" then . else . + 1 end')
    assert m.view("n") == 101


def test_one_that_never_comes_back(new_mount):
    """It proves itself apart: nobody waits for it but those who ask for it."""
    timeout = 15 if SLOW else 5
    m = new_mount(options=f"reduce_timeout={timeout}", reducers=["count"])
    m.append(b"".join(line_of({"type": "a", "data": i}) for i in range(100)))
    stop = threading.Event()
    took = []

    def look():
        while not stop.is_set():
            begin = time.monotonic()
            m.append({"type": "a"})
            m.view("count")
            m.status()
            took.append(time.monotonic() - begin)

    looker = threading.Thread(target=look)
    looker.start()
    (m.mnt / "reducers/away.jq").write_text("if . == 50 then until(false; .) else . + 1 end")
    why = error_of(m, "away")
    stop.set()
    looker.join()
    assert why.startswith(f"took longer than {timeout}000 ms on event 51 at offset "), why
    assert max(took) < timeout * 0.9, "others waited for a reducer that had not proven itself"
    assert len(took) > 10
    assert m.status()["worker"]["restarts"] == 1


def test_one_that_runs_away_later(new_mount):
    """It has proven itself and is with the others: they are back with the next worker."""
    m = new_mount(options="reduce_timeout=300ms", reducers=["count", "todos"])
    m.append({"type": "a"})
    (m.mnt / "reducers/away.jq").write_text('if $event.type == "go" then until(false; .) else . + 1 end')
    assert m.view("away") == 1
    main = m.status()["worker"]["pid"]
    until = time.monotonic() + LIMIT
    while m.status()["views"]["away"]["rebuilding"]:
        assert time.monotonic() < until, "it is not handed over"
    m.append({"type": "go"})
    begin = time.monotonic()
    assert m.view("count") == {"count": 2}
    assert time.monotonic() - begin < bound(1), "others are late"
    assert error_of(m, "away").startswith("took longer than 300 ms on event 2 at offset ")
    assert m.view("todos") == {"items": [], "next_id": 0}
    assert m.status()["worker"]["pid"] != main
    # The main worker, and the one in which it was tried alone: in the company of reducers in C it might not have been its fault.
    # The one that had it before may not have let it go yet.
    assert m.status()["worker"]["restarts"] in (2, 3)


def weight(pid):
    """What must not grow with the number of edits: resident bytes, descriptors, mappings."""
    with open(f"/proc/{pid}/statm") as f:
        resident = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    with open(f"/proc/{pid}/maps") as f:
        mappings = len(f.readlines())
    return resident, len(os.listdir(f"/proc/{pid}/fd")), mappings


def weights(m):
    """Of the daemon and its workers, by process id."""
    worker = m.status()["worker"]
    return {pid: weight(pid) for pid in (m.pid, worker["pid"], worker["rebuild_pid"])}


class Load(threading.Thread):
    """Appends, and reads another view, until told to stop."""

    def __init__(self, m):
        super().__init__()
        self.m, self.over, self.error, self.n = m, threading.Event(), None, 0

    def run(self):
        try:
            with open(self.m.app, "ab", buffering=0) as f:
                while not self.over.wait(0.002):
                    f.write(line_of({"type": "a", "data": self.n}))
                    self.n += 1
                    count = self.m.view("count")["count"]
                    assert count >= self.n
        except BaseException as e:  # noqa: B902
            self.error = e

    def stop(self):
        self.over.set()
        self.join()
        assert self.error is None, self.error


@pytest.mark.limit(12)
def test_many_edits_under_load(new_mount):
    """After each edit the right state, or the right error; and no trace of it stays behind."""
    edits = 1000 if FULL and not SLOW else 60 if SLOW else 200
    m = new_mount(reducers=["count"])
    m.append(b"".join(line_of({"type": "a", "data": i}) for i in range(50)))
    path, new = m.data / "reducers/n.jq", m.data / "reducers/.n.jq.new"
    so = m.data / "reducers/n.so"
    rng = random.Random(4)
    load = Load(m)
    load.start()
    begin = None
    for i in range(edits):
        # In turns: right, does not compile, right, faults on an event.
        k = i + 1
        text, why = [
            (f".n += 1 | .k = {k}", None),
            (f".n += 1 |\n  .k = f{k}", f"line 2, column 8: f{k}/0 is not defined:   .k = f{k}"),
            (f"if . == null then {{n: 0}} else . end | .n += 1 | .k = {k}", None),
            (f'. + 1 | if . == {10 + k % 30} then error("no {k}") else . end', f": no {k}"),
        ][i % 4]
        if rng.random() < 0.1:
            # Once in a while another kind takes its place.
            path.unlink(missing_ok=True)
            so.write_bytes(b"junk" if rng.random() < 0.5 else reducer("types").read_bytes())
            if so.stat().st_size == 4:
                assert "cannot load it" in error_of(m, "n")
            else:
                assert m.view("n")["a"] >= 50
            so.unlink()
        if rng.random() < 0.5 or not path.exists():
            path.write_text(text)
        else:
            new.write_text(text)
            new.rename(path)
        least = m.status()["log"]["events"]
        if why is None:
            state = m.view("n")
            assert state["k"] == k and least <= state["n"] <= m.status()["log"]["events"]
        else:
            said = error_of(m, "n")
            if i % 4 == 3:
                assert said.startswith(f"event {10 + k % 30} at offset ") and said.endswith(why), said
            else:
                assert said == why
        if i == edits // 4:
            begin = weights(m)
    load.stop()
    status = m.status()
    assert status["pid"] == m.pid and status["worker"]["restarts"] == 0
    end = weights(m)
    assert begin.keys() == end.keys(), "the same processes"
    for before, after in ((begin[pid], end[pid]) for pid in begin):
        assert after[1] <= before[1] + 8, f"descriptors: {before} -> {after}"
        if not SLOW:  # sanitizers keep what was freed
            assert after[0] <= before[0] + (8 << 20), f"resident: {before} -> {after}"
            assert after[2] <= before[2] + 50, f"mappings: {before} -> {after}"
    assert m.view("count") == {"count": 50 + load.n}


@pytest.mark.limit(8)
def test_ten_views_share_a_pass(new_mount):
    """Rebuilt together, each is as it would be alone. What that costs is a row of scripts/bench."""
    m = new_mount(reducers=[])
    n = scaled(200_000, 10_000)
    kinds = [b'"todo_added","data":{"text":"item %d"}', b'"note_added","data":{"text":"n","tags":["a","b%d"]}',
             b'"file_added","data":{"path":"dir/%d"}', b'"set","data":{"key":"k%d","value":1}']
    for first in range(0, n, 10_000):
        m.append(b"".join(b'{"type":' + kinds[i % 4] % (i % 5000) + b',"ts":1700000000,"id":"e%d","actor":"ann"}\n' % i
                          for i in range(first, first + 10_000)))
    shipped = ["count", "types", "todos", "stats", "notes", "tags", "files", "latest"]
    jq = {"kinds": ".[$event.type] += 1", "keys": ".[$event.data.key // empty] = $event.data"}

    for name, text in jq.items():
        (m.data / f"reducers/{name}.jq").write_text(text)
    for name in shipped:
        m.enable(reducer(name))
    lines = m.history().splitlines()
    texts = {name: oracle.text(name, lines) + b"\n" for name in shipped}
    for _ in range(2):
        for name in [*jq, *shipped]:
            assert m.offset(name) == m.status()["log"]["offset"]
        assert m.view("kinds") == m.view("types")
        for name in shipped:
            assert m.raw_view(name) == texts[name]
        (m.mnt / "ctl").write_text("rebuild\n")


def test_a_slow_rebuild_is_not_waited_for(new_mount):
    """Some milliseconds an event, all within one block of the log: it shows how far it is, a new view does not wait for it, and an edit
    ends it."""
    m = new_mount(reducers=[])
    n = 20000
    m.append(*(event(i) for i in range(n)))
    slow, quick = m.data / "reducers/slow.jq", m.data / "reducers/quick.jq"
    slow.write_text("reduce range(2000) as $i (.; .n += 1)")
    os.listdir(m.mnt / "views")
    until(lambda: 0 < m.status()["views"]["slow"]["progress"] < 1, "progress")
    quick.write_text(". + 1")
    assert m.view("quick") == n
    assert m.status()["views"]["slow"]["rebuilding"]
    slow.write_text(". + 2")
    assert m.view("slow") == 2 * n
