"""Mounting and leaving: what is refused is refused in one clear line, and nothing has changed."""

import os
import signal
import subprocess
import time

import pytest
from harness import LIMIT, event, eventfold, sh, tree

A = b'{"type":"a","data":1,"ts":1}\n'


def refused(command, timeout=LIMIT, **kwargs):
    """Exit 1 and one line on standard error, which it gives."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **kwargs)
    text = done.stderr.decode()
    assert done.returncode == 1, (done.returncode, text)
    assert done.stdout == b""
    assert text.count("\n") == 1 and text.endswith("\n"), text
    return text


@pytest.mark.parametrize("stay", [[], ["-f"]])
def test_a_second_daemon_on_the_same_data(new_mount, stay):
    m = new_mount(options="journal=on")
    m.append(A)
    until = time.monotonic() + LIMIT
    while not m.status()["log"]["journal"]["used"]:
        assert time.monotonic() < until
        time.sleep(0.005)
    other = m.path / "other"
    other.mkdir()
    before = tree(m.data)
    text = refused([eventfold(), "mount", *stay, m.data, other])
    assert str(m.pid) in text
    assert tree(m.data) == before and not os.path.ismount(other)
    m.append(A)
    assert m.history() == A + A


@pytest.mark.parametrize("stay", [[], ["-f"]])
def test_a_mount_point_that_does_not_exist(tmp_path, stay):
    text = refused([eventfold(), "mount", *stay, tmp_path / "data", tmp_path / "nowhere"])
    assert "nowhere" in text
    assert os.listdir(tmp_path) == []


def test_a_mount_point_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    text = refused([eventfold(), "mount", tmp_path / "data", tmp_path / "file"])
    assert "file" in text
    assert os.listdir(tmp_path) == ["file"]


def test_data_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("x")
    (tmp_path / "mnt").mkdir()
    text = refused([eventfold(), "mount", tmp_path / "data", tmp_path / "mnt"])
    assert "data" in text
    assert (tmp_path / "data").read_text() == "x"


@pytest.mark.parametrize("stay", [[], ["-f"]])
def test_data_that_cannot_be_written(tmp_path, stay):
    data, mnt = tmp_path / "data", tmp_path / "mnt"
    data.mkdir()
    mnt.mkdir()
    (data / "app.jsonl").write_bytes(A)
    before = tree(data)
    if os.geteuid() == 0:  # root may write anything, but for a read-only mount
        command = f"mount --bind {data} {data} && mount -o remount,bind,ro {data} && exec \"$@\""
        prefix = ["unshare", "-m", "sh", "-c", command, "sh"]
    else:
        data.chmod(0o555)
        (data / "app.jsonl").chmod(0o444)
        prefix = []
    try:
        text = refused([*prefix, eventfold(), "mount", *stay, data, mnt])
    finally:
        data.chmod(0o755)
        (data / "app.jsonl").chmod(0o644)
    assert str(data) in text
    assert not os.path.ismount(mnt)
    assert {name: value[1:] for name, value in tree(data).items()} == {k: v[1:] for k, v in before.items()}


@pytest.mark.parametrize("stay", [[], ["-f"]])
@pytest.mark.parametrize("there", [False, True])
def test_fuse_is_missing(tmp_path, stay, there):
    if os.geteuid() != 0:
        pytest.skip("hiding /dev/fuse takes root")
    data, mnt = tmp_path / "data", tmp_path / "mnt"
    mnt.mkdir()
    if there:
        data.mkdir()
        (data / "app.jsonl").write_bytes(A)
    before = tree(tmp_path)
    hide = (
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 && "
        'mkdir /dev/shm && exec "$@"'
    )
    text = refused(["unshare", "-m", "sh", "-c", hide, "sh", eventfold(), "mount", *stay, data, mnt])
    assert "FUSE" in text or "fuse" in text
    assert tree(tmp_path) == before


@pytest.mark.parametrize("args", [["mount"], ["mount", "one"], ["mount", "-o", "nonsense", "d", "m"], ["nonsense"],
                                  ["mount", "-o", "sync=sometimes", "d", "m"], ["mount", "-o", "max_line=x", "d", "m"],
                                  ["mount", "a", "b", "c"], ["mount", "--nonsense", "a", "b"]])  # fmt: skip
def test_usage_errors(tmp_path, args):
    done = subprocess.run([eventfold(), *args], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
    assert done.returncode == 2, done.stderr
    assert done.stderr and done.stdout == b""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_cleanly(new_mount, signum):
    m = new_mount()
    m.append(*(event(i) for i in range(100)))
    before = m.snapshot("todos")
    m.terminate(signum)
    assert (m.data / "views/todos.snapshot.json").exists()
    m.start()
    assert m.snapshot("todos") == before


def test_sigterm_with_files_open(m):
    m.append(event(0))
    view = os.open(m.mnt / "views/todos.json", os.O_RDONLY)
    log = os.open(m.app, os.O_RDWR)
    os.write(log, A[:5])
    m.terminate()
    with pytest.raises(OSError):
        os.read(view, 10)
    os.close(view)
    with pytest.raises(OSError):  # what has been written in part is lost
        os.close(log)


@pytest.mark.parametrize("background", [False, True])
def test_a_stale_mount_point_is_mounted_again(new_mount, background):
    m = new_mount(background=background)
    m.append(A)
    m.kill()
    with pytest.raises(OSError):
        os.stat(m.mnt)
    m.start()
    assert m.history() == A
    m.append(A)
    assert m.view("count") == {"count": 2}
    assert sh(f"grep -c ' {m.mnt} fuse' /proc/mounts").stdout == b"1\n"


def test_background_leaves_nothing_open(new_mount):
    """Nobody waits for a pipe that the daemon still holds."""
    m = new_mount.prepare(background=True)
    done = subprocess.run(m.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    m.pid = m.status()["pid"]
    m.process = subprocess.Popen(["true"])
    m.process.wait()
    from harness import Mount

    Mount.live.append(m)
    assert os.readlink(f"/proc/{m.pid}/cwd") == "/"
    assert os.getsid(m.pid) != os.getsid(0)


def test_relative_paths(new_mount):
    m = new_mount.prepare()
    m.enable(m.data / "none.so")
    (m.data / "reducers/none.so").unlink()
    subprocess.run([eventfold(), "mount", "data", "mnt"], cwd=m.path, check=True, timeout=LIMIT)
    m.background = True
    m.pid = m.status()["pid"]
    m.process = subprocess.Popen(["true"])
    m.process.wait()
    from harness import Mount

    Mount.live.append(m)
    m.append(A)
    assert m.view("count") == {"count": 1}
    assert os.readlink(m.mnt / "reducers") == str(m.data / "reducers")


def test_as_mount_8_calls_it(new_mount):
    """mount.eventfold DATA MNT [-sfnv] [-o OPTIONS]: -f only pretends."""
    m = new_mount.prepare()
    helper = m.path / "mount.eventfold"
    helper.symlink_to(eventfold())
    options = "rw,nofail,_netdev,x-systemd.automount,sync=none"
    for flags in (["-f"], ["-fnsv"]):
        subprocess.run([helper, m.data, m.mnt, *flags, "-o", options], check=True, timeout=LIMIT)
        assert not os.path.ismount(m.mnt) and not (m.data / "app.jsonl").exists()
    assert "nowhere" in refused([helper, m.data, m.path / "nowhere", "-f"])
    m.command = lambda: [str(helper), str(m.data), str(m.mnt), "-nv", "-o", options]
    m.background = True
    m.start()
    m.append(A)
    assert m.status()["options"]["sync"] == "none"


def test_no_worker_outlives_the_daemon(m):
    """kill() of the harness sees every process below the daemon end."""
    m.append(event(0))
    assert m.view("count") == {"count": 1}
    m.kill()


def test_unmount_and_mount_again_quickly(m):
    for i in range(10):
        m.append(A)
        m.remount()
        assert m.view("count") == {"count": i + 1}


def test_mounting_takes_no_time(m):
    m.unmount()
    begin = time.monotonic()
    m.start()
    assert time.monotonic() - begin < LIMIT / 6


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors(tmp_path, closed):
    """What is opened must not take their places, nor be printed into."""
    (tmp_path / "data").mkdir()
    (tmp_path / "mnt").mkdir()
    (tmp_path / "data/app.jsonl").write_bytes(A)
    subprocess.run(["sh", "-c", f'"$0" mount data mnt {closed}', eventfold()], cwd=tmp_path, check=True, timeout=LIMIT)
    try:
        assert (tmp_path / "mnt/events/app").read_bytes() == A
    finally:
        subprocess.run(["fusermount3", "-u", "mnt"], cwd=tmp_path, check=True, timeout=LIMIT)
    assert (tmp_path / "data/app.jsonl").read_bytes() == A
