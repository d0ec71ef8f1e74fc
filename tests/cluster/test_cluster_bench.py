"""The rows of scripts/bench that are about a cluster run, and say what they have measured. What that is is not looked at here."""

import json

import pytest
from test_bench import bench


@pytest.mark.limit(8)
def test_rows_are_measured(tmp_path):
    found = tmp_path / "found.json"
    done = bench(tmp_path, "--json", found, "cluster")
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    rows = json.loads(found.read_text())["rows"]
    assert len(rows) >= 8
    for r in rows:
        assert "failed" not in r, r
        assert r["value"] >= 0 and r["baseline"] > 0, r
