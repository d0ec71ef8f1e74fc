"""Deciding: events/app@once appends an event only if its id is new. A retry succeeds and changes nothing."""

import errno
import json
import os
import random
import signal
import subprocess
import threading

import pytest
from following import opened
from harness import ALL, LIMIT, Mount, eventfold, fork_job, line_of, scaled


def once(m, conditions="once"):
    return m.mnt / f"events/app@{conditions}"


def writing(path):
    return opened(path, os.O_WRONLY | os.O_APPEND)


def fails(error, function, *args):
    with pytest.raises(OSError) as e:
        function(*args)
    assert e.value.errno == error, e.value


A = {"type": "x", "id": "a", "data": {"n": 1, "m": [1.0, "ä"]}}
B = {"type": "x", "id": "b"}


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_a_repeat_is_there_already(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    with writing(once(m)) as fd:
        assert os.write(fd, line_of(A)) == len(line_of(A))
        assert os.write(fd, line_of(A)) == len(line_of(A))
        assert os.write(fd, line_of(B)) == len(line_of(B))
    log = m.history()
    assert [e["id"] for e in m.events()] == ["a", "b"]
    with writing(once(m)) as fd:
        # However it is written, and whenever: it is equal.
        for text in (
            '{"id":"a","type":"x","ts":5,"data":{"m":[1.0,"\\u00e4"],"n":1}}',
            ' { "type" : "x", "id" : "\\u0061" , "data" : { "n" : 1, "m" : [ 1.0 , "ä" ] } } ',
        ):
            assert os.write(fd, line_of(text)) == len(line_of(text))
        # Another event with that id is not.
        for text in ('{"type":"y","id":"a"}', '{"type":"x","id":"a","data":{"n":1.0,"m":[1.0,"ä"]}}', '{"type":"x","id":"b","actor":null}'):
            fails(errno.EEXIST, os.write, fd, line_of(text))
    assert m.history() == log
    rejected = m.rejected()
    assert [(r["error"], r["pid"]) for r in rejected] == [("EEXIST", os.getpid())] * 3
    offs = [0, 0, len(log.splitlines(keepends=True)[0])]
    assert [r["reason"] for r in rejected] == [f"another event with this id is in the log, at offset {off}" for off in offs]
    m.remount()
    with writing(once(m)) as fd:
        assert os.write(fd, line_of(A)) == len(line_of(A))
        fails(errno.EEXIST, os.write, fd, line_of({"type": "y", "id": "b"}))
    assert m.history() == log


def test_an_id_is_needed(m):
    with writing(once(m)) as fd:
        for text in ('{"type":"x"}', '{"type":"x","id":null}', '[{"type":"x","id":"a"},{"type":"x"}]'):
            fails(errno.EINVAL, os.write, fd, line_of(text))
    assert m.history() == b""
    assert {r["reason"] for r in m.rejected()} == {'there is no "id", by which an event is known to be new'}
    assert [r["column"] for r in m.rejected()] == [1, 1, 24]


def test_what_others_append_counts(m):
    with writing(once(m)) as fd:
        m.append({"type": "x", "id": "a"})
        m.append({"type": "x", "id": "a", "data": 2})  # an old log may have an id several times:
        for data in (None, 2):  # equal to any of them is there
            text = line_of({"type": "x", "id": "a", "data": data})
            assert os.write(fd, text) == len(text)
        fails(errno.EEXIST, os.write, fd, line_of({"type": "x", "id": "a", "data": 3}))
    assert len(m.events()) == 2


def test_lines_of_one_write(m):
    """What is there is left out, what is refused ends the write, and its program comes back with that."""
    m.append({"type": "x", "id": "b"}, {"type": "x", "id": "d"})
    lines = [line_of({"type": "x", "id": id}) for id in "abcd"]
    with writing(once(m)) as fd:
        assert os.write(fd, b"".join(lines)) == sum(map(len, lines))
        assert [e["id"] for e in m.events()] == list("bdac")
        text = [line_of({"type": "x", "id": "e"}), line_of({"type": "x", "id": "a"}), line_of({"type": "y", "id": "b"}), line_of({"type": "x", "id": "f"})]
        assert os.write(fd, b"".join(text)) == len(text[0] + text[1])
        assert m.rejected() == []
        fails(errno.EEXIST, os.write, fd, b"".join(text[2:]))
        assert len(m.rejected()) == 1
        assert os.write(fd, text[3]) == len(text[3])
    assert [e["id"] for e in m.events()] == list("bdacef")


def test_an_id_twice_in_one_write(m):
    g, h = line_of({"type": "x", "id": "g"}), line_of({"type": "x", "id": "h"})
    with writing(once(m)) as fd:
        # Nobody knows yet what becomes of the first: the second is judged when it comes again.
        assert os.write(fd, h + g + g + h) == len(h + g)
        assert os.write(fd, g + h) == len(g + h)
        assert os.write(fd, g + line_of({"type": "y", "id": "g"})) == len(g)
        fails(errno.EEXIST, os.write, fd, line_of({"type": "y", "id": "g"}))
    assert [e["id"] for e in m.events()] == ["h", "g"]
    m.sh("for i in {1..20}; do echo '{\"type\":\"x\",\"id\":\"i\"}'; done > lines; cat lines > mnt/events/app@once")
    assert [e["id"] for e in m.events()] == ["h", "g", "i"]


def test_a_line_over_several_writes_and_at_close(m):
    m.append({"type": "x", "id": "a"})
    text = line_of({"type": "x", "id": "a"})
    with writing(once(m)) as fd:
        assert os.write(fd, text[:9]) == 9
        assert os.write(fd, text[9:]) == len(text) - 9
        other = line_of({"type": "y", "id": "a"})
        assert os.write(fd, other[:9]) == 9
        fails(errno.EEXIST, os.write, fd, other[9:])
        # Nothing is left of it.
        more = line_of({"type": "x", "id": "b"})
        assert os.write(fd, more) == len(more)
    assert [e["id"] for e in m.events()] == ["a", "b"]
    for text, error in (('{"type":"x","id":"a"}', None), ('{"type":"x","id":"c"}', None), ('{"type":"y","id":"a"}', errno.EEXIST)):
        fd = os.open(once(m), os.O_WRONLY)
        os.write(fd, text.encode())
        if error:
            fails(error, os.close, fd)
        else:
            os.close(fd)
    assert [e["id"] for e in m.events()] == ["a", "b", "c"]
    assert [r["error"] for r in m.rejected()] == ["EEXIST"] * 2


def test_groups(m):
    def group(*ids, **more):
        return line_of(json.dumps([{"type": "x", "id": id, **more} for id in ids]))

    with writing(once(m)) as fd:
        for _ in range(2):
            assert os.write(fd, group("a", "b", "c")) == len(group("a", "b", "c"))
        for bad in (group("c", "d"), group("d", "c"), group("a", "b", "c", data=1), group("e", "f", "e")):
            fails(errno.EEXIST, os.write, fd, bad)
        assert os.write(fd, group("b", "a")) == len(group("b", "a"))
        lines = group("a", "b", "c") + group("g", "h") + line_of({"type": "x", "id": "i"})
        assert os.write(fd, lines) == len(lines)
    assert [e["id"] for e in m.events()] == ["a", "b", "c", "g", "h", "i"]
    assert [r["reason"] for r in m.rejected()] == [
        "a part of this group is in the log already",
        "a part of this group is in the log already",
        "another event with this id is in the log, at offset 0",
        "the group has this id twice",
    ]


def test_with_a_head(m):
    m.append(B)
    head = m.head().strip()
    with writing(once(m, f"{head},once")) as fd:
        assert os.write(fd, line_of(A)) == len(line_of(A))
    # The answer was lost: a retry succeeds, and goes on behind it.
    with writing(once(m, f"once,{head}")) as fd:
        assert os.write(fd, line_of(A)) == len(line_of(A))
        c = line_of({"type": "x", "id": "c"})
        assert os.write(fd, c) == len(c)
    assert [e["id"] for e in m.events()] == ["b", "a", "c"]
    with writing(once(m, f"{head},once")) as fd:
        # If some of it is new, the head decides for all of it.
        fails(errno.ESTALE, os.write, fd, line_of(A) + line_of({"type": "x", "id": "d"}))
        fails(errno.ESTALE, os.write, fd, line_of({"type": "x", "id": "d"}))
        fails(errno.EEXIST, os.write, fd, line_of({"type": "y", "id": "a"}))
        assert os.write(fd, line_of(A) + line_of(B)) == len(line_of(A) + line_of(B))
    with writing(once(m, f"{m.head().strip()},once")) as fd:
        both = line_of(B) + line_of({"type": "x", "id": "d"})
        assert os.write(fd, both) == len(both)
    assert [e["id"] for e in m.events()] == ["b", "a", "c", "d"]


@pytest.mark.parametrize("name", ["app@onc", "app@once,", "app@,once", "app@once,once", "app@Once", "app@0:,0:", "app@once,0", "app@once ", "app@0:once", "app@"])
def test_malformed_names_do_not_exist(m, name):
    for flags in (os.O_WRONLY | os.O_APPEND, os.O_RDONLY, os.O_WRONLY | os.O_CREAT):
        with pytest.raises(FileNotFoundError):
            os.open(m.mnt / "events" / name, flags)


def test_reads_as_the_log(m):
    m.append(A)
    assert once(m).read_bytes() == m.history()
    assert os.stat(once(m)).st_size == len(m.history())
    assert os.listdir(m.mnt / "events") == ["app"]


def test_damaged_history(new_mount):
    m = new_mount(reducers=[])
    m.append(*({"type": "x", "id": f"e{i}", "ts": 1} for i in range(9)))
    log = m.history()
    m.unmount()
    with open(m.data / "app.jsonl", "r+b") as f:
        f.seek(1)
        f.write(b"#")
    m.start()
    with writing(once(m)) as fd:
        fails(errno.EIO, os.write, fd, line_of({"type": "x", "id": "new"}))
        there = line_of({"type": "x", "id": "e5"})
        assert os.write(fd, there) == len(there)
        fails(errno.EEXIST, os.write, fd, line_of({"type": "y", "id": "e5"}))
    assert m.history()[2:] == log[2:]
    assert m.rejected()[0]["reason"] == "a part of the history cannot be read: whether the id is new is not known"
    m.append({"type": "x", "id": "new"})  # as ever


def test_writers_share_syncs(new_mount):
    """32 processes, each with ids of its own and some that all of them have."""
    m = new_mount(reducers=[])
    each = scaled(40, 10)

    def job(k):
        with writing(once(m)) as fd:
            for i in range(each):
                for id in (f"{k}-{i}", f"all-{i}"):
                    text = line_of({"type": "x", "id": id})
                    assert os.write(fd, text) == len(text)

    pids = [fork_job(lambda k=k: job(k)) for k in range(32)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 32
    ids = [e["id"] for e in m.events()]
    assert len(ids) == len(set(ids)) == 32 * each + each
    assert m.status()["log"]["commits"] < len(ids)


def repeat_all(app, ids, seed):
    """Appends all ids in a random order, again and again from the beginning, until the mount is gone or it has them all."""
    order = list(ids)
    random.Random(seed).shuffle(order)
    with writing(app) as fd:
        for i in order:
            text = line_of({"type": "x", "id": f"e{i}", "data": {"n": i}})
            try:
                assert os.write(fd, text) == len(text)
            except OSError as e:
                if e.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO):
                    return
                raise


@pytest.mark.limit(60)
@pytest.mark.parametrize("options", ["", "sync=close", "rotate=64K"])
def test_killed_and_repeated(new_mount, options):
    """Processes append the same ids in random orders, and are killed with the daemon: each id is there exactly once."""
    rounds, processes, n = (100 if not options else 20, 50, 1000) if ALL else (scaled(5, 2), 12, 300)
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    m = new_mount(options=options or None, reducers=[])
    for number in range(rounds):
        app = once(m)
        pids = [fork_job(lambda seed=rng.random(): repeat_all(app, range(n), seed)) for _ in range(processes)]
        threading.Event().wait(rng.uniform(0, 0.3))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        try:
            m.kill()
        finally:
            for pid in pids:
                os.waitpid(pid, 0)
        m.start()
        ids = [e["id"] for e in m.events()]
        assert len(ids) == len(set(ids)), f"round {number}"
    repeat_all(once(m), range(n), 0)
    assert sorted(e["id"] for e in m.events()) == sorted(f"e{i}" for i in range(n))


def test_the_index_is_made_again_under_writers(new_mount):
    m = new_mount(reducers=[])
    m.append(*({"type": "x", "id": f"e{i}"} for i in range(200)))
    with writing(once(m)) as fd:
        for i in range(50):
            if i % 10 == 0:
                m.sh("echo rebuild > mnt/ctl")
            text = line_of({"type": "x", "id": f"e{i * 5}"})
            assert os.write(fd, text) == len(text)
    ids = [e["id"] for e in m.events()]
    assert len(ids) == len(set(ids)) == 210


def test_append_command(m):
    def run(*args):
        return subprocess.run([eventfold(), "append", "--once", *args], capture_output=True, text=True, timeout=LIMIT)

    for _ in range(3):
        assert run("--id", "a", str(m.mnt), "x", "1").returncode == 0
    done = run("--id", "a", str(m.mnt), "x", "2")
    assert (done.returncode, done.stderr) == (1, "eventfold: another event with this id is in the log, at offset 0\n")
    done = run(str(m.mnt), "x")
    assert (done.returncode, done.stderr) == (2, "eventfold: --once wants an --id\nTry: eventfold append --help\n")
    head = m.head().strip()
    m.append(B)
    assert run("--id", "a", "--head", head, str(m.mnt), "x", "1").returncode == 0
    assert run("--id", "c", "--head", head, str(m.mnt), "x", "1").returncode == 3
    assert [e["id"] for e in m.events()] == ["a", "b"]
