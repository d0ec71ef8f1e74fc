"""The processes that keep the views: stopped, stuck or lost, they are replaced, and no view is blamed for it."""

import os
import signal
import threading
import time
from pathlib import Path

from harness import LIMIT, event

BAD = Path(__file__).resolve().parents[1] / "unit/reducers_bad"


class Later(threading.Thread):
    """A call that may hang."""

    def __init__(self, call, *args):
        super().__init__(daemon=True)
        self.call, self.args = call, args
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.call(*self.args)
        except BaseException as e:  # noqa: B902
            self.error = e

    def get(self):
        self.join(LIMIT)
        assert not self.is_alive(), f"no answer within {LIMIT} s"
        if self.error:
            raise self.error
        return self.result


def worker(m):
    return m.status()["worker"]["pid"]


def test_an_idle_worker_that_is_stopped(m):
    m.append(event(0))
    assert m.view("count") == {"count": 1}
    time.sleep(0.5)  # it has gone to sleep
    stopped = worker(m)
    os.kill(stopped, signal.SIGSTOP)
    m.append(event(1))
    assert Later(m.view, "count").get() == {"count": 2}
    assert worker(m) != stopped
    assert m.status()["views"]["count"]["error"] is None


def test_a_worker_that_is_stopped_in_an_event(new_mount, compile_reducer):
    m = new_mount.prepare()
    m.enable(compile_reducer(BAD / "slow.c"))
    m.start()
    m.append(*(event(i) for i in range(499)))
    assert m.view("slow") == 499
    m.append(event(499))
    time.sleep(0.05)  # in the middle of 300 ms
    stopped = worker(m)
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(2)  # longer than reduce_timeout
    try:
        os.kill(stopped, signal.SIGCONT)
    except ProcessLookupError:
        pass  # it has been replaced
    assert Later(m.view, "slow").get() == 500
    assert Later(m.view, "count").get() == {"count": 500}
