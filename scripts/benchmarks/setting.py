"""Where the rows are measured: the programs, the logs of events, mounted logs."""

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import events

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN = 30  # seconds, for a daemon that is unmounted


def shipped(*names):
    """These views, by the reducers that come with the program."""
    return {name: f"{name}.so" for name in names}


class Bench:
    def __init__(self, build, directory, quick):
        self.build = build
        self.program = build / "src/cli/eventfold"
        self.dir = directory
        self.quick = quick
        self.made = {}

    def few(self, n):
        """So many samples; with --quick just enough to see that it runs."""
        return max(20, n // 50) if self.quick else n

    def turns(self, n):
        return 1 if self.quick else n

    def lines(self, name, lines, n):
        """A file of the next n lines."""
        path = self.dir / f"{name}.jsonl"
        with open(path, "w") as f:
            f.writelines(itertools.islice(lines, n))
        return path

    def events(self, n):
        """n mixed events."""
        if n not in self.made:
            self.made[n] = self.lines(f"mixed-{n}", events.mixed(), n)
        return self.made[n]

    def helper(self, source):
        """A program in C, for what has to be quick."""
        program = self.dir / Path(source).stem
        if not program.exists():
            subprocess.run(["cc", "-O2", "-pthread", "-D_GNU_SOURCE", ROOT / source, "-o", program], check=True)
        return program

    def sample(self, *args, source="tests/bench/samples.c", **options):
        """A helper's series of numbers, in nanoseconds, by name."""
        command = [self.helper(source), *map(str, args)]
        return series(subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout)

    def raw(self):
        """A fresh plain file for a baseline."""
        fd, path = tempfile.mkstemp(prefix="raw-", dir=self.dir)
        os.close(fd)
        return path


def spent_ns(process):
    """By a thread, on a processor."""
    return int((Path(process) / "schedstat").read_text().split()[0])


def series(out):
    return {line.split()[0]: [int(x) for x in line.split()[1:]] for line in out.decode().splitlines()}


class Mounted:
    """A mounted log for one row. `views`: by name, a shipped reducer's file or a program in jq. `log`: a file of events that lies there
    already, so many times."""

    def __init__(self, bench, views=None, options="", log=None, times=1, name="m"):
        self.bench = bench
        self.path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=bench.dir))
        self.data, self.mnt = self.path / "data", self.path / "mnt"
        self.app = self.mnt / "events/app"
        (self.data / "reducers").mkdir(parents=True)
        self.mnt.mkdir()
        if log:
            with open(self.data / "app.jsonl", "wb") as f:
                for _ in range(times):
                    with open(log, "rb") as piece:
                        shutil.copyfileobj(piece, f, 1 << 20)
                os.fsync(f.fileno())
        self.define(views or {})
        options = ",".join(filter(None, ["rotate=off", options]))
        self.command = [bench.program, "mount", "-o", options, self.data, self.mnt]
        self.mount()

    def mount(self):
        subprocess.run(self.command, check=True, stdin=subprocess.DEVNULL)
        self.pid = self.status()["pid"]

    def define(self, views):
        for name, what in views.items():
            if what.endswith(".so"):
                (self.data / f"reducers/{name}.so").symlink_to(self.bench.build / "reducers" / what)
            else:
                (self.data / f"reducers/{name}.jq").write_text(what)

    @contextlib.contextmanager
    def stopped(self, pids):
        """These processes stand still meanwhile."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def status(self):
        return json.loads((self.mnt / "status.json").read_bytes())

    def view(self, name):
        return json.loads((self.mnt / f"views/{name}.json").read_bytes())

    def offset(self, name):
        return int((self.mnt / f"views/{name}.offset").read_bytes())

    def workers(self):
        return [int(pid) for task in Path(f"/proc/{self.pid}/task").iterdir() for pid in (task / "children").read_text().split()]

    def workers_ns(self):
        """What each worker has spent on a processor, by its id."""
        return {pid: spent_ns(f"/proc/{pid}") for pid in self.workers()}

    def workers_ns_since(self, before):
        """All together. One that is not needed any more ends at some time, and is not counted."""
        now = self.workers_ns()
        return sum(now[pid] - before.get(pid, 0) for pid in now)

    def workers_memory(self):
        """What they have that is theirs alone, in MiB: not what they share with the daemon."""
        return sum(int(line.split()[1]) for pid in self.workers() for line in Path(f"/proc/{pid}/status").open()
                   if line.startswith("RssAnon")) / 1024  # fmt: skip

    def daemon_ns(self):
        return sum(spent_ns(task) for task in Path(f"/proc/{self.pid}/task").iterdir())

    def settle(self):
        """Until there is nothing more to fold or to save; at most a minute."""
        for _ in range(1 if self.bench.quick else 600):
            daemon, workers = self.daemon_ns(), self.workers_ns()
            time.sleep(0.1)
            if self.daemon_ns() - daemon + self.workers_ns_since(workers) < 1_000_000:
                return

    def peak_memory(self):
        """The daemon's, in MiB."""
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024

    def reset_peak_memory(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def unmount(self):
        pidfd = os.pidfd_open(self.pid)
        for _ in range(100):
            if subprocess.run(["fusermount3", "-u", "-q", self.mnt]).returncode == 0:
                break
            time.sleep(0.02)
        else:
            subprocess.run(["fusermount3", "-u", "-z", self.mnt], check=True)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(ENDS_WITHIN * 1000):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unmount()
        shutil.rmtree(self.path)
