"""What decides about an append decides about those of all machines: ids, heads that are expected, rules."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
from following import child, opened
from harness import LIMIT, fork_job, line_of
from machines import many

# The next number is one more than the last.
LAST = "$event.data.n"
RISES = 'if $event.data.n == (. // 0) + 1 then empty else "the last is \\(. // 0)" end'


def outcome(app, line):
    """One append: what it fails with, 0: it does not."""
    try:
        with opened(app, os.O_WRONLY | os.O_APPEND) as fd:
            assert os.write(fd, line) == len(line)
            return 0
    except OSError as e:
        return e.errno


def at_once(jobs):
    """Each in a process of its own; what they give, small integers."""
    pids = [fork_job(lambda job=job: os._exit(job())) for job in jobs]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


@pytest.mark.limit(8)
def test_the_same_id_from_all_machines(new_cluster):
    c = new_cluster()
    paths = [m.mnt / "events/app@once" for m in c.machines] * 2
    rounds = many(10, 50, 200)
    for i in range(rounds):
        line = line_of({"type": "same", "id": f"same-{i}", "data": i})
        assert at_once([lambda p=p: outcome(p, line) for p in paths]) == [0] * len(paths), i
        others = [line_of({"type": "other", "id": f"other-{i}", "data": n}) for n in range(len(paths))]
        got = at_once([lambda p=p, o=o: outcome(p, o) for p, o in zip(paths, others)])
        assert sorted(got) == [0] + [errno.EEXIST] * (len(paths) - 1), i
        assert json.loads(c.agree().splitlines()[-1])["data"] == got.index(0), i
    assert [json.loads(line)["id"] for line in c.agree().splitlines()] == [f"{k}-{i}" for i in range(rounds) for k in ("same", "other")]


@pytest.mark.limit(8)
def test_one_winner_among_all_machines(new_cluster, tmp_path):
    source = Path(__file__).parents[1] / "mount/helpers/same_expectation.c"
    program = tmp_path / "same_expectation"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", source, "-pthread", "-o", program], check=True)
    c = new_cluster()
    rounds = many(5, 40, 200)
    done = subprocess.run(
        [program, str(100 * len(c.machines)), str(rounds), *[m.mnt for m in c.machines]], stdout=subprocess.PIPE, timeout=7 * LIMIT
    )
    assert done.returncode == 0
    winners = [[int(p) for p in line.split()] for line in done.stdout.decode().splitlines()]
    assert len(winners) == rounds and all(len(w) == 1 for w in winners), winners
    history = c.agree()
    assert [json.loads(line)["data"] for line in history.splitlines()] == [{"round": i, "by": w[0]} for i, w in enumerate(winners)]


def counting(m, told, until):
    """Appends the next number as this machine has it, again and again. Tells of each that was taken."""
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        n = 0
        while n < until:
            n = (m.view("counter") or 0) + 1
            try:
                os.write(fd, line_of({"type": "n", "data": {"n": n}}))
                os.write(told, n.to_bytes(4, "little"))
            except PermissionError:
                pass


@pytest.mark.limit(8)
def test_a_rule_that_lets_a_counter_rise_by_one(new_cluster):
    c = new_cluster(files={"reducers/counter.jq": LAST, "rules/counter.jq": RISES}, reducers=[])
    numbers = many(40, 200, 1000)
    got, told = os.pipe()
    pids = [fork_job(lambda i=i: counting(c.machines[i % 3], told, numbers)) for i in range(32)]
    os.close(told)
    taken = b""
    while part := os.read(got, 1 << 16):
        taken += part
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    taken = [int.from_bytes(taken[i : i + 4], "little") for i in range(0, len(taken), 4)]
    there = [json.loads(line)["data"]["n"] for line in c.agree().splitlines()]
    assert there == list(range(1, len(there) + 1)) and len(there) >= numbers
    assert sorted(taken) == there, "each was taken once"
    for m in c.machines:
        assert m.view("counter") == there[-1]


@pytest.mark.limit(8)
def test_conditions_of_several_lines_and_groups(new_cluster):
    """A group enters whole, wherever it comes from."""
    c = new_cluster()
    rounds = many(10, 40, 100)
    for i in range(rounds):
        groups = [line_of(json.dumps([{"type": "g", "data": {"by": n, "round": i, "k": k}} for k in range(5)])) for n in range(3)]
        assert at_once([lambda m=m, g=g: outcome(m.app, g) for m, g in zip(c.machines, groups)]) == [0, 0, 0]
    events = [json.loads(line)["data"] for line in c.agree().splitlines()]
    assert len(events) == rounds * 15
    for at in range(0, len(events), 5):
        assert [(e["by"], e["round"], e["k"]) for e in events[at : at + 5]] == [(events[at]["by"], events[at]["round"], k) for k in range(5)]


def test_other_rules_may_not_write(new_cluster):
    """A machine that decides otherwise is told so; it still reads."""
    c = new_cluster(machines=2, files={"reducers/counter.jq": LAST, "rules/counter.jq": RISES}, reducers=[])
    a, b = c.machines
    a.append({"type": "n", "data": {"n": 1}})
    (b.mnt / "rules/counter.jq").write_text("empty")
    b.until_state("differs")
    assert outcome(b.app, line_of({"type": "n", "data": {"n": 7}})) == errno.EPERM
    assert b.rejected()[-1]["error"] == "EPERM" and b.rejected()[-1]["reason"]
    a.append({"type": "n", "data": {"n": 2}})
    b.until_events(2)
    (b.mnt / "rules/counter.jq").write_text(RISES)
    b.until_ready()
    b.append({"type": "n", "data": {"n": 3}})
    c.agree()


def test_rules_that_become_everybodys(new_cluster):
    c = new_cluster(machines=2, files={"reducers/counter.jq": LAST, "rules/counter.jq": RISES}, reducers=[])
    a, b = c.machines
    (b.mnt / "rules/counter.jq").write_text("empty")
    b.until_state("differs")
    (b.mnt / "ctl").write_text("cluster agree\n")
    b.until_ready()
    a.until_state("differs")
    b.append({"type": "n", "data": {"n": 7}})
    assert outcome(a.app, line_of({"type": "n", "data": {"n": 8}})) == errno.EPERM
    (a.mnt / "rules/counter.jq").write_text("empty")
    a.until_ready()
    a.append({"type": "n", "data": {"n": 9}})
    assert c.agree().count(b"\n") == 2


def test_who_waits_is_judged_anew(new_cluster):
    """An append on condition of a head that waits for the engine, and meanwhile another machine has moved it."""
    c = new_cluster(net=True, machines=2)
    a, b = c.machines
    a.append({"type": "x"})
    b.until_events(1)
    c.net.apart([b.name], [e.name for e in c.engine.members])
    conditional = b.mnt / f"events/app@{b.head().strip()}"
    read, told = os.pipe()

    def late():
        with opened(conditional, os.O_WRONLY | os.O_APPEND) as fd:
            os.write(told, b".")
            with pytest.raises(OSError) as e:
                os.write(fd, line_of({"type": "late"}))
            assert e.value.errno == errno.ESTALE

    with child(late):
        os.read(read, 1)
        a.append({"type": "y"})
        c.net.heal()
    assert [json.loads(line)["type"] for line in c.agree().splitlines()] == ["x", "y"]
