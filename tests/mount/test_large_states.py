"""Snapshots that take long to load, beside small ones."""

import os
import signal

import pytest
from following import until
from harness import SLOW, children, event, line_of

PAD = "x" * 1000


def large(mib):
    """A state of so many MiB that is there after the first event, and the number of events."""
    return f'if . == null then {{n: 1, pad: [range({1024 * mib}) | tostring + "{PAD}"]}} else .n += 1 end'


def begin(new_mount, **mib):
    """A mount, begun anew, whose views have snapshots of so many MiB."""
    m = new_mount(options="reduce_memory=0", reducers=["count", "types"])
    m.append(line_of(event(0)))
    for name, size in mib.items():
        (m.mnt / f"reducers/{name}.jq").write_text(large(size))
        assert m.view(name)["n"] == 1
    m.remount()
    return m


def test_large_and_small_ones_load(new_mount):
    """In whatever order they are asked for, while more is appended."""
    m = begin(new_mount, a=2, b=6)
    for i, order in enumerate((["count", "a", "b", "types"], ["b", "a", "types", "count"])):
        for name in order:
            m.append(line_of(event(i)))
            n = m.status()["log"]["events"]
            state = m.view(name)
            assert state["n"] == n if name in ("a", "b") else sum(state.values()) == n
        status = m.status()["views"]
        assert all(v["snapshot_offset"] for v in status.values()), "they began with their snapshots"
        assert not any(v["alone"] or v["rebuilding"] for v in status.values())
        m.remount()


def test_one_is_edited_and_removed_while_it_loads(new_mount):
    m = begin(new_mount, a=4, b=4)
    (m.data / "reducers/a.jq").unlink()
    (m.data / "reducers/b.jq").write_text(". + 1")
    assert m.view("b") == 1 and m.view("count") == {"count": 1}
    with pytest.raises(FileNotFoundError):
        m.raw_view("a")
    until(lambda: not m.status()["views"]["b"]["rebuilding"])
    m.append(line_of(event(1)))
    assert m.view("b") == 2 and m.view("count") == {"count": 2}


def test_one_loads_beside_a_view_that_does_not_catch_up(new_mount):
    """Though nobody asks for it, and there is always something else to do."""
    m = begin(new_mount, a=2)
    (m.mnt / "reducers/slow.jq").write_text(".n += 1 | .x = ([range(100000)] | add)")
    assert m.view("slow")["n"] == 1
    m.unmount()
    with open(m.data / "app.jsonl", "ab") as log:
        log.write(line_of(event(1)) * 20_000)
    m.start()

    def loaded():
        views = m.status()["views"]
        return views if views["a"]["offset"] == views["count"]["offset"] > 0 else None

    views = until(loaded)
    assert views["slow"]["offset"] < views["a"]["offset"]


@pytest.mark.skipif(SLOW, reason="a large state takes long under sanitizers")
def test_a_very_large_one_has_a_worker_of_its_own(new_mount):
    """Nobody waits for what that does; an edit brings the view back to the others."""
    m = begin(new_mount, big=20)
    until(lambda: m.status()["views"]["big"]["alone"])
    assert not m.status()["views"]["count"]["alone"]
    others = until(lambda: [pid for pid in children(m.pid) if pid != m.status()["worker"]["pid"]])
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        for n in range(2, 6):
            m.append(line_of(event(n)))
            assert m.view("count") == {"count": n}
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    assert m.view("big")["n"] == 5
    os.kill(others[0], signal.SIGKILL)
    m.append(line_of(event(6)))
    assert m.view("big")["n"] == 6 and m.view("count") == {"count": 6}
    (m.mnt / "reducers/big.jq").write_text(". + 1")
    assert m.view("big") == 6
    until(lambda: not m.status()["views"]["big"]["rebuilding"])
    assert not m.status()["views"]["big"]["alone"]
    until(lambda: m.status()["worker"]["rebuild_pid"] or len(children(m.pid)) == 1)
    m.remount()
    assert not m.status()["views"]["big"]["alone"] and m.view("big") == 6
