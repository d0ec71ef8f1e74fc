"""Rows about following: how soon, and what many followers cost."""

import re
import statistics
import subprocess

from benchmarks.rows import Result, median_us, p99_us, row
from benchmarks.setting import Mounted, shipped

FOLLOWERS = 1000
LOG = [100_000]  # events that are there already


def wake_up(way, path, median, p99):
    """From the return of the writer's write to the follower's wake-up, in turns with what waking a process through a pipe takes."""

    @row(f"wake-up: {way} on {path}, median", sizes=LOG)
    def measure(bench, n):
        with Mounted(bench, shipped("count"), log=bench.events(n)) as m:
            m.offset("count")
            m.settle()
            got = bench.sample(way, m.app, m.mnt / path, bench.few(2000), source="tests/bench/follow_latency.c")
        pipe, follow = got["pipe"], got["follow"]
        yield Result(median_us(follow), "us", median_us(pipe), "a pipe", limit=median, of="value")
        yield Result(p99_us(follow), "us", p99_us(pipe), "a pipe", limit=p99, of="value", over=f"wake-up: {way} on {path}, p99")


wake_up("read", "tail/app", 100, 500)
wake_up("poll", "tail/app", 100, 500)
wake_up("poll", "events/app", 100, 500)
wake_up("poll", "head/app", 100, 500)
wake_up("poll", "views/count.json", 100, 500)
wake_up("inotify", "views/count.json", 300, 1000)


@row("append with 1,000 followers of all kinds", sizes=[10_000])
def many(bench, n):
    """n events without them, n with them: how the helper does it. Nobody misses anything, or it fails."""
    program = bench.helper("tests/mount/helpers/followers.c")
    alone, together, memory, idle = [], [], [], []
    for _ in range(bench.turns(3)):
        with Mounted(bench, shipped("count")) as m:
            idle.append(m.peak_memory())
            command = [program, m.mnt, str(bench.few(FOLLOWERS)), str(bench.few(n)), "180"]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.decode()
            found = re.match(r"alone (\d+) together (\d+)", out)
            alone.append(int(found[1]))
            together.append(int(found[2]))
            memory.append(m.peak_memory())
    yield Result(statistics.median(together), "events/s", statistics.median(alone), "without", least=0.5)
    yield Result(max(memory), "MiB", max(idle), "before", over="append with 1,000 followers: the daemon's memory")
