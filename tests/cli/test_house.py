"""The house stands as docs/ARCHITECTURE.md draws it: what a file includes lies in its own layer or in one below, what the page names
is there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PAGE = ROOT / "docs" / "ARCHITECTURE.md"
LAYERS = ["base", "store", "model", "fs", "cli"]
COLUMNS = 110
OTHERS = {"x.c", "linux/sched.h", "fuse_req_getgroups", "sd_notify"}  # an example's; the kernel's; libfuse's; systemd's
BELOW = {layer: set(LAYERS[: i + 1]) for i, layer in enumerate(LAYERS)} | {"web": {"base", "web"}, "cluster": {"base", "store", "cluster"}}
LINKED = {"fs", "cli"}  # what of `cluster` is a library for others, `cluster/link`, these may use


def includes(src):
    """(file, file that it includes) of all files of this house, as paths below src."""
    for file in sorted(p for p in src.rglob("*.[ch]")):
        for name in re.findall(r'^#include "([^"]+)"', file.read_text(), re.M):
            if (src / name).exists():
                yield file.relative_to(src), pathlib.PurePath(name)


def cycle(edges):
    """The nodes of one cycle, in their order; none: []."""
    ahead = {}
    for a, b in edges:
        if a != b:
            ahead.setdefault(a, set()).add(b)
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        path.append(node)
        for following in sorted(ahead.get(node, ())):
            found = visit(following)
            if found:
                return found
        path.pop()
        done.add(node)
        return []

    return next((found for found in map(visit, sorted(ahead)) if found), [])


def may_include(layer, name):
    return name.parts[0] in BELOW[layer] or (layer in LINKED and name.parts[:2] == ("cluster", "link"))


def upwards(src):
    return [(str(a), str(b)) for a, b in includes(src) if not may_include(a.parts[0], b)]


def cycle_of_folders(src):
    """In `model`: a cycle of its files that lies in several folders makes one of the folders, too."""
    return cycle((str(a.parent), str(b.parent)) for a, b in includes(src) if a.parts[0] == b.parts[0] == "model")


def cycle_of_headers(src):
    return cycle((str(a), str(b)) for a, b in includes(src) if a.suffix == b.suffix == ".h")


def test_no_layer_includes_a_higher_one():
    assert upwards(SRC) == []


def test_no_cycle_of_folders_in_model():
    assert cycle_of_folders(SRC) == []


def test_no_cycle_of_headers():
    assert cycle_of_headers(SRC) == []


def test_what_is_wrong_is_found(tmp_path):
    def write(name, *included):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("".join(f'#include "{i}"\n' for i in included))

    write("base/a.h")
    write("base/a.c", "base/a.h", "store/b.h")
    write("web/w.c", "base/a.h", "store/b.h")
    write("store/b.h", "base/a.h")
    write("cluster/link/l.h", "base/a.h")
    write("cluster/etcd/e.h")
    write("fs/f.c", "cluster/link/l.h", "cluster/etcd/e.h")
    assert upwards(tmp_path) == [("base/a.c", "store/b.h"), ("fs/f.c", "cluster/etcd/e.h"), ("web/w.c", "store/b.h")]
    write("model/one/x.h")
    write("model/one/x.c", "model/one/x.h", "model/two/y.h")
    write("model/two/y.h")
    assert cycle_of_folders(tmp_path) == []
    write("model/two/y.c", "model/two/y.h", "model/three/z.h")
    write("model/three/z.h", "model/one/x.h")
    assert cycle_of_folders(tmp_path) == ["model/one", "model/two", "model/three"]
    assert cycle_of_headers(tmp_path) == []
    write("store/b.h", "store/c.h")
    write("store/c.h", "store/b.h")
    assert cycle_of_headers(tmp_path) == ["store/b.h", "store/c.h"]


def test_long_lines_and_stale_comments_are_found(tmp_path):
    lines = ["/* See b_put(), a.c, b.h and gone_put(), in gone.c. */", "/" * 111, "\t" * 13 + "é" + "x" * 6, "\t" * 13 + "é" + "x" * 5]
    (tmp_path / "a.c").write_text("\n".join(lines))
    (tmp_path / "b.h").write_text("void b_put(void);\n")
    assert sorted(stale_comments(tmp_path)) == ["a.c: gone.c", "a.c: gone_put()"]
    assert sorted(long_lines(tmp_path)) == ["a.c:2", "a.c:3"]


def is_file(name):
    return bool(list(SRC.glob(name)) or list(SRC.glob(name + ".[ch]")))


def long_lines(src):
    for file in src.rglob("*.[ch]"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if len(line.expandtabs(8)) > COLUMNS:
                yield f"{file.relative_to(src)}:{number}"


def test_lines_are_short():
    assert sorted(long_lines(SRC)) == []


def stale_comments(src):
    """Files and functions that a comment names and that are nowhere any more."""
    texts = {file.relative_to(src): file.read_text() for file in src.rglob("*.[ch]")}
    code = re.sub(r"/\*.*?\*/", "", "\n".join(texts.values()), flags=re.S)
    words = set(re.findall(r"\w+", code)) | OTHERS
    for file, text in texts.items():
        for comment in re.findall(r"/\*.*?\*/", text, re.S):
            for name in re.findall(r"\b[\w/]+\.[ch]\b", comment):
                if name not in OTHERS and not any(f"/{path}".endswith(f"/{name}") for path in texts):
                    yield f"{file}: {name}"
            for name in re.findall(r"\b(\w+_\w+)\(\)", comment):
                if name not in words:
                    yield f"{file}: {name}()"


def test_comments_name_what_is_there():
    assert sorted(stale_comments(SRC)) == []


def names_in(text):
    return re.findall(r"`([^`\n]+)`", text)


def missing_files(page):
    """What the page calls by its path, or NAME.c; and in tables of files what stands behind the path of a file or folder."""
    for name in names_in(page):
        if re.fullmatch(rf"({'|'.join(BELOW)})/[\w/.*]+", name) and not is_file(name):
            yield name
        elif re.fullmatch(r"\w+\.[ch]", name) and not list(SRC.rglob(name)):
            yield name
    folder = ""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:3]]
        if len(cells) < 2 or not cells[0].startswith(("`", "file")):
            folder = "" if len(cells) < 2 else folder
            continue
        if cells[0].startswith("file"):  # the head of a table: "files", or "file in `model/views/`"
            folder = "".join(names_in(cells[0])) or "."
            continue
        if not folder:
            continue
        here = pathlib.PurePath(folder)
        for name in names_in(cells[0]):
            if "/" in name:
                here = pathlib.PurePath(name) if name.endswith("/") else pathlib.PurePath(name).parent
            elif not is_file(f"{here}/{name}"):
                yield f"{here}/{name}"
        if cells[0].endswith("/`"):
            yield from (f"{here}/{n}" for n in names_in(cells[1]) if re.fullmatch(r"\w+", n) and not is_file(f"{here}/{n}"))


def missing_names(page, source):
    """Functions, structures and enumerations."""
    for name in names_in(page):
        called = re.fullmatch(r"(\w+)\(\)", name)
        if called and not re.search(rf"\b{called[1]}\(", source):
            yield name
        if re.fullmatch(r"(struct|enum) \w+", name) and not re.search(rf"\b{name} {{", source):
            yield name


def test_the_page_names_what_is_there():
    page = PAGE.read_text()
    source = "\n".join(p.read_text() for p in SRC.rglob("*.[ch]"))
    assert list(missing_files(page)) + list(missing_names(page, source)) == []


@pytest.mark.parametrize(
    "text, missing",
    [
        ("`fs/ops.c` and `fs/log/` and `ops.c`, `fs/log/writer`, `store/frob`", ["store/frob"]),
        ("`fs/gone.c` beside `gone.h`", ["fs/gone.c", "gone.h"]),
        ("| files | what |\n|---|---|\n| `store/disk`, `gone` | `neither` |\n", ["store/gone"]),
        ("| files | what |\n|---|---|\n| `fs/log/` | `commit` writes, `gone` does not |\n", ["fs/log/gone"]),
        ("| file in `model/views/` | what |\n|---|---|\n| `board`, `gone` | |\n", ["model/views/gone"]),
    ],
)
def test_what_the_page_lacks_is_found(text, missing):
    assert list(missing_files(text)) == missing


def test_names_that_are_gone_are_found():
    source = "struct board {\n};\nint board_put(void)"
    assert list(missing_names("`board_put()`, `struct board`, `gone()`, `struct gone`", source)) == ["gone()", "struct gone"]
