"""Completion in bash, by bash's own means: the function that is registered, with the words as bash takes them apart."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

PROGRAM = os.environ["EVENTFOLD"]
ROOT = pathlib.Path(__file__).resolve().parents[2]


def complete(line, cwd, program=PROGRAM, script="eventfold", words=None):
    """What the word at the end of the line may become; `words` where bash ends some at = or :."""
    words = words or line.split(" ")
    function = re.search(r"^complete -F (\w+)", (ROOT / "completion" / script).read_text(), re.M)[1]
    text = f"""
        . {shlex.quote(str(ROOT / 'completion' / script))}
        COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
        {function} {script}; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{pathlib.Path(program).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-uc", text], cwd=cwd, env=dict(os.environ, PATH=path), capture_output=True, text=True, timeout=300
    )
    assert done.stderr == "", done.stderr
    return set(done.stdout.split("\n")) - {""}


@pytest.fixture
def here(tmp_path):
    for name in ["data", "data two", "dump"]:
        (tmp_path / name).mkdir()
    for name in ["count.jq", "count.so", "events.jsonl", "notes.txt"]:
        (tmp_path / name).touch()
    return tmp_path


def test_commands(here):
    listed = re.findall(r"^  (\w+) ", subprocess.run([PROGRAM, "--help"], capture_output=True, text=True).stdout, re.M)
    assert complete("eventfold ", here) == {*listed, "--help", "--version"}
    assert complete("eventfold um", here) == {"umount"}


@pytest.mark.parametrize("command", ["mount", "umount", "status", "append", "import", "fold", "log", "find", "head", "verify", "copy", "recover", "reducers", "cluster"])
def test_options(here, command):
    text = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True).stdout
    options = set(re.findall(r"^  (-{1,2}[a-z]+)", text, re.M)) | {"--help"}
    assert complete(f"eventfold {command} -", here) == options


@pytest.mark.parametrize("line, want", [
    ("eventfold mount d", {"data", "data two", "dump"}),
    ("eventfold mount data d", {"data", "data two", "dump"}),
    ("eventfold mount -f -o sync=none data du", {"dump"}),
    ("eventfold fold c", {"count.jq", "count.so"}),
    ("eventfold fold --at 3 count.jq e", {"events.jsonl"}),
    ("eventfold import --refused n", {"notes.txt"}),
    ("eventfold import /mnt e", {"events.jsonl"}),
    ("eventfold append --actor ", set()),
    ("eventfold fold --tz Europe/Berl", {"Europe/Berlin"}),
    ("eventfold fold --tz Europe/Berlin c", {"count.jq", "count.so"}),
    ("eventfold verify du", {"dump"}),
    ("eventfold verify --heads n", {"notes.txt"}),
    ("eventfold verify --heads notes.txt du", {"dump"}),
    ("eventfold head du", {"dump"}),
    ("eventfold reducers to", {"todos"}),
    ("eventfold cluster ", {"begin", "status", "forget"}),
    ("eventfold cluster begin --anew -o cluster=http://a:2379,log=x du", {"dump"}),
    ("eventfold nonsense ", set()),
])
def test_words(here, line, want):
    assert complete(line, here) == want


@pytest.mark.parametrize("line, words, want", [
    ("eventfold mount -o sy", None, {"sync="}),
    ("eventfold mount -o ro,sy", None, {"ro,sync="}),
    ("eventfold mount -o sync=", ["eventfold", "mount", "-o", "sync", "="], {"write", "close", "none"}),
    ("eventfold mount -o ro,sync=cl", ["eventfold", "mount", "-o", "ro,sync", "=", "cl"], {"close"}),
    ("eventfold mount -o sync=close,ts=s", ["eventfold", "mount", "-o", "sync", "=", "close,ts", "=", "s"], {"strict"}),
    ("eventfold mount -o sync=close,al", ["eventfold", "mount", "-o", "sync", "=", "close,al"],
     {"close,allow_other", "close,allow_root"}),
    ("eventfold mount -o ro,tz=Europe/Berl", ["eventfold", "mount", "-o", "ro,tz", "=", "Europe/Berl"], {"Europe/Berlin"}),
    ("eventfold cluster begin -o cluster_w", None, {"cluster_window="}),
    ("eventfold cluster begin -o s", None, set()),
    ("eventfold mount -o uid=ro", ["eventfold", "mount", "-o", "uid", "=", "ro"], {"root"}),
])
def test_mount_options(here, line, words, want):
    assert complete(line, here, words=words) == want


def test_every_mount_option(here):
    text = subprocess.run([PROGRAM, "mount", "--help"], capture_output=True, text=True).stdout
    options = set(re.findall(r"(?:-o |,)(\w+=)", text))
    assert len(options) > 8 and options <= complete("eventfold mount -o ", here)


def test_web(here):
    program = pathlib.Path(os.environ["EVENTFOLD_BUILD"]) / "src/web/eventfold-web"
    if not program.exists():
        pytest.skip("eventfold-web was not built")
    text = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    assert complete("eventfold-web --", here, script="eventfold-web") == set(re.findall(r"(--[a-z-]+)", text))
    assert complete("eventfold-web --app du", here, script="eventfold-web") == {"dump"}
    assert complete("eventfold-web da", here, script="eventfold-web") == {"data", "data two"}
