"""The file `metrics`: right by Prometheus's own checker, and the same as what is known otherwise."""

import json
import re
import shutil
import stat
import subprocess

import pytest
from following import until
from harness import LIMIT, ROOT, event

promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")


def text_of(m):
    return (m.mnt / "metrics").read_text()


def samples(text):
    """name{labels} → value, by a reader of its own."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            key = (name.removeprefix("eventfold_"), *(json.loads(f'"{v}"') for _, v in pairs))
            assert key not in found
            found[key] = float(value)
    return found


@promtool
def test_prometheus_reads_it(m):
    (m.data / "reducers/broken.jq").write_text("(")
    m.append(event(0), event(1))
    m.sh("echo '{\"type\":7}' >> mnt/events/app; cat mnt/views/*.json", check=False)
    done = subprocess.run(["promtool", "check", "metrics"], input=text_of(m).encode(), capture_output=True, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert text_of(m).endswith("\n# EOF\n")


@promtool
def test_alerts(tmp_path):
    page = (ROOT / "docs/METRICS.md").read_text()
    (tmp_path / "rules.yml").write_text(re.search(r"^```yaml\n(.*?)^```", page, re.M | re.S)[1])
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    # What they look at is there.
    named = set(re.findall(r"^\| (`.*?) \|", page, re.M))
    known = {name for row in named for name in re.findall(r"`(\w+)`", row)}
    for name in re.findall(r"eventfold_(\w+)", (tmp_path / "rules.yml").read_text()):
        assert name.removesuffix("_bucket") in known, name


def test_the_page_names_them_all(m):
    m.sh("echo x >> mnt/events/app", check=False)
    page = (ROOT / "docs/METRICS.md").read_text().split("## What there is")[1]
    families = re.findall(r"^# TYPE eventfold_(\w+)", text_of(m), re.M)
    assert sorted(families) == sorted(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?`) \|", page, re.M))))


def test_numbers(m):
    m.append(*map(event, range(50)))
    for line in ["x", "{}", "{}", '{"type":1}', '{type:"\\\\"}']:
        m.sh(f"echo '{line}' >> mnt/events/app", check=False)
    for name in ("todos", "count", "types", "stats"):
        m.view(name)
    m.sh("echo rotate > mnt/ctl")
    got, status = samples(text_of(m)), m.status()
    log = status["log"]
    assert got["events_total",] == log["events"] == 50 and got["log_bytes_total",] == log["offset"]
    assert got["archived_bytes",] == log["offset"] and got["active_bytes",] == 0
    assert got["archive_file_bytes",] == (m.data / "archive.jsonl.zst").stat().st_size
    assert got["appended_total",] == 50 and got["rotations_total",] == 1
    assert got["commit_duration_seconds_count",] == log["commits"] == got["commit_duration_seconds_bucket", "+Inf"]
    buckets = [v for k, v in got.items() if k[0] == "commit_duration_seconds_bucket"]
    assert buckets == sorted(buckets) and got["commit_duration_seconds_sum",] > 0
    reasons = {k[1]: v for k, v in got.items() if k[0] == "rejected_total"}
    assert reasons == {
        "an event is a JSON object": 1, 'there is no "type"': 2, '"type" is not a string': 1,
        'a key needs double quotes, as in {"type":"x"}': 1,
    }
    assert sum(reasons.values()) == status["rejected"] == 5
    for name, view in status["views"].items():
        assert got["view_lag_events", name] == 50 - view["events"] == 0 and got["view_broken", name] == 0
        assert got["view_folded_total", name] == view["folded"] and got["view_state_bytes", name] == view["state_bytes"]
    assert got["process_resident_memory_bytes", "daemon"] > 1 << 20 and got["process_resident_memory_bytes", "worker"] > 1 << 20
    assert got["info", status["version"], str(m.data)] == 1 and got["mount_timestamp_seconds",] == status["since"]


def test_what_goes_wrong_is_told(m):
    (m.data / "reducers/bad.jq").write_text('error("no")')
    m.append(event(0))
    assert not m.sh("cat mnt/views/bad.json", check=False).stdout
    until(lambda: samples(text_of(m)).get(("view_broken", "bad")) == 1)
    pid = m.status()["worker"]["pid"]
    m.sh(f"kill -9 {pid}")
    until(lambda: samples(text_of(m))["worker_restarts_total",] == 1)


def test_it_is_a_file_like_the_others(m):
    st = (m.mnt / "metrics").stat()
    assert stat.S_IMODE(st.st_mode) == 0o444 and st.st_size > 1000
    link = m.path / "eventfold.prom"
    link.symlink_to(m.mnt / "metrics")
    assert link.read_text().startswith("# HELP eventfold_info ")
