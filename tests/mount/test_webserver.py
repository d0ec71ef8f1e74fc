"""A web server with sendfile serves states and the log while they change: every body is one state, whole."""

import http.client
import json
import os
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

NGINX = """
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

CADDY = """
{{
	admin off
	auto_https off
	log {{
		level WARN
	}}
}}
http:// {{
	bind unix/{socket}
	root * {root}
	file_server
}}
"""

# What each is run with in a directory that has `conf`, and what it must not say.
SERVERS = {
    "nginx": (NGINX, ["nginx", "-e", "stderr", "-p", ".", "-c", "conf"], ("[alert]", "[error]")),
    "caddy": (CADDY, ["caddy", "run", "--config", "conf", "--adapter", "caddyfile"], ('"level":"error"', "panic")),
}

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


@pytest.fixture(params=SERVERS)
def server(m, socket_dir, request):
    config, command, bad = SERVERS[request.param]
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    (m.data / "reducers/copies.jq").write_text(COPIES)
    (m.data / "reducers/shrinks.jq").write_text(SHRINKS)
    here = m.path / "server"
    here.mkdir()
    path = str(socket_dir / request.param)
    (here / "conf").write_text(config.format(socket=path, root=m.mnt))
    log = open(here / "log", "wb")
    p = subprocess.Popen(command, cwd=here, stdout=log, stderr=log, env={**os.environ, "HOME": str(here)})
    until = time.monotonic() + LIMIT
    while True:
        try:
            UnixConnection(path).connect()
            break
        except OSError:
            assert p.poll() is None and time.monotonic() < until, (here / "log").read_text()
            time.sleep(0.01)
    yield path
    p.terminate()
    assert p.wait(LIMIT) == 0
    said = (here / "log").read_text()
    assert not any(word in said for word in bad), said


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
    wrong, served = [], dict.fromkeys(NAMES, 0)

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
                served[name] += 1
        except Exception as e:  # noqa: B902
            wrong.append((name, repr(e)[:300]))
            done.set()

    clients = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    begin, n = time.monotonic(), 0

    def seldom():
        return {name: n for name, n in served.items() if n < (1 if SLOW else 5)}

    while not done.is_set() and time.monotonic() < begin + (LIMIT if seldom() else SECONDS):
        m.append(LINE)
        n += 1
        done.wait(max(0, begin + n / PER_SECOND - time.monotonic()))
    done.set()
    for c in clients:
        c.join(LIMIT)
    assert not wrong, wrong
    assert not seldom()
    assert m.view("copies")["n"] == n + 1 == m.status()["log"]["events"]


def get(server, name, **headers):
    connection = UnixConnection(server)
    connection.request("GET", f"/{name}", headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_validators(m, server):
    """They are made of the modification time, in seconds, and the size: right for changes that lie a second apart."""
    tags, stale = [], []
    for n in range(1, 4):
        m.append(LINE)
        answer, body = get(server, "views/copies.json")
        changed = time.time()  # it is no later than that
        assert answer.status == 200 and json.loads(body)["n"] == n  # of the same size each time
        tags.append(answer.headers["ETag"])
        fresh = [{"If_None_Match": tags[-1]}, {"If_Modified_Since": answer.headers["Last-Modified"]}]
        for old in stale:
            answer, body = get(server, "views/copies.json", **old)
            assert answer.status == 200 and json.loads(body)["n"] == n, old
        for condition in fresh:
            answer, body = get(server, "views/copies.json", **condition)
            assert (answer.status, body) == (304, b""), condition
        stale = fresh
        while time.time() < changed + 1:  # what the test is about
            time.sleep(0.05)
    assert len(set(tags)) == 3
