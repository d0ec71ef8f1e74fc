"""Chromium, driven."""

import json
import shutil
import tempfile
import time

from harness import LIMIT, SLOW
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys  # noqa: F401

ARGUMENTS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --force-device-scale-factor=1""".split()


class Window:
    def __init__(self, url, width=1280, height=860, dark=False):
        self.home = tempfile.mkdtemp()
        options = Options()
        options.binary_location = shutil.which("chromium")
        for argument in ARGUMENTS + [f"--user-data-dir={self.home}", f"--window-size={width},{height}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.set_page_load_timeout(LIMIT)
        self.look(width, height, dark)
        self.expected = ()  # what may be in the console
        if url:
            self.driver.get(url)

    def look(self, width, height, dark):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])

    def cdp(self, command, **args):
        return self.driver.execute_cdp_cmd(command, args)

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def one(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", css)

    def text(self, css):
        return "\n".join(self.texts(css))

    def wait(self, what, seconds=LIMIT):
        """Until what() is true; its value."""
        until = time.monotonic() + seconds
        while True:
            value = what()
            if value or time.monotonic() > until:
                assert value, f"not within {seconds} s: {self.run('return document.body.innerText')}"
                return value
            time.sleep(0.02)

    def keys(self, *keys):
        """To whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def overflow(self):
        """How many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def heap(self):
        """Bytes that the page's JavaScript holds, after its garbage was collected."""
        self.cdp("HeapProfiler.collectGarbage")
        return self.cdp("Runtime.getHeapUsage")["usedSize"]

    def problems(self):
        return [
            e["message"]
            for e in self.driver.get_log("browser")
            if e["level"] in ("SEVERE", "WARNING") and not any(word in e["message"] for word in self.expected)
        ]

    def end(self):
        try:
            return self.problems()
        finally:
            self.driver.quit()
            shutil.rmtree(self.home, ignore_errors=True)


def names(window):
    """What a screen reader is told: (role, name) of all that can be used."""
    tree = window.cdp("Accessibility.getFullAXTree")["nodes"]
    return [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in tree
        if not n.get("ignored") and n.get("role", {}).get("value") in USED
    ]


USED = {"button", "textbox", "slider", "checkbox", "link", "tree", "treeitem", "listbox", "option", "img", "combobox", "switch"}

__all__ = ["Window", "Keys", "By", "names", "SLOW", "json"]
