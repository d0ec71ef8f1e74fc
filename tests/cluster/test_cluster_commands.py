"""eventfold cluster begin, status and forget: what they do to the engine, what they say, and what they refuse. With a password, and TLS."""

import hashlib
import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from engine import Engine, Member, b64
from following import until
from harness import LIMIT, eventfold, line_of
from machines import LOG, cluster_command

AT = f"/eventfold/{LOG}/"
MACHINE = "00000000000000ab"
LINES = b"".join(line_of({"type": "x", "ts": 1, "data": i}) for i in range(4))


def opts(engine, more=""):
    return f"cluster={engine.urls()},log={LOG}{more}"


def data(path, lines=LINES):
    path.mkdir(exist_ok=True)
    (path / "app.jsonl").write_bytes(lines)
    return path


def proves(lines):
    return f"{len(lines)}:{hashlib.sha256(lines).hexdigest()}".encode()


def member(engine, position, machine=MACHINE):
    engine.put(f"{AT}member/{machine}", json.dumps({"machine": machine, "host": "h", "path": "/p", "position": position, "time": 1}))


def well(*args):
    done = cluster_command(*args)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(*args, status=1):
    done = cluster_command(*args)
    assert (done.returncode, done.stdout) == (status, ""), done
    return done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "begin, status or forget"),
        (["begn", "-o", "x"], "'begn'"),
        (["begin", "-o", "cluster=http://h:1,log=a"], "DATA"),
        (["begin", "DATA"], "-o cluster="),
        (["begin", "-o", "log=a", "DATA"], "cluster="),
        (["begin", "-o", "cluster=http://h:1", "DATA"], "log="),
        (["begin", "-o", "cluster=ftp://h:1,log=a", "DATA"], "ftp://h:1"),
        (["begin", "-o", "cluster=http://h:1,log=../a", "DATA"], "../a"),
        (["begin", "-o", "cluster=http://h:1,log=a,sync=none", "DATA"], "sync=none"),
        (["begin", "-o", "cluster=http://h:1,log=a", "DATA", "MORE"], "MORE"),
        (["begin", "--new", "-o", "cluster=http://h:1,log=a", "DATA"], "--anew"),
        (["status", "-o", "cluster=http://h:1,log=a", "--anew"], "--anew"),
        (["status", "-o", "cluster=http://h:1,log=a", "DATA"], "status"),
        (["forget", "-o", "cluster=http://h:1,log=a"], "machine"),
    ],
)
def test_wrong_usage(args, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(*args, status=2)
    assert not list(tmp_path.iterdir())


def test_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTFOLD_CLUSTER", str(tmp_path / "nothing"))
    assert "not installed" in refused("begin", "-o", "cluster=http://h:1,log=a", tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_begin(engine, tmp_path):
    """The history stays where it is; the engine gets its head, of all that counts, once."""
    path = data(tmp_path / "data", LINES[:-1])  # whole but for its newline
    done = cluster_command("begin", "-o", opts(engine), path)
    assert done.returncode == 0 and "completed" in done.stderr
    head = proves(LINES)
    assert done.stdout.count("\n") == 1 and all(word in done.stdout for word in [LOG, str(len(LINES)), head.split(b":")[1].decode()])
    assert engine.keys("/eventfold/") == {f"{AT}head": head}
    assert (path / "app.jsonl").read_bytes() == LINES
    assert "--anew" in refused("begin", "-o", opts(engine), path)
    assert "--anew" in refused("begin", "-o", opts(engine), data(tmp_path / "other", b""))
    assert engine.keys("/eventfold/") == {f"{AT}head": head}


def test_begin_with_an_archive(engine, tmp_path, new_mount):
    """The head is that of all history, of the archive's as well."""
    m = new_mount()
    for i in range(10):
        m.append({"type": "x", "data": i})
    (m.mnt / "ctl").write_text("rotate\n")
    until(lambda: m.status()["log"]["archived_bytes"] > 0)
    m.append({"type": "y"})
    history = m.history()
    assert "" != refused("begin", "-o", opts(engine), m.data), "it is mounted"
    assert engine.keys("/eventfold/") == {}
    m.unmount()
    well("begin", "-o", opts(engine), m.data)
    assert engine.get(f"{AT}head") == proves(history)


def test_begin_without_data(engine, tmp_path):
    """A log that has no events yet."""
    path = tmp_path / "data"
    well("begin", "-o", opts(engine), path)
    assert engine.get(f"{AT}head") == proves(b"") and path.is_dir()
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (None, ["knew nothing"]),
        (b"damaged", ["knew nothing"]),
        (proves(LINES), ["Nothing", "is lost", str(len(LINES))]),
        (proves(LINES[: len(LINES) // 2]), ["Nothing", "is lost", str(len(LINES) // 2)]),
        (proves(LINES[:-1] + b"!"), ["LOST", "another history", str(len(LINES))]),
        (proves(LINES + b"more\n"), ["LOST", f"{len(LINES) + 5} bytes, 5 more"]),
    ],
)
def test_what_is_lost(engine, tmp_path, before, words):
    """What the engine had, against DATA; and what a machine had."""
    if before is not None:
        engine.put(f"{AT}head", before)
    engine.put(f"{AT}config", "0" * 64)
    engine.put(f"{AT}batch/{0:020}", "nothing that is one")
    member(engine, len(LINES), "0" * 16)
    member(engine, len(LINES) + 7)
    engine.put("/eventfold/orders2/head", "is another log")
    said = well("begin", "--anew", "-o", opts(engine), data(tmp_path / "data"))
    for word in words:
        assert word in said
    assert f"{MACHINE}, h:/p: it had {len(LINES) + 7} bytes, 7 more" in said and "0" * 16 + "," not in said
    assert engine.keys("/eventfold/") == {f"{AT}head": proves(LINES), "/eventfold/orders2/head": b"is another log"}


def test_what_went_on_otherwise(engine, tmp_path):
    """Where a batch of the engine's begins at DATA's end it says whether the same stands before it."""
    path = data(tmp_path / "data")
    for before in [LINES, LINES[:-1] + b"!"]:
        after = before + b"more\n"
        batch = {"v": 1, "from": len(before), "before": hashlib.sha256(before).hexdigest(), "to": len(after),
                 "after": hashlib.sha256(after).hexdigest(), "machine": MACHINE, "boot": "0" * 32, "n": 1, "time": 1}  # fmt: skip
        engine.put(f"{AT}head", proves(after))
        engine.put(f"{AT}batch/{len(before):020}", json.dumps(batch) + "\nmore\n")
        said = well("begin", "--anew", "-o", opts(engine), path)
        assert "5 more" in said and ("other ones" in said) == (before != LINES)


def test_remains(engine, tmp_path):
    """What is left of a log without a head would come to be part of the new one."""
    path = data(tmp_path / "data")
    engine.put(f"{AT}batch/{0:020}", "x")
    assert "remains" in refused("begin", "-o", opts(engine), path)
    engine.delete(f"{AT}batch/{0:020}")
    member(engine, 0)
    assert "machines: 1, batches: 0" in refused("begin", "-o", opts(engine), path)
    assert engine.get(f"{AT}head") is None
    well("begin", "--anew", "-o", opts(engine), path)


def test_somebody_has_it_mounted(engine, tmp_path):
    """It is not taken from under him; who has just left is waited for."""
    path = data(tmp_path / "data")
    engine.put(f"{AT}head", proves(b""))
    member(engine, 0)
    lease = engine.call("/v3/lease/grant", {"TTL": "2"})["ID"]
    engine.call("/v3/kv/put", {"key": b64(f"{AT}holder/{MACHINE}"), "value": b64("KERNEL BOOT"), "lease": lease})
    well("begin", "--anew", "-o", opts(engine), path)
    member(engine, 0)
    engine.put(f"{AT}holder/{MACHINE}", "KERNEL BOOT")
    why = refused("begin", "--anew", "-o", opts(engine), path)
    assert MACHINE in why and "h:/p" in why and "unmount" in why
    assert engine.get(f"{AT}head") == proves(LINES)


def test_status_and_forget(engine, tmp_path):
    assert "no log orders" in cluster_command("status", "-o", opts(engine)).stderr
    well("begin", "-o", opts(engine), data(tmp_path / "data"))
    engine.put(f"{AT}config", "c" * 64)
    engine.put(f"{AT}batch/{7:020}", "x")
    member(engine, len(LINES) - 3)
    member(engine, len(LINES), "1" * 16)
    engine.put(f"{AT}member/{'2' * 16}", "\x1b[2J")  # a hand's
    engine.put(f"{AT}holder/{MACHINE}", "KERNEL BOOT")
    engine.put(f"{AT}holder/{'3' * 16}", "KERNEL BOOT")
    said = well("status", "-o", opts(engine))
    for words in [f"log     {LOG}\n", "etcd 3.", f"head    {proves(LINES).decode()}\n", "from byte 7 on; batches: 1\n", "c" * 64,
                  f"{MACHINE}  h:/p\n        mounted, {len(LINES) - 3} bytes, 3 behind", "1" * 16 + "  h:/p\n        not mounted",
                  "3" * 16 + "  (forgotten)\n        mounted\n"]:  # fmt: skip
        assert words in said, said
    assert "\x1b" not in said
    assert "no machine" in refused("forget", "-o", opts(engine), "4" * 16)
    for wrong in ["x", MACHINE + "0", "../config", MACHINE.upper()]:
        assert "16 digits" in refused("forget", "-o", opts(engine), wrong)
    assert "unmount" in refused("forget", "-o", opts(engine), MACHINE)
    engine.delete(f"{AT}holder/{MACHINE}")
    assert MACHINE in well("forget", "-o", opts(engine), MACHINE)
    assert engine.get(f"{AT}member/{MACHINE}") is None and engine.get(f"{AT}member/{'1' * 16}")


def test_the_engine_has_no_room(ended, tmp_path):
    """It says so, and that a person has to make some."""
    e = Engine(tmp_path / "engine", more=["--quota-backend-bytes=1000000"])
    ended.append(e)
    e.start()
    with pytest.raises(OSError, match="space exceeded"):
        for i in range(20):
            e.put(f"fill{i}", "x" * 200_000)
    done = cluster_command("begin", "-o", opts(e), data(tmp_path / "data"))
    assert done.returncode == 1 and "space exceeded" in done.stderr
    assert "no room" in cluster_command("status", "-o", opts(e)).stdout
    assert e.get(f"{AT}head") is None


def test_a_member_that_is_gone(engine, tmp_path):
    """The next one is asked."""
    engine.members[0].end()
    well("begin", "-o", opts(engine), data(tmp_path / "data"))
    assert engine.members[1].url in well("status", "-o", opts(engine))


@pytest.mark.parametrize("status", [302, 403, 404, 501])
def test_what_is_no_etcd(tmp_path, status):
    """It is told what it says; where it points to is not gone to."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"\x1b[2J hi")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        why = refused("begin", "-o", f"cluster=http://127.0.0.1:{server.server_port},log=a", data(tmp_path / "data"))
    finally:
        server.shutdown()
        server.server_close()
    assert f"HTTP {status}" in why and "hi" in why and "\x1b" not in why
    assert asked == ["/v3/kv/txn"]


@pytest.mark.limit(3)
def test_password(new_cluster, tmp_path):
    """By a file that is its owner's alone; a user who may have that log only."""
    c = new_cluster(machines=2, begin=False)
    e = c.engine
    for path, body in [
        ("user/add", {"name": "root", "password": "r"}), ("user/grant", {"user": "root", "role": "root"}),
        ("user/add", {"name": "log", "password": 'a "secret"'}), ("role/add", {"name": "log"}),
        ("role/grant", {"name": "log", "perm": {"permType": "READWRITE", "key": b64(AT), "range_end": b64(AT[:-1] + "0")}}),
        ("user/grant", {"user": "log", "role": "log"}), ("enable", {}),
    ]:  # fmt: skip
        e.call(f"/v3/auth/{path}", body)
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text('a "secret"\n')
    wrong.write_text("b\n")
    right.chmod(0o644)
    a, b = c.machines
    options = f"cluster_user=log,cluster_password_file={right}"
    assert "chmod" in refused("begin", "-o", f"{a.engine_options},{options}", a.data, status=2)
    for file in [right, wrong]:
        file.chmod(0o600)
    assert "user name is empty" in refused("begin", "-o", a.engine_options, a.data)
    assert "authentication failed" in refused("begin", "-o", f"{a.engine_options},cluster_user=log,cluster_password_file={wrong}", a.data)
    assert "permission denied" in refused("begin", "-o", f"cluster={e.urls()},log=another,{options}", a.data)
    well("begin", "-o", f"{a.engine_options},{options}", a.data)
    for m in c.machines:
        m.options += f",{options}"
        m.start()
        m.until_ready()
    a.append({"type": "x"})
    b.until_events(1)
    # A member that is started anew knows no tokens any more.
    for member in e.members:
        member.end()
        e.restart(member)
        b.append({"type": "y"})
    until(lambda: a.history() == b.history() and a.history().count(b"\n") == 4)
    assert 'a "secret"' not in "".join(a.stderr() + b.stderr())


class TlsMember(Member):
    url = property(lambda self: f"https://127.0.0.1:{self.client}")


def certificates(path):
    """Of an authority, a server and a client."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=path, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT)

    path.mkdir()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    (path / "names").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    for name in ["server", "client"]:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/O=eventfold")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
                "-days", "2", "-extfile", "names")  # fmt: skip
    for key in path.glob("*.key"):
        key.chmod(0o600)


def test_tls(ended, tmp_path, new_mount):
    certificates(tmp_path / "tls")
    at = tmp_path / "tls"
    (tmp_path / "engine").mkdir()
    member = TlsMember(tmp_path / "engine", "e0", None)
    ended.append(member)
    member.start(f"e0={member.peer_url}", "tls", ["--client-cert-auth", f"--trusted-ca-file={at}/ca.pem", f"--cert-file={at}/server.pem",
                                                  f"--key-file={at}/server.key"])  # fmt: skip
    where = f"cluster={member.url},log={LOG}"
    shown = f"cluster_cert={at}/client.pem,cluster_key={at}/client.key"
    path = data(tmp_path / "data")
    well("begin", "-o", f"{where},cluster_ca={at}/ca.pem,{shown}", path)
    assert member.url in well("status", "-o", f"{where},cluster_ca={at}/ca.pem,{shown}")
    for less, word in [(f"cluster_ca={at}/ca.pem", "certificate"), (shown, "certificate")]:
        assert word in cluster_command("status", "-o", f"{where},{less}").stderr


def test_nothing_of_the_environment(engine, tmp_path):
    """A proxy that is set for other programs is not this one's."""
    env = {**os.environ, "http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
    done = subprocess.run([eventfold(), "cluster", "begin", "-o", opts(engine), data(tmp_path / "data")], env=env, stdin=subprocess.DEVNULL,
                          timeout=LIMIT)  # fmt: skip
    assert done.returncode == 0
