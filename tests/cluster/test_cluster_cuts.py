"""The network is cut under load: between members of the engine, and between a machine and the engine, one way and both ways. What is held
meanwhile goes on afterwards, or is lost with its connection: with answers that is the cut between commit and answer."""

import os
import random
import time

import pytest
from machines import many

CUTS = many(8, 40, 100)


def answers(net, rng, machine, members):
    """The engine's answers to one machine."""
    for e in members:
        net.cut(e, machine)


def questions(net, rng, machine, members):
    for e in members:
        net.cut(machine, e)


def machine_away(net, rng, machine, members):
    net.apart([machine], members)


def one_link(net, rng, machine, members):
    net.apart([machine], [rng.choice(members)])


def member_away(net, rng, machine, members):
    e = rng.choice(members)
    net.apart([e], [x for x in members if x != e])


def member_is_not_heard(net, rng, machine, members):
    e = rng.choice(members)
    for x in members:
        net.cut(e, x)


def member_hears_nothing(net, rng, machine, members):
    e = rng.choice(members)
    for x in members:
        net.cut(x, e)


def all_apart(net, rng, machine, members):
    net.apart(members, members)


KINDS = [answers, answers, questions, machine_away, one_link, member_away, member_is_not_heard, member_hears_nothing, all_apart]


@pytest.mark.limit(20)
def test_cuts_under_load(new_cluster, notes):
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    c = new_cluster(net=True)
    members = [e.name for e in c.engine.members]
    for m in c.machines:
        for w in range(3):
            notes.start(m, f"{m.name}-{w}", pause=0.02)
    for i in range(CUTS):
        KINDS[i % len(KINDS)](c.net, rng, rng.choice(c.machines).name, members)
        time.sleep(rng.choice([rng.uniform(0, 0.3), rng.uniform(0, 3)]))
        c.net.heal(reset=rng.random() < 0.5)
        time.sleep(rng.uniform(0, 0.5))
    c.net.heal()
    c.engine.wait_ready()
    for m in c.machines:
        m.until_ready()
    notes.stop()
    c.check(notes)
    assert notes.count() > CUTS


@pytest.mark.limit(8)
def test_the_others_go_on(new_cluster, notes):
    """One machine is cut off: it reads what it has, the others append; healed, it has theirs within seconds."""
    c = new_cluster(net=True)
    a, b, cut = c.machines
    a.append({"type": "before"})
    cut.until_events(1)
    c.net.apart([cut.name], [e.name for e in c.engine.members])
    for _ in range(20):
        a.append({"type": "x"})
        b.append({"type": "y"})
    assert cut.history().count(b"\n") == 1 and cut.view("count") == {"count": 1}
    cut.until_state("away")
    c.net.heal()
    begin = time.monotonic()
    cut.until_events(41)
    cut.append({"type": "after"})
    assert time.monotonic() - begin < 20
    c.agree()
