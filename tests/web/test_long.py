"""As long as nobody waits for every day: EVENTFOLD_FULL=1. What is measured is printed, no speed is
asserted."""

import json
import threading
import time

import pytest
from harness import FULL, LIMIT
from test_page import is_live, rows, state

pytestmark = [pytest.mark.browser, pytest.mark.limit(20), pytest.mark.skipif(not FULL, reason="long: EVENTFOLD_FULL=1")]
MILLION = 1_000_000


def fill(m, first, n):
    with open(m.app, "ab", buffering=1 << 20) as log:
        for i in range(first, first + n):
            log.write(b'{"type":"e","data":{"n":%d},"ts":1700000000}\n' % i)


def test_a_million_events_and_a_state_of_ten_megabytes(new_mount, serve, browse):
    m = new_mount(reducers=["count"], options="sync=none")
    fill(m, 0, MILLION)
    big = {f"key {i}": {"text": "x" * 60, "list": list(range(8))} for i in range(90_000)}
    (m.data / "reducers/big.jq").write_text(
        'if $event.type == "big" then . + $event.data elif $event.type == "e" then .last = $event.data.n else . end'
    )
    for part in range(300):
        m.append({"type": "big", "ts": 1, "data": dict(list(big.items())[part * 300 : (part + 1) * 300])})
    assert len(m.raw_view("big")) > 9_000_000
    web = serve(m)
    w = browse(None)
    w.driver.get(web.url)
    paint = w.wait(lambda: w.run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"))
    w.wait(lambda: is_live(w) and len(rows(w)) > 9 and any("key 0" in line for line in state(w, "big")))
    before = w.heap()

    def members():
        """Of the large state, as its first row says."""
        script = """const card = [...document.querySelectorAll(".view")].find((e) => e.querySelector("h3").textContent === "big");
            return Number(card.querySelector("[role=treeitem]").getAttribute("aria-setsize"))"""
        return w.run(script)

    # The first look into the middle folds as far; the neighbours are what one drags through. Back and forth.
    place = "const s = document.getElementById('slider'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    steps = []
    end = MILLION + 300
    w.run(place, end - 1)
    w.wait(lambda: state(w, "count") == [f"count: {end - 1}"] and members() == 300 * 299 + 1)
    for n in (*range(end - 2, end - 22, -1), *range(end - 20, end - 1)):
        begin = time.monotonic()
        w.run(place, n)
        w.wait(lambda: state(w, "count") == [f"count: {n}"])
        small = time.monotonic() - begin
        w.wait(lambda: members() == 300 * (n - MILLION) + 1)
        steps.append((time.monotonic() - begin, small))
    for at in range(0, MILLION, MILLION // 40):
        w.run("const b = document.getElementById('rows'); b.scrollTop = b.scrollHeight * arguments[0]", at / MILLION)
        time.sleep(0.05)
    w.one("#live").click()
    w.wait(lambda: state(w, "count") == [f"count: {end}"])
    after = w.heap()
    print(f"first paint {paint:.0f} ms; heap {before >> 20} to {after >> 20} MB; a step of the slider:")
    for what, took in zip(("all that is seen", "the small view"), zip(*steps)):
        took = sorted(took)
        print(f"{what}: median {took[len(took) // 2] * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms")
    assert after < before + (16 << 20)


def test_eight_hours_at_a_hundred_events_a_second(new_mount, serve, browse):
    """As many events, as fast as they go."""
    m = new_mount(reducers=["count", "types"], options="sync=none")
    web = serve(m)
    fill(m, 0, 1000)
    w = browse(web.url)
    w.wait(lambda: is_live(w) and state(w, "count") == ["count: 1000"])
    seen = []
    with web.stream("/files/tail/app") as stream:
        counted = []

        def follow():
            while len(counted) < 3 * MILLION:
                counted.append(None)
                stream.next()

        reader = threading.Thread(target=follow)
        reader.start()
        for step in range(30):
            fill(m, 1000 + step * MILLION // 10, MILLION // 10)
            w.wait(lambda: state(w, "count") == [f"count: {1000 + (step + 1) * MILLION // 10}"])
            seen.append((w.heap(), web.rss()))
        reader.join(LIMIT)
        assert not reader.is_alive()
    print("heap and server, MB:", json.dumps([(a >> 20, b >> 20) for a, b in seen]))
    for now, then in zip(seen[-1], seen[4]):
        assert now < then + (16 << 20)
