"""A person's hour with the page."""

import json
import time

import pytest
from browser import Keys, names
from harness import bound, event

pytestmark = [pytest.mark.browser, pytest.mark.limit(4)]


def rows(w):
    """The events that are seen: their numbers and types."""
    script = "return [...document.querySelectorAll('#rows .row')].map((e) => [e.querySelector('.number'), e.querySelector('.type')]"
    return w.run(script + ".map((p) => p ? p.textContent : null)).map(([n, t]) => [Number(n), t])")


def state(w, name):
    """What the card of a view shows, as `key: value` lines."""
    script = """const card = [...document.querySelectorAll(".view")].find((e) => e.querySelector("h3").textContent === arguments[0]);
        const text = (row, part) => row.querySelector(part)?.textContent ?? "";
        return card ? [...card.querySelectorAll("[role=treeitem]")].map((e) => `${text(e, ".key")}: ${text(e, ".value")}`) : []"""
    return w.run(script, name)


def is_live(w):
    return w.one("#connection").get_attribute("data-state") == "live"


def type_line(w, text):
    field = w.one("#line")
    field.clear()
    field.send_keys(text)


def test_append_in_one_window_see_it_in_another(m, web, browse):
    m.append(*[event(i) for i in range(3)])
    one, other = browse(web.url), browse(web.url)
    other.wait(lambda: is_live(other) and len(rows(other)) == 3 and state(other, "count") == ["count: 3"])
    type_line(one, '{"type":"from_one","data":{"n":1}}')
    begin = time.monotonic()
    one.one("#append button").click()
    other.wait(lambda: [4, "from_one"] in rows(other))
    other.wait(lambda: state(other, "count") == ["count: 4"])
    took = time.monotonic() - begin
    assert took < bound(1)
    one.wait(lambda: "Appended" in one.text("#answer"))


def test_what_has_changed_is_marked(m, web, browse):
    m.append(event(0))
    w = browse(web.url)
    w.wait(lambda: is_live(w) and state(w, "stats"))
    w.run(
        """window.marked = new Set();
        new MutationObserver(() => document.querySelectorAll(".is-new").forEach((e) => marked.add(e.innerText.replace(/\\s+/g, " ").trim())))
            .observe(document.body, { subtree: true, attributes: true, childList: true });"""
    )
    m.append(event(2))
    w.wait(lambda: any("created" in t for t in w.run("return [...marked]")))
    marked = " ".join(w.run("return [...marked]"))
    assert "completed" not in marked and "deleted" not in marked  # they are what they were
    # The same row, again and again.
    fading = "return [...document.querySelectorAll('.view .row')].filter((e) => e.getAnimations().length).map((e) => e.innerText.split('\\n')[0])"
    for i in range(3):
        w.wait(lambda: w.run(fading) == [])
        m.append(event(5 + 3 * i))
        w.wait(lambda: any("created" in t or "todo_added" in t for t in w.run(fading)))


def test_a_refusal_is_shown_beside(m, web, browse):
    w = browse(web.url)
    w.expected = ("422",)  # the browser says so as well
    w.wait(lambda: is_live(w))
    type_line(w, '{"type":7}')
    w.keys(Keys.ENTER)
    w.wait(lambda: '"type" is not a string' in w.text("#answer"))
    assert w.one("#line").get_attribute("aria-invalid") == "true"
    assert w.one("#line").get_attribute("value") == '{"type":7}'
    assert w.run("return document.activeElement.selectionStart") == 8  # where the fault is
    w.wait(lambda: '"type" is not a string' in w.text("#refused strong"))
    assert m.history() == b""
    type_line(w, '{"type":"good"}')
    w.keys(Keys.ENTER)
    w.wait(lambda: [1, "good"] in rows(w))
    assert w.text("#answer") == "Appended."


def test_the_slider(m, web, browse):
    m.append(*[event(i) for i in range(200)])
    w = browse(web.url)
    w.wait(lambda: is_live(w) and w.text("#events") == "200" and rows(w))
    w.run("const s = document.getElementById('slider'); s.value = 50; s.dispatchEvent(new Event('input'))")
    w.wait(lambda: state(w, "count") == ["count: 50"] and rows(w)[-1][0] == 50)
    w.wait(lambda: "at=50" in w.driver.current_url)
    # By keyboard, to the neighbours.
    w.one("#slider").send_keys(Keys.ARROW_LEFT)
    w.wait(lambda: state(w, "count") == ["count: 49"] and rows(w)[-1][0] == 49)
    w.one("#forth").click()
    w.wait(lambda: state(w, "count") == ["count: 50"])
    # New events don't move who looks at the past.
    m.append(event(200))
    w.wait(lambda: w.text("#events") == "201")
    assert state(w, "count") == ["count: 50"] and rows(w)[-1][0] == 50
    # The address can be sent to somebody.
    w.wait(lambda: "at=50" in w.driver.current_url)
    w.driver.refresh()
    w.wait(lambda: state(w, "count") == ["count: 50"] and rows(w)[-1][0] == 50)
    w.one("#live").click()
    w.wait(lambda: state(w, "count") == ["count: 201"] and rows(w)[-1][0] == 201)
    w.wait(lambda: "at=" not in w.driver.current_url)


def test_an_event_is_a_place(m, web, browse):
    m.append(*[event(i) for i in range(30)])
    w = browse(web.url)
    w.wait(lambda: is_live(w) and len(rows(w)) > 10)
    w.run("document.querySelector('#event-25').click()")
    w.wait(lambda: state(w, "count") == ["count: 25"])
    w.one("#rows").send_keys(Keys.ARROW_UP, Keys.ARROW_UP)
    w.wait(lambda: state(w, "count") == ["count: 23"])
    w.one("#rows").send_keys(Keys.HOME)
    w.wait(lambda: state(w, "count") == ["count: 1"])
    w.one("#number").send_keys(Keys.CONTROL + "a")
    w.one("#number").send_keys("7", Keys.ENTER)
    w.wait(lambda: state(w, "count") == ["count: 7"])


def test_an_edited_reducer_moves_its_view(new_mount, serve, browse):
    m = new_mount(reducers=[])
    web = serve(m)
    reducer = m.data / "reducers/v.jq"
    reducer.write_text(".n += 1")
    m.append(event(0), event(1))
    w = browse(web.url)
    w.expected = ("500", "404")
    w.wait(lambda: state(w, "v") == ["n: 2"])
    begin = time.monotonic()
    reducer.write_text(".n += 10")
    w.wait(lambda: state(w, "v") == ["n: 20"])
    took = time.monotonic() - begin
    assert took < bound(2)
    reducer.write_text("nonsense")
    w.wait(lambda: "nonsense/0 is not defined" in w.text(".broken"))
    reducer.write_text(".m += 1")
    w.wait(lambda: state(w, "v") == ["m: 2"])
    (m.data / "reducers/other.jq").write_text(".o += 1")
    w.wait(lambda: state(w, "other") == ["o: 2"])
    reducer.unlink()
    w.wait(lambda: w.texts(".view h3") == ["other"])


def test_trees_fold_open(new_mount, serve, browse):
    m = new_mount(reducers=[])
    web = serve(m)
    (m.data / "reducers/v.jq").write_text("$event.data")
    deep = {"a": {"b": {"c": [1, 2, {"d": None}]}}, "many": list(range(100_000)), "text": "<b>&\u202e", "": "", "__proto__": 1}
    m.append({"type": "x", "data": deep})
    w = browse(web.url)
    w.wait(lambda: "many: [ 100000 ]" in state(w, "v"))
    tree = w.one(".view .tree")
    assert "text: \"<b>&\u202e\"" in state(w, "v")
    tree.send_keys(Keys.HOME)
    for _ in range(8):
        tree.send_keys(Keys.ARROW_RIGHT)
    w.wait(lambda: any(line.startswith("2: {") for line in state(w, "v")))
    tree.send_keys(Keys.HOME, Keys.ARROW_LEFT)
    w.wait(lambda: state(w, "v")[:2] == ["a: { 1 }", "many: [ 100000 ]"])
    tree.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.END)
    w.wait(lambda: "__proto__: 1" in state(w, "v") and "99999: 99999" in state(w, "v"))
    assert w.run("return document.querySelectorAll('.tree .row').length") < 60  # drawn only as far as they are seen


LARGE = {
    "list": [{"id": i, "text": f"item {i}"} for i in range(100_000)],
    "object": {f"key {i:06}": {"n": i} for i in range(200_000)},
    "strings": {f"s{i}": "ä\"\n" * 200_000 for i in range(8)},
    "nested": {"a": {f"b{i}": {f"c{j}": list(range(40)) for j in range(100)} for i in range(60)}},
}


@pytest.mark.parametrize("shape", LARGE)
def test_large_states(new_mount, serve, browse, shape):
    """Whatever they are made of, the page has what is seen of them."""
    m = new_mount(reducers=[])
    more = ". + [$event.data]" if shape == "list" else ".last = $event.data"
    (m.data / "reducers/v.jq").write_text(f'if $event.type == "whole" then $event.data else {more} end')
    value = LARGE[shape]
    m.append({"type": "whole", "data": value})
    w = browse(serve(m).url)
    w.wait(lambda: state(w, "v"))
    before = w.heap()
    tree = w.one(".view .tree")
    tree.send_keys(*([Keys.ARROW_RIGHT] if shape == "nested" else []), Keys.END)
    last = {"list": "99999: { 2 }", "object": "key 199999: { 1 }", "strings": 's7: "ä', "nested": "b59: { 100 }"}[shape]
    w.wait(lambda: any(line.startswith(last) for line in state(w, "v")))
    assert len(state(w, "v")) < 60 and w.run("return document.body.innerHTML.length") < 300_000
    # In, and out again; keys are not lost while rows are on their way.
    if shape in ("list", "object"):
        n = len(value)
        tree.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        w.wait(lambda: {"list": "id: 99999", "object": "n: 199999"}[shape] in state(w, "v"))
        tree.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.PAGE_UP, Keys.PAGE_UP, Keys.HOME, Keys.ARROW_DOWN)
        w.wait(lambda: w.run("return document.querySelector('.tree .is-active')?.querySelector('.key')?.textContent") == ("1" if shape == "list" else "key 000001"))
        # A step in time, and what has changed is where it was.
        m.append({"type": "more", "data": {"x": 1}})
        w.wait(lambda: w.one(".view .tree .row").get_attribute("aria-setsize") == str(n + 1))
        w.one("#back").click()
        w.wait(lambda: w.one(".view .tree .row").get_attribute("aria-setsize") == str(n))
        w.one("#live").click()
        tree.send_keys(Keys.END)
        w.wait(lambda: any(line in (f"{n}: {{ 1 }}", "last: { 1 }") for line in state(w, "v")))
    assert w.heap() < before + (8 << 20)


def test_more_folded_open_than_an_address_takes(new_mount, serve, browse):
    """What was opened first is closed then."""
    m = new_mount(reducers=[])
    (m.data / "reducers/v.jq").write_text("$event.data")
    m.append({"type": "x", "data": {("ä" * 200 + f"{i:03}"): {"inner": i} for i in range(40)}})
    w = browse(serve(m).url)
    w.wait(lambda: state(w, "v"))
    tree = w.one(".view .tree")
    tree.send_keys(Keys.HOME, *([Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN] * 40))
    w.wait(lambda: "inner: 39" in state(w, "v"))
    assert not w.one(".view .broken").is_displayed()
    tree.send_keys(Keys.HOME)
    w.wait(lambda: state(w, "v")[0].startswith("ää") and "inner: 0" not in state(w, "v"))


def test_numbers_keep_their_digits(new_mount, serve, browse, compile_reducer, tmp_path):
    source = tmp_path / "big.c"
    source.write_text(
        """#include <eventfold/reducer.h>
#include <stdlib.h>
static void *create(void) { return malloc(1); }
static int fold(void *s, const struct eventfold_event *e) { return EVENTFOLD_CHANGED; }
static int write_json(const void *s, struct eventfold_writer *out) { eventfold_write_text(out, "{\\"n\\":9223372036854775807}"); return 0; }
static void *read_json(struct eventfold_slice j) { return malloc(1); }
EVENTFOLD_REDUCER = { .abi = EVENTFOLD_ABI, .create = create, .fold = fold, .write_json = write_json, .read_json = read_json, .destroy = free };
"""
    )
    m = new_mount(reducers=[])
    m.enable(compile_reducer(source, "big"))
    m.append(event(0))
    m.append('{"type":"x","ts":9223372036854775807,"data":{"id":9223372036854775807}}')
    w = browse(serve(m).url)
    w.wait(lambda: state(w, "big") == ["n: 9223372036854775807"])
    w.wait(lambda: w.texts("#rows .data")[1] == '{"id":9223372036854775807}')
    assert w.texts("#rows .time")[1] == "9223372036854775807"  # a year without a name


def test_the_mount_goes_away_and_comes_back(m, web, browse):
    m.append(event(0))
    w = browse(web.url)
    w.expected = ("503",)
    w.wait(lambda: is_live(w) and state(w, "count") == ["count: 1"])
    m.unmount()
    w.wait(lambda: "The mount has gone away" in w.text("#notice"))
    assert w.one("#notice").is_displayed() and state(w, "count") == ["count: 1"]
    m.start()
    w.wait(lambda: is_live(w) and not w.one("#notice").is_displayed())
    m.append(event(1))
    w.wait(lambda: state(w, "count") == ["count: 2"] and len(rows(w)) == 2)


def test_the_token_is_not_in_the_address(m, serve, browse):
    web = serve(m, token=True)
    w = browse(web.address)
    w.wait(lambda: is_live(w))
    assert "token" not in w.driver.current_url
    assert web.token not in w.run("return document.documentElement.outerHTML + document.cookie")
    type_line(w, '{"type":"good"}')
    w.keys(Keys.ENTER)
    w.wait(lambda: [1, "good"] in rows(w))


TRIES = """
const [url, done] = arguments, tries = [];
const ask = (path, options) => fetch(url + path, options).then((r) => r.text()).then((t) => tries.push(t), (e) => tries.push(String(e)));
const load = (tag, path) => new Promise((end) => {
    const e = document.createElement(tag);
    e.onload = () => { tries.push(tag + " loaded"); end(); };
    e.onerror = () => { tries.push(tag + " refused"); end(); };
    e.src = url + path;
    document.body.append(e);
});
(async () => {
    const line = '{"type":"evil"}\\n';
    await ask("/files/events/app", {credentials: "include"});
    await ask("/files/events/app", {credentials: "include", mode: "no-cors"});
    await ask("/files/events/app", {method: "POST", body: line, credentials: "include", mode: "no-cors"});
    await ask("/files/events/app", {method: "POST", body: line, credentials: "include"});
    await load("script", "/main.js");
    await load("img", "/icon.svg");
    const source = new EventSource(url + "/files/tail/app@0", {withCredentials: true});
    await new Promise((end) => { source.onmessage = (e) => { tries.push(e.data); end(); }; source.onerror = end; });
    source.close();
    const form = Object.assign(document.createElement("form"), {method: "POST", action: url + "/files/events/app", enctype: "text/plain", target: "f"});
    const frame = Object.assign(document.createElement("iframe"), {name: "f"});
    form.append(Object.assign(document.createElement("input"), {name: '{"type":"evil","x":"', value: '"}'}));
    document.body.append(frame, form);
    await new Promise((end) => { frame.onload = end; form.submit(); setTimeout(end, 3000); });
    done(tries);
})();
"""


def test_a_page_of_another_origin(m, serve, browse, elsewhere):
    """With the visitor's own cookie in the browser, on the same machine: it can neither read nor append."""
    web = serve(m, token=True)
    m.append(event(0))
    size = len(m.history())
    w = browse(web.address)
    w.expected = ("",)  # its console is full of what was refused
    w.wait(lambda: is_live(w))
    for host in ("127.0.0.1", "localhost"):
        w.driver.get(f"http://{host}:{elsewhere}/")
        w.driver.set_script_timeout(60)
        got = w.driver.execute_async_script(TRIES, web.url)
        assert len(got) >= 6 and not any("todo_added" in text or "loaded" in text for text in got), got
        assert "script refused" in got and "img refused" in got, got
    assert len(m.history()) == size
    w.driver.get(web.url)
    w.wait(lambda: is_live(w))  # the cookie was there all the time


@pytest.mark.parametrize("dark", [False, True])
def test_looks(m, web, browse, dark):
    """Nothing is wider than the window, everything has a name, texts have contrast."""
    m.append(*[event(i, actor="somebody with a long name") for i in range(60)])
    m.append(json.dumps({"type": "x" * 300, "data": "y" * 3000, "ts": 1}))
    w = browse(web.url, dark=dark)
    w.expected = ("422",)
    for width in (375, 1280):
        w.look(width, 812, dark)
        w.wait(lambda: is_live(w) and len(rows(w)) > 5 and state(w, "todos"))
        assert w.overflow() == 0
        found = names(w)
        assert len(found) > 10 and [f for f in found if not f[1]] == []
        assert w.run(CONTRAST) == []
        w.one("#back").click()
        w.wait(lambda: w.run("return document.body.classList.contains('is-past')"))
        assert w.overflow() == 0 and w.run(CONTRAST) == []
        w.one("#live").click()


def test_keyboard_alone(m, web, browse):
    m.append(*[event(i) for i in range(5)])
    w = browse(web.url)
    w.wait(lambda: is_live(w) and state(w, "todos"))
    met = []
    for _ in range(40):
        w.keys(Keys.TAB)
        e = w.run("const e = document.activeElement; return [e.tagName, e.id, e.getAttribute('role') ?? '', getComputedStyle(e).outlineStyle]")
        if e[0] == "BODY":
            break
        met.append(e)
    ids = [e[1] for e in met]
    for wanted in ("back", "slider", "number", "live", "rows", "line", "refused"):
        assert wanted in ids, met
    assert sum(e[2] == "tree" for e in met) == 4
    assert all(e[3] != "none" for e in met), met  # where one is can be seen


def test_more_windows_than_connections(m, web, browse):
    """A browser has six connections to a server; a page that is not looked at holds none."""
    w = browse(web.url)
    w.wait(lambda: is_live(w))
    for _ in range(8):
        w.driver.switch_to.new_window("tab")
        w.driver.get(web.url)
    w.wait(lambda: is_live(w))


# The contrast of every text with what is behind it, as WCAG counts it: which are below 4.5.
CONTRAST = """
const parse = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
const light = (c) => c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length && (c[3] ?? 1) > 0) return c; } return [255, 255, 255]; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
for (let n; (n = walker.nextNode());) {
    const e = n.parentElement, r = e.getBoundingClientRect();
    if (!n.textContent.trim() || !r.width || e.closest(":disabled, noscript, script, .skip, .is-new")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(back(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${e.className || e.tagName} "${n.textContent.slice(0, 20)}": ${ratio.toFixed(2)}`);
}
return [...new Set(faint)];
"""

