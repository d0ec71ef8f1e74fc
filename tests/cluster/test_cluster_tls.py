"""https, certificates and passwords: from files."""

import ssl
import subprocess

import pytest
from engine import after, b64
from following import until
from machines import cluster_command

PREFIX = "/eventfold/"


@pytest.fixture
def files(tmp_path):
    """An authority, and what it has signed: the engine, and a machine. Keys are nobody else's to read."""
    d = tmp_path / "tls"
    d.mkdir()
    (d / "san").write_text("subjectAltName=IP:127.0.0.1\n")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=d, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    for name in ("engine", "machine"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
                "-days", "2", "-extfile", "san")  # fmt: skip
    return d


def test_certificates(new_cluster, files):
    context = ssl.create_default_context(cafile=files / "ca.pem")
    context.load_cert_chain(files / "machine.pem", files / "machine.key")
    its = [f"--cert-file={files}/engine.pem", f"--key-file={files}/engine.key", f"--trusted-ca-file={files}/ca.pem", "--client-cert-auth"]
    options = f"cluster_ca={files}/ca.pem,cluster_cert={files}/machine.pem,cluster_key={files}/machine.key"
    c = new_cluster(machines=2, engine_more=its, tls=context, more=options)
    c.machines[0].append({"type": "x"})
    assert c.agree().count(b"\n") == 1
    # Who believes another authority, or shows nothing, gets nowhere.
    for left in ("cluster_ca", "cluster_cert"):
        words = [w for w in c.machines[0].engine_options.split(",") if left not in w and (left != "cluster_cert" or "cluster_key" not in w)]
        done = cluster_command("status", "-o", ",".join(words))
        assert done.returncode != 0 and done.stderr, left


def test_a_password(new_cluster, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    c = new_cluster(machines=2, begin=False, more=f"cluster_user=folder,cluster_password_file={password}")
    for path, body in (
        ("user/add", {"name": "root", "password": "root"}), ("role/add", {"name": "root"}), ("user/grant", {"user": "root", "role": "root"}),
        ("user/add", {"name": "folder", "password": "secret"}), ("role/add", {"name": "logs"}),
        ("role/grant", {"name": "logs", "perm": {"permType": "READWRITE", "key": b64(PREFIX), "range_end": b64(after(PREFIX))}}),
        ("user/grant", {"user": "folder", "role": "logs"}), ("enable", {}),
    ):  # fmt: skip
        c.engine.call(f"/v3/auth/{path}", body)
    a, b = c.machines
    c.begin(a)
    for m in (a, b):
        m.start()
        m.until_ready()
    a.append({"type": "x"})
    until(lambda: b.history() == a.history())
    # A token is not for ever.
    for e in c.engine.members:
        e.end()
        c.engine.restart(e)
    b.append({"type": "y"})
    until(lambda: b.history() == a.history())
    assert a.history().count(b"\n") == 2
    password.write_text("another\n")
    done = cluster_command("status", "-o", a.engine_options)
    assert done.returncode != 0 and "password" in done.stderr, done.stderr
