"""The small application of docs/WEB.md, as it stands there, in a browser."""

import json
import re

import pytest
from browser import Keys
from harness import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.limit(4)]


def test_the_guest_book(new_mount, serve, browse, tmp_path):
    text = (ROOT / "docs/WEB.md").read_text()
    m = new_mount(reducers=[])
    (m.mnt / "reducers/guests.jq").write_text(re.search(r"```jq\n(# guests\.jq.*?)```", text, re.S)[1])
    files = re.findall(r"^\$ cat > book/(\S+) << 'END'\n(.*?)^> END$", text, re.S | re.M)
    assert [name for name, _ in files] == ["index.html", "book.js"]
    for name, lines in files:
        (tmp_path / name).write_text("".join(line.removeprefix("> ") for line in lines.splitlines(keepends=True)))
    entries = [None, "x", 7, [1], {}, {"name": "Bob"}, {"name": {"toString": 1}, "words": "no words"}]
    m.append(*[json.dumps({"type": "guest_signed", "data": data}) for data in entries])
    web = serve(m, "--app", tmp_path)
    one, other = browse(web.url), browse(web.url)
    one.expected = other.expected = ("favicon",)  # it has no icon
    one.one("[name=name]").send_keys("Ann")
    one.one("[name=words]").send_keys("<b>I was here</b>", Keys.ENTER)
    for w in (one, other):
        w.wait(lambda: w.texts("#guests li") == ["Ann: <b>I was here</b>"])
    assert one.one("[name=name]").get_attribute("value") == ""
    for _ in range(8):  # a browser has six connections to a server
        other.driver.switch_to.new_window("tab")
        other.driver.get(web.url)
        other.wait(lambda: len(other.all("#guests li")) == 1)
