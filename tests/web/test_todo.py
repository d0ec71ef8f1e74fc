"""The to-do application: a reducer and a page, and nothing else."""

import json
import time

import pytest
from browser import Keys, names
from harness import bound
from server import TODO
from test_page import CONTRAST
from test_todo_reducer import events, states

pytestmark = [pytest.mark.browser, pytest.mark.limit(4)]


@pytest.fixture
def app(new_mount, serve):
    m = new_mount(reducers=[])
    m.enable(TODO / "todo.jq")
    server = serve(m, "--app", TODO)
    server.m = m
    return server


def things(w):
    script = "return [...document.querySelectorAll('li')].map((e) => [e.querySelector('label').textContent, e.querySelector('input').checked])"
    return w.run(script)


def add(w, *texts):
    for text in texts:
        before = len(things(w))
        w.one("#text").send_keys(text, Keys.ENTER)
        w.wait(lambda: len(things(w)) == before + 1)


def test_two_browsers(app, browse):
    one, other = browse(app.url), browse(app.url)
    for w in (one, other):
        w.wait(lambda: "Nothing to do" in w.text("#empty"))
    begin = time.monotonic()
    add(one, "milk")
    other.wait(lambda: things(other) == [["milk", False]])
    took = time.monotonic() - begin
    assert took < bound(2)
    other.one("li input").click()
    one.wait(lambda: things(one) == [["milk", True]])
    other.wait(lambda: other.text("#left") == "0 things left")
    one.one("li .remove").click()
    other.wait(lambda: things(other) == [])
    assert app.m.view("todo") == {"items": {}}


def test_by_keyboard_alone(app, browse):
    w = browse(app.url)
    w.wait(lambda: "Nothing to do" in w.text("#empty"))
    w.keys("milk", Keys.ENTER)  # the field has the focus
    w.wait(lambda: things(w) == [["milk", False]])
    w.keys("bread", Keys.ENTER)
    w.wait(lambda: len(things(w)) == 2)
    w.keys(Keys.TAB, Keys.TAB, Keys.SPACE)
    w.wait(lambda: things(w) == [["milk", True], ["bread", False]])
    w.keys(Keys.TAB, Keys.ENTER)  # the text, to change it
    w.keys(Keys.END, " of oats", Keys.ENTER)
    w.wait(lambda: things(w)[0][0] == "milk of oats")
    w.keys(Keys.TAB, Keys.ENTER)  # remove it
    w.wait(lambda: things(w) == [["bread", False]])
    assert w.run("return document.activeElement.className") == "remove"  # not lost


def test_filters(app, browse):
    w = browse(app.url)
    add(w, "a", "b", "c")
    w.all("li input")[1].click()
    w.wait(lambda: w.text("#left") == "2 things left")  # the box itself is ticked at once, the event comes later
    for name, seen in (("Open", ["a", "c"]), ("Done", ["b"]), ("All", ["a", "b", "c"])):
        button = next(b for b in w.all("[data-filter]") if b.text == name)
        button.click()
        assert [t for t, _ in things(w)] == seen
        assert button.get_attribute("aria-pressed") == "true"


def test_undo_goes_back_step_by_step(app, browse):
    w = browse(app.url)
    add(w, "a", "b")
    states = [things(w)]
    w.all("li input")[0].click()
    w.wait(lambda: w.text("#left") == "1 thing left")
    assert things(w) == [["a", True], ["b", False]]
    states.append(things(w))
    w.all("li .remove")[1].click()
    w.wait(lambda: things(w) == [["a", True]])
    for state in [*reversed(states), [["a", False]], []]:
        assert undo(w) == ""
        w.wait(lambda: things(w) == state)
    assert "nothing left to undo" in undo(w)
    assert len(app.m.events()) == 8  # all of it is in the log


def test_the_filter_of_the_address(app, browse):
    w = browse(f"{app.url}/#junk")
    add(w, "a", "b")
    w.all("li input")[1].click()
    w.wait(lambda: w.text("#left") == "1 thing left")
    for name, pressed, seen in (("junk", "All", ["a", "b"]), ("done", "Done", ["b"]), ("open", "Open", ["a"]), ("", "All", ["a", "b"])):
        w.run("location.hash = arguments[0]", name)
        w.wait(lambda: w.texts("[aria-pressed=true]") == [pressed])
        assert [t for t, _ in things(w)] == seen


def undo(w):
    """What the page says of it."""
    w.wait(lambda: w.one("#undo").is_enabled())
    w.one("#undo").click()
    w.wait(lambda: w.one("#undo").is_enabled())
    return w.text("#problem")


def test_undo_passes_over_what_changed_nothing(app, browse):
    w = browse(app.url)
    add(w, "a")
    app.m.append(
        '{"type":"todo_restored"}',
        '{"type":"todo_restored","data":{"items":"x","undoes":"y"}}',
        '{"type":"todo_removed","data":"x"}',
        '{"type":"todo_removed","data":{"id":"none"}}',
        '{"type":"todo_archived","data":null}',
    )
    assert undo(w) == ""
    w.wait(lambda: things(w) == [])
    assert "nothing left to undo" in undo(w)


def test_undo_of_names_that_every_object_has(app, browse):
    for name in ("toString", "__proto__"):
        app.m.append(json.dumps({"type": "todo_added", "data": {"id": name, "text": name}}))
    w = browse(app.url)
    w.wait(lambda: len(things(w)) == 2)
    assert undo(w) == ""
    w.wait(lambda: things(w) == [["toString", False]])
    assert undo(w) == ""
    w.wait(lambda: things(w) == [])


@pytest.mark.parametrize("sizes", [[90] * 10000, [2 << 20], [100, 70 << 10, 300 << 10]], ids=["many", "large", "mixed"])
def test_undo_looks_far_back(app, browse, sizes):
    w = browse(app.url)
    add(w, "ä" * 100)
    app.m.append(*[json.dumps({"type": "other", "data": "ä" * (size // 6)}) for size in sizes])
    assert undo(w) == ""
    w.wait(lambda: things(w) == [])
    assert "nothing left to undo" in undo(w)


def test_undo_says_that_it_looks_no_further(app, browse):
    w = browse(app.url)
    add(w, "a")
    for _ in range(18):
        app.m.append(json.dumps({"type": "other", "data": "x" * (1 << 20)}))
    assert "too far back" in undo(w)
    app.m.append(*['{"type":"todo_ticked","data":{"id":"none","done":true}}'] * 101)
    assert "too far back" in undo(w)


def test_what_others_call_by_the_same_names(app, browse):
    """A log is for all: the reducer takes what is meant for it."""
    app.m.append(
        '{"type":"todo_added","data":{"text":"no id"}}',
        '{"type":"todo_added","data":{"id":7,"text":"a number"}}',
        '{"type":"todo_added","data":{"id":"x"}}',
        '{"type":"todo_added","data":null}',
        '{"type":"todo_ticked","data":{"id":"none","done":true}}',
        '{"type":"todo_removed","data":"none"}',
        '{"type":"todo_restored","data":{}}',
        json.dumps({"type": "todo_added", "data": {"id": "ours", "text": "<img src=x onerror=alert(1)>"}}),
    )
    w = browse(app.url)
    w.wait(lambda: things(w) == [["<img src=x onerror=alert(1)>", False]])


def test_any_state_of_the_reducer_is_drawn(app, browse):
    made = events(400, 1)
    app.m.append(*[json.dumps(e) for e in made])
    w = browse(app.url)
    items = states(made)[-1]["items"]
    w.wait(lambda: sorted(things(w)) == sorted([x["text"], x["done"]] for x in items.values()))
    for kind in ("Open", "Done", "All"):
        next(b for b in w.all("[data-filter]") if b.text == kind).click()
    assert items and len(things(w)) == len(items)


def test_without_its_reducer(m, serve, browse):
    w = browse(serve(m, "--app", TODO).url)
    w.expected = ("404",)
    w.wait(lambda: "There is no view todo" in w.text("#problem"))
    m.enable(TODO / "todo.jq")
    w.wait(lambda: "Nothing to do" in w.text("#empty") and not w.one("#problem").is_displayed())


def is_told(w, words):
    return w.one("#problem").is_displayed() and words in w.text("#problem")


def test_while_the_mount_is_away(app, browse):
    w = browse(app.url)
    w.expected = ("503",)
    add(w, "a")
    app.m.unmount()
    w.wait(lambda: is_told(w, "The mount has gone away"))
    w.one("#text").send_keys("b", Keys.ENTER)
    w.wait(lambda: w.one("#text").get_attribute("value") == "b")  # it is not lost
    assert is_told(w, "The mount has gone away")
    app.m.start()
    w.wait(lambda: not w.one("#problem").is_displayed())
    w.one("#text").send_keys(Keys.ENTER)
    w.wait(lambda: things(w) == [["a", False], ["b", False]])


def test_while_its_view_is_broken(app, browse):
    w = browse(app.url)
    w.expected = ("500",)
    add(w, "a")
    reducer = app.m.data / "reducers/todo.jq"
    reducer.unlink()
    reducer.write_text('error("no more")')
    w.wait(lambda: is_told(w, "no more"))
    reducer.unlink()
    app.m.enable(TODO / "todo.jq")
    w.wait(lambda: not w.one("#problem").is_displayed() and things(w) == [["a", False]])


def test_many_tabs_of_one_browser(app, browse):
    w = browse(app.url)
    add(w, "a")
    for n in range(8):
        w.driver.switch_to.new_window("tab")
        w.driver.get(app.url)
        w.wait(lambda: len(things(w)) == n + 1)
        add(w, str(n))
    w.driver.switch_to.window(w.driver.window_handles[0])
    w.wait(lambda: len(things(w)) == 9)
    add(w, "b")


@pytest.mark.parametrize("dark", [False, True])
def test_looks(app, browse, dark):
    w = browse(app.url, dark=dark)
    add(w, "milk", "x" * 400, "a long text of many words " * 15)
    w.all("li input")[0].click()
    w.wait(lambda: things(w)[0][1])
    for width in (375, 1280):
        w.look(width, 812, dark)
        assert w.overflow() == 0
        assert [n for n in names(w) if not n[1]] == []
        assert w.run(CONTRAST) == []
