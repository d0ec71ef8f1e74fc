"""Who is let in, and under which name."""

import os
import socket
import stat
import subprocess

import pytest
from following import until
from harness import LIMIT
from server import PAGE, PROGRAM, Server


def refuses(*args):
    done = subprocess.run([PROGRAM, "--page", PAGE, *map(str, args)], capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout == "" and done.stderr
    return done.returncode, done.stderr


def test_the_token(m, serve):
    web = serve(m, token=True)
    assert len(web.token) == 32 and web.token != serve(m, token=True).token
    for path in ("/", "/main.js", "/files/", "/files/events/app", "/live", "/files/tail/app", "/nothing"):
        answer = web.get(path)
        assert answer.status == 401 and b"eventfold</h1>" not in answer.body, path
    assert web.post({"type": "a"}).status == 401 and m.history() == b""

    # A visit takes it out of the address and into a cookie.
    visit = web.get(f"/?token={web.token}")
    assert (visit.status, visit.headers["Location"]) == (303, "/")
    cookie = visit.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and visit.headers["Cache-Control"] == "no-store"
    assert web.get("/", Cookie=cookie.split(";")[0]).status == 200
    assert web.get("/files/head/app", Authorization=f"Bearer {web.token}").status == 200
    assert web.post({"type": "a"}, Authorization=f"Bearer {web.token}").status == 200
    assert web.post({"type": "a"}, path=f"/files/events/app?token={web.token}").status == 200


def test_wrong_tokens(m, serve):
    web = serve(m, token=True)
    for wrong in ("", "x", web.token[:-1], web.token + "0", web.token[:-1] + "g", web.token.upper() + " "):
        assert web.get(f"/?token={wrong.strip()}").status == 401, wrong
        assert web.get("/", Authorization=f"Bearer {wrong}").status == 401, wrong
        assert web.get("/", Cookie=f"eventfold-{web.port}={wrong}").status == 401, wrong
    assert web.get("/", Cookie=f"eventfold-1={web.token}").status == 401


def test_a_place_outlives_its_token(m, serve):
    web = serve(m, token=True)
    t = f"token={web.token}"
    for asked, place in (
        (f"/?at=50&{t}", "/?at=50"),
        (f"/?{t}&at=50&q", "/?at=50&q"),
        (f"/files/views/x.json?rows=5&{t}&open=%5B%22a%2fb%22%5D&from=", "/files/views/x.json?rows=5&open=%5B%22a%2fb%22%5D&from="),
        (f"/?a=1+2%2B3&{t}&a=b=c&%74oken=x", "/?a=1+2%2B3&a=b=c&%74oken=x"),
        (f"/%65?{t}&TOKEN=x&token=", "/%65"),
        (f"/?TOKEN={web.token}", "/"),
        (f"/?next=//example.org/&{t}", "/?next=//example.org/"),
    ):
        visit = web.get(asked)
        assert (visit.status, visit.headers["Location"]) == (303, place), asked
    assert len(web.get(f"/?a={'x' * 8000}&{t}").headers["Location"]) == 8004
    assert web.get(f"/?a={'x' * 9000}&{t}").status == 414
    assert web.get(f"/?{t}&a&{'b' * 9000}").status == 414


def test_no_way_out_by_the_redirect(m, serve):
    web = serve(m, token=True)
    for path in ("//example.org/", "/\\example.org/", "/a/..//example.org"):
        visit = web.get(f"{path}?token={web.token}")
        assert visit.status == 400 and "Location" not in visit.headers, path


def test_a_token_in_a_file(m, serve, tmp_path):
    file = tmp_path / "token"
    file.write_text("a-token-of-my-own_1\n")
    file.chmod(0o604)
    assert "others" in refuses("--token-file", file, m.mnt)[1]
    file.chmod(0o600)
    web = serve(m, "--token-file", file, token=True)
    assert "token" not in web.address  # a unit's output is kept
    assert web.get("/", Authorization="Bearer a-token-of-my-own_1").status == 200
    assert web.get("/").status == 401
    file.write_text("short")
    assert "16" in refuses("--token-file", file, m.mnt)[1]


@pytest.mark.parametrize("args", [["--listen", "0.0.0.0:0"], ["--listen", "[::]:0"], ["--listen", "192.0.2.1:80"]])
def test_only_this_machine(m, args):
    code, text = refuses(*args, m.mnt)
    assert code == 1 and "--allow-remote" in text


def test_remote_if_it_may(m, serve):
    web = serve(m, "--allow-remote", "--listen", "0.0.0.0:0")
    assert web.url.startswith("http://0.0.0.0:")
    assert web.get("/").status == 200


def test_usage(m):
    assert refuses()[0] == 2
    assert refuses("--nonsense", m.mnt)[0] == 2
    assert refuses("--no-token", "--token-file", "x", m.mnt)[0] == 2
    for where in ("8089", "127.0.0.1", "localhost:99999", "example.org:80", "::1:80", "127.0.0.1:80x", "unix:"):
        assert refuses("--listen", where, m.mnt)[0] == 1, where
    assert refuses("--page", "/nowhere", m.mnt)[0] == 1


def test_what_is_no_mount_is_said_and_waited_for(new_mount, serve, tmp_path):
    m = new_mount()
    assert serve(m).stderr() == ""
    (tmp_path / "link").symlink_to(m.mnt)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()

    def said_of(where):
        web = Server(where)
        assert web.get("/files/").status == 503
        said = web.stderr()
        web.end()
        return said.removeprefix("eventfold-web: ").removesuffix("; waiting for a mount there\n")

    assert said_of(tmp_path / "typo") == f"{tmp_path}/typo: No such file or directory"
    assert said_of(tmp_path / "file") == f"{tmp_path}/file is no mount of eventfold"
    assert said_of(tmp_path / "empty") == f"{tmp_path}/empty is no mount of eventfold"
    assert said_of(m.data) == f"{m.data} is the data; it is mounted at {m.mnt}"
    linked = Server(tmp_path / "link")
    assert linked.get("/files/").status == 200 and linked.stderr() == ""
    linked.end()
    m.unmount()
    assert said_of(m.data) == f"{m.data} is the data, which is not mounted"
    web = serve(m)
    assert f"{m.mnt} is no mount of eventfold" in web.stderr()
    m.start()
    until(lambda: web.get("/files/head/app").status == 200)


def test_a_socket_for_its_user_alone(m, tmp_path):
    path = tmp_path / "s"
    web = Server(m.mnt, listen=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert web.get("/files/head/app").body == b"0:\n"
    assert "listens" in refuses("--listen", f"unix:{path}", m.mnt)[1]
    web.end()
    assert not path.exists()
    # One that a killed server has left is replaced; anything else is not.
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    web = Server(m.mnt, listen=f"unix:{path}")
    web.end()
    path.write_text("mine")
    assert "no socket" in refuses("--listen", f"unix:{path}", m.mnt)[1] and path.read_text() == "mine"


def test_names_of_the_server(m, serve):
    """A page of elsewhere, whose name was pointed at this machine, is told apart by it."""
    web = serve(m, "--host", "log.example")
    for host in ("localhost", f"localhost:{web.port}", "127.0.0.1:1234", "[::1]:80", "LOG.example", "log.example:80", "10.0.0.1"):
        assert web.get("/files/head/app", Host=host).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "log.example.org", "xlog.example", "", "[::1", "1"):
        assert web.get("/files/head/app", Host=host).status in (400, 421), host
    assert b" 400 " in web.raw(b"GET /files/head/app HTTP/1.1\r\n\r\n").split(b"\r\n")[0]
    assert b" 421 " in web.raw(b"GET /files/head/app HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


def test_other_origins(m, web):
    here = f"http://127.0.0.1:{web.port}"
    host = f"127.0.0.1:{web.port}"
    assert web.post({"type": "a"}, Origin=here, Host=host).status == 200
    size = len(m.history())
    for origin in ("http://evil.example", "null", f"http://localhost:{web.port}", "http://127.0.0.1:1", f"file://{host}", host, ""):
        if origin:
            assert web.post({"type": "b"}, Origin=origin, Host=host).status == 403, origin
            assert web.get("/files/events/app", Origin=origin, Host=host).status == 403, origin
    for site in ("cross-site", "same-site"):
        assert web.get("/files/events/app", Sec_Fetch_Site=site).status == 403
        assert web.get("/files/events/app", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image").status == 403
        assert web.get("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe").status == 403
        assert web.post({"type": "b"}, Sec_Fetch_Site=site).status == 403
        # A link somebody has sent is followed.
        assert web.get("/?at=1", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document").status == 200
    assert len(m.history()) == size


def test_headers_that_guard(m, web):
    for path in ("/", "/files/events/app", "/nothing", "/files/views/none.json"):
        h = web.get(path).headers
        assert h["X-Content-Type-Options"] == "nosniff" and h["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in h["Content-Security-Policy"]
        assert h["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in h


def test_it_ends_at_once(m, serve):
    web = serve(m)
    with web.stream("/files/tail/app"), web.stream("/live"), web.stream("/files/tail/count.json"), web.connect():
        web.process.terminate()
        assert web.process.wait(LIMIT) == 0


def test_it_needs_no_rights(m, serve):
    """The mount is asked as the user who runs the server: another's is not his."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    env = {**os.environ, "HOME": "/nonexistent"}
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", str(PROGRAM), "--page", str(PAGE)]
    readable = subprocess.run(command[:4] + ["test", "-x", str(PROGRAM), "-a", "-r", str(PAGE / "index.html")]).returncode == 0
    if not readable:
        pytest.skip("another user can't read this directory")
    p = subprocess.Popen(command + ["--no-token", "--listen", "127.0.0.1:0", str(m.mnt)], stdout=subprocess.PIPE, env=env)
    try:
        port = int(p.stdout.readline().decode().strip().rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), LIMIT) as s:
            s.sendall(b"GET /files/events/app HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert s.recv(100).split()[1] in (b"403", b"503")
    finally:
        p.terminate()
        p.stdout.close()
        p.wait(LIMIT)
