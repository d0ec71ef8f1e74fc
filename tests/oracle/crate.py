"""How the Rust crate eventfold 0.2 reads a data directory, written anew from its documentation: history is what
zstd -dc makes of the archive, then the active log; a view goes on from its snapshot where that looks right to it.

It knows app.jsonl, archive.jsonl.zst and views/, and of a snapshot state, offset and hash. It trusts an offset of 0
blindly, and looks at no more than 8 KiB before any other.
"""

import json
import subprocess
from pathlib import Path

from mount.xxh64 import hex_of


def archived(data):
    """What zstd -dc gives for the archive."""
    path = Path(data) / "archive.jsonl.zst"
    if not path.exists():
        return b""
    return subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout


def active(data):
    return (Path(data) / "app.jsonl").read_bytes()


def history(data):
    return archived(data) + active(data)


def _events(content):
    for line in content.splitlines():
        event = json.loads(line)
        assert isinstance(event["type"], str) and isinstance(event["ts"], int) and "data" in event
        yield event


def _count(state, event):
    return {"count": (state or {"count": 0})["count"] + 1}


def _types(state, event):
    state = state or {}
    return {**state, event["type"]: state.get(event["type"], 0) + 1}


STEPS = {"count": _count, "types": _types}


def _hash_before(log, offset):
    begin = max(0, offset - 1 - 8192)
    line = log[begin : offset - 1]
    return hex_of(line[line.rfind(b"\n") + 1 :])


def snapshot(data, name):
    path = Path(data) / "views" / f"{name}.snapshot.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def trusts(data, name):
    """Would it go on from the snapshot?"""
    saved = snapshot(data, name)
    if saved is None:
        return False
    offset, log = saved["offset"], active(data)
    return offset == 0 or (offset <= len(log) and _hash_before(log, offset) == saved["hash"])


def view(data, name):
    """The state that it would show, by a reducer that folds as ours of that name does."""
    state, content = None, history(data)
    if trusts(data, name):
        saved = snapshot(data, name)
        state, content = saved["state"], active(data)[saved["offset"] :]
    for event in _events(content):
        state = STEPS[name](state, event)
    return state
