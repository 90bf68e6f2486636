"""The review page in a real browser: nothing sticks out, the bars are drawn, and tables stay tables."""

from __future__ import annotations

import base64
import json
import threading
from datetime import date

import pytest
import uvicorn

from features.snapshots import open_snapshot
from serving.grading import grade_population
from serving.movement import movement_between
from serving.scoring import Scorer
from serving.site import create_site


@pytest.fixture(scope="module")
def address(graded_city):
    g = graded_city
    snapshots = (open_snapshot(g.records, date(2020, 5, 1), g.settings), g.snapshot)
    gradings = [grade_population(g.city, g.records, g.settings, g.model, snapshot, str) for snapshot in snapshots]
    movement_between(g.city, g.settings, *gradings, str)
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
    # A row for each indicator, the base and the points, and one for each line of the change and its sum; on a wide
    # screen the heads of the columns too.
    n_moved = browser.ask("document.querySelectorAll('.moved tbody tr').length")
    assert n_moved >= 3
    assert roles.count("rowheader") == 20 + n_moved
    assert roles.count("row") >= 20 + n_moved


@pytest.mark.parametrize("width", WIDTHS)
def test_what_changed_is_seen_and_adds_up(browser, address, width):
    browser.open(address + "/entities/E07?lang=en", width)

    *lines, total = browser.ask(
        "[...document.querySelectorAll('.moved .sum-total')].filter(e => e.getClientRects().length)"
        ".map(e => parseFloat(e.textContent.replace('−', '-')))"
    )
    then, now = browser.ask("[...document.querySelectorAll('.then-now .grade + strong')].map(e => +e.textContent)")
    assert sum(lines) == pytest.approx(total, abs=1e-9)
    assert now - then == pytest.approx(total, abs=1e-9)


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
