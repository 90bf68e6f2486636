"""The pages of `qianfen monitor` in a real browser: they need no server, and nothing sticks out."""

from __future__ import annotations

import json

import pytest

from data.city import load_city
from features.catalogue import load_catalogue
from serving.monitoring_page import write_pages


def figure(value):
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "n_draws": 200}


def outcome(day):
    names = ("roc_auc", "brier_score", "precision_at_capacity", "violation_rate")
    one = {name: figure(0.5) for name in ("before", "of_these", "came_true")}
    rates = [{"grade": g, "n": 1_234, "n_violations": 99, "rate": figure(0.2 + k / 10)} for k, g in enumerate("ABCD")]
    return {
        "as_of_date": day, "model_version": "m", "test_roc_auc": 0.79, "snapshot_id": "s", "n_labelled": 12_345,
        "rates": rates, "among": "inspected", "figures": {name: {**one, "error": -0.0123} for name in names},
    }  # fmt: skip


def report(city):
    """A report with a finding of each kind, and two gradings whose outcomes are known."""
    names = load_catalogue().names
    subjects = {
        "points_moved": "", "indicator_moved": names[0], "grade_order": "B C", "expected_auc": "2025-12-26",
        "came_true_auc": "2025-06-27", "missed": "violation_rate", "told_apart": names[1],
    }  # fmt: skip
    findings = [
        {"level": level, "kind": kind, "subject": subject, "measured": -0.03, "limit": 0.25, "accepted_by": ""}
        for (kind, subject), level in zip(subjects.items(), ["alarm", "notice"] * 4, strict=False)
    ]
    shift = {"psi": 0.3, "missing_then": 0.1, "missing_now": 0.2, "level": "alarm", "limit": 0.25}
    side = {"n_then": 9, "n_now": 9, "roc_auc": figure(0.7), "by": [{"name": names[2], "share": 0.5, "alone": 0.6}]}
    return {
        "city": city.name, "as_of_date": "2025-12-26", "window_days": 183, "level": "alarm", "findings": findings,
        "champion": {"model_version": "0123456789abcdef", "test": {"roc_auc": 0.788}},
        "grading": {"as_of_date": "2025-12-26", "snapshot_id": "0123456789abcdef", "n_entities": 1_300_000},
        "reference": {"as_of_date": "2024-12-27", "snapshot_id": "0123456789abcdef", "n_entities": 1_200_000},
        "records_id": "0123456789abcdef",
        "outcomes": [outcome("2025-06-27"), outcome("2024-12-27")],
        "expected": {
            "as_of_date": "2025-12-26", "labels_known_on": "2026-06-26", "among": "everybody",
            "figures": {name: one["before"] for name, one in outcome("")["figures"].items()},
        },
        "moved": {
            "points": shift,
            "grades": [{"grade": grade, "then": 0.25, "now": 0.25} for grade in "ABCD"],
            "indicators": [{"name": name, **shift} for name in names],
        },
        "told_apart": {"reference": side, "training": None},
        "limits": city.monitoring.model_dump(mode="json"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home, city = tmp_path_factory.mktemp("monitoring"), load_city("synthetic")
    write_pages(city, report(city), home)
    return home


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_is_asked_of_any_server(browser, folder, language, width):
    browser.open(f"file://{folder}/{language}.html", width)

    too_wide = browser.ask(
        # A phone widens its window to what sticks out, so the width asked for is what counts.
        "[...document.querySelectorAll('main *:not(svg *):not(.stacked thead *)')].filter(e => "
        f"e.getBoundingClientRect().right > {width} - 15.5).map(e => e.className || e.tagName)"
    )
    sent = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    wrong = [e for e in browser.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    unnamed = browser.ask(
        "[...document.querySelectorAll('.stacked tbody td.n')].filter(cell => !cell.dataset.label).length"
    )
    assert too_wide == []
    assert all(url.startswith("file://") for url in sent)
    assert json.dumps(wrong) == "[]"
    assert unnamed == 0
    assert browser.ask("document.querySelectorAll('.findings li').length") == 7
