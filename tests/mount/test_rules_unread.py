"""Rules that nobody can tell of, since their directory can't be read, or that no watch tells of. Nothing is let in past them."""

import errno
import os
import platform
import time

import pytest
from following import until
from harness import LIMIT, line_of
from test_led_astray import dead, start_filtered  # noqa: F401
from test_rules import number, reasons, write_of

RULE = "$event.data.n < 100"
UNREAD = "rules: the directory rules cannot be read"
# No watch on the directories of definitions: there are none left for the user.
ADD_WATCH = {"x86_64": 254}.get(platform.machine(), 27)
IN_CLOSE_WRITE = 0x8
WITHOUT_WATCHES = [
    (0x20, 0, 0, 0),
    (0x15, 0, 3, ADD_WATCH),
    (0x20, 0, 0, 32),
    (0x45, 0, 1, IN_CLOSE_WRITE),
    (0x06, 0, 0, 0x00050000 | errno.ENOSPC),
    (0x06, 0, 0, 0x7FFF0000),
]


def append(m, n):
    return write_of(m, line_of(number(n)))


def is_let_in(m, n):
    return append(m, n) == len(line_of(number(n)))


def refused_unread(m):
    assert append(m, 1) == "EIO"
    assert reasons(m)[-1] == UNREAD


def lead(m, target):
    """Its rules lie elsewhere; the link is to replace them."""
    kept = m.data / "kept"
    kept.mkdir()
    (kept / "small.jq").write_text(RULE)
    (m.data / "rules").symlink_to(target)


def bring_back(m):
    (m.data / "rules").unlink()
    (m.data / "kept").rename(m.data / "rules")


@pytest.mark.parametrize("target", ["kept/small.jq", "not-mounted", "rules"])
def test_unread_at_the_mount(new_mount, target):
    m = new_mount.prepare(reducers=["types"])
    lead(m, target)
    m.start()
    for _ in range(2):
        refused_unread(m)
    assert m.view("types") == {}
    bring_back(m)
    until(lambda: append(m, 100) == "EPERM")
    assert reasons(m)[-1] == "small"
    assert is_let_in(m, 1)
    # And while it is mounted; none at all are none.
    (m.data / "rules").rename(m.data / "kept")
    assert is_let_in(m, 100)
    (m.data / "rules").symlink_to(target)
    until(lambda: append(m, 1) == "EIO")
    (m.data / "rules").unlink()
    until(lambda: is_let_in(m, 100))
    assert m.view("types")["n"] >= 3


def test_a_disk_that_is_dead_at_the_mount(dead):  # noqa: F811
    m = dead
    (m.disk.data / "rules/small.jq").write_text(RULE)
    (m.data / "rules").symlink_to(m.disk.mnt / "rules")
    m.dead()
    m.start()
    for _ in range(2):
        refused_unread(m)
    m.alive()
    until(lambda: append(m, 100) == "EPERM")
    assert reasons(m)[-1] == "small"
    assert is_let_in(m, 1)
    (m.disk.data / "rules/small.jq").unlink()
    until(lambda: is_let_in(m, 100))


def test_a_directory_that_its_user_may_not_read(new_mount):
    m = new_mount.prepare(reducers=["types"])
    if os.geteuid() == 0:
        command = m.command()
        m.command = lambda: ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    (m.data / "rules").mkdir()
    (m.data / "rules/small.jq").write_text(RULE)
    (m.data / "rules").chmod(0)
    m.start()
    refused_unread(m)
    (m.data / "rules").chmod(0o755)
    until(lambda: append(m, 100) == "EPERM")
    assert is_let_in(m, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="such a filter keeps fusermount3 from mounting for a user")
def test_where_no_watch_is_left(new_mount):
    """Each append reads the rules again; that they are read is no change of them."""
    m = new_mount.prepare(reducers=["types"])
    (m.data / "rules").mkdir()
    (m.data / "rules/small.jq").write_text(RULE)
    start_filtered(m, WITHOUT_WATCHES)
    begin = time.monotonic()
    for _ in range(3):
        assert is_let_in(m, 1)
        assert append(m, 100) == "EPERM"
    assert time.monotonic() - begin < LIMIT
    (m.data / "rules/small.jq").write_text("$event.data.n < 200")
    assert is_let_in(m, 100)
    assert append(m, 200) == "EPERM"
    (m.data / "rules/small.jq").unlink()
    assert is_let_in(m, 200)
