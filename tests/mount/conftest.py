"""Fixtures: FUSE or a reason to skip, a mount, a watchdog, and what a failure leaves behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))  # oracle/

from harness import LIMIT, Mount, eventfold, reducer  # noqa: E402


def why_no_fuse():
    """None, or why nothing can be mounted here."""
    if subprocess.run(["which", "fusermount3"], stdout=subprocess.DEVNULL).returncode != 0:
        return "fusermount3 is not installed"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        return f"/dev/fuse: {e.strerror}"
    return None


@pytest.hookimpl(tryfirst=True)  # before there are workers, whose exits would say nothing
def pytest_sessionstart():
    try:
        eventfold(), reducer("count")
    except AssertionError as e:
        pytest.exit(str(e), returncode=1)
    why = why_no_fuse()
    if why and os.environ.get("CI") == "true":
        pytest.exit(f"no FUSE ({why}): in CI that is a failure", returncode=1)


def pytest_collection_modifyitems(items):
    why = why_no_fuse()
    if why:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"no FUSE: {why}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test says what reproduces it: the daemon's command line and what it wrote."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    item.failed_call = True
    for i, m in enumerate(getattr(item, "mounts", [])):
        text = m.stderr()[-8000:]
        report.sections.append(
            (
                f"mount {i}",
                f"{' '.join(m.command())}\n"
                f"data, mount point and standard error are kept in {m.path}\n{text}",
            )
        )


@pytest.fixture(autouse=True)
def watchdog(request):
    """A daemon that does not answer would block the test in the kernel for good: after the limit it is ended, with a
    core where cores are written, and the test fails."""
    marker = request.node.get_closest_marker("limit")
    seconds = LIMIT * (marker.args[0] if marker else 4)
    fired = []

    def fire():
        fired.append(seconds)
        for m in list(Mount.live):
            try:
                os.kill(m.pid or m.process.pid, signal.SIGABRT)
            except (ProcessLookupError, AttributeError):
                pass
            m.abandon()

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()
    for m in list(Mount.live):
        m.abandon()
    assert not fired, f"stopped after {seconds} s"


@pytest.fixture
def new_mount(request, tmp_path):
    """Makes mounts: new_mount(), new_mount(options="sync=none", reducers=["types"]), new_mount("other")."""
    mounts = request.node.mounts = []

    def make(name="", **kwargs):
        m = Mount(tmp_path / name if name else tmp_path, start=False, **kwargs)
        mounts.append(m)
        m.start()
        return m

    make.prepare = lambda name="", **kwargs: mounts.append(
        Mount(tmp_path / name if name else tmp_path, start=False, **kwargs)
    ) or mounts[-1]
    yield make
    # The end of each is part of its test; after a failure it is only cleaned up.
    failed = getattr(request.node, "failed_call", False)
    error = None
    for m in mounts:
        if m not in Mount.live:
            m.__exit__(None)
            continue
        try:
            m.abandon() if failed else m.unmount()
        except BaseException as e:  # noqa: B902
            m.abandon()
            error = error or e
    if error:
        raise error


@pytest.fixture
def m(new_mount):
    """A mount with the todo reducers."""
    return new_mount()


@pytest.fixture
def socket_dir():
    """A directory of its own with a short name: that of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@pytest.fixture
def compile_reducer(tmp_path):
    """Builds a reducer from a source file with the header of the source tree; gives the .so's path."""
    root = Path(__file__).resolve().parents[2]

    def build(source, name=None):
        out = tmp_path / f"{name or Path(source).stem}.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", f"-I{root / 'src/model'}", str(source), "-lcjson", "-o", str(out)],
            check=True,
        )
        return out

    return build


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(n): the test may take n times the usual bound")
    # What a shell starts in the background ignores Ctrl-C, and all that it starts does: not here. Workers inherit it, and need
    # not run in their process's main thread, which alone may say so.
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config):
    return f"eventfold: {os.environ.get('EVENTFOLD', 'build/src/cli/eventfold')}"

