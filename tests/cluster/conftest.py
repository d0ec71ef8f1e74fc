"""The fixtures of tests/mount, with engines and machines. Without etcd all is skipped, and in CI that is a failure."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

_spec = importlib.util.spec_from_file_location("mount_fixtures", HERE.parent / "mount" / "conftest.py")
_mount = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_mount)

pytest_runtest_makereport = _mount.pytest_runtest_makereport
pytest_configure = _mount.pytest_configure
watchdog, new_mount, m = _mount.watchdog, _mount.new_mount, _mount.m

from engine import Engine, why_no_engine  # noqa: E402
from machines import Cluster  # noqa: E402
from net import Net  # noqa: E402
from notes import Notes  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart():
    _mount.pytest_sessionstart()
    why = why_no_engine()
    if why and os.environ.get("CI") == "true":
        pytest.exit(f"{why}: in CI that is a failure", returncode=1)


def pytest_runtest_setup(item):
    why = _mount.why_no_fuse() or why_no_engine()
    if why:
        pytest.skip(why)


@pytest.fixture
def ended():
    """What has an end() that is called after the test's mounts are gone."""
    them = []
    yield them
    for it in reversed(them):
        it.end()


@pytest.fixture
def net(ended):
    ended.append(Net())
    return ended[-1]


@pytest.fixture
def engine(ended, tmp_path):
    """Three etcds that have nothing in them."""
    e = Engine(tmp_path / "engine")
    ended.append(e)
    e.start()
    return e


@pytest.fixture
def new_cluster(request, ended, new_mount, tmp_path):
    """Makes them: new_cluster(), new_cluster(machines=2, net=True, more="cluster_timeout=1s", begin=False). Its machines are mounts of
    the test's."""

    def make(name="", **kwargs):
        c = Cluster(tmp_path / name if name else tmp_path, request.node.mounts, ended, **kwargs)
        c.start()
        return c

    return make


@pytest.fixture
def notes(new_cluster, tmp_path):
    """What the test's writers know. Those that still write at its end are killed, before anything is unmounted."""
    n = Notes(tmp_path / "notes")
    yield n
    n.abandon()
