"""scripts/cluster: one command starts all of it, one ends it."""

import os
import subprocess
from pathlib import Path

import pytest
from following import until
from harness import LIMIT, ROOT, eventfold


def cluster(*args, **env):
    build = str(Path(eventfold()).parents[2])
    return subprocess.run([ROOT / "scripts/cluster", *args], env={**os.environ, "EVENTFOLD_BUILD": build, **env}, timeout=LIMIT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip


def runs(pid):
    """Not what is only not waited for yet, by whoever inherits it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


@pytest.fixture
def directory(tmp_path):
    d = tmp_path / "demo"
    yield d
    if (d / "ports.json").exists():
        cluster("stop", d)


@pytest.mark.limit(8)
def test_started_and_stopped(directory):
    for turn in (1, 2):
        done = cluster("start", directory)
        assert done.returncode == 0, done.stderr
        a, b, c = (directory / name / "mnt" for name in "abc")
        assert all(f"{m.parent.name}/mnt" in done.stdout for m in (a, b, c))
        pids = [int((directory / f"etcd{i}.pid").read_text()) for i in (1, 2, 3)]
        with open(a / "events/app", "a") as f:
            f.write('{"type":"todo_added","data":{"text":"buy milk"}}\n')
        until(lambda: (c / "events/app").read_bytes().count(b"\n") == turn)
        assert (c / "events/app").read_bytes() == (a / "events/app").read_bytes()
        assert b"buy milk" in (c / "views/todos.json").read_bytes()
        # Once more, and nothing happens.
        assert cluster("start", directory).returncode == 0
        assert [int((directory / f"etcd{i}.pid").read_text()) for i in (1, 2, 3)] == pids
        done = cluster("stop", directory)
        assert done.returncode == 0, done.stderr
        assert not any(os.path.ismount(m) for m in (a, b, c))
        assert not [pid for pid in pids if runs(pid)]


def test_what_is_missing(directory, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/fusermount3").symlink_to("/usr/bin/fusermount3")
    done = cluster("start", directory, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1 and "etcd-server" in done.stderr and "fuse3" not in done.stderr
    assert not directory.exists()
    done = cluster("stop", directory)
    assert done.returncode == 1 and "there is none" in done.stderr
    assert cluster("begin").returncode == 2
