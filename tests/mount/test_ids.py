"""Finding an event by its id: ids/ID in the mount, `eventfold find` without one. Whatever becomes of the index, what is found is right."""

import errno
import os
import random
import shutil
import subprocess
import urllib.parse

import pytest
from harness import ALL, LIMIT, event, eventfold, line_of, scaled

ROUNDS = 50 if ALL else 5


def by_id(m, id):
    name = id.replace(".", "%2E") if id in (".", "..") else urllib.parse.quote(id, safe="")
    return (m.mnt / "ids" / name).read_bytes()


def find(m, id):
    return subprocess.run([eventfold(), "find", "--id", id, m.data], capture_output=True, timeout=LIMIT)


def test_reads_as_the_line(m):
    m.append('{"type":"x","id":"one"}', '{"type":"x","id":"\\u0074wo","ts":7,"data":{"n":1}}', '{"type":"x"}', '{"type":"x","id":null}')
    lines = m.history().splitlines(keepends=True)
    assert by_id(m, "one") == lines[0] and by_id(m, "two") == lines[1]
    assert os.stat(m.mnt / "ids/one").st_size == len(lines[0])
    with open(m.mnt / "ids/two", "rb") as f:
        f.seek(3)
        assert f.read(5) == lines[1][3:8]
    for name in ("three", "ONE", "one ", "null", "%", "%4", "%zz", "%6F%6E%6", "x" * 300):
        assert not os.path.lexists(m.mnt / "ids" / name), name
    assert (m.mnt / "ids/%6F%6ee").read_bytes() == lines[0]
    # What comes later is found, too.
    m.append('{"type":"x","id":"three"}')
    assert by_id(m, "three") == m.history().splitlines(keepends=True)[-1]


def test_names(m):
    ids = ["a/b", "100%", "..", ".", "ä😀", "with space", "\u0001", "q\"", "back\\slash", "\0", "x" * 255, "new\nline"]
    m.append(*({"type": "x", "id": id} for id in ids))
    for id, line in zip(ids, m.history().splitlines(keepends=True), strict=True):
        assert by_id(m, id) == line
    for id in ids:
        if "\0" not in id:
            assert find(m, id).stdout == by_id(m, id)


def test_the_first_of_several(m):
    m.append({"type": "x", "id": "a", "data": 1}, {"type": "x", "id": "b"}, {"type": "x", "id": "a", "data": 2})
    lines = m.history().splitlines(keepends=True)
    assert by_id(m, "a") == lines[0]
    done = find(m, "a")
    assert (done.returncode, done.stdout) == (0, lines[0] + lines[2])
    done = find(m, "c")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"eventfold: no event has this id\n")


def test_nothing_else_can_be_done_there(m):
    m.append({"type": "x", "id": "a"})
    assert os.listdir(m.mnt / "ids") == []
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        with pytest.raises(PermissionError):
            os.close(os.open(m.mnt / "ids/a", flags))
    with pytest.raises(PermissionError):
        os.close(os.open(m.mnt / "ids/new", os.O_WRONLY | os.O_CREAT))
    with pytest.raises(PermissionError):
        os.unlink(m.mnt / "ids/a")
    assert by_id(m, "a") == m.history()


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_what_was_acknowledged_is_found(new_mount, sync):
    m = new_mount(options=f"sync={sync}")
    with open(m.app, "ab", buffering=0) as app:
        for i in range(50):
            app.write(line_of(event(i)))
            assert by_id(m, f"e{i}") == line_of(event(i))


def test_a_mount_that_does_not_use_it_has_no_index(m):
    m.append(*map(event, range(10)))
    m.remount()
    assert not (m.data / "ids").exists()


def fill(m, n, base=0):
    lines = b"".join(line_of(event(base + i, pad=200)) for i in range(n))
    with open(m.app, "ab") as app:
        app.write(lines)
    return lines


def check(m, rng, n):
    for i in [0, n - 1] + [rng.randrange(n) for _ in range(10)]:
        assert by_id(m, f"e{i}") == line_of(event(i, pad=200))
    assert not os.path.lexists(m.mnt / f"ids/e{n}")


@pytest.mark.limit(10)
def test_whatever_becomes_of_the_index(new_mount):
    """An id from the first archived frame, with the index as it was, deleted, cut somewhere, of an older copy."""
    rng = random.Random(int(os.environ.get("EVENTFOLD_SEED", "1")))
    n = scaled(30000, 6000)
    m = new_mount(reducers=[])
    fill(m, n)
    m.sh("echo rotate > mnt/ctl")
    check(m, rng, n)
    m.unmount()
    copy_of = m.path / "older"
    shutil.copytree(m.data / "ids", copy_of)
    m.start()
    fill(m, n, base=n)
    check(m, rng, 2 * n)
    m.unmount()
    for number in range(ROUNDS):
        for harm in ("none", "deleted", "cut", "garbled", "older"):
            ids = m.data / "ids"
            files = sorted(ids.iterdir()) if ids.exists() else []
            if harm == "deleted":
                shutil.rmtree(ids)
            elif harm in ("cut", "garbled") and files:
                path = rng.choice(files)
                with open(path, "r+b") as f:
                    size = path.stat().st_size
                    at = rng.randrange(size)
                    if harm == "cut":
                        f.truncate(at)
                    else:
                        f.seek(at)
                        byte = f.read(1)[0] ^ 1 << rng.randrange(8)
                        f.seek(at)
                        f.write(bytes([byte]))
            elif harm == "older":
                shutil.rmtree(ids)
                shutil.copytree(copy_of, ids)
            m.start()
            check(m, rng, 2 * n)
            m.unmount()
            assert any(ids.iterdir()), "what is large is kept"
    m.start()


def test_damage_leaves_misses_uncertain(new_mount):
    m = new_mount(reducers=[])
    fill(m, 100)
    m.unmount()
    with open(m.data / "app.jsonl", "r+b") as f:
        f.seek(len(line_of(event(0, pad=200))) + 1)
        f.write(b"#")
    m.start()
    assert by_id(m, "e0") == line_of(event(0, pad=200)) and by_id(m, "e99") == line_of(event(99, pad=200))
    with pytest.raises(OSError) as e:
        os.stat(m.mnt / "ids/e1")
    assert e.value.errno == errno.EIO
    done = find(m, "e1")
    assert done.returncode == 1 and b"no event that can be read has this id" in done.stderr
    assert find(m, "e0").stdout == line_of(event(0, pad=200))
    # Mended beside the mount, and told so.
    with open(m.data / "app.jsonl", "r+b") as f:
        f.seek(len(line_of(event(0, pad=200))) + 1)
        f.write(b'"')
    m.sh("echo rebuild > mnt/ctl")
    assert by_id(m, "e1") == line_of(event(1, pad=200)) and not os.path.lexists(m.mnt / "ids/e100")
