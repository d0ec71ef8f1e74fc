"""Views that nobody waits for: they follow the log in a moment, and cost an append nothing."""

import os
import time

from following import child, opened, ready, until
from harness import event, line_of, scaled
from test_inotify import Watch

LINE = line_of({"type": "a", "data": 1})
BURST = 0.002  # appends that follow each other so soon are none that stands alone
MOMENT = 0.005  # so long a worker sleeps on behind the head
ATTENTION = 64  # appends that it is woken for at once after its views were read
BURSTS = 10  # of which one is not disturbed by whatever else the machine does


def sleeps(pid):
    """How often the threads of a process have each gone to sleep, and so been woken."""
    n = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as status:
            n[thread] = int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return n


def woken(pid, before):
    """Since then, the one that was most often last."""
    return sorted(n - before.get(thread, 0) for thread, n in sleeps(pid).items())


def burst(fd, n):
    """Appends one after the other: how long that took, and how many stood alone."""
    begin = last = time.monotonic()
    alone = 0
    for _ in range(n):
        os.write(fd, LINE)
        now = time.monotonic()
        alone += now - last > BURST
        last = now
    return last - begin, alone


def at_head(m, *views):
    """Without a look at the views, which would have them folded."""
    status = m.status()
    return all(status["views"][view]["offset"] == status["log"]["offset"] for view in views)


def renderings(m):
    """Mappings that the daemon has of them."""
    with open(f"/proc/{m.pid}/maps") as maps:
        return sum("memfd:rendering" in line for line in maps)


def too_often(m, worker, fd, n):
    """In a burst: what the worker or the daemon is woken too often for; None: nothing."""
    worker_before, daemon_before = sleeps(worker), sleeps(m.pid)
    took, alone = burst(fd, n)
    of_worker, of_daemon = sum(woken(worker, worker_before)), woken(m.pid, daemon_before)
    # All but the two that an append is handed to: the keeper, and who raises inotify.
    few = of_worker <= alone + took / MOMENT + n / 20 and sum(of_daemon[:-2]) <= 30 * alone + 4 * took / MOMENT + n / 4
    return None if few else f"{of_worker} and {of_daemon} times, {n} appends in {took:.3f} s, {alone} of them alone"


def test_the_worker_sleeps_through_a_burst(new_mount):
    """Who is woken for each append is woken so in every burst; who waits for a lock or a processor, on a busy machine, only in some."""
    m = new_mount(reducers=["count", "types", "todos", "stats"])
    worker, n, found = m.status()["worker"]["pid"], 1000, []
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        assert m.view("count") == {"count": 0}
        burst(fd, 2 * ATTENTION)
        while not found or found[-1]:
            assert len(found) < BURSTS, found
            until(lambda: at_head(m, "count"))
            found.append(too_often(m, worker, fd, n))
    assert m.view("count") == {"count": 2 * ATTENTION + len(found) * n}


def test_it_is_woken_for_each_where_views_are_read(new_mount):
    """So that what is asked for next is there already."""
    m = new_mount(reducers=["count"])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        for i in range(1, scaled(300)):
            os.write(fd, LINE)
            assert m.view("count") == {"count": i}


def test_nobody_has_to_look(new_mount):
    """Appends alone, and in bursts: without a look the views come to the head by themselves."""
    m = new_mount(reducers=["count", "types"])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        for n in (1, 2, 300, 1, 50):
            burst(fd, n)
            until(lambda: at_head(m, "count", "types"))
        os.write(fd, b"".join(line_of(event(i)) for i in range(scaled(5000))))
        until(lambda: at_head(m, "count", "types"))


def test_who_polls_is_told_in_a_burst(new_mount):
    m = new_mount(reducers=["count"])
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd, opened(m.mnt / "views/count.json", os.O_RDONLY) as view:
        while os.read(view, 4096):
            pass
        for i in range(scaled(200)):
            os.write(fd, LINE)
            assert ready(view, 30)
            assert os.pread(view, 4096, 0) == b'{"count":%d}\n' % (i + 1)
            assert os.pread(view, 4096, 4096) == b""


def test_a_burst_ends_with_a_notice(new_mount):
    """Few in between, in one burst at least that is not disturbed; and in each the last one when the view has all."""
    m = new_mount(reducers=["count"])
    n, found = 500, []
    with Watch(m, "views/count.json", "modify") as w, opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        for total in (n, 2 * n, 3 * n):
            with child(lambda: burst(fd, n)):
                while w.line() and m.view("count")["count"] < total:
                    pass
        while not found or found[-1]:
            assert len(found) < BURSTS, found
            _, alone = burst(fd, n)
            told = 0
            while w.more(0.4):
                w.line()
                told += 1
            found.append(None if 0 < told <= 2 * alone + n / 5 else f"{told} times, {n} appends, {alone} of them alone")


def test_a_large_rendering_is_let_go(new_mount):
    """Once nobody has read it for a while, and nobody has it open; the next look has it made again."""
    m = new_mount(reducers=["count"])
    (m.mnt / "reducers/large.jq").write_text("[range(200000)]")
    m.append(line_of(event(1)))
    state = m.raw_view("large")
    assert len(state) > 1 << 20 and renderings(m) > 0
    until(lambda: renderings(m) == 0, "the rendering", 60)
    assert m.raw_view("large") == state
    m.remount()
    assert m.raw_view("large") == state
