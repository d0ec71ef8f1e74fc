"""What axe-core, a checker of accessibility, says of both pages. `scripts/setup axe` fetches it; EVENTFOLD_AXE names another axe.min.js."""

import os
from pathlib import Path

import pytest
from browser import Keys
from harness import ROOT, event
from server import TODO
from test_page import is_live, rows, state, type_line
from test_todo import add

AXE = Path(os.environ.get("EVENTFOLD_AXE", ROOT / "node_modules/axe-core/axe.min.js"))

pytestmark = [pytest.mark.browser, pytest.mark.limit(4), pytest.mark.skipif(not AXE.exists(), reason=f"no axe-core: {AXE}")]

RUN = """
const done = arguments[0];
axe.run().then((r) => done(r.violations.map(
    (v) => [v.id, v.help, v.nodes.map((n) => `${n.html.slice(0, 200)} ${n.failureSummary}`)])), (e) => done([String(e)]));
"""


def findings(w):
    # A colour that fades is neither of both.
    w.wait(lambda: not w.run("return document.getAnimations().some((a) => a.playState === 'running')"))
    if not w.run("return 'axe' in window"):
        w.run(AXE.read_text())
    w.driver.set_script_timeout(60)
    return w.driver.execute_async_script(RUN)


def test_it_finds_what_is_wrong(web, browse):
    w = browse(web.url)
    w.wait(lambda: is_live(w))
    w.run(
        """const faint = document.createElement("p");
        faint.textContent = "faint";
        faint.style = "color: #999; background: #fff"; // in HTML it would be refused
        document.querySelector("main").append(document.createElement("input"), faint);"""
    )
    assert {"label", "color-contrast"} <= {f[0] for f in findings(w)}


LOOKS = [(width, dark) for width in (375, 1280) for dark in (False, True)]


@pytest.mark.parametrize("width, dark", LOOKS)
def test_the_page(new_mount, serve, browse, width, dark):
    m = new_mount(reducers=["todos", "count", "types"])
    web = serve(m)
    (m.data / "reducers/broken.jq").write_text("nonsense")
    m.append(*[event(i, actor="somebody") for i in range(60)])
    w = browse(web.url, width=width, height=900, dark=dark)
    w.expected = ("422", "500")
    w.wait(lambda: is_live(w) and len(rows(w)) > 5 and state(w, "count") and "nonsense" in w.text(".broken"))
    assert findings(w) == []
    w.one("#back").click()
    w.wait(lambda: w.run("return document.body.classList.contains('is-past')") and state(w, "count") == ["count: 59"])
    type_line(w, '{"type":7}')
    w.keys(Keys.ENTER)
    w.wait(lambda: w.text("#answer") and w.text("#refused strong"))
    assert findings(w) == []
    w.expected += ("503",)
    m.unmount()
    w.wait(lambda: w.one("#notice").is_displayed())
    assert findings(w) == []
    m.start()


SCROLLED = """
return [...document.querySelectorAll("*")].filter((e) => {
    const { overflowX, overflowY } = getComputedStyle(e);
    const scrolls = (how, more) => ["auto", "scroll"].includes(how) && more > 0;
    return scrolls(overflowX, e.scrollWidth - e.clientWidth) || scrolls(overflowY, e.scrollHeight - e.clientHeight);
}).map((e) => e.getAttribute("aria-label") ?? e.id);
"""


@pytest.mark.parametrize("width", [375, 1280])
def test_all_that_scrolls(new_mount, serve, browse, width):
    """With enough in each, it has to be there for the keyboard."""
    m = new_mount(reducers=[])
    (m.data / "reducers/all.jq").write_text(".[$event.ts | tostring] += 1")
    m.append(*[event(i, ts=i) for i in range(60)])
    web = serve(m)
    for _ in range(20):
        assert web.post({"type": 7}).status == 422
    w = browse(web.url, width=width, height=900)
    w.wait(lambda: {"Events", "State of all", "refused"} <= set(w.run(SCROLLED)))
    assert findings(w) == []
    w.run("document.getElementById('refused').focus()")
    w.keys(Keys.END)
    w.wait(lambda: w.run("return document.getElementById('refused').scrollTop") > 0)


@pytest.mark.parametrize("width, dark", LOOKS)
def test_the_to_dos(new_mount, serve, browse, width, dark):
    m = new_mount(reducers=[])
    m.enable(TODO / "todo.jq")
    w = browse(serve(m, "--app", TODO).url, width=width, dark=dark)
    w.wait(lambda: "Nothing to do" in w.text("#empty"))
    assert findings(w) == []
    add(w, "milk", "bread")
    w.all("li input")[0].click()
    w.wait(lambda: w.all("li input")[0].is_selected())
    assert findings(w) == []
    w.all("li .rename")[1].click()
    assert findings(w) == []
    w.keys(Keys.ESCAPE)
    m.unmount()
    w.expected = ("503",)
    w.one("#undo").click()
    w.wait(lambda: w.one("#problem").is_displayed())
    assert findings(w) == []
    m.start()
