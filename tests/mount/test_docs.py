"""The documentation is true: each command it shows is run and prints what it is said to print (transcript.py), and what it lists is
what there is."""

import re

import pytest
import transcript
from harness import ROOT

PAGES = ["README.md"] + sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))
ETCD = "docs/CLUSTER.md"  # its commands need that: tests/cluster/test_cluster_docs.py runs them
SCRIPTS = ["scripts/run\n", "scripts/test\n"]  # what is shown as a command line and can't be run in here

# As the design has it.
FIRST = """\
```console
$ eventfold mount data mnt
$ echo '.[$event.type] += 1' > mnt/reducers/count.jq
$ echo '{"type":"todo_added","data":{"text":"buy milk"}}' >> mnt/events/app
$ cat mnt/views/count.json
{"todo_added":1}
```
"""


def text_of(page):
    return (ROOT / page).read_text()


@pytest.mark.parametrize("page", [p for p in PAGES if p != ETCD and transcript.steps(text_of(p))])
def test_transcript(tmp_path, page):
    transcript.check(text_of(page), tmp_path)


@pytest.mark.parametrize("page", ["man/eventfold.1"])
def test_examples(tmp_path, page):
    """The manual's examples are a transcript in another form."""
    examples = text_of(page).split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    console = re.sub(r"^\.Bd -literal.*$", "```console", examples, flags=re.M)
    transcript.check(re.sub(r"^\.Ed$", "```", console, flags=re.M), tmp_path)


def test_first_transcript(tmp_path):
    (tmp_path / "mnt").mkdir()
    transcript.check(FIRST, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_no_command_is_left_out(page):
    """Commands stand in console blocks, where they are run."""
    for language, block in transcript.parts(text_of(page)):
        runs = language == "console" or transcript.file_name(block) or block in SCRIPTS
        assert runs or language not in ("sh", "bash", "shell", "python"), block
        assert runs or not re.search(r"^\$ ", block, re.M), block


@pytest.mark.parametrize("page", PAGES)
def test_links(page):
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(page)):
        assert "://" in target or ((ROOT / page).parent / target).exists(), target


def test_every_page_is_linked():
    linked = re.findall(r"\]\((docs/[^)#]+\.md)\)", text_of("README.md"))
    assert sorted(set(linked)) == PAGES[1:]


def rows(page, heading):
    """The first column of the table under a heading: what stands in backquotes."""
    table = text_of(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [name for row in re.findall(r"^\| (.*?) \|", table, re.M) for name in re.findall(r"`(.*?)`", row)]


def fields(value, path=""):
    """The names of an object's members, and of theirs."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from fields(inner, f"{path}{key}.")
        else:
            yield path + key


def test_status_fields(new_mount):
    m = new_mount(reducers=["count"])
    (m.mnt / "rules/count.jq").write_text("true")
    m.append({"type": "a"})
    found = [re.sub(r"(views|rules)\.count\.", r"\1.NAME.", name) for name in fields(m.status())]
    shared = [name for name in rows("docs/MOUNT.md", "status.json") if name.startswith("cluster.")]  # test_shared.py has those
    assert sorted({*rows("docs/MOUNT.md", "status.json")} - {*shared}) == sorted(found)
