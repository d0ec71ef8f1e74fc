"""Rules: what is asked before an event is appended, in which order, and what becomes of one who asks in vain."""

import errno
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from following import opened, until
from harness import ALL, LIMIT, SLOW, bound, fork_job, line_of, scaled

SOURCES = Path(__file__).parent / "reducers"

SEATS = 'if $event.type == "seat_taken" then .[$event.data.seat] = $event.actor else empty end'
SEATS_RULE = (
    'if $event.type == "seat_taken" and .[$event.data.seat] then "seat \\($event.data.seat) is taken" else empty end'
)
# The next number is one more than the last.
LAST = "$event.data.n"
RISES = 'if $event.data.n == (. // 0) + 1 then empty else "the last is \\(. // 0)" end'


def seat(name, actor="ann"):
    return {"type": "seat_taken", "data": {"seat": name}, "actor": actor, "ts": 1}


def number(n):
    return {"type": "n", "data": {"n": n}, "ts": 1}


def define(m, name, reducer=None, rule=None):
    for directory, program in (("reducers", reducer), ("rules", rule)):
        if program is not None:
            (m.mnt / directory / f"{name}.jq").write_text(program)


def write_of(m, data, path=None):
    """One write: what it gives, or its errno."""
    with opened(path or m.app, os.O_WRONLY | os.O_APPEND) as fd:
        return write_to(fd, data)


def write_to(fd, data):
    try:
        return os.write(fd, data)
    except OSError as e:
        return errno.errorcode[e.errno]


def write_all(m, data):
    """What is judged for long ends a write with a short count."""
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        at = 0
        while at < len(data):
            at += os.write(fd, data[at:])


def reasons(m):
    return [r["reason"] for r in m.rejected()]


def busy(seconds):
    """What a promise comes to that counts a second of the processor's time: this machine may give less of it to each."""
    begin, cpu = time.monotonic(), time.process_time()
    while time.process_time() - cpu < 0.2:
        pass
    return bound(seconds) * max(1, (time.monotonic() - begin) / 0.2)


def passes(m, event, seconds):
    """Appends it, which must not take longer than that."""
    begin = time.monotonic()
    assert write_of(m, line_of(event)) == len(line_of(event)), reasons(m)[-1:]
    assert time.monotonic() - begin < bound(seconds)


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_a_seat_is_taken_once(new_mount, sync):
    m = new_mount(options=f"sync={sync}", reducers=[])
    define(m, "seats", SEATS, SEATS_RULE)
    passes(m, seat("4a"), LIMIT)
    assert write_of(m, line_of(seat("4a", "bob"))) == "EPERM"
    assert write_of(m, line_of(seat("4b", "bob"))) == len(line_of(seat("4b", "bob")))
    assert m.view("seats") == {"4a": "ann", "4b": "bob"}
    assert m.history() == line_of(seat("4a")) + line_of(seat("4b", "bob"))
    (rejected,) = m.rejected()
    assert rejected["reason"] == "seats: seat 4a is taken"
    assert rejected["error"] == "EPERM"
    assert rejected["pid"] == os.getpid()
    assert json.loads(rejected["line"]) == seat("4a", "bob")
    assert m.status()["rules"]["seats"]["state"] == "ready"
    # And after a restart.
    m.remount()
    assert write_of(m, line_of(seat("4b", "ann"))) == "EPERM"
    passes(m, seat("4c"), LIMIT)


def test_the_events_of_one_write_see_each_other(new_mount):
    m = new_mount(reducers=[])
    define(m, "seats", SEATS, SEATS_RULE)
    lines = [line_of(seat(name)) for name in ("1", "2", "1", "3")]
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert write_to(fd, b"".join(lines)) == len(lines[0] + lines[1])
        assert m.rejected() == []  # it comes back with the rest
        assert write_to(fd, b"".join(lines[2:])) == "EPERM"
        assert write_to(fd, lines[3]) == len(lines[3])
    assert m.history() == lines[0] + lines[1] + lines[3]
    assert reasons(m) == ["seats: seat 1 is taken"]


def test_at_a_close(new_mount):
    m = new_mount(reducers=[])
    define(m, "seats", SEATS, SEATS_RULE)
    passes(m, seat("1"), LIMIT)
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    os.write(fd, line_of(seat("1")).rstrip())
    with pytest.raises(OSError) as e:
        os.close(fd)
    assert e.value.errno == errno.EPERM
    assert reasons(m) == ["seats: seat 1 is taken"]
    assert len(m.events()) == 1


def test_what_outputs_say(new_mount):
    m = new_mount(reducers=[])
    event = line_of({"type": "a", "data": None, "ts": 1})
    for program, reason in [
        ("empty", None),
        ("null, true", None),
        ("true, false", "form"),
        ('null, "no", "never"', "form: no"),
        ("3", "form: its answer is 3, which is neither a reason nor null, true or false"),
        ('error("oh")', "form: it failed: oh"),
        (". == null", None),
        ("$event.ts == 1 and $seq > 0", None),
    ]:
        define(m, "form", rule=program)
        got = write_of(m, event)
        assert got == (len(event) if reason is None else "EPERM"), program
        if reason:
            assert m.rejected()[-1]["reason"] == reason


def test_all_are_asked(new_mount):
    m = new_mount(reducers=[])
    define(m, "typed", rule='$event.data | type == "object"')
    define(m, "seats", SEATS, SEATS_RULE)
    define(m, "a-first", rule='if $event.type == "x" then "no x" else true end')
    assert write_of(m, line_of({"type": "seat_taken", "data": 3, "ts": 1})) == "EPERM"
    assert write_of(m, line_of({"type": "x", "data": 3, "ts": 1})) == "EPERM"
    passes(m, seat("1"), LIMIT)
    assert write_of(m, line_of(seat("1"))) == "EPERM"
    assert [r.split(":")[0] for r in reasons(m)] == ["seats", "a-first", "seats"]
    (m.mnt / "rules/seats.jq").unlink()
    passes(m, seat("1"), LIMIT)


def test_live(new_mount):
    """An edit is in force for the next append, of the rule and of its reducer."""
    m = new_mount(reducers=[])
    for i in range(scaled(50, 10)):
        define(m, "form", rule=f'if $event.type == "t{i}" then "round {i}" else true end')
        assert write_of(m, line_of({"type": f"t{i}", "data": 1, "ts": 1})) == "EPERM"
        assert m.rejected()[-1]["reason"] == f"form: round {i}"
        passes(m, {"type": f"t{i - 1}", "data": 1, "ts": 1}, LIMIT)
    (m.mnt / "rules/form.jq").unlink()
    define(m, "count", "(. // 0) + 1", "if . >= 1000 then false else true end")
    passes(m, number(1), LIMIT)
    define(m, "count", "1000")
    assert write_of(m, line_of(number(1))) == "EPERM"
    # A link, too, whose target is another one.
    (m.mnt / "rules/count.jq").unlink()
    target = m.path / "elsewhere.jq"
    target.write_text("true")
    (m.mnt / "rules/form.jq").symlink_to(target)
    passes(m, number(1), LIMIT)
    target.write_text("false")
    assert write_of(m, line_of(number(1))) == "EPERM"


@pytest.mark.parametrize("source", ["seats_c"])
def test_a_view_in_c(new_mount, compile_reducer, source):
    m = new_mount.prepare(reducers=[])
    m.enable(compile_reducer(SOURCES / f"{source}.c", "seats"))
    (m.data / "rules").mkdir()
    (m.data / "rules/seats.jq").write_text(SEATS_RULE)
    m.start()
    passes(m, seat("1"), LIMIT)
    passes(m, seat("2", "bob"), LIMIT)
    assert write_of(m, line_of(seat("1")) + line_of(seat("3"))) == "EPERM"
    assert m.view("seats") == {"1": "ann", "2": "bob"}


def test_as_the_manual_has_it(new_mount):
    m = new_mount(reducers=[])
    define(
        m,
        "orders",
        'if $event.type == "order" then . + [$event.data.items] else empty end',
        """$event.data as {$items, $by}
           | if ($by | test("^[a-z]+$")) | not then "\\($by) is no name"
             elif any($items[]; .n < 1) then "nothing of something"
             elif (reduce ((. // []) + [$items])[][] as $i (0; . + $i.n)) > 10 then "more than 10"
             else empty end""",
    )

    def order(by, *ns):
        return line_of({"type": "order", "data": {"by": by, "items": [{"n": n} for n in ns]}, "ts": 1})

    assert write_of(m, order("ann", 3, 4)) > 0
    assert write_of(m, order("Ann", 1)) == "EPERM"
    assert write_of(m, order("ann", 1, 0)) == "EPERM"
    assert write_of(m, order("bob", 4)) == "EPERM"
    assert write_of(m, order("bob", 3)) > 0
    assert reasons(m) == ["orders: Ann is no name", "orders: nothing of something", "orders: more than 10"]


def test_what_would_break_the_view_is_refused(new_mount):
    m = new_mount(reducers=[])
    define(m, "sum", "(. // 0) + $event.data.n", "true")
    passes(m, number(1), LIMIT)
    assert write_of(m, line_of(number("x"))) == "EIO"
    assert m.rejected()[-1]["reason"].startswith("sum: its view fails on it: ")
    passes(m, number(2), LIMIT)
    assert m.view("sum") == 3


def test_with_a_condition(new_mount):
    m = new_mount(reducers=[])
    define(m, "seats", SEATS, SEATS_RULE)
    passes(m, seat("1"), LIMIT)
    head = m.mnt / f"events/app@{m.head().strip()}"
    assert write_of(m, line_of(seat("1")), head) == "EPERM"
    assert write_of(m, line_of(seat("2")), head) > 0
    assert write_of(m, line_of(seat("1")), head) == "ESTALE"


@pytest.mark.parametrize("sync", ["write", "close"])
def test_a_group_is_let_in_whole_or_not_at_all(new_mount, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "seats", SEATS, SEATS_RULE)

    def group(*seats):
        return json.dumps([seat(s) for s in seats]).encode() + b"\n"

    assert write_of(m, group("1", "2")) > 0
    assert write_of(m, group("3", "4", "2", "5")) == "EPERM"
    assert write_of(m, group("6", "6")) == "EPERM"
    # What of them came before the refused one is taken back, for the rules too.
    both = group("3", "6")
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert write_to(fd, both + group("7", "3") + line_of(seat("8"))) == len(both)
        assert write_to(fd, group("7", "3") + line_of(seat("8"))) == "EPERM"
        assert write_to(fd, line_of(seat("7"))) > 0
    assert m.view("seats") == {s: "ann" for s in "12367"}
    assert [e["data"]["seat"] for e in m.events()] == ["1", "2", "3", "6", "7"]
    assert reasons(m) == ["seats: seat 2 is taken", "seats: seat 6 is taken", "seats: seat 3 is taken"]


def test_groups_beside_a_view_in_c(new_mount, compile_reducer):
    """Its state is written out and read again for each."""
    m = new_mount.prepare(reducers=[])
    m.enable(compile_reducer(SOURCES / "seats_c.c", "seats"))
    (m.data / "rules").mkdir()
    (m.data / "rules/seats.jq").write_text(SEATS_RULE)
    m.start()
    for i in range(20):
        good = [seat(f"{i}a"), seat(f"{i}b")]
        assert write_of(m, json.dumps(good).encode() + b"\n") > 0
        assert write_of(m, json.dumps([seat(f"{i}c"), seat("0a")]).encode() + b"\n") == "EPERM"
    assert len(m.view("seats")) == 40


@pytest.mark.parametrize("sync", ["write", "close"])
def test_with_once(new_mount, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "seats", SEATS, SEATS_RULE)
    once = m.mnt / "events/app@once"

    def claim(id, *seats):
        lines = [json.dumps({**seat(s), "id": f"{id}-{s}"}) for s in seats]
        return (lines[0] if len(lines) == 1 else f"[{','.join(lines)}]").encode() + b"\n"

    # Who was there already succeeds, though his seat is taken now: by himself. The rule is asked about what is new.
    for _ in range(2):
        assert write_of(m, claim("a", "1"), once) == len(claim("a", "1"))
        assert write_of(m, claim("a", "2", "3"), once) == len(claim("a", "2", "3"))
    assert write_of(m, claim("b", "1"), once) == "EPERM"
    assert write_of(m, claim("b", "4", "3"), once) == "EPERM"
    # In one write: what is there counts, what is new is asked about, up to the first that is refused.
    mixed = [claim("a", "1"), claim("c", "5"), claim("a", "2", "3"), claim("c", "6"), claim("c", "1"), claim("c", "7")]
    with opened(once, os.O_WRONLY | os.O_APPEND) as fd:
        assert write_to(fd, b"".join(mixed)) == len(b"".join(mixed[:4]))
        assert write_to(fd, b"".join(mixed[4:])) == "EPERM"
        assert write_to(fd, mixed[5]) == len(mixed[5])
    assert [e["data"]["seat"] for e in m.events()] == ["1", "2", "3", "5", "6", "7"]
    # With the head as well: who repeats himself succeeds, whatever the head and the rules say.
    both = m.mnt / f"events/app@0:,once"
    assert write_of(m, claim("c", "5"), both) == len(claim("c", "5"))
    assert write_of(m, claim("d", "8"), both) == "ESTALE"
    # A broken rule refuses what is new, and nothing else.
    define(m, "oops", rule="nope(")
    assert write_of(m, claim("a", "1"), once) == len(claim("a", "1"))
    assert write_of(m, claim("d", "8"), once) == "EIO"


def test_the_rest_of_a_refused_line_begins_no_other(new_mount):
    m = new_mount(reducers=[])
    define(m, "seats", SEATS, SEATS_RULE)
    line = line_of(seat("1"))
    passes(m, seat("1"), LIMIT)
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert write_to(fd, line[:20]) == 20
        assert write_to(fd, line[20:]) == "EPERM"
        assert write_to(fd, line_of(seat("2"))) == len(line_of(seat("2")))
    assert m.view("seats") == {"1": "ann", "2": "ann"}


def test_rejected_are_counted_by_rule(new_mount):
    m = new_mount(reducers=[])
    define(m, "last", LAST, RISES)
    for n in range(1, 4):
        passes(m, number(n), LIMIT)
        assert write_of(m, line_of(number(n + 5))) == "EPERM"
    assert 'eventfold_rejected_total{reason="rule last"} 3' in (m.mnt / "metrics").read_text()


# What is wrong with a rule, how it is mended, and what its reason begins with.
def broken_rules():
    yield "syntax", None, "nope(", "syntax: "
    yield "unknown", None, "nope", "unknown: "
    yield "impure", None, "now > 0", "impure: "
    yield "loops", None, "def f: f; f", "loops: it took longer than "
    yield "outputs", None, "repeat(true)", "outputs: it took longer than "
    yield "memory", None, '[range(1e9)] | length > 0', "memory: "
    yield "view-syntax", "nope(", "true", "view-syntax: "
    yield "view-loops", "def f: f; f", "true", "view-loops: its view took longer than "
    yield "view-fails", 'error("oh")', "true", "view-fails: its view is broken: event 1: "


@pytest.mark.parametrize("name, reducer, rule, reason", broken_rules(), ids=lambda v: v if isinstance(v, str) else None)
def test_a_broken_rule_refuses_everything(new_mount, name, reducer, rule, reason):
    if SLOW and name == "memory":
        pytest.skip("a memory limit and a sanitizer's shadow memory do not go together")
    m = new_mount(reducers=["types"], options="reduce_memory=256M" if name == "memory" else None)
    passes(m, number(1), LIMIT)
    define(m, name, reducer, rule)
    begin = time.monotonic()
    assert write_of(m, line_of(number(2))) == "EIO"
    assert time.monotonic() - begin < busy(1.5)
    assert m.rejected()[-1]["reason"].startswith(reason), m.rejected()[-1]["reason"]
    # From now on at once, and everything else goes on.
    begin = time.monotonic()
    assert write_of(m, line_of(number(2))) == "EIO"
    assert time.monotonic() - begin < bound(0.3)
    assert m.view("types") == {"n": 1}
    assert m.status()["rules"][name]["broken"]
    assert m.status()["rules"][name]["error"]
    # Mended, or removed.
    if reducer:
        (m.mnt / f"reducers/{name}.jq").write_text(".")
        define(m, name, rule="true")
    else:
        define(m, name, rule="true")
    passes(m, number(2), 1)
    define(m, name, rule="nope(")
    assert write_of(m, line_of(number(3))) == "EIO"
    (m.mnt / f"rules/{name}.jq").unlink()
    passes(m, number(3), 1)
    assert m.view("types") == {"n": 3}
    assert m.status()["rules"] == {}


@pytest.mark.parametrize("source", ["null_deref", "exits"])
def test_a_view_that_crashes_its_judge(new_mount, compile_reducer, source):
    m = new_mount.prepare(reducers=[])
    m.clean = False
    m.enable(compile_reducer(SOURCES / f"{source}.c", "bad"))
    (m.data / "rules").mkdir()
    (m.data / "rules/bad.jq").write_text("true")
    m.start()
    # They go wrong on their 500th event.
    write_all(m, b"".join(line_of(number(i)) for i in range(499)))
    assert write_of(m, line_of(number(500))) == "EIO"
    assert m.rejected()[-1]["reason"].startswith("bad: its view ")
    assert len(m.events()) == 499
    (m.mnt / "rules/bad.jq").unlink()
    passes(m, number(500), 1)


def slow(m, name, n=40):
    """A view that takes a tenth of a second and more for an event of those that are there."""
    m.append(*(number(i) for i in range(n)))
    define(m, name, "reduce range(400000) as $i (0; . + 1)", "true")


@pytest.mark.parametrize("signum, sync", [(signal.SIGINT, "write"), (signal.SIGKILL, "close")])
def test_who_waits_for_the_view_can_be_interrupted(new_mount, signum, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    slow(m, "slow", scaled(400, 100))
    before = m.history()
    with subprocess.Popen(["sh", "-c", 'exec printf "%s\\n" \'{"type":"a"}\' >> events/app'], cwd=m.mnt) as writer:
        until(lambda: m.status()["rules"].get("slow", {}).get("state") == "folding")
        until(lambda: m.status()["rules"]["slow"]["progress"] > 0)
        assert writer.poll() is None
        writer.send_signal(signum)
        assert writer.wait(LIMIT) != 0
    assert m.history() == before
    assert m.status()["rules"]["slow"]["state"] == "folding"
    # Looks at the log and at other views, and closes, wait for nothing.
    define(m, "quick", "(. // 0) + 1")
    assert m.view("quick") == len(m.events())
    (m.mnt / "rules/slow.jq").unlink()
    passes(m, number(1), 1)


@pytest.mark.parametrize("sync", ["write", "close"])
def test_who_waits_too_long_is_told_so(new_mount, sync):
    m = new_mount(reducers=[], options=f"rules_timeout=200ms,sync={sync}")
    slow(m, "slow", scaled(400, 100))
    assert write_of(m, line_of(number(1))) == "EAGAIN"
    assert "in time" in reasons(m)[-1]
    (m.mnt / "rules/slow.jq").unlink()
    passes(m, number(1), 1)


def test_it_waits_until_the_view_is_there(new_mount):
    m = new_mount(reducers=[])
    slow(m, "slow", scaled(10, 5))
    assert write_of(m, line_of(number(1))) == len(line_of(number(1)))


def test_a_killed_judge_is_started_again(new_mount):
    m = new_mount(reducers=[])
    define(m, "last", LAST, RISES)
    for n in range(1, 20):
        passes(m, number(n), LIMIT)
        assert write_of(m, line_of(number(n))) == "EPERM"
        if n % 2:
            os.kill(m.status()["judge_pid"], signal.SIGKILL)
    assert [e["data"]["n"] for e in m.events()] == list(range(1, 20))


def test_many_lines_and_long_ones(new_mount):
    m = new_mount(reducers=[])
    define(m, "last", LAST, RISES)
    data = b"".join(line_of(number(n)) for n in range(1, 5001))
    write_all(m, data)
    long = line_of({"type": "n", "data": {"n": 5001}, "meta": "x" * 3_000_000, "ts": 1})
    write_all(m, long)
    passes(m, number(5002), LIMIT)
    assert write_of(m, line_of(number(5002))) == "EPERM"


def test_beside_a_rotation(new_mount):
    m = new_mount(reducers=[], options="rotate=8K")
    define(m, "last", LAST, RISES)
    for n in range(1, scaled(1500, 300)):
        assert write_of(m, line_of(number(n))) > 0
        if n % 100 == 0:
            assert write_of(m, line_of(number(n))) == "EPERM"
    m.remount()
    assert write_of(m, line_of(number(1))) == "EPERM"
    passes(m, number(n + 1), LIMIT)


WRITERS = 32
RISEN = scaled(1000 if ALL else 300, 60)


def raise_it(app, most, stop_on_error=False):
    """One of those who let the number rise: says what he believes it to be next, and learns better."""
    n = 0
    try:
        while n < most:
            fd = os.open(app, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(fd, line_of(number(n + 1)))
            except OSError as e:
                if e.errno != errno.EPERM:
                    raise
            finally:
                os.close(fd)
            n += 1
    except OSError:
        if not stop_on_error:
            raise


@pytest.mark.parametrize("sync", ["write", "close"])
@pytest.mark.limit(10)
def test_a_number_rises_by_one(new_mount, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "last", LAST, RISES)
    pids = [fork_job(lambda: raise_it(m.app, RISEN)) for _ in range(WRITERS)]
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert [e["data"]["n"] for e in m.events()] == list(range(1, RISEN + 1))
    assert m.view("last") == RISEN


@pytest.mark.parametrize("sync", ["write", "close"])
@pytest.mark.limit(20)
def test_a_number_rises_by_one_though_it_is_killed(new_mount, sync):
    m = new_mount(reducers=[], options=f"sync={sync}")
    define(m, "last", LAST, RISES)
    rng = random.Random(5)
    last = 0
    for _ in range(scaled(50, 5) if ALL else 5):
        pids = [fork_job(lambda: raise_it(m.app, 1 << 30, True)) for _ in range(8)]
        target = last + rng.randrange(1, 60)
        until(lambda: m.status()["log"]["events"] >= target)
        m.kill()
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
        m.start()
        numbers = [e["data"]["n"] for e in m.events()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= target
        last = len(numbers)
        passes(m, number(last + 1), LIMIT)


def test_a_rule_that_leads_into_the_mount(new_mount):
    m = new_mount(reducers=["types"])
    (m.mnt / "rules/types.jq").symlink_to(m.mnt / "views/types.json")
    assert write_of(m, line_of(number(1))) == "EIO"
    (m.mnt / "rules/types.jq").unlink()
    passes(m, number(1), LIMIT)


def test_many_rules(new_mount):
    m = new_mount(reducers=[])
    # More than its socket has room for at once.
    for i in range(200):
        define(m, f"r{i}", "(. // 0) + 1" if i % 4 == 1 else None, "true")
    passes(m, number(1), LIMIT)
    define(m, "r49", rule="false")
    assert write_of(m, line_of(number(1))) == "EPERM"
    assert reasons(m) == ["r49"]
