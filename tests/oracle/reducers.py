"""What the shipped reducers must make of a log, written once more and independently.

Each reducer is a function by its name that takes a list of events (dicts, as load() makes them from
stored lines) and returns the state as a Python object. text() gives the state as the very bytes that
views/NAME.json has, without its newline, from the lines themselves: `latest` keeps data as it was
written, which no parsed event can tell.
"""

import json
import re

NAMES = ("count", "types", "todos", "stats", "notes", "tags", "files", "latest")


def _integer(digits):
    # "-0" is a double to eventfold, and nothing here needs more than 64 bits.
    return float(digits) if digits == "-0" or len(digits) > 24 else int(digits)


def load(line):
    """An event from its line (str or bytes)."""
    return json.loads(line, parse_int=_integer)


def compact(value):
    """A state as compact JSON text, escaped only where it must be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _field(event, name, kind):
    data = event.get("data")
    value = data.get(name) if isinstance(data, dict) else None
    return value if type(value) is kind else None


def count(events):
    return {"count": len(events)}


def types(events):
    state = {}
    for event in events:
        state[event["type"]] = state.get(event["type"], 0) + 1
    return state


def todos(events):
    items, next_id = {}, 0
    for event in events:
        text, number = _field(event, "text", str), _field(event, "id", int)
        if event["type"] == "todo_added" and text is not None:
            items[next_id] = {"id": next_id, "text": text, "done": False}
            next_id += 1
        elif event["type"] == "todo_completed" and number in items:
            items[number]["done"] = True
        elif event["type"] == "todo_deleted":
            items.pop(number, None)
    return {"items": list(items.values()), "next_id": next_id}


def stats(events):
    seen = [event["type"] for event in events]
    return {what: seen.count("todo_" + old) for what, old in
            (("created", "added"), ("completed", "completed"), ("deleted", "deleted"))}


def _notes(events):
    for event in events:
        text, tags = _field(event, "text", str), _field(event, "tags", list)
        if event["type"] == "note_added" and text is not None:
            yield text, [tag for tag in tags or [] if isinstance(tag, str)]


def notes(events):
    state = [{"id": i, "text": text, "tags": tags} for i, (text, tags) in enumerate(_notes(events))]
    return {"notes": state, "next_id": len(state)}


def tags(events):
    counts = {}
    for _, of_note in _notes(events):
        for tag in of_note:
            counts[tag] = counts.get(tag, 0) + 1
    return {"counts": counts}


def files(events):
    paths = set()
    for event in events:
        path = _field(event, "path", str)
        if event["type"] == "file_added" and path is not None:
            paths.add(path)
        elif event["type"] == "file_removed":
            paths.discard(path)
    return {"files": sorted(paths, key=lambda path: path.encode())}


def latest(events):
    state = {}
    for event in events:
        key = _field(event, "key", str)
        if key is not None:
            state[key] = event["data"]
    return state


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')


def raw_data(line):
    """The text of an event's data without white space between its tokens; None where it has none."""
    tokens = _TOKEN.findall(line)
    depth = 0
    for i, token in enumerate(tokens):
        if depth == 1 and tokens[i - 1] in "{," and json.loads(token) == "data":
            break
        depth += (token in "{[") - (token in "}]")
    else:
        return None
    for end in range(i + 2, len(tokens)):
        depth += (tokens[end] in "{[") - (tokens[end] in "}]")
        if depth == 1 and tokens[end + 1] in ",}":
            return "".join(tokens[i + 2:end + 1])


def _latest_states(lines):
    """The raw data by key after each of the lines: one dictionary, which changes."""
    state = {}
    for line in lines:
        key = _field(load(line), "key", str)
        if key is not None:
            state[key] = raw_data(line)
        yield state


def _latest_text(state):
    return ("{" + ",".join(compact(key) + ":" + data for key, data in state.items()) + "}").encode()


def latest_texts(lines):
    """text("latest", …) after each of the lines."""
    return [_latest_text(state) for state in _latest_states(lines)]


def fold(name, events):
    """The state of the reducer with this name, as a Python object."""
    return {"count": count, "types": types, "todos": todos, "stats": stats, "notes": notes, "tags": tags,
            "files": files, "latest": latest}[name](events)


def text(name, lines):
    """The state as the bytes of views/NAME.json, without its newline, from a list of lines."""
    lines = [line.decode() if isinstance(line, bytes) else line for line in lines]
    if name == "latest":
        state = {}
        for state in _latest_states(lines):
            pass
        return _latest_text(state)
    return compact(fold(name, [load(line) for line in lines])).encode()
