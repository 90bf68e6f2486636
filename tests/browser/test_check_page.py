"""The pages of `qianfen check` in a real browser: they need no server, and nothing sticks out."""

from __future__ import annotations

import json

import pytest

from serving.check import check_city
from serving.check_page import write_report

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def folder(graded_city, tmp_path_factory):
    report = check_city(graded_city.city, graded_city.records, graded_city.settings)
    return write_report(report, tmp_path_factory.mktemp("check"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_is_asked_of_any_server(browser, folder, language, width):
    browser.open(f"file://{folder}/{language}.html", width)

    too_wide = browser.ask(
        "[...document.querySelectorAll('main *:not(svg *):not(thead *)')].filter(e => "
        "e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.className || e.tagName)"
    )
    sent = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    wrong = [e for e in browser.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert too_wide == []
    assert all(url.startswith("file://") for url in sent)
    assert json.dumps(wrong) == "[]"


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_a_file_is_shown_with_what_it_counts(browser, folder, width):
    browser.open(f"file://{folder}/en.html", width)

    shown = browser.ask("document.querySelector('#content').innerText")
    labels = browser.ask(
        "[...document.querySelectorAll('#content tbody td.n')].map(cell => cell.dataset.label).every(Boolean)"
    )

    assert "penalties.csv" in shown
    assert "Every row is accounted for." in shown
    assert labels is True


def test_the_other_language_is_one_click_away(browser, folder):
    browser.open(f"file://{folder}/zh.html", 1280)

    browser.open(browser.ask("document.querySelector('.switch').href"), 1280)

    assert browser.ask("document.documentElement.lang") == "en"
