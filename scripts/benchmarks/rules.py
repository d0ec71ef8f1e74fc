"""Rows about rules: what it costs that each event is asked about before it is appended."""

import statistics
import subprocess
import time

from benchmarks.append import WRITERS
from benchmarks.rows import Result, median_us, row
from benchmarks.setting import Mounted
from benchmarks.storage import write_until

VIEW = ".[$event.type] += 1"
RULE = 'if (.[$event.type] // 0) < 1e12 then empty else "no more of these" end'


def ruled(bench, log=None, options=""):
    m = Mounted(bench, {"few": VIEW}, options, log, name="ruled")
    (m.mnt / "rules/few.jq").write_text(RULE)
    write_until(m.app, 1)  # the judge is there
    return m


@row("append: one writer, with a rule")
def one(bench, n):
    """In blocks, in turns with those into a mount without one."""
    log = bench.events(n)
    with Mounted(bench, {"few": VIEW}, log=log) as none, ruled(bench, log) as m:
        took = {none: [], m: []}
        write_until(none.app, 1)
        for _ in range(bench.turns(10)):
            for mounted, ns in took.items():
                ns += write_until(mounted.app, bench.few(200))
    return Result(median_us(took[m]), "us", median_us(took[none]), "no rule", limit=150, of="difference")


def closers(bench, n, sync):
    each, log = 5 if bench.quick else 100, bench.events(n)
    with Mounted(bench, {"few": VIEW}, f"sync={sync}", log) as none, ruled(bench, log, f"sync={sync}") as m:
        took = {none: [], m: []}
        for _ in range(bench.turns(5)):
            for mounted, ns in took.items():
                ns += bench.sample("closing", bench.raw(), mounted.app, WRITERS, each, 1)["mount"]
    rate = [1e9 / statistics.median(took[x]) for x in (m, none)]
    return Result(rate[0], "events/s", rate[1], "no rule", least=0.5)


@row("append: 32 processes open, append, close, with a rule, sync=write", sizes=[10_000])
def closing(bench, n):
    return closers(bench, n, "write")


@row("append: 32 processes open, append, close, with a rule, sync=close", sizes=[10_000])
def closing_queued(bench, n):
    return closers(bench, n, "close")


@row("cat FILE > events/app with a rule, durable")
def bulk(bench, n):
    """Beside the fold of the same file with the rule's reducer. A write is judged, which is that fold and the rule, while the rest of it is
    checked and what was let in is written; the next one comes when all of it is on disk. The mount's own view is folded beside that."""
    events = bench.events(n)
    reducer = bench.dir / "few.jq"
    reducer.write_text(VIEW)
    folded, appended = [], []
    for _ in range(bench.turns(3)):
        begin = time.perf_counter()
        subprocess.run([bench.program, "fold", reducer, events], check=True, stdout=subprocess.DEVNULL)
        folded.append(time.perf_counter() - begin)
        with ruled(bench) as m:
            begin = time.perf_counter()
            subprocess.run(f"cat {events} > {m.app} && sync -d {m.app}", shell=True, check=True)
            appended.append(time.perf_counter() - begin)
            assert m.status()["log"]["events"] == n + 1
    promise = {"least": 0.5} if n >= 1_000_000 else {}
    yield Result(n / min(appended), "events/s", n / min(folded), "fold", **promise)
