"""The shipped reducers, run by `eventfold fold`, against folds written independently in Python.

EVENTFOLD is the program, EVENTFOLD_REDUCERS the directory of the built reducers.
"""

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import reducers as oracle  # noqa: E402


def fold(name, lines):
    """What `eventfold fold` prints for a log of these lines."""
    reducer = pathlib.Path(os.environ["EVENTFOLD_REDUCERS"]) / (name + ".so")
    log = "".join(line + "\n" for line in lines).encode()
    run = subprocess.run([os.environ["EVENTFOLD"], "fold", reducer], input=log,
                         capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.endswith(b"\n") and run.stdout.count(b"\n") == 1
    return run.stdout[:-1]


def event(kind, **data):
    return json.dumps({"type": kind, "data": data})


# Random logs. Lines are spelled out by hand, so that every way to write a thing occurs.

ALPHABET = ["a", "b", "B", "~", " ", '"', "\\", "/", "\t", "\n", "\x00", "\x1f", "\x7f", "é", "€", "\uffff",
            "😀", "{", "}", "[", ",", ":", "key", "data"]
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n",
         "\r": "\\r", "\t": "\\t"}


class Writer:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.words = ["".join(self.rng.choices(ALPHABET, k=self.rng.randrange(6))) for _ in range(40)]

    def space(self):
        return self.rng.choice(["", "", "", " ", "\t", " \r "])

    def character(self, c):
        must = c in '"\\' or c < " "
        if c in SHORT and (must or self.rng.random() < 0.3) and self.rng.random() < 0.7:
            return SHORT[c]
        if not must and self.rng.random() < 0.9:
            return c
        units = c.encode("utf-16-be")
        return "".join(self.rng.choice(["\\u%04x", "\\u%04X"]) % int.from_bytes(units[i:i + 2], "big")
                       for i in range(0, len(units), 2))

    def string(self, text):
        return '"' + "".join(map(self.character, text)) + '"'

    def word(self):
        return self.string(self.rng.choice(self.words))

    def joined(self, parts, opening, closing):
        between = self.space() + "," + self.space()
        return opening + self.space() + between.join(parts) + self.space() + closing

    def object(self, members):
        members = list(members)
        self.rng.shuffle(members)
        pairs = [self.string(k) + self.space() + ":" + self.space() + v for k, v in members]
        return self.joined(pairs, "{", "}")

    def integer(self, below):
        return str(self.rng.randrange(below))

    def odd(self):
        """Any value but a string or an ordinary id."""
        return self.rng.choice(["null", "true", "false", "-1", "-0", "0.0", "1.0", "2.5", "1e0", "0E+1",
                                "9007199254740993", "18446744073709551615", "18446744073709551616",
                                "123456789012345678901234567890", "[]", "{}", '["text"]',
                                '{"text":"x","id":0}', '[ 0 , "\\"" ]'])

    def value(self):
        return self.word() if self.rng.random() < 0.3 else self.odd()

    def tags(self):
        return self.joined([self.word() if self.rng.random() < 0.8 else self.odd()
                            for _ in range(self.rng.randrange(5))], "[", "]")

    def data(self, kind, n):
        wanted = {"todo_added": [("text", self.word())], "todo_completed": [("id", self.integer(n))],
                  "todo_deleted": [("id", self.integer(n))],
                  "note_added": [("text", self.word()), ("tags", self.tags())],
                  "file_added": [("path", self.word())], "file_removed": [("path", self.word())],
                  "set": [("key", self.word()), ("value", self.value())]}.get(kind, [])
        members = [(name, self.value() if self.rng.random() < 0.05 else value) for name, value in wanted
                   if self.rng.random() < 0.97]
        if self.rng.random() < 0.3:
            members.append(("more " + self.rng.choice("xyz"), self.value()))
        if members and self.rng.random() < 0.05:
            members.append((members[0][0], self.value()))  # of two, the last counts
        return self.odd() if self.rng.random() < 0.05 else self.object(members)

    def line(self, n):
        kind = self.rng.choice(["todo_added", "todo_added", "todo_completed", "todo_deleted", "note_added",
                                "file_added", "file_removed", "set", "todo_Added", "x\"\\\x00é😀"])
        members = [("type", self.string(kind))]
        if self.rng.random() < 0.95:
            members.append(("data", self.data(kind, n)))
        if self.rng.random() < 0.7:
            members.append(("ts", self.integer(2**64)))
        if self.rng.random() < 0.2:
            members.append(("text", self.word()))
        return self.object(members)

    def log(self, n):
        return [self.line(n // 5 + 1) for _ in range(n)]


@pytest.mark.parametrize("name", oracle.NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_random_log(name, seed):
    lines = Writer(seed).log(1500)
    assert fold(name, lines) == oracle.text(name, lines)


@pytest.mark.parametrize("name", oracle.NAMES)
def test_short_logs(name):
    lines = Writer(99).log(6)
    for n in range(len(lines) + 1):
        assert fold(name, lines[:n]) == oracle.text(name, lines[:n])


@pytest.mark.parametrize("name", ["todos", "files", "latest", "types", "tags"])
def test_large_states(name):
    """Enough to grow and to shrink whatever lies beneath."""
    rng = random.Random(name)
    n = 20000
    lines = [event("todo_added", text=f"item {i}") for i in range(n)]
    lines += [event("todo_deleted", id=i) for i in rng.sample(range(n), n * 9 // 10)]
    lines += [event("todo_completed", id=i) for i in rng.sample(range(n), n // 2)]
    lines += [event("todo_added", text="after")]
    paths = [f"src/{i * 7919 % 1000}/{i}" for i in range(n)]
    lines += [event("file_added", path=path) for path in paths]
    lines += [event("file_removed", path=path) for path in rng.sample(paths, n * 9 // 10)]
    lines += [event("file_added", path=path) for path in rng.sample(paths, n // 2)]
    lines += [event("set", key=f"k{rng.randrange(n // 2)}", value=rng.choice(["x", "xx"])) for _ in range(n)]
    lines += [event(f"type {i % 3000}") for i in range(n // 2)]
    tags = [f"t{rng.randrange(5000)}" for _ in range(n)]
    lines += [event("note_added", text="", tags=tags[i:i + 4]) for i in range(0, n, 4)]
    assert fold(name, lines) == oracle.text(name, lines)


# The states as the documentation has them, spelled out.

STATES = [
    ("count", [], '{"count":0}'),
    ("types", [], "{}"),
    ("todos", [], '{"items":[],"next_id":0}'),
    ("stats", [], '{"created":0,"completed":0,"deleted":0}'),
    ("notes", [], '{"notes":[],"next_id":0}'),
    ("tags", [], '{"counts":{}}'),
    ("files", [], '{"files":[]}'),
    ("latest", [], "{}"),
    ("types", ['{"type":"b"}', '{"type":"a"}', '{"type":"b"}', '{"type":"\\u0062\\u000a"}'],
     '{"b":2,"a":1,"b\\n":1}'),
    ("todos", [event("todo_added", text="buy milk")],
     '{"items":[{"id":0,"text":"buy milk","done":false}],"next_id":1}'),
    ("todos", [event("todo_added", text="a"), event("todo_added", text=1), event("todo_added"),
               '{"type":"todo_added"}', event("todo_added", text=""), event("todo_added", text="c"),
               event("todo_completed", id=1), event("todo_completed", id=1), event("todo_deleted", id=0),
               event("todo_completed", id=0), event("todo_deleted", id=7), event("todo_deleted", id=-1),
               event("todo_deleted", id=2.0), event("todo_deleted", id="2")],
     '{"items":[{"id":1,"text":"","done":true},{"id":2,"text":"c","done":false}],"next_id":3}'),
    ("todos", [event("todo_added", text="a"), event("todo_deleted", id=0), event("todo_added", text="b")],
     '{"items":[{"id":1,"text":"b","done":false}],"next_id":2}'),
    ("stats", ['{"type":"todo_added"}', event("todo_completed", id=4), event("todo_completed", id=4),
               '{"type":"x"}'],
     '{"created":1,"completed":2,"deleted":0}'),
    ("notes", [event("note_added", text="n", tags=["b", 1, "a", "b", None]), event("note_added", tags=["x"]),
               event("note_added", text="", tags={"k": "v"})],
     '{"notes":[{"id":0,"text":"n","tags":["b","a","b"]},{"id":1,"text":"","tags":[]}],"next_id":2}'),
    ("tags", [event("note_added", text="n", tags=["b", 1, "a", "b", None]), event("note_added", tags=["x"]),
              event("note_added", text="", tags={"k": "v"})], '{"counts":{"b":2,"a":1}}'),
    ("files", [event("file_added", path=path) for path in ["é", "b", "", "a/b", "a", "Z", "a.b", "b"]]
     + [event("file_removed", path="b"), event("file_removed", path="none")],
     '{"files":["","Z","a","a.b","a/b","é"]}'),
    ("latest", ['{"type":"t","data": {"key" : "k\\u0031", "v" : [ 1.0, 9007199254740993 , " \\" \\\\" ] } }',
                event("t", key="j"), '{"type":"t","data":{"v":1e2,"key":"k1"}}', event("t", key=1),
                '{"type":"t"}'],
     '{"k1":{"v":1e2,"key":"k1"},"j":{"key":"j"}}'),
    ("latest", ['{"type":"t","data": {"key" : "k\\u0031", "v" : [ 1.0, 9007199254740993 , " \\" \\\\" ] } }'],
     '{"k1":{"key":"k\\u0031","v":[1.0,9007199254740993," \\" \\\\"]}}'),
]


@pytest.mark.parametrize("name, lines, state", STATES)
def test_state(name, lines, state):
    assert fold(name, lines).decode() == state
    assert oracle.text(name, lines).decode() == state
