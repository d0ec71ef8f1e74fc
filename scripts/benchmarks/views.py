"""Rows about folding: from the start, into large states, and beside others."""

import subprocess
import time

from benchmarks import events
from benchmarks.reducers import TWENTY
from benchmarks.rows import Result, median_us, p99_us, row
from benchmarks.setting import Mounted, series, shipped

SMALL = 1000  # entries of the state that a large one is compared with
TYPES_IN_JQ = {"jq": ".[$event.type] += 1"}
TODOS_IN_JQ = {
    "jq-todos": """
        if   $event.type == "todo_added" then .next += 1 | .items[(.next | tostring)] = $event.data.text
        elif $event.type == "todo_deleted" then del(.items[($event.data.id | tostring)])
        else empty end"""
}
SHIPPED = shipped("count", "types", "todos", "stats", "notes", "tags", "files", "latest")


def fold_seconds(bench, n, views, turns=3):
    """From the moment the views are defined to the answer of the last. The daemon sleeps while its reducers are put in place, so
    that it finds them all at once."""
    best = []
    for _ in range(bench.turns(turns)):
        with Mounted(bench, log=bench.events(n)) as m:
            with m.stopped([m.pid]):
                m.define(views)
                begin = time.perf_counter()
            ends = [m.offset(view) for view in views]
            best.append(time.perf_counter() - begin)
            assert set(ends) == {m.app.stat().st_size}
            if "count" in views:
                assert m.view("count") == {"count": n}
    return min(best)


def seconds(command, turns=3):
    best = []
    for _ in range(turns):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        best.append(time.perf_counter() - begin)
    return min(best)


def fold_result(bench, n, views, least, baseline, what):
    """The promise is about many events: few are folded before the worker has started."""
    promise = {"least": least, "of": "value"} if n >= 1_000_000 else {}
    return Result(n / fold_seconds(bench, n, views), "events/s", n / baseline, what, **promise)


@row("fold from the start: count")
def count(bench, n):
    return fold_result(bench, n, shipped("count"), 5_000_000, seconds(["wc", "-l", bench.events(n)]), "wc -l")


@row("fold from the start: count, types, todos and stats in one pass")
def four(bench, n):
    views = shipped("count", "types", "todos", "stats")
    return fold_result(bench, n, views, 2_500_000, seconds(["wc", "-l", bench.events(n)]), "wc -l")


@row("fold from the start: jq, .[$event.type] += 1")
def jq(bench, n):
    program = "reduce inputs as $event (null; .[$event.type] += 1)"
    plain = seconds(["jq", "-n", program, bench.events(n)], turns=1)
    return fold_result(bench, n, TYPES_IN_JQ, 250_000, plain, "jq, reduce inputs")


@row("fold from the start: each of twenty views in jq", sizes=[1_000_000])
def twenty(bench, n):
    """600,000 events/s where wc -l makes 28 millions of them; the one that sorts for each event makes 400,000."""
    lines = n / seconds(["wc", "-l", bench.events(n)])
    for name, program in TWENTY.items():
        promise = {"least": (0.4 if "sort_by" in program else 0.6) / 28} if n >= 1_000_000 else {}
        rate = n / fold_seconds(bench, n, {name: program}, turns=1)
        yield Result(rate, "events/s", lines, "wc -l", over=f"fold from the start: in jq, {name}", **promise)


def fold_more(m, view, more):
    """The worker's time, in nanoseconds, for a fold into the state that is there: it stands still until the events are in the log.
    Its own time, so that others who use the processor at this moment are not counted."""
    m.settle()
    begin = m.workers_ns()
    with m.stopped(m.workers()):
        subprocess.run(f"cat {more} >> {m.app}", shell=True, check=True)
    m.offset(view)
    return m.workers_ns_since(begin)


def large_to_small(bench, entries, stream, views, n):
    """Nanoseconds an event that changes a state of so many entries, and one of 1,000, in turns."""
    [view] = views
    streams = [stream(SMALL), stream(entries)]
    logs = [bench.lines(f"{view}-{size}", lines, size) for size, lines in zip((SMALL, entries), streams)]
    options = "sync=none,reduce_timeout=0"  # it would be taken for hanging
    took = [[], []]
    with Mounted(bench, views, options, logs[0]) as small, Mounted(bench, views, options, logs[1]) as large:
        for m in (small, large):
            m.offset(view)
        for _ in range(bench.turns(5)):
            for m, lines, ns in zip((small, large), streams, took):
                ns.append(fold_more(m, view, bench.lines(f"{view}-more", lines, n)))
        for m, size in ((small, SMALL), (large, entries)):
            assert size_of(m.view(view)) >= size
    return [min(ns) / n for ns in took]


def size_of(state):
    return len(next((value for value in state.values() if isinstance(value, list)), state))


def large_state(bench, entries, stream, views, n, limit):
    small, large = large_to_small(bench, entries, stream, views, bench.few(n))
    return Result(large, "ns/event", small, f"{SMALL:,} entries", limit=limit)


# A million entries are in no cache, a thousand are: three misses are as much as the rest of an event. More than that would be a cost that
# grows with the state.
CACHE_MISSES = 3


@row("an event into todos: 1,000,000 items to 1,000", sizes=[1_000_000])
def large_todos(bench, n):
    return large_state(bench, n, events.todos, shipped("todos"), 300_000, CACHE_MISSES)


@row("an event into files: 1,000,000 paths to 1,000", sizes=[1_000_000])
def large_files(bench, n):
    return large_state(bench, n, events.files, shipped("files"), 300_000, CACHE_MISSES)


@row("an event into latest: 1,000,000 keys to 1,000", sizes=[1_000_000])
def large_latest(bench, n):
    return large_state(bench, n, events.keys, shipped("latest"), 300_000, CACHE_MISSES)


LOOKED_UP = "if .[$event.data.key] then . else .[$event.data.key] = $event.data.n end"
DELETED = 'if $event.type == "file_removed" then del(.[$event.data.path]) else .[$event.data.path] = 1 end'
JQ_STATES = [
    ("map, .[k] = v", events.keys, ".[$event.data.key] = $event.data.n"),
    ("map, .[k] += 1", events.keys, ".[$event.data.key] += 1"),
    ("map, .[k] looked up", events.keys, LOOKED_UP),
    ("map, del(.[k]) and .[k] = 1 in turns", events.files, DELETED),
    ("map, .[k] = v, keys as of a hash", events.scattered, ".[$event.data.key] = $event.data.n"),
    ("map, .[k] += 1, one key in a hundred new", events.mostly_old, ".[$event.data.key] += 1"),
    ("list, .l += [v]", events.additions, 'if $event.type == "cut" then .l |= .[:$event.data.n] else .l += [$event.data.n] end'),
]


def jq_row(what, stream, program):
    @row(f"an event into a jq {what}: 1,000,000 to 1,000", sizes=[1_000_000])
    def measured(bench, n):
        return large_state(bench, n, stream, {"jq": program}, 100_000, 2)


for state in JQ_STATES:
    jq_row(*state)


def together(bench, n, views):
    assert len(views) == 10
    alone = {name: fold_seconds(bench, n, {name: what}, turns=1) for name, what in views.items()}
    dearest = max(alone, key=alone.get)
    one = fold_seconds(bench, n, {dearest: views[dearest]})
    return Result(fold_seconds(bench, n, views), "s", one, f"the dearest, {dearest}", limit=3)


@row("ten views rebuilt together: those shipped, two in jq", sizes=[1_000_000])
def ten(bench, n):
    return together(bench, n, {**SHIPPED, **TYPES_IN_JQ, **TODOS_IN_JQ})


@row("ten views rebuilt together: in C", sizes=[1_000_000])
def ten_in_c(bench, n):
    return together(bench, n, {**SHIPPED, "types-2": "types.so", "todos-2": "todos.so"})


@row("ten views rebuilt together: in jq", sizes=[1_000_000])
def ten_in_jq(bench, n):
    return together(bench, n, dict(list(TWENTY.items())[:10]))


@row("memory of the worker: twenty views in jq, all the events to a fifth", sizes=[10_000_000])
def memory(bench, n):
    """The states have all their members by then."""
    pieces, mib = 10, []
    piece = bench.events(n // pieces)
    with Mounted(bench, TWENTY, "sync=none") as m:
        for _ in range(pieces):
            subprocess.run(f"cat {piece} >> {m.app}", shell=True, check=True)
            assert {m.offset(view) for view in TWENTY} == {m.app.stat().st_size}
            m.settle()
            mib.append(m.workers_memory())
    return Result(mib[-1], "MiB", mib[1], "after a fifth of them", limit=1.1)


@row("beside the rebuild of a jq view: p99 of appends", sizes=[10_000_000])
def beside_rebuild(bench, n):
    """Rounds of an append and a read of another view: before, from the definition until a moment after the answer, after."""
    piece = bench.events(min(n, 1_000_000))
    rounds = bench.few(5000)
    quiet = {"append": [], "read": []}

    def before_and_after():
        m.settle()
        for name, ns in bench.sample("beside", m.app, m.mnt / "views/count.json", rounds).items():
            quiet[name] += ns

    with Mounted(bench, shipped("count"), log=piece, times=max(1, n // 1_000_000)) as m:
        m.offset("count")
        before_and_after()
        command = [bench.helper("tests/bench/samples.c"), "beside", m.app, m.mnt / "views/count.json", str(rounds)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                m.define(TYPES_IN_JQ)
                subprocess.run(["cat", m.mnt / "views/jq.offset"], stdout=subprocess.DEVNULL, check=True)
                time.sleep(0.3)  # it is handed over to the main worker
                loud = series(process.communicate()[0])
            finally:
                process.kill()
        before_and_after()
    yield Result(p99_us(loud["append"]), "us", p99_us(quiet["append"]), "without", limit=2)
    yield Result(p99_us(loud["read"]), "us", p99_us(quiet["read"]), "without", limit=2,
                 over="beside the rebuild of a jq view: p99 of another view's reads")  # fmt: skip
    for what in ("append", "read"):
        yield Result(median_us(loud[what]), "us", median_us(quiet[what]), "without",
                     over=f"beside the rebuild of a jq view: median of {what}s")  # fmt: skip


SLOW_IN_JQ = {"slow": ".n += 1 | .last = ([$event.data.n, 3, 2, 1] | sort | map(. * 2) | group_by(. % 3))"}


@row("beside a slow jq view: count.json after the end of cat", sizes=[1_000_000, 12_000_000])
def beside_slow(bench, n):
    """Seven shipped views and one that takes ten times as long for an event: who reads a quick one does not wait for that."""
    views = shipped("count", "types", "todos", "stats", "notes", "tags", "latest")
    piece, times = bench.events(min(n, 1_000_000)), max(1, n // 1_000_000)
    took = {}
    for name, with_it in (("alone", views), ("beside", {**views, **SLOW_IN_JQ})):
        with Mounted(bench, with_it, "sync=none") as m:
            m.offset("count")
            subprocess.run(f"for i in $(seq {times}); do cat {piece}; done > {m.app}", shell=True, check=True)
            begin = time.perf_counter()
            assert m.view("count") == {"count": n}
            took[name] = time.perf_counter() - begin
    yield Result(took["beside"], "s", took["alone"], "without it", limit=3, of="value")


@row("a mount beside a large snapshot: count.json", sizes=[1_000_000, 10_000_000])
def beside_snapshot(bench, n):
    """From the mount's return to the answer, with a state of so many small numbers and without it."""
    took = {}
    for name, views in (("alone", {}), ("beside", {"large": f"if . == null then [range({n})] else . end"})):
        seconds = []
        with Mounted(bench, {**shipped("count"), **views}, "reduce_memory=0", log=bench.events(1000)) as m:
            for view in ("count", *views):
                m.offset(view)
            for _ in range(bench.turns(5)):
                m.unmount()
                m.mount()
                begin = time.perf_counter()
                assert m.view("count") == {"count": 1000}
                seconds.append(time.perf_counter() - begin)
        took[name] = sorted(seconds)[len(seconds) // 2] * 1e6
    return Result(took["beside"], "us", took["alone"], "without it", limit=20_000, of="difference")
