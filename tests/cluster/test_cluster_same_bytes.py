"""Three machines append the very same bytes, and the answers of commits are swallowed: there are as many lines as were acknowledged."""

import os
import random
import time

import pytest
from harness import line_of
from machines import many
from notes import DONE

CUTS = many(8, 50, 200)
LINE = line_of({"type": "tick", "data": None, "ts": 1})


@pytest.mark.limit(20)
def test_as_many_as_were_acknowledged(new_cluster, notes):
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    c = new_cluster(net=True)
    members = [e.name for e in c.engine.members]
    for m in c.machines:
        notes.start(m, m.name, line=LINE)
    for i in range(CUTS):
        for m in rng.sample(c.machines, rng.choice((1, 1, 2, 3))):
            for e in members:
                c.net.cut(e, m.name)
        time.sleep(rng.uniform(0.02, 0.5))
        c.net.heal(reset=True)
        time.sleep(rng.uniform(0, 0.1))
    notes.stop()
    history = c.agree()
    assert all(notes.of(m.name) == bytes([DONE]) * len(notes.of(m.name)) for m in c.machines), "all know what has become of theirs"
    assert history == LINE * notes.count()
    assert notes.count() > CUTS
    c.check_chain(history)
