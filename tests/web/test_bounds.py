"""What is absurd, endless or never finished is refused or bounded, and the server goes on."""

import os
import random
import socket
import threading
import time

import pytest
from harness import FULL, LIMIT, children, event, scaled
from server import read_until

GET = b"GET /files/head/app HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /files/events/app HTTP/1.1\r\nHost: localhost\r\n"


def goes_on(m, web):
    before = len(m.events())
    assert web.post(event(before)).status == 200
    assert len(m.events()) == before + 1


def status(got):
    return got.split()[1] if got else None


def test_a_thousand_half_open(m, web):
    """They hold places only until others come: who asks for something is answered meanwhile."""
    n = scaled(1000, 600)
    half = []
    for i in range(n):
        s = web.connect()
        s.sendall(GET if i % 2 else b"")
        half.append(s)
    begin = time.monotonic()
    goes_on(m, web)
    assert time.monotonic() - begin < 10  # before their time is over
    assert web.threads() < 600
    for s in half:
        s.close()


def trickle(web, what, begin, took):
    """A byte now and then, until it is cut off."""
    s = web.connect()
    s.sendall(begin)
    if what == "again":
        read_until(s, b"0:\n")
        s.sendall(b"G")
    start = time.monotonic()
    s.settimeout(0.5)
    while time.monotonic() - start < LIMIT:
        try:
            if what in ("head", "body"):
                s.sendall(b"x")
            if s.recv(4096) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    took[what] = time.monotonic() - start
    s.close()


def test_one_byte_at_a_time(m, web):
    """A deadline for the whole, however busy it looks: 15 s for a head, 60 s for a body."""
    begins = {"head": GET + b"X: ", "silence": b"", "again": GET + b"\r\n"}
    if FULL:
        begins["body"] = POST + b"Content-Length: 1000\r\n\r\n"
    took = {}
    threads = [threading.Thread(target=trickle, args=[web, *b, took]) for b in begins.items()]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for what, seconds in took.items():
        assert (50 if what == "body" else 5) < seconds < LIMIT, what
    goes_on(m, web)


def test_a_gibibyte(m, web):
    """Said at once, it is refused at once; sent bit by bit, it is cut off."""
    for size in (b"1073741824", b"18446744073709551615", b"99999999999999999999999", b"17825793"):
        got = web.raw(POST + b"Content-Length: " + size + b"\r\n\r\n", until=b"\r\n\r\n")
        assert status(got) in (b"413", b"400"), (size, got)
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    s = web.connect()
    s.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    try:
        while sent < 1 << 30:
            s.sendall(chunk)
            sent += 1 << 20
    except OSError:
        pass
    assert sent < 64 << 20
    s.close()
    assert web.rss() < 200 << 20
    goes_on(m, web)


def test_too_much_without_a_length(m, web):
    """It hears that it is too much, if it ends some time."""
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    with web.connect() as s:
        s.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + 40 * chunk + b"0\r\n\r\n")
        assert status(read_until(s, b"\r\n\r\n")) == b"413"
    assert m.history() == b"" and m.rejected() == []
    goes_on(m, web)


def test_bodies_where_none_belongs(m, web):
    for method in (b"GET", b"HEAD", b"PUT"):
        head = method + b" /files/head/app HTTP/1.1\r\nHost: localhost\r\n"
        assert status(web.raw(head + b"Content-Length: 5\r\n\r\nhello", until=b"\r\n\r\n")) in (b"400", b"413", b"405")
    goes_on(m, web)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        GET + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n",
        b"GET /files/head/app?" + b"&".join(b"a%d=b" % i for i in range(20_000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET + b"Cookie: " + b"a=b;" * 20_000 + b"\r\n\r\n",
        b"\r\n" * 100_000,
        b"GET " * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/files/head/app HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\0" * 1000 + b"\r\n\r\n",
        GET + b"Content-Length: -1\r\n\r\n",
        GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        GET + b" folded\r\n\r\n",
        GET + b"Range: bytes=" + b"0-1," * 5000 + b"\r\n\r\n",
        GET + b"If-None-Match: " + b'"a",' * 5000 + b"\r\n\r\n",
    ],
    ids=range(18),
)
def test_absurd_heads(m, web, head):
    s = web.connect(2)
    try:
        s.sendall(head)
        s.shutdown(socket.SHUT_WR)
        read_until(s)
    except (OSError, TimeoutError):
        pass
    s.close()
    goes_on(m, web)


def test_smuggled_requests(m, web):
    """What follows a body is a request of its own, or none; never a part of another's."""
    inner = b'{"type":"smuggled","ts":1}\n'
    both = POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
    s = web.connect(2)
    try:
        s.sendall(both)
        s.shutdown(socket.SHUT_WR)
        read_until(s)
    except (OSError, TimeoutError):
        pass
    s.close()
    assert all(e["type"] != "smuggled" for e in m.events())


WORDS = [
    b"GET ", b"POST ", b"HEAD ", b"/", b"/files/", b"events/app", b"tail/app", b"tail/count.json", b"/live", b"@0", b"at/1/app", b"%00", b"..",
    b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"Host: localhost\r\n", b"Content-Length: 14\r\n", b"Range: bytes=",
    b"0-5", b"-", b"If-Match: ", b'"0:"', b"If-None-Match: *\r\n", b"Transfer-Encoding: chunked\r\n", b"e\r\n", b"0\r\n\r\n", b'{"type":"fuzz"}',
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Last-Event-ID: ", b"999999999999", b"Cookie: eventfold-1=", b"?token=", b"\0", b"\xff",
    b"Origin: http://x\r\n", b"Authorization: Bearer ", b"Upgrade: websocket\r\n", b"\t", b" ", b":", b"*",
]  # fmt: skip


@pytest.mark.limit(4)
def test_noise(m, web):
    """Requests put together by chance, from several sides at once, for a while."""
    seconds = int(os.environ.get("EVENTFOLD_FUZZ", 60 if FULL else 5))
    until = time.monotonic() + seconds
    seed = int(os.environ.get("EVENTFOLD_SEED", time.time()))
    print(f"EVENTFOLD_SEED={seed}")
    sent = []

    def hammer(n):
        chance = random.Random(seed + n)
        while time.monotonic() < until:
            data = b"".join(chance.choice(WORDS) for _ in range(chance.randint(1, 30)))
            if chance.random() < 0.7:
                data = chance.choice([b"GET", b"POST"]) + b" /files/" + data
            if chance.random() < 0.3:
                data = bytes(c if chance.random() > 0.02 else chance.randrange(256) for c in data)
            try:
                with web.connect(0.2) as s:
                    s.sendall(data)
                    if chance.random() < 0.7:
                        s.shutdown(socket.SHUT_WR)
                    s.recv(4096)
            except OSError:
                pass
            sent.append(1)

    threads = [threading.Thread(target=hammer, args=[n]) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert web.process.poll() is None, web.stderr()
    assert len(sent) > 10
    goes_on(m, web)
    assert {e["type"] for e in m.events()} <= {"fuzz", "todo_added", "todo_completed"}


def test_who_goes_away_is_not_worked_for(new_mount, serve):
    """A way into the past that nobody waits for any more ends, in the server and in the mount."""
    m = new_mount(options=f"reduce_timeout={4 * LIMIT}", reducers=["count"])
    web = serve(m)
    m.append(*[event(i) for i in range(20)])
    (m.mnt / "reducers/slow.jq").write_text("if . == 10 then until(false; .) else . + 1 end")
    quiet = web.threads()
    s = web.connect()
    s.sendall(b"GET /files/at/15/slow.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    # Both workers are at that event: the one that keeps the view, and the one of the past.
    until = time.monotonic() + LIMIT
    while len(children(m.pid)) < 3:
        assert time.monotonic() < until
        time.sleep(0.02)
    s.close()
    while web.threads() > quiet:
        assert time.monotonic() < until, "the server still waits"
        time.sleep(0.02)
    assert web.get("/files/at/15/count.json").json == {"count": 15}
    (m.mnt / "reducers/slow.jq").unlink()
    goes_on(m, web)
