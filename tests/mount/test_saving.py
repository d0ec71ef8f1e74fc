"""A program that saves the log over itself is refused; one that appends with `>` is not."""

import errno
import json
import os
import shutil

import pytest

from test_writing import raises, wait_rejected


def lines(n, start=0):
    return [b'{"type":"t%d","data":%d,"ts":%d}\n' % (i % 3, i, i) for i in range(start, start + n)]


def filled(m, n):
    m.append(*lines(n))
    return m.history()


def refused(m, before, n=1):
    """Nothing was appended, and rejected.jsonl has why and what to do instead."""
    assert m.history() == before
    entries = m.rejected()
    assert len(entries) == n
    assert entries[-1]["error"] == "EPERM" and ">>" in entries[-1]["reason"]


# Each changes the log in one of the ways that editors do, and saves it; n is how long the log is.
SAVING = {
    "ed deletes the first line": ("printf '1d\\nw\\nq\\n' | ed -s mnt/events/app", 20),
    "ed deletes a line in the middle": ("printf '7d\\nw\\nq\\n' | ed -s mnt/events/app", 20),
    "ed deletes the last one": ("printf '$d\\nw\\nq\\n' | ed -s mnt/events/app", 20),
    "ed appends one": ("printf 'a\\n{\"type\":\"new\"}\\n.\\nw\\nq\\n' | ed -s mnt/events/app", 20),
    "ed saves it as it is": ("printf 'w\\nq\\n' | ed -s mnt/events/app", 300),
    "sort": ("sort -o mnt/events/app mnt/events/app", 9),
    "a copy": ("cat mnt/events/app > copy; cp copy mnt/events/app", 3000),
    "without the first lines": ("tail -n +4 mnt/events/app > copy; cp copy mnt/events/app", 3000),
    "filtered": ("jq -c 'select(.type != \"t1\")' mnt/events/app > copy; cp copy mnt/events/app", 90),
    "tee": ("tail -n +2 mnt/events/app > copy; tee mnt/events/app < copy > copy2", 70),
    "dd, in pieces": ("tail -n +2 mnt/events/app > copy; dd if=copy of=mnt/events/app bs=100 status=none", 70),
    "dash": ("tail -n +3 mnt/events/app > copy; dash -c 'cat copy > mnt/events/app'", 70),
    "its only line": ("cat mnt/events/app > copy; cat copy > mnt/events/app", 1),
    "its only line, and one more": ("(cat mnt/events/app; echo '{\"type\":\"new\"}') > copy; cp copy mnt/events/app", 1),
    "alike at the beginning": ("tail -n +2 mnt/events/app > copy; cp copy mnt/events/app", -5),
}


@pytest.mark.parametrize("how", SAVING)
def test_saving_the_log(m, how):
    command, n = SAVING[how]
    for program in ("ed", "dash"):
        if how.startswith(program) and not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    before = filled(m, n) if n > 0 else None
    if n < 0:
        m.append(*[lines(1)[0]] * -n)
        before = m.history()
    done = m.sh(command, check=False)
    # ed says nothing of a failed write, and `dd` tells its own.
    assert done.returncode != 0 or "ed " in command
    # What dd had appended before it was found out is one line at most.
    if "in pieces" in how and m.history() != before:
        assert m.history().startswith(before) and m.history().count(b"\n") == before.count(b"\n") + 1
        before = m.history()
    refused(m, before)


def write_all(app, text, newline=True):
    """As emacs does."""
    fd = os.open(app, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        return os.write(fd, text)
    finally:
        try:
            os.close(fd)
        except OSError:
            pass


@pytest.mark.parametrize("n", [1, 2, 5, 64, 65, 1000])
def test_written_back_in_one_piece(m, n):
    before = filled(m, n)
    raises(errno.EPERM, write_all, m.app, before)
    refused(m, before, 1)
    cut = b"".join(before.splitlines(True)[:-1])
    if n > 2:
        raises(errno.EPERM, write_all, m.app, cut)
        raises(errno.EPERM, write_all, m.app, before[:-1])
        refused(m, before, 3)


def test_read_modify_write_in_python(m):
    before = filled(m, 10)
    with open(m.app) as f:
        events = [json.loads(line) for line in f]
    kept = [json.dumps(e, separators=(",", ":")) for e in events if e["ts"] != 4]
    with pytest.raises(PermissionError):
        with open(m.app, "w") as f:
            f.write("\n".join(kept) + "\n")
    refused(m, before)
    # One that puts a new event behind it, too.
    with pytest.raises(PermissionError):
        with open(m.app, "w") as f:
            f.write("\n".join(kept + ['{"type":"new"}']) + "\n")
    refused(m, before, 2)


def test_who_goes_on_after_the_error_writes_nothing(m):
    """As a program does that looks at its errors only at the end: the rest of the log must not go in behind the refused beginning."""
    before = filled(m, 100)
    fd = os.open(m.app, os.O_WRONLY | os.O_TRUNC)
    for at in range(0, len(before), 1000):
        raises(errno.EPERM, os.write, fd, before[at : at + 1000])
    os.close(fd)
    refused(m, before)


SPONGE = """
import sys
text = sys.stdin.buffer.read()
with open(sys.argv[1], "wb", 8192) as f:
    for at in range(0, len(text), 8192):
        f.write(text[at:at + 8192])
"""


def test_sponge(m):
    """sponge reads all of its input before it opens the file; where it is not installed, the same in Python."""
    before = filled(m, 500)
    sponge = "sponge" if shutil.which("sponge") else f"/usr/bin/python3 -c '{SPONGE}'"
    assert m.sh(f"set -o pipefail; sed 1d mnt/events/app | {sponge} mnt/events/app", check=False).returncode != 0
    refused(m, before)


def test_sed_in_place(m):
    before = filled(m, 5)
    assert m.sh("sed -i 1d mnt/events/app", check=False).returncode != 0
    assert m.history() == before


def test_vim_is_told_as_well(m):
    """It opens without truncation, ignores that it may not cut the file, and writes all of it."""
    before = filled(m, 5)
    fd = os.open(m.app, os.O_WRONLY | os.O_CREAT)
    raises(errno.EPERM, os.ftruncate, fd, 0)
    raises(errno.EPERM, os.write, fd, before[:100])
    os.close(fd)
    refused(m, before)


def test_new_events_with_greater_than(m):
    first = filled(m, 10)
    new = b"".join(lines(500, 10))
    (m.path / "other.jsonl").write_bytes(new)
    m.sh("cat other.jsonl > mnt/events/app")
    assert m.history() == first + new and m.rejected() == []


def test_old_events_with_greater_than(m):
    """Single events that have been there before come again, the first one too."""
    want = filled(m, 10)
    for line in [lines(1)[0], *lines(10)[3:6], lines(1)[0]]:
        (m.path / "one").write_bytes(line)
        m.sh("cat one > mnt/events/app")
        want += line
    # Two of them in another order, and one before new ones.
    for two in (lines(10)[8] + lines(10)[2], lines(10)[5] + b"".join(lines(3, 100))):
        (m.path / "two").write_bytes(two)
        m.sh("cat two > mnt/events/app")
        want += two
    assert m.history() == want and m.rejected() == []


def test_one_handle_that_replays(m):
    """Line by line through one handle: the first write alone is looked at."""
    want = filled(m, 10)
    m.sh("head -n 10 mnt/events/app > old; while IFS= read -r line; do echo \"$line\"; done < old > mnt/events/app")
    assert m.history() == want + want and m.rejected() == []


@pytest.mark.parametrize("before", [[], lines(1), lines(3)])
def test_the_same_event_many_times(m, before):
    """In writes that end inside a line: what a handle has written itself is not the log that it saves."""
    m.append(*before) if before else None
    (m.path / "same").write_bytes(lines(1, 2)[0] * 20000)
    m.sh("cat same > mnt/events/app")
    assert m.history() == b"".join(before) + lines(1, 2)[0] * 20000


def test_the_first_append_with_greater_than(m):
    (m.path / "a").write_bytes(b"".join(lines(3)))
    m.sh("cat a > mnt/events/app")
    assert m.history() == b"".join(lines(3))


def test_appending_handles_and_conditional_ones_are_free(m):
    before = filled(m, 3)
    (m.path / "copy").write_bytes(before)
    m.sh("cat copy >> mnt/events/app")
    fd = os.open(m.app, os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
    assert os.write(fd, before) == len(before)
    os.close(fd)
    fd = os.open(m.mnt / "events" / ("app@" + m.head().strip()), os.O_WRONLY | os.O_TRUNC)
    assert os.write(fd, before) == len(before)
    os.close(fd)
    assert m.history() == before * 4 and m.rejected() == []


@pytest.mark.parametrize("rotate", [False, True])
def test_after_a_remount_too(m, rotate):
    """The beginning is then read from the log, from its archive as well."""
    before = filled(m, 100)
    if rotate:
        m.sh("echo rotate > mnt/ctl")
    m.remount()
    raises(errno.EPERM, write_all, m.app, b"".join(before.splitlines(True)[1:]))
    refused(m, before)
    m.append(*lines(3, 100))
    raises(errno.EPERM, write_all, m.app, m.history())


def test_events_of_other_writers_count(m):
    """The beginning goes on while the log is short, whoever writes it."""
    m.append(*lines(1))
    m.remount()
    m.append(*lines(3, 1))
    raises(errno.EPERM, write_all, m.app, b"".join(lines(2, 1)))


@pytest.mark.parametrize("sync", ["close", "none"])
def test_where_writes_do_not_wait(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    before = filled(m, 5)
    assert m.history() == before
    raises(errno.EPERM, write_all, m.app, b"".join(before.splitlines(True)[1:]))
    refused(m, before)
