"""Events for the logs: about 180 bytes each, stored lines as they are, the same in every run."""

import json
import random


def mixed():
    """Views of all kinds find something in these."""
    rng = random.Random(20260101)
    i = 0
    while True:
        what = rng.random()
        if what < 0.05:
            ev = {"type": "todo_added", "data": {"text": f"item {i}"}}
        elif what < 0.09:
            ev = {"type": "todo_completed", "data": {"id": rng.randrange(i // 20 + 1)}}
        elif what < 0.13:
            ev = {"type": "todo_deleted", "data": {"id": rng.randrange(i // 20 + 1)}}
        else:
            ev = {
                "type": rng.choice(("page_viewed", "order_placed", "item_shipped", "user_signed_in")),
                "data": {"path": f"/articles/{rng.randrange(10**6)}", "user": rng.randrange(5000), "ms": rng.random()},
            }
        ev["ts"] = 1_700_000_000 + i
        ev["id"] = f"{rng.getrandbits(64):016x}"
        ev["actor"] = f"user-{rng.randrange(1000)}"
        pad = max(4, 160 - len(json.dumps(ev, separators=(",", ":"))))
        ev["meta"] = {"trace": "%0*x" % (pad, rng.getrandbits(4 * pad))}
        yield json.dumps(ev, separators=(",", ":")) + "\n"
        i += 1


def named():
    """Each with an id that has nothing in common with the others'."""
    rng = random.Random(20260108)
    i = 0
    while True:
        yield f'{{"type":"order_placed","id":"{rng.getrandbits(64):016x}","data":{{"order":{i},"by":"somebody"}},"ts":1700000000,"actor":"somebody"}}\n'
        i += 1


def line(rng, kind, data):
    head = f'{{"type":"{kind}","data":{{{data}}},"ts":1700000000,"meta":{{"trace":"'
    pad = 176 - len(head)
    return f'{head}{rng.getrandbits(4 * pad):0{pad}x}"}}}}\n'


def todos(entries):
    """So many items are added. From then on there are always so many: one is done, one is deleted, one is added."""
    rng = random.Random(20260102)
    ids = list(range(entries))
    for i in ids:
        yield line(rng, "todo_added", f'"text":"item {i}"')
    last = entries
    while True:
        yield line(rng, "todo_completed", f'"id":{ids[rng.randrange(entries)]}')
        at = rng.randrange(entries)
        yield line(rng, "todo_deleted", f'"id":{ids[at]}')
        yield line(rng, "todo_added", f'"text":"item {last}"')
        ids[at] = last
        last += 1


def files(entries):
    """So many files are added. From then on one is removed, another one added."""
    rng = random.Random(20260103)
    ids = list(range(entries))

    def path(i):
        return f'"path":"src/part-{i % 997:03}/file-{i:08}.c"'

    for i in ids:
        yield line(rng, "file_added", path(i))
    last = entries
    while True:
        at = rng.randrange(entries)
        yield line(rng, "file_removed", path(ids[at]))
        yield line(rng, "file_added", path(last))
        ids[at] = last
        last += 1


def keys(entries):
    """So many keys get a value, then one after the other, at random, gets another one."""
    rng = random.Random(20260104)
    i = 0
    while True:
        key = i if i < entries else rng.randrange(entries)
        yield line(rng, "measured", f'"key":"key-{key:08}","n":{i}')
        i += 1


def scattered(entries):
    """The same with keys as of a hash, which have nothing in common."""
    rng = random.Random(20260105)
    i = 0
    while True:
        key = random.Random(i if i < entries else rng.randrange(entries)).getrandbits(128)
        yield line(rng, "measured", f'"key":"{key:032x}","n":{i}')
        i += 1


def mostly_old(entries):
    """So many keys get a value, then each hundredth event is about a new one."""
    rng = random.Random(20260106)
    i, there = 0, entries
    while True:
        key = i if i < entries else rng.randrange(there)
        if i >= entries and i % 100 == 0:
            key = there
            there += 1
        yield line(rng, "measured", f'"key":"key-{key:08}","n":{i}')
        i += 1


def additions(entries):
    """So many numbers are added, then always a thousand more, which are cut off again."""
    rng = random.Random(20260107)
    for i in range(entries):
        yield line(rng, "added", f'"n":{i}')
    while True:
        for i in range(1000):
            yield line(rng, "added", f'"n":{i}')
        yield line(rng, "cut", f'"n":{entries}')
