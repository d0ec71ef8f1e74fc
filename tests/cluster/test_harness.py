"""The tests' own engine and net do what the other tests rely on."""

import pytest
from engine import Engine
from following import until


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
