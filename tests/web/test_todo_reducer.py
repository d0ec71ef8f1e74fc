"""The reducer of the to-do application: whatever the events are, its state is one that the page can draw."""

import json
import os
import random
import subprocess

import pytest
from server import TODO

TYPES = ["todo_added", "todo_ticked", "todo_renamed", "todo_removed", "todo_restored", "other"]
KEYS = ["id", "text", "done", "at", "items", "undoes", "a", "b", "", "__proto__", "toString"]
PLAIN = [None, True, False, 0, 7, -1.5, 1e300, "", "a", "b", "__proto__", "x" * 100]


def value(chance, depth=3):
    """Anything, mostly of the keys that the application uses."""
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice(PLAIN)
    if kind < 0.55:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {k: value(chance, depth - 1) for k in chance.sample(KEYS, chance.randrange(6))}


def item(chance):
    return {"text": chance.choice("xyz"), "done": chance.random() < 0.5, "at": chance.randrange(100)}


def data(chance):
    """What the application would write, with now and then something else in a place of it."""
    if chance.random() < 0.2:
        return value(chance)
    d = {"id": chance.choice(["a", "b", "__proto__", ""]), "text": chance.choice("xyz"), "done": chance.random() < 0.5}
    d["items"] = {k: chance.choice([None, item(chance)]) for k in chance.sample(KEYS, 3)}
    if chance.random() < 0.4:
        d[chance.choice(list(d))] = value(chance)
    if chance.random() < 0.4 and isinstance(d["items"], dict):
        d["items"][chance.choice(KEYS)] = value(chance)
    if chance.random() < 0.2:
        del d[chance.choice(list(d))]
    return d


def events(n, seed):
    chance = random.Random(seed)
    made = []
    for i in range(n):
        made.append({"type": chance.choice(TYPES), "ts": 1700000000 + i})
        if chance.random() < 0.95:
            made[-1]["data"] = data(chance)
    return made


def lines(made):
    return "".join(json.dumps(e) + "\n" for e in made)


def states(made):
    """The state after each event."""
    command = [os.environ["EVENTFOLD"], "fold", "--each", TODO / "todo.jq"]
    run = subprocess.run(command, input=lines(made).encode(), capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    return [json.loads(line) for line in run.stdout.splitlines()]


def is_item(x):
    """It may have more than these three."""
    if not isinstance(x, dict):
        return False
    return [type(x.get(k)) for k in ("text", "done", "at")] in ([str, bool, int], [str, bool, float])


def fold(items, event):
    """The same, from what the head of todo.jq says."""
    d, new = event.get("data"), dict(items)
    if not isinstance(d, dict):
        return items
    if event["type"] == "todo_restored":
        old = d.get("items")
        if not isinstance(old, dict) or not all(v is None or is_item(v) for v in old.values()):
            return items
        new |= {k: v and {name: v[name] for name in ("text", "done", "at")} for k, v in old.items()}
        return {k: v for k, v in new.items() if v}
    key, text = d.get("id"), d.get("text")
    if not isinstance(key, str):
        return items
    if event["type"] == "todo_added" and isinstance(text, str):
        new[key] = {"text": text, "done": False, "at": event["ts"]}
    elif key not in items:
        return items
    elif event["type"] == "todo_ticked":
        new[key] = {**items[key], "done": d.get("done") is True}
    elif event["type"] == "todo_renamed" and isinstance(text, str):
        new[key] = {**items[key], "text": text}
    elif event["type"] == "todo_removed":
        del new[key]
    return new


@pytest.mark.parametrize("seed", range(3))
def test_every_event_of_any_shape(seed):
    made = events(3000, seed)
    items, sizes = {}, set()
    for event, state in zip(made, states(made), strict=True):
        items = fold(items, event)
        assert state == {"items": items}, event
        assert all(is_item(x) and len(x) == 3 for x in state["items"].values())
        sizes.add(len(items))
    assert len(sizes) > 3  # they do something


NO_ITEMS = ["x", 7, True, [1, 2], {"a": 5}, {"a": {"text": "a", "done": 1, "at": 1}}, {"a": {"text": "a", "done": True}}]


@pytest.mark.parametrize("items", NO_ITEMS)
def test_what_is_no_item_is_not_put_back(items):
    made = [
        {"type": "todo_restored", "data": {"items": items}},
        {"type": "todo_ticked", "data": {"id": "a", "done": True}},
        {"type": "todo_added", "ts": 7, "data": {"id": "b", "text": "b"}},
    ]
    assert states(made) == [{"items": {}}, {"items": {}}, {"items": {"b": {"text": "b", "done": False, "at": 7}}}]
