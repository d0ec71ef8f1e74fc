"""A machine's disk: without room it waits and skips nothing; what a power cut has taken of its log comes again."""

import errno
import json
import os
import subprocess

import pytest
from following import opened, until
from harness import LIMIT, eventfold, line_of
from machines import LOG, Machine

BATCH = f"/eventfold/{LOG}/batch/"


@pytest.fixture
def small_disk(ended, new_mount, tmp_path):
    """A directory on a filesystem of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a filesystem")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", disk], check=True)
    ended.append(Unmounted(disk))
    return disk


class Unmounted:
    def __init__(self, disk):
        self.disk = disk

    def end(self):
        subprocess.run(["umount", "-l", self.disk], check=True)


@pytest.mark.limit(8)
def test_no_room(small_disk, new_cluster):
    """What the engine has comes when there is room."""
    c = new_cluster(machines=2)
    a, b = c.machines
    small = Machine(small_disk / "small", c.engine.urls(), reducers=["count"])
    c.machines.append(small)
    c.mounts.append(small)
    small.start()
    small.until_ready()
    ballast = small_disk / "ballast"
    with open(ballast, "wb") as f, pytest.raises(OSError):
        for _ in range(1 << 12):
            os.write(f.fileno(), b"x" * 4096)
    for i in range(20):
        (a, b)[i % 2].append({"type": "x", "data": f"{i}" + "y" * 10_000})
    until(lambda: a.history() == b.history())
    until(lambda: "no room" in (small.cluster()["why"] or ""), "it says so")
    there = small.history()
    assert a.history().startswith(there) and len(there) < len(a.history())
    ballast.unlink()
    small.until_events(20)
    until(lambda: small.cluster()["why"] is None)
    small.append({"type": "after"})
    assert c.agree().count(b"\n") == 21


def cut(m, keep):
    """What a power cut leaves of the log's newest file."""
    with open(m.data / "app.jsonl", "rb+") as f:
        f.truncate(keep)


@pytest.mark.limit(8)
@pytest.mark.parametrize("sync", ["none", "close"])
@pytest.mark.parametrize("lose", [1, 40, 200_000, 1_200_000])
def test_a_power_cut(new_cluster, sync, lose):
    """Of a log that was not synced the end is lost: within a line, within a batch, several batches. It comes again."""
    c = new_cluster(machines=2, more=f"sync={sync},journal=off")
    a, b = c.machines
    a.append({"type": "x"})
    b.until_events(1)
    c.agree()
    machine = b.cluster()["machine"]
    lines = [line_of({"type": "bulk", "id": f"b:{i}", "data": "y" * 500}) for i in range(100)]
    for _ in range(30):
        with opened(b.app, os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"".join(lines))
    history = c.agree()
    b.kill()
    # As if nothing of it had been told: its place in the engine is only ever what was on its disk.
    c.engine.delete(f"/eventfold/{LOG}/member/{machine}")
    cut(b, len(history) - lose)
    b.start()
    b.until_ready()
    until(lambda: b.history() == history)
    b.append({"type": "after", "id": "after"})
    assert c.agree().startswith(history)
    assert b.view("count") == {"count": 3002}


@pytest.mark.limit(8)
@pytest.mark.parametrize("lost", ["nothing", "engine"])
def test_a_power_cut_at_once(new_cluster, lost):
    """The last thing that was acknowledged is in the journal only, as what was asked for: it comes again from the engine; and where that is
    lost, too, a new order begins with it."""
    c = new_cluster(machines=2, more="journal=on")
    a, b = c.machines
    a.append({"type": "x"})
    until(lambda: a.status()["log"]["journal"]["used"])
    for i in range(3):
        a.append({"type": "x", "data": i})
    before = a.history()
    a.append({"type": "last", "id": "last"})
    a.kill()
    history = (a.data / "app.jsonl").read_bytes()
    assert history.startswith(before) and b'"last"' in history[len(before) :]
    cut(a, len(before))
    if lost == "engine":
        b.kill()
        c.engine.lose_all()
        a.start()
        assert "begin" in a.until_state("failed")["why"]
        assert a.history() == before
        a.unmount()
        c.begin(a, "--anew")
        assert (a.data / "app.jsonl").read_bytes() == history
    else:
        assert b"evfjrnp" in (a.data / "app.jsonl.journal").read_bytes()
        said = subprocess.run([eventfold(), "head", a.data], stderr=subprocess.PIPE, check=True, text=True).stderr
        assert "was proposed" in said
        # Nothing is made of it where the order goes on.
        with pytest.raises(AssertionError, match="already"):
            c.begin(a)
        assert (a.data / "app.jsonl").read_bytes() == before and (a.data / "app.jsonl.proposed").exists()
    a.start()
    a.until_ready()
    until(lambda: a.history() == history)
    assert not (a.data / "app.jsonl.proposed").exists()
    if lost == "engine":
        return
    a.append({"type": "after"})
    assert c.agree().startswith(history)


def position(m, of):
    file = m.mnt / "cluster" / of.cluster()["machine"]
    return json.loads(file.read_bytes())["position"] if file.exists() else 0


def test_a_position_is_told(new_cluster):
    """A machine that has appended and does nothing more is soon known to have that on its disk."""
    c = new_cluster(machines=2, more="journal=on")
    a, b = c.machines
    for i in range(3):
        a.append({"type": "x", "data": i})
    until(lambda: position(b, a) == len(a.history()), "it is told")


@pytest.mark.limit(8)
def test_large_writes(new_cluster):
    """A file of several MiB is several batches; one line may have a MiB as it is stored."""
    c = new_cluster()
    for i, m in enumerate(c.machines):
        with open(m.path / "file", "wb") as f:
            f.writelines(line_of({"type": "x", "id": f"{i}:{k}", "data": "y" * 400}) for k in range(5000))
    cats = [subprocess.Popen(["bash", "-c", "cat file > mnt/events/app"], cwd=m.path) for m in c.machines]
    assert [cat.wait(LIMIT) for cat in cats] == [0, 0, 0]
    history = c.agree()
    ids = [line.split(b'"id":"')[1].split(b'"')[0].decode().split(":") for line in history.splitlines()]
    for i in range(3):
        assert [int(k) for who, k in ids if who == str(i)] == list(range(5000))
    c.check_chain(history)


def test_a_line_that_is_too_large(new_cluster):
    c = new_cluster(machines=2)
    a, b = c.machines
    frame = len(line_of({"type": "x", "data": "", "ts": 1}))
    most = line_of({"type": "x", "data": "y" * ((1 << 20) - frame), "ts": 1})
    a.append(most)
    with opened(a.app, os.O_WRONLY | os.O_APPEND) as fd:
        more, half = most.replace(b',"ts":1', b""), 1 << 19  # it is longer with a time
        assert os.write(fd, more[:half]) == half
        with pytest.raises(OSError) as e:
            os.write(fd, more[half:])
        assert os.write(fd, line_of({"type": "x"})) > 0  # nothing of it is left behind
    assert e.value.errno == errno.EMSGSIZE
    assert any("1 MiB" in r["reason"] for r in a.rejected())
    b.append({"type": "y"})
    history = c.agree()
    assert history.startswith(most) and history.count(b"\n") == 3
