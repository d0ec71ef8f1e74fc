"""The state after a log is the state after its first k events, a snapshot, another mount, and then the rest. Real mounts for some
k, all reducers at once; tests/cli/test_every_k.py has every k."""

import json

import pytest
from harness import FULL, SLOW, line_of

from oracle import jq_reducers
from oracle import reducers as oracle
from test_views import oracle_events

N = 1000
STOPS = 60 if FULL and not SLOW else 5




def guarded(program, log):
    """Only the events that are meant for it: the oracle's programs are as strict as their events."""
    return f"if $event.meta == {log} then ({program}\n) else empty end"


@pytest.mark.limit(8)
def test_some_k(new_mount):
    m = new_mount.prepare(reducers=oracle.NAMES)
    names = list(jq_reducers.REDUCERS)
    for i, name in enumerate(names):
        (m.data / f"reducers/jq_{name}.jq").write_text(guarded(jq_reducers.REDUCERS[name].program, i + 1))
    logs = [oracle_events(N)] + [jq_reducers.REDUCERS[name].events(N) for name in names]
    events = [dict(logs[i % len(logs)][i], meta=i % len(logs), ts=1_700_000_000 + i * 37) for i in range(N)]
    m.start()
    states = [None] * len(names)
    done = 0

    def go_on(to):
        nonlocal done
        m.append(b"".join(line_of(event) for event in events[done:to]))
        for event in events[done:to]:
            i = event["meta"] - 1
            if i >= 0:
                states[i] = jq_reducers.REDUCERS[names[i]].fold(states[i], event)
        done = to
        stored = m.history().splitlines()
        for name in oracle.NAMES:
            assert m.raw_view(name) == oracle.text(name, stored) + b"\n", f"{name} after {to} events"
        for name, state in zip(names, states):
            assert m.raw_view(f"jq_{name}").decode() == jq_reducers.text(state) + "\n", f"{name} after {to} events"

    for stop in range(1, STOPS + 1):
        go_on(N * stop // STOPS - 7 * (stop % 3))
        m.remount()
        if stop % 2:
            go_on(done)  # what the snapshots say, before anything is added
        views = m.status()["views"]
        assert all(view["folded"] == 0 for view in views.values()), "from the snapshots, not from the start"
    go_on(N)
    assert json.loads(m.raw_view("count")) == {"count": N}
