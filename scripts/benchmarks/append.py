"""Rows about appending, and about reading a view after it."""

import os
import statistics
import subprocess
import time

from benchmarks.events import todos
from benchmarks.rows import Result, median_us, row
from benchmarks.setting import Mounted, shipped


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


@row("append: 32 processes open, append, close, sync=close")
def closing(bench, n):
    with Mounted(bench, options="sync=close", log=bench.events(n)) as m:
        got = bench.sample("closing", bench.raw(), m.app, 32, 5 if bench.quick else 60, bench.turns(5))
    rate = [1e9 / statistics.median(got[name]) for name in ("mount", "raw")]
    return Result(rate[0], "events/s", rate[1], "raw", least=2)


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
