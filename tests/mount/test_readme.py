"""The README's transcripts are true: each ```console block is run, line by line, and prints what it says it prints.

A block runs in a directory of its own, where `build` is the build directory and `eventfold` is in the PATH. A line with
nothing but … stands for any output.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from harness import LIMIT, ROOT, eventfold, reducer

README = ROOT / "README.md"
MARK = "=== end of output ==="


def blocks():
    text = README.read_text() if README.exists() else ""
    return re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S)


def steps(block):
    """(command, expected output) for each command of a block; a command goes on in lines that begin with '> '."""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0] += line[2:]
        else:
            found[-1][1] += line
    return found


def run(commands, cwd):
    """One shell for all of them; the output of each, standard error included."""
    script = "".join(f"{command}printf '%s\\n' '{MARK}'\n" for command in commands)
    env = dict(os.environ, PATH=f"{Path(eventfold()).parent}:{os.environ['PATH']}")
    done = subprocess.run(
        ["bash"], input=script, cwd=cwd, env=env, timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.stdout.split(MARK + "\n")[:-1]


def matches(want, got):
    # A shell that reads a script counts lines; one at a prompt does not.
    want, got = (re.sub(r"^bash: line \d+: ", "bash: ", text, flags=re.M) for text in (want, got))
    pattern = "".join("(?s:.*)" if line.strip() in ("…", "...") else re.escape(line) for line in want.splitlines(keepends=True))
    return re.fullmatch(pattern, got) is not None


@pytest.mark.parametrize("block", blocks(), ids=lambda block: steps(block)[0][0].strip()[:30])
def test_transcript(tmp_path, block):
    (tmp_path / "build").symlink_to(reducer("count").parent.parent)
    todo = steps(block)
    try:
        outputs = run([command for command, _ in todo], tmp_path)
    finally:
        for mnt in re.findall(r" (\S+) fuse\S*eventfold", Path("/proc/mounts").read_text()):
            if mnt.startswith(f"{tmp_path}/"):
                subprocess.run(["fusermount3", "-u", "-z", mnt])
    assert len(outputs) == len(todo)
    for (command, want), got in zip(todo, outputs):
        assert matches(want, got), f"$ {command}{got}instead of\n{want}"


def test_there_is_a_transcript():
    assert any("eventfold mount" in block for block in blocks())
