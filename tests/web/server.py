"""eventfold-web under test, and requests to it as raw as they need be."""

import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from harness import LIMIT, ROOT, SUSPICIOUS

BUILD = Path(os.environ.get("EVENTFOLD_BUILD", ROOT / "build"))
PROGRAM = BUILD / "src/web/eventfold-web"
PAGE = ROOT / "web/page"
TODO = ROOT / "web/todo"


def why_no_server():
    return None if PROGRAM.exists() else f"eventfold-web was not built (no libmicrohttpd): {PROGRAM}"


def why_no_browser():
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium is not installed"
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


class Answer:
    def __init__(self, response, body):
        self.status, self.body, self.headers = response.status, body, response.headers

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Server:
    def __init__(self, mnt, *args, token=False, listen="127.0.0.1:0"):
        command = [str(PROGRAM), "--page", str(PAGE), "--listen", listen]
        if not token and not listen.startswith("unix:"):
            command.append("--no-token")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command + [str(a) for a in args] + [str(mnt)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log
        )
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        assert ready, "the server does not say where it is"
        self.address = self.process.stdout.readline().decode().strip()
        assert self.address, f"the server has ended: {self.process.wait(LIMIT)}: {self.stderr()}"
        self.token = self.address.partition("?token=")[2]
        self.path = self.address.removeprefix("unix:") if self.address.startswith("unix:") else None
        self.url = self.address.partition("?")[0].rstrip("/")
        self.port = None if self.path else int(self.url.rpartition(":")[2])

    def connect(self, timeout=LIMIT):
        if self.path:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(self.path)
            return s
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, method, path, body=None, **headers):
        """One request on a connection of its own. headers: If_Match="…"."""
        c = http.client.HTTPConnection("localhost")
        c.sock = self.connect()
        try:
            c.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                c.putheader(name.replace("_", "-"), value)
            if body is not None and "Content_Length" not in headers:
                c.putheader("Content-Length", str(len(body)))
            c.endheaders(body)
            response = c.getresponse()
            return Answer(response, response.read())
        finally:
            c.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, lines, path="/files/events/app", **headers):
        if isinstance(lines, dict):
            lines = json.dumps(lines) + "\n"
        return self.ask("POST", path, lines.encode() if isinstance(lines, str) else lines, **headers)

    def raw(self, data, until=None, timeout=LIMIT):
        """Sends bytes as they are; what comes back until the end, or until these bytes are in it."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
            except OSError:
                pass
            return read_until(s, until)

    def stream(self, path, **headers):
        return Stream(self, path, **headers)

    def stderr(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def rss(self):
        """In bytes."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        text = self.stderr()
        self.process.stdout.close()
        self.log.close()
        assert code == 0, f"the server's exit code is {code}: {text}"
        for word in SUSPICIOUS:
            assert word not in text, text


def read_until(s, until=None):
    got = b""
    try:
        while until is None or until not in got:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except ConnectionError:
        pass
    return got


class Stream:
    """Server-sent events as they come: next() is the next one, a dict of its fields."""

    def __init__(self, server, path, **headers):
        self.c = http.client.HTTPConnection("localhost")
        self.c.sock = server.connect()
        self.c.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        self.response = self.c.getresponse()
        self.status = self.response.status

    def next(self):
        fields = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(":")
            if name == "" and value == "" and ("data" in fields):
                return fields
            if name:
                value = value.removeprefix(" ")
                fields[name] = fields[name] + "\n" + value if name in fields else value

    def close(self):
        self.response.close()
        self.c.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
