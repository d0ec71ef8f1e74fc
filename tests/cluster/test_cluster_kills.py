"""kill -9 at random under load from all machines: of daemons, their agents, and members of the engine, its leader included."""

import os
import random
import time

import pytest
from harness import Mount
from machines import many

KILLS = many(12, 60, 300)


class Victims:
    """Each is started again a little later, so that several are away at once at times; of the engine's members a majority too."""

    def __init__(self, c, rng):
        self.c, self.rng, self.away = c, rng, []  # (when it comes back, what brings it back)

    def kill(self):
        what = self.rng.choice([self.daemon, self.daemon, self.agent, self.member, self.leader])
        back = what()
        if back:
            self.away.append((time.monotonic() + self.rng.choice([0, self.rng.uniform(0, 1.5)]), back))
        return back is not None

    def daemon(self):
        m = self.rng.choice(self.c.machines)
        if m not in Mount.live:
            return None
        m.kill()
        return m.start

    def agent(self):
        m = self.rng.choice(self.c.machines)
        if m not in Mount.live:
            return None
        m.kill_agent()
        return lambda: None  # its daemon starts another

    def member(self, member=None):
        member = member or self.rng.choice(self.c.engine.members)
        if not member.running():
            return None
        member.end()
        return lambda: self.c.engine.restart(member)

    def leader(self):
        leader = self.c.engine.leader()
        return self.member(leader) if leader else None

    def bring_back(self, all_of_them=False):
        now = time.monotonic()
        due = [a for a in self.away if all_of_them or a[0] <= now]
        self.away = [a for a in self.away if a not in due]
        for _, back in due:
            back()


@pytest.mark.limit(40)
def test_kills_under_load(new_cluster, notes):
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    c = new_cluster()
    for m in c.machines:
        for w in range(3):
            notes.start(m, f"{m.name}-{w}", pause=0.02)
    victims = Victims(c, rng)
    kills = 0
    while kills < KILLS:
        time.sleep(rng.uniform(0, 0.5))
        victims.bring_back()
        kills += victims.kill()
    victims.bring_back(all_of_them=True)
    c.engine.wait_ready()
    for m in c.machines:
        m.until_ready()
    before = notes.count()
    notes.stop()
    history = c.check(notes)
    assert history.count(b"\n") >= notes.count() >= before > KILLS
