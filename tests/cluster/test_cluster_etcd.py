"""What etcd is known for: its space alarm, compaction and defragmentation, members that are restarted one by one, clocks apart."""

import itertools
import os
import shutil
import signal
import time

import pytest
from following import child, state, until
from machines import LOG, agent_program, many

ROUNDS = many(1, 3, 10)


def writing(c, notes):
    for m in c.machines:
        for w in range(2):
            notes.start(m, f"{m.name}-{w}", pause=0.02)


def progress(notes, n=10):
    """So many more are acknowledged."""
    want = notes.count() + n
    until(lambda: notes.count() >= want, f"{n} more events")


def revision(c):
    return int(c.engine.call("/v3/kv/range", {"key": "eA=="})["header"]["revision"])


def test_the_space_alarm(new_cluster, notes):
    """Appends wait until a person has cleared it."""
    c = new_cluster()
    m, other, _ = c.machines
    m.append({"type": "x", "id": "x:0"})
    alarm = {"memberID": c.engine.call("/v3/maintenance/status")["header"]["member_id"], "alarm": "NOSPACE"}
    c.engine.call("/v3/maintenance/alarm", {"action": "ACTIVATE", **alarm})
    with child(lambda: m.append({"type": "y", "id": "y:0"})) as pid:
        m.until_state("full")
        assert state(pid) in "SD" and m.history().count(b"\n") == 1
        c.engine.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})
    m.until_ready()
    other.until_events(2)
    m.append({"type": "z", "id": "z:0"})
    assert c.agree().count(b"\n") == 3


@pytest.mark.limit(8)
def test_a_quota_that_is_full(new_cluster, notes):
    """Real: it is written until there is no room; compaction and defragmentation make some."""
    c = new_cluster(machines=2, engine_more=["--quota-backend-bytes=8000000"])
    a, b = c.machines
    notes.start(a, "a")
    key = "/elsewhere"
    for i in itertools.count():
        try:
            c.engine.put(key, f"{i}" + "x" * 500_000)
        except OSError:
            break
    a.until_state("full")
    assert b.history() == b.history()  # it is read
    c.engine.call("/v3/kv/compaction", {"revision": revision(c), "physical": True}, 30)
    for e in c.engine.members:
        e.call("/v3/maintenance/defragment", seconds=30)
    for alarm in c.engine.call("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", []):
        c.engine.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})
    a.until_ready()
    progress(notes)
    notes.stop()
    c.check(notes)


@pytest.mark.limit(8)
def test_compaction_and_defragmentation_under_load(new_cluster, notes):
    c = new_cluster()
    writing(c, notes)
    for _ in range(ROUNDS * 3):
        progress(notes)
        c.engine.call("/v3/kv/compaction", {"revision": revision(c)}, 30)
        for e in c.engine.members:
            e.call("/v3/maintenance/defragment", seconds=30)
    notes.stop()
    c.check(notes)


@pytest.mark.limit(8)
def test_compacted_while_a_machine_is_cut_off(new_cluster, notes):
    """Its watch can't go on where it was: it looks at the batches themselves."""
    c = new_cluster(net=True)
    away = c.machines[0]
    for w, m in enumerate(c.machines[1:]):
        notes.start(m, f"w{w}", pause=0.02)
    c.net.apart([away.name], [e.name for e in c.engine.members])
    progress(notes, 50)
    c.engine.call("/v3/kv/compaction", {"revision": revision(c), "physical": True}, 30)
    progress(notes)
    c.net.heal(reset=True)
    away.until_ready()
    notes.stop()
    c.check(notes)


@pytest.mark.limit(8)
def test_members_restarted_one_by_one(new_cluster, notes):
    c = new_cluster()
    writing(c, notes)
    for _ in range(ROUNDS):
        for e in c.engine.members:
            e.end(signal.SIGTERM)
            progress(notes)
            c.engine.restart(e)
            c.engine.wait_ready()
    notes.stop()
    c.check(notes)


@pytest.mark.limit(8)
def test_a_member_whose_disk_is_gone(new_cluster, notes):
    """It is taken out and put in again, empty, as etcd has it."""
    c = new_cluster()
    writing(c, notes)
    progress(notes)
    gone = c.engine.members[0]
    gone.end()
    shutil.rmtree(gone.data)
    members = c.engine.call("/v3/cluster/member/list")["members"]
    c.engine.call("/v3/cluster/member/remove", {"ID": next(x["ID"] for x in members if x["name"] == gone.name)})
    until(lambda: added(c, gone), "it is added")
    gone.start(c.engine.cluster, c.engine.token, ["--initial-cluster-state=existing"])
    c.engine.wait_ready()
    progress(notes)
    notes.stop()
    c.check(notes)


def added(c, member):
    try:
        return c.engine.call("/v3/cluster/member/add", {"peerURLs": [member.peer_url]})
    except OSError:
        return None  # the others have to hear each other first


@pytest.mark.limit(8)
@pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is not installed")
def test_clocks_apart(new_cluster, notes, monkeypatch, tmp_path):
    """Ten minutes, forth and back. etcd's own clock is the processor's: Go asks no library."""
    c = new_cluster(begin=False)
    c.begin(c.machines[0])
    agent = agent_program()
    for m, off in zip(c.machines, ("+0", "+10m", "-10m")):
        wrapper = tmp_path / f"agent-{m.name}"
        wrapper.write_text(f"#!/bin/sh\nexec env FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f '{off}' {agent} \"$@\"\n")
        wrapper.chmod(0o755)
        monkeypatch.setenv("EVENTFOLD_CLUSTER", str(wrapper))
        m.start()
    for m in c.machines:
        m.until_ready()
    writing(c, notes)
    progress(notes, 100)
    time.sleep(many(1, 20, 60))  # leases, looks at the members, trimming
    progress(notes)
    for m in c.machines:
        m.kill_agent()
    progress(notes)
    notes.stop()
    c.check(notes)
    members = c.engine.keys(f"/eventfold/{LOG}/member/")
    assert len(members) == len(c.machines)
    for m in c.machines:
        until(lambda: len(os.listdir(m.mnt / "cluster")) == len(c.machines), "all of them in cluster/")
