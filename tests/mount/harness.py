"""A mounted log for a test: its own data directory, its own daemon in the foreground.

    with Mount(tmp_path) as m:
        m.append({"type": "todo_added", "data": {"text": "buy milk"}})
        assert m.view("todos") == …

Leaving the block unmounts; that the daemon then exits with 0, leaves no process behind and has written nothing
suspicious is part of every test. The program is found by EVENTFOLD, built reducers by EVENTFOLD_REDUCERS.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLOW = os.environ.get("EVENTFOLD_SLOW") == "1"  # a sanitized build: fewer of everything
FULL = os.environ.get("EVENTFOLD_FULL") in ("1", "2")  # as many as the project promises
ALL = os.environ.get("EVENTFOLD_FULL") == "2"  # the same of what would make the usual run too long
JOURNAL = os.environ.get("EVENTFOLD_JOURNAL")  # on, off or auto, of the mounts that do not say
LIMIT = int(os.environ.get("EVENTFOLD_LIMIT", 120))  # seconds that anything at all may take: a hang, not a slow machine, runs into it

SUSPICIOUS = ("Sanitizer", "runtime error:", "leak", "Assertion", "assert", "double free", "stack smashing")


def eventfold():
    """The program under test."""
    path = Path(os.environ.get("EVENTFOLD", ROOT / "build/src/cli/eventfold"))
    assert path.exists(), f"no program at {path}: build it, or set EVENTFOLD"
    return str(path.resolve())


def reducer(name):
    """A shipped reducer that was built."""
    path = Path(os.environ.get("EVENTFOLD_REDUCERS", ROOT / "build/reducers")) / f"{name}.so"
    assert path.exists(), f"no reducer at {path}: build it, or set EVENTFOLD_REDUCERS"
    return path.resolve()


def scaled(full, slow=None):
    """How many: less under sanitizers."""
    return (slow if slow is not None else max(1, full // 10)) if SLOW else full


def bound(seconds):
    """What a promise of so many seconds comes to here and now: three times as much, and more where this machine takes longer than a
    quiet one for what it does most, to start a process and see it end."""
    n, quiet = 20, 0.002
    begin = time.monotonic()
    for _ in range(n):
        subprocess.run(["true"], check=True)
    return seconds * (15 if SLOW else 3) * max(1, (time.monotonic() - begin) / n / quiet)


def sh(command, cwd=None, check=True, timeout=LIMIT, **kwargs):
    """Runs a line of bash, bounded in time; its output as bytes."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command!r}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done


def wait_gone(fd, seconds):
    """Waits for the process behind a pidfd to end; False: it has not."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def children(pid):
    """Process ids of a process's children, of all its threads."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += map(int, f.read().split())
    except OSError:
        pass
    return found


def descendants(pid):
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


class Mount:
    live = []  # all that are mounted, for the watchdog

    def __init__(self, path, options=None, reducers=("todos", "count", "types", "stats"), background=False, start=True):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.data = self.path / "data"
        self.mnt = self.path / "mnt"
        self.app = self.mnt / "events/app"
        self.options = options
        self.background = background
        self.clean = True  # stderr must say nothing suspicious
        self.process = None
        self.pid = None
        self.workers = {}
        self.log = self.path / "stderr"
        (self.data / "reducers").mkdir(parents=True, exist_ok=True)
        self.mnt.mkdir(exist_ok=True)
        for name in reducers:
            self.enable(reducer(name))
        if start:
            self.start()

    def enable(self, so):
        """Enables a reducer as users do: by a symbolic link."""
        link = self.data / "reducers" / Path(so).name
        if not link.is_symlink():
            link.symlink_to(so)

    def command(self):
        command = [eventfold(), "mount"]
        if not self.background:
            command.append("-f")
        options = [self.options] if self.options else []
        if JOURNAL and "journal=" not in (self.options or ""):
            options.append(f"journal={JOURNAL}")
        if options:
            command += ["-o", ",".join(options)]
        return command + [str(self.data), str(self.mnt)]

    def start(self):
        before = os.lstat(self.path).st_dev
        with open(self.log, "ab") as err:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        Mount.live.append(self)
        if self.background:
            # It comes back once the mount answers, so no waiting after that.
            code = self.process.wait(LIMIT)
            assert code == 0, f"{self.command()}: exit {code}: {self.stderr()}"
            assert os.stat(self.mnt).st_dev != before, "back in the shell, but nothing is mounted"
        else:
            pidfd = os.pidfd_open(self.process.pid)
            try:
                self._wait_mounted(before, pidfd)
            finally:
                os.close(pidfd)
        self.pid = self.status()["pid"]
        if not self.background:
            assert self.pid == self.process.pid
        return self

    def _wait_mounted(self, before, pidfd):
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            if wait_gone(pidfd, 0.002):
                raise AssertionError(f"{self.command()} ended with {self.process.wait()}: {self.stderr()}")
            try:
                if os.stat(self.mnt).st_dev != before:
                    return
            except OSError:
                pass  # a stale mount point that is about to be taken over
        raise AssertionError(f"{self.command()} has not mounted within {LIMIT} s: {self.stderr()}")

    def watch(self):
        """A pidfd for the daemon and each process below it, to see all of them end."""
        fds = {}
        for pid in [self.pid] + descendants(self.pid):
            try:
                fds[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                pass
        return fds

    def _see_gone(self, fds):
        until = time.monotonic() + LIMIT
        left = [pid for pid, fd in fds.items() if not wait_gone(fd, max(0, until - time.monotonic()))]
        for pid, fd in fds.items():
            if pid in left:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        assert not left, f"still running {LIMIT} s after the end: {left} (daemon {self.pid}): {self.stderr()}"

    def _end(self, fds):
        if self in Mount.live:
            Mount.live.remove(self)
        self._see_gone(fds)
        if not self.background:
            code = self.process.wait(LIMIT)
            assert code == 0, f"the daemon's exit code is {code}: {self.stderr()}"
        assert not os.path.ismount(self.mnt)
        self.check_stderr()

    def unmount(self):
        fds = self.watch()
        # A process that has just ended may have the mount open for a moment still: the kernel's "busy" is no failure.
        until = time.monotonic() + LIMIT
        while True:
            done = subprocess.run(["fusermount3", "-u", str(self.mnt)], stderr=subprocess.PIPE)
            if done.returncode == 0:
                break
            assert b"busy" in done.stderr and time.monotonic() < until, done.stderr.decode()
            time.sleep(0.01)
        self._end(fds)

    def terminate(self, signum=signal.SIGTERM):
        fds = self.watch()
        os.kill(self.pid, signum)
        self._end(fds)

    def kill(self, watched=None):
        """As kill -9 does: the mount point stays behind, stale. `watched`: what watch() gave, where it has to be quick."""
        fds = watched or self.watch()
        os.kill(self.pid, signal.SIGKILL)
        if self in Mount.live:
            Mount.live.remove(self)
        self._see_gone(fds)
        self.process.wait(LIMIT)

    def remount(self):
        self.unmount()
        return self.start()

    def abandon(self):
        """After a failure: leave nothing mounted and nothing running."""
        if self in Mount.live:
            Mount.live.remove(self)
        pid = self.pid or (self.process and self.process.pid)
        for p in [pid] + descendants(pid) if pid else []:
            try:
                os.kill(p, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.detach()
        if self.process:
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                pass

    def detach(self):
        """Takes a mount away whose daemon does not answer. For root by force: it ends all who wait for an answer."""
        if os.geteuid() == 0:
            subprocess.run(["umount", "-c", "-f", self.mnt], stderr=subprocess.DEVNULL)
        subprocess.run(["fusermount3", "-u", "-z", "-q", str(self.mnt)], stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self not in Mount.live:
            self.detach()
        elif kind is None:
            try:
                self.unmount()
            except BaseException:
                self.abandon()
                raise
        else:
            self.abandon()

    def stderr(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check_stderr(self):
        text = self.stderr()
        if self.clean:
            for word in SUSPICIOUS:
                assert word not in text, f"the daemon's stderr has {word!r}: {text}"

    # What tests do with it.

    def append(self, *events):
        """Appends events (objects, or lines as text or bytes), one write each."""
        fd = os.open(self.app, os.O_WRONLY | os.O_APPEND)
        try:
            for event in events:
                line = line_of(event)
                assert os.write(fd, line) == len(line)
        finally:
            os.close(fd)

    def history(self):
        return self.app.read_bytes()

    def events(self):
        return [json.loads(line) for line in self.history().splitlines()]

    def raw_view(self, name):
        return (self.mnt / "views" / f"{name}.json").read_bytes()

    def view(self, name):
        return json.loads(self.raw_view(name))

    def offset(self, name):
        return int((self.mnt / "views" / f"{name}.offset").read_text())

    def hash(self, name):
        return (self.mnt / "views" / f"{name}.hash").read_text().rstrip("\n")

    def snapshot(self, name):
        return json.loads((self.mnt / "views" / f"{name}.snapshot.json").read_bytes())

    def head(self):
        return (self.mnt / "head/app").read_text()

    def status(self):
        return json.loads((self.mnt / "status.json").read_bytes())

    def rejected(self):
        return [json.loads(line) for line in (self.mnt / "rejected.jsonl").read_bytes().splitlines()]

    def sh(self, command, check=True, **kwargs):
        """Runs a line of bash in the directory that `data` and `mnt` are in."""
        return sh(command, cwd=self.path, check=check, **kwargs)


def fork_job(job):
    """Runs job() in a process of its own, which exits 0 if that goes well: its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            job()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def line_of(event):
    """An event as bytes with a newline."""
    if isinstance(event, dict):
        event = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    if isinstance(event, str):
        event = event.encode()
    return event if event.endswith(b"\n") else event + b"\n"


def event(i, pad=0, **more):
    """The i-th of a series of events that the shipped todo reducers take; of ~`pad` bytes."""
    if i % 3 == 1:
        ev = {"type": "todo_completed", "data": {"id": i - 1}}
    else:
        ev = {"type": "todo_added", "data": {"text": f"item {i}"}}
    ev["id"] = f"e{i}"
    ev["ts"] = 1_700_000_000 + i
    ev.update(more)
    if pad:
        ev["meta"] = "x" * max(0, pad - len(line_of(ev)) - 9)
    return ev


def copy_tree(source, target):
    shutil.copytree(source, target, symlinks=True)


def tree(path):
    """All of a directory as a value, to compare two moments of it."""
    found = {}
    for root, dirs, files in os.walk(path):
        for name in dirs + files:
            p = Path(root, name)
            st = p.lstat()
            content = os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
            found[str(p.relative_to(path))] = (st.st_mode, st.st_size if not p.is_dir() else 0, content)
    return found
