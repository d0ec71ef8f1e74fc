"""Who may append and read: uid=, gid=, umask=; the helpers' names; and the word to systemd."""

import os
import socket
import stat
import subprocess

import pytest
from harness import LIMIT, eventfold, event

root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts for others, and acts for them, as root")


def as_user(m, command, uid=65534, gid=65534, groups=()):
    groups = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return subprocess.run(
        ["setpriv", f"--reuid={uid}", f"--regid={gid}", *groups, "bash", "-c", command],
        cwd=m.mnt, capture_output=True, timeout=LIMIT,
    ).returncode == 0


def modes(m):
    names = ["events/app", "views/count.json", "rejected.jsonl", "ctl", "views"]
    return [stat.S_IMODE(os.stat(m.mnt / name).st_mode) for name in names]


APPEND = "echo '{\"type\":\"a\"}' >> events/app"
CASES = [
    # options, (uid, gid, groups), may append, read the log, read rejected.jsonl, rotate
    ("", (1234, 1234, ()), False, True, False, False),
    ("uid=1234", (1234, 99, ()), True, True, True, True),
    ("uid=1234", (1235, 1234, ()), False, True, False, False),
    ("gid=1234,umask=002", (1235, 1234, ()), True, True, True, False),
    ("gid=1234,umask=002", (1235, 99, (98, 1234)), True, True, True, False),
    ("gid=1234,umask=002", (1235, 99, (98,)), False, True, False, False),
    ("gid=1234,umask=027", (1235, 1234, ()), False, True, False, False),
    ("gid=1234,umask=027", (1235, 99, ()), False, False, False, False),
    ("umask=000", (1235, 99, ()), True, True, True, False),
]


@root
@pytest.mark.parametrize("options, who, append, read, rejected, rotate", CASES)
def test_who_may(new_mount, options, who, append, read, rejected, rotate):
    m = new_mount(options=f"allow_other,{options}".rstrip(","), reducers=["count"])
    m.append(event(0))
    m.path.chmod(0o755)
    for parent in m.path.parents:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
    uid, gid, groups = who
    got = [as_user(m, command, uid, gid, groups) for command in (
        APPEND, "cat events/app", "cat rejected.jsonl", "echo rotate > ctl")]
    assert got == [append, read, rejected, rotate]
    assert as_user(m, "cat views/count.json && ls views", uid, gid, groups) == read
    assert as_user(m, APPEND.replace(">>", ">"), uid, gid, groups) == append
    assert len(m.events()) == 1 + 2 * append
    # What nobody may.
    assert not as_user(m, "echo 1 > views/count.json", uid, gid, groups)
    assert not as_user(m, "rm events/app", uid, gid, groups)
    assert m.view("count") == {"count": 1 + 2 * append}


@root
def test_whose_files(new_mount):
    m = new_mount(options="uid=nobody,gid=1234,umask=007", reducers=["count"])
    st = os.stat(m.app)
    assert (st.st_uid, st.st_gid) == (65534, 1234)
    assert modes(m) == [0o660, 0o440, 0o440, 0o600, 0o550]


def test_modes_by_default(new_mount):
    m = new_mount(reducers=["count"])
    assert modes(m) == [0o644, 0o444, 0o400, 0o600, 0o555]
    assert os.stat(m.app).st_uid == os.geteuid()


@pytest.mark.parametrize("option", ["uid=nobodyatall", "gid=-1", "uid=4294967295", "umask=8", "umask=1777", "umask="])
def test_wrong_ids(option):
    done = subprocess.run([eventfold(), "mount", "-o", option, "a", "b"], capture_output=True, timeout=LIMIT)
    assert done.returncode == 2 and f"{option}: ".encode() in done.stderr


@pytest.mark.parametrize("name", ["mount.eventfold", "mount.fuse.eventfold"])
def test_helpers(tmp_path, name):
    (tmp_path / name).symlink_to(eventfold())
    (tmp_path / "mnt").mkdir()

    def helper(*arguments):
        return subprocess.run(
            [tmp_path / name, tmp_path / "data", tmp_path / "mnt", *arguments], capture_output=True, timeout=LIMIT
        )

    done = helper("-o", "rw,remount")
    assert done.returncode == 2 and b"remount: a mounted log keeps its options" in done.stderr
    assert helper("-o", "rw,nofail,x-systemd.automount", "-t", "fuse.eventfold").returncode == 0
    assert os.path.ismount(tmp_path / "mnt")
    assert subprocess.run([eventfold(), "umount", tmp_path / "mnt"], timeout=LIMIT).returncode == 0


@pytest.mark.parametrize("name", ["notify", "@abstract"])
def test_systemd_is_told(tmp_path, socket_dir, name):
    """READY once the mount answers, STOPPING when it ends; and nothing below the daemon knows of it."""
    address = str(socket_dir / name) if name[0] != "@" else f"@{socket_dir}"
    (tmp_path / "mnt").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(address.replace("@", "\0"))
        s.settimeout(LIMIT)
        p = subprocess.Popen(
            [eventfold(), "mount", "-f", tmp_path / "data", tmp_path / "mnt"], env=dict(os.environ, NOTIFY_SOCKET=address)
        )
        assert s.recv(100) == b"READY=1"
        assert os.path.ismount(tmp_path / "mnt") and (tmp_path / "mnt/head/app").read_text() == "0:\n"
        p.terminate()
        assert s.recv(100) == b"STOPPING=1"
        assert p.wait(LIMIT) == 0
