"""What inotify tells: of an append once, of the files of a view that come and go, and nothing that has not happened."""

import ctypes
import os
import shutil
import struct
import threading
import time

import pytest
from following import Follower, opened, ready, until
from harness import LIMIT, line_of

ADD = {"type": "todo_added", "data": {"text": "x"}, "ts": 1}
LINE = '{"type":"a","data":%d}'
CLOSE = 0.1  # so long the daemon waits for a close, before it tells of one
QUIET = 4 * CLOSE
TRIES = 10
ONCE = ["CLOSE_WRITE,CLOSE", "MODIFY"]


class Watch(Follower):
    """inotifywait -m, ready: each line is "FILE EVENTS"."""

    def __init__(self, m, path, events="modify,close_write,create,delete"):
        super().__init__(["inotifywait", "-m", "-e", events, "--format", "%w%f %e", path], cwd=m.mnt)
        self.until(rb"Watches established")

    def told(self, name, n, quiet=QUIET):
        """The next n events, if they are all on this file; fails if there are more."""
        found = []
        while len(found) < n:
            file, what = self.line().split(" ")
            if file == name:
                found.append(what)
        while self.more(quiet):
            file, what = self.line().split(" ")
            assert file != name, f"{what} on {file} after {found}"
        return sorted(found)

    def once(self, append, cuts=False):
        """`append` is told of so, once. Who is too slow to close has a CLOSE_WRITE before it as well: then it's tried again, for on a busy
        machine anybody may be that, but not each time."""
        for _ in range(TRIES):
            begin = time.monotonic()
            append()
            found, late = [], []
            while not set(ONCE) <= set(found) or self.more(QUIET):
                file, what = self.line().split(" ")
                if file == "events/app":
                    (late if what == ONCE[0] in found and time.monotonic() > begin + CLOSE else found).append(what)
            if not late:
                break
        # Of a cut as well; which the kernel leaves out where the write comes before anybody has read that.
        assert (sorted(found), late) in [(ONCE, [])] + [(ONCE + ["MODIFY"], [])] * cuts


APPENDS = {
    "shell": "echo '%s' >> mnt/events/app",
    "truncating": "echo '%s' > mnt/events/app",
    "tee": "echo '%s' | tee -a mnt/events/app > /dev/null",
    "dd": "echo '%s' | dd conv=notrunc of=mnt/events/app status=none",
    "conditional": "echo '%s' >> mnt/events/app@$(cat mnt/head/app)",
    "beside a reader": "exec 3< mnt/events/app; cat <&3; echo '%s' > mnt/events/app",
}


@pytest.mark.parametrize("watched", ["events/app", "events"])
@pytest.mark.parametrize("how", APPENDS)
def test_an_append_is_told_once(new_mount, watched, how):
    m = new_mount(reducers=[])
    # Where a file is cut, the kernel tells who watches the directory of that, too, as on any filesystem.
    cuts = watched == "events" and " > mnt/events/app" in APPENDS[how]
    with Watch(m, watched) as w:
        for i in range(3):
            w.once(lambda: m.sh(APPENDS[how] % (LINE % i)), cuts)
    assert len(m.events()) >= 3


@pytest.mark.parametrize("options", ["sync=close", "sync=none"])
def test_an_append_is_told_once_in_each_mode(new_mount, options):
    m = new_mount(reducers=[], options=options)
    with Watch(m, "events/app") as w:
        for i in range(1, 4):
            w.once(lambda: m.append(ADD))
            assert len(m.events()) >= i


@pytest.mark.parametrize("flags", [os.O_APPEND, 0])
def test_a_writer_that_does_not_close(new_mount, flags):
    """It has a CLOSE_WRITE all the same; but not one for each of its writes, and none again at its end."""
    m = new_mount(reducers=[])
    with Watch(m, "events/app") as w:
        with opened(m.app, os.O_WRONLY | flags) as fd:
            for _ in range(2):
                os.write(fd, line_of(ADD))
                assert w.told("events/app", 2) == ONCE
        # The kernel's own, where the file that is watched is the one that was written.
        assert w.told("events/app", 1 if flags else 0) == ONCE[:1] * bool(flags)


@pytest.mark.parametrize("watched", ["events/app", "events"])
def test_writers_who_meet(new_mount, watched):
    """The second has a node of its own: the watch, which is on the file's, hears of it even so; of each append once."""
    m = new_mount(reducers=[])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        with Watch(m, watched) as w:
            for i in range(3):
                w.once(lambda: m.sh(APPENDS["shell"] % (LINE % i)))
            os.write(fd, line_of(ADD))
            assert w.told("events/app", 2) == ONCE
    # And one who watches the file while somebody else's node is the last that was looked up.
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        with Watch(m, watched) as w:
            w.once(lambda: m.sh(APPENDS["shell"] % (LINE % 3)))
        with Watch(m, watched) as w:
            os.write(fd, line_of(ADD))
            assert w.told("events/app", 2) == ONCE


class OwnWatch:
    """Of this very thread."""

    LIBC = ctypes.CDLL(None, use_errno=True)
    NAMES = {0x2: "MODIFY", 0x8: "CLOSE_WRITE,CLOSE"}

    def __init__(self, path):
        self.fd = self.LIBC.inotify_init1(os.O_CLOEXEC)
        assert self.LIBC.inotify_add_watch(self.fd, os.fsencode(path), 0x2 | 0x8) >= 0

    def told(self, n):
        """The next n, and that there are no more for a while."""
        found = []
        while ready(self.fd, LIMIT if len(found) < n else QUIET):
            data = os.read(self.fd, 4096)
            found += [self.NAMES[struct.unpack_from("iI", data, at)[1]] for at in range(0, len(data), 16)]
        return sorted(found)


def test_a_watch_by_a_thread_that_appends_beside_others(new_mount):
    """Where it looks the name up it may have been offered a node for its next append; whatever comes to the file is told there even so."""
    m = new_mount(reducers=[])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as others:

        def watches():
            for _ in range(2):
                with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
                    os.write(fd, line_of(ADD))
            w = OwnWatch(m.app)
            w.told(0)  # perhaps of what came just before
            # It appends itself: through another node than the one that it watches.
            with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
                os.write(fd, line_of(ADD))
            yield w.told(2)
            yield w.told(2)
            # A child of it, which has another thread's id.
            m.sh(APPENDS["shell"] % (LINE % 1))
            yield w.told(2)
            m.sh(APPENDS["truncating"] % (LINE % 1))
            yield w.told(2)

        told = []
        thread = threading.Thread(target=lambda: told.extend(steps(watches(), os.write, others, line_of(ADD))))
        thread.start()
        thread.join(LIMIT)
        assert told == [ONCE] * 4
    assert len(m.events()) == 6


def steps(each, between, *args):
    """All that it gives; after the first something else is done."""
    found = [next(each)]
    between(*args)
    return found + list(each)


def test_an_event_without_its_newline(new_mount):
    """It is appended at the close: whoever is told by MODIFY only is told then."""
    m = new_mount(reducers=[])
    with Watch(m, "events/app", "modify") as w:
        m.sh("printf '%s' '" + line_of(ADD).decode().strip() + "' >> mnt/events/app")
        while not m.events():
            assert w.line()
        assert w.more(LIMIT), "of the write, and of the append"


def test_nothing_is_appended_and_nothing_told(new_mount):
    m = new_mount(reducers=["count"])
    m.append(ADD)
    m.view("count")
    with Watch(m, "events/app") as w:
        m.sh("echo rotate > mnt/ctl; cat mnt/events/app > /dev/null; touch -c mnt/head/app")
        assert w.told("events/app", 0) == []


@pytest.mark.parametrize("how", APPENDS)
def test_entr_runs_once(new_mount, how):
    if not shutil.which("entr"):
        pytest.skip("entr is not installed")
    m = new_mount(reducers=[])
    with Follower(f"exec entr -n grep -c '' {m.app} <<< {m.app}") as w:
        assert w.line() == "0"
        runs = i = 0
        while runs < 2:
            assert not w.more(QUIET), f"{w.line()}: twice for one"
            m.sh(APPENDS[how] % (LINE % i))
            i += 1
            # What changes while it is busy with the last change is lost on it, on any file system: once more.
            if w.more(1):
                assert w.line() == str(i)
                runs += 1


FILES = ["v.hash", "v.json", "v.offset", "v.snapshot.json"]


def take(w, what, names):
    """Reads on until all of these have been told of so."""
    left = {f"views/{name} {what}" for name in names}
    seen = []
    while left:
        seen.append(w.line())
        left.discard(seen[-1])
    return seen


def test_views_come_and_go(new_mount):
    """As files do, although nobody looks at anything; again and again, with files of theirs open."""
    m = new_mount(reducers=["count"])
    reducer = m.data / "reducers/v.jq"

    def define(text):
        (m.data / "new").write_text(text)
        os.replace(m.data / "new", reducer)

    with Watch(m, "views") as w, Watch(m, "views", "create,delete") as both:
        for _ in range(3):
            define(".[$event.type] += 1")
            take(w, "CREATE", FILES)
            take(w, "CLOSE_WRITE,CLOSE", ["v.json"])
            with opened(m.mnt / "views/v.json"), opened(m.mnt / "views/v.hash"):
                define("(((")
                take(w, "CREATE", ["v.error"])
                define("1")
                take(w, "DELETE", ["v.error"])
                m.append(ADD)
                assert m.raw_view("v") == b"1\n"
                reducer.unlink()
                take(w, "DELETE", FILES)
            assert sorted(n for n in os.listdir(m.mnt / "views") if n.startswith("v.")) == []
        want = [*FILES, "v.error", "v.error", *FILES] * 3
        told = [both.line() for _ in want]
        assert sorted(line.split(" ")[0] for line in told) == sorted(f"views/{name}" for name in want), "each once"
        assert not both.more(QUIET), both.line()


def test_a_broken_view_goes_with_its_error(new_mount):
    m = new_mount(reducers=[])
    (m.data / "reducers/v.jq").write_text("(((")
    until(lambda: (m.mnt / "views/v.error").exists())
    with Watch(m, "views", "create,delete") as w:
        while w.more(QUIET):  # of its coming
            w.line()
        (m.data / "reducers/v.jq").unlink()
        take(w, "DELETE", [*FILES, "v.error"])
        assert not w.more(QUIET), w.line()


def test_a_file_that_goes_while_it_is_watched(new_mount):
    m = new_mount(reducers=["count"])
    with Watch(m, "views/count.json", "modify,delete_self") as w:
        (m.data / "reducers/count.so").unlink()
        while "DELETE_SELF" not in w.line():
            pass


def test_nobody_else_makes_or_removes_files(new_mount):
    m = new_mount(reducers=["count"])
    for name in ("views/x.json", "views/count.error", "tail/.events-app", "events/x"):
        with pytest.raises(PermissionError):
            os.mknod(m.mnt / name)
        assert not (m.mnt / name).exists()
    for name in ("views/count.json", "events/app"):
        with pytest.raises(PermissionError):
            os.unlink(m.mnt / name)
        assert (m.mnt / name).exists()
