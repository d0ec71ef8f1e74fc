"""Runs what a page of the documentation shows, and finds where it shows something else than what happens.

A page is one session: its ```console blocks go on from each other, in one directory, by one shell. In them

- a line that begins with '$ ' is a command, and goes on in lines that begin with '> ';
- what follows is its output, standard error included; a line with nothing but … stands for any output.

A block of another language whose first line is a comment that begins with a file's name (`# n.jq`, `/* count.c: …`) is
saved as that file when its turn comes. <!-- until COMMAND --> stands where a reader is slower than a test: it waits, for a
bounded time, until the command succeeds.

`build` is the build directory, `scripts` the project's, and `eventfold` the program in the first; pkg-config knows the reducer interface.
What scripts/cluster has started is ended.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

from harness import LIMIT, ROOT, eventfold, reducer, wait_gone

MARK = "=== end of output ==="
PARTS = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$|^<!-- until (?P<until>.*?) -->$", re.M | re.S
)
NAME = re.compile(r"^(?:#|//|/\*) (?P<name>[\w-]+\.(?:jq|c|py|sh))\b")


def parts(text):
    """(language, text) of each block; a wait is of the language "until"."""
    for part in PARTS.finditer(text):
        if part["until"]:
            yield "until", part["until"]
        else:
            yield part["language"], re.sub(f"^{part['indent']}", "", part["text"], flags=re.M)


def file_name(text):
    """The name that a block says it has; None: it is part of something."""
    name = NAME.match(text)
    return name and name["name"]


def steps(text):
    """(command, expected output or None) for each command of a page; None: there is nothing to be seen of it."""
    found = []
    for language, block in parts(text):
        if language == "until":
            found.append([f"until {block}; do sleep 0.01; done\n", None])
        elif language != "console" and file_name(block):
            found.append([f"cat >{file_name(block)} <<'{MARK}'\n{block}{MARK}\n", None])
        elif language == "console":
            for line in block.splitlines(keepends=True):
                if line.startswith("$ "):
                    found.append([line[2:], ""])
                elif line.startswith("> ") and not found[-1][1]:
                    found[-1][0] += line[2:]
                else:
                    found[-1][1] += line
    return found


def environment(directory):
    """Where the program and the header are found, as after an installation."""
    (directory / ".pc").mkdir()
    (directory / ".pc/eventfold.pc").write_text(
        f"Name: eventfold\nDescription: not installed\nVersion: 0\nRequires: libcjson\nCflags: -I{ROOT / 'src/model'}\n"
    )
    return dict(
        os.environ,
        PATH=f"{Path(eventfold()).parent}:{directory}/build/src/web:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        PKG_CONFIG_PATH=str(directory / ".pc"),
        LC_ALL="C.UTF-8",
    )


def daemons(directory):
    """Takes away what is mounted below a directory: a pidfd of each daemon."""
    for mnt in re.findall(r" (\S+) fuse\S*eventfold", Path("/proc/mounts").read_text()):
        if not mnt.startswith(f"{directory}/"):
            continue
        pid = re.search(r'"pid":(\d+)', Path(mnt, "status.json").read_text())
        subprocess.run(["fusermount3", "-u", "-z", mnt], check=True)
        try:
            yield os.pidfd_open(int(pid[1]))
        except ProcessLookupError:
            pass


def run(todo, directory):
    """One shell for all of them; the outputs, as many as commands have ended in time."""
    (directory / "build").symlink_to(reducer("count").parent.parent)
    (directory / "scripts").symlink_to(ROOT / "scripts")
    script = "".join(f"{command}printf '\\n%s\\n' '{MARK}'\n" for command, _ in todo)
    with open(directory / ".output", "w+b") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script, "bash"],
            cwd=directory,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            shell.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # First of all: an unmount would end what blocks, and let the shell go on.
            try:
                os.killpg(shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            leaving = list(daemons(directory))
            for started in directory.glob("*/ports.json"):
                subprocess.run([ROOT / "scripts/cluster", "stop", started.parent], timeout=LIMIT, check=True)
            shell.wait(LIMIT)
        output.seek(0)
        text = output.read().decode(errors="replace")
    for fd in leaving:
        assert wait_gone(fd, LIMIT), "a daemon is still there"
        os.close(fd)
    return text.split(f"\n{MARK}\n")


def matches(want, got):
    # A shell that runs a script counts lines; one at a prompt does not.
    got = re.sub(r"^bash: line \d+: ", "bash: ", got, flags=re.M)
    pattern = "".join("(?s:.*)" if line.strip() == "…" else re.escape(line) for line in want.splitlines(keepends=True))
    return re.fullmatch(pattern, got) is not None


def check(text, directory):
    """Runs a page's text in an empty directory."""
    todo = steps(text)
    outputs = run(todo, directory)
    for (command, want), got in zip(todo, outputs):
        if want is None:
            assert not got, f"{command}{got}"
        else:
            assert matches(want, got), f"$ {command}{got}\ninstead of\n{want}"
    assert len(outputs) == len(todo) + 1, f"not within {LIMIT} s: {todo[len(outputs) - 1][0]}{outputs[-1]}"
