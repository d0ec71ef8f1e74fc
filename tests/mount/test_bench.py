"""scripts/bench runs, and says what it has measured. What it measures is not looked at here."""

import json
import os
import subprocess

from harness import LIMIT, ROOT, eventfold

ROWS = ["append: one writer", "wake-up: read on tail/app", "into latest"]


def bench(tmp_path, *args):
    # BUILD/src/cli/eventfold is what the other tests run.
    build = os.path.dirname(os.path.dirname(os.path.dirname(eventfold())))
    command = [ROOT / "scripts/bench", "--quick", "--build", build, "--dir", tmp_path, *args]
    return subprocess.run(command, timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_rows_are_measured(tmp_path):
    found = tmp_path / "found.json"
    done = bench(tmp_path, "--json", found, *ROWS)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    result = json.loads(found.read_text())
    assert result["quick"] and result["cpus"] > 0
    rows = result["rows"]
    for name in ROWS:
        assert any(name in r["row"] for r in rows), f"no row {name}"
    for r in rows:
        assert "failed" not in r, r
        assert r["events"] > 0 and r["value"] >= 0 and r["baseline"] > 0 and r["unit"] and r["baseline_is"], r
        assert f"{r['row']} " in done.stdout
    assert done.returncode == (0 if all(r["ok"] for r in rows) else 1)
    assert os.listdir(tmp_path) == ["found.json"], "it tidies up"


def test_what_it_refuses(tmp_path):
    for args in (["no such row"], ["--sizes", "many"], ["--build", tmp_path]):
        done = bench(tmp_path, *args)
        assert done.returncode == 2 and "error" in done.stderr
