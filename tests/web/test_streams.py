"""Event streams: nobody misses anything, and nobody holds up another."""

import hashlib
import json
import selectors
import subprocess
import threading
import time

import pytest
from harness import FULL, LIMIT, event, line_of, scaled


def lines(history):
    return history.decode().splitlines()


def test_the_log_as_it_grows(m, web):
    m.append(event(0))
    with web.stream("/files/tail/app") as s:
        assert s.status == 200 and s.response.headers["Content-Type"] == "text/event-stream"
        for i in range(1, 20):
            m.append(event(i))
            got = s.next()
            assert got["data"] == lines(m.history())[i] and int(got["id"]) == len(m.history())


def test_it_goes_on_where_it_broke_off(m, web):
    m.append(*[event(i) for i in range(10)])
    with web.stream("/files/tail/app@0") as s:
        got = [s.next() for _ in range(4)]
    m.append(*[event(i) for i in range(10, 20)])
    with web.stream("/files/tail/app", Last_Event_ID=got[-1]["id"]) as s:
        got += [s.next() for _ in range(16)]
    assert [g["data"] for g in got] == lines(m.history())
    with web.stream(f"/files/tail/app@{got[4]['id']}") as s:
        assert s.next()["data"] == got[5]["data"]
    # What the address says is where a stream begins; what the browser remembers is where it goes on.
    with web.stream("/files/tail/app@0", Last_Event_ID=got[7]["id"]) as s:
        assert s.next()["data"] == got[8]["data"]


def test_it_begins_with_the_next_event(m, web):
    """However fast it comes after others, of which the server may not have heard."""
    for i in range(100):
        m.append(event(2 * i))
        with web.stream("/files/tail/app") as s:
            m.append(event(2 * i + 1))
            assert s.next()["data"] == lines(m.history())[-1]


def test_places_that_are_none(m, web):
    m.append(event(0))
    size = len(m.history())
    for off in (1, size - 1, size + 1, 1 << 62):
        assert web.get(f"/files/tail/app@{off}").status == 416, off
        assert web.get("/files/tail/app", Last_Event_ID=str(off)).status == 416, off
    for off in ("-1", "x", "1e3", "", "99999999999999999999999", "0x0"):
        assert web.get(f"/files/tail/app@{off}").status == 404, off
    assert web.get("/files/tail/app", Last_Event_ID="x").status == 400
    for name in ("none.json", "count", "count.offset", "../events/app", ".json", "x" * 100 + ".json"):
        assert web.get(f"/files/tail/{name}").status in (400, 404), name


def test_after_what_a_copy_has(m, web):
    m.append(event(0))
    head = m.head().strip()
    m.append(event(1))
    with web.stream(f"/files/tail/app@{head}") as s:
        got = [s.next()]
        m.append(event(2))
        got.append(s.next())
    assert [g["data"] for g in got] == lines(m.history())[1:]
    # It is the same log still, and goes on where the stream broke off.
    with web.stream(f"/files/tail/app@{head}", Last_Event_ID=got[0]["id"]) as s:
        assert s.next()["data"] == got[1]["data"]
    with web.stream("/files/tail/app@0:") as s:
        assert s.next()["data"] == lines(m.history())[0]
    off, _, wrong = head.partition(":")
    for other in (f"{int(off) - 1}:{wrong}", f"{off}:{wrong[::-1]}", f"{off}000:{wrong}"):
        for last in ({}, {"Last_Event_ID": got[0]["id"]}):
            answer = web.get(f"/files/tail/app@{other}", **last)
            assert (answer.status, answer.json["errno"]) == (412, "ESTALE"), other
    for none in (f"{off}:", f"{off}:x", f"x:{wrong}", f":{wrong}", f"{head}:{wrong}", f"{head},once"):
        assert web.get(f"/files/tail/app@{none}").status == 404, none


def head_line(m):
    off, _, hash = m.head().strip().partition(":")
    return f"{off} {hash} {hashlib.sha256(m.history()).hexdigest()}"


def test_heads(m, web):
    """Each has the offset as its id: who has that one already hears of the next."""
    with web.stream("/files/tail/head") as s:
        for i in range(5):
            m.append(event(i))
            got = s.next()
            assert (got["data"], got["id"]) == (head_line(m), str(len(m.history())))
    with web.stream("/files/tail/head") as again, web.stream("/files/tail/head", Last_Event_ID=got["id"]) as s:
        assert again.next()["data"] == got["data"]
        m.append(event(5))
        assert again.next()["data"] == s.next()["data"] == head_line(m)
    assert web.get("/files/tail/head", Last_Event_ID="1").status == 416
    assert web.get("/files/tail/head", Last_Event_ID="x").status == 400


def test_the_last_head_is_never_left_out(m, web):
    with web.stream("/files/tail/head") as s:
        for i in range(200):
            m.append(event(i))
        while int((got := s.next())["id"]) < len(m.history()):
            pass
        assert got["data"] == head_line(m)


def test_heads_go_on_with_the_next_mount(m, web):
    m.append(event(0))
    with web.stream("/files/tail/head") as s:
        s.next()
        m.unmount()
        m.start()
        m.append(event(1))
        assert s.next()["data"] == head_line(m)


def test_carriage_returns(m, web):
    """White space in JSON, the end of a line in an event stream."""
    with web.stream("/files/tail/app") as s:
        m.append(b'{"type":\r"a",\r\r"ts":1,"data":"\\r"}\n')
        got = s.next()
    assert json.loads(got["data"]) == json.loads(m.history())


def test_a_long_line(m, web):
    long = {"type": "a", "ts": 1, "data": "x" * 9_000_000}
    with web.stream("/files/tail/app") as s:
        m.append(long, event(1))
        got = s.next()
        assert json.loads(got["data"]) == long and s.next()["data"] == lines(m.history())[1]
    with web.stream("/files/tail/app@0") as s:
        assert json.loads(s.next()["data"]) == long


def test_a_view(m, web):
    with web.stream("/files/tail/count.json") as s:
        assert json.loads(s.next()["data"])["count"] == 0
        for i in range(1, 10):
            m.append(event(i))
            assert json.loads(s.next()["data"])["count"] == i


def test_states_in_between_may_be_left_out_but_not_the_last(m, web):
    with web.stream("/files/tail/count.json") as s:
        for i in range(300):
            m.append(event(i))
        seen = -1
        while seen < 300:
            now = json.loads(s.next()["data"])["count"]
            assert now > seen
            seen = now


def test_a_view_that_breaks_and_is_mended(new_mount, serve):
    m = new_mount(reducers=[])
    web = serve(m)
    reducer = m.data / "reducers/v.jq"
    reducer.write_text(". + 1")
    m.append(event(0))
    with web.stream("/files/tail/v.json") as s:
        assert s.next()["data"] == "1"
        reducer.write_text("nonsense")
        got = s.next()
        while got.get("event") != "broken":
            got = s.next()
        assert "nonsense" in got["data"]
        reducer.write_text(". + 5")
        got = s.next()
        while got.get("event") == "broken":
            got = s.next()
        assert got["data"] == "5"


def test_what_the_page_is_told(m, web):
    with web.stream("/live") as s:
        kinds = {}
        while "status" not in kinds or "mount" not in kinds:
            got = s.next()
            kinds[got["event"]] = got["data"]
        assert kinds["mount"] == "back" and json.loads(kinds["status"])["log"]["events"] == 0
        m.append(event(0))
        seen, names = 0, set()
        while seen < 1 or "count" not in names:
            got = s.next()
            if got["event"] == "status":
                seen = json.loads(got["data"])["log"]["events"]
            if got["event"] == "views":
                names |= set(json.loads(got["data"]))


def test_one_that_lags_reads_on_and_holds_up_nobody(new_mount, serve):
    """Much more than the server keeps at hand and sockets hold goes by while one reads nothing."""
    m = new_mount(reducers=[], options="sync=none")
    web = serve(m)
    lazy, brisk = web.stream("/files/tail/app@0"), web.stream("/files/tail/app@0")
    text = line_of({"type": "a", "ts": 1, "data": "x" * 9000})
    n = 3000  # 27 MB
    seen = []

    def follow():
        seen.extend(brisk.next()["id"] for _ in range(n))

    reader = threading.Thread(target=follow)
    reader.start()
    for _ in range(n // 100):
        m.append(*[text] * 100)
    reader.join(LIMIT)
    assert int(seen[-1]) == n * len(text) == len(m.history())
    ids = [int(lazy.next()["id"]) for _ in range(n)]
    assert ids == [int(i) for i in seen]
    lazy.close(), brisk.close()
    assert web.rss() < 200 << 20


@pytest.mark.limit(4)
def test_many_streams(new_mount, serve):
    """Each gets every event, while some of them read nothing at all."""
    m = new_mount(reducers=[], options="sync=none")
    web = serve(m)
    many, seconds = (1000, 60) if FULL else (scaled(200, 40), 2)
    request = b"GET /files/tail/app@0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sockets = []
    for _ in range(many):
        sockets.append(web.connect())
        sockets[-1].sendall(request)
        assert sockets[-1].recv(12) == b"HTTP/1.1 200"  # let in: a stranger would make way for the next ones
    busy = sockets[many // 20 :]
    got = {s: bytearray() for s in busy}
    stop = threading.Event()

    def read_all():
        with selectors.DefaultSelector() as sel:
            for s in busy:
                s.setblocking(False)
                sel.register(s, selectors.EVENT_READ)
            left = len(busy)
            while left and not stop.is_set():
                for key, _ in sel.select(1):
                    part = key.fileobj.recv(1 << 16)
                    got[key.fileobj] += part
                    if b'"type":"end"' in part[-400:] or b'"type":"end"' in got[key.fileobj][-400:]:
                        sel.unregister(key.fileobj)
                        left -= 1

    reader = threading.Thread(target=read_all)
    reader.start()
    begin, i, slowest = time.monotonic(), 0, 0
    while time.monotonic() - begin < seconds or i < 100:
        m.append({"type": "e", "ts": 1, "data": i})
        i += 1
        asked = time.monotonic()
        assert web.get("/files/head/app").status == 200
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.01)
    m.append({"type": "end", "ts": 1})
    reader.join(LIMIT)
    stop.set()
    reader.join()
    want = [f"data: {line}" for line in lines(m.history())]
    for s in busy:
        assert [line for line in got[s].decode().splitlines() if line.startswith("data: ")] == want
    for s in sockets:
        s.close()
    print(f"{many} streams, {i} events in {time.monotonic() - begin:.0f} s, slowest answer {slowest:.2f} s, {web.rss() >> 20} MB")


def test_the_mount_goes_away_and_comes_back(m, web):
    """The server keeps nothing of it open, so nobody has to be asked to let go. Streams go on."""
    m.append(event(0))
    log, view, live = (web.stream(p) for p in ("/files/tail/app", "/files/tail/count.json", "/live"))
    assert json.loads(view.next()["data"])["count"] == 1
    while live.next()["event"] != "status":
        pass
    done = subprocess.run(["fusermount3", "-u", str(m.mnt)], stderr=subprocess.PIPE)
    until = time.monotonic() + LIMIT
    while done.returncode and b"busy" in done.stderr and time.monotonic() < until:
        done = subprocess.run(["fusermount3", "-u", str(m.mnt)], stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    m.process.wait(LIMIT)
    got = live.next()
    while got["event"] != "mount":
        got = live.next()
    assert got["data"] == "gone"
    assert web.get("/files/events/app").status == 503 and web.post(event(9)).status == 503
    assert web.get("/files/tail/app").status == 503 and web.get("/").status == 200
    m.start()
    got = live.next()
    while got["event"] != "mount":
        got = live.next()
    assert got["data"] == "back"
    m.append(event(1))
    assert log.next()["data"] == lines(m.history())[1]
    while json.loads(view.next()["data"])["count"] != 2:
        pass
    for s in (log, view, live):
        s.close()


def test_a_dead_mount(m, web):
    m.append(event(0))
    m.kill()
    assert web.get("/files/events/app").status == 503
    assert web.post(event(1)).status == 503
    m.start()
    assert web.get("/files/views/count.json").json == {"count": 1}


def test_gone_readers_leave_nothing(m, web):
    """Connections that were closed at the other end are closed here, without anything to send."""
    before = web.threads()
    streams = [web.stream(p) for p in ("/files/tail/app", "/files/tail/head", "/files/tail/count.json", "/live") for _ in range(10)]
    assert web.threads() == before + 40
    for s in streams:
        s.close()
    until = time.monotonic() + LIMIT
    while web.threads() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert web.threads() == before
