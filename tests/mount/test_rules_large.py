"""Large writes with rules: they are judged in pieces, while the rest of them is still being looked at, and what was let in is written."""

import json
import os
import random
import signal

import pytest
from following import opened, until
from harness import LIMIT, fork_job, line_of, scaled
from test_rules import LAST, RISES, define, number, passes, write_all, write_of, write_to


def numbers(begin, end, pad=80):
    return [line_of({"type": "n", "data": {"n": i, "pad": "x" * pad}, "ts": 1}) for i in range(begin, end)]


def rising(new_mount, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "last", LAST, RISES)
    return m


def write_some(m, data):
    """As write_all(), up to an error: how much was taken, and that."""
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        at = 0
        while at < len(data):
            n = write_to(fd, data[at:])
            if isinstance(n, str):
                return at, n
            at += n
        return at, None


@pytest.mark.parametrize("sync", ["write", "close", "none"])
@pytest.mark.parametrize("at", [0, 1, 600, 1500, 4999], ids=lambda n: f"at {n}")
def test_a_refused_line_in_a_large_write(new_mount, sync, at):
    m = rising(new_mount, sync)
    lines = numbers(1, 5001)
    lines[at] = line_of(number(-1))
    before = b"".join(lines[:at])
    assert write_some(m, b"".join(lines)) == (len(before), "EPERM")
    assert m.history() == before == (m.data / "app.jsonl").read_bytes()
    assert m.rejected()[-1]["reason"] == f"last: the last is {at}"
    # The judge is where the log is: the rest comes, right from there.
    lines[at] = numbers(at + 1, at + 2)[0]
    assert write_some(m, b"".join(lines[at:])) == (len(b"".join(lines[at:])), None)
    assert m.history() == b"".join(lines)
    assert m.view("last") == 5000


@pytest.mark.parametrize("sync", ["write", "close"])
def test_groups_in_a_large_write(new_mount, sync):
    m = rising(new_mount, sync)
    lines = numbers(1, 4001)
    good = b"".join(lines)
    # At the beginning of a piece, in its middle, over the border of two.
    rows = [json.loads(line) for line in lines]
    data, i = b"", 0
    rng = random.Random(7)
    while i < len(rows):
        n = rng.choice((1, 1, 1, 40, 700)) if i > 1000 else 1
        data += line_of(rows[i]) if n == 1 else json.dumps(rows[i : i + n], separators=(",", ":")).encode() + b"\n"
        i += n
    group = json.dumps([number(4001), number(4001)]).encode() + b"\n"
    assert write_some(m, data + group + line_of(number(4001))) == (len(data), "EPERM")
    assert m.history() == good
    assert m.rejected()[-1]["reason"] == "last: the last is 4001"
    assert write_some(m, line_of(number(4001))) == (len(line_of(number(4001))), None)
    assert m.view("last") == 4001


def test_bad_lines_in_a_large_write(new_mount):
    """What is no event ends it as ever, and what the rules refuse before that comes first."""
    m = rising(new_mount, "write")
    lines = numbers(1, 5001)
    good = b"".join(lines[:3000])
    assert write_some(m, good + b"bad\n" + b"".join(lines[3000:])) == (len(good), "EINVAL")
    assert m.history() == good
    rest = lines[3000:4000] + [line_of(number(1))] + lines[4000:4500] + [b"bad\n"]
    taken = b"".join(lines[3000:4000])
    assert write_some(m, b"".join(rest)) == (len(taken), "EPERM")
    assert m.history() == good + taken
    # A part of a line before, and one behind.
    more = b"".join(lines[4000:])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert write_to(fd, more[:50]) == 50
        assert write_to(fd, more[50:-20]) == len(more) - 70
        assert write_to(fd, more[-20:]) == 20
    assert m.history() == b"".join(lines)
    assert m.view("last") == 5000


def test_many_bring_large_writes(new_mount):
    """Whoever comes while one is being judged waits for it; nobody's is lost, doubled or torn."""
    m = new_mount(reducers=[])
    define(m, "form", rule="$event.data.n >= 0")

    def writer(k):
        own = [line_of({"type": f"w{k}", "data": {"n": i, "pad": "x" * 90}, "ts": 1}) for i in range(3000)]
        for j in range(0, 3000, 1000):
            write_all(m, b"".join(own[j : j + 1000]))
            write_all(m, line_of({"type": f"w{k}", "data": {"n": j, "small": True}, "ts": 1}))

    for pid in [fork_job(lambda k=k: writer(k)) for k in range(4)]:
        assert os.waitpid(pid, 0)[1] == 0
    seen = {}
    for event in m.events():
        if "small" not in event["data"]:
            seen.setdefault(event["type"], []).append(event["data"]["n"])
    assert seen == {f"w{k}": list(range(3000)) for k in range(4)}


# One in the middle takes long: what comes before it has been let in and is written, but in no log yet.
LINGERS = 'if $event.data.n == 2500 and reduce range(%d) as $i (0; . + 1) < 0 then false else %s end'


def lingering(new_mount, sync="write"):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "last", LAST, LINGERS % (scaled(20_000_000, 2_000_000), f"({RISES})"))
    return m


def write_until_it_lingers(m, lines):
    pid = fork_job(lambda: write_all(m, b"".join(lines)))
    until(lambda: (m.data / "app.jsonl").stat().st_size > 0)
    return pid


@pytest.mark.parametrize("sync", ["write", "close"])
def test_a_judge_that_is_killed_between_pieces(new_mount, sync):
    m = lingering(new_mount, sync)
    lines = numbers(1, 5001)
    pid = write_until_it_lingers(m, lines)
    os.kill(m.status()["judge_pid"], signal.SIGKILL)
    # Another one judges all of it again: nothing of what the first has let in counts.
    assert os.waitpid(pid, 0)[1] == 0
    assert m.history() == b"".join(lines) == (m.data / "app.jsonl").read_bytes()
    assert write_of(m, line_of(number(5000))) == "EPERM"
    passes(m, number(5001), 1)


def test_a_writer_that_is_killed_between_pieces(new_mount):
    m = lingering(new_mount)
    lines = numbers(1, 5001)
    pid = write_until_it_lingers(m, lines)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    passes(m, number(len(m.events()) + 1), LIMIT)
    n = len(m.events())
    assert [e["data"]["n"] for e in m.events()] == list(range(1, n + 1))
    assert m.view("last") == n


def test_a_daemon_that_is_killed_between_pieces(new_mount):
    m = lingering(new_mount)
    lines = numbers(1, 5001)
    pid = write_until_it_lingers(m, lines)
    m.kill()
    os.waitpid(pid, 0)
    m.start()
    n = len(m.events())
    assert n > 0 and m.history() == b"".join(lines[:n])
    write_all(m, b"".join(lines[n:]))
    assert m.history() == b"".join(lines)
    assert m.view("last") == 5000


def test_a_rule_that_is_edited_between_pieces(new_mount):
    """It is in force for the next append."""
    m = lingering(new_mount)
    lines = numbers(1, 5001)
    pid = write_until_it_lingers(m, lines)
    define(m, "last", rule='"no more"')
    assert os.waitpid(pid, 0)[1] in (0, 256)
    # What takes so long ends the write with a short count, and its writer comes back to the new rule.
    n = len(m.events())
    assert n > 0 and m.history() == b"".join(lines[:n])
    assert write_of(m, line_of(number(n + 1))) == "EPERM"
