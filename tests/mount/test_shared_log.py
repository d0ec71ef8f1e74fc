"""A shared log as the daemon has it: its agent is this test, so that each outcome can be had at will. No engine is needed."""

import errno
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest
from agent import APPENDED, BATCH, BEGIN, FATAL, MINE, MOVED, PROGRAM, PROPOSE, REFUSED
from following import until
from harness import LIMIT, Mount, eventfold, sh

EMPTY = hashlib.sha256().hexdigest()
OTHER = {"machine": "0123456789abcdef", "boot": "0" * 32}


def line(i, **more):
    return json.dumps({"type": "n", "data": {"i": i}, "ts": 1700000000, **more}).encode() + b"\n"


def batch(history, lines, n=1, groups=None, **more):
    """What another machine has appended behind these bytes of history."""
    header = {
        "v": 1,
        "from": len(history),
        "before": hashlib.sha256(history).hexdigest(),
        "to": len(history) + len(lines),
        "after": hashlib.sha256(history + lines).hexdigest(),
        **OTHER,
        "n": n,
        "time": 1700000000,
    }
    if groups:
        header["groups"] = groups
    return json.dumps(header | more).encode() + b"\n" + lines


class Proposal:
    def __init__(self, text):
        header, _, self.lines = text.partition(b"\n")
        self.header = json.loads(header)
        self.n = self.header["n"]


class Agent:
    """One that the daemon has started."""

    def __init__(self, conn):
        self.conn = conn
        self.data = b""
        conn.settimeout(LIMIT)

    def frame(self):
        while len(self.data) < 8 or len(self.data) < 8 + struct.unpack("II", self.data[:8])[1]:
            more = self.conn.recv(1 << 20)
            assert more, "the daemon is gone"
            self.data += more
        kind, size = struct.unpack("II", self.data[:8])
        text, self.data = self.data[8 : 8 + size], self.data[8 + size :]
        return kind, text

    def want(self, *wanted):
        """The next frame of these kinds; others may come before it."""
        while True:
            kind, text = self.frame()
            if kind in wanted:
                return Proposal(text) if kind == PROPOSE else json.loads(text)

    def send(self, kind, text):
        if not isinstance(text, bytes):
            text = json.dumps(text).encode()
        self.conn.sendall(struct.pack("II", kind, len(text)) + text)

    def mine(self, p):
        self.send(MINE, {"n": p.n})

    def moved(self, p):
        self.send(MOVED, {"n": p.n})

    def end(self):
        self.conn.shutdown(socket.SHUT_RDWR)
        self.conn.close()


class Shared:
    def __init__(self, path, monkeypatch):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path / "agent"))
        self.server.listen()
        self.server.settimeout(LIMIT)
        program = path / "eventfold-cluster"
        program.write_text(PROGRAM.format(path=str(path / "agent")))
        program.chmod(0o755)
        monkeypatch.setenv("EVENTFOLD_CLUSTER", str(program))

    def options(self, more=""):
        return ",".join(filter(None, ["cluster=http://127.0.0.1:1,log=test", more]))

    def agent(self):
        with self.server.accept()[0] as program:
            return Agent(socket.socket(fileno=socket.recv_fds(program, 1, 1)[1][0]))


@pytest.fixture
def shared(socket_dir, monkeypatch):
    s = Shared(socket_dir, monkeypatch)
    yield s
    s.server.close()


@pytest.fixture
def mounted(shared, new_mount):
    """mounted(options) → the mount, its agent, and what that was told first."""

    def make(more="", **kwargs):
        m = new_mount(options=shared.options(more), **kwargs)
        agent = shared.agent()
        return m, agent, agent.want(BEGIN)

    return make


class Writer(threading.Thread):
    """Writes once, and knows how that ended."""

    def __init__(self, path, data):
        super().__init__(daemon=True)
        self.path, self.data, self.result = path, data, None
        self.start()

    def run(self):
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            self.result = os.write(fd, self.data)
            os.close(fd)
        except OSError as e:
            self.result = e.errno
            try:
                os.close(fd)
            except OSError:
                pass

    def end(self):
        self.join(LIMIT)
        assert not self.is_alive()
        return self.result


def in_thread(call):
    """Begins it. What it gives: what came of it, or its errno."""
    results = []

    def run():
        try:
            results.append(call())
        except OSError as e:
            results.append(e.errno)

    t = threading.Thread(target=run, daemon=True)
    t.start()

    def result():
        t.join(LIMIT)
        return results[0]

    return result


def log_of(m):
    return m.app.read_bytes()


def test_it_waits_for_its_place_in_the_order(mounted):
    m, agent, begin = mounted()
    assert begin["head"] == f"0:{EMPTY}" and begin["proposed"] == 0 and begin["log"] == "test"
    assert begin["endpoints"] == ["http://127.0.0.1:1"] and len(begin["machine"]) == 16
    w = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    assert p.lines == line(1) and w.is_alive() and log_of(m) == b""
    assert p.header["after"] == hashlib.sha256(p.lines).hexdigest() and p.header["before"] == EMPTY
    agent.mine(p)
    assert w.end() == len(line(1)) and log_of(m) == line(1)
    assert agent.want(APPENDED)["head"] == f"{len(line(1))}:{p.header['after']}"


def test_what_others_append_is_there(mounted):
    m, agent, _ = mounted()
    history = b""
    for i in range(3):
        agent.send(BATCH, batch(history, line(i), i + 1))
        history += line(i)
    until(lambda: log_of(m) == history)
    assert m.view("count")["count"] == 3
    w = Writer(m.app, line(3))
    p = agent.want(PROPOSE)
    assert p.header["from"] == len(history)
    agent.mine(p)
    w.end()
    assert log_of(m) == history + line(3)


def test_who_comes_later_is_behind(mounted):
    m, agent, _ = mounted()
    w = Writer(m.app, line("mine"))
    first = agent.want(PROPOSE)
    agent.send(BATCH, batch(b"", line("other")))
    agent.moved(first)
    second = agent.want(PROPOSE)
    assert second.header["from"] == len(line("other")) and second.n == first.n + 1
    agent.mine(second)
    w.end()
    assert log_of(m) == line("other") + line("mine")


@pytest.mark.parametrize("went_in", [True, False])
def test_an_agent_that_dies_is_told_again(mounted, shared, went_in):
    m, agent, begin = mounted()
    w = Writer(m.app, line(1))
    first = agent.want(PROPOSE)
    agent.end()
    agent = shared.agent()
    again = agent.want(BEGIN)
    second = agent.want(PROPOSE)
    assert again["proposed"] == first.n == second.n and again["boot"] == begin["boot"]
    assert second.header == first.header and second.lines == first.lines
    if not went_in:
        agent.send(BATCH, batch(b"", line("other")))
        agent.moved(second)
        second = agent.want(PROPOSE)
    agent.mine(second)
    w.end()
    assert log_of(m) == (b"" if went_in else line("other")) + line(1)


def test_one_that_dies_behind_what_it_told(mounted, shared):
    m, agent, _ = mounted()
    agent.send(BATCH, batch(b"", line(0)))
    until(lambda: log_of(m) == line(0))
    agent.end()
    begin = shared.agent().want(BEGIN)
    assert begin["head"] == f"{len(line(0))}:{hashlib.sha256(line(0)).hexdigest()}" and begin["proposed"] == 0


def last_rejected(m):
    return json.loads((m.mnt / "rejected.jsonl").read_text().splitlines()[-1])


def test_a_refusal_says_why(mounted):
    m, agent, _ = mounted()
    w = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    agent.send(REFUSED, {"n": p.n, "errno": errno.EPERM, "why": "its rules are others"})
    assert w.end() == errno.EPERM and log_of(m) == b""
    assert last_rejected(m)["reason"] == "its rules are others"
    w = Writer(m.app, line(2))
    agent.mine(agent.want(PROPOSE))
    w.end()
    assert log_of(m) == line(2)


def test_nothing_is_appended_any_more(mounted):
    m, agent, _ = mounted()
    agent.send(BATCH, batch(b"", line(0)))
    agent.send(FATAL, {"why": "it is another log"})
    until(lambda: log_of(m) == line(0))
    until(lambda: Writer(m.app, line(1)).end() == errno.EROFS)
    assert last_rejected(m)["reason"] == "it is another log"
    assert log_of(m) == line(0) and m.view("count")["count"] == 1


def test_nothing_is_asked_for_that_could_not_be_appended(mounted):
    """Another program has written to the log: the engine hears of no further event."""
    m, agent, _ = mounted()
    w = Writer(m.app, line(1))
    agent.mine(agent.want(PROPOSE))
    assert w.end() == len(line(1))
    with open(m.data / "app.jsonl", "ab") as f:
        f.write(line(2))
    assert Writer(m.app, line(3)).end() == errno.EROFS
    m.unmount()
    with pytest.raises(AssertionError, match="the daemon is gone"):
        agent.want(PROPOSE)


def test_the_others_keep_what_is_not_certain_here(mounted):
    """By the time of the answer the journal has it; the position is told when that needs nobody's word any more."""
    m, agent, _ = mounted("journal=on")
    first = Writer(m.app, line(1))
    agent.mine(agent.want(PROPOSE))
    assert first.end() == len(line(1))
    until(lambda: m.status()["log"]["journal"]["used"])
    for i in (2, 3):
        before = log_of(m)
        w = Writer(m.app, line(i))
        p = agent.want(PROPOSE)
        until(lambda p=p: b"evfjrnp" in (m.data / "app.jsonl.journal").read_bytes() and p.lines in (m.data / "app.jsonl.journal").read_bytes())
        assert log_of(m) == before
        agent.mine(p)
        assert w.end() == len(p.lines)
    whole = f"{len(log_of(m))}:{hashlib.sha256(log_of(m)).hexdigest()}"
    told = None
    while told != whole:
        told = agent.want(APPENDED)["head"]
        assert told == whole or told.startswith(f"{len(line(1))}:") or told.startswith(f"{len(line(1) + line(2))}:")


@pytest.mark.parametrize("wrong", ["before", "after", "lines", "from", "group"])
def test_a_batch_that_does_not_lead_on(mounted, wrong):
    m, agent, _ = mounted()
    good = line(0) + line(1)
    agent.send(BATCH, batch(b"", line("first")))
    history = line("first")
    bad = {
        "before": batch(history, good, before=EMPTY),
        "after": batch(history, good, after=EMPTY),
        "lines": batch(history, good).replace(b'"i": 1', b'"i": 2'),
        "from": batch(history + b"x", good),
        "group": batch(history, good, groups=[[3, len(line(0))]]),
    }[wrong]
    agent.send(BATCH, bad)
    until(lambda: Writer(m.app, line(1)).end() == errno.EROFS)
    assert log_of(m) == history


def test_it_is_not_waited_for_ever(mounted):
    m, agent, _ = mounted("cluster_timeout=300ms")
    first = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    second = Writer(m.app, line(2))
    assert first.end() == errno.EIO and second.end() == errno.EIO
    reasons = [json.loads(l)["reason"] for l in (m.mnt / "rejected.jsonl").read_text().splitlines()]
    assert reasons[0].startswith("unknown") and reasons[1].startswith("it was not appended")
    agent.mine(p)
    until(lambda: log_of(m) == line(1))
    third = Writer(m.app, line(3))
    agent.mine(agent.want(PROPOSE))
    third.end()
    assert log_of(m) == line(1) + line(3)


def test_one_that_is_not_waited_for_and_did_not_enter(mounted):
    m, agent, _ = mounted("cluster_timeout=300ms")
    first = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    assert first.end() == errno.EIO
    agent.send(BATCH, batch(b"", line("other")))
    agent.moved(p)
    second = Writer(m.app, line(2))
    p = agent.want(PROPOSE)
    assert p.lines == line(2)
    agent.mine(p)
    second.end()
    assert log_of(m) == line("other") + line(2)


def test_a_writer_that_is_interrupted_goes(mounted):
    m, agent, _ = mounted()
    writer = subprocess.Popen(["bash", "-c", f"exec cat > {m.app}"], stdin=subprocess.PIPE)
    writer.stdin.write(line(1))
    writer.stdin.close()
    p = agent.want(PROPOSE)
    writer.send_signal(signal.SIGINT)
    assert writer.wait(LIMIT) != 0
    agent.mine(p)
    until(lambda: log_of(m) == line(1))


def test_an_import_that_is_interrupted_goes(mounted):
    """And tries nothing twice that may be on its way."""
    m, agent, _ = mounted()
    command = [eventfold(), "import", m.mnt, "-"]
    p = subprocess.Popen(command, cwd=m.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(line(1))
    p.stdin.close()
    proposal = agent.want(PROPOSE)
    p.send_signal(signal.SIGINT)
    assert p.wait(LIMIT) == 1 and p.stdout.read() == b"0 events imported\n"
    assert p.stderr.read().startswith(b"eventfold: -:1: unknown: the engine has not answered; it may be appended yet\n")
    agent.mine(proposal)
    until(lambda: log_of(m) == line(1))


def test_an_append_that_was_stopped_is_not_tried_twice(mounted):
    m, agent, _ = mounted()
    p = subprocess.Popen([eventfold(), "append", "--ts", "1700000000", m.mnt, "n", '{"i":1}'], stderr=subprocess.PIPE)
    proposal = agent.want(PROPOSE)
    p.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, p.pid, os.WSTOPPED | os.WNOWAIT)
    p.send_signal(signal.SIGCONT)
    assert p.wait(LIMIT) == 1 and b"it may be appended yet" in p.stderr.read()
    agent.mine(proposal)
    until(lambda: log_of(m) == proposal.lines)


def test_a_rotation_waits_for_nobody(mounted):
    m, agent, _ = mounted()
    agent.send(BATCH, batch(b"", line(0)))
    until(lambda: log_of(m) == line(0))
    w = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    later = Writer(m.app, line(2))
    (m.mnt / "ctl").write_text("rotate")
    assert m.status()["log"]["archived_bytes"] == len(line(0)) and w.is_alive()
    agent.mine(p)
    w.end()
    agent.mine(agent.want(PROPOSE))
    later.end()
    assert log_of(m) == line(0) + line(1) + line(2)


def test_a_log_that_ends_within_a_batch(shared, new_mount, tmp_path):
    m = new_mount.prepare(options=shared.options())
    (m.data / "app.jsonl").write_bytes(line(0) + line(1))
    m.start()
    agent = shared.agent()
    assert agent.want(BEGIN)["head"].startswith(f"{len(line(0) + line(1))}:")
    rest = line(1) + line(2) + line(3)
    agent.send(BATCH, batch(line(0), rest, groups=[[len(line(1)), len(line(2) + line(3))]]))
    until(lambda: log_of(m) == line(0) + rest)
    agent.want(APPENDED)


@pytest.mark.parametrize("error", [errno.EPERM, errno.EMSGSIZE])
def test_the_part_of_a_line_that_is_refused_is_no_beginning(mounted, error):
    """As a program has it that writes a block at a time."""
    m, agent, _ = mounted()
    fd = os.open(m.app, os.O_WRONLY)
    os.write(fd, line(1)[:10])
    writing = in_thread(lambda: os.write(fd, line(1)[10:]))
    agent.send(REFUSED, {"n": agent.want(PROPOSE).n, "errno": error, "why": "no"})
    assert writing() == error
    writing = in_thread(lambda: os.write(fd, line(2)))
    p = agent.want(PROPOSE)
    assert p.lines == line(2)
    agent.mine(p)
    assert writing() == len(line(2))
    os.close(fd)


def test_groups_stay_whole(mounted):
    m, agent, _ = mounted()
    group = b"[" + line(1).strip() + b"," + line(2).strip() + b"]\n"
    w = Writer(m.app, line(0) + group + line(3))
    p = agent.want(PROPOSE)
    (at, length), = p.header["groups"]
    events = [json.loads(l)["data"]["i"] for l in p.lines[at : at + length].splitlines()]
    assert events == [1, 2]
    agent.mine(p)
    assert w.end() == len(w.data)
    agent.send(BATCH, batch(p.lines, line(4) + line(5), groups=[[0, len(line(4) + line(5))]]))
    until(lambda: len(log_of(m).splitlines()) == 6)


def test_a_large_write_goes_in_pieces(mounted):
    m, agent, _ = mounted()
    lines = [json.dumps({"type": "n", "data": {"i": i, "x": "y" * 1000}}).encode() + b"\n" for i in range(3000)]
    cat = subprocess.Popen(["bash", "-c", f"cat >> {m.app}"], stdin=subprocess.PIPE)
    feeder = threading.Thread(target=lambda: (cat.stdin.write(b"".join(lines)), cat.stdin.close()))
    feeder.start()
    others, there = 0, b""
    while there.count(b"\n") < len(lines) + others:
        p = agent.want(PROPOSE)
        assert len(p.lines) <= 1 << 20
        if others < 3:
            other = line(f"other{others}")
            agent.send(BATCH, batch(there, other, n=others + 1))
            there += other
            others += 1
            agent.moved(p)
            continue
        there += p.lines
        agent.mine(p)
    feeder.join(LIMIT)
    assert cat.wait(LIMIT) == 0 and log_of(m) == there
    mine = [json.loads(l)["data"]["i"] for l in there.splitlines() if b"other" not in l]
    assert mine == list(range(3000))


def test_an_expectation_that_others_have_moved(mounted):
    m, agent, _ = mounted()
    w = Writer(m.mnt / "events/app@0:", line("mine"))
    p = agent.want(PROPOSE)
    agent.send(BATCH, batch(b"", line("other")))
    agent.moved(p)
    assert w.end() == errno.ESTALE and log_of(m) == line("other")


def test_once_over_machines(mounted):
    m, agent, _ = mounted()
    same, mine = line(1, id="a"), line(2, id="b")
    w = Writer(m.mnt / "events/app@once", same)
    p = agent.want(PROPOSE)
    agent.send(BATCH, batch(b"", same))
    agent.moved(p)
    assert w.end() == len(same) and log_of(m) == same  # another machine has had the same
    w = Writer(m.mnt / "events/app@once", mine)
    p = agent.want(PROPOSE)
    agent.send(BATCH, batch(same, line(3, id="b")))
    agent.moved(p)
    assert w.end() == errno.EEXIST and log_of(m) == same + line(3, id="b")


def test_rules_are_asked_again(mounted):
    m, agent, _ = mounted()
    (m.data / "reducers/last.jq").write_text("$event.data.i\n")
    (m.data / "rules/last.jq").write_text('if $event.data.i == (. // 0) + 1 then empty else "it is not the next" end\n')
    for i, wins in enumerate([True, False, True], 1):
        w = Writer(m.app, line(i))
        p = agent.want(PROPOSE)
        before = log_of(m)
        if wins:
            agent.mine(p)
            assert w.end() == len(line(i))
        else:
            agent.send(BATCH, batch(before, line(i, by="other")))
            agent.moved(p)
            assert w.end() == errno.EPERM
    assert [json.loads(l)["data"]["i"] for l in log_of(m).splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("sync", ["close", "none"])
def test_the_others_are_waited_for_in_every_mode(mounted, sync):
    m, agent, _ = mounted(f"sync={sync}")
    w = Writer(m.app, line(1))
    p = agent.want(PROPOSE)
    agent.send(REFUSED, {"n": p.n, "errno": errno.EPERM, "why": "no"})
    assert w.end() == errno.EPERM and log_of(m) == b"" and last_rejected(m)["reason"] == "no"
    w = Writer(m.app, line(2))
    p = agent.want(PROPOSE)
    assert w.is_alive()
    agent.mine(p)
    assert w.end() == len(line(2)) and log_of(m) == line(2)


def test_a_line_that_ends_with_the_close(mounted):
    m, agent, _ = mounted()
    w = Writer(m.app, line(1).strip())
    p = agent.want(PROPOSE)
    agent.send(REFUSED, {"n": p.n, "errno": errno.EPERM, "why": "no"})
    assert w.end() == errno.EPERM and log_of(m) == b"" and last_rejected(m)["reason"] == "no"


def test_it_ends_though_nobody_answers(mounted):
    m, agent, _ = mounted()
    w = Writer(m.app, line(1))
    agent.want(PROPOSE)
    m.terminate()
    assert w.end() in (errno.EIO, errno.ENOTCONN, errno.ECONNABORTED, errno.EINTR)


def test_there_is_no_room(shared, new_mount, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    m = new_mount.prepare(options=shared.options("journal=off"), reducers=())
    sh(f"mount -t tmpfs -o size=1m tmpfs {m.data}")
    try:
        m.start()
        agent = shared.agent()
        agent.want(BEGIN)
        (m.data / "ballast").write_bytes(b"x" * 700_000)
        lines = b"".join(line(i) for i in range(8000))[: 1 << 19]
        lines = lines[: lines.rindex(b"\n") + 1]
        agent.send(BATCH, batch(b"", lines))
        agent.send(BATCH, batch(lines, line("behind")))
        until(lambda: "no room" in m.stderr())
        part = log_of(m)
        assert lines.startswith(part) and len(part) < len(lines)
        os.unlink(m.data / "ballast")
        until(lambda: log_of(m) == lines + line("behind"))
        w = Writer(m.app, line("mine"))
        agent.mine(agent.want(PROPOSE))
        w.end()
        m.unmount()
    finally:
        if m in Mount.live:
            m.abandon()
        sh(f"umount {m.data}")


def test_without_the_program_it_says_so(shared, new_mount, monkeypatch):
    monkeypatch.setenv("EVENTFOLD_CLUSTER", "/nowhere/eventfold-cluster")
    m = new_mount.prepare(options=shared.options())
    done = subprocess.run(m.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
    assert done.returncode == 1 and b"eventfold-cluster" in done.stderr and b"not installed" in done.stderr
