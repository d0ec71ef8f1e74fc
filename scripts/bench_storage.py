"""The rows of scripts/bench about rotation and long histories."""

import os
import subprocess
import threading
import time


def peak_reset(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as f:
        f.write("5")


def percentile(series, p):
    return sorted(series)[min(len(series) - 1, int(len(series) * p))]


def write_until(app, done, least):
    """A writer of one event a write, until `done` and at least so many; nanoseconds each took."""
    line = b'{"type":"page_viewed","data":{"path":"/articles/000001","user":17,"ms":0.25},"ts":1700000000,"id":"bench"}\n'
    took = []
    fd = os.open(app, os.O_WRONLY | os.O_APPEND)
    try:
        while len(took) < least or not done.is_set():
            begin = time.perf_counter_ns()
            os.write(fd, line)
            took.append(time.perf_counter_ns() - begin)
    finally:
        os.close(fd)
    return took


def _set():
    event = threading.Event()
    event.set()
    return event


def rotate(m):
    begin = time.perf_counter()
    (m.mnt / "ctl").write_text("rotate")
    return time.perf_counter() - begin


def timed(command):
    begin = time.perf_counter()
    subprocess.run(command, shell=True, check=True)
    return time.perf_counter() - begin


def register(row, Result, Mounted):
    @row("rotation under a steady writer: its p99", sizes=[400_000])
    def rotation(bench, n):
        n = bench.few(n)
        events = bench.events(n)
        size = events.stat().st_size
        without, during, seconds, memory, plain = [], [], [], [], []
        for _ in range(1 if bench.quick else 5):
            out = bench.raw()
            plain.append(timed(f"zstd -3 -q -f {events} -o {out} && sync -d {out}"))
            os.unlink(out)
            with Mounted(bench, events=events) as m:
                done = threading.Event()
                write_until(m.app, _set(), 100)  # to warm up
                without += write_until(m.app, _set(), 1000)
                before = m.peak_memory()
                peak_reset(m.pid)

                def rotates(m=m, done=done):
                    time.sleep(0.05)
                    seconds.append(rotate(m))
                    done.set()

                thread = threading.Thread(target=rotates)
                thread.start()
                during += write_until(m.app, done, 1)
                thread.join()
                memory.append(m.peak_memory() - before)
        yield Result(percentile(during, 0.99) / 1000, "us", percentile(without, 0.99) / 1000, "without", limit=2)
        yield Result(max(memory), "MiB", before, "before", limit=16, of="value", over="rotation: extra memory")
        yield Result(size / min(seconds) / 1e6, "MB/s", size / min(plain) / 1e6, "zstd -3, sync", least=1,
                     over="rotation: speed, with a writer beside it")  # fmt: skip
        alone = []
        for _ in range(1 if bench.quick else 3):
            with Mounted(bench, events=events) as m:
                alone.append(rotate(m))
        yield Result(size / min(alone) / 1e6, "MB/s", size / min(plain) / 1e6, "zstd -3, sync", least=1,
                     over="rotation: speed")  # fmt: skip

    @row("a long history: mount, with snapshots", sizes=[30_000_000])
    def long_history(bench, n):
        """Rotations of a million events or so, one after the other, offline; then a view is folded and saved."""
        n = bench.few(n) // (100 if bench.quick else 1)
        piece = bench.events(min(n, 1_000_000))
        with Mounted(bench, ["count"], events=piece) as m:
            for i in range(max(1, n // 1_000_000)):
                if i:
                    subprocess.run(f"cat {piece} > {m.app}", shell=True, check=True)
                rotate(m)
            m.offset("count")
            m.unmount()
            mounts = []
            for _ in range(3):
                begin = time.perf_counter()
                m.mount()
                m.offset("count")
                mounts.append(time.perf_counter() - begin)
                tail = timed(f"tail -n 1 {m.app} > /dev/null")
                if len(mounts) < 3:
                    m.unmount()
            idle = m.peak_memory()
            size = m.app.stat().st_size
            whole = timed(f"cat {m.app} > /dev/null")
            plain = timed(f"zstd -dcq {m.data}/archive.jsonl.zst > /dev/null")
            yield Result(max(mounts) * 1000, "ms", 1000, "the promise", limit=1000, of="value")
            yield Result(tail * 1000, "ms", 50, "the promise", limit=50, of="value", over="a long history: tail -n 1")
            yield Result(m.peak_memory(), "MiB", idle, "before", limit=128, of="value",
                         over="a long history: resident memory while it is read")  # fmt: skip
            yield Result(size / whole / 1e6, "MB/s", size / plain / 1e6, "zstd -dc", over="a long history: cat")
