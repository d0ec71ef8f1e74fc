"""Rows about folding: from the start, into large states, and beside others."""

import subprocess
import time

from benchmarks import events
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
            assert size_of(m.view(view)) == size
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


@row("an event into a jq map, .[k] = v: 100,000 keys to 1,000", sizes=[100_000])
def jq_set(bench, n):
    return large_state(bench, n, events.keys, {"set": ".[$event.data.key] = $event.data.n"}, 100_000, 2)


@row("an event into a jq map, .[k] += 1: 100,000 keys to 1,000", sizes=[100_000])
def jq_add(bench, n):
    return large_state(bench, n, events.keys, {"add": ".[$event.data.key] += 1"}, 100_000, 2)


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
