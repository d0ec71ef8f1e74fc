"""Nothing but the files of the mount can be named."""

import os

import pytest

TRICKS = """
/files/../data/app.jsonl
/files/%2e%2e/data/app.jsonl
/files/%2E%2e/data/app.jsonl
/files/.%2e/data/app.jsonl
/files/views/../../data/app.jsonl
/files/views/../events/app
/files/./events/app
/files/events/./app
/files//events/app
/files/events//app
/files//etc/passwd
/files/%2fetc%2fpasswd
/files/events%2fapp
/files/..%2f..%2fetc/passwd
/files/..%5c..%5cetc/passwd
/files/..\\..\\etc/passwd
/files/%252e%252e/data/app.jsonl
/files/%c0%ae%c0%ae/data/app.jsonl
/files/events/app%00
/files/events/app%00.json
/files/%00
/files/events/app%0a
/files/events/%zz
/files/events/%
/files/events/%a
/files/events/app/..
/files/reducers
/files/reducers/
/files/reducers/count.so
/files/reducers/link
/files/reducers/../events/app
/files/tail/../events/app
/files/tail/%2e%2e/events/app
/files/tail/count.json/..
/files/at/../events/app
/files/at/-1/app
/files/at/1e3/app
/files/at/0x1/app
/files/proc/self/environ
/../etc/passwd
/%2e%2e/%2e%2e/etc/passwd
/..%2f..%2fetc%2fpasswd
//etc/passwd
/index.html/../../../etc/passwd
/eventfold/../../etc/passwd
/eventfold/%2e%2e/meson.build
/link
/sub/link
""".split()


@pytest.fixture
def secret(m, tmp_path):
    (tmp_path / "secret").write_text("root:x:secret")
    os.symlink(tmp_path / "secret", m.data / "reducers/link")
    m.append({"type": "secret"})
    return m


@pytest.mark.parametrize("path", TRICKS)
def test_tricks(secret, tmp_path, serve, path):
    app = tmp_path / "app"
    (app / "sub").mkdir(parents=True)
    (app / "index.html").write_text("mine")
    os.symlink("/etc/passwd", app / "link")
    os.symlink("../../secret", app / "sub/link")
    web = serve(secret, "--app", app)
    for method in (b"GET", b"HEAD"):
        got = web.raw(method + b" " + path.encode() + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert got == b"" or got.split()[1] in (b"400", b"403", b"404"), got
        assert b"root:" not in got and b"secret" not in got and b"\x7fELF" not in got
    web.raw(b"POST " + path.encode() + b' HTTP/1.0\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{"type":"no"}')
    assert len(secret.events()) == 1
    assert web.get("/files/events/app").status == 200


def test_names_may_be_written_otherwise(m, web):
    m.append({"type": "a"})
    for path in ("/files/%65vents/app", "/files/events/%61pp", "/files/views/count%2ejson"):
        assert web.get(path).status == 200, path


def test_nothing_is_mounted(tmp_path, m, serve):
    """A directory that is no mount is none that is served."""

    class Plain:
        mnt = tmp_path / "plain"

    (Plain.mnt / "events").mkdir(parents=True)
    (Plain.mnt / "events/app").write_text("private")
    web = serve(Plain)
    for name in ("events/app", "", "tail/app", "tail/count.json"):
        answer = web.get(f"/files/{name}")
        assert answer.status == 503 and b"private" not in answer.body
    assert web.post({"type": "a"}).status == 503 and (Plain.mnt / "events/app").read_text() == "private"
