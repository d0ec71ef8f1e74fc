"""Views: fresh at open, one immutable rendering a handle, exact sizes, errors only while broken."""

import json
import multiprocessing
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
from harness import LIMIT, SLOW, event, line_of, scaled
from xxh64 import hex_of

from oracle import reducers as oracle


def test_fresh_for_everyone_after_a_write(m):
    fd = os.open(m.app, os.O_WRONLY)
    for i in range(scaled(300, 50)):
        os.write(fd, line_of(event(i)))
        assert m.view("count") == {"count": i + 1}
        if i % 25 == 0:
            out = subprocess.run(["cat", m.mnt / "views/count.json"], stdout=subprocess.PIPE, check=True).stdout
            assert json.loads(out) == {"count": i + 1}
    os.close(fd)


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_fresh_after_close_whoever_wrote(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    for i in range(scaled(50, 10)):
        m.sh(f"""printf %s '{{"type":"a","data":{i}}}' >> mnt/events/app""")
        assert m.view("count") == {"count": i + 1}
        assert m.offset("types") == len(m.history())


def test_a_handle_is_immutable_and_offset_0_fresh(m):
    m.append(*(event(i) for i in range(100)))
    fd = os.open(m.mnt / "views/todos.json", os.O_RDONLY)
    first = os.pread(fd, 100, 0)
    whole = first + os.pread(fd, 1 << 20, 100)
    assert json.loads(whole)["items"][0]["text"] == "item 0"
    m.append(*(event(i) for i in range(100, 200)))
    assert os.fstat(fd).st_size == len(whole), "the size is that of what the handle holds"
    assert first + os.pread(fd, 1 << 20, 100) == whole
    fresh = b""
    os.lseek(fd, 0, os.SEEK_SET)
    while chunk := os.read(fd, 1000):
        fresh += chunk
    assert fresh == m.raw_view("todos") != whole
    assert os.fstat(fd).st_size == len(fresh)
    os.close(fd)


def test_sizes_are_exact_and_renderings_one_line(m):
    for i in range(20):
        m.append(event(i))
        for name in os.listdir(m.mnt / "views"):
            path = m.mnt / "views" / name
            content = path.read_bytes()
            assert path.stat().st_size == len(content) > 0
            assert content.count(b"\n") == 1 and content.endswith(b"\n")
        text = m.raw_view("todos").decode().rstrip("\n")
        assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def test_snapshot_is_of_one_instant(m):
    """Under a writer, each of the snapshot's three parts fits the two others."""
    lines = [line_of(event(i)) for i in range(scaled(3000, 300))]
    at = {0: (0, None)}
    off = 0
    for i, line in enumerate(lines):
        off += len(line)
        at[off] = (i + 1, hex_of(line[:-1]))

    def write():
        fd = os.open(m.app, os.O_WRONLY)
        for line in lines:
            os.write(fd, line)
        os.close(fd)

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while writer.is_alive():
        s = m.snapshot("count")
        n, digest = at[s["offset"]]
        assert s["state"] == {"count": n}
        if n:
            assert s["hash"] == digest
        seen.add(n)
    writer.join()
    assert len(seen) > 1
    assert m.snapshot("count") == {"state": {"count": len(lines)}, "offset": off, "hash": at[off][1]}


@pytest.mark.parametrize("name", ["count", "types", "todos", "stats", "notes", "tags", "files", "latest"])
def test_shipped_reducers_agree_with_the_oracle(new_mount, name):
    m = new_mount(reducers=[name])
    events = oracle_events(500)
    m.append(b"".join(map(line_of, events)))
    assert m.view(name) == oracle.fold(name, m.events())
    m.remount()
    m.append(*events[:50])
    assert m.view(name) == oracle.fold(name, m.events())


def oracle_events(n):
    """All types that the shipped reducers know, with what does not fit in between."""
    events = []
    for i in range(n):
        events.append(
            [
                {"type": "todo_added", "data": {"text": f"t{i} ü\n"}},
                {"type": "todo_completed", "data": {"id": i // 16}},
                {"type": "todo_deleted", "data": {"id": i // 9}},
                {"type": "note_added", "data": {"text": f"n{i}", "tags": [f"t{i % 5}", "all"]}},
                {"type": "file_added", "data": {"path": f"d{i % 13}/f{i % 50}"}},
                {"type": "file_removed", "data": {"path": f"d{i % 13}/f{i % 25}"}},
                {"type": "set", "data": {"key": f"k{i % 20}", "value": i}},
                {"type": f"other{i % 3}"},
            ][i % 8]
        )
    return events


def read_whole(path, begun, stop, result):
    """A process that reads the view again and again; says when it has begun, and how many reads it took, or what was wrong."""
    n = 0
    last = -1
    try:
        while not stop.is_set() or n < 2:
            with open(path, "rb", buffering=0) as f:
                size = os.fstat(f.fileno()).st_size
                content = b"".join(iter(lambda: f.read(70_000), b""))
            assert len(content) == size, f"{len(content)} bytes of {size}"
            state = json.loads(content)
            assert state["next_id"] >= last
            assert len(state["items"]) == state["next_id"] - state["items"][0]["id"]
            last = state["next_id"]
            n += 1
            if n == 1:
                begun.wait(LIMIT)
        result.put((n, None))
    except BaseException as e:  # noqa: B902
        result.put((n, repr(e)))


def test_no_read_of_a_large_view_is_torn(new_mount):
    m = new_mount(reducers=["todos"])
    m.append(b"".join(line_of({"type": "todo_added", "data": {"text": f"item {i} " + "x" * 20}}) for i in range(6500)))
    assert len(m.raw_view("todos")) > 400_000
    begun, stop, result = multiprocessing.Barrier(5), multiprocessing.Event(), multiprocessing.Queue()
    readers = [
        multiprocessing.Process(target=read_whole, args=(m.mnt / "views/todos.json", begun, stop, result)) for _ in range(4)
    ]
    for r in readers:
        r.start()
    begun.wait(LIMIT)
    m.append(*({"type": "todo_added", "data": {"text": f"new {i}"}} for i in range(scaled(5000, 500))))
    stop.set()
    results = [result.get(timeout=LIMIT) for _ in readers]
    for r in readers:
        r.join()
    assert [why for _, why in results] == [None] * 4
    assert all(n > 1 for n, _ in results)


def test_a_view_of_a_reducer_that_comes_and_goes(m, compile_reducer):
    from harness import reducer

    m.append(event(0), event(1))
    assert not (m.mnt / "views/files.json").exists()
    m.enable(reducer("files"))
    assert m.view("files") == {"files": []}
    (m.data / "reducers/files.so").unlink()
    assert not (m.mnt / "views/files.json").exists()
    assert m.view("count") == {"count": 2}


def test_no_error_file_while_well(m):
    m.append(event(0))
    assert not (m.mnt / "views/todos.error").exists()
    assert [n for n in os.listdir(m.mnt / "views") if n.endswith(".error")] == []


def test_large_state_is_as_fast_to_ask_where_it_is(m):
    """views/NAME.offset does not cost a rendering; a generous bound, the bench has the sharp one."""
    m.append(b"".join(line_of({"type": "todo_added", "data": {"text": f"item {i}"}}) for i in range(20_000)))
    m.offset("todos")
    begin = time.monotonic()
    for i in range(20):
        m.append({"type": "todo_added", "data": {"text": "more"}})
        m.offset("todos")
    assert time.monotonic() - begin < LIMIT / 3


def sleeps(pid):
    """How often a process has gone to sleep."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])


def test_a_worker_without_views_is_not_woken_up(new_mount):
    m = new_mount(reducers=[])
    m.append(event(0))
    worker = m.status()["worker"]["pid"]
    before = sleeps(worker)
    for i in range(200):
        m.append(event(i))
    assert sleeps(worker) - before < 20
    (m.data / "reducers/n.jq").write_text(". + 1")
    assert m.view("n") == 201


def test_groups_of_a_long_text(new_mount):
    """However many matches a text has, it is walked once for their places, and not once for each."""
    m = new_mount(options=f"reduce_timeout={15 if SLOW else 3}", reducers=[])
    (m.data / "reducers/places.jq").write_text('[$event.data | match("(a)b"; "g").captures[0].offset] | [length, last]')
    m.append({"type": "x", "data": "ab" * 100_000})
    assert m.view("places") == [100_000, 199_998]
