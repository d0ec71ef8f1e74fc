"""Rows about rotation and long histories."""

import os
import subprocess
import threading
import time
from statistics import median

from benchmarks.rows import Result, median_us, p99_us, row
from benchmarks.setting import Mounted, shipped

PIECE = 1_000_000  # events between two rotations


def write_until(app, least, done=None):
    """A writer of one event a write, at least so many and until `done`; nanoseconds each took."""
    line = b'{"type":"page_viewed","data":{"path":"/articles/000001","user":17,"ms":0.25},"ts":1700000000,"id":"bench"}\n'
    took = []
    fd = os.open(app, os.O_WRONLY | os.O_APPEND)
    try:
        while len(took) < least or (done and not done.is_set()):
            begin = time.perf_counter_ns()
            os.write(fd, line)
            took.append(time.perf_counter_ns() - begin)
    finally:
        os.close(fd)
    return took


def rotate(m):
    begin = time.perf_counter()
    (m.mnt / "ctl").write_text("rotate")
    return time.perf_counter() - begin


def timed(command):
    begin = time.perf_counter()
    subprocess.run(command, shell=True, check=True)
    return time.perf_counter() - begin


def rotate_under_load(m):
    """The writer's times meanwhile, and how long it took."""
    done = threading.Event()
    seconds = []

    def rotates():
        try:
            time.sleep(0.05)
            seconds.append(rotate(m))
        finally:
            done.set()

    thread = threading.Thread(target=rotates)
    thread.start()
    took = write_until(m.app, 1, done)
    thread.join()
    return took, seconds[0]


@row("rotation under a steady writer: its p99", sizes=[400_000])
def rotation(bench, n):
    events = bench.events(n)
    size = events.stat().st_size
    without, during, beside, alone, memory, plain = [], [], [], [], [], []
    for _ in range(bench.turns(5)):
        out = bench.raw()
        plain.append(timed(f"zstd -3 -q -f {events} -o {out} && sync -d {out}"))
        os.unlink(out)
        with Mounted(bench, log=events) as m:
            write_until(m.app, bench.few(100))  # to warm up
            without += write_until(m.app, bench.few(1000))
            before = m.peak_memory()
            m.reset_peak_memory()
            took, seconds = rotate_under_load(m)
            during += took
            beside.append(seconds)
            memory.append(m.peak_memory() - before)
        with Mounted(bench, log=events) as m:
            alone.append(rotate(m))
    yield Result(p99_us(during), "us", p99_us(without), "without", limit=2)
    yield Result(max(memory), "MiB", before, "before", limit=16, of="value", over="rotation: extra memory")
    yield Result(size / min(beside) / 1e6, "MB/s", size / min(plain) / 1e6, "zstd -3, sync", least=1,
                 over="rotation: speed, with a writer beside it")  # fmt: skip
    yield Result(size / min(alone) / 1e6, "MB/s", size / min(plain) / 1e6, "zstd -3, sync", least=1, over="rotation: speed")


def forget_cached(path):
    """As after a boot: what the kernel has in memory of a file is dropped."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def mount_seconds(m, cold=False):
    """From the command to the answer of a view."""
    m.unmount()
    if cold:
        forget_cached(m.data / "archive.jsonl.zst")
        forget_cached(m.data / "app.jsonl")
    begin = time.perf_counter()
    m.mount()
    m.offset("count")
    return time.perf_counter() - begin


def heads_after_appends(m, times):
    """What a read of each of the two takes after an append, in turns."""
    took = {"head/app": [], "head/app.sha256": []}
    for _ in range(times):
        for name, ns in took.items():
            write_until(m.app, 1)
            begin = time.perf_counter_ns()
            (m.mnt / name).read_bytes()
            ns.append(time.perf_counter_ns() - begin)
    return took


@row("a long history: mount, with snapshots", sizes=[30_000_000])
def long_history(bench, n):
    """5 GiB, of many rotations, with a view that was saved at the end."""
    piece = bench.events(min(n, PIECE))
    turns = bench.turns(5)
    with Mounted(bench, shipped("count"), log=piece) as m, Mounted(bench, shipped("count"), name="empty") as empty:
        for i in range(max(1, n // PIECE)):
            if i:
                subprocess.run(f"cat {piece} >> {m.app}", shell=True, check=True)
            rotate(m)
        m.offset("count")
        mounts, colds, plains, tails, plain_tails = [], [], [], [], []
        for _ in range(turns):
            plains.append(mount_seconds(empty))
            mounts.append(mount_seconds(m))
            tails.append(timed(f"tail -n 1 {m.app} > /dev/null"))
            plain_tails.append(timed(f"tail -n 1 {piece} > /dev/null"))
            colds.append(mount_seconds(m, cold=True))
            tails.append(timed(f"tail -n 1 {m.app} > /dev/null"))
        idle = m.peak_memory()
        size = m.app.stat().st_size
        whole = timed(f"cat {m.app} > /dev/null")
        memory = m.peak_memory()
        plain = timed(f"zstd -dcq {m.data}/archive.jsonl.zst > /dev/null")
        assert m.view("count")["count"] == n
        first = timed(f"cat {m.mnt}/head/app.sha256 > /dev/null")
        heads = heads_after_appends(m, bench.few(500))
    yield Result(median(mounts) * 1000, "ms", median(plains) * 1000, "an empty log", limit=1000, of="value")
    yield Result(median(colds) * 1000, "ms", median(plains) * 1000, "an empty log", limit=1000, of="value",
                 over="a long history: mount, with nothing in the cache")  # fmt: skip
    yield Result(median(tails) * 1000, "ms", median(plain_tails) * 1000, "a plain file", limit=50, of="value",
                 over="a long history: tail -n 1")  # fmt: skip
    yield Result(memory, "MiB", idle, "before", limit=128, of="value", over="a long history: resident memory while it is read")
    yield Result(median_us(heads["head/app.sha256"]), "us", median_us(heads["head/app"]), "head/app", limit=1000, of="difference",
                 over="a long history: append one, then read head/app.sha256")  # fmt: skip
    yield Result(first * 1000, "ms", median(plain_tails) * 1000, "tail -n 1 of a plain file", over="a long history: the first read of head/app.sha256")
    yield Result(size / whole / 1e6, "MB/s", size / plain / 1e6, "zstd -dc", over="a long history: cat")
