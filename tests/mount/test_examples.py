"""The examples do what they say: each is run, and prints what lies in scripts/examples/expected, to the last byte.

Whatever becomes of an example, nothing of it is left: no mount, no process, no file.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from following import Follower, until
from harness import LIMIT, ROOT, SUSPICIOUS, eventfold, reducer

EXAMPLES = ROOT / "scripts/examples"
NAMES = [
    "todo", "multi-view", "rebuild", "rotation", "time-travel", "notes",
    "poll-tail", "blocking-tail", "watch-view", "compare-and-append", "claim", "retry", "balance", "replica", "witness",
]  # fmt: skip
SYSTEM = "/usr/bin:/bin"


class Place:
    """Where the examples of a test make their temporary directories."""

    def __init__(self, path):
        self.tmp = path / "tmp"
        self.tmp.mkdir()
        self.reports = path / "reports"
        self.reports.mkdir()

    def env(self, path, **more):
        """The daemon goes to the background, away from our standard error: a sanitizer reports to files."""
        env = dict(os.environ, PATH=path, TMPDIR=str(self.tmp), **more)
        for options in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            env[options] = f"{env.get(options, '')}:log_path={self.reports}/{options}"
        return env

    def mounts(self):
        found = re.findall(r" (\S+) fuse\S*eventfold", Path("/proc/mounts").read_text())
        return [mnt for mnt in found if mnt.startswith(f"{self.tmp}/")]

    def processes(self):
        """Those that an example has started, and that are still there: they have its environment."""
        mark = f"TMPDIR={self.tmp}\0".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" "))
            except OSError:
                pass  # gone, or not ours
        return found

    def check_nothing_left(self):
        assert self.mounts() == []
        assert list(self.tmp.iterdir()) == []
        until(lambda: not self.processes(), f"the end of {self.processes()}")
        for report in self.reports.iterdir():
            text = report.read_text(errors="replace")
            assert not any(word in text for word in SUSPICIOUS), text

    def clean_up(self):
        for mnt in self.mounts():
            subprocess.run(["fusermount3", "-u", "-z", mnt])


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.clean_up()


def ours(path=SYSTEM):
    """The PATH with the program under test in front."""
    return f"{Path(eventfold()).parent}:{path}"


def run(script, env):
    """Its exit code and all that it prints. If it takes too long, it is asked to end: that cleans up."""
    with subprocess.Popen(
        [script], cwd="/", env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out = process.communicate(timeout=LIMIT)[0].decode()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            out = process.communicate(timeout=LIMIT)[0].decode()
            raise AssertionError(f"{script} has not ended within {LIMIT} s: {out}") from None
    return process.returncode, out


def expected(name):
    return (EXAMPLES / "expected" / name).read_text()


def test_all_examples_are_known():
    scripts = [path.name for path in EXAMPLES.iterdir() if path.is_file() and os.access(path, os.X_OK)]
    assert sorted(scripts) == sorted(NAMES)
    assert sorted(path.name for path in (EXAMPLES / "expected").iterdir()) == sorted(NAMES)
    listed = re.findall(r"^\| `(.*?)` \|", (EXAMPLES / "README.md").read_text(), re.M)
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_example(place, name):
    code, out = run(EXAMPLES / name, place.env(ours(), EVENTFOLD_REDUCERS=str(reducer("count").parent)))
    assert out == expected(name)
    assert code == 0
    place.check_nothing_left()


def checkout(path):
    """A source tree with the examples in it, and nothing built."""
    shutil.copytree(EXAMPLES, path / "checkout/scripts/examples")
    return path / "checkout"


@pytest.mark.parametrize("name", ["todo", "poll-tail"])
def test_what_was_built_is_found(place, tmp_path, name):
    """Without eventfold in the PATH it is that of the checkout's build directory, reducers included."""
    tree = checkout(tmp_path)
    (tree / "build").symlink_to(reducer("count").parent.parent)
    env = place.env(SYSTEM)
    env.pop("EVENTFOLD_REDUCERS", None)
    assert run(tree / "scripts/examples" / name, env) == (0, expected(name))
    place.check_nothing_left()


@pytest.mark.parametrize("name", ["todo", "poll-tail"])
def test_nothing_was_built(place, tmp_path, name):
    # A PATH with what the examples use, as the program may be installed here.
    bin = tmp_path / "bin"
    bin.mkdir()
    for tool in ("bash", "dirname", "realpath"):
        (bin / tool).symlink_to(shutil.which(tool))
    code, out = run(checkout(tmp_path) / "scripts/examples" / name, place.env(str(bin)))
    assert (code, out) == (
        1, f"{name}: there is no eventfold: build it (scripts/run does), or put it into the PATH\n"
    )  # fmt: skip
    place.check_nothing_left()


def test_a_failure(place, tmp_path):
    """An example ends with what fails in it, and still cleans up."""
    fake = tmp_path / "bin/jq"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 7\n")
    fake.chmod(0o755)
    code, out = run(
        EXAMPLES / "todo", place.env(f"{fake.parent}:{ours()}", EVENTFOLD_REDUCERS=str(reducer("count").parent))
    )
    assert code == 7
    assert expected("todo").startswith(out)
    assert out.splitlines()[-1].startswith("$ jq -r '.items[]")
    place.check_nothing_left()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name, line", [("compare-and-append", "$ wait"), ("poll-tail", "total 123")])
def test_ended_by_a_signal(place, name, line, signum):
    """As by Ctrl-C in a terminal, which reaches all of its processes."""
    with Follower([EXAMPLES / name], cwd="/", env=place.env(ours()), start_new_session=True) as follower:
        while follower.line() != line:
            pass
        os.killpg(follower.pid, signum)
        assert follower.end() != 0
    place.check_nothing_left()
