"""The journal beside the log: what a power cut takes from app.jsonl comes back from there. Power cuts are made of kill -9 and a
file that is put back to what was known to be on disk; tests/unit/test_powerloss.c makes them at every step."""

import os
import random
import shutil
import stat

import pytest
from following import until
from harness import eventfold, event, line_of

from oracle import crate, journal

JOURNAL = "app.jsonl.journal"


def journaled(new_mount, lines, **kwargs):
    """A mount that has a journal in use, with these lines appended one by one; the first ones before it was there."""
    m = new_mount(options="journal=on", **kwargs)
    m.append(lines[0])
    until(lambda: m.status()["log"]["journal"]["used"])
    m.append(*lines[1:])
    return m


def lines_of(n, seed=1):
    rng = random.Random(seed)
    return [line_of({"type": "a", "ts": i, "data": "x" * rng.randrange(200)}) for i in range(n)]


def cut_power(m, change=lambda log, settled: log[:settled]):
    """The log is what `change` makes of it; returns how far it was settled."""
    m.kill()
    m.detach()
    path = m.data / "app.jsonl"
    settled = journal.settled(m.data / JOURNAL)
    log = path.read_bytes()
    with open(path, "r+b") as f:
        f.write(changed := change(log, settled))
        f.truncate(len(changed))
    return settled


def files(m):
    return sorted(p.name for p in m.data.iterdir())


def test_is_there_only_while_mounted(new_mount):
    lines = lines_of(10)
    m = journaled(new_mount, lines)
    assert JOURNAL in files(m)
    status = m.status()["log"]["journal"]
    assert status["mode"] == "on" and status["why"] is None and status["sync_us"] > 0
    assert b"".join(r[3] for r in journal.records(m.data / JOURNAL)) == b"".join(lines)[-sum(map(len, lines[-9:])) :]
    # The log itself is whole lines at every moment.
    assert (m.data / "app.jsonl").read_bytes() == b"".join(lines)
    m.unmount()
    assert files(m) == ["app.jsonl", "reducers", "rules", "views"]


@pytest.mark.parametrize("options", ["journal=off", "journal=on,sync=none", "journal=on,sync=close"])
def test_is_not_made(new_mount, options):
    m = new_mount(options=options)
    m.append(event(1), event(2))
    assert m.status()["log"]["journal"]["used"] is False and m.status()["log"]["journal"]["why"]
    assert JOURNAL not in files(m)


def test_comes_back_after_a_power_cut(new_mount):
    lines = lines_of(300)
    m = journaled(new_mount, lines)
    settled = cut_power(m)
    assert settled < len(b"".join(lines))
    # Offline all of it is shown, and nothing is changed.
    before = (m.data / "app.jsonl").read_bytes()
    assert m.sh(f"{eventfold()} log data").stdout == b"".join(lines)
    assert b"300 events" in m.sh(f"{eventfold()} verify data").stdout
    assert (m.data / "app.jsonl").read_bytes() == before
    m.start()
    assert m.history() == b"".join(lines)
    assert m.view("count") == {"count": 300}
    assert m.status()["recovered"] == 1
    m.append(event(1))
    m.unmount()
    assert crate.history(m.data).startswith(b"".join(lines))
    m.log.write_text("")


def test_verify_repairs(new_mount):
    lines = lines_of(50)
    m = journaled(new_mount, lines)
    cut_power(m)
    m.sh(f"{eventfold()} verify --repair data")
    assert (m.data / "app.jsonl").read_bytes() == b"".join(lines)
    assert files(m) == ["app.jsonl", "reducers", "rules", "views"]


def test_what_a_repair_makes_is_its_users_alone(new_mount):
    """It may run with any umask."""
    m = journaled(new_mount, lines_of(20))
    cut_power(m, lambda log, settled: log + b"mang\0led\n")
    m.sh(f"umask 022; {eventfold()} verify --repair data")
    assert {name: stat.S_IMODE((m.data / name).stat().st_mode) for name in ("app.jsonl", "app.jsonl.torn")} == {
        "app.jsonl": 0o600,
        "app.jsonl.torn": 0o600,
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, as only root can")
def test_what_root_repairs_stays_its_users(new_mount):
    """Else its user could neither append to it nor mend it the next time."""
    m = journaled(new_mount, lines_of(20))
    cut_power(m, lambda log, settled: log + b"mang\0led\n")
    os.chown(m.data / "app.jsonl", 65533, 65532)
    m.sh(f"{eventfold()} verify --repair data")
    for name in ("app.jsonl", "app.jsonl.torn"):
        status = (m.data / name).stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65533, 65532, 0o600), name


@pytest.mark.skipif(os.geteuid() != 0, reason="reads as others, as only root can")
def test_who_may_read_the_log_may_read_the_journal(new_mount):
    """And is told so, if not: without it the log may be too short."""
    lines = lines_of(50)
    m = new_mount.prepare(options="journal=on")
    m.data.chmod(0o755)
    (m.data / "app.jsonl").touch()
    (m.data / "app.jsonl").chmod(0o640)
    os.chown(m.data / "app.jsonl", 0, 65533)
    m.start()
    m.append(lines[0])
    until(lambda: m.status()["log"]["journal"]["used"])
    m.append(*lines[1:])
    status = (m.data / JOURNAL).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, 65533)
    # Mangled, so that another file takes the log's place.
    cut_power(m, lambda log, settled: log[:settled] + bytes(len(log) - settled) + b"mang\0led\n")
    m.path.chmod(0o755)

    def as_reader(command, check=True):
        return m.sh(f"setpriv --reuid=65533 --regid=65533 --clear-groups {eventfold()} {command}", check=check)

    assert as_reader("log data").stdout == b"".join(lines) + b"mang\0led\n"
    (m.data / JOURNAL).chmod(0o600)
    refused = as_reader("log data", check=False)
    assert refused.returncode == 1 and refused.stdout == b"" and b"may not be read" in refused.stderr
    m.start()
    status = (m.data / "app.jsonl").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, 65533)
    # While it is mounted the log itself has all.
    m.append(lines[0])
    until(lambda: m.status()["log"]["journal"]["used"])
    (m.data / JOURNAL).chmod(0o600)
    assert as_reader("log data").stdout == b"".join(lines) + lines[0]
    m.log.write_text("")


@pytest.mark.parametrize("seed", range(6))
def test_garbled_log(new_mount, seed):
    """Sectors behind the settled place are zeros, or anything."""
    lines = lines_of(100, seed)
    m = journaled(new_mount, lines)
    rng = random.Random(seed)

    def garble(log, settled):
        log = bytearray(log[: rng.randrange(settled, len(log) + 1)])
        for at in range(settled, len(log), 512):
            piece = slice(at, min(at + 512, len(log)))
            kind = rng.randrange(3)
            if kind:
                size = piece.stop - piece.start
                log[piece] = bytes(size) if kind == 1 else rng.randbytes(size)
        return bytes(log)

    cut_power(m, garble)
    m.start()
    assert m.history() == b"".join(lines)
    m.append(event(1))
    m.log.write_text("")


def test_mangled_lines_go_to_torn(new_mount):
    lines = lines_of(20)
    m = journaled(new_mount, lines)
    cut_power(m, lambda log, settled: log + b"mang\0led\n" + lines[0] + b"torn")
    m.start()
    assert m.history() == b"".join(lines) + lines[0]
    assert (m.data / "app.jsonl.torn").read_bytes() == b"mang\0led\ntorn\n"
    m.unmount()
    m.sh(f"{eventfold()} verify data")
    m.log.write_text("")


@pytest.mark.parametrize("how", ["append", "drop"])
def test_another_program_came_first(new_mount, how):
    """It takes the log as it finds it, and appends: what only the journal has no longer joins."""
    lines = lines_of(40)
    theirs = line_of({"type": "theirs", "ts": 5, "data": None})
    m = journaled(new_mount, lines)
    settled = cut_power(m, lambda log, settled: log[:settled] + theirs)
    missing = b"".join(lines)[settled:]
    m.start()
    assert m.history() == b"".join(lines)[:settled] + theirs
    assert "eventfold recover" in m.status()["log"]["why"]
    with pytest.raises(OSError, match="Read-only"):
        m.append(event(1))
    m.unmount()
    assert JOURNAL + ".1" in files(m)
    assert m.sh(f"{eventfold()} verify data", check=False).returncode == 1
    said = m.sh(f"{eventfold()} recover {'--drop' if how == 'drop' else ''} data").stdout
    assert f"{missing.count(10)} events".encode() in said
    m.sh(f"{eventfold()} recover data")
    assert files(m) == ["app.jsonl", "reducers", "rules", "views"]
    m.start()
    assert m.history() == b"".join(lines)[:settled] + theirs + (missing if how == "append" else b"")
    m.append(event(1))
    m.log.write_text("")


@pytest.mark.parametrize("how", ["", "--drop"])
def test_what_another_version_kept_stays(new_mount, how):
    m = new_mount.prepare()
    (m.data / "app.jsonl").write_bytes(line_of(event(1)))
    kept = m.data / (JOURNAL + ".1")
    kept.write_bytes(b"evfjrn1".ljust(4096, b"\0"))
    done = m.sh(f"{eventfold()} recover {how} data", check=False)
    assert done.returncode == 1 and b"another version of eventfold" in done.stderr
    assert kept.exists()


def test_rounds_of_kill(new_mount):
    """Appends with rotations in between, killed at any time, the log put back to what was settled: nothing is lost or doubled."""
    rng = random.Random(3)
    m = new_mount.prepare(options="journal=on,rotate=20K", reducers=["count"])
    want = b""
    for i in range(12):
        m.start()
        assert m.history() == want
        for k in range(rng.randrange(1, 150)):
            line = line_of({"type": "a", "ts": k, "data": {"round": i, "pad": "y" * rng.randrange(300)}})
            m.append(line)
            want += line
        m.kill()
        m.detach()
        path = m.data / "app.jsonl"
        if (m.data / JOURNAL).exists() and path.exists() and journal.records(m.data / JOURNAL):
            begin = len(want) - path.stat().st_size
            os.truncate(path, max(0, journal.only_here_from(m.data / JOURNAL, len(want)) - begin))
    m.start()
    assert m.history() == want
    assert m.view("count") == {"count": want.count(b"\n")}
    m.unmount()
    assert crate.history(m.data) == want
    m.sh(f"{eventfold()} verify data")
    m.log.write_text("")


def test_copy_of_a_living_log(new_mount):
    m = journaled(new_mount, lines_of(100), reducers=["count"])
    m.append(*lines_of(50, 2))
    (m.mnt / "ctl").write_text("rotate")
    m.append(*lines_of(50, 3))
    m.sh(f"{eventfold()} copy mnt backup")
    whole = m.history()
    assert (m.path / "backup/app.jsonl").read_bytes() == whole
    m.sh(f"{eventfold()} verify backup")
    assert m.sh(f"{eventfold()} copy mnt backup", check=False).returncode == 1
    m.unmount()
    m.data.rename(m.path / "before")
    (m.path / "backup").rename(m.data)
    m.start()
    assert m.history() == whole and m.view("count") == {"count": 200}


@pytest.mark.parametrize("order", [("app.jsonl", JOURNAL), (JOURNAL, "app.jsonl")])
def test_files_copied_while_they_live(new_mount, order):
    """By any program, in any order: in the copy the log may lack what was settled by the time the journal was copied."""
    m = journaled(new_mount, lines_of(40))
    copy = new_mount.prepare("copy")
    size = (m.data / "app.jsonl").stat().st_size
    shutil.copy(m.data / order[0], copy.data)
    until(lambda: m.append(event(1)) or journal.settled(m.data / JOURNAL) > size)
    shutil.copy(m.data / order[1], copy.data)
    copy.start()
    assert copy.history() == m.history()
    copy.append(event(1))
    copy.log.write_text("")


def test_what_a_person_has_removed_stays_away(new_mount):
    """After a crash; the ring has it still."""
    lines = lines_of(40)
    m = journaled(new_mount, lines)
    until(lambda: m.append(event(1)) or journal.settled(m.data / JOURNAL) > len(b"".join(lines)))
    m.kill()
    m.detach()
    kept = b"".join(lines[:10])
    path, than = m.data / "app.jsonl", (m.data / JOURNAL).stat().st_mtime_ns
    until(lambda: path.write_bytes(kept) and path.stat().st_mtime_ns > than)
    assert m.sh(f"{eventfold()} log data", check=False).stdout == kept
    m.start()
    assert m.history() == kept
    m.unmount()
    m.sh(f"{eventfold()} recover data")
    # Only what was not known to be in the log is there to decide on.
    assert (m.data / "app.jsonl").read_bytes().startswith(kept)
    assert not any(line in (m.data / "app.jsonl").read_bytes() for line in lines[10:])
    m.log.write_text("")


def test_copy_that_is_interrupted_is_no_log(new_mount):
    m = new_mount(reducers=[])
    m.append(*lines_of(100))
    # No file may grow beyond this: as a full disk, or a kill, in the middle.
    done = m.sh(f"ulimit -f 4; trap '' XFSZ; {eventfold()} copy mnt backup", check=False)
    assert done.returncode == 1 and b"too large" in done.stderr
    assert [p.name for p in (m.path / "backup").glob("app.jsonl*")] == ["app.jsonl.part"]
    assert m.sh(f"{eventfold()} verify backup", check=False).returncode == 1


def test_copy_leaves_out_what_is_no_reducer(new_mount):
    m = new_mount(reducers=["count"])
    m.append(event(1))
    (m.data / "reducers/gone.jq").symlink_to("nowhere.jq")
    (m.data / "reducers/dir.jq").mkdir()
    done = m.sh(f"{eventfold()} copy mnt backup")
    assert sorted(done.stderr.splitlines()) == [
        b"eventfold: reducers/dir.jq is no file: not copied",
        b"eventfold: reducers/gone.jq leads nowhere: not copied",
    ]
    assert [p.name for p in (m.path / "backup/reducers").iterdir()] == ["count.so"]
    assert (m.path / "backup/app.jsonl").read_bytes() == m.history()
    m.log.write_text("")


def test_copy_says_what_it_lacks(new_mount):
    """What is kept apart is in no copy before somebody has decided about it."""
    lines = lines_of(40)
    m = journaled(new_mount, lines)
    cut_power(m, lambda log, settled: log[:settled] + line_of({"type": "theirs", "ts": 5, "data": None}))
    m.start()
    done = m.sh(f"{eventfold()} copy mnt backup", check=False)
    assert done.returncode == 1 and b"eventfold recover" in done.stderr
    assert (m.path / "backup/app.jsonl").read_bytes() == m.history()
    m.log.write_text("")


def test_archived_by_another_program(new_mount):
    """After a kill the log has all that the journal has, wherever another program has put it."""
    lines = lines_of(30)
    m = journaled(new_mount, lines)
    m.kill()
    m.detach()
    assert (m.data / JOURNAL).exists()
    m.sh("zstd -qc data/app.jsonl >> data/archive.jsonl.zst && : > data/app.jsonl")
    m.sh(f"{eventfold()} verify data")
    m.start()
    m.append(last := line_of({"type": "a", "ts": 1, "data": None}))
    assert m.history() == b"".join(lines) + last
    m.log.write_text("")
