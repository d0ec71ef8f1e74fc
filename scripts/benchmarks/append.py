"""Rows about appending, and about reading a view after it."""

import os
import statistics
import subprocess
import time

from benchmarks.events import todos
from benchmarks.rows import Result, median_us, p99_us, row
from benchmarks.setting import Mounted, shipped
from benchmarks.storage import write_until


@row("append: one writer, one event a write, sync=write")
def latency(bench, n):
    with Mounted(bench, log=bench.events(n)) as m:
        got = bench.sample("latency", bench.raw(), m.app, bench.few(3000))
    return Result(median_us(got["mount"]), "us", median_us(got["raw"]), "raw", limit=1.3)


@row("append, then open and read a small view")
def latency_of_read(bench, n):
    with Mounted(bench, shipped("count"), log=bench.events(n)) as m:
        m.offset("count")
        m.settle()
        got = bench.sample("latency", bench.raw(), m.app, bench.few(2000), m.mnt / "views/count.json")
    return Result(median_us(got["mount"]), "us", median_us(got["raw"]), "raw", limit=100, of="difference")


@row("append in a row: four views that nobody reads", sizes=[10_000])
def unread(bench, n):
    """In blocks of one writer, in turns with those into a mount without views."""
    views = shipped("count", "types", "todos", "stats")
    with Mounted(bench) as none, Mounted(bench, views) as four:
        took = {none: [], four: []}
        for _ in range(bench.turns(5)):
            for m, ns in took.items():
                ns += write_until(m.app, bench.few(n // 5))
    yield Result(median_us(took[four]), "us", median_us(took[none]), "no view", limit=1.1)
    yield Result(p99_us(took[four]), "us", p99_us(took[none]), "no view", over="append in a row: four views that nobody reads, p99")


@row("append, then read todos.json whole: 100,000 items", sizes=[100_000])
def large_view(bench, n):
    """Beside the reading of as many bytes that are there already."""
    took, again = [], []
    with Mounted(bench, shipped("todos"), log=bench.lines(f"todos-{n}", todos(n), n)) as m:
        view = m.mnt / "views/todos.json"
        view.read_bytes()
        m.settle()
        for _ in range(bench.few(100)):
            begin = time.perf_counter_ns()
            with open(m.app, "ab", buffering=0) as app:
                app.write(b'{"type":"todo_added","data":{"text":"one more"}}\n')
            view.read_bytes()
            took.append(time.perf_counter_ns() - begin)
            begin = time.perf_counter_ns()
            view.read_bytes()
            again.append(time.perf_counter_ns() - begin)
    return Result(median_us(took), "us", median_us(again), "read once more", limit=20_000, of="value")


WRITERS, VIEWS = 32, ("todos", "count", "types", "stats")


def many(bench, n, how, sync, views=(), **target):
    """32 processes, beside one loop on a plain file: events a second, lines a sync, and what an event takes of the processors, the writers'
    and the workers' part included."""
    each, turns = 5 if bench.quick else 200, bench.turns(5)
    with Mounted(bench, shipped(*views), options=f"sync={sync}", log=bench.events(n)) as m:
        m.settle()
        before, daemon, workers = m.status()["log"], m.daemon_ns(), m.workers_ns()
        got = bench.sample(how, bench.raw(), m.app, WRITERS, each, turns)
        spent, after = m.daemon_ns() - daemon + m.workers_ns_since(workers), m.status()["log"]
    events = after["events"] - before["events"]
    lines, spent = events / (after["commits"] - before["commits"]), spent / events + got["spent"][0]
    rate = [1e9 / statistics.median(got[name]) for name in ("mount", "raw")]
    yield Result(rate[0], "events/s", rate[1], "raw", least=target.get("rate"))
    yield Result(lines, "lines", 1, "one at a time", least=target.get("lines"), of="value", over=f"lines a sync: {how}, sync={sync}")
    yield Result(spent / 1000, "us", statistics.median(got["raw"]) / 1000, "raw, in all", limit=target.get("cpu"), of="value", over=f"processor time an append: {how}, sync={sync}")


@row("append: 32 processes that hold it open, four views, sync=write")
def held(bench, n):
    return many(bench, n, "held", "write", VIEWS, rate=4, lines=16, cpu=120)


@row("append: 32 processes open, append, close, four views, sync=write")
def closing(bench, n):
    return many(bench, n, "closing", "write", VIEWS, lines=8, cpu=250)


@row("append: 32 processes open, append, close, four views, sync=close")
def closing_queued(bench, n):
    return many(bench, n, "closing", "close", VIEWS)


@row("cat FILE > events/app, durable")
def bulk(bench, n):
    events = bench.events(n)
    size = events.stat().st_size
    plain, mounted, memory, idle = [], [], [], []
    for _ in range(bench.turns(3)):
        path = bench.raw()
        begin = time.perf_counter()
        subprocess.run(f"cat {events} > {path} && sync -d {path}", shell=True, check=True)
        plain.append(time.perf_counter() - begin)
        os.unlink(path)
        with Mounted(bench) as m:
            idle.append(m.peak_memory())
            begin = time.perf_counter()
            subprocess.run(f"cat {events} > {m.app} && sync -d {m.app}", shell=True, check=True)
            mounted.append(time.perf_counter() - begin)
            assert m.status()["log"]["events"] == n and m.app.stat().st_size == size
            memory.append(m.peak_memory())
    # A start and an end of a process are in both: the promise is about many events.
    promise = {"least": 1_000_000, "of": "value"} if n >= 1_000_000 else {}
    yield Result(n / min(mounted), "events/s", n / min(plain), "cat to a plain file", **promise)
    yield Result(max(memory), "MiB", min(idle), "before", limit=64, of="value", over="resident memory meanwhile")


@row("append, then read todos.offset: 100,000 items to 10", sizes=[100_000])
def large_state(bench, n):
    log = [bench.lines(f"todos-{items}", todos(items), items) for items in (10, n)]
    with Mounted(bench, shipped("todos"), log=log[0]) as small, Mounted(bench, shipped("todos"), log=log[1]) as large:
        for m in (small, large):
            m.offset("todos")
            m.settle()
        view = "views/todos.offset"
        got = bench.sample("pair", small.app, small.mnt / view, large.app, large.mnt / view, bench.few(2000))
    return Result(median_us(got["b"]), "us", median_us(got["a"]), "10 items", limit=2)
