"""The audit and the model card in a real browser: they need no server, and nothing sticks out."""

from __future__ import annotations

import pytest

from serving.audit_page import audit_report
from serving.model_card_page import card_report
from serving.report_page import as_html
from tests.unit.test_serving_audit_page import small_audit, small_card, small_city


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home, audit = tmp_path_factory.mktemp("audit"), small_audit()
    for language, other in (("zh", "en"), ("en", "zh")):
        reports = {"audit": audit_report(small_city(), audit, language)}
        reports["card"] = card_report(small_city(), small_card(audit), language)
        for name, report in reports.items():
            (home / f"{name}.{language}.html").write_text(as_html(report, f"{name}.{other}.html"), encoding="utf-8")
    return home


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["audit.zh", "audit.en", "card.zh", "card.en"])
def test_nothing_is_wider_than_the_screen_and_every_number_has_its_label(browser, folder, page, width):
    browser.open(f"file://{folder}/{page}.html", width)

    too_wide = browser.ask(
        # What moves sideways does so in a region of its own.
        "[...document.querySelectorAll('main *:not(thead, thead *, .wide *)')].filter(e => "
        "e.getBoundingClientRect().right > "
        "innerWidth - parseFloat(getComputedStyle(document.querySelector('main')).paddingRight) + 0.5)"
        ".map(e => e.className || e.tagName)"
    )
    labelled = browser.ask("[...document.querySelectorAll('tbody td')].every(cell => cell.dataset.label)")
    sent = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert (too_wide, labelled) == ([], True)
    assert all(url.startswith("file://") for url in sent)


def test_the_other_language_is_one_click_away(browser, folder):
    browser.open(f"file://{folder}/card.zh.html", 1280)

    browser.open(browser.ask("document.querySelector('.switch').href"), 1280)

    assert browser.ask("document.documentElement.lang") == "en"
