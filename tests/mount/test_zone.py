"""-o tz=: local time in reducers and in at/TIME, by the zone's rules of the moment, which are a part of what a reducer is."""

import datetime
import json
import os
import subprocess
import zoneinfo

import pytest
from harness import eventfold

DAYS = 'def day: strflocaltime("%Y-%m-%d %H:%M"); .[$event.ts | day] += 1'
FIELDS = "[$event.ts | localtime]"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

# Around both changes of the clock, and in either half of the year.
TIMES = [1774745999, 1774746000, 1792886400, 1792890000, 1792893599, 1792893600, 1_700_000_000, 1_720_000_000, 0, 2_500_000_000]


def days(times, zone):
    state = {}
    for ts in times:
        key = datetime.datetime.fromtimestamp(ts, zone).strftime("%Y-%m-%d %H:%M")
        state[key] = state.get(key, 0) + 1
    return state


def fill(m, times=TIMES):
    m.append(*({"type": "a", "data": None, "ts": ts} for ts in times))


def prepare(new_mount, options=None):
    m = new_mount.prepare(reducers=["count"], options=options)
    (m.data / "reducers/days.jq").write_text(DAYS)
    (m.data / "reducers/fields.jq").write_text(FIELDS)
    return m


def test_local_time(new_mount):
    m = prepare(new_mount, "tz=Europe/Berlin").start()
    fill(m)
    assert m.view("days") == days(TIMES, BERLIN)
    assert m.status()["options"]["tz"] == "Europe/Berlin"
    for n in range(len(TIMES), 0, -1):
        assert json.loads((m.mnt / f"at/{n}/days.json").read_bytes()) == days(TIMES[:n], BERLIN)
        local = datetime.datetime.fromtimestamp(TIMES[n - 1], BERLIN)
        assert json.loads((m.mnt / f"at/{n}/fields.json").read_bytes())[0][:6] == [
            local.year, local.month - 1, local.day, local.hour, local.minute, local.second]
    folded = subprocess.run([eventfold(), "fold", "--tz", "Europe/Berlin", m.data / "reducers/days.jq", m.app],
                            stdout=subprocess.PIPE, check=True)
    assert folded.stdout == m.raw_view("days")


def test_without_it_is_utc(new_mount, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    m = prepare(new_mount).start()
    fill(m)
    assert m.view("days") == days(TIMES, datetime.timezone.utc)
    assert json.loads((m.mnt / "at/now/days.json").read_bytes()) == days(TIMES[:9], datetime.timezone.utc)


def test_another_zone_is_another_reducer(new_mount):
    """What was saved in one is not gone on from in another."""
    m = prepare(new_mount, "tz=Europe/Berlin").start()
    fill(m)
    assert m.view("days") == days(TIMES, BERLIN)
    m.unmount()
    saved = {p.name: p.read_bytes() for p in (m.data / "views").iterdir()}

    def verify(*options):
        return subprocess.run([eventfold(), "verify", *options, m.data], stdout=subprocess.PIPE, check=True).stdout.decode()

    assert "--tz" in verify() and "--tz" not in verify("--tz", "Europe/Berlin")
    m.start()
    assert m.view("days") == days(TIMES, BERLIN)
    assert m.status()["views"]["days"]["folded"] == 0
    m.unmount()
    assert {p.name: p.read_bytes() for p in (m.data / "views").iterdir()} == saved
    m.options = "tz=America/New_York"
    m.start()
    assert m.view("days") == days(TIMES, zoneinfo.ZoneInfo("America/New_York"))
    m.unmount()
    m.options = None
    m.start()
    assert m.view("days") == days(TIMES, datetime.timezone.utc)


def test_rules_are_those_of_the_mount(new_mount, tmp_path, monkeypatch):
    """The system's are updated: what is mounted goes on with the old ones, whatever worker is started; the next mount does not."""
    zones = tmp_path / "zones"
    zones.mkdir()
    for name, source in (("Here", "Europe/Berlin"), ("There", "Asia/Tokyo")):
        (zones / name).write_bytes(open(f"/usr/share/zoneinfo/{source}", "rb").read())
    monkeypatch.setenv("TZDIR", str(zones))
    m = prepare(new_mount, "tz=Here").start()
    os.replace(zones / "There", zones / "Here")
    fill(m)
    assert m.view("days") == days(TIMES, BERLIN)
    assert json.loads((m.mnt / "at/5/days.json").read_bytes()) == days(TIMES[:5], BERLIN)
    (m.data / "reducers/days.jq").write_text(DAYS + " ")
    assert m.view("days") == days(TIMES, BERLIN)
    m.remount()
    assert m.view("days") == days(TIMES, zoneinfo.ZoneInfo("Asia/Tokyo"))


def test_at_time(new_mount, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    m = prepare(new_mount, "tz=Europe/Berlin").start()
    fill(m, [1_764_187_200, 1_764_187_201])  # 2025-11-26T20:00Z
    assert os.readlink(m.mnt / "at/2025-11-26T21:00") == "1"
    assert os.readlink(m.mnt / "at/2025-11-26T20:59:59") == "0"


@pytest.mark.parametrize("zone, why", [
    ("Europe/Nowhere", "there is no time zone 'Europe/Nowhere'"),
    ("../../../etc/passwd", "there is no time zone"),
    ("/etc/passwd", "there is no time zone"),
    ("Europe", "there is no time zone 'Europe'"),
    ("right/Europe/Berlin", "counts leap seconds"),
    ("tzdata.zi", "there is no time zone"),
    ("zone_tab", "there is no time zone"),
    ("", "a time zone is wanted"),
])
def test_unknown(tmp_path, zone, why):
    (tmp_path / "mnt").mkdir()
    done = subprocess.run([eventfold(), "mount", "-o", f"tz={zone}", tmp_path / "data", tmp_path / "mnt"], stderr=subprocess.PIPE)
    assert done.returncode in (1, 2) and why in done.stderr.decode()
    assert not os.path.ismount(tmp_path / "mnt") and not (tmp_path / "data").exists()
