"""The manual pages: well-formed, and as complete as the program's own help.

Their examples are run with those of the other documentation (tests/mount/test_docs.py).
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

PROGRAM = os.environ["EVENTFOLD"]
MAN = pathlib.Path(__file__).resolve().parents[2] / "man"
PAGES = ["eventfold.1", "eventfold_reducer.3", "eventfold.5", "mount.eventfold.8", "eventfold-web.1"]
COMMANDS = ["mount", "umount", "status", "append", "import", "fold", "log", "find", "head", "verify", "copy", "recover", "reducers", "cluster"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def help_of(*command):
    return run(PROGRAM, *command, "--help").stdout


def words(section, page="eventfold.1"):
    """What a section of a page marks as commands, options' names and values."""
    text = (MAN / page).read_text().split(f"\n.Sh {section}\n")[1].split("\n.Sh ")[0]
    lines = re.findall(r"^\.(?:It )?(?:Cm|Op Fl|Fl) (.*)", text, re.M)
    marked = [w for line in lines for w in re.split(r"[ ,|]+", re.sub(r"Ar \S+|No .*", "", line))]
    return {w.replace(r"\-", "-") for w in marked if re.match(r"[a-z_\\]", w)}


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_well_formed(page):
    lint = run("mandoc", "-T", "lint", str(MAN / page)).stdout.splitlines()
    assert [line for line in lint if "referenced manual not found" not in line] == []


def test_every_command():
    listed = re.findall(r"^  (\w+) ", help_of(), re.M)
    assert sorted(listed) == sorted(COMMANDS)
    assert set(listed) <= words("SYNOPSIS") and set(listed) <= words("DESCRIPTION")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option(command):
    """-f, --each, as the manual has them without their first dash."""
    lines = re.findall(r"^(?:usage:|  -).*", help_of(command), re.M)
    options = {option for line in lines for option in re.findall(r"[\[ ]-(-?[a-z]+)", line)}
    assert options <= words("SYNOPSIS") and options <= words("DESCRIPTION")


def test_every_web_option():
    program = pathlib.Path(os.environ["EVENTFOLD_BUILD"]) / "src/web/eventfold-web"
    if not program.exists():
        pytest.skip("eventfold-web was not built")
    options = set(re.findall(r" (--[a-z-]+)", run(str(program), "--help").stdout))
    text = (MAN / "eventfold-web.1").read_text().replace("\\-", "-")
    assert options and {o for o in options if f"Fl {o[1:]}" not in text and f"| {o[1:]}" not in text} == set()


def test_every_mount_option():
    text = help_of("mount")
    assert "-o sync=write" in text
    for option in re.findall(r"-o (\S+)", text):
        if option in ("OPTIONS", "OPTIONS]"):
            continue
        for word in re.findall(r"\w+=?", option):
            assert word.isupper() or word in words("MOUNT OPTIONS"), word
            assert word.isupper() or "=" not in word or word in words("OPTIONS", "mount.eventfold.8"), word


def test_defaults():
    """What the help says is the default, the manual says."""
    manual = (MAN / "eventfold.1").read_text()
    found = re.findall(r"-o (\w+=)\S+ +.*?(\w+) by default", help_of("mount"))
    assert len(found) == 9
    for option, default in found:
        assert re.search(rf"^\.It Cm {option}(?:.*\n)+?.*\b{default} by\s+default", manual, re.M), option


@pytest.mark.parametrize("page, section", [("eventfold.1", "MOUNT OPTIONS"), ("mount.eventfold.8", "OPTIONS")])
def test_options_exist(page, section, tmp_path):
    """Each option that the manual names is one."""
    command = [PROGRAM, "mount"]
    if page.startswith("mount."):
        command = [tmp_path / "mount.eventfold"]
        command[0].symlink_to(PROGRAM)
    arguments = {"N": "ns", "t": "eventfold"}
    values = {"write", "close", "none", "auto", "on", "off", "any", "strict"}
    texts = {"comment=": "comment=x", "x-": "x-systemd.automount"}
    for word in words(section, page) - values:
        option = texts.get(word, word)
        if option.endswith("="):
            r = run(*command, "-o", option)
            assert r.returncode == 2 and f"{option}:" in r.stderr, r.stderr
        else:
            flag = [f"-{option}{arguments.get(option, '')}"] if len(option) == 1 else ["-o", option]
            r = run(*command, *flag)
            assert r.returncode == 2 and "two directories are wanted" in r.stderr, r.stderr


def test_reducer_interface():
    """eventfold_reducer(3) says of each function in the header what the header says, and names all else that is in there."""
    header = (MAN.parent / "src/model/eventfold/reducer.h").read_text()
    page = (MAN / "eventfold_reducer.3").read_text()
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    declared = re.findall(r"EVENTFOLD_EXPORT\s+([^;{]*?)\(([^;{]*?)\)\s*(?:;|__attribute__)", code)
    assert len(declared) > 15
    for what, parameters in declared:
        kind, name = re.fullmatch(r"(.*?)(\w+)", " ".join(what.split())).groups()
        words = " ".join(f'"{p}"' if p != "..." else p for p in re.split(r",\s*", " ".join(parameters.split())))
        assert f".Ft {kind.strip()}\n.Fn {name} {words}\n" in page, name
        assert f".Nm {name}" in page
    for name in re.findall(r"\b(?:EVENTFOLD_[A-Z]+|eventfold_[a-z]+)\b", code):
        assert name in page or name in ("EVENTFOLD_EXPORT", "EVENTFOLD_REDUCER_H"), name
    struct = code.split("struct eventfold_reducer {")[1].split("}")[0]
    for line in re.findall(r"^\s+(.*?\(\*\w+\)\(.*?\));", struct, re.M):
        assert f'.It Li "{line}"' in page, line
