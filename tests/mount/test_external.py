"""A reducer written outside of this tree, built against an installed one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import eventfold, sh

SOURCES = Path(__file__).parent / "reducers"


@pytest.fixture
def installed(tmp_path):
    """What `meson install` puts under a prefix; gives DESTDIR and the directory of its .pc file."""
    build = os.environ.get("EVENTFOLD_BUILD")
    build = Path(build) if build else Path(eventfold()).parents[2]
    if not (build / "build.ninja").exists():
        pytest.skip(f"{build} is no build directory")
    dest = tmp_path / "dest"
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--destdir", dest],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (pc,) = dest.rglob("eventfold.pc")
    return dest, pc.parent


def test_builds_and_folds(new_mount, installed):
    dest, pkgconfig = installed
    m = new_mount.prepare(reducers=[])
    shutil.copy(SOURCES / "longest.c", m.path / "x.c")
    env = dict(os.environ, PKG_CONFIG_PATH=str(pkgconfig), PKG_CONFIG_SYSROOT_DIR="")
    # The prefix is not where the tree was put, so the paths in the .pc file are moved there.
    pc = pkgconfig / "eventfold.pc"
    prefix = sh("pkg-config --variable=prefix eventfold", env=env).stdout.decode().strip()
    pc.write_text(pc.read_text().replace(f"prefix={prefix}", f"prefix={dest}{prefix}"))
    m.sh("cc -shared -fPIC $(pkg-config --cflags --libs eventfold) x.c -o x.so", env=env)
    shutil.copy(m.path / "x.so", m.data / "reducers/x.so")
    m.start()
    m.append(
        {"type": "said", "data": {"text": "a"}},
        {"type": "said", "data": {"text": "longer \u00e9\n"}},
        {"type": "heard", "data": {"text": "longer than the others"}},
        {"type": "said", "data": {"text": "short"}},
    )
    assert m.view("x") == {"text": "longer \u00e9\n", "times": 2}
    m.remount()
    assert m.view("x") == {"text": "longer \u00e9\n", "times": 2}
    m.append({"type": "said", "data": {"text": "longer \u00ea\n"}})
    assert m.view("x") == {"text": "longer \u00ea\n", "times": 3}


def test_the_installed_program_and_reducers(new_mount, installed):
    dest, _ = installed
    (program,) = dest.rglob("bin/eventfold")
    env = dict(os.environ)
    assert sh(f"{program} --version", env=env).stdout.decode().startswith("eventfold ")
    names = {p.stem for p in dest.rglob("eventfold/reducers/*.so")}
    assert names == {"count", "types", "todos", "stats", "notes", "tags", "files", "latest"}
    web = {"eventfold-web.1"} if any(dest.rglob("bin/eventfold-web")) else set()
    assert {p.name for p in dest.rglob("man/man?/*")} == {
        "eventfold.1", "eventfold_reducer.3", "eventfold.5", "mount.eventfold.8"
    } | web  # fmt: skip
    for name in ("mount.eventfold", "mount.fuse.eventfold"):
        (helper,) = [p for p in dest.rglob("*") if p.name == name]
        assert helper.parent.name == "sbin" and Path(os.readlink(helper)).name == "eventfold"
    (header,) = dest.rglob("eventfold/reducer.h")
    sh(f"echo '#include <eventfold/reducer.h>' | c++ -xc++ -fsyntax-only -Wall -Werror -I{header.parents[1]} -")
