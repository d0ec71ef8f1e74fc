"""The agent against real etcds, with daemons that are none: what became of a proposal, whatever is lost on the way."""

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time

import pytest
from engine import Engine, b64
from fake_daemon import ASK, CONFIG, CONFIG_B, MINE, MOVED, REFUSED, Daemon, head_of, sha, write_batch
from following import until
from harness import FULL
from machines import agent_program

KEY = "/eventfold/log/"


KEEPER = "e" * 16  # a machine that has nothing yet: for its sake nothing is trimmed


def make_log(engine, history=b""):
    engine.put(KEY + "head", head_of(history))
    engine.put(f"{KEY}member/{KEEPER}", json.dumps({"position": 0}))


def engine_history(engine, begin=b""):
    """What the order is by the engine alone: each batch where the last one ended, up to the head."""
    history = begin
    batches = engine.keys(KEY + "batch/")
    while (value := batches.get(f"{KEY}batch/{len(history):020}")) is not None:
        history += value.split(b"\n", 1)[1]
    assert engine.get(KEY + "head").decode() == head_of(history)
    return history


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """An engine that nothing happens to but what agents do."""
    e = Engine(tmp_path_factory.mktemp("calm"))
    e.start()
    yield e
    e.end()


@pytest.fixture
def empty(calm):
    calm.call("/v3/kv/deleterange", {"key": b64(KEY), "range_end": b64("/eventfold/log0")})
    return calm


@pytest.fixture
def log(empty):
    make_log(empty)
    return empty


@pytest.fixture
def daemons(calm, ended):
    """Makes them. They are gone before the engine is."""

    def make(urls, **options):
        d = Daemon(agent_program(), urls, **options)
        ended.append(d)
        return d

    return make


def until_position(engine, d, off):
    until(lambda: (d.hear(), json.loads(engine.get(f"{KEY}member/{d.machine}"))["position"] == off)[1])


def test_alone(log, daemons):
    d = daemons(log.urls())
    for i in range(20):
        assert d.append(b'{"i":%d}\n' % i) == MINE
    assert d.history == b"".join(b'{"i":%d}\n' % i for i in range(20)) == engine_history(log)
    d.until_state("ready")
    d.until(lambda: d.members and d.members.get(d.machine, {}).get("alive"))
    d.end()
    assert log.get(f"{KEY}holder/{d.machine}") is None  # the lease is given back


def test_there_is_no_such_log(empty, daemons):
    assert "knows no such log" in daemons(empty.urls()).until_fatal()


@pytest.mark.parametrize("history, head", [(b"one\n", b"two\n"), (b"one\n", b""), (b"one\n", b"one")])
def test_another_log(empty, daemons, history, head):
    make_log(empty, head)
    d = daemons(empty.urls(), history=history)
    why = d.until_fatal()
    assert "is not the engine's" in why and head_of(history) in why and head_of(head) in why
    assert d.history == history


def test_others_go_first(log, daemons):
    a, b, c = (daemons(log.urls(), name=n) for n in "abc")
    for i in range(30):
        who = random.choice([a, b, c])
        assert who.append(b"%d\n" % i) == MINE
        for d in (a, b, c):
            d.until_history(who.history)
    # Both begin where the log ends: one is moved, by the other's batch.
    for i in range(10):
        n, m = a.propose(b"a%d\n" % i), b.propose(b"b%d\n" % i)
        both = {a.outcome(n), b.outcome(m)}
        assert both == {MINE, MOVED}
        c.until_history(max(a.history, b.history, key=len))
        for d in (a, b):
            d.until_history(c.history)
    assert a.history == engine_history(log)


def test_a_batch_comes_by_the_watch(log, daemons):
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b")
    assert a.append(b"first\n") == MINE
    b.until_history(a.history)
    a.until_state("ready"), b.until_state("ready")
    took = []
    for i in range(20):
        assert a.append(b"%d\n" % i) == MINE
        begin = time.monotonic()
        b.until_history(a.history)
        took.append(time.monotonic() - begin)
    assert sorted(took)[10] < 0.5, took  # a look alone would take a second


def three(engine, daemons):
    return [daemons(engine.urls(f"m{i}"), name=str(i)) for i in range(3)]


def many_at_once(log, them, rounds, disturb):
    """Writers of all of them, each line of its own; what was acknowledged is there once, and nothing that nobody wrote."""
    acknowledged = [[] for _ in them]

    def write(i):
        for k in range(rounds):
            line = b"%d %d\n" % (i, k)
            while True:
                n = them[i].propose(line)
                disturb(them[i])
                kind = them[i].outcome(n)
                if kind == MINE:
                    break
                assert kind == MOVED
            acknowledged[i].append(line)

    failed = []

    def run(i):
        try:
            write(i)
        except BaseException as e:
            failed.append(e)
            raise

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(them))]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not failed
    longest = engine_history(log)
    for d in them:
        d.until_history(longest)
    lines = longest.splitlines(keepends=True)
    assert sorted(lines) == sorted(sum(acknowledged, []))
    for i in range(len(them)):  # in the order of their writing
        assert [line for line in lines if line.startswith(b"%d " % i)] == acknowledged[i]


def test_three_write_at_once(log, daemons):
    many_at_once(log, three(log, daemons), 20, lambda d: None)


def test_agents_are_killed(log, daemons):
    """At any moment; the daemon says the same again to the next one."""
    dice = random.Random(7)

    def kill(d):
        if dice.random() < 0.3:
            d.hear(dice.random() * 0.02)
            d.kill()
            d.start()

    many_at_once(log, three(log, daemons), 100 if FULL else 15, kill)


def test_the_own_batch_of_an_earlier_agent(log, daemons):
    """It entered, and nobody heard of it: MINE."""
    d = daemons(log.urls())
    assert d.append(b"first\n") == MINE
    d.process.send_signal(signal.SIGSTOP)  # it will have been given the proposal, and say nothing
    os.waitid(os.P_PID, d.process.pid, os.WSTOPPED | os.WNOWAIT)
    n = d.propose(b"mine\n")
    head, batch = head_of(d.history), f"{KEY}batch/{len(d.history):020}"
    assert log.get(KEY + "head").decode() == head
    log.put(batch, d.proposal)  # as it would
    log.put(KEY + "head", head_of(d.history + b"mine\n"))
    d.kill()
    d.start()
    assert d.outcome(n) == MINE and d.history == b"first\nmine\n"


def relayed(ended, daemons, tmp_path, net, names):
    engine = Engine(tmp_path / "engine", net)
    ended.append(engine)
    engine.start()
    make_log(engine)
    return engine, [daemons(engine.urls(n), name=n) for n in names]


def test_answers_are_swallowed(ended, daemons, tmp_path, net):
    """The commit is done, the answer never comes: it is mine, once."""
    engine, (a, b) = relayed(ended, daemons, tmp_path, net, ["m0", "m1"])
    a.until_state("ready"), b.until_state("ready")
    for i in range(10 if FULL else 3):
        a.until_history(engine_history(engine))
        for m in engine.members:
            net.cut(m.name, "m0")
        n = a.propose(b"a%d\n" % i)
        until(lambda: engine.get(KEY + "head").decode() == head_of(a.history + b"a%d\n" % i))
        if i % 2:  # and another one is behind it already
            b.until_history(a.history + b"a%d\n" % i)
            assert b.append(b"b%d\n" % i) == MINE
        a.hear(0.1)
        assert n not in a.outcomes
        net.heal(reset=bool(i % 3))
        assert a.outcome(n) == MINE
        a.until_history(engine_history(engine))
    a.until_state("ready")


def test_all_of_it_at_once(ended, daemons, tmp_path, net):
    """Ways are cut, one way or both, members of the engine are killed or stand still, agents are killed."""
    engine = Engine(tmp_path / "engine", net)
    ended.append(engine)
    engine.start()
    make_log(engine)
    them = three(engine, daemons)
    dice, over = random.Random(3), threading.Event()

    def strike():
        m, machine = dice.choice(engine.members), f"m{dice.randrange(3)}"
        what = dice.randrange(5)
        if what == 0:
            m.pause()
        elif what == 1:
            m.end()
        elif what == 2:
            net.cut(machine, m.name)
        else:
            for m in dice.sample(engine.members, what - 1):
                net.cut(m.name, machine)
        over.wait(dice.random() * 4)
        for m in engine.members:
            m.resume()
            if not m.running():
                engine.restart(m)
        net.heal(reset=dice.random() < 0.5)
        over.wait(dice.random())

    def strike_again():
        while not over.is_set():
            strike()

    def kill(d):
        if dice.random() < 0.05:
            d.kill()
            d.start()

    striker = threading.Thread(target=strike_again)
    striker.start()
    try:
        many_at_once(engine, them, 1500 if FULL else 100, kill)
    finally:
        over.set()
        striker.join()


def test_away(ended, daemons, tmp_path, net):
    """A cut off machine waits; it is told, and goes on."""
    engine, (a, b) = relayed(ended, daemons, tmp_path, net, ["m0", "m1"])
    assert a.append(b"first\n") == MINE
    net.apart(["m0"], [m.name for m in engine.members])
    n = a.propose(b"second\n")
    assert a.until_state("away")["why"]
    b.until_history(b"first\n")
    assert b.append(b"third\n") == MINE
    net.heal(reset=True)
    assert a.outcome(n) in (MOVED, MINE)
    a.until_history(engine_history(engine))
    a.until_state("ready")


def test_one_endpoint_is_cut_off(ended, daemons, tmp_path, net):
    """Whichever it is: the next one is taken, and the watch goes there as well."""
    engine, (a, b) = relayed(ended, daemons, tmp_path, net, ["m0", "m1"])
    for i, m in enumerate(engine.members * 2):
        net.apart(["m0"], [m.name])
        assert b.append(b"b%d\n" % i) == MINE
        a.until_history(b.history)
        assert a.append(b"a%d\n" % i) == MINE
        b.until_history(a.history)
        net.heal(reset=bool(i % 2))
    assert a.history == engine_history(engine)


def test_a_majority_is_lost(engine, daemons):
    log = engine
    make_log(log)
    d = daemons(log.urls())
    assert d.append(b"first\n") == MINE
    for m in log.members[:2]:
        m.end()
    n = d.propose(b"second\n")
    d.until_state("away")
    assert n not in d.outcomes
    for m in log.members[:2]:
        log.restart(m)
    assert d.outcome(n) == MINE
    assert d.history == engine_history(log)
    d.until_state("ready")


def test_members_are_restarted(engine, daemons):
    log = engine
    make_log(log)
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b")
    for i in range(3):
        log.members[i].end()
        assert a.append(b"a%d\n" % i) == MINE
        b.until_history(a.history)
        log.restart(log.members[i])
        log.wait_ready()
        assert b.append(b"b%d\n" % i) == MINE
        a.until_history(b.history)


def test_compacted(log, daemons):
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b")
    for i in range(5):
        assert a.append(b"%d\n" % i) == MINE
        revision = int(log.call("/v3/kv/range", {"key": b64("x")})["header"]["revision"])
        log.call("/v3/kv/compaction", {"revision": revision, "physical": True})
        b.until_history(a.history)


@pytest.fixture
def unkept(log):
    log.delete(f"{KEY}member/{KEEPER}")
    return log


def test_it_joins_where_the_window_is(unkept, daemons):
    log = unkept
    a = daemons(log.urls(), name="a")
    for i in range(10):
        assert a.append(b"%d\n" % i * 100) == MINE
    until(lambda: (a.hear(), not log.keys(KEY + "batch/"))[1])
    assert "too late" in daemons(log.urls(), name="b").until_fatal()
    assert "too late" in daemons(log.urls(), name="d", history=a.history[:200]).until_fatal()
    c = daemons(log.urls(), name="c", history=a.history)
    assert c.append(b"c\n") == MINE
    a.until_history(c.history)


def put_batches(engine, *lines):
    """A history that was there before anybody came."""
    history = b""
    for n, some in enumerate(lines):
        engine.put(f"{KEY}batch/{len(history):020}", write_batch(history, some, "0" * 16, "0" * 32, n + 1))
        history += some
    make_log(engine, history)
    return history


def test_the_log_ends_within_a_batch(empty, daemons):
    history = put_batches(empty, b"one\n", b"two\nthree\n", b"four\n")
    d = daemons(empty.urls(), history=b"one\ntwo\n")
    d.until_history(history)
    assert d.append(b"five\n") == MINE


def test_many_batches(empty, daemons):
    history = put_batches(empty, *(b"%d\n" % i for i in range(300)))
    d = daemons(empty.urls())
    d.until_history(history)
    assert len(d.batches) == 300


def test_no_more_is_delivered_than_is_appended(empty, daemons):
    history = put_batches(empty, *(b"x" * 1000000 + b"\n" for i in range(12)))
    d = daemons(empty.urls(), lazy=True)
    d.until(lambda: len(d.history) >= 8 << 20)
    d.hear(1), d.hear(1)
    assert 8 << 20 <= len(d.history) < 10 << 20
    d.lazy = False
    d.appended()
    d.until_history(history)


@pytest.mark.parametrize("value", [b"", b"{", b"{}\n", b"\xff\n\xff", b'{"v":1}\nx\n', b'{"v":2}\nx\n', None, "from", "before", "groups"])
def test_a_batch_that_is_none(empty, daemons, value):
    history = put_batches(empty, b"one\n", b"two\n")
    if value is None:
        value = write_batch(b"one\n", b"longer\n", "0" * 16, "0" * 32, 1)
    elif value == "from":
        value = write_batch(b"two\n", b"two\n", "0" * 16, "0" * 32, 1).replace(b'"from": 4', b'"from": 5').replace(b'"to": 8', b'"to": 9')
    elif value == "before":
        value = write_batch(b"oNe\n", b"two\n", "0" * 16, "0" * 32, 1)
    elif value == "groups":
        value = write_batch(b"one\n", b"two\n", "0" * 16, "0" * 32, 1, groups="none")
    empty.put(f"{KEY}batch/{4:020}", value)
    d = daemons(empty.urls())
    assert d.until_fatal() and d.history in (b"", b"one\n")
    assert "4" in d.fatal or "is not the engine's" in d.fatal
    assert len(history) == 8


def test_a_batch_beyond_the_head_is_none(log, daemons):
    """Somebody has put it there: it is no part of the order, and goes when the place is needed."""
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    d.until_state("ready")
    log.put(f"{KEY}batch/{4:020}", write_batch(b"one\n", b"two\n", "0" * 16, "0" * 32, 1))
    assert d.append(b"three\n") == MINE
    assert d.history == b"one\nthree\n" and not d.batches


@pytest.mark.parametrize("head", [b"", b"x", b"4", b"99999999999999999999:" + b"0" * 64, b"-1:" + b"0" * 64, b"\xff" * 70])
def test_a_head_that_is_none(log, daemons, head):
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    log.put(KEY + "head", head)
    d.propose(b"two\n")
    assert "head" in d.until_fatal()


def test_the_head_goes_back(log, daemons):
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    make_log(log)
    assert "is not the engine's" in d.until_fatal()


def test_what_came_of_it_is_trimmed(log, daemons):
    """Forgotten meanwhile: nobody can tell any more."""
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    d.process.send_signal(19)
    d.propose(b"two\n")
    d.process.kill()
    d.process.wait()
    while d.socket:
        d.hear(1)
    log.delete(f"{KEY}batch/{0:020}")
    make_log(log, b"one\n2\n3\n")
    d.start()
    assert "is not known" in d.until_fatal()


def test_an_older_copy(log, daemons):
    d = daemons(log.urls(), name="a")
    for i in range(3):
        assert d.append(b"%d\n" % i) == MINE
    until_position(log, d, 6)
    d.end()
    e = daemons(log.urls(), name="a", history=b"0\n")
    assert "older copy" in e.until_fatal() and e.history == b"0\n"


def test_the_lease_is_lost(log, daemons):
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    log.delete(f"{KEY}holder/{d.machine}")
    assert d.append(b"two\n") == MINE
    assert log.get(f"{KEY}holder/{d.machine}").decode() == f"k {d.boot}"


def test_a_key_that_is_left_over(log, daemons):
    """By a daemon of this kernel that is gone, as DATA's lock says. Its lease may live for a while."""
    log.put(f"{KEY}holder/{sha(b'a')[:16]}", "k other")
    d = daemons(log.urls(), name="a")
    assert d.append(b"one\n") == MINE
    assert log.get(f"{KEY}holder/{d.machine}").decode() == f"k {d.boot}"


def test_two_of_one_identity_on_one_kernel(log, daemons):
    """Containers, say, each with a DATA of its own at the same path."""
    a = daemons(log.urls(), name="a")
    assert a.append(b"one\n") == MINE
    b = daemons(log.urls(), name="a", history=a.history)
    assert b.append(b"two\n") == MINE
    a.until(lambda: "another machine" in (a.states[-1]["why"] or ""))
    assert b.append(b"three\n") == MINE
    if FULL:
        assert "identity" in a.until_fatal()


def test_two_of_one_identity(log, daemons):
    a = daemons(log.urls(), name="a", kernel="k1")
    assert a.append(b"one\n") == MINE
    b = daemons(log.urls(), name="a", kernel="k2", history=a.history)
    n = b.propose(b"two\n")
    b.until(lambda: "another machine" in (b.states[-1]["why"] or "") if b.states else False)
    assert a.append(b"three\n") == MINE
    assert b.outcome(n) == MOVED  # by what came before
    if FULL:
        assert "identity" in b.until_fatal()
    else:
        a.process.kill()  # ten seconds later its lease has ended
        assert b.append(b"four\n") == MINE


def test_rules_differ(log, daemons):
    a = daemons(log.urls(), name="a")
    assert a.append(b"one\n") == MINE
    b = daemons(log.urls(), name="b", config=CONFIG_B)
    b.until_history(a.history)
    b.until_state("differs")
    n = b.propose(b"two\n")
    assert b.outcome(n) == REFUSED
    assert b.outcomes[n][1]["errno"] == 1 and "rules" in b.outcomes[n][1]["why"]
    b.say(ASK, {"id": 1, "do": "agree"})
    b.until(lambda: 1 in b.done)
    assert b.done[1]["errno"] == 0
    assert b.append(b"two\n") == MINE
    a.until_state("differs")
    a.until_history(b.history)
    a.config = CONFIG_B
    a.say(CONFIG, {"config": CONFIG_B})
    a.until_state("ready")
    assert a.append(b"three\n") == MINE


def ask(d, number, **what):
    d.say(ASK, {"id": number, **what})
    d.until(lambda: number in d.done)
    return d.done[number]


def test_forget(log, daemons):
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b")
    a.until_state("ready"), b.until_state("ready")
    assert ask(a, 1, do="forget", machine="f" * 16)["errno"] == 2
    assert ask(a, 2, do="forget", machine=b.machine)["errno"] == 16
    assert ask(a, 3, do="forget", machine="../head")["errno"] == 2
    b.end()
    assert ask(a, 4, do="forget", machine=b.machine) == {"id": 4, "errno": 0, "why": None}
    assert log.get(f"{KEY}member/{b.machine}") is None
    a.until(lambda: set(a.members) == {a.machine, KEEPER})


def test_forgotten_while_it_runs(log, daemons):
    d = daemons(log.urls())
    assert d.append(b"one\n") == MINE
    log.delete(f"{KEY}member/{d.machine}")
    assert d.append(b"two\n") == MINE
    assert json.loads(log.get(f"{KEY}member/{d.machine}"))["position"] == 4


def test_the_window_is_trimmed_behind_all(unkept, daemons):
    log = unkept
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b", lazy=True)
    for i in range(5):
        assert a.append(b"%d\n" % i) == MINE
    b.until_history(a.history)
    until_position(log, a, 10)
    assert list(log.keys(KEY + "batch/")) == [f"{KEY}batch/{2 * i:020}" for i in range(5)]  # b has nothing yet
    b.appended()
    until(lambda: (a.hear(), b.hear(), not log.keys(KEY + "batch/"))[2])


def test_the_window_is_so_large(log, daemons):
    a, b = daemons(log.urls(), name="a", window_bytes=1000), daemons(log.urls(), name="b", lazy=True, window_bytes=1000)
    for i in range(30):
        assert a.append(b"x" * 99 + b"\n") == MINE
    b.until_history(a.history)
    until(lambda: (a.hear(), len(log.keys(KEY + "batch/")) == 10)[1])


def test_the_window_is_so_old(log, daemons):
    a, b = daemons(log.urls(), name="a", window_ms=5000), daemons(log.urls(), name="b", lazy=True)
    for i in range(3):
        assert a.append(b"%d\n" % i) == MINE
    b.until_history(a.history)
    until(lambda: (a.hear(), not log.keys(KEY + "batch/"))[1])


def test_no_room(ended, daemons, tmp_path):
    """etcd's alarm: it waits, and enters once when there is room."""
    engine = Engine(tmp_path / "engine", more=["--quota-backend-bytes=16777216"])
    ended.append(engine)
    engine.start()
    make_log(engine)
    d = daemons(engine.urls())
    assert d.append(b"one\n") == MINE
    with pytest.raises(OSError, match="space"):
        while True:
            engine.call("/v3/kv/put", {"key": b64("/big"), "value": b64(os.urandom(1000000))})
    n = d.propose(b"two\n")
    assert "room" in d.until_state("full")["why"]
    engine.delete("/big")
    revision = int(engine.call("/v3/kv/range", {"key": b64("x")})["header"]["revision"])
    engine.call("/v3/kv/compaction", {"revision": revision, "physical": True})
    for m in engine.members:
        m.call("/v3/maintenance/defragment", seconds=60)
    for alarm in engine.call("/v3/maintenance/alarm", {"action": "GET"})["alarms"]:
        engine.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})
    assert d.outcome(n) == MINE
    d.until_state("ready")
    assert d.history == engine_history(engine)


def test_large_ones(log, daemons):
    a, b = daemons(log.urls(), name="a"), daemons(log.urls(), name="b")
    line = b"x" * 1048575 + b"\n"
    for _ in range(3):
        assert a.append(line) == MINE
    b.until_history(a.history)


@pytest.mark.parametrize("frame", [(99, b""), (1, b"{}"), (3, b"x"), (2, b"x\n")])
def test_a_daemon_that_makes_no_sense(log, daemons, frame):
    d = daemons(log.urls())
    d.until_state("ready")
    d.say(*frame)
    assert d.process.wait(20) == 1


def test_it_goes_with_its_daemon(ended, daemons, tmp_path, net):
    """At once, even where nothing answers."""
    engine, (d,) = relayed(ended, daemons, tmp_path, net, ["m0"])
    d.until_state("ready")
    net.apart(["m0"], [m.name for m in engine.members])
    d.socket.close()
    d.socket = None
    begin = time.monotonic()
    d.process.wait(10)
    assert time.monotonic() - begin < 2


class Proxy:
    """Before one member: what the engine says on a watch is swallowed from now on, where that is wanted, and everything else is not."""

    def __init__(self, port):
        self.port, self.mute, self.watches = port, False, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.sockets = [self.server]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.server.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [near, far]
                seen = {"watch": False}  # one connection, one watch
                for args in ((near, far, seen, True), (far, near, seen, False)):
                    threading.Thread(target=self.pump, args=args, daemon=True).start()

    def pump(self, source, target, seen, up):
        muted = False
        with contextlib.suppress(OSError):
            while got := source.recv(1 << 16):
                if up and b"POST /v3/watch" in got:
                    seen["watch"] = True
                    self.watches += 1
                muted |= not up and seen["watch"] and self.mute
                if not muted:
                    target.sendall(got)
            target.shutdown(socket.SHUT_WR)

    def end(self):
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


def test_a_watch_that_says_nothing_is_begun_anew(log, daemons, ended):
    proxy = Proxy(log.members[0].client)
    ended.append(proxy)
    a, b = daemons(log.urls(), name="a"), daemons(proxy.url, name="b")
    a.until_state("ready"), b.until_state("ready")
    b.until(lambda: proxy.watches == 1)
    proxy.mute = True
    assert a.append(b"one\n") == MINE
    b.until_history(a.history)  # by a look
    b.until(lambda: proxy.watches > 1)
    proxy.mute = False
    assert a.append(b"two\n") == MINE
    b.until_history(a.history)


def test_connections_are_kept(log, daemons, ended):
    """Where the watch is the first to tell what has become of a transaction, too."""
    proxy = Proxy(log.members[0].client)
    ended.append(proxy)
    d = daemons(proxy.url)
    assert d.append(b"0\n") == MINE
    before = len(proxy.sockets)
    for i in range(100):
        assert d.append(b"%d\n" % i) == MINE
    assert len(proxy.sockets) - before <= 2 * 10  # both ends of each
