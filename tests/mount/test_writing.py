"""Every way of writing to events/app appends, line by line, and says what was wrong."""

import base64
import errno
import os
import random
import subprocess
import threading
import time

import pytest

from harness import LIMIT

A = b'{"type":"a","data":1,"ts":1}\n'
B = b'{"type":"b","data":2,"ts":2}\n'
C = b'{"type":"c","data":3,"ts":3}\n'
BAD = b'{"type":"x","data":01}\n'


def raises(number, call, *args):
    with pytest.raises(OSError) as caught:
        call(*args)
    assert caught.value.errno == number, os.strerror(caught.value.errno)


@pytest.mark.parametrize(
    "command",
    [
        "cat new >> mnt/events/app",
        "cat new > mnt/events/app",
        "tee mnt/events/app < new > /dev/null",
        "tee -a mnt/events/app < new > /dev/null",
        "dd if=new of=mnt/events/app status=none",
        "dd if=new of=mnt/events/app bs=7 status=none",
        "dd if=new of=mnt/events/app bs=7 seek=100 conv=notrunc status=none",
        "cp new mnt/events/app",
        "cp --sparse=never new mnt/events/app",
        "python3 -c 'import shutil; shutil.copyfile(\"new\", \"mnt/events/app\")'",
        "while IFS= read -r line; do printf '%s\\n' \"$line\"; done < new >> mnt/events/app",
    ],
)
def test_each_way_of_writing_appends(m, command):
    m.append(A)
    (m.path / "new").write_bytes(B + C)
    m.sh(command)
    assert m.history() == A + B + C
    assert m.view("types") == {"a": 1, "b": 1, "c": 1}


def test_position_does_not_matter(m):
    m.append(A)
    fd = os.open(m.app, os.O_RDWR)
    assert os.pwrite(fd, B, 0) == len(B)
    os.lseek(fd, 5, os.SEEK_SET)
    assert os.write(fd, C) == len(C)
    assert os.pread(fd, 1000, 0) == A + B + C
    os.close(fd)


def test_trunc_truncates_nothing(m):
    m.append(A)
    os.close(os.open(m.app, os.O_WRONLY | os.O_TRUNC))
    assert m.history() == A
    m.sh(": > mnt/events/app")
    assert m.history() == A


def test_the_log_saved_over_itself_is_refused(m):
    m.append(A, B)
    (m.path / "edited").write_bytes(A + C)
    done = m.sh("cat edited > mnt/events/app", check=False)
    assert done.returncode != 0 and b"not permitted" in done.stderr
    fd = os.open(m.app, os.O_WRONLY | os.O_TRUNC)
    assert os.write(fd, A[:10]) == 10
    raises(errno.EPERM, os.write, fd, A[10:] + C)
    try:
        os.close(fd)
    except OSError:
        pass
    assert m.sh("sort -o mnt/events/app mnt/events/app", check=False).returncode != 0
    assert m.history() == A + B
    # Appending the same line again is nobody's mistake, nor is another first line.
    m.sh("head -n 1 edited >> mnt/events/app")
    m.sh("tail -n 1 edited > mnt/events/app")
    assert m.history() == A + B + A + C
    # More of this is in test_saving.py.


def test_history_cannot_be_changed(m):
    m.append(A)
    app = str(m.app)
    other = str(m.mnt / "events/other")
    raises(errno.EPERM, os.truncate, app, 0)
    raises(errno.EPERM, os.truncate, app, 1000)
    raises(errno.EPERM, os.unlink, app)
    raises(errno.EPERM, os.rename, app, other)
    raises(errno.EPERM, os.chmod, app, 0o600)
    raises(errno.EPERM, os.link, app, other)
    raises(errno.EPERM, os.setxattr, app, "user.x", b"1")
    raises(errno.EPERM, os.chown, app, 12345, 12345)
    fd = os.open(app, os.O_RDWR)
    raises(errno.EPERM, os.ftruncate, fd, 3)
    os.close(fd)
    os.utime(app)
    os.utime(app, (1, 1))
    m.sh("touch mnt/events/app")
    assert m.history() == A


def test_a_line_over_several_writes(m):
    fd = os.open(m.app, os.O_WRONLY)
    for byte in A + B:
        assert os.write(fd, bytes([byte])) == 1
        assert m.history() in (b"", A, A + B)
    os.close(fd)
    assert m.history() == A + B


def test_handles_have_their_own_lines(m):
    fds = [os.open(m.app, os.O_WRONLY | os.O_APPEND) for _ in range(3)]
    lines = [A, B, C]
    for at in range(0, len(A), 5):
        for fd, line in zip(fds, lines):
            os.write(fd, line[at : at + 5])
    assert m.history() == A + B + C
    for fd in fds:
        os.close(fd)


def test_close_appends_a_whole_event_without_newline(m):
    m.sh("""printf %s '{"type":"a","data":1,"ts":1}' >> mnt/events/app""")
    assert m.history() == A
    assert m.view("count") == {"count": 1}


def test_close_says_that_a_line_is_no_event(m):
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + B[:10]) == len(A) + 10
    raises(errno.EINVAL, os.close, fd)
    assert m.history() == A
    # The last release has no answer, so it is seen only when the kernel has sent it.
    rejected = wait_rejected(m, 1)
    assert rejected[0]["line"] == B[:10].decode()


def test_a_dup_keeps_the_line(m):
    fd = os.open(m.app, os.O_WRONLY)
    os.write(fd, A[:10])
    copy = os.dup(fd)
    raises(errno.EINVAL, os.close, copy)
    assert m.rejected() == []
    os.write(fd, A[10:])
    os.close(fd)
    assert m.history() == A
    assert m.rejected() == []


def test_a_subshell_shares_the_line(m):
    m.sh("""{ printf '{"type":"a",'; (printf '"data":1,'); printf '"ts":1}\\n'; } >> mnt/events/app""")
    assert m.history() == A


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_one_line_by_several_programs(m, shell):
    """Each but the shell has inherited the descriptor: their exits end no line, and are no error."""
    data = os.urandom(3000)
    (m.path / "f").write_bytes(data)
    line = """printf '{"type":"f","data":"' && base64 -w0 f && printf '"}\\n'"""
    m.sh(f"""{shell} -ec "( {line.replace('"', chr(92) + '"')} ) >> mnt/events/app" """)
    m.sh(f"( {line} ) >> mnt/events/app")
    m.sh(f"{{ env {line.replace('&& printf', '&& env printf')}; }} >> mnt/events/app")
    for event in m.events():
        assert base64.b64decode(event["data"]) == data
    assert len(m.events()) == 3 and m.rejected() == []


def test_who_has_inherited_a_part_is_told_nothing_the_opener_is(m):
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    os.write(fd, A[:10])
    child = subprocess.run(["sh", "-c", "printf '%s' 'x'"], stdout=fd)
    assert child.returncode == 0
    # cat closes its standard output at the end, and looks at the answer.
    assert subprocess.run(["cat", "/dev/null"], stdout=fd).returncode == 0
    assert m.rejected() == []
    raises(errno.EINVAL, os.close, fd)
    assert wait_rejected(m, 1)[0]["line"] == A[:10].decode() + "x"
    assert m.history() == b""


def test_a_thread_closes_what_another_has_opened(m):
    fds = []
    opener = threading.Thread(target=lambda: fds.append(os.open(m.app, os.O_WRONLY)))
    opener.start()
    opener.join()
    os.write(fds[0], A[:10])
    hold = threading.Event()
    opener = threading.Thread(target=lambda: (fds.append(os.open(m.app, os.O_WRONLY)), hold.wait(30)))
    opener.start()
    while len(fds) < 2:
        pass
    os.write(fds[1], A[:10])
    raises(errno.EINVAL, os.close, fds[1])
    hold.set()
    opener.join()
    # Of a thread that is gone nobody knows whose it was; the part is kept in any case.
    try:
        os.close(fds[0])
    except OSError as e:
        assert e.errno == errno.EINVAL
    assert [e["line"] for e in wait_rejected(m, 2)] == [A[:10].decode()] * 2


def can_unshare():
    return subprocess.run(["unshare", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode == 0


PARTS = """( printf '{"type":"f","data":"' && printf abc | base64 -w0 && printf '"}\\n' ) >> mnt/events/app"""
HALF = "env printf half >> mnt/events/app"


@pytest.mark.skipif(not can_unshare(), reason="no pid namespaces here")
def test_writers_in_a_pid_namespace_below(m):
    shell = ["unshare", "--pid", "--fork", "bash", "-c"]
    assert subprocess.run(shell + [PARTS], cwd=m.path).returncode == 0
    assert [e["data"] for e in m.events()] == ["YWJj"]
    assert subprocess.run(shell + [HALF], cwd=m.path, stderr=subprocess.DEVNULL).returncode != 0
    assert wait_rejected(m, 1)[0]["line"] == "half"


@pytest.mark.skipif(not can_unshare(), reason="no pid namespaces here")
def test_writers_in_a_pid_namespace_that_cannot_be_seen(new_mount):
    """All of their ids are 0 then: here it is the daemon that is in one below."""
    m = new_mount.prepare(reducers=[])
    daemon = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *m.command()])
    try:
        for _ in range(LIMIT * 100):
            if os.path.ismount(m.mnt):
                break
            time.sleep(0.01)
        m.sh(PARTS)
        assert [e["data"] for e in m.events()] == ["YWJj"] and m.rejected() == []
        assert m.sh(HALF, check=False).returncode != 0
        (entry,) = wait_rejected(m, 1)
        assert entry["line"] == "half" and entry["pid"] == 0
        m.sh("fusermount3 -u mnt")
        assert daemon.wait(LIMIT) == 0
    finally:
        m.detach()
        daemon.kill()
        daemon.wait()


def test_a_bad_line_and_what_stands_behind_it_leave_a_trace(m):
    """A program that takes a short count for a whole one loses a part: not without a word."""
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + BAD + B + C) == len(A)
    assert [e["line"] for e in m.rejected()] == [BAD.decode().rstrip("\n")]
    assert os.write(fd, C) == len(C)
    bad, behind = m.rejected()
    assert behind["line"] == (B + C).decode() and behind["bytes"] == len(B + C)
    assert "behind" in behind["reason"] and behind["pid"] == os.getpid()
    os.close(fd)
    assert m.history() == A + C
    # Or nothing more comes: then the close says it.
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + BAD + B) == len(A)
    raises(errno.EINVAL, os.close, fd)
    assert [e["line"] for e in wait_rejected(m, 4)[2:]] == [BAD.decode().rstrip("\n"), B.decode()]
    assert m.history() == A + C + A


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sync", ["write", "close"])
def test_nothing_goes_without_a_word(new_mount, seed, sync):
    """A program that looks at no short count: each line is in the log, or refused by an errno, or in rejected.jsonl, once."""
    m = new_mount(options=f"sync={sync}", reducers=[])
    choose = random.Random(seed)
    stored, refused = [], []
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND)
    for number in range(100):
        count = choose.randint(1, 5)
        texts = [f'{{"type":"t","ts":{number},"data":{i}}}\n' for i in range(count)]
        texts = [t if choose.random() < 0.7 else t.replace("data", "type") for t in texts]
        bad = next((i for i, t in enumerate(texts) if "data" not in t), count)
        stored += texts[:bad]
        refused += [t[:-1] for t in texts[bad : bad + 1]]
        behind = "".join(texts[bad + 1 :])
        if bad > 0 and behind:  # else it has been told by an errno
            refused.append(behind)
        try:
            done = os.write(fd, "".join(texts).encode())
            assert done == len("".join(texts[:bad]))
        except OSError as e:
            assert bad == 0 and e.errno == errno.EINVAL
    try:
        os.close(fd)
    except OSError as e:
        assert e.errno == errno.EINVAL
    assert m.history().decode() == "".join(stored)
    assert [e["line"] for e in wait_rejected(m, len(refused))] == refused


@pytest.mark.parametrize("sync", ["close", "none"])
def test_a_bad_line_leaves_a_trace_where_writes_do_not_wait(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + BAD + B) == len(A)
    assert os.write(fd, C) == len(C)
    os.close(fd)
    assert [e["line"] for e in m.rejected()] == [BAD.decode().rstrip("\n"), B.decode()]
    assert m.history() == A + C


def test_a_long_refused_line_is_measured_and_cut_between_characters(m):
    for pad in range(3):
        line = b'{"type":"a","data":"' + b"x" * pad + "\u20ac".encode() * 9000 + b'"'
        fd = os.open(m.app, os.O_WRONLY)
        os.write(fd, line[:5000])
        raises(errno.EINVAL, os.write, fd, line[5000:] + b"\n")
        os.close(fd)
        entry = m.rejected()[-1]
        assert entry["bytes"] == len(line)
        assert entry["line"] == line[:4096].decode(errors="ignore")


def test_short_count_then_errno(m):
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + B + BAD + C) == len(A + B)
    assert m.history() == A + B
    raises(errno.EINVAL, os.write, fd, BAD + C)
    assert m.history() == A + B
    assert os.write(fd, C) == len(C)
    os.close(fd)
    assert m.history() == A + B + C
    assert len(m.rejected()) == 1


def test_bad_line_split_over_writes(m):
    fd = os.open(m.app, os.O_WRONLY)
    assert os.write(fd, A + BAD[:8]) == len(A) + 8
    raises(errno.EINVAL, os.write, fd, BAD[8:])
    assert os.write(fd, B) == len(B)
    os.close(fd)
    assert m.history() == A + B
    assert wait_rejected(m, 1)[0]["line"] == BAD.decode().rstrip("\n")


def test_cat_with_a_bad_line_loses_nothing_before_it(m):
    (m.path / "new").write_bytes(A + B + BAD + C)
    done = m.sh("cat new >> mnt/events/app", check=False)
    assert done.returncode != 0 and b"Invalid argument" in done.stderr
    assert m.history() == A + B


@pytest.mark.parametrize(
    "line, column",
    [
        ("nonsense", 1),
        ("[1]", 2),
        ("1", 1),
        ("{}", None),
        ('{"type":""}', None),
        ('{"type":1}', None),
        ('{"type":"a","type":"b"}', None),
        ('{"type":"a","\\u0074ype":"b"}', None),
        ('{"type":"a","ts":-1}', None),
        ('{"type":"a","ts":1.5}', None),
        ('{"type":"a","ts":18446744073709551616}', None),
        ('{"type":"a","id":1}', None),
        ('{"type":"a","actor":[]}', None),
        ('{"type":"a","data":}', 20),
        ('{"type":"a","data":01}', None),
        ('{"type":"a","data":"\\ud800"}', None),
        ('{"type":"a","data":1e999}', None),
        ('{"type":"a",}', None),
        ('{"type":"a"} x', 14),
        ('{"type":"a"}{"type":"b"}', 13),
        ('{"type":"a","data":' + "[" * 127 + "]" * 127 + "}", None),
    ],
)
def test_refused_lines_say_why(m, line, column):
    fd = os.open(m.app, os.O_WRONLY)
    raises(errno.EINVAL, os.write, fd, line.encode() + b"\n")
    os.close(fd)
    assert m.history() == b""
    (entry,) = m.rejected()
    assert entry["line"] == line and entry["bytes"] == len(line)
    assert entry["error"] == "EINVAL" and entry["pid"] == os.getpid()
    assert isinstance(entry["reason"], str) and entry["reason"]
    assert isinstance(entry["column"], int) and 1 <= entry["column"] <= len(line) + 1
    if column:
        assert entry["column"] == column
    assert m.status()["rejected"] == 1


@pytest.mark.parametrize("line", [b'{"type":"\xff"}', b'{"type":"a","data":"\x00"}', b'{"type":"a","data":"\xed\xa0\x80"}'])
def test_refused_bytes(m, line):
    fd = os.open(m.app, os.O_WRONLY)
    raises(errno.EINVAL, os.write, fd, line + b"\n")
    os.close(fd)
    assert len(m.rejected()) == 1 and m.history() == b""


def test_depth_127_is_the_most(m):
    good = b'{"type":"a","ts":1,"data":' + b"[" * 126 + b"]" * 126 + b"}\n"
    m.append(good)
    assert m.history() == good


def test_too_long(new_mount):
    m = new_mount(options="max_line=1000")
    fd = os.open(m.app, os.O_WRONLY)
    edge = b'{"type":"a","ts":1,"data":"'
    good = edge + b"x" * (1000 - len(edge) - 2) + b'"}\n'
    assert os.write(fd, good) == len(good)
    raises(errno.EMSGSIZE, os.write, fd, edge + b"x" * (1001 - len(edge) - 2) + b'"}\n')
    assert os.write(fd, A) == len(A)
    assert m.history() == good + A
    os.close(fd)
    # Over several writes: at the latest when the line ends.
    fd = os.open(m.app, os.O_WRONLY)
    with pytest.raises(OSError) as caught:
        for _ in range(20):
            os.write(fd, b"x" * 100)
        os.write(fd, b"\n")
    assert caught.value.errno == errno.EMSGSIZE
    try:
        os.close(fd)
    except OSError:
        pass
    assert m.history() == good + A


def test_only_the_last_thousand_are_kept(m):
    fd = os.open(m.app, os.O_WRONLY)
    for i in range(1003):
        raises(errno.EINVAL, os.write, fd, b"bad %d\n" % i)
    os.close(fd)
    lines = [entry["line"] for entry in m.rejected()]
    assert lines == [f"bad {i}" for i in range(3, 1003)]
    assert m.status()["rejected"] == 1003


def test_fsync(m):
    fd = os.open(m.app, os.O_WRONLY)
    os.write(fd, A)
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    m.sh("sync mnt/events/app")
    assert m.history() == A


def wait_rejected(m, n):
    """A release is not waited for by close(2); it comes at once all the same."""
    for _ in range(1000):
        entries = m.rejected()
        if len(entries) >= n:
            return entries
    raise AssertionError(f"still {len(entries)} refused lines")


def test_a_refused_cut_makes_the_handle_useless(m):
    """As vim saves: it opens without O_TRUNC, ignores that it may not cut the file, and writes all of it."""
    m.append('{"type":"a","data":1,"ts":1}')
    before = m.history()
    fd = os.open(m.app, os.O_WRONLY | os.O_CREAT)
    for call in (lambda: os.ftruncate(fd, 0), lambda: os.write(fd, b'{"type":"b"}\n')):
        with pytest.raises(PermissionError):
            call()
    os.close(fd)
    assert m.history() == before
    m.append('{"type":"b","data":1,"ts":1}')


@pytest.mark.parametrize("name", ["app@", "app@5", "app@x:y"])
def test_a_malformed_conditional_name_does_not_exist(m, name):
    with pytest.raises(FileNotFoundError):
        os.open(m.mnt / "events" / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


LONG_LINES = {
    "no event": (b"y" * 3_500_000 + b'{"type":"ghost"}\n', errno.EINVAL),
    "too long": (b'{"type":"a","data":"' + b"y" * 4_500_000 + b'"}\n', errno.EMSGSIZE),
    "ends with a request": (b"y" * ((3 << 20) - 1) + b'\n{"type":"ghost"}\n', errno.EINVAL),
}


@pytest.mark.parametrize("what", LONG_LINES)
def test_a_refused_line_in_several_requests(new_mount, what):
    """Of a long write(2) the kernel hides the errors of all requests but the first: the rest must not come back as a line of its own."""
    line, error = LONG_LINES[what]
    m = new_mount(options="max_line=4M")
    fd = os.open(m.app, os.O_WRONLY)
    done = 0
    with pytest.raises(OSError) as caught:
        while done < len(line):
            done += os.write(fd, line[done:])
    assert caught.value.errno == error
    assert os.write(fd, b'{"type":"b","data":1,"ts":1}\n') > 0
    os.close(fd)
    assert m.history() == b'{"type":"b","data":1,"ts":1}\n'


# Times that are not in seconds


@pytest.mark.parametrize("sync", ["write", "close"])
def test_odd_times_are_counted_and_told_of_once(new_mount, sync):
    m = new_mount(options=f"sync={sync}", reducers=[])
    last = 253402300799  # 9999-12-31T23:59:59Z
    m.append(*[{"type": "a", "ts": ts} for ts in (last, 0, 1700000000)])
    assert m.status()["ts_beyond_9999"] == 0 and "9999" not in m.stderr()
    m.append(*[{"type": "a", "ts": ts} for ts in (last + 1, 1700000000000, 2**64 - 1, 5)])
    assert len(m.events()) == 7
    assert m.status()["ts_beyond_9999"] == 3
    assert m.stderr().count("9999") == 1


def test_odd_times_are_refused_where_times_are_strict(new_mount):
    m = new_mount(options="ts=strict", reducers=[])
    assert m.status()["options"]["ts"] == "strict"
    m.append(A, {"type": "a"}, {"type": "a", "ts": 253402300799})
    line = b'{"type":"a", "ts": 1700000000000}\n'
    raises(errno.EINVAL, m.append, line)
    (entry,) = m.rejected()
    assert entry["reason"] == '"ts" is beyond the year 9999; it is in seconds, not in a smaller unit'
    assert entry["column"] == line.index(b"17000") + 1
    assert len(m.events()) == 3 and m.status()["ts_beyond_9999"] == 0
