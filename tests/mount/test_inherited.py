"""What a daemon does not take over from whoever starts it, and who may read what it makes."""

import errno
import os
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import LIMIT, SLOW, Mount, children, descendants, event, eventfold

A = b'{"type":"a","data":1,"ts":1}\n'
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user: only root can be two")


def started(m):
    """A mount in the background that somebody else has started."""
    m.background = True
    m.pid = m.status()["pid"]
    m.process = subprocess.Popen(["true"])
    m.process.wait()
    Mount.live.append(m)
    return m


def test_a_lock_is_let_go(new_mount):
    m = new_mount.prepare()
    m.sh(f"flock lock {eventfold()} mount data mnt")
    started(m)
    m.append(A)
    m.view("count")
    m.sh("flock --nonblock lock true")


def test_a_pipe_is_let_go(new_mount):
    """cat ends when the last writer of its input has closed it."""
    m = new_mount.prepare()
    m.sh(f"{eventfold()} mount data mnt 3>&1 7>&1 | cat")
    started(m)


@pytest.mark.parametrize("background", [False, True])
def test_no_process_has_what_its_starter_had_open(new_mount, background):
    m = new_mount.prepare(background=background, options="journal=off")  # nothing is opened meanwhile
    secret = m.path / "secret"
    secret.write_text("x")
    plain = m.command()
    m.command = lambda: ["bash", "-c", f'exec 3<secret 9<secret 200<secret; cd "{m.path}"; exec "$@"', "bash", *plain]
    before = os.getcwd()
    os.chdir(m.path)
    try:
        m.start()
    finally:
        os.chdir(before)
    m.append(event(0))
    m.view("count")
    processes = [m.pid, *descendants(m.pid)]
    assert len(processes) > 1
    for pid in processes:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert str(secret) not in links


def test_an_ignored_sigchld(new_mount, compile_reducer):
    """How a worker has ended is learnt from waiting for it."""
    m = new_mount.prepare(background=True, reducers=["count"])
    crash = compile_reducer(Path(__file__).parents[1] / "unit/reducers_bad/crash.c")
    m.enable(crash)
    subprocess.run(m.command(), check=True, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    started(m)
    m.append(*[event(i) for i in range(600)])
    assert m.view("count") == {"count": 600}
    with pytest.raises(OSError):
        m.raw_view("crash")
    # A sanitizer catches the signal, and exits.
    why = (m.mnt / "views/crash.error").read_text()
    assert "signal 11" in why or (SLOW and "exited with status 1" in why)
    assert len(children(m.pid)) <= 2


def modes(m):
    """Of all that lies in DATA, DATA too."""
    paths = [m.data, *m.data.rglob("*")]
    return {str(p.relative_to(m.path)): stat.S_IMODE(p.lstat().st_mode) for p in paths if not p.is_symlink()}


def all_made(new_mount, options, umask):
    """A mount that has made all that there is to make: log, archive, snapshots, what a crash has left."""
    m = new_mount.prepare(options=options, reducers=[])
    (m.data / "reducers").rmdir()
    m.data.rmdir()
    before = os.umask(umask)
    try:
        m.start()
        (m.mnt / "reducers/count.jq").write_text(". + 1\n")
        m.append(*[event(i) for i in range(10)])
        m.view("count")
        m.sh("echo rotate > mnt/ctl")
        m.append(event(10))
        m.unmount()
        with open(m.data / "app.jsonl", "ab") as f:
            f.write(b'{"half')
        m.start()
        m.unmount()
    finally:
        os.umask(before)
    made = modes(m)
    made.pop("data/reducers/count.jq")
    assert {"data/app.jsonl", "data/archive.jsonl.zst", "data/app.jsonl.torn", "data/views/count.snapshot.json"} < set(made)
    return made


@pytest.mark.parametrize("umask", [0, 0o022])
def test_what_is_made_is_its_users_alone(new_mount, umask):
    for path, mode in all_made(new_mount, None, umask).items():
        assert mode == (0o600 if "." in path else 0o700), path


def test_data_umask(new_mount):
    for path, mode in all_made(new_mount, "data_umask=027", 0o077).items():
        assert mode == (0o640 if "." in path else 0o750), path


@pytest.mark.parametrize("value", ["", "8", "0777", "0100", "rw", "-1", "07x"])
def test_a_data_umask_that_is_none(value, tmp_path):
    done = subprocess.run(
        [eventfold(), "mount", "-o", f"data_umask={value}", tmp_path, tmp_path], stderr=subprocess.PIPE, timeout=LIMIT
    )
    assert done.returncode == 2 and b"data_umask=" in done.stderr


def test_data_umask_is_told(new_mount):
    assert new_mount().status()["options"]["data_umask"] == "077"
    assert new_mount("other", options="data_umask=22").status()["options"]["data_umask"] == "022"


@pytest.fixture
def shared(request, new_mount):
    """A mount that all may use, where all can come to it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        m = Mount(Path(directory), options="allow_other", start=False)
        request.node.mounts.append(m)
        m.start()
        yield m
        if m in Mount.live:
            m.unmount()
        request.node.mounts.remove(m)


def as_other(m, code):
    """Runs Python as another user; what it prints."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", "import os, sys\n" + code, str(m.mnt)],
        user=65534,
        group=65534,
        extra_groups=[],
        stdout=subprocess.PIPE,
        timeout=LIMIT,
        check=True,
    )
    return done.stdout.decode()


TRY = """
def attempt(flags):
    try:
        os.close(os.open(sys.argv[1] + "/" + path, flags))
        return "yes"
    except OSError as e:
        return os.strerror(e.errno)

for path in %r:
    print(path, *(attempt(flags) for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)), sep=":")
    print(path, *(os.access(sys.argv[1] + "/" + path, mode) for mode in (os.R_OK, os.W_OK, os.X_OK)), sep=":")
"""


@root_only
def test_others_may_read_but_not_command(shared):
    m = shared
    m.append(event(0))
    m.view("count")
    no = os.strerror(errno.EACCES)
    open_to_all = ["events/app", "views/count.json", "head/app", "status.json", "tail/app", "at/1/app"]
    said = as_other(m, TRY % (open_to_all + ["ctl", "rejected.jsonl"])).splitlines()
    want = []
    for path in open_to_all:
        want += [f"{path}:yes:{no}:{no}", f"{path}:True:False:False"]
    for path in ["ctl", "rejected.jsonl"]:
        want += [f"{path}:{no}:{no}:{no}", f"{path}:False:False:False"]
    assert said == want


@root_only
def test_its_own_user_may(shared):
    m = shared
    for path in ["ctl", "rejected.jsonl", "events/app"]:
        os.close(os.open(m.mnt / path, os.O_RDONLY))
        assert os.access(m.mnt / path, os.R_OK)
    assert os.access(m.mnt / "ctl", os.W_OK) and os.access(m.mnt / "events/app", os.W_OK)
    assert not os.access(m.mnt / "rejected.jsonl", os.W_OK)
    m.sh("echo snapshot > mnt/ctl")


@root_only
def test_another_user_sees_no_file_of_data(shared):
    m = shared
    m.append(event(0))
    m.sh("echo rotate > mnt/ctl")
    os.chmod(m.data, 0o755)
    said = as_other(
        m,
        """
data = sys.argv[1] + "/../data/"
for name in "app.jsonl", "archive.jsonl.zst", "views":
    print(name, os.access(data + name, os.R_OK))
""",
    )
    assert said.split() == ["app.jsonl", "False", "archive.jsonl.zst", "False", "views", "False"]
