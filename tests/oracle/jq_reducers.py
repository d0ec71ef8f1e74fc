"""Ten jq reducers, and for each the same fold written in Python, from the meaning and not from the program.

    from jq_reducers import REDUCERS
    for name, reducer in REDUCERS.items():
        reducer.program   the text of NAME.jq
        reducer.fold      fold(state, event) -> the next state; never changes the state it is given
        reducer.events    events(n) -> n events, the same ones every time

    state = None
    for event in reducer.events(1000): state = reducer.fold(state, event)
    text(state) == what views/NAME.json says, byte for byte

Events are dicts as they would stand in the log. Dicts keep the order in which keys came, as the states do.
"""

import json
import math
import random
from typing import Any, Callable, NamedTuple


class Reducer(NamedTuple):
    program: str
    fold: Callable[[Any, dict], Any]
    events: Callable[[int], list]


def text(state):
    """The state as jq prints it."""
    return json.dumps(plain(state), separators=(",", ":"), ensure_ascii=False)


def plain(value):
    """jq has doubles only, and prints whole ones without a fraction."""
    if isinstance(value, float) and value == math.floor(value) and abs(value) < 1e17:
        return int(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def events_of(make, seed):
    def events(n):
        rng = random.Random(seed)
        return [{**make(rng, i), "ts": 1700000000 + i * 37} for i in range(n)]

    return events


def todo_event(rng, i):
    kind = rng.choice(["todo_added", "todo_added", "todo_done", "todo_removed", "note"])
    what = rng.choice(["milk", "bread", "tea \u2615", 'a "thing"'])
    data = {"id": f"t{rng.randrange(40)}", "text": f"buy {what} {i}"}
    return {"type": kind, "data": data, "actor": rng.choice(["ann", "bob", None])}


def money_event(rng, i):
    kind = rng.choice(["deposit", "withdraw", "rename"])
    data = {"account": f"a{rng.randrange(9)}", "cents": rng.randrange(1, 5000)}
    if kind == "rename":
        data = {"account": data["account"], "name": f"n{i % 5}"}
    return {"type": kind, "data": data}


def item_event(rng, i):
    return {"type": rng.choice(["view", "buy"]),
            "data": {"items": [{"sku": f"s{rng.randrange(12)}", "n": rng.randrange(1, 4)}
                               for _ in range(rng.randrange(4))]}}


def tag_event(rng, i):
    tags = rng.sample(["red", "green", "blue", "naïve", "x/y"], rng.randrange(4))
    return {"type": rng.choice(["tag", "untag"]), "data": {"doc": f"d{rng.randrange(6)}", "tags": tags}}


def sample_event(rng, i):
    return {"type": "sample", "data": rng.choice([rng.randrange(-1000, 1000), rng.random() * 100, "n/a", None])}


def count(state, event):
    state = dict(state or {})
    state[event["type"]] = state.get(event["type"], 0) + 1
    return state


def todos(state, event):
    state = dict(state or {})
    data = event["data"]
    if event["type"] == "todo_added":
        state[data["id"]] = {"text": data["text"], "done": False}
    elif event["type"] == "todo_done":
        if data["id"] in state:
            state[data["id"]] = {**state[data["id"]], "done": True}
    elif event["type"] == "todo_removed":
        state.pop(data["id"], None)
    return state


def latest(state, event):
    if event["type"] == "note":
        return state
    state = dict(state or {})
    state[event["data"]["id"]] = event["data"]
    return state


def recent(state, event):
    return ((state or []) + [[event["ts"], event["type"]]])[-10:]


def balances(state, event):
    state = dict(state or {"total": 0, "accounts": {}})
    data = event["data"]
    accounts = dict(state["accounts"])
    if event["type"] == "rename":
        account = dict(accounts.get(data["account"], {}))
        account["name"] = data["name"]
        accounts[data["account"]] = account
        return {**state, "accounts": accounts}
    amount = data["cents"] if event["type"] == "deposit" else -data["cents"]
    account = dict(accounts.get(data["account"], {}))
    balance = account.get("balance", 0) + amount
    if balance < 0:  # refused: nothing changes
        return {**state}
    account["balance"] = balance
    accounts[data["account"]] = account
    return {**state, "total": state["total"] + amount, "accounts": accounts}


def stock(state, event):
    state = dict(state or {})
    if event["type"] == "buy":
        for item in event["data"]["items"]:
            state[item["sku"]] = state.get(item["sku"], 0) + item["n"]
    return state


def tags(state, event):
    state = {k: list(v) for k, v in (state or {}).items()}
    doc = event["data"]["doc"]
    for tag in event["data"]["tags"]:
        docs = [d for d in state.get(tag, []) if d != doc]
        if event["type"] == "tag":
            docs = sorted(docs + [doc])
        if docs:
            state[tag] = docs
        else:
            state.pop(tag, None)
    return state


def numbers(state, event):
    state = dict(state or {"n": 0, "sum": 0, "min": None, "max": None, "bad": 0})
    value = event["data"]
    if isinstance(value, (int, float)):
        state["n"] += 1
        state["sum"] += value
        state["min"] = value if state["min"] is None else min(state["min"], value)
        state["max"] = value if state["max"] is None else max(state["max"], value)
    else:
        state["bad"] += 1
    return state


def actors(state, event):
    who = event.get("actor")
    if who is None:
        return state
    state = dict(state or {})
    mine = dict(state.get(who, {}))
    mine["first"] = mine.get("first", event["ts"])
    mine["last"] = event["ts"]
    mine["log"] = mine.get("log", []) + [event["type"]]
    mine["log"] = mine["log"][-3:]
    state[who] = mine
    return state


def days(state, event):
    day = (event["ts"] // 86400) * 86400
    state = list(state or [])
    if state and state[-1]["day"] == day:
        state[-1] = {**state[-1], "n": state[-1]["n"] + 1}
    else:
        state.append({"day": day, "n": 1})
    return state


REDUCERS = {
    "count": Reducer(".[$event.type] += 1", count, events_of(todo_event, 1)),
    "todos": Reducer(
        """$event.data as $d
| . // {}
| if $event.type == "todo_added" then .[$d.id] = {text: $d.text, done: false}
  elif $event.type == "todo_done" and has($d.id) then .[$d.id].done = true
  elif $event.type == "todo_removed" then del(.[$d.id])
  else . end
""", todos, events_of(todo_event, 2)),
    "latest": Reducer(
        """# the last data of each id; notes don't count
select($event.type != "note") | .[$event.data.id] = $event.data
""", latest, events_of(todo_event, 3)),
    "recent": Reducer(". + [[$event.ts, $event.type]] | .[-10:]", recent, events_of(todo_event, 4)),
    "balances": Reducer(
        """def amount: if $event.type == "deposit" then $event.data.cents else -$event.data.cents end;
(. // {total: 0, accounts: {}})
| $event.data.account as $a
| if $event.type == "rename" then .accounts[$a].name = $event.data.name
  elif (.accounts[$a].balance // 0) + amount < 0 then .
  else .accounts[$a].balance += amount | .total += amount end
""", balances, events_of(money_event, 5)),
    "stock": Reducer(
        """(. // {})
| if $event.type == "buy" then reduce $event.data.items[] as $i (.; .[$i.sku] += $i.n) else . end
""", stock, events_of(item_event, 6)),
    "tags": Reducer(
        """$event.data.doc as $doc
| reduce $event.data.tags[] as $t (. // {};
    .[$t] |= (. // [] | map(select(. != $doc))
              | if $event.type == "tag" then . + [$doc] | sort else . end
              | select(length > 0)))
""", tags, events_of(tag_event, 7)),
    "numbers": Reducer(
        """. // {n: 0, sum: 0, min: null, max: null, bad: 0}
| $event.data as $x
| if ($x | type) != "number" then .bad += 1
  else .n += 1 | .sum += $x
     | .min |= ([., $x] | map(values) | min)
     | .max |= ([., $x] | map(values) | max)
  end
""", numbers, events_of(sample_event, 8)),
    "actors": Reducer(
        """if $event.actor == null then empty
else .[$event.actor] |= (.first //= $event.ts | .last = $event.ts | .log += [$event.type] | .log |= .[-3:])
end
""", actors, events_of(todo_event, 9)),
    "days": Reducer(
        """($event.ts / 86400 | floor * 86400) as $day
| if .[-1].day? == $day then .[-1].n += 1 else . + [{day: $day, n: 1}] end
""", days, events_of(todo_event, 10)),
}


def main():
    """Prints the states after N events, for a look at them: jq_reducers.py [N]."""
    import sys

    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name, reducer in REDUCERS.items():
        state = None
        for event in reducer.events(n):
            state = reducer.fold(state, event)
        print(f"{name}: {text(state)}")


if __name__ == "__main__":
    main()
