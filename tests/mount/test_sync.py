"""-o sync=write|close|none: what may be asked for, and what each promises while the daemon lives."""

import os

import pytest

A = b'{"type":"a","data":1,"ts":1}\n'


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_in_the_file_when_promised(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    os.write(fd, A)
    if sync == "write":
        assert (m.data / "app.jsonl").read_bytes() == A
    else:
        os.fsync(fd)
        assert (m.data / "app.jsonl").read_bytes() == A
    os.write(fd, A)
    os.close(fd)
    assert (m.data / "app.jsonl").read_bytes() == A * 2


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_nothing_is_lost_at_unmount(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    for _ in range(1000):
        os.write(fd, A)
    os.close(fd)
    m.unmount()
    assert (m.data / "app.jsonl").read_bytes() == A * 1000


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_sigterm_while_writing_loses_nothing_acknowledged(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    fd = os.open(m.app, os.O_WRONLY)
    for _ in range(200):
        os.write(fd, A)
    m.terminate()
    try:
        os.close(fd)
    except OSError:
        pass
    assert (m.data / "app.jsonl").read_bytes() == A * 200


def test_status_says_which(new_mount):
    for sync in ("write", "close", "none"):
        m = new_mount(sync, options=f"sync={sync}")
        assert f'"{sync}"' in (m.mnt / "status.json").read_text()
