"""Mount a directory, append with echo, read the folded view with cat."""

import json
import os



def test_todo_transcript(m):
    done = m.sh(
        """echo '{"type":"todo_added","data":{"text":"buy milk"}}' >> mnt/events/app && cat mnt/views/todos.json"""
    )
    assert done.stdout == b'{"items":[{"id":0,"text":"buy milk","done":false}],"next_id":1}\n'
    assert done.stderr == b""


def test_background_returns_when_it_answers(new_mount):
    m = new_mount(background=True)
    m.append({"type": "a"})
    assert m.view("count") == {"count": 1}


def test_listing(m):
    names = set(os.listdir(m.mnt))
    assert names >= {"events", "head", "reducers", "rejected.jsonl", "status.json", "views"}
    assert names <= {"events", "head", "reducers", "rejected.jsonl", "status.json", "views", "ctl", "tail", "at", "metrics", "ids", "rules"}
    for name in names & {"tail", "at", "ids"}:
        assert os.listdir(m.mnt / name) == [], "what blocks, or has no end, is not listed"
    assert m.sh("ls mnt/events mnt/head").stdout.split() == [b"mnt/events:", b"app", b"mnt/head:", b"app", b"app.sha256"]
    names = m.sh("ls mnt/views").stdout.decode().split()
    assert names == sorted(
        f"{view}.{end}"
        for view in ("count", "stats", "todos", "types")
        for end in ("hash", "json", "offset", "snapshot.json")
    )
    assert m.sh("readlink mnt/reducers").stdout.decode().strip() == str(m.data / "reducers")
    assert m.sh("ls mnt/reducers/").stdout.split() == [b"count.so", b"stats.so", b"todos.so", b"types.so"]


def test_empty_log(m):
    assert m.history() == b""
    assert m.head() == "0:\n"
    assert m.raw_view("todos") == b'{"items":[],"next_id":0}\n'
    assert m.view("count") == {"count": 0}
    assert m.view("types") == {}
    assert (m.mnt / "views/count.offset").read_bytes() == b"0\n"
    assert (m.mnt / "views/count.hash").read_bytes() == b"\n"
    assert m.snapshot("count")["state"] == {"count": 0}
    assert m.snapshot("count")["offset"] == 0
    assert m.rejected() == []


def test_creates_what_is_missing(new_mount, tmp_path):
    m = new_mount.prepare(reducers=[])
    (m.data / "reducers").rmdir()
    m.data.rmdir()
    m.start()
    m.append({"type": "a", "data": 1, "ts": 1})
    assert (m.data / "app.jsonl").read_bytes() == b'{"type":"a","data":1,"ts":1}\n'
    assert (m.data / "reducers").is_dir() and (m.data / "views").is_dir()


def test_state_survives_remounts(m):
    for i in range(3):
        m.append({"type": "todo_added", "data": {"text": str(i)}}, {"type": "todo_completed", "data": {"id": i}})
        m.remount()
        assert m.view("stats") == {"created": i + 1, "completed": i + 1, "deleted": 0}
    assert [item["done"] for item in m.view("todos")["items"]] == [True] * 3


def test_snapshots_in_the_crates_form_at_unmount(m):
    m.append({"type": "a"}, {"type": "b"}, {"type": "a"})
    before = {name: m.snapshot(name) for name in ("count", "types", "todos")}
    m.unmount()
    for name, want in before.items():
        stored = json.loads((m.data / "views" / f"{name}.snapshot.json").read_bytes())
        assert {key: stored[key] for key in ("state", "offset", "hash")} == want
    m.start()
    assert m.snapshot("types") == before["types"]


def test_two_mounts_beside_each_other(new_mount):
    one, two = new_mount("one"), new_mount("two")
    one.append({"type": "a"})
    assert one.view("count") == {"count": 1} and two.view("count") == {"count": 0}


def test_status(m):
    m.append({"type": "a"}, {"type": "b"})
    status = m.status()
    assert status["pid"] == m.pid
    assert status["log"]["events"] == 2
    assert status["log"]["offset"] == len(m.history())
    assert status["log"]["hash"] == m.head().strip().split(":")[1]
    assert status["version"]
    assert set(status["views"]) == {"count", "stats", "todos", "types"}
    assert m.view("count") == {"count": 2}
    assert m.status()["views"]["count"]["offset"] == len(m.history())
    assert (m.mnt / "status.json").stat().st_size > 0
