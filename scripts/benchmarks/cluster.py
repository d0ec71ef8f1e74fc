"""Rows about one log on several machines: three etcds and the mounts are all on this one."""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.rows import Result, median_us, p99_us, row
from benchmarks.setting import ROOT, Mounted, shipped

sys.path[:0] = [str(ROOT / "tests/mount"), str(ROOT / "tests/cluster")]

from engine import Engine, after, b64, why_no_engine  # noqa: E402

LOG, FEW = "bench", [10_000]  # events that are there already
LINE = b'{"type":"page_viewed","data":{"path":"/articles/000042","user":42},"ts":1700000000,"id":"bench-0000000042"}\n'
READY = 60  # seconds


class Shared(Mounted):
    """One machine of them. The first begins the log."""

    def __init__(self, bench, engine, first=True, **kwargs):
        self.engine, self.first = engine, first
        self.shared = f"cluster={engine.urls()},log={LOG}"
        super().__init__(bench, options=self.shared, **kwargs)

    def mount(self):
        if self.first:
            subprocess.run([self.bench.program, "cluster", "begin", "-o", self.shared, self.data], check=True, stdout=subprocess.DEVNULL)
        super().mount()
        until = time.monotonic() + READY
        while self.status()["cluster"]["state"] != "ready":
            assert time.monotonic() < until, self.status()["cluster"]
            time.sleep(0.01)


@contextlib.contextmanager
def machines(bench, n, **kwargs):
    """An engine, and so many machines with one log."""
    why = why_no_engine()
    assert not why, why
    with contextlib.ExitStack() as stack:
        engine = Engine(Path(tempfile.mkdtemp(prefix="etcd-", dir=bench.dir)))
        stack.callback(engine.end)
        engine.start()
        log = kwargs.pop("log", None)
        yield [engine] + [
            stack.enter_context(Shared(bench, engine, first=i == 0, log=log, **kwargs)) for i in range(n)
        ]  # fmt: skip


class Client:
    """Of the engine's member that the machine's agent speaks to: one connection, kept."""

    def __init__(self, m):
        host, port = m.status()["cluster"]["engine"].rsplit("/", 1)[1].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port))

    def post(self, path, text):
        self.connection.request("POST", path, text)
        answer = self.connection.getresponse().read()
        return json.loads(answer)


class Bare:
    """The transaction of a commit, with a value of the same size, without all that is around it."""

    def __init__(self, engine, client):
        self.client, self.n = client, 0
        self.value = b64(list(engine.keys(f"/eventfold/{LOG}/batch/").values())[-1])
        for key in ("head", "holder", "member", "config"):
            engine.put(f"/bare/{key}", self.head(0))

    def head(self, n):
        return f"{n:010}:{'0' * 64}"

    def text(self):
        same = [{"key": b64(f"/bare/{key}"), "target": "VALUE", "value": b64(self.head(0))} for key in ("holder", "config")]
        return json.dumps({
            "compare": [{"key": b64("/bare/head"), "target": "VALUE", "value": b64(self.head(self.n))}, *same,
                        {"key": b64("/bare/member"), "target": "CREATE", "result": "GREATER", "create_revision": 0}],
            "success": [{"request_put": {"key": b64("/bare/head"), "value": b64(self.head(self.n + 1))}},
                        {"request_put": {"key": b64(f"/bare/batch/{self.n:020}"), "value": self.value}}],
            "failure": [{"request_range": {"key": b64(f"/bare/{key}")}} for key in ("head", "holder", "member", "config")],
        })  # fmt: skip

    def commit(self):
        text = self.text()
        begin = time.perf_counter_ns()
        answer = self.client.post("/v3/kv/txn", text)
        took = time.perf_counter_ns() - begin
        assert answer.get("succeeded"), answer
        self.n += 1
        return took


def timed_write(fd):
    begin = time.perf_counter_ns()
    assert os.write(fd, LINE) == len(LINE)
    return time.perf_counter_ns() - begin


@row("cluster: append, one writer", sizes=FEW)
def single(bench, n):
    """In turns with the bare transaction."""
    with machines(bench, 1, log=bench.events(n)) as (engine, m):
        fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
        timed_write(fd)
        bare, mount, raw = Bare(engine, Client(m)), [], []
        for _ in range(bench.few(1000)):
            mount.append(timed_write(fd))
            raw.append(bare.commit())
        os.close(fd)
    yield Result(median_us(mount), "us", median_us(raw), "a bare transaction", limit=1.2)
    yield Result(p99_us(mount), "us", p99_us(raw), "a bare transaction", over="cluster: append, one writer, p99")


def rate(apps, writers, each):
    """Events a second of so many processes for each of these logs, which begin together."""
    go, begin = os.pipe()
    pids = []
    for app in apps:
        for _ in range(writers):
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(begin)
                    fd = os.open(app, os.O_WRONLY | os.O_APPEND)
                    os.read(go, 1)
                    for _ in range(each):
                        timed_write(fd)
                finally:
                    os._exit(0)
            pids.append(pid)
    os.close(go)
    start = time.perf_counter()
    os.close(begin)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    return len(apps) * writers * each / (time.perf_counter() - start)


@row("cluster: append, 32 writers on one machine", sizes=FEW)
def together(bench, n):
    """By sharing transactions. In turns with one writer, and with as many on each of three machines."""
    one, many, all_three = [], [], []
    with machines(bench, 3, log=bench.events(n)) as (_, *three):
        apps = [m.app for m in three]
        for _ in range(bench.turns(5)):
            one.append(rate(apps[:1], 1, bench.few(200)))
            many.append(rate(apps[:1], 32, bench.few(200)))
            all_three.append(rate(apps, 32, bench.few(100)))
    one, many, all_three = map(statistics.median, (one, many, all_three))
    yield Result(many, "events/s", one, "one writer", least=8)
    yield Result(all_three, "events/s", many, "on one machine", least=0.5, over="cluster: append, 32 writers on each of three machines")


class Arrivals(threading.Thread):
    """When each of something came: read() gives how many more, or None at the end."""

    def __init__(self, read):
        super().__init__(daemon=True)
        self.read, self.times, self.changed = read, [], threading.Condition()
        self.start()

    def run(self):
        while (n := self.read()) is not None:
            now = time.perf_counter_ns()
            with self.changed:
                self.times += [now] * n
                self.changed.notify()

    def next(self):
        """The next one's time; everything before it is over."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.times, READY), "nothing comes"
            return self.times.pop(0)


def watch(url, key):
    """The engine's own: changes of a key, as the lines of an answer that does not end."""
    connection = http.client.HTTPConnection(url.rsplit("/", 1)[1])
    connection.request("POST", "/v3/watch", json.dumps({"create_request": {"key": b64(key)}}))
    answer = connection.getresponse()
    answer.readline()  # it is created

    def read():
        line = answer.readline()
        return len(json.loads(line)["result"].get("events", [])) if line else None

    return Arrivals(read)


def tail(m, ended):
    fd = os.open(m.mnt / "tail/app", os.O_RDONLY)

    def read():
        n = os.read(fd, 1 << 16).count(b"\n")
        if ended.is_set():
            os.close(fd)
        return None if ended.is_set() else n

    return Arrivals(read)


@row("cluster: from a write to tail/app on another machine", sizes=FEW)
def propagation(bench, n):
    """From the write's begin, in turns with the engine's own watch from the begin of a bare transaction. And from the write's return,
    before which it often is there."""
    own, far, late = [], [], []
    ended = threading.Event()
    with machines(bench, 2, log=bench.events(n)) as (engine, a, b):
        fd = os.open(a.app, os.O_WRONLY | os.O_APPEND)
        timed_write(fd)
        while b.app.stat().st_size < a.app.stat().st_size:
            time.sleep(0.01)
        bare, seen, followed = Bare(engine, Client(a)), watch(b.status()["cluster"]["engine"], "/bare/head"), tail(b, ended)
        for _ in range(bench.few(1000)):
            begin = time.perf_counter_ns()
            took = timed_write(fd)
            far.append(followed.next() - begin)
            late.append(max(0, far[-1] - took))
            begin = time.perf_counter_ns()
            bare.commit()
            own.append(seen.next() - begin)
        ended.set()
        timed_write(fd)
        followed.join()
        os.close(fd)
    yield Result(median_us(far), "us", median_us(own), "the engine's watch", limit=2)
    yield Result(p99_us(far), "us", p99_us(own), "the engine's watch", over="cluster: from a write to tail/app on another machine, p99")
    yield Result(median_us(late), "us", median_us(own), "the engine's watch", limit=2, over="cluster: from a write's return to tail/app on another machine")


def timed_read(path):
    begin = time.perf_counter_ns()
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass
    return time.perf_counter_ns() - begin


@row("cluster: reads of the log and of a view", sizes=[100_000])
def reads(bench, n):
    """In turns with those of a log of one's own."""
    views, log = shipped("count", "todos"), bench.events(n)
    with Mounted(bench, views, log=log) as alone, machines(bench, 3, views=views, log=log) as (_, m, *_):
        for path, times, what in (("events/app", 50, "the log"), ("views/todos.json", 2000, "a view")):
            took = {alone: [], m: []}
            for mounted in took:
                mounted.offset("count"), mounted.offset("todos")
                mounted.settle()
                timed_read(mounted.mnt / path)
            for _ in range(bench.few(times)):
                for mounted, ns in took.items():
                    ns.append(timed_read(mounted.mnt / path))
            yield Result(median_us(took[m]), "us", median_us(took[alone]), "without a cluster", limit=1.05, over=f"cluster: {what} is read")
