"""The state after a log is the state after its first k events, saved and read back, and then the rest: for each shipped reducer,
ten in jq, and every k. And after each event it is that of a fold written independently in Python.

EVENTFOLD is the program, EVENTFOLD_REDUCERS the directory of the built reducers, EVENTFOLD_BUILD the build directory.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from test_reducers import Writer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import jq_reducers  # noqa: E402
import reducers as oracle  # noqa: E402

# It costs N * N / 2 events. As many as the project promises, fewer, and a sanitized build.
N = 1000 if os.environ.get("EVENTFOLD_FULL") in ("1", "2") else 100 if os.environ.get("EVENTFOLD_SLOW") == "1" else 300


def check(reducer, log, texts):
    """`texts`: what the state must be after each event."""
    each = subprocess.run([os.environ["EVENTFOLD"], "fold", "--each", reducer, log], capture_output=True, timeout=300)
    assert (each.returncode, each.stderr) == (0, b"")
    states = each.stdout.splitlines()
    assert len(states) == len(texts)
    for k, (state, text) in enumerate(zip(states, texts), 1):
        assert state == text, f"after {k} events"
    every_k = pathlib.Path(os.environ["EVENTFOLD_BUILD"]) / "tests/unit/every_k"
    run = subprocess.run([every_k, reducer, log], capture_output=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.splitlines() == [b"%d" % len(texts), texts[-1]]


@pytest.mark.parametrize("name", oracle.NAMES)
def test_shipped(name, tmp_path):
    lines = Writer(7).log(N)
    log = tmp_path / "log"
    log.write_text("".join(line + "\n" for line in lines))
    if name == "latest":
        texts = oracle.latest_texts(lines)
    else:
        events = [oracle.load(line) for line in lines]
        texts = [oracle.compact(oracle.fold(name, events[:k])).encode() for k in range(1, N + 1)]
    check(pathlib.Path(os.environ["EVENTFOLD_REDUCERS"]) / (name + ".so"), log, texts)


@pytest.mark.parametrize("name", jq_reducers.REDUCERS)
def test_in_jq(name, tmp_path):
    reducer = jq_reducers.REDUCERS[name]
    program, log = tmp_path / (name + ".jq"), tmp_path / "log"
    program.write_text(reducer.program)
    events = reducer.events(N)
    log.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    state, texts = None, []
    for event in events:
        state = reducer.fold(state, event)
        texts.append(jq_reducers.text(state).encode())
    check(program, log, texts)
