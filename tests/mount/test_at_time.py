"""at/TIME: a link to at/N, where N is the number of events before the first one that came later."""

import datetime
import json
import os
import random
import shutil
import time

import pytest
from harness import ROOT, line_of, scaled
from test_time_travel import rotate

CRATE = ROOT / "tests/fixtures/crate-0.2.0"
LAST = 253402300799  # of the year 9999


def linear(lines, t):
    """As it is defined: event by event, with the greatest time so far."""
    latest = -1
    for n, line in enumerate(lines):
        ts = json.loads(line)["ts"]
        if ts <= LAST:
            latest = max(latest, ts)
        if latest > t:
            return n
    return len(lines)


def utc(t):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def places(lines):
    """linear() for many: the greatest time so far, before each event."""
    so_far, latest = [], -1
    for line in lines:
        ts = json.loads(line)["ts"]
        latest = max(latest, ts if ts <= LAST else -1)
        so_far.append(latest)
    return so_far


def check_all(m, rng, n):
    lines = m.history().splitlines()
    so_far = places(lines)
    low, high = min(so_far), max(so_far)
    for i in range(n):
        t = rng.randint(low - 5, high + 5)
        if i % 3 == 0:  # one that is there
            t = rng.choice(so_far) + rng.randint(-1, 1)
        want = next((k for k, latest in enumerate(so_far) if latest > t), len(lines))
        if i % 50 == 0:
            assert want == linear(lines, t)
        assert os.readlink(m.mnt / "at" / utc(t)) == str(want), t


def jumping(rng, n, clock):
    """Lines of all kinds, by a clock that is set forwards and back."""
    lines = []
    for _ in range(n):
        jump = rng.random()
        clock[0] += rng.randint(0, 3) if jump > 0.01 else rng.randint(-20000, 20000)
        ts = clock[0] * 1000 if jump < 0.005 else clock[0]  # some are in milliseconds
        pad = "x" * rng.randint(0, 2000)
        lines.append(rng.choice((
            {"type": "a", "data": pad, "ts": ts},
            {"ts": ts, "type": "a", "data": {"ts": 5}, "pad": pad},
            {"type": "a", "ts": ts, "meta": pad},
        )))
    return b"".join(map(line_of, lines))


def test_jumping_clock(m):
    """1,000 random times over five rotations; and the same once it is mounted anew."""
    rng = random.Random(20261126)
    clock = [1_700_000_000]
    for _ in range(5):
        m.append(jumping(rng, scaled(3000, 500), clock))
        rotate(m)
    m.append(jumping(rng, 500, clock))
    check_all(m, rng, scaled(1000, 100))
    m.remount()
    check_all(m, rng, scaled(300, 50))
    # What is new is found as well.
    m.append(jumping(rng, 300, clock))
    check_all(m, rng, scaled(100, 50))


@pytest.mark.parametrize("rotated", [False, True])
def test_archive_of_the_crate(new_mount, rotated):
    """No record in it says anything; what is archived later has records all the same."""
    m = new_mount.prepare(reducers=["count"])
    for name in ("app.jsonl", "archive.jsonl.zst"):
        shutil.copy(CRATE / name, m.data)
    m.start()
    rng = random.Random(5)
    if rotated:
        m.append(jumping(rng, 1000, [1_700_005_000]))
        rotate(m)
        m.append(jumping(rng, 1000, [1_700_010_000]))
        rotate(m)
        m.remount()
    check_all(m, rng, scaled(1000, 100))


def test_forms(m):
    now = int(time.time())
    day = 86400
    m.append(*({"type": "a", "data": i, "ts": now - t} for i, t in
               enumerate((8 * day, 6 * day, 3 * 3600, 1800, 600, 60))), {"type": "a", "ts": now + day})
    at = m.mnt / "at"
    for name, n in (("-7d", 1), ("-1d", 2), ("-2h", 3), ("-15m", 4), ("-120s", 5), ("now", 6), ("-0s", 6),
                    ("2000-01-01", 0), ("9999-12-31", 7), ("1900-01-01", 0),
                    (utc(now - 600), 5), (utc(now - 600).replace("Z", "+00:00"), 5), (utc(now - 601), 4)):
        assert os.readlink(at / name) == str(n), name
        st = os.lstat(at / name)
        assert st.st_size == 1 and (at / name / "app").read_bytes() == b"".join(
            line + b"\n" for line in m.history().splitlines()[:n])
    # It goes on as the log does, and a name is looked up anew each time.
    m.append({"type": "a", "ts": now - 30})
    assert os.readlink(at / "now") == "6"
    assert os.readlink(at / "9999-12-31") == "8"
    assert json.loads((at / "9999-12-31/count.json").read_bytes()) == {"count": 8}
    for name in ("-1w", "yesterday", "2026-02-30", "2026-11-26T25:00", "-", "Now", "2026-11-26T10:00 "):
        with pytest.raises(FileNotFoundError):
            os.readlink(at / name)
    for do in (lambda: os.unlink(at / "now"), lambda: os.symlink("5", at / "new"), lambda: os.rename(at / "now", at / "x")):
        with pytest.raises(OSError):
            do()


def test_empty(m):
    assert os.readlink(m.mnt / "at/now") == "0"
    assert (m.mnt / "at/now/app").read_bytes() == b""


def test_local_time(new_mount, monkeypatch):
    """Without a zone it is the daemon's."""
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    m = new_mount()
    noon = 1_764_187_200  # 2025-11-26T20:00Z
    m.append({"type": "a", "ts": noon}, {"type": "a", "ts": noon + 1})
    assert os.readlink(m.mnt / "at/2025-11-26T15:00") == "1"
    assert os.readlink(m.mnt / "at/2025-11-26T14:59:59") == "0"
    assert os.readlink(m.mnt / "at/2025-11-26T20:00Z") == "1"


def test_many_names(m):
    """What has been looked up is forgotten."""
    m.append(b'{"type":"a","ts":1}\n' * 2000)

    def resident():
        with open(f"/proc/{m.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def look(first, n):
        for i in range(first, first + n):
            os.lstat(m.mnt / "at" / f"-{i}s")
            os.lstat(m.mnt / "at" / utc(i))
            os.lstat(m.mnt / "at" / str(i % 2000))
            os.lstat(m.mnt / "at" / str(i % 2000) / "app")

    look(1, 1000)
    before = resident()
    look(1000, scaled(10_000, 1_000))
    assert resident() - before < 1 << 20
