"""Files that are opened by no name of the mount's, from another namespace, or by a thread that dies over it: beside others who write
and read, each gets the right bytes, and nobody hears of ESTALE."""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading

import pytest
from harness import FULL, LIMIT, event, line_of, scaled, wait_gone

LINE = '{"type":"a","data":1,"ts":7}'


@pytest.fixture
def busy(m):
    """Others are at work: handles with older states are open, and somebody appends."""
    with contextlib.ExitStack() as stack:
        for i in range(3):
            m.append(event(3 * i))
            for name in ("views/todos.json", "views/types.json", "views/count.offset", "head/app", "events/app"):
                f = stack.enter_context(open(m.mnt / name, "rb", buffering=0))
                os.pread(f.fileno(), 10, 0)
        stack.enter_context(open(m.app, "ab", buffering=0))
        done = threading.Event()
        written = []

        def write():
            while not done.is_set():
                m.append('{"type":"other","ts":1}')
                written.append(1)
                done.wait(0.002)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield m
        finally:
            done.set()
            writer.join(LIMIT)
    assert m.history().count(b'"other"') == len(written)


def is_fresh(m, name, text):
    """A state that was read just now, beside the writer: whole, and nothing older than what this test wrote last."""
    if name.endswith("types.json"):
        return json.loads(text)["a"] == m.history().count(b'"type":"a"')
    return int(text.split(b":")[0]) > 0


def test_proc_self_fd_to_read(busy):
    m = busy
    for name in ("views/types.json", "views/count.offset", "head/app"):
        fd = os.open(m.mnt / name, os.O_RDONLY)
        for _ in range(20):
            m.append(LINE)
            again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
            text = os.read(again, 1 << 20)
            assert text.endswith(b"\n") and is_fresh(m, name, text)
            # Through the cache it may be an older one, but a whole one.
            sent = os.memfd_create("sent")
            while os.sendfile(sent, again, None, 1 << 20):
                pass
            sent_text = os.pread(sent, 1 << 20, 0)
            os.close(sent)
            assert sent_text == b"" or sent_text.endswith(b"\n") and sent_text.count(b"\n") == 1
            os.close(again)
        os.close(fd)


def test_proc_self_fd_to_write(busy):
    m = busy
    for flags in (os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC, os.O_RDWR, os.O_RDONLY):
        fd = os.open(m.app, flags)
        for how in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
            again = os.open(f"/proc/self/fd/{fd}", how)
            assert os.write(again, line_of(LINE)) == len(LINE) + 1
            os.close(again)
        os.close(fd)
    assert m.history().count(line_of(LINE)) == 12


COMMANDS = [
    f"echo '{LINE}' > /dev/stdout",
    f"echo '{LINE}' > /dev/fd/1",
    "sh say.sh 2>&1",
    f"echo '{LINE}' | tee -a /dev/stderr 2>&1 > /dev/null",
    f"echo '{LINE}' | cp /dev/stdin /dev/stdout",
]


@pytest.mark.parametrize("redirect", [">", ">>", "1<>"])
def test_dev_stdout_and_stderr(busy, redirect):
    m = busy
    (m.path / "say.sh").write_text(f"echo '{LINE}' > /dev/stderr\n")
    for i, command in enumerate(COMMANDS):
        m.sh(f"( {command} ) {redirect} mnt/events/app")
        assert m.history().count(line_of(LINE)) == i + 1, command
    m.sh(f"echo '{LINE}' | tee /dev/stdout {redirect} mnt/events/app")
    m.sh(f"sh say.sh 2{redirect.lstrip('1')} mnt/events/app")
    assert m.history().count(line_of(LINE)) == len(COMMANDS) + 3


def namespaced(m, commands, flags="-m", **kwargs):
    """Runs shell commands in a namespace of their own, where root may mount."""
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    return m.sh(f"unshare {flags} bash -ec {subprocess.list2cmdline([commands])}", **kwargs).stdout


def test_a_file_mounted_somewhere_else(busy):
    m = busy
    (m.path / "state").touch()
    (m.path / "log").touch()
    out = namespaced(
        m,
        f"""
mount --bind mnt/views/types.json state
mount --bind mnt/events/app log
for i in 1 2 3 4 5; do
	echo '{LINE}' >> log
	jq -r .a state
	echo '{LINE}' > log
	jq -r .a state
	busybox cat state | tail -c 2
	cat log | grep -c '"a"'
done""",
    ).decode()
    lines = out.split()
    assert len(lines) == 20, out
    for i in range(5):
        one, two, brace, count = lines[4 * i : 4 * i + 4]
        assert (int(one), int(two), brace, int(count)) == (2 * i + 1, 2 * i + 2, "}", 2 * i + 2)


def test_overlayfs_over_the_mount(busy):
    m = busy
    if "overlay" not in open("/proc/filesystems").read() and subprocess.run(["modprobe", "-q", "overlay"]).returncode != 0:
        pytest.skip("this kernel has no overlayfs")
    for name in ("upper", "work", "over"):
        (m.path / name).mkdir()
    out = namespaced(
        m,
        f"""
mount -t tmpfs none upper
mkdir upper/u upper/w
mount -t overlay overlay -o lowerdir=mnt,upperdir=upper/u,workdir=upper/w over
for i in 1 2 3 4 5; do
	echo '{LINE}' >> mnt/events/app
	jq -r .a over/views/types.json
	grep -c '"a"' over/events/app
	cp over/views/types.json copy
	jq -r .a copy
done""",
    ).decode()
    lines = [int(n) for n in out.split()]
    assert len(lines) == 15, out
    for i in range(5):
        # Overlayfs keeps a cache of its own for what cp reads: that may be older, and is a whole state.
        assert lines[3 * i : 3 * i + 2] == [i + 1, i + 1] and 0 < lines[3 * i + 2] <= i + 1, lines


def test_another_namespace_of_processes(busy):
    m = busy
    out = namespaced(
        m,
        f"""
exec 3< mnt/views/types.json
for i in 1 2 3 4 5; do
	echo '{LINE}' > mnt/events/app
	jq -r .a mnt/views/types.json
	echo '{LINE}' >> mnt/events/app
	jq -r .a mnt/views/types.json
	busybox cat mnt/views/types.json | tail -c 2
	wc -l < mnt/views/types.json
done""",
        "-p -f",
    ).decode()
    lines = out.split()
    assert len(lines) == 20, out
    for i in range(5):
        assert lines[4 * i : 4 * i + 4] == [str(2 * i + 1), str(2 * i + 2), "}", "1"]


def test_killed_while_opening(busy):
    """Between ESTALE and the next look-up, as it may happen."""
    m = busy
    rng = random.Random(3)
    kills = 1000 if FULL else scaled(60)
    program = "import os, sys\nwhile True:\n for p in sys.argv[1:]:\n  os.close(os.open(p, os.O_RDONLY))\n"
    for _ in range(kills // 4):
        four = [
            subprocess.Popen(["/usr/bin/python3", "-SEc", program, m.mnt / "views/types.json", m.mnt / "head/app"], stderr=subprocess.PIPE)
            for _ in range(4)
        ]
        # They end by the signal, or this is not what it is for.
        fds = [os.pidfd_open(p.pid) for p in four]
        wait_gone(fds[0], 0.05 + rng.random() / 50)
        for p, fd in zip(four, fds):
            p.send_signal(signal.SIGKILL)
            assert wait_gone(fd, LIMIT)
            os.close(fd)
            _, error = p.communicate()
            assert p.returncode == -signal.SIGKILL, error.decode()
        m.append(LINE)
        assert is_fresh(m, "views/types.json", (m.mnt / "views/types.json").read_bytes())
    # Whoever comes next has a node of his own as ever, and all of them end.
    a = os.open(m.mnt / "views/types.json", os.O_RDONLY)
    text = os.pread(a, 1 << 20, 1)
    m.append(LINE)
    b = os.open(m.mnt / "views/types.json", os.O_RDONLY)
    for fd, want in ((a, text), (b, os.pread(b, 1 << 20, 1))):
        sent = os.memfd_create("sent")
        os.sendfile(sent, fd, 1, 1 << 20)
        assert os.pread(sent, 1 << 20, 0) == want
        os.close(sent)
        os.close(fd)
