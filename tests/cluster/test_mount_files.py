"""What the mount shows of its cluster, and what is said to it by ctl, with a true engine. tests/mount/test_shared.py has the rest."""

import contextlib
import json
import os
import random

import pytest
from following import child, opened, until
from harness import LIMIT, line_of
from machines import LOG, many

EVENT = '{"type":"a"}'


def files(m):
    """The machines, by id, as one of them shows them."""
    found = {}
    for p in (m.mnt / "cluster").iterdir():
        with contextlib.suppress(FileNotFoundError):  # forgotten since
            found[p.name] = json.loads(p.read_text())
    return found


def id_of(m):
    return m.cluster()["machine"]


def test_each_shows_all(new_cluster):
    c = new_cluster()
    ids = {id_of(m): m for m in c.machines}
    assert len(ids) == 3
    c.machines[0].append({"type": "a"}, {"type": "b"})
    n = len(c.agree())
    for m in c.machines:
        until(lambda: set(files(m)) == {*ids} and all(f["position"] == n and f["lag"] == 0 for f in files(m).values()))
        found = files(m)
        assert {i: f["path"] for i, f in found.items()} == {i: str(o.data) for i, o in ids.items()}
        assert [i for i, f in found.items() if f["self"]] == [id_of(m)] and all(f["alive"] for f in found.values())
        assert {f["host"] for f in found.values()} == {os.uname().nodename}
        status = m.cluster()
        assert (status["head"], status["lag"], status["log"]) == (n, 0, LOG) and status["engine"] in m.urls.split("+")
    a, b = c.machines[0].cluster(), c.machines[1].cluster()
    assert (a["batches_out"], a["batches_in"], b["batches_out"], b["batches_in"]) == (2, 0, 0, 2)


def test_one_that_has_gone_is_forgotten(new_cluster):
    c = new_cluster()
    a, b, gone = c.machines
    left = id_of(gone)
    done = a.sh(f"echo cluster forget {left} > mnt/ctl", check=False)
    assert b"Device or resource busy" in done.stderr
    gone.unmount()
    a.append({"type": "a"})
    n = len(a.history())
    until(lambda: left in files(a) and not files(a)[left]["alive"] and files(a)[left]["lag"] == n)
    a.sh(f"echo cluster forget {left} > mnt/ctl")
    for m in (a, b):
        until(lambda: left not in files(m))
    assert b"No such file or directory" in a.sh(f"echo cluster forget {left} > mnt/ctl", check=False).stderr
    gone.start()
    gone.until_ready()
    until(lambda: left in files(a) and files(a)[left]["alive"])
    assert c.agree().count(b"\n") == 1


def test_what_decides_is_agreed_on(new_cluster):
    """A rule, the reducer that it looks at, and both as they were."""
    c = new_cluster()
    a, b, _ = c.machines

    def define(m, path, text):
        (m.data / path).parent.mkdir(exist_ok=True)
        (m.data / path).write_text(text)

    for path, text in [("rules/mine.jq", "true"), ("reducers/mine.jq", "(. // 0) + 1"), ("reducers/other.jq", "1")]:
        decides = "other" not in path
        define(a, path, text)
        done = a.sh(f"echo '{EVENT}' >> mnt/events/app", check=False)
        assert (b"Operation not permitted" in done.stderr) == decides, path
        b.append(EVENT)
        for m in (b, c.machines[2]):
            define(m, path, text)
        if decides:
            a.sh("echo cluster agree > mnt/ctl")
        for m in c.machines:
            m.until_ready()
            m.append(EVENT)
    (a.data / "rules/mine.jq").unlink()
    a.until_state("differs")
    done = a.sh(f"echo '{EVENT}' >> mnt/events/app", check=False)
    assert b"Operation not permitted" in done.stderr and "rules" in a.rejected()[-1]["reason"]
    define(a, "rules/mine.jq", "true")
    a.until_ready()
    a.append(EVENT)
    c.agree()


def test_without_an_engine_it_is_said(new_cluster):
    c = new_cluster()
    a = c.machines[0]
    until(lambda: len(files(a)) == 3)
    for member in c.engine.members:
        member.end()
    a.until_state("away")
    assert set(files(a)) == {id_of(m) for m in c.machines}  # as they were seen last
    done = a.sh("timeout -s INT 1 bash -c 'echo cluster agree > mnt/ctl'", check=False, timeout=LIMIT)
    assert done.returncode == 124
    for member in c.engine.members:
        c.engine.restart(member)
    a.until_ready()
    a.sh("echo cluster agree > mnt/ctl")


def define_whole(m, path, text):
    """There is no moment at which it is half of one."""
    (m.path / "new").write_text(text)
    os.rename(m.path / "new", m.data / path)


def appender(m, stop, newest):
    """Tries events for the rules of now, of before and of later, until it is told to stop."""

    def job():
        rng = random.Random(m.name)
        while not stop.exists():
            line = line_of({"type": "a", "data": {"v": int(newest.read_text() or 0) + rng.choice([-1, 0, 0, 1]), "by": m.name}})
            with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd, contextlib.suppress(PermissionError):
                os.write(fd, line)

    return job


@pytest.mark.limit(8)
def test_nobody_appends_by_rules_that_are_over(new_cluster, tmp_path):
    """The rules let in what names them. So what has come in by one of them, on whatever machine, comes before all that has by the next, and
    all machines go on meanwhile."""
    rule = 'if $event.data.v == %d then empty else "of other rules" end'
    c = new_cluster(files={"rules/v.jq": rule % 0}, reducers=[])
    stop, newest = tmp_path / "stop", tmp_path / "newest"
    newest.write_text("0")
    rng, rounds = random.Random(5), many(12, 60, 200)
    with contextlib.ExitStack() as stack:
        for m in c.machines:
            stack.enter_context(child(appender(m, stop, newest)))
        stack.callback(stop.touch)
        for v in range(1, rounds + 1):
            until(lambda: c.machines[0].history().count(b'"v":%d,' % (v - 1)) > 5, "all go on")
            newest.write_text(str(v))
            for i, m in enumerate(rng.sample(c.machines, len(c.machines))):
                define_whole(m, "rules/v.jq", rule % v)
                if i == v % 3:
                    m.sh("echo cluster agree > mnt/ctl")
        until(lambda: b'"v":%d,' % rounds in c.machines[0].history(), "all go on")
    found = [json.loads(line)["data"]["v"] for line in c.agree().splitlines()]
    assert found == sorted(found) and set(range(rounds + 1)) == set(found)
