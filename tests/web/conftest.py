"""The mounts of tests/mount, with a web server for them, and a browser."""

import functools
import http.server
import importlib.util
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

_spec = importlib.util.spec_from_file_location("mount_fixtures", HERE.parent / "mount" / "conftest.py")
_mount = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_mount)

pytest_runtest_makereport = _mount.pytest_runtest_makereport
pytest_collection_modifyitems = _mount.pytest_collection_modifyitems
watchdog, new_mount, m, compile_reducer = _mount.watchdog, _mount.new_mount, _mount.m, _mount.compile_reducer

from server import Server, why_no_browser, why_no_server  # noqa: E402


def pytest_configure(config):
    _mount.pytest_configure(config)
    config.addinivalue_line("markers", "browser: needs Chromium and its driver")


def pytest_runtest_setup(item):
    why = why_no_server()
    if not why and item.get_closest_marker("browser"):
        why = why_no_browser()
    if why:
        pytest.skip(why)


@pytest.fixture
def serve(new_mount):
    """Starts servers: serve(m), serve(m, "--read-only"). Each has to end cleanly, with nothing suspicious said."""
    servers = []

    def start(mount, *args, token=False):
        servers.append(Server(mount.mnt, *args, token=token))
        return servers[-1]

    yield start
    for s in servers:
        s.end()


@pytest.fixture
def web(m, serve):
    """A server for a mount with the to-do reducers."""
    return serve(m)


@pytest.fixture
def elsewhere(tmp_path):
    """The port of a server that has nothing to do with ours, and puts no limits on its pages."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/index.html").write_text("<!doctype html><title>elsewhere</title><link rel=icon href=data:,><body>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=tmp_path / "elsewhere")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def browse(request):
    """Opens windows, each a browser of its own: browse(url), browse(url, width=375, dark=True). Nothing may be in their consoles."""
    from browser import Window

    windows = []

    def open_window(url, **kwargs):
        windows.append(Window(url, **kwargs))
        return windows[-1]

    yield open_window
    said = [line for w in windows for line in w.end()]
    if not getattr(request.node, "failed_call", False):
        assert said == []
