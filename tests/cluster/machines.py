"""Several machines with one log: each a DATA and a mount of its own on this one."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

from engine import Engine
from following import until
from harness import ALL, FULL, LIMIT, Mount, eventfold
from net import Net

from oracle import reducers as oracle

LOG = "orders"


def many(few, some, promised):
    """How many: as the project promises, in a few minutes, or in seconds."""
    return promised if ALL else some if FULL else few


def agent_program():
    """What the daemon starts beside itself: for the tests that of the build."""
    path = Path(os.environ.get("EVENTFOLD_CLUSTER") or Path(eventfold()).parents[1] / "cluster/eventfold-cluster")
    assert path.exists(), f"no program at {path}: build it, or set EVENTFOLD_CLUSTER"
    return str(path.resolve())


def cluster_command(*args, timeout=LIMIT):
    """eventfold cluster …: the finished process."""
    return subprocess.run(
        [eventfold(), "cluster", *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=timeout,
    )  # fmt: skip


class Machine(Mount):
    """m0, m1, …: named as the net knows it."""

    def __init__(self, path, urls, log=LOG, more="", **kwargs):
        self.name, self.urls = Path(path).name, urls
        super().__init__(path, options=",".join(filter(None, [f"cluster={urls},log={log}", more])), start=False, **kwargs)

    @property
    def engine_options(self):
        """As the commands have them."""
        return ",".join(word for word in self.options.split(",") if word.startswith(("cluster", "log=")))

    def cluster(self):
        return self.status()["cluster"]

    def state(self):
        return self.cluster()["state"]

    def until_state(self, *states, seconds=LIMIT):
        found = []

        def reached():
            found[:] = [self.cluster()]
            return found[0]["state"] in states

        with describing(lambda: f"{self.name}: {found}: {self.stderr()[-2000:]}"):
            until(reached, f"{self.name} is {' or '.join(states)}", seconds)
        return found[0]

    def until_ready(self, seconds=LIMIT):
        return self.until_state("ready", seconds=seconds)

    def agent(self):
        """The agent's process; None: it does not run."""
        return self.cluster()["agent"] or None

    def kill_agent(self):
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(self.agent(), signal.SIGKILL)

    def until_events(self, n, seconds=LIMIT):
        until(lambda: self.history().count(b"\n") >= n, f"{self.name} has {n} events", seconds)

    def sha256sum(self):
        return subprocess.run(["sha256sum", str(self.app)], stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout.split()[0].decode()


@contextlib.contextmanager
def describing(what):
    try:
        yield
    except AssertionError as e:
        raise AssertionError(f"{e}: {what()}") from None


class Cluster:
    """An engine, and machines m0, m1, … that have begun a log there; all that they are made of below one directory. more: options of
    theirs, or of each."""

    def __init__(self, path, mounts, ended, machines=3, net=False, more="", engine_more=(), tls=None, begin=True, files=None, **kwargs):
        self.path, self.mounts, self.more, self.kwargs = Path(path), mounts, more, kwargs
        self.files = files or {}  # what each DATA has, by its name there
        self.n, self.begun = machines, begin
        self.net = Net() if net else None
        ended += filter(None, [self.net])
        self.engine = Engine(self.path / "engine", self.net, engine_more, tls)
        ended.append(self.engine)
        self.machines = []

    def start(self):
        self.engine.start()
        for i in range(self.n):
            self.add(self.more if isinstance(self.more, str) else self.more[i])
        if self.begun:
            self.begin(self.machines[0])
            for m in self.machines:
                m.start()
            for m in self.machines:
                m.until_ready()

    def add(self, more=""):
        """One more machine, not mounted yet."""
        name = f"m{len(self.machines)}"
        m = Machine(self.path / name, self.engine.urls(name), more=more, **self.kwargs)
        for name, text in self.files.items():
            (m.data / name).parent.mkdir(parents=True, exist_ok=True)
            (m.data / name).write_text(text)
        self.machines.append(m)
        self.mounts.append(m)
        return m

    def begin(self, m, *args):
        done = cluster_command("begin", *args, "-o", m.engine_options, m.data)
        assert done.returncode == 0, done.stderr
        return done

    # What is true once everything is whole again.

    def agree(self, seconds=LIMIT):
        """Waits until all have the same, which is what the engine has; gives it."""
        for m in self.machines:
            m.until_ready(seconds)
        until(lambda: len({self.engine.get(f"/eventfold/{LOG}/head")} | {proof(m) for m in self.machines}) == 1,
              "all have the same head", seconds)  # fmt: skip
        assert len({m.sha256sum() for m in self.machines}) == 1
        return self.machines[0].history()

    def check(self, notes, seconds=LIMIT, views=("count", "types", "todos", "stats")):
        """Nothing is lost, doubled or invented, all have the same, and views are what is folded from it."""
        history = self.agree(seconds)
        notes.check(history)
        self.check_chain(history)
        events = [oracle.load(line) for line in history.splitlines()]
        for m in self.machines:
            for name in views:
                assert m.view(name) == oracle.fold(name, events), f"{m.name}: {name}"
        return history

    def check_chain(self, history):
        """The batches that the engine still has lead from one to the next, and to what the machines have."""
        sha, at, end = hashlib.sha256(), 0, None
        for key, value in self.engine.keys(f"/eventfold/{LOG}/batch/").items():
            header, lines = value.split(b"\n", 1)
            b = json.loads(header)
            assert key.endswith(f"/{b['from']:020}") and end in (None, b["from"]), (key, end)
            sha.update(history[at : b["from"]])
            assert sha.copy().hexdigest() == b["before"], key
            assert history[b["from"] : b["to"]] == lines, key
            sha.update(lines)
            assert sha.copy().hexdigest() == b["after"], key
            at = end = b["to"]
        assert end in (None, len(history))


def proof(m):
    """The machine's head as the engine writes it. Bytes."""
    history = m.history()
    return f"{len(history)}:{hashlib.sha256(history).hexdigest()}".encode()
