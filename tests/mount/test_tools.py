"""Tools that walk, copy and compare: each ends and gets exactly the bytes that cat gets."""

import json
import os
import shutil
import subprocess

import pytest
from harness import event

STILL = ["events/app", "head/app", "rejected.jsonl"] + [
    f"views/{name}.{end}" for name in ("todos", "count", "types", "stats") for end in ("json", "offset", "hash", "snapshot.json")
]


@pytest.fixture
def filled(m):
    m.append(*(event(i) for i in range(300)), {"type": "todo_added", "data": {"text": "buy milk"}})
    return m


def cat(m, name):
    return subprocess.run(["cat", m.mnt / name], stdout=subprocess.PIPE, check=True).stdout


def same(m, copy):
    for name in STILL:
        assert (m.path / copy / name).read_bytes() == cat(m, name), name


def need(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")


def test_grep_r(filled):
    out = filled.sh("grep -r milk mnt").stdout.decode()
    assert {line.split(":")[0] for line in out.splitlines()} >= {
        "mnt/events/app",
        "mnt/views/todos.json",
        "mnt/views/todos.snapshot.json",
    }


def test_cp_r(filled):
    filled.sh("cp -r mnt x")
    same(filled, "x")
    assert os.readlink(filled.path / "x/reducers") == str(filled.data / "reducers")


def test_cp_a(filled):
    filled.sh("cp -a mnt x")
    same(filled, "x")


def test_tar(filled):
    filled.sh("mkdir x && tar c mnt | tar x -C x")
    same(filled, "x/mnt")


def test_rsync(filled):
    need("rsync")
    filled.sh("rsync -a mnt/ y/")
    same(filled, "y")
    filled.append(event(1000))
    filled.sh("rsync -a --modify-window=-1 mnt/ y/")  # changed within the same second, and of the same size
    same(filled, "y")


def test_du_and_df(filled):
    size = sum((filled.mnt / name).stat().st_size for name in STILL)
    assert int(filled.sh("du -sb --apparent-size mnt").stdout.split()[0]) >= size
    assert filled.sh("df mnt").stdout.splitlines()[1].endswith(str(filled.mnt).encode())
    assert int(filled.sh("df --output=size mnt").stdout.split()[-1]) > 0


def test_busybox(filled):
    need("busybox")
    for name in STILL:
        assert filled.sh(f"busybox cat mnt/{name}").stdout == cat(filled, name)
        filled.sh(f"busybox cp mnt/{name} copy")
        assert (filled.path / "copy").read_bytes() == cat(filled, name)


def test_git_diff_no_index(filled):
    for name in STILL:
        (filled.path / "copy").write_bytes(cat(filled, name))
        filled.sh(f"git diff --no-index --exit-code mnt/{name} copy")
        (filled.path / "copy").write_bytes(cat(filled, name) + b"more\n")
        assert filled.sh(f"git diff --no-index mnt/{name} copy", check=False).stdout.count(b"\n+more") == 1


def test_copyfile_and_sendfile(filled):
    for name in STILL:
        shutil.copyfile(filled.mnt / name, filled.path / "copy")
        assert (filled.path / "copy").read_bytes() == cat(filled, name)
        with open(filled.mnt / name, "rb") as source, open(filled.path / "sent", "wb") as target:
            while os.sendfile(target.fileno(), source.fileno(), None, 1 << 20):
                pass
        assert (filled.path / "sent").read_bytes() == cat(filled, name)


def test_sendfile_sees_what_is_new(filled):
    """The kernel's own idea of the size is what sendfile goes by, and nobody asked for it in between."""
    for i in range(20):
        filled.append(event(i))
        for name in ("events/app", "views/todos.json", "head/app", "status.json"):
            source = os.open(filled.mnt / name, os.O_RDONLY)
            with open(filled.path / "sent", "wb") as target:
                while os.sendfile(target.fileno(), source, None, 1 << 20):
                    pass
            os.close(source)
            if name != "status.json":
                assert (filled.path / "sent").read_bytes() == cat(filled, name), name
            else:
                json.loads((filled.path / "sent").read_bytes())


def test_find_stat_and_wc(filled):
    for name in STILL:
        size = int(filled.sh(f"stat -c %s mnt/{name}").stdout)
        assert size == len(cat(filled, name)) == int(filled.sh(f"wc -c < mnt/{name}").stdout)
    assert len(filled.sh("find mnt").stdout.splitlines()) > len(STILL)
    filled.sh("find mnt -type f -exec md5sum {} + > /dev/null")


def test_archives_of_the_mount(filled):
    filled.sh("tar czf x.tgz mnt/views mnt/head && tar xzf x.tgz -O mnt/views/todos.json > todos")
    assert (filled.path / "todos").read_bytes() == cat(filled, "views/todos.json")


@pytest.mark.parametrize("program", ["tar cf x.tar mnt/views mnt/at/2", "rsync -a mnt/views mnt/at/2 copy", "cp -r mnt/views mnt/at/2 copy"])
def test_what_copies_a_broken_view_says_so(filled, program):
    """And copies no empty file in its place; the others are copied."""
    (filled.data / "reducers/broken.jq").write_text("(((")
    (filled.path / "copy").mkdir()
    done = filled.sh(program, check=False)
    assert done.returncode != 0
    for name in ("views/broken.json", "views/broken.snapshot.json", "2/broken.json"):
        assert name.encode() in done.stderr, name
    if "copy" in program:
        assert [p for p in (filled.path / "copy").rglob("*") if p.stat().st_size == 0 and "json" in p.name] == []
        assert list((filled.path / "copy").rglob("todos.json"))


def test_diff_r_of_two_copies(filled):
    filled.sh("cp -r mnt/views a && cp -r mnt/views b && diff -r a b && diff -r mnt/views a")


def test_less_and_vi_like_reads(filled):
    assert filled.sh("less -E mnt/events/app < /dev/null | cat").stdout == cat(filled, "events/app")
    assert filled.sh("python3 -c 'import mmap; f=open(\"mnt/views/todos.json\",\"rb\"); "
                     "print(len(mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)))'").stdout.strip() \
        == str(len(cat(filled, "views/todos.json"))).encode()  # fmt: skip
