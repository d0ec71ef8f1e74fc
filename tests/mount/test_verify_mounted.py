"""eventfold verify beside a daemon that appends, rotates and saves: what is in the making is no damage. And what it does with the
snapshots that a daemon has left."""

import os
import pty
import shutil
import subprocess
import threading

import pytest
from harness import LIMIT, eventfold, event, line_of, scaled


def run(*arguments):
    return subprocess.run([eventfold(), *arguments], capture_output=True, timeout=LIMIT)


@pytest.mark.parametrize("options", ["rotate=64K,sync=none", "rotate=off"])
def test_verify_and_log_under_load(new_mount, options):
    m = new_mount(options=options)
    done = threading.Event()

    def write():
        lines = b"".join(line_of(event(i, pad=3000)) for i in range(20))
        with open(m.app, "ab", buffering=0) as f:
            while not done.wait(0.002):
                f.write(lines)

    def save():
        while not done.is_set():
            for name in ("count", "todos"):
                m.view(name)
            (m.mnt / "ctl").write_text("snapshot")

    threads = [threading.Thread(target=write), threading.Thread(target=save)]
    for t in threads:
        t.start()
    try:
        for _ in range(scaled(12, 4)):
            checked = run("verify", m.data)
            assert checked.returncode == 0, checked.stdout.decode()
            listed = run("log", m.data)
            assert listed.returncode == 0, listed.stderr.decode()
            assert listed.stdout == b"" or listed.stdout.endswith(b"}\n")
    finally:
        done.set()
        for t in threads:
            t.join()


def test_progress_of_the_comparison(new_mount):
    m = new_mount(reducers=[])
    (m.data / "reducers/slow.jq").write_text("[limit(5000; repeat(1))] | length")
    m.append(b"".join(line_of(event(i)) for i in range(scaled(4000, 500))))
    assert m.view("slow") == 5000
    m.unmount()
    main, terminal = pty.openpty()
    p = subprocess.Popen([eventfold(), "verify", m.data], stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    os.close(main)
    assert b", 1 snapshot: all is well" in p.communicate(timeout=LIMIT)[0] and p.returncode == 0
    assert b"slow [" in shown and b" s left" in shown and shown.endswith(b"\r\x1b[K")


@pytest.mark.skipif(os.environ.get("EVENTFOLD_SLOW") == "1", reason="a sanitizer needs more than the sandbox has")
def test_reducers_of_the_comparison_have_no_rights(new_mount):
    """The reducer's state is the list of what it could do: in a mount nothing, and no more when it is folded again."""
    built = os.environ.get("EVENTFOLD_BUILD")
    if not built:
        pytest.skip("EVENTFOLD_BUILD does not say where the reducers of the tests are")
    m = new_mount(reducers=[])
    shutil.copy(os.path.join(built, "tests/unit/bad_escape.so"), m.data / "reducers/escape.so")
    m.append(line_of(event(1)))
    assert m.view("escape") == []
    m.unmount()
    checked = run("verify", m.data)
    assert checked.returncode == 0 and b"not compared" not in checked.stdout, checked.stdout.decode()
    assert checked.stdout.endswith(b", 1 snapshot: all is well\n")


LED_ASTRAY = """
if $event.type == "loop" then last(repeat(1))
elif $event.type == "grow" then [limit(1000000000; repeat("x"))]
elif $event.type == "fail" then error("no such thing")
else . + 1 end
"""


@pytest.mark.parametrize("kind, arguments, why", [
    ("loop", ["--timeout", "500ms"], "took longer than 500 ms on event 3 at offset "),
    ("grow", ["--memory", "100M"], "memory"),
    ("fail", [], "failed: no such thing"),
])
def test_reducer_that_does_not_get_through(new_mount, kind, arguments, why):
    """On an event that was another one when the snapshot was made: for an archive only its own sums stand."""
    if kind == "grow" and os.environ.get("EVENTFOLD_SLOW") == "1":
        pytest.skip("a sanitizer knows no limit of memory")
    m = new_mount(reducers=[])
    (m.data / "reducers/view.jq").write_text(LED_ASTRAY)
    m.append(b"".join(b'{"type":"%s","data":1,"ts":7}\n' % t for t in (b"a", b"b", b"good", b"c", b"d")))
    assert m.view("view") == 5
    m.unmount()
    lines = (m.data / "app.jsonl").read_bytes().replace(b"good", kind.encode())
    (m.data / "archive.jsonl.zst").write_bytes(
        subprocess.run(["zstd", "-qc"], input=lines, check=True, stdout=subprocess.PIPE).stdout)
    (m.data / "app.jsonl").write_bytes(b"")
    checked = run("verify", *arguments, m.data)
    *found, last = checked.stdout.decode().splitlines()
    assert (checked.returncode, checked.stderr) == (1, b""), checked
    assert len(found) == 1 and found[0].startswith("views/view.snapshot.json: not compared: its reducer ")
    assert why in found[0]
    assert last.endswith(", 1 snapshot: 1 damaged")
