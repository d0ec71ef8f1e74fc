"""A mount that shares its log, as far as that is the daemon's affair: its options, cluster/, ctl, status.json, metrics, and the hash of
what decides about an append. The agent is the test's; tests/cluster has the true one, with an engine."""

import errno
import json
import os
import re
import signal
import subprocess
import threading

import agent as said
import pytest
from agent import Agent
from following import opened, ready, until
from harness import LIMIT, ROOT, eventfold, fork_job

OPTIONS = "cluster=http://127.0.0.1:1+http://127.0.0.1:2,log=app"
OTHER = "0123456789abcdef"


@pytest.fixture
def agents(tmp_path, socket_dir, monkeypatch):
    """Makes agents, each for the mounts that are made after it."""
    made = []

    def make():
        directory = socket_dir / str(len(made))
        directory.mkdir()
        made.append(Agent(directory))
        monkeypatch.setenv("EVENTFOLD_CLUSTER", str(made[-1].program))
        return made[-1]

    yield make
    for a in made:
        a.end()


@pytest.fixture
def shared(agents, new_mount):
    """shared(): a mount, and its agent."""

    def make(name="", more="", reducers=(), files=None):
        a = agents()
        m = new_mount.prepare(name, options=",".join(filter(None, [OPTIONS, more])), reducers=list(reducers))
        for path, text in (files or {}).items():
            (m.data / path).parent.mkdir(parents=True, exist_ok=True)
            (m.data / path).write_text(text)
        m.start()
        a.until(said.BEGIN)
        return m, a

    return make


def state_of(m):
    return m.status()["cluster"]


def mount_with(options, cwd):
    command = [eventfold(), "mount", "-o", options, "data", "mnt"]
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT)


@pytest.mark.parametrize("options, why", [
    ("cluster=http://a:2379", "wants log=NAME"),
    ("log=app", "wants cluster="),
    ("cluster_timeout=1s", "want cluster="),
    ("cluster=,log=app", "URLs"),
    ("cluster=a:2379,log=app", "URLs"),
    ("cluster=ftp://a:2379,log=app", "URLs"),
    ("cluster=http://a,log=app", "URLs"),
    ("cluster=http://a:0,log=app", "URLs"),
    ("cluster=http://a:65536,log=app", "URLs"),
    ("cluster=http://a:1/,log=app", "URLs"),
    ("cluster=http://u:p@a:1,log=app", "URLs"),
    ("cluster=http://a:1+,log=app", "URLs"),
    ("cluster=http://[::1:1,log=app", "URLs"),
    ("cluster=" + "+".join(["http://a:1"] * 17) + ",log=app", "up to 16"),
    ("cluster=http://a:1,log=", "name"),
    ("cluster=http://a:1,log=.app", "name"),
    ("cluster=http://a:1,log=-app", "name"),
    ("cluster=http://a:1,log=a/b", "name"),
    ("cluster=http://a:1,log=" + "x" * 65, "1 to 64"),
    ("cluster=http://a:1,log=app,cluster_window=1K", "a size"),
    ("cluster=http://a:1,log=app,cluster_window=0d", "days"),
    ("cluster=http://a:1,log=app,cluster_timeout=soon", "a time"),
    ("cluster=http://a:1,log=app,max_line=2M", "1M at most"),
    ("cluster=http://a:1,log=app,cluster_cert=x", "together"),
    ("cluster=http://a:1,log=app,cluster_user=u", "together"),
    ("cluster=http://a:1,log=app,cluster_ca=missing", "No such file"),
    ("cluster=http://a:1,log=app,cluster_user=u,cluster_password_file=missing", "No such file"),
    ("cluster=http://a:1,log=app,cluster_user=u,cluster_password_file=.", "no file"),
    ("clusters=http://a:1", "perhaps cluster is meant"),
    ("cluster_timeout", "needs a value"),
])  # fmt: skip
def test_refused_options(tmp_path, options, why):
    done = mount_with(options, tmp_path)
    assert done.returncode == 2 and why in done.stderr.splitlines()[0], done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o660])
def test_a_password_that_others_may_read_is_refused(tmp_path, mode):
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(mode)
    done = mount_with("cluster=http://a:1,log=app,cluster_user=u,cluster_password_file=password", tmp_path)
    assert done.returncode == 2 and f"{mode:o}" in done.stderr and "only its owner" in done.stderr


def test_the_agent_is_told_the_options(agents, new_mount, monkeypatch):
    a = agents()
    m = new_mount.prepare(reducers=[], background=True, options=",".join([
        "cluster=https://[::1]:2379+http://b_c.example:80", "log=a.b-c_9", "cluster_window=1G", "cluster_window=30d", "cluster_ca=ca",
        "cluster_cert=cert", "cluster_key=key", "cluster_user=ann", "cluster_password_file=password",
    ]))  # fmt: skip
    for name in ("ca", "cert", "key", "password"):
        (m.path / name).write_text(name)
        (m.path / name).chmod(0o600)
    monkeypatch.chdir(m.path)
    m.start()
    begin = a.until(said.BEGIN)
    assert begin["endpoints"] == ["https://[::1]:2379", "http://b_c.example:80"] and begin["log"] == "a.b-c_9"
    assert begin["window_bytes"] == 1 << 30 and begin["window_ms"] == 30 * 86400 * 1000
    names = {"ca": "ca", "cert": "cert", "key": "key", "password_file": "password"}
    assert {k: begin[k] for k in names} == {k: str(m.path / name) for k, name in names.items()}  # from whatever directory
    assert begin["user"] == "ann" and begin["path"] == str(m.data)
    assert m.status()["options"]["max_line"] == 1 << 20


def test_what_holds_where_nothing_is_said(shared):
    m, a = shared()
    begin = a.until(said.BEGIN)
    assert begin["window_bytes"] == 256 << 20 and begin["window_ms"] == 7 * 86400 * 1000
    assert [begin[k] for k in ("ca", "cert", "key", "user", "password_file")] == [None] * 5


def test_a_log_that_is_not_shared(m):
    assert m.status()["cluster"] is None
    assert "cluster" not in os.listdir(m.mnt) and not (m.mnt / "cluster").exists()
    for command in ("cluster agree", f"cluster forget {OTHER}", "cluster"):
        assert b"Invalid argument" in m.sh(f"echo {command} > mnt/ctl", check=False).stderr
    assert "shared as" not in subprocess.run([eventfold(), "status", m.mnt], stdout=subprocess.PIPE, text=True).stdout
    assert not re.search(r"^eventfold_cluster", (m.mnt / "metrics").read_text(), re.M)


# What decides.

RULES = {"rules/count.jq": "true", "reducers/count.jq": "(. // 0) + 1", "reducers/other.jq": "1"}


def test_machines_with_the_same_rules_have_the_same_hash(shared):
    hashes = set()
    for name in ("a", "b"):
        m, a = shared(name, files=RULES)
        os.utime(m.data / "rules/count.jq", (1, 1))
        hashes.add(a.config())
    m, a = shared("c", files={k: v for k, v in RULES.items() if "other" not in k})
    hashes.add(a.config())
    assert len(hashes) == 1 and re.fullmatch("[0-9a-f]{64}", hashes.pop())


@pytest.mark.parametrize("other", [
    {"files": RULES | {"rules/count.jq": "true "}},
    {"files": RULES | {"reducers/count.jq": "(. // 0) + 2"}},
    {"files": RULES | {"rules/more.jq": "true"}},
    {"files": {k: v for k, v in RULES.items() if k != "rules/count.jq"}},
    {"files": {k: v for k, v in RULES.items() if k != "reducers/count.jq"}},
    {"files": {k.replace("rules/count", "rules/amount"): v for k, v in RULES.items()}},
    {"files": RULES, "more": "max_line=1000"},
    {"files": RULES, "more": "ts=strict"},
    {"files": RULES, "more": "tz=Europe/Berlin"},
], ids=lambda o: o.get("more") or "files")  # fmt: skip
def test_what_else_decides_is_another_hash(shared, other):
    assert shared("a", files=RULES)[1].config() != shared("b", **other)[1].config()


def test_a_reducer_in_c_is_its_bytes(shared):
    same = [shared(name, reducers=["todos"], files={"rules/todos.jq": "true"})[1].config() for name in ("a", "b")]
    assert len(set(same)) == 1 and shared("c", files={"rules/todos.jq": "true"})[1].config() != same[0]


def test_a_change_is_told_and_so_is_its_end(shared):
    m, a = shared(files=RULES)
    before = a.config()
    (m.data / "rules/more.jq").write_text("true")
    until(lambda: a.config() != before)
    (m.data / "rules/more.jq").unlink()
    until(lambda: a.config() == before)


def test_so_is_one_of_a_reducer(shared):
    """Though nobody appends. One that no rule looks at is nobody's affair."""
    m, a = shared(files=RULES)
    before = a.config()
    (m.data / "reducers/other.jq").write_text("2")
    (m.data / "reducers/count.jq").write_text("5")
    until(lambda: a.config() != before)
    (m.data / "reducers/count.jq").write_text(RULES["reducers/count.jq"])
    until(lambda: a.config() == before)
    assert len(a.of(said.CONFIG)) == 2


@pytest.mark.parametrize("sync", ["write", "close", "none"])
def test_nothing_is_proposed_under_the_hash_of_other_rules(shared, sync):
    """A rule, or the reducer that it looks at, is another one for each append: what is said last before a proposal is what it was
    judged by. And every write is answered by the engine, in whatever mode."""
    m, a = shared(more=f"sync={sync}", files=RULES)
    m.append({"type": "a"})
    seen = []
    for i in range(30):
        path = m.data / ("rules/count.jq" if i % 2 else "reducers/count.jq")
        path.write_text(f"# {i}\n{'true' if i % 2 else '(. // 0) + 1'}")
        m.append({"type": "a"})
        assert len(a.of(said.PROPOSE)) == i + 2
        kinds = [k for k, _ in list(a.frames)]
        last = len(kinds) - 1 - kinds[::-1].index(said.PROPOSE)
        seen.append([v["config"] for k, v in a.frames[:last] if k in (said.BEGIN, said.CONFIG)][-1])
        assert seen[-1] == a.config()
    assert len(set(seen)) == 30


def test_one_that_differs_is_told_why(shared):
    m, a = shared()
    a.refuse = (errno.EPERM, "the rules differ")
    a.say(said.STATE, {"state": "differs", "why": "the rules differ", "engine": None, "head": None})
    assert b"Operation not permitted" in m.sh("""echo '{"type":"a"}' >> mnt/events/app""", check=False).stderr
    assert "the rules differ" in m.rejected()[-1]["reason"]
    assert m.history() == b""
    a.refuse = None
    m.append({"type": "a"})


# cluster/

MEMBERS = [
    {"machine": "f" * 16, "host": "b", "path": "/srv/\"b\"", "position": 5, "time": 1700000001, "alive": True},
    {"machine": OTHER, "host": "c", "path": "/c", "position": 0, "time": 1700000000, "alive": False},
]


def test_a_file_for_each_machine(shared):
    m, a = shared()
    assert os.listdir(m.mnt / "cluster") == []
    m.append({"type": "a"}, {"type": "b"})
    self, head = state_of(m)["machine"], len(m.history())
    mine = {"machine": self, "host": os.uname().nodename, "path": str(m.data), "position": 0, "time": 1700000002, "alive": True}
    a.say(said.STATE, {"state": "ready", "why": None, "engine": "http://127.0.0.1:1", "head": f"{head + 100}:{'0' * 64}"})
    a.say(said.MEMBERS, [*MEMBERS, mine])
    until(lambda: len(os.listdir(m.mnt / "cluster")) == 3)
    assert sorted(os.listdir(m.mnt / "cluster")) == sorted(["f" * 16, OTHER, self])
    found = {name: json.loads((m.mnt / "cluster" / name).read_text()) for name in os.listdir(m.mnt / "cluster")}
    assert found["f" * 16] == {
        "machine": "f" * 16, "host": "b", "path": "/srv/\"b\"", "position": 5, "lag": head + 95, "last_seen": 1700000001, "alive": True,
        "self": False,
    }  # fmt: skip
    assert found[OTHER]["lag"] == head + 100 and not found[OTHER]["alive"]
    assert found[self]["self"] and found[self]["position"] == head and found[self]["lag"] == 100 == state_of(m)["lag"]
    path = m.mnt / "cluster" / OTHER
    assert path.stat().st_mode & 0o777 == 0o444 and path.stat().st_size == len(path.read_bytes())
    with pytest.raises(FileNotFoundError):
        (m.mnt / "cluster/0000000000000000").read_text()
    with pytest.raises(FileNotFoundError):
        (m.mnt / "cluster/nobody").stat()
    with pytest.raises(PermissionError):
        path.write_text("x")
    a.say(said.MEMBERS, MEMBERS[:1])
    until(lambda: os.listdir(m.mnt / "cluster") == ["f" * 16])
    with pytest.raises(FileNotFoundError):
        path.read_text()


def test_a_mtime_is_when_the_machine_was_seen(shared):
    m, a = shared()
    a.say(said.MEMBERS, [MEMBERS[0] | {"time": 4000000000}])
    until(lambda: os.listdir(m.mnt / "cluster"))
    assert (m.mnt / "cluster" / ("f" * 16)).stat().st_mtime == 4000000000


# ctl


def test_a_machine_is_forgotten(shared):
    m, a = shared()
    m.sh(f"echo cluster forget {OTHER} > mnt/ctl")
    assert a.of(said.ASK) == [{"id": 1, "do": "forget", "machine": OTHER}]
    a.refuse = (errno.EBUSY, "it is alive")
    assert b"Device or resource busy" in m.sh(f"echo cluster forget {OTHER} > mnt/ctl", check=False).stderr
    assert f"cluster forget {OTHER}: it is alive" in m.stderr()


@pytest.mark.parametrize("command", [
    "cluster", "cluster forget", "cluster forget x", f"cluster forget {OTHER.upper()}", f"cluster forget {OTHER}0",
    f"cluster forget {OTHER} {OTHER}", "cluster agree me", "cluster nonsense", f"forget {OTHER}",
])  # fmt: skip
def test_what_is_no_command(shared, command):
    m, a = shared()
    assert b"Invalid argument" in m.sh(f"echo {command} > mnt/ctl", check=False).stderr
    assert a.of(said.ASK) == []


def test_what_is_agreed_on_is_what_is_there(shared):
    """An edit of a reducer that nobody has appended by since, too."""
    m, a = shared(files=RULES)
    before = a.config()
    (m.data / "reducers/count.jq").write_text("5")
    m.sh("echo cluster agree > mnt/ctl")
    assert a.config() != before
    kinds = [k for k, _ in a.frames if k in (said.CONFIG, said.ASK)]
    assert kinds.index(said.ASK) > kinds.index(said.CONFIG) and a.of(said.ASK) == [{"id": 1, "do": "agree"}]


@pytest.mark.parametrize("command", ["agree", f"forget {OTHER}"])
def test_a_command_can_be_interrupted(shared, command):
    m, a = shared()
    a.silent = True
    pid = fork_job(lambda: os.write(os.open(m.mnt / "ctl", os.O_WRONLY), f"cluster {command}\n".encode()))
    ask = a.until(said.ASK)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    a.say(said.DONE, {"id": ask["id"], "errno": 0, "why": None})  # nobody waits for it
    a.silent = False
    m.sh(f"echo cluster {command} > mnt/ctl")


def test_the_end_does_not_wait_for_a_command(shared):
    m, a = shared()
    a.silent = True
    results = []

    def ask():
        with opened(m.mnt / "ctl", os.O_WRONLY) as fd:
            try:
                os.write(fd, b"cluster agree\n")
            except OSError as e:
                results.append(e.errno)

    t = threading.Thread(target=ask)
    t.start()
    a.until(said.ASK)
    m.terminate()
    t.join(LIMIT)
    assert results


# status.json


def test_status(shared):
    m, a = shared()
    until(lambda: state_of(m)["state"] == "ready")
    m.append({"type": "a"})
    a.say(said.STATE, {"state": "ready", "why": None, "engine": "http://127.0.0.1:2", "head": f"1000:{'a' * 64}", "db_bytes": 7,
                       "window_bytes": 8})  # fmt: skip
    until(lambda: state_of(m)["db_bytes"] == 7)
    want = {"state": "ready", "why": None, "log": "app", "engine": "http://127.0.0.1:2", "head": 1000, "lag": 1000 - len(m.history()),
            "db_bytes": 7, "window_bytes": 8, "batches_in": 0, "batches_out": 1, "moved": 0}  # fmt: skip
    found = state_of(m)
    assert {k: found[k] for k in want} == want
    assert re.fullmatch("[0-9a-f]{16}", found["machine"]) and os.path.exists(f"/proc/{found['agent']}")
    page = (ROOT / "docs/MOUNT.md").read_text()
    assert set(re.findall(r"`cluster\.(\w+)`", page)) == set(found)
    text = (m.mnt / "metrics").read_text()
    assert "\neventfold_cluster_ready 1\n" in text and "\neventfold_cluster_window_bytes 8\n" in text
    assert f"\neventfold_cluster_lag_bytes {want['lag']}\n" in text and "\neventfold_cluster_batches_out_total 1\n" in text
    assert '\neventfold_process_resident_memory_bytes{process="agent"} ' in text


@pytest.mark.parametrize("state, good", [("joining", True), ("away", False), ("full", False), ("differs", False)])
def test_a_state_is_told(shared, state, good):
    m, a = shared()
    until(lambda: state_of(m)["state"] == "ready")
    a.say(said.STATE, {"state": state, "why": "it \x1b is so", "engine": None, "head": None})
    until(lambda: state_of(m)["state"] == state)
    assert state_of(m)["why"] == "it \x1b is so"
    done = subprocess.run([eventfold(), "status", m.mnt], stdout=subprocess.PIPE, text=True)
    assert done.returncode == (0 if good else 1)
    assert f"  shared as app, machine {state_of(m)['machine']}: {state}: it " in done.stdout and "\x1b" not in done.stdout
    assert subprocess.run([eventfold(), "status", "--json", m.mnt], stdout=subprocess.PIPE).returncode == (0 if good else 1)


def test_who_waits_for_news_is_told_in_time(shared):
    """status.json has news once a second at most: what came before somebody waited is told at the second's end all the same."""
    m, a = shared()
    until(lambda: state_of(m)["state"] == "ready")
    with opened(m.mnt / "status.json", os.O_RDONLY) as fd:
        for i in range(4):
            until(lambda: os.pread(fd, 1 << 20, 0) and not ready(fd, 0))
            a.say(said.STATE, {"state": "away", "why": f"the {i}th time", "engine": None, "head": None})
            until(lambda: state_of(m)["why"] == f"the {i}th time")
            assert ready(fd, LIMIT)


def test_a_log_that_has_failed(shared):
    m, a = shared()
    a.say(said.FATAL, {"why": "this log is not the engine's"})
    until(lambda: state_of(m)["state"] == "failed")
    assert "not the engine's" in state_of(m)["why"]
    done = subprocess.run([eventfold(), "status", m.mnt], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "failed: this log is not the engine's" in done.stdout
    assert b"Read-only file system" in m.sh("""echo '{"type":"a"}' >> mnt/events/app""", check=False).stderr
