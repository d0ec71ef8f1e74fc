"""Others touch the log's files while it is mounted: nothing more is acknowledged then, and the reason can be read. What was
acknowledged before is there once the files are as they were."""

import errno
import json
import os
import shutil

import pytest
from harness import event, line_of

LINES = [line_of(event(i)) for i in range(6)]


def spoiled(path, copy):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    copy.write_bytes(content)


# What is done to a file, and what the reason then says.
DEEDS = {
    "removed": (lambda p: p.unlink(), "moved away or removed"),
    "moved": (lambda p: p.rename(p.parent.parent / "aside"), "moved away or removed"),
    "replaced": (lambda p: (spoiled(p, p.parent.parent / "copy"), os.rename(p.parent.parent / "copy", p)), "replaced"),
    "cut": (lambda p: os.truncate(p, p.stat().st_size - 1), "cut"),
    "written": (lambda p: p.open("ab").write(LINES[5]), "written to"),
}


def check_read_only(m, name, why):
    with pytest.raises(OSError) as caught:
        m.append(LINES[4])
    assert caught.value.errno == errno.EROFS
    log = m.status()["log"]
    assert log["read_only"] and name in log["why"] and why in log["why"]
    assert f"read-only from now on: {log['why']}" in m.stderr()


@pytest.mark.parametrize("deed", DEEDS)
def test_active_log(new_mount, deed):
    m = new_mount(reducers=["count"])
    m.append(*LINES[:3])
    assert m.view("count") == {"count": 3}
    active = m.data / "app.jsonl"
    before = active.read_bytes()
    do, why = DEEDS[deed]
    do(active)
    after = active.read_bytes() if active.exists() else None
    check_read_only(m, "app.jsonl", why)
    assert (active.read_bytes() if active.exists() else None) == after  # nothing of anybody's is overwritten
    assert m.view("count") == {"count": 3}
    m.unmount()
    active.write_bytes(before)
    m.start()
    m.append(LINES[3])
    assert m.history() == b"".join(LINES[:4])


@pytest.mark.parametrize("deed", DEEDS)
def test_archive(new_mount, deed):
    m = new_mount(reducers=["count"])
    m.append(*LINES[:2])
    (m.mnt / "ctl").write_text("rotate")
    m.append(LINES[2])
    archive = m.data / "archive.jsonl.zst"
    before = archive.read_bytes()
    do, why = DEEDS[deed]
    do(archive)
    after = archive.read_bytes() if archive.exists() else None
    with pytest.raises(OSError) as caught:
        (m.mnt / "ctl").write_text("rotate")
    assert caught.value.errno == errno.EROFS
    check_read_only(m, "archive.jsonl.zst", why)
    assert (archive.read_bytes() if archive.exists() else None) == after
    m.unmount()
    archive.unlink(missing_ok=True)
    archive.write_bytes(before)
    m.start()
    assert m.history() == b"".join(LINES[:3])
    (m.mnt / "ctl").write_text("rotate")
    m.append(LINES[3])
    assert m.history() == b"".join(LINES[:4])
    assert m.view("count") == {"count": 4}


def test_a_copy_of_the_archive_in_its_place(new_mount):
    """As when a backup is put back."""
    m = new_mount(reducers=["count"])
    m.append(*LINES[:2])
    (m.mnt / "ctl").write_text("rotate")
    m.append(LINES[2])
    shutil.copy(m.data / "archive.jsonl.zst", m.path / "copy")
    os.rename(m.path / "copy", m.data / "archive.jsonl.zst")
    (m.mnt / "ctl").write_text("rotate")
    m.append(LINES[3])
    assert m.history() == b"".join(LINES[:4])
    m.remount()
    assert m.history() == b"".join(LINES[:4])


def test_a_rotation_that_cannot_be_done_is_told(new_mount):
    m = new_mount(reducers=["count"])
    m.append(*LINES[:3])
    blocked = m.data / ".app.jsonl.new"
    blocked.mkdir()
    with pytest.raises(OSError):
        (m.mnt / "ctl").write_text("rotate")
    log = m.status()["log"]
    assert "app.jsonl" in log["rotation_error"] and not log["read_only"]
    m.append(LINES[3])
    blocked.rmdir()
    (m.mnt / "ctl").write_text("rotate")
    assert m.status()["log"]["rotation_error"] is None
    assert json.loads((m.mnt / "views/count.json").read_bytes()) == {"count": 4}
