"""`eventfold verify` and `eventfold log`: what they say about a data directory, where, and how they end. They change nothing."""

import json
import os
import pathlib
import pty
import shutil
import subprocess

import pytest

PROGRAM = os.environ["EVENTFOLD"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
CRATE = ROOT / "tests/fixtures/crate-0.2.0"
LINES = [b'{"type":"t","data":%d,"ts":1700000000}\n' % (100 + i) for i in range(8)]


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=300, **options)


def contents(path):
    return {str(p): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def verify(path, status=0):
    """What it prints, in lines; nothing may change."""
    before = contents(path)
    r = run("verify", path)
    assert (r.returncode, r.stderr) == (status, b""), (r.stdout, r.stderr)
    assert contents(path) == before
    return r.stdout.decode().splitlines()


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    (path / "app.jsonl").write_bytes(b"".join(LINES))
    return path


@pytest.fixture
def crate(tmp_path):
    return pathlib.Path(shutil.copytree(CRATE, tmp_path / "crate"))


def frame(content):
    return subprocess.run(["zstd", "-qc"], input=content, check=True, stdout=subprocess.PIPE).stdout


# What is well.

def test_good_log(data):
    assert verify(data) == ["8 events, 320 bytes, 0 snapshots: all is well"]


def test_a_directory_without_a_log(tmp_path):
    """A mount point, say, or a name that was mistyped."""
    for command in ("verify", "log"):
        r = subprocess.run([PROGRAM, command, tmp_path], capture_output=True, timeout=300)
        assert (r.returncode, r.stdout) == (1, b"")
        assert b"there is no log" in r.stderr


def test_crate(crate):
    *notes, last = verify(crate)
    assert last == "3200 events, 579537 bytes, 0 snapshots: all is well"
    assert sorted(notes) == [f"views/{name}.snapshot.json: written by another program; a mount folds the view anew"
                             for name in ("counter", "stats", "todos")]


def test_unfinished_rotation(data):
    (data / "app.jsonl").rename(data / "app.jsonl.sealed")
    *notes, last = verify(data)
    assert any("app.jsonl.sealed" in note for note in notes)
    assert last == "8 events, 320 bytes, 0 snapshots: all is well"


def test_leftovers_are_told(data):
    (data / "app.jsonl.torn").write_bytes(b"x\n")
    (data / "views").mkdir()
    (data / "views/.count.snapshot.json.tmp").write_bytes(b"{")
    notes = verify(data)
    assert any("app.jsonl.torn" in note for note in notes)
    assert any(".count.snapshot.json.tmp" in note for note in notes)


# What is not.

def test_bad_line_has_its_place(data):
    (data / "app.jsonl").write_bytes(b"".join(LINES[:3]) + b'{"type":"t","data":nil}\n' + b"".join(LINES[3:]))
    first, last = verify(data, 1)
    assert first.startswith("event 4, offset 120: column 20: ")
    assert last == "9 events, 344 bytes, 0 snapshots: 1 damaged"


def test_torn_last_line(data):
    with open(data / "app.jsonl", "ab") as f:
        f.write(b'{"type":"t"')
    first, last = verify(data, 1)
    assert "app.jsonl" in first and "offset 320" in first and "11 bytes" in first
    assert last == "8 events, 320 bytes, 0 snapshots: 1 damaged"


def test_damaged_frame_has_its_place(data):
    frames = [bytearray(frame(line * 50)) for line in LINES[:3]]
    frames[1][len(frames[1]) // 2] ^= 0x10
    (data / "archive.jsonl.zst").write_bytes(b"".join(frames))
    found = verify(data, 1)
    assert f"archive.jsonl.zst is damaged at byte {len(frames[0])}" in found
    assert found[-1].endswith("damaged")


def test_half_a_frame(data):
    whole, half = frame(LINES[0] * 50), frame(LINES[1] * 50)[:20]
    (data / "archive.jsonl.zst").write_bytes(whole + half)
    found = verify(data, 1)
    assert any("last 20 bytes" in line for line in found), found
    assert found[-1].startswith("58 events,")


def test_damaged_snapshot(data):
    (data / "views").mkdir()
    (data / "views/count.snapshot.json").write_text(
        '{"state":{"count":8},"offset":320,"hash":"0000000000000000","eventfold":{"version":1,"reducer":"0000000000000000",'
        '"position":320,"events":8,"checksum":"0000000000000000"},"sum":"0000000000000000"}\n')
    first, last = verify(data, 1)
    assert first.startswith("views/count.snapshot.json: ") and "sum" in first
    assert last == "8 events, 320 bytes, 0 snapshots: 1 damaged"


def test_no_directory(tmp_path):
    r = run("verify", tmp_path / "nowhere")
    assert (r.returncode, r.stdout) == (1, b"")
    assert b"nowhere: No such file or directory" in r.stderr
    (tmp_path / "file").touch()
    assert run("verify", tmp_path / "file").returncode == 1


# How it is asked.

@pytest.mark.parametrize("command", ["verify", "log"])
def test_usage(command, data):
    for arguments in ([], [data, data], ["--nosuch", data], ["-x"]):
        r = run(command, *arguments)
        assert (r.returncode, r.stdout) == (2, b""), arguments
        assert f"Try: eventfold {command} --help\n".encode() in r.stderr
    for arguments in (["--timeout", "soon"], ["--memory", "lots"], ["--timeout"]) if command == "verify" else ():
        assert run(command, *arguments, data).returncode == 2
    r = run(command, "--help")
    assert (r.returncode, r.stderr) == (0, b"")
    assert r.stdout.startswith(f"usage: eventfold {command}".encode())


def test_progress_on_a_terminal(data):
    with open(data / "app.jsonl", "ab") as f:
        for _ in range(1600):
            f.write(LINES[0] * 4000)
    main, terminal = pty.openpty()
    p = subprocess.Popen([PROGRAM, "verify", data], stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    out = p.stdout.read()
    p.stdout.close()
    assert p.wait(60) == 0
    os.close(main)
    assert out.endswith(b": all is well\n") and b"\r" not in out
    assert b"verify [" in shown and b"MB/s" in shown and b" s left" in shown
    assert shown.endswith(b"\r\x1b[K")  # and it is gone at the end


# eventfold log.

def test_log_prints_history(crate):
    r = run("log", crate)
    assert (r.returncode, r.stderr) == (0, b"")
    archived = subprocess.run(["zstd", "-dcq", crate / "archive.jsonl.zst"], check=True, stdout=subprocess.PIPE).stdout
    history = archived + (crate / "app.jsonl").read_bytes()
    assert r.stdout == history
    for off in (0, 1, 452_006, 452_007, 452_008, 579_536, 579_537, 10**12):
        r = run("log", "--from", str(off), crate)
        assert (r.returncode, r.stdout) == (0, history[off:])
    assert run("log", crate, "--from=300000").stdout == history[300_000:]


def test_log_of_a_time(crate):
    lines = run("log", crate).stdout.splitlines(keepends=True)
    at = "2023-11-14T22:30:00Z"
    n = next(i for i, line in enumerate(lines) if json.loads(line)["ts"] > 1_700_001_000)
    assert 0 < n < 2500  # in the archive
    for option, place, want in (("--at", at, lines[:n]), ("--at", str(n), lines[:n]), ("--from", at, lines[n:]),
                                ("--at", "now", lines), ("--from", "now", []), ("--at", "2000-01-01", []),
                                ("--at", "0", []), ("--at", str(10**9), lines), ("--from", "1999-12-31", lines)):
        r = run("log", option, place, crate)
        assert (r.returncode, r.stdout, r.stderr) == (0, b"".join(want), b""), (option, place)
    later = "2023-11-14T22:40Z"
    r = run("log", "--from", at, "--at", later, crate)
    assert r.stdout == b"".join(line for line in lines if 1_700_001_000 < json.loads(line)["ts"] <= 1_700_001_600)
    assert run("log", "--from", later, "--at", at, crate).stdout == b""


@pytest.mark.parametrize("off", ["", "x", "-1", "1x", "0x10"])
def test_log_from_wants_an_offset(crate, off):
    r = run("log", "--from", off, crate)
    assert (r.returncode, r.stdout) == (2, b"")


def test_log_leaves_out_a_torn_line(data):
    with open(data / "app.jsonl", "ab") as f:
        f.write(b'{"type":"t"')
    r = run("log", data)
    assert (r.returncode, r.stdout) == (0, b"".join(LINES))


def test_log_goes_on_behind_a_damaged_frame(data):
    frames = [bytearray(frame(line * 50)) for line in LINES[:3]]
    frames[1][len(frames[1]) // 2] ^= 0x10
    (data / "archive.jsonl.zst").write_bytes(b"".join(frames))
    r = run("log", data)
    assert r.returncode == 1
    assert f"damaged at byte {len(frames[0])}".encode() in r.stderr
    assert r.stdout.startswith(LINES[0] * 50)
    assert r.stdout.endswith(LINES[2] * 50 + b"".join(LINES))


def test_log_into_a_full_pipe(data):
    with open("/dev/full", "wb") as full:
        r = subprocess.run([PROGRAM, "log", data], stdout=full, stderr=subprocess.PIPE, timeout=300)
    assert r.returncode == 1 and b"No space left" in r.stderr


def test_every_printed_line_is_an_event(crate):
    for line in run("log", crate).stdout.splitlines():
        assert json.loads(line)["type"]
