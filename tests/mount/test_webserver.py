"""A web server with sendfile serves states and the log while they change: every body is one state, whole."""

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time

import pytest
from harness import FULL, LIMIT, SLOW, line_of

SECONDS = 20 if FULL else 4
CLIENTS = 4
PER_SECOND = 300

CONFIG = """
daemon off;
pid nginx.pid;
error_log stderr;
user root;
worker_processes 2;
events {{ worker_connections 64; }}
http {{
	access_log off;
	sendfile on;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	server {{ listen unix:{socket}; root {root}; default_type text/plain; }}
}}
"""

# States of several pages, where each number says which one it is.
COPIES = '((.n // 0) + 1) as $n | {n: $n, copies: [range(3000) | $n]}'
# One that is short every other time.
SHRINKS = 'if (. // "") == "" then "x" * 20000 else "" end'


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


@pytest.fixture
def server(m):
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    (m.data / "reducers/copies.jq").write_text(COPIES)
    (m.data / "reducers/shrinks.jq").write_text(SHRINKS)
    (m.path / "nginx").mkdir()
    path = str(m.path / "nginx/sock")
    assert len(path) < 100
    (m.path / "nginx/conf").write_text(CONFIG.format(socket=path, root=m.mnt))
    log = open(m.path / "nginx/log", "wb")
    p = subprocess.Popen(["nginx", "-e", "stderr", "-p", m.path / "nginx", "-c", m.path / "nginx/conf"], stderr=log)
    until = time.monotonic() + LIMIT
    while True:
        try:
            UnixConnection(path).connect()
            break
        except OSError:
            assert p.poll() is None and time.monotonic() < until, (m.path / "nginx/log").read_text()
            time.sleep(0.01)
    yield path
    p.terminate()
    assert p.wait(LIMIT) == 0
    errors = (m.path / "nginx/log").read_text()
    assert "[alert]" not in errors and "[error]" not in errors, errors


def check(m, name, body):
    if name == "views/copies.json":
        state = json.loads(body)
        assert set(state["copies"]) == {state["n"]} and len(state["copies"]) == 3000
    elif name == "views/copies.snapshot.json":
        whole = json.loads(body)
        state = whole["state"]
        assert set(state["copies"]) == {state["n"]} and whole["offset"] == state["n"] * len(LINE)
    elif name == "views/shrinks.json":
        assert body in (b'""\n', b'"' + b"x" * 20000 + b'"\n')
    elif name == "head/app":
        assert int(body.split(b":")[0]) % len(LINE) == 0
    else:
        assert body == LINE * (len(body) // len(LINE))


NAMES = ["views/copies.json", "views/copies.snapshot.json", "views/shrinks.json", "head/app", "events/app"]
LINE = line_of('{"type":"a","data":null,"ts":1700000000}')


@pytest.mark.limit(4)
def test_every_body_is_one_state(m, server):
    m.append(LINE)
    assert m.view("copies")["n"] == 1
    done = threading.Event()
    wrong, served = [], []

    def client(first):
        connection = UnixConnection(server)
        i = first
        try:
            while not done.is_set():
                name = NAMES[i % len(NAMES)]
                i += 1
                connection.request("GET", "/" + name)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200 and len(body) == int(answer.headers["Content-Length"]), name
                check(m, name, body)
                served.append(name)
        except Exception as e:  # noqa: B902
            wrong.append((name, repr(e)[:300]))
            done.set()

    clients = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    begin, n = time.monotonic(), 0
    while time.monotonic() < begin + SECONDS and not done.is_set():
        m.append(LINE)
        n += 1
        done.wait(max(0, begin + n / PER_SECOND - time.monotonic()))
    done.set()
    for c in clients:
        c.join(LIMIT)
    assert not wrong, wrong
    assert {name: served.count(name) for name in NAMES if served.count(name) < (1 if SLOW else 5)} == {}
    assert m.view("copies")["n"] == n + 1 == m.status()["log"]["events"]
