"""Reducers that lead elsewhere: into their own mount, into one that leads back, to a disk that does not answer. Nothing hangs."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import LIMIT, bound, event, eventfold
from test_lifecycle import refused

HUNG = 60  # seconds in which everything here is over; on an idle machine most of it takes none


def run(command, seconds=HUNG):
    """Runs a line of bash that may never end, and may not even be killable then: exit code and output."""
    p = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        raise AssertionError(f"{command!r} hangs") from None
    return p.returncode, out.decode(), err.decode()


def cat(path, seconds=HUNG):
    code, out, err = run(f"cat '{path}'", seconds)
    assert code == 0, err
    return out


def error_of(m, name):
    return run(f"cat '{m.mnt}/views/{name}.error'")[1]


def until_error(m, name, text, seconds=LIMIT):
    end = time.monotonic() + seconds
    while text not in (last := error_of(m, name)):
        assert time.monotonic() < end, f"{name}.error is {last!r}, not {text!r}"
        time.sleep(0.05)


def until_state(m, name, want, seconds=LIMIT):
    end = time.monotonic() + seconds
    while (last := run(f"cat '{m.mnt}/views/{name}.json'"))[1] != want:
        assert time.monotonic() < end, f"{name}: {last}, not {want!r}"
        time.sleep(0.05)


def goes_on(m, n):
    """Appending, and reading a view that has nothing to do with it."""
    code, _, err = run(f"echo '{{\"type\":\"a\"}}' >> '{m.app}'")
    assert code == 0, err
    assert cat(m.mnt / "views/count.json") == f'{{"count":{n}}}\n'
    assert "count.json" in run(f"ls '{m.mnt}/views'")[1]


def end(m):
    """Unmounts as anybody does, which must work at once, however stuck something is."""
    assert run(f"for i in $(seq 100); do fusermount3 -u '{m.mnt}' && exit; sleep .1; done; exit 1")[0] == 0
    assert m.process.wait(LIMIT) == 0, m.stderr()
    type(m).live.remove(m)


@pytest.fixture
def two(new_mount):
    """Two mounts, not started."""
    return new_mount.prepare("a", reducers=["count"]), new_mount.prepare("b", reducers=["count"])


def test_links_into_the_own_mount(new_mount):
    m = new_mount(reducers=["count"])
    reducers = m.data / "reducers"
    for name, target in {
        "other.jq": "views/count.json",
        "self.jq": "views/self.json",
        "tail.jq": "tail/app",
        "log.jq": "events/app",
        "past.so": "at/0/count.json",
    }.items():
        (reducers / name).symlink_to(m.mnt / target)
    goes_on(m, 1)
    for name in ["other", "tail", "log"]:
        assert "leads into a mount of eventfold" in error_of(m, name)
    # Through the mount to a file of its own is no harm.
    (reducers / "good.jq").write_text(". + 1")
    (reducers / "round.jq").symlink_to(m.mnt / "reducers/good.jq")
    until_state(m, "round", "1\n")
    goes_on(m, 2)
    end(m)
    m.start()
    goes_on(m, 3)
    for name in ["other", "tail", "log"]:
        until_error(m, name, "leads into a mount of eventfold")
    (reducers / "tail.jq").unlink()
    (reducers / "tail.jq").write_text(". + 2")
    assert cat(m.mnt / "views/tail.json") == "6\n"
    end(m)


def test_the_directory_of_reducers_is_led_into_the_own_mount(new_mount):
    m = new_mount(reducers=["count"])
    goes_on(m, 1)
    for target in ["views", "", "at/0", "tail"]:
        (m.data / "reducers").rename(m.data / "kept")
        (m.data / "reducers").symlink_to(m.mnt / target)
        assert run(f"ls '{m.mnt}/views'")[0] == 0
        assert run(f"cat '{m.mnt}/views/count.json'")[0] == 1
        code, _, err = run(f"echo '{{\"type\":\"a\"}}' >> '{m.app}'")
        assert code == 0, err
        (m.data / "reducers").unlink()
        (m.data / "kept").rename(m.data / "reducers")
        assert cat(m.mnt / "views/count.json").startswith('{"count":')
    (m.data / "reducers").rename(m.data / "kept")
    (m.data / "reducers").symlink_to(m.mnt / "views")
    end(m)
    m.start()
    assert run(f"ls '{m.mnt}/views'")[0] == 0
    end(m)


def test_the_directory_of_reducers_leads_to_itself(new_mount):
    """Its views are not gone: nobody knows, and each says why."""
    m = new_mount(reducers=["count"])
    goes_on(m, 1)
    (m.data / "reducers").rename(m.data / "kept")
    (m.data / "reducers").symlink_to("reducers")
    assert "count.json" in run(f"ls '{m.mnt}/views'")[1]
    until_error(m, "count", "a link that leads to itself")
    code, _, err = run(f"echo '{{\"type\":\"a\"}}' >> '{m.app}'")
    assert code == 0, err
    (m.data / "reducers").unlink()
    (m.data / "kept").rename(m.data / "reducers")
    until_state(m, "count", '{"count":2}\n')
    assert "a link that leads to itself" in m.stderr()
    end(m)


def test_two_mounts_that_lead_into_each_other(two):
    a, b = two
    for m in two:
        m.start()
    for m, other in (a, b), (b, a):
        (m.data / "reducers/link.jq").symlink_to(other.mnt / "views/link.json")
    for i in range(3):
        for m in two:
            goes_on(m, i + 1)
            assert run(f"cat '{m.mnt}/views/link.json'")[0] == 1
    for m in two:
        until_error(m, "link", "mount of eventfold")
    # One comes back while the other is led into it.
    end(a)
    a.start()
    for m, n in (a, 4), (b, 4):
        goes_on(m, n)
        assert error_of(m, "link")
    for m, other in (a, b), (b, a):
        (m.data / "reducers").rename(m.data / "kept")
        (m.data / "reducers").symlink_to(other.mnt / "views")
    for m in two:
        assert run(f"ls '{m.mnt}/views' && ls '{m.mnt}/views'")[0] == 0
    for m in two:
        end(m)


def stop_between(pid, seconds=LIMIT):
    """Stops a daemon that has no request in its hands: who waits for an answer to such a one, or for a lock of who does, could not even be
    killed. It makes some itself, for inotify; then it goes on for a moment."""
    end = time.monotonic() + seconds
    while True:
        os.kill(pid, signal.SIGSTOP)
        soon = time.monotonic() + 0.2
        while time.monotonic() < soon:
            if set(states(pid)) == {"T"}:
                return
            time.sleep(0.005)
        os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < end, f"never idle: {states(pid)}"


def states(pid):
    """A letter for each of its threads, as ps has them."""
    return [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]


@pytest.fixture
def dead(new_mount):
    """A mount with a link to a disk that can be made to answer no more: another mount, whose daemon is stopped."""
    disk = new_mount("disk", reducers=["count"])
    (disk.data / "reducers/far.jq").write_text(". + 1")
    m = new_mount.prepare("m", reducers=["count"])
    m.disk = disk
    m.far = m.data / "reducers/far.jq"
    m.dead = lambda: stop_between(disk.pid)
    m.alive = lambda: os.kill(disk.pid, signal.SIGCONT)
    yield m
    m.alive()


def test_a_disk_that_dies_and_comes_back(dead):
    m = dead
    m.start()
    m.far.symlink_to(m.disk.mnt / "reducers/far.jq")
    goes_on(m, 1)
    assert cat(m.mnt / "views/far.json") == "1\n"
    m.dead()
    begin = time.monotonic()
    until_error(m, "far", "far.jq did not come in time")
    goes_on(m, 2)
    # Whoever comes now need not wait for it.
    quick = time.monotonic()
    for _ in range(5):
        assert run(f"cat '{m.mnt}/views/far.json'")[0] == 1
    assert time.monotonic() - quick < max(bound(1), quick - begin)
    m.alive()
    until_state(m, "far", "2\n")
    assert not (m.mnt / "views/far.error").exists()
    end(m)


def test_a_dead_disk_at_the_start_and_at_the_end(dead):
    m = dead
    m.far.symlink_to(m.disk.mnt / "reducers/far.jq")
    m.dead()
    m.start()
    until_error(m, "far", "far.jq did not come in time")
    goes_on(m, 1)
    end(m)
    m.start()
    goes_on(m, 2)
    m.terminate()
    m.start()
    m.alive()
    until_state(m, "far", "2\n")
    # Another file is another chance, at once.
    m.dead()
    until_error(m, "far", "did not come in time")
    m.far.unlink()
    m.far.write_text(". + 5")
    assert cat(m.mnt / "views/far.json") == "10\n"
    end(m)


def test_the_directory_of_reducers_on_a_dead_disk(dead):
    m = dead
    (m.data / "reducers").rename(m.data / "kept")
    (m.data / "reducers").symlink_to(m.disk.mnt / "reducers")
    m.start()
    assert cat(m.mnt / "views/far.json") == "null\n"
    m.append(event(1))
    assert cat(m.mnt / "views/count.json") == '{"count":1}\n'
    m.dead()
    until_error(m, "far", "the directory reducers did not come in time")
    code, _, err = run(f"echo '{{\"type\":\"a\"}}' >> '{m.app}'")
    assert code == 0, err
    m.alive()
    until_state(m, "far", "2\n")
    # A new file there is seen, too.
    (m.disk.data / "reducers/more.jq").write_text(". + 3")
    assert cat(m.mnt / "views/more.json") == "6\n"
    m.dead()
    end(m)
    m.start()
    assert run(f"ls '{m.mnt}/views'")[0] == 0
    end(m)


@pytest.mark.parametrize("stay", [[], ["-f"]])
@pytest.mark.parametrize("where", ["", "reducers", "views", "deep/er"])
def test_a_mount_point_in_the_data(tmp_path, stay, where):
    data = tmp_path / "data"
    (data / where).mkdir(parents=True)
    before = sorted(data.rglob("*"))
    text = refused([eventfold(), "mount", *stay, data, data / where])
    assert str(data) in text and "use another directory" in text
    (tmp_path / "link").symlink_to(data / where)
    text = refused([eventfold(), "mount", *stay, data, tmp_path / "link"])
    assert "use another directory" in text
    assert sorted(data.rglob("*")) == before


def test_a_mount_point_above_the_data(tmp_path):
    (tmp_path / "data").mkdir()
    text = refused([eventfold(), "mount", tmp_path / "data", tmp_path])
    assert "use another directory" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_mount_point_in_the_data_by_another_name(tmp_path):
    (tmp_path / "data/reducers").mkdir(parents=True)
    (tmp_path / "bound").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "data", tmp_path / "bound"], check=True)
    try:
        text = refused([eventfold(), "mount", tmp_path / "data", tmp_path / "bound/reducers"])
        assert "use another directory" in text
    finally:
        subprocess.run(["umount", tmp_path / "bound"], check=True)


FILTERED = """
import ast, ctypes, os, struct, sys
rules = ast.literal_eval(sys.argv[1])
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *r) for r in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, program) != 0:
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
"""
WITHOUT_OPENAT2 = [(0x20, 0, 0, 0), (0x15, 0, 1, 437), (0x06, 0, 0, 0x00050000 | 1), (0x06, 0, 0, 0x7FFF0000)]


def start_filtered(m, rules):
    """Under a seccomp filter."""
    command = m.command()
    m.command = lambda: ["/usr/bin/python3", "-c", FILTERED, repr(rules), *command]
    m.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="such a filter keeps fusermount3 from mounting for a user")
def test_where_openat2_is_refused(new_mount):
    """As some containers do: what lies in DATA/reducers works, and so does a link to a local file."""
    m = new_mount.prepare(reducers=["todos"])
    (m.data / "reducers/n.jq").write_text(". + 1")
    start_filtered(m, WITHOUT_OPENAT2)
    m.append(event(0))
    assert m.view("n") == 1
    assert len(m.view("todos")["items"]) == 1
    assert not (m.mnt / "views/n.error").exists()
