"""Machines that come late: within the window they take what they lack from the engine; behind it they are told to copy DATA, and go on
from there. And all of the engine is lost."""

import json
import os
import shutil
import subprocess

import pytest
from following import opened, until
from harness import LIMIT, eventfold, line_of
from machines import LOG, cluster_command

BATCH = f"/eventfold/{LOG}/batch/"
WINDOW = 1 << 20


def fill(m, n=40, size=60_000):
    """More than the window."""
    for i in range(n):
        m.append({"type": "fill", "data": "x" * size, "id": f"{m.name}-{i}"})


def trimmed_behind(c, offset):
    """The engine has nothing more from there."""
    until(lambda: offset not in [int(key.rsplit("/", 1)[1]) for key in c.engine.keys(BATCH)], "the window is trimmed")


def copied(source, m):
    """m's DATA becomes a copy of the source's."""
    shutil.rmtree(m.data)
    done = subprocess.run([eventfold(), "copy", source.mnt, m.data], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


def is_too_late(m):
    why = m.until_state("failed")["why"]
    assert "too late" in why and "eventfold copy" in why, why
    before = m.history()
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        with pytest.raises(OSError):
            os.write(fd, line_of({"type": "x"}))
    assert m.history() == before


def test_a_new_one_takes_all_of_it(new_cluster):
    c = new_cluster(machines=2)
    for i in range(50):
        c.machines[i % 2].append({"type": "x", "data": i})
    new = c.add()
    new.start()
    new.until_events(50)
    new.append({"type": "y"})
    c.agree()


def test_one_that_was_away_goes_on(new_cluster):
    c = new_cluster(machines=2)
    a, b = c.machines
    b.append({"type": "x"})
    b.unmount()
    for i in range(50):
        a.append({"type": "y", "data": i})
    b.start()
    b.until_events(51)
    b.append({"type": "z"})
    c.agree()


@pytest.mark.limit(8)
def test_behind_the_window(new_cluster):
    c = new_cluster(more=f"cluster_window={WINDOW}")
    a, b, late = c.machines
    a.append({"type": "x"})
    late.until_events(1)
    at = len(late.history())
    late.unmount()
    fill(a)
    trimmed_behind(c, at)
    assert sum(map(len, c.engine.keys(BATCH).values())) < 4 * WINDOW
    late.start()
    is_too_late(late)
    # The others are not held up by it.
    b.append({"type": "meanwhile"})
    late.unmount()
    copied(a, late)
    late.start()
    late.until_ready()
    late.append({"type": "here again"})
    assert c.agree().count(b"\n") == 43
    for m in c.machines:
        assert m.view("count") == {"count": 43}


@pytest.mark.limit(8)
def test_a_new_one_behind_the_window(new_cluster):
    c = new_cluster(machines=1, more=f"cluster_window={WINDOW}")
    (a,) = c.machines
    fill(a)
    trimmed_behind(c, 0)
    new = c.add(f"cluster_window={WINDOW}")
    new.start()
    is_too_late(new)
    new.unmount()
    copied(a, new)
    new.start()
    new.until_ready()
    new.append({"type": "here"})
    c.agree()


@pytest.mark.limit(8)
def test_the_window_is_trimmed_behind_all(new_cluster):
    """What all have is not kept; a machine that is away is waited for until it is forgotten."""
    c = new_cluster(machines=2)
    a, b = c.machines
    a.append({"type": "x"})
    b.until_events(1)
    until(lambda: not c.engine.keys(BATCH), "all have it")
    machine = b.cluster()["machine"]
    b.unmount()
    for i in range(10):
        a.append({"type": "y", "data": i})
    until(lambda: member(c, a)["position"] == len(a.history()))
    assert len(c.engine.keys(BATCH)) == 10
    until(lambda: (a.mnt / "cluster" / machine).exists())
    (a.mnt / "ctl").write_text(f"cluster forget {machine}\n")
    until(lambda: not (a.mnt / "cluster" / machine).exists(), "it is forgotten")
    until(lambda: not c.engine.keys(BATCH), "nobody is waited for")
    b.start()
    is_too_late(b)


def member(c, m):
    return json.loads(c.engine.get(f"/eventfold/{LOG}/member/{m.cluster()['machine']}"))


@pytest.mark.limit(8)
def test_all_of_the_engine_is_lost(new_cluster):
    """A new one is begun from the machine with the longest history, and what is lost is told."""
    c = new_cluster()
    a, b, short = c.machines
    a.append({"type": "x"})
    c.agree()
    short.unmount()
    for i in range(20):
        (a, b)[i % 2].append({"type": "y", "data": i})
    until(lambda: a.head() == b.head())
    longest = a.history()
    c.engine.lose_all()
    for m in (a, b):
        with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
            assert m.until_state("failed", "away", "joining")
        m.unmount()
    b.start()
    assert "begin" in b.until_state("failed")["why"]
    b.unmount()
    done = c.begin(a, "--anew")
    assert str(len(longest)) in done.stdout + done.stderr
    for m in c.machines:
        m.start()
    a.until_ready()
    assert a.history() == longest
    b.until_ready()
    # The short one's history is the others' beginning, and the engine does not have the rest.
    is_too_late(short)
    short.unmount()
    copied(a, short)
    short.start()
    short.until_ready()
    for m in c.machines:
        m.append({"type": "after", "data": m.name})
    history = c.agree()
    assert history.startswith(longest) and history.count(b"\n") == 24


def test_what_is_lost_with_a_shorter_history(new_cluster):
    """Begun anew from a machine that lacks events: they are lost, it says so, and who has them is told that his log is another."""
    c = new_cluster(machines=2)
    a, b = c.machines
    a.append({"type": "x"})
    c.agree()
    b.unmount()
    for i in range(5):
        a.append({"type": "lost", "data": i})
    head = a.history()
    position = member(c, a)["position"]
    a.unmount()
    done = cluster_command("begin", "--anew", "-o", b.engine_options, b.data)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert str(len(head)) in said and str(len(head.splitlines(keepends=True)[0])) in said, (said, position)
    b.start()
    b.until_ready()
    a.start()
    assert a.until_state("failed")["why"]
    assert a.history() == head
    b.append({"type": "y"})
    assert b.history().count(b"\n") == 2
