"""Three real etcds on this machine, and what happens to them. What the tests look up in them they do with code of their own."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

from following import until
from harness import LIMIT
from net import free_port


def why_no_engine():
    """None, or why none can be started."""
    return None if shutil.which("etcd") else "etcd is not installed (Debian: etcd-server)"


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def after(prefix):
    """The end of the range of keys with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Member:
    def __init__(self, path, name, net, tls=None):
        self.path, self.name, self.tls = path, name, tls
        self.data, self.log = path / name, path / f"{name}.log"
        self.client, self.peer = free_port(), free_port()
        self.advertised = net.relay(None, name, self.peer) if net else self.peer
        self.process = None
        self.paused = False
        self.wrap = []  # a command that it is run by

    url = property(lambda self: f"http{'s' if self.tls else ''}://127.0.0.1:{self.client}")
    peer_url = property(lambda self: f"http://127.0.0.1:{self.advertised}")

    def start(self, cluster, token, more):
        urls = [f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls=http://127.0.0.1:{self.peer}", f"--initial-advertise-peer-urls={self.peer_url}"]  # fmt: skip
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, "etcd", f"--name={self.name}", f"--data-dir={self.data}", *urls, f"--initial-cluster={cluster}",
                 f"--initial-cluster-token={token}", "--auto-compaction-mode=revision", "--auto-compaction-retention=1000",
                 "--snapshot-count=100", "--logger=zap", "--log-level=warn", *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def call(self, path, body=None, seconds=5):
        """An answer of its JSON gateway; OSError: there is none."""
        to = ("127.0.0.1", self.client)
        c = http.client.HTTPSConnection(*to, timeout=seconds, context=self.tls) if self.tls else http.client.HTTPConnection(*to, timeout=seconds)
        try:
            c.request("POST", path, json.dumps(body or {}))
            answer = c.getresponse()
            text = answer.read()
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            c.close()
        if answer.status != 200:
            raise OSError(f"{self.name}: {path}: {answer.status}: {text!r}")
        return json.loads(text)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, signum=signal.SIGKILL):
        if self.process:
            self.process.send_signal(signum)
            self.resume()
            self.process.wait(LIMIT)
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)  # it may answer until then
        self.paused = True

    def resume(self):
        if self.paused:
            self.process.send_signal(signal.SIGCONT)
            self.paused = False


class Engine:
    def __init__(self, path, net=None, more=(), tls=None):
        """tls: an ssl context for who asks it; what it needs itself is in `more`."""
        path.mkdir(parents=True, exist_ok=True)
        self.net, self.more = net, list(more)
        self.members = [Member(path, f"e{i}", net, tls) for i in range(3)]
        self.token = f"eventfold-{os.getpid()}-{time.monotonic_ns()}"

    cluster = property(lambda self: ",".join(f"{m.name}={m.peer_url}" for m in self.members))

    def urls(self, client=None):
        """As the option has them. client: a machine's name, whose ways can be cut."""
        if not (self.net and client):
            return "+".join(m.url for m in self.members)
        return "+".join(f"http://127.0.0.1:{self.net.relay(client, m.name, m.client)}" for m in self.members)

    def start(self):
        for m in self.members:
            self.restart(m)
        self.wait_ready()

    def wait_ready(self, seconds=LIMIT):
        """Until a majority takes a write, and each member that runs has caught up."""
        for m in self.members:
            if m.running() and not m.paused:
                until(lambda: self._answers(m), f"{m.name} answers: {m.log}", seconds)
        if self.net:
            found = self.call("/v3/cluster/member/list")["members"]
            self.net.members({f"{int(f['ID']):x}": f["name"] for f in found if "name" in f})

    def _answers(self, m):
        assert m.running(), f"{m.name} has ended: {m.log.read_text(errors='replace')[-2000:]}"
        with contextlib.suppress(OSError):
            return m.call("/v3/kv/range", {"key": b64("x")}, 2)  # linearizable: it waits for a majority

    def restart(self, m):
        m.start(self.cluster, self.token, self.more)

    def end(self):
        for m in self.members:
            m.end()

    def lose_all(self):
        """With their disks; then a new, empty one at the same addresses."""
        self.end()
        self.token += "+"
        for m in self.members:
            shutil.rmtree(m.data)
        self.start()

    def call(self, path, body=None, seconds=5):
        """Of whichever member answers."""
        error = OSError("no member runs")
        for m in self.members:
            if m.running() and not m.paused:
                try:
                    return m.call(path, body, seconds)
                except OSError as e:
                    error = e
        raise error

    def leader(self):
        """The member that leads; None: there is none at the moment."""
        for m in self.members:
            if m.running() and not m.paused:
                with contextlib.suppress(OSError):
                    status = m.call("/v3/maintenance/status", seconds=2)
                    names = {f["ID"]: f["name"] for f in m.call("/v3/cluster/member/list", seconds=2)["members"] if "name" in f}
                    name = names.get(status.get("leader"))
                    return next((x for x in self.members if x.name == name), None)
        return None

    # What is in it.

    def get(self, key):
        found = self.call("/v3/kv/range", {"key": b64(key)}).get("kvs", [])
        return base64.b64decode(found[0].get("value", "")) if found else None

    def put(self, key, value):
        self.call("/v3/kv/put", {"key": b64(key), "value": b64(value)})

    def delete(self, key):
        self.call("/v3/kv/deleterange", {"key": b64(key)})

    def keys(self, prefix):
        """Values by key, in order."""
        found = {}
        begin = prefix
        while True:  # an answer has its limits
            kvs = self.call("/v3/kv/range", {"key": b64(begin), "range_end": b64(after(prefix)), "limit": 16}, 30).get("kvs", [])
            for kv in kvs:
                found[base64.b64decode(kv["key"]).decode()] = base64.b64decode(kv.get("value", ""))
            if len(kvs) < 16:
                return found
            begin = list(found)[-1] + "\0"
