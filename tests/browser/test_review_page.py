"""The review page in a real browser: nothing sticks out, the bars are drawn, and tables stay tables."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading
from contextlib import contextmanager

import pytest
import uvicorn

from serving.scoring import Scorer
from serving.site import create_site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One page of Chromium, spoken to in its DevTools protocol over two pipes."""

    def __init__(self, to_browser, from_browser):
        self.to_browser, self.from_browser = to_browser, from_browser
        self.numbers = itertools.count(1)
        self.session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events = []
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Send a command and return its result; events that come before it are kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.to_browser.write(json.dumps(message).encode() + b"\0")
        self.to_browser.flush()
        while (answer := self.receive()).get("id") != number:
            self.events.append(answer) if self.session else None
        assert "error" not in answer, answer
        return answer["result"]

    def receive(self):
        """Return the next message of the browser."""
        content = bytearray()
        while (byte := self.from_browser.read(1)) != b"\0":
            assert byte, "the browser ended"
            content += byte
        return json.loads(content)

    def open(self, url, width):
        """Load a page at a width and wait until it is whole."""
        self.events.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=812, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def ask(self, expression):
        """Return the value of an expression on the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"]["value"]


@contextmanager
def chromium(home):
    """Run Chromium for as long as the block runs."""
    (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
    command = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
    run = subprocess.Popen(
        ["bash", "-c", command, CHROMIUM, *FLAGS, f"--user-data-dir={home}"],
        pass_fds=(their_in, their_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_in)
    os.close(their_out)
    with os.fdopen(our_out, "wb") as to_browser, os.fdopen(our_in, "rb") as from_browser:
        yield Browser(to_browser, from_browser)
        to_browser.write(b'{"id": 0, "method": "Browser.close"}\0')
        to_browser.flush()
        run.wait(timeout=20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(graded_city):
    scorer = Scorer(graded_city.city, graded_city.settings)
    configuration = uvicorn.Config(create_site(lambda: scorer), port=0, log_level="warning", ws="none")
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


WIDTHS = (375, 1280)
PATHS = (
    "/entities/E07?lang=zh",
    "/entities/E07?lang=en",
    "/?lang=zh&q=餐馆",
    "/?lang=en&q=E0",
    "/entities/none?lang=en",
)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_wider_than_the_screen_and_nothing_goes_wrong(browser, address, path, width):
    browser.open(address + path, width)

    assert browser.ask("document.documentElement.scrollWidth") <= width
    too_wide = browser.ask(
        "[...document.querySelectorAll('main *:not(svg *):not(.hidden)')].filter(e => "
        "e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.className || e.tagName)"
    )
    assert too_wide == []
    wrong = [e for e in browser.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert [e for e in wrong if "404" not in json.dumps(e)] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bars_are_drawn_as_wide_as_the_points_they_stand_for(browser, address, width):
    browser.open(address + "/entities/E07?lang=en", width)

    bars = browser.ask(
        "[...document.querySelectorAll('.sum rect.expert')].map(b => [b.getBoundingClientRect().width, "
        "Math.abs(parseFloat(b.closest('tr').querySelector('.part').textContent.replace('−', '-')))])"
    )
    drawn = [(pixels, points) for pixels, points in bars if points >= 5 and pixels > 0]
    ratios = [pixels / points for pixels, points in drawn]
    assert len(bars) == 18
    assert len(drawn) >= 2
    assert max(ratios) / min(ratios) < 1.03


@pytest.mark.parametrize("width", WIDTHS)
def test_the_sum_is_a_table_for_a_screen_reader_at_every_width(browser, address, width):
    browser.open(address + "/entities/E07?lang=en", width)

    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node.get("ignored")]
    assert "table" in roles
    # A row for each indicator, the base and the points; on a wide screen the heads of the columns too.
    assert roles.count("rowheader") == 20
    assert roles.count("row") >= 20


def test_the_other_language_is_one_click_away(browser, address):
    browser.open(address + "/entities/E07?lang=zh", 1280)
    english = browser.ask("document.querySelector('.switch').href")

    browser.open(english, 1280)

    assert browser.ask("document.documentElement.lang") == "en"
    assert browser.ask("document.querySelector('h1').textContent") == "第7餐馆"


def test_the_page_asks_only_our_server(browser, address):
    browser.open(address + "/entities/E07?lang=zh", 1280)

    sent = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert sent
    assert all(url.startswith(address) for url in sent)


def test_the_page_can_be_printed(browser, address):
    browser.open(address + "/entities/E07?lang=zh", 1280)

    pdf = base64.b64decode(browser.send("Page.printToPDF", printBackground=True)["data"])

    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
