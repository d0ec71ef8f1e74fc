"""kill -9 at random under load from all machines: of daemons, their agents, and members of the engine, its leader included. Some only
stand still for a while, at times for longer than a lease lasts. Each machine syncs in another way, and rotates when it likes."""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest
from harness import FULL, LIMIT, Mount
from machines import many
from notes import DONE

KILLS = many(12, 60, 300)
LEASE = 10


class Victims:
    """Each is started again a little later, so that several are away at once at times; of the engine's members a majority too."""

    def __init__(self, c, rng):
        self.c, self.rng, self.away = c, rng, []  # (when it comes back, what brings it back)
        self.still = set()  # machines that stand still
        self.rotations = []

    def machine(self):
        """One that answers; None: this time it is another's turn."""
        m = self.rng.choice(self.c.machines)
        return m if m in Mount.live and m not in self.still else None

    def strike(self):
        """True: something was killed."""
        what = self.rng.choice([self.daemon, self.daemon, self.agent, self.member, self.leader, self.pause, self.rotate])
        done = what()
        if not done:
            return False
        seconds, back, killed = done
        self.away.append((time.monotonic() + seconds, back))
        return killed

    def soon(self):
        return self.rng.choice([0, self.rng.uniform(0, 1.5)])

    def daemon(self):
        m = self.machine()
        if m:
            m.kill()
            return self.soon(), m.start, True

    def agent(self):
        m = self.machine()
        if m:
            m.kill_agent()
            return 0, lambda: None, True  # its daemon starts another

    def member(self, member=None):
        member = member or self.rng.choice(self.c.engine.members)
        if member.running():
            member.end()
            return self.soon(), lambda: self.c.engine.restart(member), True

    def leader(self):
        leader = self.c.engine.leader()
        return leader and self.member(leader)

    def pause(self):
        m = self.machine()
        pid = m and self.rng.choice([m.pid, m.agent()])
        if not pid:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self.still.add(m)
        return LEASE + 3 if FULL and self.rng.random() < 0.2 else self.soon(), lambda: self.go_on(m, pid), False

    def go_on(self, m, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self.still.discard(m)

    def rotate(self):
        m = self.machine()
        if m:  # it may wait behind appends, for the engine
            self.rotations.append(subprocess.Popen(["sh", "-c", "echo rotate > mnt/ctl"], cwd=m.path, stderr=subprocess.DEVNULL))

    def bring_back(self, all_of_them=False):
        now = time.monotonic()
        due = [a for a in self.away if all_of_them or a[0] <= now]
        self.away = [a for a in self.away if a not in due]
        for _, back in due:
            back()


@pytest.mark.limit(40)
def test_kills_under_load(new_cluster, notes):
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    c = new_cluster(more=["sync=write", "sync=close", "sync=none,journal=on"])
    for m in c.machines:
        for way in ("plain", "group", "once"):
            notes.start(m, f"{way}-{m.name}", pause=0.02, way=way)
    victims, kills = Victims(c, rng), 0
    while kills < KILLS:
        time.sleep(rng.uniform(0, 0.5))
        victims.bring_back()
        kills += victims.strike()
    victims.bring_back(all_of_them=True)
    c.engine.wait_ready()
    for m in c.machines:
        m.until_ready()
    before = notes.count()
    notes.stop()
    for r in victims.rotations:
        r.wait(LIMIT)
    history = c.check(notes)
    assert history.count(b"\n") >= notes.count() >= before > KILLS
    for m in c.machines:
        assert not notes.of(f"once-{m.name}").strip(bytes([DONE])), "who tries until he knows has each of them there"
