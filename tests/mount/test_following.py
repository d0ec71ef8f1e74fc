"""Following with what there is anyway: poll, select, epoll, inotify, blocking reads, and the programs that use them."""

import contextlib
import errno
import json
import os
import pty
import random
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from following import Follower, child, counts, opened, read_lines, ready, until, until_counts
from harness import FULL, LIMIT, SLOW, Mount, event, eventfold, line_of, reducer, scaled

ADD = {"type": "todo_added", "data": {"text": "x"}, "ts": 1}
NOTHING = {"type": "nothing_to_todos", "data": None, "ts": 1}  # todos stays as it is
FOLLOWED = ["events/app", "head/app", "views/todos.json", "views/todos.offset", "views/todos.hash"]


def is_log(name):
    return name == "events/app" or name.startswith("tail/app")


def drain(fd, name):
    """Reads what there is: on in the log, from the start elsewhere."""
    if not is_log(name):
        os.lseek(fd, 0, os.SEEK_SET)
    data = b""
    while part := os.read(fd, 1 << 16):
        data += part
    return data


def wait_poll(fd, seconds):
    return bool(ready(fd, seconds))


def wait_select(fd, seconds):
    return bool(select.select([fd], [], [], seconds)[0])


def wait_epoll(fd, seconds):
    with select.epoll() as e:
        e.register(fd, select.EPOLLIN)
        return bool(e.poll(seconds))


# poll, select, epoll


@pytest.mark.parametrize("wait", [wait_poll, wait_select, wait_epoll])
@pytest.mark.parametrize("name", FOLLOWED)
def test_readiness_is_a_level(m, name, wait):
    m.append(ADD)
    with opened(m.mnt / name) as fd:
        assert wait(fd, 0), "nothing has been read"
        before = drain(fd, name)
        assert not wait(fd, 0)
        assert not wait(fd, 0.01)
        m.append(ADD)
        assert wait(fd, LIMIT)
        assert wait(fd, 0), "still: it has not been read"
        after = drain(fd, name)
        assert after == ((m.mnt / name).read_bytes() if not is_log(name) else line_of(ADD))
        assert after != before or name in ("events/app", "views/todos.hash")
        assert not wait(fd, 0)


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_change_during_the_wait(m, name):
    with opened(m.mnt / name) as fd, select.epoll() as e:
        drain(fd, name)
        e.register(fd, select.EPOLLIN | select.EPOLLPRI)
        assert e.poll(0) == []
        for _ in range(20):
            with child(lambda: m.append(ADD)):
                assert e.poll(LIMIT)
            drain(fd, name)
            until(lambda: e.poll(0) == [], "readiness ends with reading")


def test_a_view_is_ready_when_it_differs(m):
    """An event that leaves the state alone moves the position, but not the state."""
    m.append(ADD)
    with contextlib.ExitStack() as stack:
        fds = {n: stack.enter_context(opened(m.mnt / n)) for n in FOLLOWED}
        for name, fd in fds.items():
            drain(fd, name)
        e = stack.enter_context(select.epoll())
        for fd in fds.values():
            e.register(fd, select.EPOLLIN)
        assert e.poll(0) == []
        m.append(NOTHING)
        told = set()
        want = {fd for name, fd in fds.items() if name != "views/todos.json"}
        until(lambda: told.update(fd for fd, _ in e.poll(0.1)) or told >= want, "positions are told")
        assert m.offset("todos") == len(m.history())
        assert not ready(fds["views/todos.json"], 0.05)
        m.append(ADD)
        assert ready(fds["views/todos.json"], LIMIT)


@pytest.mark.parametrize("name", FOLLOWED)
def test_only_an_event_that_leaves_the_state_alone(m, name):
    """Nobody else tells of it: each follower is alone with its wait."""
    m.append(ADD)
    with opened(m.mnt / name) as fd:
        drain(fd, name)

        def append_when_it_waits():
            until(lambda: counts(m)[1] == 1)
            m.append(NOTHING)

        with child(append_when_it_waits):
            if name == "views/todos.json":
                assert not ready(fd, 0.5)
            else:
                assert ready(fd, LIMIT)


def test_what_poll_says(m):
    everything = select.POLLIN | select.POLLPRI | select.POLLRDNORM | select.POLLOUT
    with opened(m.mnt / "views/todos.json") as fd:
        assert ready(fd, 0, select.POLLPRI) == select.POLLPRI
        assert ready(fd, 0, everything) & (select.POLLIN | select.POLLPRI) == select.POLLIN | select.POLLPRI
        drain(fd, "views/todos.json")
        assert not ready(fd, 0, everything)
        assert select.select([], [], [fd], 0)[2] == []
        m.append(ADD)
        assert select.select([], [], [fd], LIMIT)[2] == [fd]
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert ready(fd, 0, select.POLLOUT) == select.POLLOUT


def test_a_broken_view_is_told_once(m):
    (m.data / "reducers/broken.jq").write_text(".")
    path = m.mnt / "views/broken.json"
    with opened(path) as fd:
        drain(fd, "views/broken.json")

        def break_it():
            until(lambda: counts(m)[1] == 1)
            (m.data / "reducers/broken.jq").write_text("(((")
            os.listdir(m.mnt / "views")

        with child(break_it):
            assert ready(fd, LIMIT)
        os.lseek(fd, 0, os.SEEK_SET)
        with pytest.raises(OSError) as e:
            os.read(fd, 100)
        assert e.value.errno == errno.EIO
        assert not ready(fd, 0), "that has been read"
        (m.data / "reducers/broken.jq").write_text(". + 1")
        os.listdir(m.mnt / "views")
        assert ready(fd, LIMIT), "mended"


def spin(ns):
    end = time.perf_counter_ns() + ns
    while time.perf_counter_ns() < end:
        pass


def race_rounds():
    return 20_000 if FULL else scaled(1500, 200)


@pytest.mark.limit(6)
@pytest.mark.parametrize("name", ["events/app", "head/app", "views/count.json", "views/count.offset", "tail/app"])
def test_no_wake_up_is_lost(new_mount, name):
    """An append and the call of poll meet at every distance there is."""
    m = new_mount(reducers=["count"], options="sync=none")
    rng = random.Random(name)
    go, gate = os.pipe()

    def append_on_demand():
        os.close(gate)
        app = os.open(m.app, os.O_WRONLY | os.O_APPEND)
        while pause := os.read(go, 1):
            spin(pause[0] * 1000)
            os.write(app, line_of(ADD))

    race = child(append_on_demand)
    with race, opened(m.mnt / name, os.O_RDONLY | os.O_NONBLOCK) as fd, select.epoll() as e:
        if not name.startswith("tail/"):
            drain(fd, name)
        p = select.poll()
        p.register(fd, select.POLLIN)
        e.register(fd, select.EPOLLIN)
        for i in range(race_rounds()):
            os.write(gate, bytes([rng.randrange(250)]))
            spin(rng.randrange(400_000))
            begin = time.monotonic()
            assert e.poll(LIMIT) if i % 2 else p.poll(LIMIT * 1000), f"round {i}: not told"
            assert time.monotonic() - begin < LIMIT, f"round {i}: not woken"
            if is_log(name):
                assert os.read(fd, 4096) == line_of(ADD)
            else:
                assert drain(fd, name)
        os.close(gate)
    os.close(go)
    until_counts(m, (0, 0))


def test_no_handle_is_leaked(m):
    before = counts(m)
    for round in range(3):
        with contextlib.ExitStack() as stack:
            fds = [stack.enter_context(opened(m.mnt / FOLLOWED[i % len(FOLLOWED)])) for i in range(100)]
            e = stack.enter_context(select.epoll())
            for i, fd in enumerate(fds):
                drain(fd, FOLLOWED[i % len(FOLLOWED)])
                e.register(fd, select.EPOLLIN)
            assert e.poll(0) == []
            for fd in fds:
                ready(fd, 0)
            assert counts(m) == (before[0] + 100, before[1] + 100)
            if round == 1:
                m.append(ADD)
                seen = set()
                until(lambda: seen.update(fd for fd, _ in e.poll(0.1, 200)) or len(seen) == 100, "all are told")
        until_counts(m, before)


def test_edge_triggered(m):
    with opened(m.app) as fd, select.epoll() as e:
        e.register(fd, select.EPOLLIN | select.EPOLLET)
        for _ in range(5):
            m.append(ADD)
            assert e.poll(LIMIT), "each change is an edge"
        assert drain(fd, "events/app") == line_of(ADD) * 5


def test_many_processes(m):
    """Forked copies of one description, and descriptions of their own."""
    with opened(m.app) as fd:

        at_end, says_so = os.pipe()

        def wait(own):
            own = own or os.open(m.app, os.O_RDONLY)
            assert drain(own, "events/app") == b"", "the end of a plain file is there to be read"
            os.write(says_so, b".")
            assert ready(own, LIMIT)

        with contextlib.ExitStack() as stack:
            for i in range(10):
                stack.enter_context(child(lambda i=i: wait(None if i % 2 else fd)))
            told = b""
            while len(told) < 10:  # those that share one description count as one below
                told += os.read(at_end, 10)
            until(lambda: counts(m)[1] == 6, "all wait")
            m.append(ADD)


def test_select_and_read_several_files(new_mount):
    """As libfuse's example client for poll does it: select on several files, read those that are ready, again."""
    m = new_mount(reducers=["count", "todos"])
    names = ["events/app", "head/app", "views/count.json", "views/todos.json", "tail/app"]
    fds = {os.open(m.mnt / n, os.O_RDONLY | os.O_NONBLOCK): n for n in names}
    got = dict.fromkeys(names, b"")
    n = 50
    writer = subprocess.Popen(
        ["bash", "-c", f'for i in {{1..{n}}}; do echo "{{\\"type\\":\\"todo_added\\",\\"data\\":{{\\"text\\":\\"$i\\"}}}}"; done >> {m.app}']
    )
    want = None
    end = time.monotonic() + LIMIT
    while want is None or any(got[name] != want[name] for name in names):
        assert time.monotonic() < end, (got, want)
        for fd in select.select(list(fds), [], [], 0.2)[0]:
            name = fds[fd]
            if is_log(name):
                got[name] += os.read(fd, 4096)
            else:
                got[name] = drain(fd, name)
        if want is None and writer.poll() is not None:
            want = {name: (m.mnt / name).read_bytes() for name in names if not name.startswith("tail/")}
            want["tail/app"] = want["events/app"]
            assert want["events/app"].count(b"\n") == n
    for fd in fds:
        os.close(fd)
    until_counts(m, (0, 0))


# inotify


def inotifywait(m, *paths, events="modify,close_write"):
    """-m, ready: each line is "FILE EVENTS"."""
    w = Follower(["inotifywait", "-m", "-e", events, "--format", "%w%f %e", *paths], cwd=m.mnt)
    w.until(rb"Watches established")
    return w


@pytest.mark.parametrize("watched", ["views/todos.json", "views", "events/app", "events"])
def test_inotify_tells_of_every_change(m, watched):
    path = "views/todos.json" if "views" in watched else "events/app"
    with inotifywait(m, watched) as w:
        for _ in range(20):
            m.append(ADD)
            seen = set()
            while "MODIFY" not in seen or "CLOSE_WRITE,CLOSE" not in seen:
                name, what = w.line().split(" ")
                if name == path:
                    seen.add(what)


def test_inotify_is_silent_when_a_state_stays(m):
    """The notices of two views come by the same way, one after the other: where the second has come the first would be there."""
    both = ["CLOSE_WRITE,CLOSE", "MODIFY"]

    def of_todos(*events):
        """What is told of todos until count has been told of for each of these."""
        told = []
        with inotifywait(m, "views/todos.json", "views/count.json") as w:
            for event in events:
                m.append(event)
                left = list(both)
                while left:
                    name, what = w.line().split(" ")
                    if name == "views/todos.json":
                        told.append(what)
                    elif what in left:
                        left.remove(what)
        return told

    of_todos(ADD, NOTHING, NOTHING)  # and of what is still under way of the beginning
    assert of_todos(*[NOTHING] * 5) == []
    assert sorted(of_todos(ADD, NOTHING, NOTHING)) == both


def test_inotify_and_a_reader_in_turn(m):
    """What is read after a notice is never older than the notice."""
    with inotifywait(m, "views/count.json") as w:
        for i in range(1, 50):
            m.append(ADD)
            while True:
                w.line()
                if m.view("count")["count"] == i:
                    break


def fuse_for_all():
    """/dev/fuse is root's alone here and there; give it back as it was."""

    @contextlib.contextmanager
    def allowed():
        before = os.stat("/dev/fuse").st_mode & 0o777
        os.chmod("/dev/fuse", 0o666)
        try:
            yield
        finally:
            os.chmod("/dev/fuse", before)

    return allowed()


class MountAsNobody(Mount):
    USER = ("--reuid=65534", "--regid=65534", "--clear-groups")

    def command(self):
        return ["setpriv", *self.USER, *super().command()]

    def as_user(self, command):
        return ["setpriv", *self.USER, *command]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_everything_without_root():
    with fuse_for_all(), tempfile.TemporaryDirectory(prefix="eventfold-", dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        path = Path(directory, "own")
        path.mkdir()
        modules = Path(directory, "modules")
        modules.mkdir()
        program = modules / "eventfold"
        shutil.copy(eventfold(), program)
        m = MountAsNobody(path, reducers=(), start=False)
        for name in ("count", "todos"):
            shutil.copy(reducer(name), modules / f"{name}.so")
            (m.data / f"reducers/{name}.so").symlink_to(modules / f"{name}.so")
        for p in [path, *path.rglob("*")]:
            os.chown(p, 65534, 65534, follow_symlinks=False)
        # Root may not look into another user's mount: all is done as that user.
        script = """
set -e
exec 2>&1
"$1" mount "$2/data" "$2/mnt"
cd "$2/mnt"
daemon=$(jq .pid status.json)
inotifywait -m -e modify,close_write --format '%w%f %e' views/todos.json events > "$2/told" 2> "$2/ready" &
w=$!
until grep -q established "$2/ready"; do sleep 0.01; done
{ read -r line; echo "$line" > "$2/tailed"; } < tail/app &
t=$!
until grep -q '"waiting":1' status.json; do sleep 0.01; done
echo '{"type":"todo_added","data":{"text":"x"},"ts":1}' >> events/app
wait $t
until grep -q 'views/todos.json CLOSE_WRITE' "$2/told" && grep -q 'views/todos.json MODIFY' "$2/told" &&
      grep -q 'events/app CLOSE_WRITE' "$2/told"; do sleep 0.01; done
kill $w
cd /
n=0
until fusermount3 -u "$2/mnt" 2>/dev/null || [ $((n+=1)) -gt 200 ]; do sleep 0.02; done
while kill -0 $daemon 2>/dev/null; do sleep 0.01; done  # it saves what it has
"""
        done = subprocess.run(
            m.as_user(["bash", "-c", script, "x", str(program), str(path)]), timeout=LIMIT, stdout=subprocess.PIPE
        )
        assert done.returncode == 0, done.stdout
        assert (path / "tailed").read_bytes() == line_of(ADD)
        assert not os.path.ismount(path / "mnt")


# tail/


def test_tail_of_the_log(m):
    m.append(NOTHING)
    with opened(m.mnt / "tail/app") as fd:
        assert not ready(fd, 0)
        m.append(ADD)
        assert ready(fd, LIMIT)
        assert os.read(fd, 4096) == line_of(ADD)
        assert not ready(fd, 0.01)


def test_tail_from_an_offset(m):
    m.append(NOTHING, ADD)
    whole = m.history()
    for off in (0, len(line_of(NOTHING)), 5, len(whole)):
        with opened(m.mnt / f"tail/app@{off}", os.O_RDONLY | os.O_NONBLOCK) as fd:
            if off < len(whole):
                assert os.read(fd, 4096) == whole[off:]
            with pytest.raises(BlockingIOError):
                os.read(fd, 4096)
    for name in ("app@", "app@x", "app@-1", "app@01", "app@1:", "none.json", "app.json", "todos", "todos.offset", "x"):
        with pytest.raises(FileNotFoundError):
            os.open(m.mnt / "tail" / name, os.O_RDONLY)


def test_tail_beyond_the_end_waits_for_it(m):
    m.append(ADD)
    end = len(m.history())
    with opened(m.mnt / f"tail/app@{end + 10}") as fd:
        m.append(ADD)
        assert os.read(fd, 4096) == line_of(ADD)[10:]


def test_nonblocking_reads(m):
    for name in ("tail/app", "tail/todos.json"):
        with opened(m.mnt / name, os.O_RDONLY | os.O_NONBLOCK) as fd:
            if name == "tail/todos.json":
                assert json.loads(os.read(fd, 4096)) == m.view("todos")
            for _ in range(3):
                with pytest.raises(BlockingIOError):
                    os.read(fd, 4096)
            m.append(ADD)
            assert ready(fd, LIMIT)
            assert os.read(fd, 4096)
            with pytest.raises(BlockingIOError):
                os.read(fd, 4096)
    until_counts(m, (0, 0))


@pytest.mark.parametrize("name", ["tail/app@0", "tail/todos.json"])
def test_a_read_is_over_when_it_is_answered(m, name):
    """Whoever reads on at once finds what there is, not his own last read."""
    m.append(*[ADD] * 100)
    whole = m.history() if is_log(name) else m.raw_view("todos")
    for _ in range(scaled(5, 1)):
        with opened(m.mnt / name, os.O_RDONLY | os.O_NONBLOCK) as fd:
            assert b"".join(os.read(fd, 3) for _ in range(0, len(whole), 3)) == whole


def test_a_mode_that_changes_after_open(m):
    with opened(m.mnt / "tail/app") as fd:
        os.set_blocking(fd, False)
        with pytest.raises(BlockingIOError):
            os.read(fd, 4096)
        os.set_blocking(fd, True)

        def append_when_it_waits():
            until(lambda: counts(m)[1] == 1)
            m.append(ADD)

        with child(append_when_it_waits):
            assert os.read(fd, 4096) == line_of(ADD)


def test_cat_and_while_read(m):
    with Follower(["cat", m.mnt / "tail/app@0"]) as cat, Follower(
        'while read -r line; do echo "<$line>"; done < mnt/tail/app', cwd=m.path
    ) as loop:
        until(lambda: counts(m)[1] == 2, "both wait")
        for i in range(30):
            m.append(event(i))
            want = line_of(event(i)).decode().rstrip("\n")
            assert cat.line() == want
            assert loop.line() == f"<{want}>"


def test_tail_of_a_view_through_jq(m):
    with opened(m.mnt / "tail/count.json") as fd, Follower(["jq", "--unbuffered", "-c", ".count"], stdin=fd) as w:
        assert w.line() in ("0", "null")
        last = 0
        for i in range(1, 30):
            m.append(ADD)
            while last < i:
                now = int(w.line())
                assert now > last, "a line each time it changes"
                last = now


def test_a_slow_reader_misses_nothing_and_holds_up_nobody(m):
    n = scaled(5000, 500)
    slow = os.open(m.mnt / "tail/app", os.O_RDONLY)
    view = os.open(m.mnt / "tail/count.json", os.O_RDONLY)
    os.read(view, 10)  # in the midst of a line
    with opened(m.mnt / "tail/app") as quick:
        got = b""
        for i in range(0, n, 100):
            m.append(*[event(k) for k in range(i, i + 100)])
            got += read_lines(quick, 100)
    whole = m.history()
    assert got == whole
    got = b""
    while len(got) < len(whole):
        got += os.read(slow, 777)
    assert got == whole
    assert not ready(slow, 0)
    # A view's tail may skip, but gives whole lines, and ends on the newest.
    text = b""
    while not text.endswith(b'"count":%d}\n' % n):
        text += os.read(view, 777)
    lines = text.splitlines()[1:]
    seen = [json.loads(line)["count"] for line in lines]
    assert seen == sorted(set(seen)) and seen[-1] == n
    os.close(slow)
    os.close(view)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("name", ["tail/app", "tail/app@0", "tail/todos.json"])
def test_a_blocked_reader_ends_at_once(m, name, signum):
    with Follower(["cat", m.mnt / name]) as w:
        until(lambda: counts(m)[1] == 1, "it waits")
        begin = time.monotonic()
        assert w.end(signum) == -signum
        assert time.monotonic() - begin < LIMIT / 4
    until_counts(m, (0, 0))


def test_a_handler_interrupts_a_read(m):
    """EINTR, as from a pipe: then it goes on, and nothing is lost."""
    code = """
import os, signal, sys
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGALRM, stop)
fd = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(5):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        os.read(fd, 100); sys.exit(1)
    except Stop:
        pass
print("ready", flush=True)
print(os.read(fd, 4096), flush=True)
"""
    with Follower(["python3", "-c", code, m.mnt / "tail/app"]) as w:
        assert w.line() == "ready"
        m.append(ADD)
        assert w.line() == repr(line_of(ADD))
        assert w.end() == 0


def test_readers_that_share_a_descriptor_can_be_killed(m):
    """The second of two reads on one description is not stuck behind the first."""
    with opened(m.mnt / "tail/app") as fd:
        readers = [subprocess.Popen(["cat"], stdin=fd, stdout=subprocess.PIPE) for _ in range(3)]
        try:
            until(lambda: counts(m)[1] == 3, "all wait")
            readers[2].kill()
            assert readers[2].wait(LIMIT) == -signal.SIGKILL
            until(lambda: counts(m)[1] == 2, "two wait")
            m.append(ADD)
            # One of the two gets it, and waits again.
            assert any(select.select([r.stdout for r in readers[:2]], [], [], LIMIT)[0])
        finally:
            for r in readers:
                r.kill()
                r.wait(LIMIT)
                r.stdout.close()


def test_nothing_is_listed(m):
    assert os.listdir(m.mnt / "tail") == []
    assert os.listdir(m.mnt / "events") == ["app"]
    # What walks the mount and reads everything comes to an end.
    m.sh("find mnt -type f -exec cat {} + > all; tar cf all.tar mnt; grep -r nothing mnt || true")
    assert os.listdir(m.mnt / "tail") == []


def test_tail_is_for_reading(m):
    for name in ("tail/app", "tail/app@0", "tail/todos.json"):
        with pytest.raises(PermissionError):
            os.open(m.mnt / name, os.O_WRONLY)


def test_a_view_that_goes_away_ends_its_waits(m):
    with opened(m.mnt / "tail/todos.json") as fd, opened(m.mnt / "views/todos.json") as view:
        os.read(fd, 4096)
        drain(view, "views/todos.json")
        assert not ready(fd, 0) and not ready(view, 0)

        def remove_it():
            until(lambda: counts(m)[1] == 1)
            os.unlink(m.data / "reducers/todos.so")
            os.listdir(m.mnt / "views")

        with child(remove_it):
            assert ready(fd, LIMIT)
        assert ready(view, LIMIT)
        with pytest.raises(OSError) as e:
            os.read(fd, 4096)
        assert e.value.errno in (errno.ENOENT, errno.EIO)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_that_dies_changes_no_state(m):
    """Its successor counts on, but the state is the same: who has read it waits on, without end or haste."""
    m.append(ADD)
    m.append(NOTHING)
    with opened(m.mnt / "views/todos.json") as view, Follower(["cat", m.mnt / "tail/todos.json"]) as w:
        assert w.line() + "\n" == drain(view, "views/todos.json").decode()
        for restarts in range(1, 4):
            os.kill(until(lambda: m.status()["worker"]["pid"]), signal.SIGKILL)
            until(lambda: m.status()["worker"]["restarts"] == restarts and m.status()["worker"]["pid"])
        # It may be looked at once more. What is read then has been read.
        until(lambda: drain(view, "views/todos.json") and not ready(view, 0.1))
        begin = cpu_seconds(m.pid)
        assert not w.more(1), w.line()
        assert cpu_seconds(m.pid) - begin < 0.1, "the daemon is busy"
        m.append(ADD)
        assert ready(view, LIMIT)
        assert json.loads(w.line())["next_id"] == 2


# The end


@pytest.mark.parametrize("how", ["SIGTERM", "lazy"])
def test_tails_end_with_the_mount(new_mount, how):
    m = new_mount()
    names = ["tail/app", "tail/app@0", "tail/todos.json"]
    followers = [Follower(["cat", m.mnt / name]) for name in names for _ in range(3)]
    with opened(m.app) as fd:
        p = select.poll()
        p.register(fd, select.POLLIN)
        until(lambda: counts(m)[1] == len(followers), "all wait")
        if how == "lazy":
            subprocess.run(["fusermount3", "-u", "-z", m.mnt], check=True)
        else:
            os.kill(m.pid, signal.SIGTERM)
        for w in followers:
            text = w.process.stderr.read()
            assert w.end() == 0, ("end of file, no error", text)
    until(lambda: m.process.poll() is not None, "the daemon ends")
    assert m.process.wait() == 0
    Mount.live.remove(m)
    assert not os.path.ismount(m.mnt)


def test_followers_outlive_a_daemon_that_is_killed(m):
    """They get an error at once, whatever they wait in: nobody is stuck with the dead."""
    with contextlib.ExitStack() as stack:
        tails = [stack.enter_context(Follower(["cat", m.mnt / name])) for name in ("tail/app", "tail/app@0", "tail/todos.json")]
        fd = stack.enter_context(opened(m.app))
        until(lambda: counts(m)[1] == len(tails), "all wait")

        def kill_it():
            until(lambda: counts(m)[1] == len(tails) + 1)
            os.kill(m.pid, signal.SIGKILL)

        with child(kill_it):
            assert ready(fd, LIMIT), "an error is something to be told of"
        for w in tails:
            assert w.end() == 1
    m.kill()
    m.detach()
    m.start()
    m.append(ADD)
    assert m.view("todos")["next_id"] == 1


@pytest.mark.limit(6)
@pytest.mark.parametrize("how", ["fusermount3", "SIGTERM"])
def test_unmounting_while_notices_are_raised(new_mount, how):
    """Again and again: the notify thread is at work on the mount that goes away."""
    m = new_mount.prepare(reducers=["count"], options="sync=none")
    m.start()
    for round in range(scaled(50, 8)):
        m.append(*[ADD] * (round % 7 + 1))
        if how == "SIGTERM":
            # Somebody writes on: errors are what he gets in the end.
            def write_on():
                with contextlib.suppress(OSError):
                    while os.path.ismount(m.mnt):
                        m.append(ADD)

            with child(write_on):
                m.terminate()
        else:
            m.unmount()
        m.start()


# Programs


def test_tail_f(m):
    m.append(event(0), event(1))
    with Follower(["tail", "-n", "1", "-f", "-s", "0.1", m.app]) as w:
        assert json.loads(w.line()) == event(1)
        for i in range(2, 12):
            m.append(event(i))
            assert json.loads(w.line()) == event(i)
    with Follower(["tail", "-c", "+1", "-F", "-s", "0.1", m.app]) as w:
        for i in range(12):
            assert json.loads(w.line()) == event(i)
        m.append(event(12))
        assert json.loads(w.line()) == event(12)


@pytest.mark.parametrize("name", ["app", "app@0", "count.json"])
def test_tail_of_a_tail(m, name):
    """A file without an end, for a program that reads to the end first."""
    m.append(event(0), event(1))
    before = {"app": [], "app@0": [event(0), event(1)], "count.json": [{"count": 2}]}[name]
    done = subprocess.run(["tail", m.mnt / "tail" / name], capture_output=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line) for line in done.stdout.splitlines()] == before
    with Follower(["tail", "-n", "5", "-f", "-s", "0.05", m.mnt / "tail" / name]) as w:
        for want in before:
            assert json.loads(w.line()) == want
        until(lambda: counts(m)[0] == 1)
        for i in range(2, 7):
            m.append(event(i))
            assert json.loads(w.line()) == ({"count": i + 1} if name == "count.json" else event(i))
        assert not w.more(0.3)


@pytest.mark.skipif(shutil.which("entr") is None, reason="entr is not installed")
def test_entr(m):
    """entr wants a terminal or -n; it runs the command at first and at each change."""
    with Follower(f"exec entr -n cat {m.mnt}/views/count.json <<< {m.mnt}/views/count.json") as w:
        assert json.loads(w.line()) == {"count": 0}
        shown = 0
        for i in range(1, 6):
            m.append(ADD)
            # What changes while it is busy with the last change is lost on it, on any file system: once more.
            while shown < i:
                if w.more(0.5):
                    shown = json.loads(w.line())["count"]
                else:
                    i += 1
                    m.append(ADD)


def test_less_follows(m):
    """+F on a terminal: what is appended comes on the screen."""
    if shutil.which("less") is None:
        pytest.skip("less is not installed")
    m.append(*[event(i) for i in range(5)])
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", LESSHISTFILE="-")
        os.execlp("less", "less", "+F", str(m.app))
    screen = b""

    def see(text):
        nonlocal screen
        end = time.monotonic() + LIMIT
        while text not in screen:
            assert time.monotonic() < end and ready(terminal, LIMIT), screen
            screen += os.read(terminal, 4096)

    try:
        see(b'"e4"')
        for i in range(5, 8):
            m.append(event(i))
            see(b'"e%d"' % i)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_followers_are_told_of_a_reducer_that_changes(new_mount):
    """Edited, broken, mended: although nobody looks at anything."""
    m = new_mount(reducers=[])

    def define(text):  # at once: no state between is told of
        (m.data / "new").write_text(text)
        os.replace(m.data / "new", m.data / "reducers/v.jq")

    define(".[$event.type] += 1")
    m.append(event(0))
    view = os.open(m.mnt / "views/v.json", os.O_RDONLY)
    poll = select.poll()
    poll.register(view, select.POLLIN | select.POLLPRI)

    def told():
        assert poll.poll(LIMIT * 1000)
        try:
            state = os.pread(view, 1000, 0)
            assert os.pread(view, 1000, len(state)) == b""
            return state
        except OSError as e:
            return e.errno

    kind = event(0)["type"]
    assert told() == b'{"%s":1}\n' % kind.encode()
    for text, state in ((".[$event.type] += 2", b'{"%s":2}\n' % kind.encode()), ("foo", errno.EIO), ("3", b"3\n")):
        assert not poll.poll(0)
        define(text)
        assert told() == state
    define("bar")
    until(lambda: m.status()["views"]["v"]["error"], "its error")
    os.close(view)
