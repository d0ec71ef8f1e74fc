"""The commands beside `mount`: umount, status, append, import, reducers."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from following import until
from harness import LIMIT, ROOT, Mount, event, eventfold, sh, wait_gone


def run(*arguments, stdin=b"", **kwargs):
    return subprocess.run(
        [eventfold(), *map(str, arguments)], input=stdin, capture_output=True, timeout=LIMIT, **kwargs
    )


def good(*arguments, **kwargs):
    """Of a run that must say nothing on standard error."""
    done = run(*arguments, **kwargs)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def complaint(*arguments, status=1, **kwargs):
    done = run(*arguments, **kwargs)
    assert (done.returncode, done.stdout) == (status, b""), done
    return done.stderr.decode()


# append


@pytest.mark.parametrize(
    "arguments, stdin, want",
    [
        (["note"], b"", {"data": None}),
        (["note", '{"text":"buy milk"}'], b"", {"data": {"text": "buy milk"}}),
        (["note", "[1,\n2]\r\n"], b"", {"data": [1, 2]}),
        (["note", "-1.5"], b"", {"data": -1.5}),
        (["note", "-"], b'{\n  "a": "b"\n}\n', {"data": {"a": "b"}}),
        (["--text", "note", 'he said "\u00e9\\n"\t\n\x01'], b"", {"data": 'he said "\u00e9\\n"\t\n\x01'}),
        (["--text", "note", "-"], b"two\nlines\n", {"data": "two\nlines"}),
        (["--text", "note", "-"], b"", {"data": ""}),
        (
            ["--id", "7", "--actor", 'a"nn', "--meta", '{"m":[1]}', "--ts", "12", "note", "1"],
            b"",
            {"data": 1, "id": "7", "actor": 'a"nn', "meta": {"m": [1]}, "ts": 12},
        ),
        (["--ts", "253402300799", "note"], b"", {"ts": 253402300799}),
    ],
)
def test_append(m, arguments, stdin, want):
    options, rest = [], list(arguments)
    while rest[0].startswith("--"):
        options.append(rest.pop(0))
        if options[-1] != "--text":
            options.append(rest.pop(0))
    assert good("append", *options, m.mnt, *rest, stdin=stdin) == ""
    (got,) = m.events()
    assert got["type"] == "note" and {k: got[k] for k in want} == want


def test_append_of_much(m):
    """More than one request of the kernel's."""
    good("append", "--text", m.mnt, "note", "-", stdin=b"x" * 3_000_000)
    assert [e["data"] for e in m.events()] == ["x" * 3_000_000]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["MNT", ""], "the type is empty"),
        (["MNT", "note", "hello"], "the data is not JSON: column 1: not a JSON value (for a text: --text)"),
        (["MNT", "note", "1 2"], "the data is not JSON: column 3"),
        (["MNT", "note", ""], "column 1: a value is missing"),
        (["MNT", "note", "{a:1}"], 'column 2: a key needs double quotes, as in {"type":"x"}'),
        (["MNT", "note", "{'a':1}"], "column 2: JSON has double quotes, not single ones"),
        (["MNT", "note", "{\u201ca\u201d:1}"], "column 2: a typographic quotation mark"),
        (["MNT", "note", '{"a":1,}'], "column 8: a comma before the closing }"),
        (["MNT", "note", "[1,]"], "column 4: a comma before the closing ]"),
        (["MNT", "note", "\ufeff1"], "column 1: a byte order mark"),
        (["MNT", "note", '{"a":None}'], "column 6: JSON has null, not None"),
        (["MNT", "note", '{"a":1'], "column 7: a comma or } is missing in an object"),
        (["--text", "MNT", "note", b"\xff"], "the data is not UTF-8"),
        (["--id", b"\xff", "MNT", "note"], "the id is not UTF-8"),
        (["--meta", "x", "MNT", "note"], "the meta is not JSON"),
        (["--meta", "{by:1}", "MNT", "note"], "the meta is not JSON: column 2: a key needs double quotes"),
        (["--ts", "1700000000000", "MNT", "note"], "--ts 1700000000000 is beyond the year 9999"),
        (["--ts", "now", "MNT", "note"], "--ts wants whole seconds since 1970, as date +%s prints them"),
        (["--head", "x", "MNT", "note"], "'x' is no head"),
        (["DATA", "note"], "is no mount of eventfold"),
    ],
)
def test_append_refuses(m, arguments, says):
    command = [{"MNT": m.mnt, "DATA": m.data}.get(a, a) for a in arguments]
    done = subprocess.run([eventfold(), "append", *command], capture_output=True, timeout=LIMIT)
    assert done.returncode == 1 and says in done.stderr.decode()
    assert m.events() == [] and m.rejected() == []
    assert not (m.data / "events").exists()


def test_append_says_why_the_mount_refuses(new_mount):
    m = new_mount(options="max_line=64")
    assert complaint("append", "--text", m.mnt, "a", "x" * 100) == "eventfold: the line is too long\n"


def test_append_on_condition(m):
    head = m.head().strip()
    assert good("append", "--head", head, m.mnt, "a") == ""
    assert complaint("append", "--head", head, m.mnt, "b", status=3) == "eventfold: the log's head has moved on\n"
    assert good("append", "--head", m.head().strip(), m.mnt, "c") == ""
    assert [e["type"] for e in m.events()] == ["a", "c"]


# import


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("sync", ["write", "close"])
def test_import(new_mount, sync):
    m = new_mount(options=f"sync={sync},max_line=1000,ts=strict")
    source = m.path / "log.jsonl"
    want, refused = [], []
    with source.open("w") as f:
        for i in range(1, 30001):
            text = json.dumps({"type": "t", "data": i, "ts": i})
            if i % 4001 == 0:
                text = text.replace('"type"', "type")
                refused.append((i, "a key needs double quotes", text))
            elif i % 5003 == 0:
                text = json.dumps({"type": "t", "data": "x" * 1000})
                refused.append((i, "the line is too long", text))
            elif i % 6007 == 0:
                text = json.dumps({"type": "t", "ts": 1700000000000})
                refused.append((i, '"ts" is beyond the year 9999', text))
            elif i % 7001 == 0:
                text = "  "
            else:
                want.append(i)
            f.write(text + ("\r\n" if i % 2 else "\n") if i < 30000 else text)
    done = run("import", m.mnt, source)
    assert (done.returncode, done.stderr) == (1, b"")
    left = m.path / "log.jsonl.refused.jsonl"
    assert done.stdout.decode() == f"{len(want)} events imported, {len(refused)} lines refused: see {left}\n"
    assert [e["data"] for e in m.events()] == want
    got = lines(left)
    assert [e["line"] for e in got] == [n for n, _, _ in refused]
    for entry, (_, reason, text) in zip(got, refused):
        assert entry["reason"].startswith(reason) and entry["text"].rstrip() == text
    # Nothing is written over, and nothing appended before that is known.
    assert "exists already" in complaint("import", m.mnt, source)
    assert len(m.events()) == len(want)


def test_import_of_standard_input_and_from_a_line(m):
    text = "".join(json.dumps(event(i)) + "\n" for i in range(10)).encode()
    assert good("import", m.mnt, "-", stdin=text, cwd=m.path) == "10 events imported\n"
    assert good("import", "--from", "9", m.mnt, "-", stdin=text, cwd=m.path) == "2 events imported\n"
    assert m.events() == [event(i) for i in [*range(10), 8, 9]]
    assert not list(m.path.glob("*refused*"))


def test_import_stops_and_goes_on(m):
    """Interrupted: it says how many are in, and with which line to go on."""
    p = subprocess.Popen(
        [eventfold(), "import", m.mnt, "-"], cwd=m.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    part = "".join(json.dumps(event(i, pad=1000)) + "\n" for i in range(1000)).encode()
    p.stdin.write(part)
    p.stdin.flush()
    until(lambda: m.status()["log"]["events"] > 500)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=LIMIT)
    n = m.status()["log"]["events"]
    assert p.returncode == 1 and out.decode() == f"{n} events imported\n"
    assert err.decode() == f"eventfold: stopped; go on with --from {n + 1}\n"
    assert run("import", "--from", n + 1, m.mnt, "-", stdin=part).returncode == 0
    assert m.events() == [json.loads(line) for line in part.splitlines()]


def test_import_when_the_mount_dies(m):
    """The reason is of the mount, not of a connection that nobody has made."""
    with subprocess.Popen(
        [eventfold(), "import", m.mnt, "-"], cwd=m.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        part = "".join(json.dumps(event(i, pad=1000)) + "\n" for i in range(1000)).encode()
        p.stdin.write(part)
        p.stdin.flush()
        until(lambda: m.status()["log"]["events"] > 500)
        m.kill()
        out, err = p.communicate(part, timeout=LIMIT)
    n = int(out.split()[0])
    assert p.returncode == 1 and f"eventfold: -:{n + 1}: the mount is gone\n" in err.decode()
    assert err.decode().endswith(f"eventfold: stopped; go on with --from {n + 1}\n")
    m.start()
    assert len(m.events()) >= n


def test_import_of_a_directory(m):
    assert complaint("import", m.mnt, m.path) == f"eventfold: cannot read {m.path}: Is a directory\n"


def test_no_mount_to_append_to(new_mount):
    m = new_mount()
    assert "is no mount of eventfold" in complaint("append", m.path / "none", "a")
    assert "is no mount of eventfold" in complaint("import", m.path, "-")
    if os.geteuid() == 0:  # only root can become somebody else
        m.path.chmod(0o755)
        assert complaint("append", m.mnt, "a", user=65534, group=65534) == f"eventfold: {m.mnt}: Permission denied\n"
    m.kill()
    gone = f"eventfold: {m.mnt}: its daemon is gone; eventfold umount takes the mount away\n"
    assert complaint("append", m.mnt, "a") == complaint("import", m.mnt, "-") == gone


def test_import_of_the_mount_itself(m):
    m.append(event(0))
    assert "lies in the mount itself" in complaint("import", m.mnt, m.app)
    assert m.events() == [event(0)]


# umount


def test_umount_waits_for_the_end(new_mount):
    m = new_mount(background=True)
    m.append(event(0))
    assert "is the data; it is mounted at" in complaint("umount", m.data)
    assert "is no mount of eventfold" in complaint("umount", m.path)
    fd = os.pidfd_open(m.pid)
    with open(m.app):
        assert "is busy" in complaint("umount", m.mnt)
    # A close is told to the kernel's mount after close(2) has returned.
    until(lambda: run("umount", m.mnt).returncode == 0)
    assert not os.path.ismount(m.mnt)
    assert wait_gone(fd, 0) and (m.data / "views/todos.snapshot.json").exists()
    os.close(fd)
    Mount.live.remove(m)
    assert "is no mount" in complaint("umount", m.mnt)


def test_umount_waits_for_who_is_about_to_go(new_mount):
    """As the daemon itself, which has a file of the mount open while it raises inotify."""
    m = new_mount(background=True)
    with subprocess.Popen("echo; sleep 0.02", shell=True, cwd=m.mnt, stdout=subprocess.PIPE) as busy:
        assert busy.stdout.read(1) == b"\n"
        assert good("umount", m.mnt) == ""
    Mount.live.remove(m)


def test_umount_of_a_dead_mount(new_mount):
    m = new_mount()
    m.kill()
    assert good("umount", m.mnt) == ""
    assert not os.path.ismount(m.mnt)


# status


def test_status(m):
    m.append(event(0), event(1))
    m.view("todos"), m.view("count"), m.view("types"), m.view("stats")
    text = good("status", m.mnt)
    assert text.splitlines()[0] == f"{m.data} at {m.mnt}"
    assert "  2 events, " in text and "  4 views\n" in text
    assert json.loads(good("status", "--json", m.mnt)).keys() == m.status().keys()
    assert f"{m.data} at {m.mnt}\n" in run("status").stdout.decode()


def test_status_of_what_is_wrong(m):
    (m.data / "reducers/bad.jq").write_text("(")
    sh("echo x >> mnt/events/app; cat mnt/views/bad.json", cwd=m.path, check=False)
    done = run("status", m.mnt)
    assert done.returncode == 1 and done.stderr == b""
    assert "  view bad: broken: " in done.stdout.decode() and "  1 line refused" in done.stdout.decode()
    done = run("status", "--json", m.mnt)
    assert done.returncode == 1 and json.loads(done.stdout)["views"]["bad"]["broken"]
    assert "is no mount of eventfold" in complaint("status", m.path)


def test_status_of_what_has_no_name(m):
    names = ["reducers/bad name.jq", "reducers/ü.jq", "reducers/" + "x" * 70 + ".jq", "rules/a.b.jq"]
    (m.data / "rules").mkdir(exist_ok=True)
    for name in names + ["reducers/.hidden one.jq", "reducers/bad name.txt", "reducers/fine.jq"]:
        (m.data / name).write_text(".")
    until(lambda: sorted(m.status()["misnamed"]) == sorted(names))
    text = good("status", m.mnt)
    assert f"  {names[0]} is not looked at: names are 1 to 64 letters" in text and text.count("is not looked at") == 4
    for name in names:
        (m.data / name).unlink()
    until(lambda: m.status()["misnamed"] == [])
    (m.data / os.fsdecode(b"reducers/\xff\x1b.jq")).write_text(".")
    until(lambda: len(m.status()["misnamed"]) == 1)
    assert "\x1b" not in good("status", m.mnt)
    for n in range(20):
        (m.data / f"reducers/one {n}.jq").write_text(".")
    until(lambda: len(m.status()["misnamed"]) == 8)


def test_status_of_a_dead_mount(new_mount):
    m = new_mount()
    m.kill()
    assert "its daemon is gone" in complaint("status", m.mnt)


# reducers, and what is misspelled


def test_reducers():
    found = good("reducers").splitlines()
    assert {Path(path).stem for path in found} >= {"count", "todos", "types"}
    assert all(os.access(path, os.R_OK) for path in found)
    assert good("reducers", "count").strip() in found
    assert "no reducer 'cuont'" in complaint("reducers", "cuont")


@pytest.mark.parametrize(
    "word, meant", [("mout", "mount"), ("unmount", "umount"), ("apend", "append"), ("stauts", "status"), ("ipmort", "import")]
)
def test_misspelled_commands(word, meant):
    assert complaint(word, status=2) == f"eventfold: there is no command '{word}'; perhaps {meant} is meant\n"


def test_commands_of_nothing_known():
    assert complaint("frobnicate", status=2) == "eventfold: there is no command 'frobnicate'; eventfold --help lists them\n"
    assert "perhaps reduce_timeout is meant" in complaint("mount", "-o", "reduce_tiemout=1s", "a", "b", status=2)
    assert "-o rotate needs a value" in complaint("mount", "-o", "rotate", "a", "b", status=2)
    assert "perhaps --json is meant" in complaint("status", "--jsno", status=2)


def test_run_quotes_what_it_prints(tmp_path):
    """What scripts/run says can be pasted, whatever the directory is called."""
    text = (ROOT / "scripts/run").read_text()
    function = text[text.index("quoted() {") : text.index("\n}\n", text.index("quoted() {")) + 3]
    for name in ["plain", "two words", "it's", 'a "b" $c `d`', "*"]:
        directory = tmp_path / name
        directory.mkdir()
        shown = sh(f'{function}\nquoted "$NAME"', env=dict(os.environ, NAME=str(directory))).stdout.decode()
        assert sh(f"cd {shown} && pwd").stdout.decode() == f"{directory}\n"
