"""events/app reads like a plain file with the same bytes."""

import os
import random

import pytest
from harness import event, line_of, sh


@pytest.fixture
def reference(m):
    """A plain file with what the log holds."""
    path = m.path / "reference"
    path.write_bytes(b"".join(line_of(event(i, data_x=i % 7)) for i in range(2000)))
    m.sh("cat reference > mnt/events/app")
    return path


COMMANDS = [
    "wc",
    "wc -l",
    "wc -c",
    "tail -n 1",
    "tail -n 17",
    "tail -c 1000",
    "tail -c +5000",
    "tail -n +1990",
    "head -n 3",
    "grep -c todo_added",
    "grep -n 'item 1999'",
    "jq -c .data",
    "sort",
    "sha256sum <",
    "dd bs=1000 skip=7 count=3 status=none <",
    "dd bs=1 skip=12345 count=300 status=none <",
    "dd bs=64k iflag=direct status=none <",
    "cat",
    "tac",
    "sed -n 1000p",
    "awk 'END{print NR, length($0)}'",
    "xargs -0 printf %s <",
    "python3 -c 'import sys; print(hash(tuple(open(sys.argv[1])))!=0, len(open(sys.argv[1]).read()))'",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_see_a_plain_file(m, reference, command):
    want = sh(f"{command} {reference} | sed 's|{reference}||'").stdout
    got = sh(f"{command} {m.app} | sed 's|{m.app}||'").stdout
    if "iflag=direct" not in command:  # a plain file may refuse O_DIRECT at its end; the bytes count
        assert got == want
    else:
        assert got == reference.read_bytes()


def test_size_is_exact(m, reference):
    assert m.app.stat().st_size == reference.stat().st_size
    m.append('{"type":"a","data":1,"ts":1}')
    assert m.app.stat().st_size == reference.stat().st_size + 29
    with open(m.app, "rb") as f:
        assert f.seek(0, os.SEEK_END) == reference.stat().st_size + 29


def test_cp_out(m, reference):
    m.sh("cp mnt/events/app copy && cmp copy reference")


def test_random_access(m, reference):
    rng = random.Random(1)
    want = reference.read_bytes()
    fd = os.open(m.app, os.O_RDONLY)
    for _ in range(500):
        off, size = rng.randrange(len(want) + 100), rng.choice([1, 7, 100, 4096, 70_000, 200_000])
        assert os.pread(fd, size, off) == want[off : off + size]
    os.close(fd)


def test_an_open_handle_sees_what_is_appended(m):
    m.append('{"type":"a","data":1,"ts":1}')
    with open(m.app, "rb", buffering=0) as f:
        assert f.read() == b'{"type":"a","data":1,"ts":1}\n'
        assert f.read() == b""
        m.append('{"type":"b","data":1,"ts":1}')
        assert f.read() == b'{"type":"b","data":1,"ts":1}\n'


def test_the_mount_is_read_only_but_for_the_log(m):
    m.append({"type": "a"})
    for command in (
        "echo x > mnt/new",
        "echo x > mnt/views/count.json",
        "echo x > mnt/views/new.json",
        "echo x > mnt/head/app",
        "echo x > mnt/status.json",
        "mkdir mnt/dir",
        "rm mnt/views/count.json",
        "rm mnt/status.json",
        "rmdir mnt/events",
        "ln -s x mnt/link",
        "touch mnt/events/other",
        "mknod mnt/pipe p",
    ):
        assert m.sh(command, check=False).returncode != 0, command
    assert m.view("count") == {"count": 1}
