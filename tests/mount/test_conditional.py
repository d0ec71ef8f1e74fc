"""Deciding: appends on condition that the log's head is still where the writer saw it."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from following import opened, until, until_counts
from harness import FULL, LIMIT, line_of, scaled
from xxh64 import xxh64

A = {"type": "a", "data": 1, "ts": 1}
B = {"type": "b", "data": 2, "ts": 2}
C = {"type": "c", "data": 3, "ts": 3}


def conditional(m, head=None):
    return m.mnt / f"events/app@{m.head().strip() if head is None else head}"


def writing(path):
    return opened(path, os.O_WRONLY | os.O_APPEND)


def stale(function, *args):
    with pytest.raises(OSError) as e:
        function(*args)
    assert e.value.errno == errno.ESTALE


@pytest.fixture(scope="session")
def same_expectation(tmp_path_factory):
    program = tmp_path_factory.mktemp("helpers") / "same_expectation"
    source = Path(__file__).parent / "helpers/same_expectation.c"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", source, "-pthread", "-o", program], check=True)
    return program


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_the_first_wins(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    m.append(A)
    with writing(conditional(m)) as first, writing(conditional(m)) as second:
        assert os.write(first, line_of(B)) == len(line_of(B))
        stale(os.write, second, line_of(C))
        moved = m.head().strip()
        stale(os.write, second, line_of(C) + line_of(A))
        os.close(second)  # nothing is left to be appended
        assert m.history() == line_of(A) + line_of(B)
        # The winner goes on from its own head, and loses when somebody else was there.
        assert os.write(first, line_of(C)) == len(line_of(C))
        assert os.write(first, line_of(A)) == len(line_of(A))
        m.append(B)
        stale(os.write, first, line_of(C))
    want = b"".join(map(line_of, (A, B, C, A, B)))
    assert m.history() == want
    left = m.rejected()
    assert [e["line"].encode() + b"\n" for e in left] == [line_of(C), line_of(C) + line_of(A), line_of(C)]
    assert {(e["error"], e["pid"]) for e in left} == {("ESTALE", os.getpid())}
    assert [e["reason"] for e in left] == [f"the head has moved on, to {head}" for head in (moved, moved, m.head().strip())]
    until_counts(m, (0, 0))
    m.remount()
    assert m.history() == want


def test_what_head_says(m):
    assert m.head() == "0:\n"
    m.append(A, B)
    last = line_of(B)
    assert m.head() == f"{len(line_of(A)) + len(last)}:{xxh64(last[:-1]):016x}\n"


def test_an_empty_log(m):
    with writing(m.mnt / "events/app@0:") as first, writing(m.mnt / "events/app@0:") as second:
        os.write(first, line_of(A))
        stale(os.write, second, line_of(B))
    assert m.history() == line_of(A)
    with writing(m.mnt / "events/app@0:") as late:
        stale(os.write, late, line_of(B))


def test_what_a_view_has_seen(m):
    """Act on what you saw: the view's position is the condition."""
    m.append(A)
    with writing(m.mnt / f"events/app@{m.offset('count')}:{m.hash('count')}") as fd:
        os.write(fd, line_of(B))
    snapshot = m.snapshot("count")
    assert snapshot["state"] == {"count": 2}
    m.append(C)
    with writing(m.mnt / f"events/app@{snapshot['offset']}:{snapshot['hash']}") as fd:
        stale(os.write, fd, line_of(A))
    assert m.view("count") == {"count": 3}


def test_a_wrong_hash_or_offset(m):
    m.append(A, B)
    off, hash = m.head().strip().split(":")
    other = f"{int(hash, 16) ^ 1:016x}"
    between = f"{len(line_of(A))}:{xxh64(line_of(A)[:-1]):016x}"
    for head in (f"{off}:{other}", f"{int(off) + 1}:{hash}", f"{int(off) - 1}:{hash}", between, "0:", f"{2**64 - 1}:{hash}"):
        with writing(conditional(m, head)) as fd:
            stale(os.write, fd, line_of(C))
    assert m.history() == line_of(A) + line_of(B)


@pytest.mark.parametrize(
    "name",
    ["app@", "app@:", "app@0", "app@0:0", "app@0:0000000000000000", "app@00:", "app@5:", "app@-1:0123456789abcdef",
     "app@+5:0123456789abcdef", "app@05:0123456789abcdef", "app@5:0123456789abcde", "app@5:0123456789abcdef0",
     "app@5:0123456789ABCDEF", "app@5:0123456789abcdeg", "app@0x5:0123456789abcdef", "app@5:0123456789abcdef ",
     "app@ 5:0123456789abcdef", "app@18446744073709551616:0123456789abcdef", "app@5:0123456789abcdef:", "app@5", "ap@0:",
     "app0:", "App@0:"],
)  # fmt: skip
def test_malformed_names_do_not_exist(m, name):
    for flags in (os.O_WRONLY | os.O_APPEND, os.O_RDONLY):
        with pytest.raises(FileNotFoundError):
            os.open(m.mnt / "events" / name, flags)
    assert not os.path.lexists(m.mnt / "events" / name)


def test_several_lines_are_one_step(m):
    m.append(A)
    with writing(conditional(m)) as first, writing(conditional(m)) as second:
        both = line_of(B) + line_of(C)
        assert os.write(first, both) == len(both)
        stale(os.write, second, both)
    assert m.events() == [A, B, C]


def test_good_lines_before_a_bad_one(m):
    m.append(A)
    with writing(conditional(m)) as fd:
        assert os.write(fd, line_of(B) + b"nonsense\n" + line_of(C)) == len(line_of(B))
        with pytest.raises(OSError) as e:
            os.write(fd, b"nonsense\n")
        assert e.value.errno == errno.EINVAL
        assert os.write(fd, line_of(C)) == len(line_of(C)), "from where its good line ended"
    assert m.events() == [A, B, C]


def test_a_line_in_pieces(m):
    """The condition is for the moment of the append."""
    m.append(A)
    half = len(line_of(B)) // 2
    with writing(conditional(m)) as fd, writing(conditional(m)) as late:
        for f in (fd, late):
            assert os.write(f, line_of(B)[:half]) == half
        assert os.write(fd, line_of(B)[half:]) == len(line_of(B)) - half
        stale(os.write, late, line_of(B)[half:])
    assert m.events() == [A, B]


def test_a_last_line_without_newline(m):
    """It is appended by close, and close says whether."""
    m.append(A)
    first, second = (os.open(conditional(m), os.O_WRONLY | os.O_APPEND) for _ in range(2))
    for fd in (first, second):
        os.write(fd, line_of(B)[:-1])
    os.close(first)
    stale(os.close, second)
    assert m.events() == [A, B]


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_blank_lines_decide_nothing(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    m.append(A)
    with writing(conditional(m)) as first, writing(conditional(m)) as second:
        for fd in (first, second, first):
            assert os.write(fd, b"\n \t\n") == 4
        os.write(first, b"\n" + line_of(B) + b"\n")
        assert os.write(second, b"\n") == 1
        stale(os.write, second, b"\n" + line_of(C))
        assert os.write(first, line_of(C)) == len(line_of(C))
    assert m.events() == [A, B, C]


def test_a_partial_line_at_the_last_close(m):
    m.append(A)
    fd = os.open(conditional(m), os.O_WRONLY | os.O_APPEND)
    os.write(fd, line_of(B) + line_of(C)[:5])
    with pytest.raises(OSError) as e:
        os.close(fd)
    assert e.value.errno == errno.EINVAL
    assert m.events() == [A, B]
    until(lambda: [r["line"] for r in m.rejected()] == [line_of(C)[:5].decode()])


def test_from_the_shell(m):
    m.append(A)
    head = m.head().strip()
    m.sh(f"""echo '{{"type":"b","data":2,"ts":2}}' > mnt/events/app@{head}""")
    done = m.sh(f"""echo '{{"type":"c","data":3,"ts":3}}' >> mnt/events/app@{head}""", check=False)
    assert done.returncode != 0 and b"Stale file handle" in done.stderr
    assert m.events() == [A, B]
    assert os.listdir(m.mnt / "events") == ["app"]


def test_reading_and_size(m):
    """It is the log, under another name."""
    m.append(A)
    path = conditional(m)
    assert path.read_bytes() == m.history() and path.stat().st_size == len(m.history())
    m.append(B)
    assert path.read_bytes() == m.history()


def test_after_a_rotation(m):
    """Offsets are those of the whole history."""
    m.append(A)
    path = conditional(m)
    (m.mnt / "ctl").write_text("rotate\n")
    with writing(path) as fd:
        os.write(fd, line_of(B))
    m.remount()
    with writing(conditional(m)) as fd:
        os.write(fd, line_of(C))
    assert m.events() == [A, B, C]


@pytest.mark.limit(8)
@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_one_winner_among_many(new_mount, same_expectation, sync):
    m = new_mount(options=f"sync={sync}")
    processes = scaled(100, 20)
    rounds = 1000 if FULL else scaled(300 if sync == "write" else 100, 10)
    done = subprocess.run(
        [same_expectation, str(processes), str(rounds), m.mnt], stdout=subprocess.PIPE, timeout=7 * LIMIT
    )
    assert done.returncode == 0
    winners = [[int(p) for p in line.split()] for line in done.stdout.decode().splitlines()]
    assert len(winners) == rounds
    assert all(len(w) == 1 for w in winners), winners
    assert [e["data"] for e in m.events()] == [{"round": i, "by": w[0]} for i, w in enumerate(winners)]
    assert {e["error"] for e in m.rejected()} == {"ESTALE"}
    assert m.view("count") == {"count": rounds}
    until_counts(m, (0, 0))
