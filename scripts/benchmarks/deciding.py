"""Rows about appending on conditions."""

import os
import subprocess
import time

from benchmarks.events import named
from benchmarks.rows import Result, median_us, row
from benchmarks.setting import Mounted


def resident(m):
    """The daemon's memory as it is, in MiB."""
    with open(f"/proc/{m.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


@row("append: one writer, events/app@once", sizes=[1_000_000, 10_000_000])
def once(bench, n):
    """In turns with one without a condition. And what knowing so many ids takes."""
    with Mounted(bench, log=bench.lines(f"named-{n}", named(), n)) as m:
        path = m.mnt / "events/app@once"
        before = resident(m)
        begin = time.perf_counter()
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
        took = time.perf_counter() - begin
        peak = m.peak_memory()
        assert m.status()["ids"]["ids"] == n
        got = bench.sample("two", m.app, path, bench.few(5000))
    os.unlink(bench.dir / f"named-{n}.jsonl")
    yield Result(median_us(got["b"]), "us", median_us(got["a"]), "without", limit=1.15)
    yield Result(peak, "MiB", before, "before", limit=64, of="difference", over="resident memory with the index of ids")
    yield Result(n / took, "ids/s", 1, "one", over="events/app@once is opened for the first time")


@row("cat FILE > events/app@once, durable", sizes=[1_000_000])
def bulk(bench, n):
    events = bench.lines(f"named-{n}", named(), n)
    took = {"app": [], "app@once": []}
    for _ in range(bench.turns(3)):
        for name, seconds in took.items():
            with Mounted(bench) as m:
                app = m.mnt / "events" / name
                begin = time.perf_counter()
                subprocess.run(f"cat {events} > {app} && sync -d {app}", shell=True, check=True)
                seconds.append(time.perf_counter() - begin)
                assert m.status()["log"]["events"] == n
    promise = {"least": 300_000, "of": "value"} if n >= 1_000_000 else {}
    return Result(n / min(took["app@once"]), "events/s", n / min(took["app"]), "without", **promise)
