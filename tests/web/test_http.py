"""The mount's files by HTTP, as curl sees them."""

import json
import threading

import pytest
from harness import event, line_of


def problem(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    return answer.json


def test_append_and_read(m, web):
    assert web.get("/files/events/app").body == b""
    assert web.post('{"type":"a","ts":1}\n{"type":"b","ts":2}\n').json == {"appended": 2}
    assert web.post('{"type":"c","ts":3}').json == {"appended": 1}  # curl -d leaves the newline out
    assert web.post("").json == {"appended": 0}
    got = web.get("/files/events/app")
    assert got.body == m.history() and got.body.count(b"\n") == 3
    assert got.headers["Content-Type"] == "application/x-ndjson"
    assert web.get("/files/views/count.json").body == m.raw_view("count")


def test_a_group_counts_as_what_it_has(m, web):
    assert web.post('[{"type":"a","ts":1},{"type":"b","ts":2}]\n[]\n{"type":"c","ts":3}').json == {"appended": 3}
    answer = web.post('[{"type":"d","ts":4},{"type":"e","ts":5}]\n[{"type":"f","ts":6},{"type":7}]\n')
    assert answer.json["column"] == 30 and answer.json["appended"] == 2
    assert "".join(e["type"] for e in m.events()) == "abcde"


def test_at_a_time(m, web):
    m.append(*({"type": "a", "ts": ts} for ts in (1000, 2000, 3000)))
    assert web.get("/files/at/1970-01-01T00:33:20Z/count.json").json == {"count": 2}
    assert web.get("/files/at/1970-01-01T01:33:19%2B01:00/app").body.count(b"\n") == 1
    assert web.get("/files/at/-1h/count.json").json == {"count": 3}
    assert web.get("/files/at/yesterday/count.json").status == 404


def test_refusals_come_with_their_reason(m, web):
    answer = web.post('{"type":7}')
    assert answer.status == 422
    assert problem(answer)["detail"] == m.rejected()[-1]["reason"] == '"type" is not a string'
    assert answer.json["column"] == 9 and answer.json["appended"] == 0 and answer.json["errno"] == "EINVAL"

    # What stands before the bad line is in the log, and counted.
    answer = web.post('{"type":"a","ts":1}\n\n{"type":"b","ts":2}\nnothing\n{"type":"c"}\n')
    assert problem(answer)["detail"] == "an event is a JSON object" and answer.json["appended"] == 2
    assert [e["type"] for e in m.events()] == ["a", "b"]


def test_each_hears_of_his_own_refusal(m, web):
    """Refused at the same time, each for another reason."""
    reasons = {b"x": "an event is a JSON object", b'{"type":7}': '"type" is not a string', b"{}": None, b'{"type":""}': None}
    alone = {line: problem(web.post(line))["detail"] for line in reasons}
    heard = []

    def refused(line):
        for _ in range(10):
            heard.append((line, web.post(line).json["detail"]))

    threads = [threading.Thread(target=refused, args=[line]) for line in reasons]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(heard) == 40 and all(alone[line] == detail for line, detail in heard)


def test_too_long_a_line(new_mount, serve):
    web = serve(new_mount(options="max_line=100"))
    answer = web.post(json.dumps({"type": "a", "data": "x" * 200}))
    assert answer.status == 413 and problem(answer)["errno"] == "EMSGSIZE"


def test_only_if_nothing_has_come_in(m, web):
    assert web.post({"type": "a", "ts": 1}, If_Match='"0:"').status == 200
    head = m.head().strip()
    assert web.get("/files/events/app").headers["ETag"] == f'"{head}"'  # what GET says is what POST takes
    assert web.post({"type": "b", "ts": 2}, If_Match=f'"{head}"').status == 200
    answer = web.post({"type": "c", "ts": 3}, If_Match=f'"{head}"')
    assert answer.status == 412 and problem(answer)["head"] == m.head().strip()
    assert [e["type"] for e in m.events()] == ["a", "b"]
    for never in ('"nonsense"', "app", '"5"', '"../app"', '""', f'W/"{head}"'):
        assert web.post({"type": "d"}, If_Match=never).status == 412, never
    assert web.post({"type": "d", "ts": 4}, If_Match="*").status == 200
    # One of a list is enough.
    head = m.head().strip()
    for never in ('"1:00", "0:"', f'"1:00", W/"{head}"', f'"x,{head},y"', f'"{head}"x, "0:"'):
        assert web.post({"type": "e"}, If_Match=never).status == 412, never
    assert web.post({"type": "e", "ts": 5}, If_Match=f'"1:00", "{head}", "99:00"').status == 200
    assert web.post({"type": "e"}, If_Match=f'"1:00", "{head}", "99:00"').status == 412
    # A view's place is as good.
    snapshot = web.get("/files/views/count.snapshot.json").json
    assert web.post({"type": "e"}, If_Match=f'{snapshot["offset"]}:{snapshot["hash"]}').status == 200


def test_one_of_many_wins(m, web):
    m.append(event(0))
    head = m.head().strip()
    got = []
    threads = [
        threading.Thread(target=lambda i=i: got.append(web.post(event(i + 1), If_Match=head).status)) for i in range(8)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(got) == [200] + [412] * 7
    assert len(m.events()) == 2


def test_etags(m, web):
    for name in ("events/app", "views/count.json", "views/count.offset", "head/app", "at/0/app", "at/0/count.json"):
        first = web.get(f"/files/{name}")
        tag = first.headers["ETag"]
        same = web.get(f"/files/{name}", If_None_Match=f'"other", {tag}')
        assert same.status == 304 and same.body == b"" and same.headers["ETag"] == tag, name
        assert web.get(f"/files/{name}", If_None_Match='"other"').status == 200
    count = web.get("/files/views/count.json").headers["ETag"]
    log = web.get("/files/events/app").headers["ETag"]
    m.append(event(0))
    assert web.get("/files/views/count.json", If_None_Match=count).status == 200
    assert web.get("/files/events/app", If_None_Match=log).status == 200


def test_an_edited_reducer_has_another_etag(new_mount, serve):
    """The log is the same, its last line's hash too; the state is not."""
    m = new_mount(reducers=[])
    web = serve(m)
    reducer = m.data / "reducers/v.jq"
    reducer.write_text(". + 1")
    m.append(event(0))
    first = web.get("/files/views/v.json")
    reducer.write_text(". + 2")
    other = web.get("/files/views/v.json", If_None_Match=first.headers["ETag"])
    assert (first.body, other.status, other.body) == (b"1\n", 200, b"2\n")


@pytest.mark.parametrize("name", ["events/app", "views/todos.json"])
def test_ranges(m, web, name):
    m.append(*[event(i) for i in range(50)])
    whole = web.get(f"/files/{name}").body
    tag = web.get(f"/files/{name}").headers["ETag"]
    n = len(whole)

    def part(value, **headers):
        return web.get(f"/files/{name}", Range=value, **headers)

    for value, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=5-", 5, n - 1),
        ("bytes=-7", n - 7, n - 1),
        (f"bytes=-{n * 2}", 0, n - 1),
        (f"bytes=10-{n * 9}", 10, n - 1),
        ("bytes=3-18446744073709551615", 3, n - 1),
        ("bytes=3-99999999999999999999999", 3, n - 1),
    ):
        got = part(value)
        assert (got.status, got.body) == (206, whole[first : last + 1]), value
        assert got.headers["Content-Range"] == f"bytes {first}-{last}/{n}"
        assert int(got.headers["Content-Length"]) == last + 1 - first
    for value in (f"bytes={n}-", f"bytes={n * 2}-{n * 3}", "bytes=-0", "bytes=18446744073709551615-"):
        got = part(value)
        assert got.status == 416 and got.headers["Content-Range"] == f"bytes */{n}", value
    for value in ("bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes = 0-1", "bytes=0-1x"):
        got = part(value)
        assert (got.status, got.body) == (200, whole), value
    assert part("bytes=0-1", If_Range=tag).status == 206
    assert part("bytes=0-1", If_Range='"other"').status == 200


def test_head(m, web):
    m.append(*[event(i) for i in range(9)])
    for name in ("events/app", "views/todos.json", "at/3/app"):
        got = web.ask("HEAD", f"/files/{name}")
        assert got.body == b"" and int(got.headers["Content-Length"]) == len(web.get(f"/files/{name}").body)


def test_the_past(m, web):
    m.append(*[event(i) for i in range(9)])
    assert web.get("/files/at/4/app").body == b"".join(m.history().splitlines(True)[:4])
    assert web.get("/files/at/4/count.json").json == {"count": 4}
    assert web.get("/files/at/10/count.json").status == 404


def test_rows_of_a_state(new_mount, serve):
    """As much of it as a page shows."""
    m = new_mount(reducers=[])
    web = serve(m)
    (m.data / "reducers/v.jq").write_text("$event.data")
    data = {"list": list(range(1000)), "in": {"a/b": {"text": "x\u00e4"}, "%22": 1.5}, "big": 1234567}
    m.append({"type": "x", "data": data})

    def rows(query, name="views/v.json"):
        answer = web.get(f"/files/{name}?{query}")
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
        return answer.json

    got = rows("rows=100")
    assert {r["key"]: r.get("size", r.get("value")) for r in got["rows"]} == {"list": 1000, "in": 2, "big": "1234567"}
    assert got["length"] == len(m.raw_view("v")) and got["count"] == 3
    assert rows("rows=100", "at/1/v.json") == got
    nested = rows("rows=100&open=%5B%5B%22in%22%5D%2C%5B%22in%22%2C%22a%2Fb%22%5D%5D")
    assert nested["count"] == 6
    text = next(r for r in nested["rows"] if r["key"] == "text")
    assert text["value"] == '"x\u00e4"' and nested["parents"][str(text["parent"])] == {"level": 3, "size": 1, "path": ["in", "a/b"]}
    part = rows("from=600&rows=9&open=%5B%5B%22list%22%5D%5D")
    assert part["count"] == 1003 and len(part["rows"]) == 9
    shift = [r["key"] for r in rows("rows=9")["rows"]].index("list") + 1
    assert [r["value"] for r in part["rows"]] == [str(i - shift) for i in range(600, 609)]
    assert len(rows("rows=1000000&open=%5B%5B%22list%22%5D%5D")["rows"]) == 500
    # A hash is another one where the value is.
    before = {r["key"]: r["hash"] for r in got["rows"]}
    m.append({"type": "x", "data": {**data, "big": 1}})
    after = {r["key"]: r["hash"] for r in rows("rows=9")["rows"]}
    assert {k for k in data if before[k] != after[k]} == {"big"}
    for query in ("rows=x", "rows=-1", "rows=1&from=x", "rows=1&open=x", "rows=1&open=%", "rows=1&open=%5B%5B1%5D%5D"):
        assert problem(web.get(f"/files/views/v.json?{query}"))["status"] == 400, query
    assert web.get("/files/views/w.json?rows=9").status == 404
    assert web.get("/files/events/app?rows=9").body == m.history()  # rows are of JSON


def test_directories_are_lists(m, web):
    assert {"events", "views", "status.json"} <= set(web.get("/files/").json)
    assert "count.json" in web.get("/files/views").json == web.get("/files/views/").json
    assert set(web.get("/files/events").json) == {"app"}


def test_a_broken_view_says_why(new_mount, serve):
    m = new_mount(reducers=[])
    web = serve(m)
    (m.data / "reducers/v.jq").write_text('error("so it is")')
    m.append(event(0))
    answer = web.get("/files/views/v.json")
    assert answer.status == 500 and "so it is" in problem(answer)["detail"]
    assert web.get("/files/views/none.json").status == 404


def test_methods(m, web):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        assert web.ask(method, "/files/events/app").status == 405, method
    for name in ("views/count.json", "ctl", "events/app@0:", "status.json", "rejected.jsonl", "nothing"):
        answer = web.post({"type": "a"}, path=f"/files/{name}")
        assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD", name
    assert m.history() == b""


def test_read_only(m, serve):
    web = serve(m, "--read-only")
    assert web.post({"type": "a"}).status == 403 and m.history() == b""
    assert web.get("/files/views/count.json").status == 200


def test_a_state_of_many_megabytes(new_mount, serve):
    """Those that are held for their ETag, and those that are passed through."""
    m = new_mount(reducers=[], options="sync=none")
    web = serve(m)
    (m.data / "reducers/v.jq").write_text(".[$event.data.k] = $event.data.v")
    for k in range(3):
        m.append(line_of({"type": "a", "data": {"k": str(k), "v": "x" * 6_000_000}}))
        got = web.get("/files/views/v.json")
        assert got.body == m.raw_view("v")
        assert ("ETag" in got.headers) == (len(got.body) <= 16 << 20)
    assert web.get("/files/views/v.json", Range="bytes=17000000-17000009").body == b"x" * 10


def test_a_text_is_of_one_moment(m, web):
    """Read while others append: each answer is whole, and at its place."""
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            m.append(event(i))
            i += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            snapshot = web.get("/files/views/todos.snapshot.json").json
            log = web.get("/files/events/app").body
            assert log[: snapshot["offset"]].count(b"todo_added") == snapshot["state"]["next_id"]
            assert log == b"" or log.endswith(b"\n")
    finally:
        stop.set()
        writer.join()


def test_the_page_and_an_application(m, serve, tmp_path):
    web = serve(m)
    assert web.get("/").headers["Content-Type"] == "text/html; charset=utf-8"
    assert web.get("/main.js").headers["Content-Type"] == "text/javascript; charset=utf-8"
    tag = web.get("/style.css").headers["ETag"]
    assert web.get("/style.css", If_None_Match=tag).status == 304
    assert web.get("/nothing").status == 404
    app = tmp_path / "app"
    (app / "sub").mkdir(parents=True)
    (app / "index.html").write_text("mine")
    (app / "sub/index.html").write_text("below")
    web = serve(m, "--app", app)
    assert web.get("/").body == b"mine" and b"eventfold" in web.get("/eventfold/").body
    assert web.get("/eventfold").headers["Location"] == "/eventfold/"
    assert web.get("/sub").headers["Location"] == "/sub/" and web.get("/sub/").body == b"below"
