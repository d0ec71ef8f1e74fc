"""The tests' own engine and net do what the other tests rely on."""

import pytest
from engine import Engine
from following import until
from harness import line_of
from notes import Notes


def test_members_that_end(engine):
    engine.put("/k", "1")
    leader = engine.leader()
    leader.end()
    engine.put("/k", "2")
    assert engine.leader() is not leader
    engine.restart(leader)
    engine.wait_ready()
    assert engine.get("/k") == b"2"
    for m in engine.members[:2]:
        m.pause()
    with pytest.raises(OSError):
        engine.members[2].call("/v3/kv/range", {"key": "aw=="}, 1)
    for m in engine.members:
        m.resume()
    engine.wait_ready()
    engine.lose_all()
    assert engine.get("/k") is None


def test_members_that_are_cut_off(ended, net, tmp_path):
    engine = Engine(tmp_path / "engine", net)
    ended.append(engine)
    engine.start()
    leader = engine.leader()
    others = [m for m in engine.members if m is not leader]
    net.apart([leader.name], [m.name for m in others])
    with pytest.raises(OSError):
        leader.call("/v3/kv/put", {"key": "aw==", "value": "aw=="}, 1)
    until(lambda: others[0].call("/v3/maintenance/status").get("leader", leader_id(leader)) != leader_id(leader))
    others[0].call("/v3/kv/put", {"key": "aw==", "value": "bQ=="})
    net.heal()
    engine.wait_ready()
    assert leader.call("/v3/kv/range", {"key": "aw=="})["kvs"][0]["value"] == "bQ=="


def leader_id(m):
    return m.call("/v3/maintenance/status")["header"]["member_id"]


@pytest.mark.parametrize("ids,wrong", [
    ("a:0 a:2", None), ("a:0 a:2 a:3", None), ("a:0", "a:2 was acknowledged, and is lost"), ("a:0 a:1 a:2", "a:1 was refused, and is there"),
    ("a:0 a:2 a:2", "doubled"), ("a:2 a:0", "out of order"), ("a:0 a:2 a:5", "invented"), ("a:0 a:2 b:0", "invented"),
])  # fmt: skip
def test_what_notes_find(tmp_path, ids, wrong):
    n = Notes(tmp_path / "notes")
    (n.path / "a").write_bytes(b"arab")
    history = b"".join(line_of({"type": "x", "id": i}) for i in ids.split())
    if not wrong:
        return n.check(history)
    with pytest.raises(AssertionError, match=wrong):
        n.check(history)


def test_writers_note_what_they_know(m, notes):
    for w in range(3):
        notes.start(m, f"w{w}", pause=0.001)
    until(lambda: notes.count() > 50)
    m.kill()
    m.start()
    before = notes.count()
    until(lambda: notes.count() > before + 10)
    notes.stop()
    notes.check(m.history())
    assert m.history().count(b"\n") >= notes.count()
