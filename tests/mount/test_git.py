"""scripts/demo-git on real histories: the view of files is what git lists."""

import os
import subprocess

import pytest
from harness import LIMIT, ROOT, eventfold, reducer

ODD = [
    "plain",
    "with space",
    " leading and trailing ",
    'quo"ted',
    "it's",
    "back\\slash",
    "tab\tin it",
    "new\nline",
    "ünïcödé",
    "日本語/ファイル",
    "deep/er/and/deeper/file",
    "deep.er",
    "deep-er",
    "-dash",
    "\x01odd",
    "😀",
    "A",
    "M",
    "D",
    "A\tM",
]


def demo(repo):
    env = dict(os.environ, EVENTFOLD=eventfold(), EVENTFOLD_REDUCERS=str(reducer("files").parent))
    done = subprocess.run(
        [ROOT / "scripts/demo-git", repo], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Repo:
    def __init__(self, path):
        self.path = path
        self.clock = 1_600_000_000
        path.mkdir()
        self("init", "-q", "-b", "main")

    def __call__(self, *args):
        self.clock += 60
        env = dict(
            os.environ,
            GIT_AUTHOR_NAME="Zoë \"Z\" O'Neil",
            GIT_AUTHOR_EMAIL="z@example.org",
            GIT_COMMITTER_NAME="c",
            GIT_COMMITTER_EMAIL="c@example.org",
            GIT_AUTHOR_DATE=f"{self.clock} +0000",
            GIT_COMMITTER_DATE=f"{self.clock} +0000",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_SYSTEM="/dev/null",
        )
        subprocess.run(["git", "-C", self.path, *args], check=True, env=env, stdout=subprocess.DEVNULL)

    def write(self, name, text):
        path = os.path.join(os.fsencode(self.path), name if isinstance(name, bytes) else name.encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def commit(self, message):
        self("add", "-A", ".")
        self("commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def repo(tmp_path):
    """Merges (with files of their own, and of conflicts), renames, removals, a file that becomes a directory, odd names."""
    r = Repo(tmp_path / "repo with 'odd' name")
    for i, name in enumerate(ODD):
        r.write(name, f"{i}\n")
        if i % 3 == 2:
            r.commit(f"add {i}")
    r.commit("the rest\n\nwith a body\nof several lines")
    r.commit("nothing at all")
    r("checkout", "-q", "-b", "side", "HEAD~2")
    r.write("side/one", "1\n")
    r.write("both", "side\n")
    r.commit("on the side")
    r("mv", "plain", "renamed plain")
    r.commit("renamed")
    r("checkout", "-q", "main")
    r.write("both", "main\n")
    r.write("main only", "x\n")
    r.commit("on main")
    r("merge", "-q", "--no-ff", "-s", "ort", "-X", "ours", "-m", "merge side", "side")
    r.write("amended in the merge", "x\n")
    r("add", "-A", ".")
    r("commit", "-q", "--amend", "-m", "merge side, and more")
    r("mv", "with space", "deep/with space")
    r("rm", "-q", "quo\"ted", "M")
    r.write("M/now a directory", "x\n")
    r.commit("renames and removals")
    r.write("quo\"ted", "back\n")
    os.chmod(r.path / "D", 0o755)
    (r.path / "A").unlink()
    (r.path / "A").symlink_to("D")
    r.commit("back, a mode, a type")
    return r


def test_a_repository_with_everything(repo):
    code, out, err = demo(repo.path)
    assert (code, err) == (0, "")
    assert " files in the view" in out


def test_names_that_are_not_utf8(repo):
    repo.write(b"latin-\xe9", "x\n")
    repo.commit("a name in latin-1")
    code, out, err = demo(repo.path)
    assert (code, err) == (0, "")
    assert "left out: 1 " in out


def test_not_a_repository(tmp_path):
    code, _, err = demo(tmp_path)
    assert code == 1 and "not a git repository" in err


def test_this_projects_own_history():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        pytest.skip("the source tree is no git repository")
    code, out, err = demo(ROOT)
    assert (code, err) == (0, "")
    assert " files in the view" in out


def test_events_carry_the_commit(repo, new_mount):
    """The converter alone: actor, id and ts of an event are the commit's."""
    import importlib.machinery
    import importlib.util
    import json

    loader = importlib.machinery.SourceFileLoader("demo_git", str(ROOT / "scripts/demo-git"))
    spec = importlib.util.spec_from_loader("demo_git", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    n, skipped = module.write_events(repo.path, repo.path.parent / "events")
    events = [json.loads(line) for line in open(repo.path.parent / "events", encoding="utf-8")]
    assert (len(events), skipped) == (n, 0)
    log = subprocess.run(
        ["git", "-C", repo.path, "log", "--format=%H %ct"], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    times = dict(line.split() for line in log.splitlines())
    for ev in events:
        assert ev["actor"] == "Zoë \"Z\" O'Neil" and ev["ts"] == int(times[ev["id"]])
    m = new_mount(reducers=["files"])
    m.append(*events)
    assert m.view("files")["files"] == sorted(m.view("files")["files"], key=str.encode)
