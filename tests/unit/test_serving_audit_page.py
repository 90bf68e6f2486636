"""The audit and the card as pages: groups in words, what stands out first, both languages alike, nothing unescaped."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from data.audit import Audit, AuditGroup
from data.city import load_city
from serving.audit_page import audit_report
from serving.audit_wording import WORDS, group_name
from serving.audits import lines
from serving.model_card_page import card_report
from serving.model_card_wording import LIMITS, PURPOSE
from serving.model_card_wording import WORDS as CARD_WORDS
from serving.report_page import Cell, as_html, as_markdown
from training.audit import OTHERS, UNKNOWN
from training.audit_rows import Audited, AuditRows
from training.audits import audited

FIGURE = {"value": 0.7, "low": 0.6, "high": 0.8, "n_draws": 20}
FIGURES = (
    "roc_auc", "average_precision", "precision_at_5_percent", "precision_at_10_percent", "brier_score",
    "expected_calibration_error", "calibration",
)  # fmt: skip


def small_city():
    """Toronto, whose audit knows who inspected."""
    group = AuditGroup(name="inspector", name_zh="检查组", sql="audit/inspector.sql")
    return load_city("toronto").model_copy(update={"audit": Audit(groups=(group,))})


def small_audit():
    """What audit.json holds of 3,000 entities: restaurants violate twice as often as is expected, fishers never."""
    generator = np.random.default_rng(2)
    n, names = 3_000, 18
    industry = np.where(generator.random(n) < 0.5, "H", "<b>C</b>").astype(object)
    industry[:20] = "A"
    p = generator.uniform(0.05, 0.35, n)
    inspected = generator.random(n) < 0.6
    found = (generator.random(n) < p * np.where(industry == "H", 2.0, 1.0)) & (industry != "A")
    X = generator.normal(size=(n, names))
    X[:, 3:] = np.nan
    groups = {
        "district": np.full(n, "110105", object), "industry": industry, "size": np.full(n, None, object),
        "age": np.where(p > 0.2, "under 2 years", "2 to 5 years").astype(object),
        "grade": np.where(p > 0.2, "B", "A").astype(object), "probability": np.full(n, "01", object),
    }  # fmt: skip
    ids = np.array([f"E{number}" for number in range(n)], dtype=object)
    everybody = Audited(X, p, np.where(inspected, found, np.nan), ids, pd.DataFrame(groups))
    test = everybody.take(inspected)
    test.groups["inspector"] = np.where(generator.random(len(test.y)) < 0.5, "blue", "green")
    city = small_city()
    city = city.model_copy(update={"gate": city.gate.model_copy(update={"draws": 20})})
    content = audited(city, AuditRows(everybody, test, test))
    overall = {model: dict.fromkeys(FIGURES, FIGURE) for model in ("model", "expert_card")}
    catalogue = [effect["indicators"] for effect in content["selection"]["effects"]]
    return content | {
        "audit_id": "a1", "model_version": "m1", "records_id": "r1", "windows": {"2018-10-07": 183},
        "test": ["2018-10-07"], "capacities": [5, 10], "n_draws": 20, "level": 0.95, "least_of_each_class": 50,
        "n_everybody": n, "n_inspected": int(inspected.sum()), "n_test": len(test.y), "n_entities": len(test.y),
        "n_test_positive": int(test.y.sum()), "missing": {catalogue[0][0]: 1.0}, "overall": overall,
    }  # fmt: skip


def small_card(audit):
    """What card.json holds of a model that a person approved."""
    entry = {
        "sequence": 1, "at": "2026-01-02T03:04:05.000000+00:00", "action": "promoted", "who": "王五 & <i>Co</i>",
        "why": "better | on AUC", "former_version": None, "registered_version": "1", "manifest_sha256": "c" * 64,
        "hash": "d" * 64, "gate": [{"what": "AUC", "verdict": "passed", "challenger": 0.7, "tolerance": 0.01}],
    }  # fmt: skip
    stages = ("trees", "calibration", "test")
    manifest = {
        "model_version": "m1", "kind": "lightgbm_offset", "records_id": "r1", "catalogue_hash": "k1",
        "label": {"column": "severity", "values": ["crucial"], "horizon_days": 183, "reporting_delay_days": 1},
        "split": {stage: ["2018-10-07"] for stage in stages} | {"calibration_horizon_days": 91},
        "n_rows": dict.fromkeys(stages, 1000), "n_positive": dict.fromkeys(stages, 100), "selection": None,
        "files": {"model.txt": "e" * 64}, "versions": {"lightgbm": "4.7"}, "code_version": "v1",
        "lightgbm": {"seed": 1},
    }  # fmt: skip
    return {
        "role": "champion", "artifact": "t1/lightgbm_offset", "manifest_sha256": "c" * 64, "manifest": manifest,
        "scale": {"offset": 300.0, "factor": 60.0, "pdo": 41.6}, "cohort": {"kind": "entity"},
        "registered_name": "qianfen-toronto", "registered_version": "1", "mlflow_run_id": "f1", "approvals": [entry],
        "tables": [{"table": "entities", "n_accepted": 9, "n_quarantined": 1, "first": None, "last": None}],
        "sources": {"files": ["a.csv"], "taken_on": None, "notes": {"entities": "Known at once."}, "notes_zh": {}},
        "comparison": {"comparison_id": "q1", "champion": "lightgbm_offset", "rivals": {
            "past_rate": {"figures": FIGURE, "against_champion": FIGURE}, "lightgbm_offset": {"figures": FIGURE}}},
        "audit": audit,
    }  # fmt: skip


@pytest.fixture(scope="module")
def audit():
    return small_audit()


@pytest.fixture(scope="module")
def report(audit):
    return audit_report(small_city(), audit, "en")


def test_what_stands_out_comes_first_and_in_words(report):
    first = report.sections[0]

    assert first.key == "findings"
    assert first.items[0] == "All together: violations are 0.70 times what the model expects (0.60 to 0.80)."
    assert first.items[1].startswith("Industry, Accommodation and catering: violations are ")
    assert any(item.startswith("Knowing the inspector, the AUC goes from ") for item in first.items)


def test_a_group_with_few_labels_is_named_as_such_and_makes_no_finding(report):
    table = next(section for section in report.sections if section.key == "industry").tables[0]

    small = next(row for row in table.rows if row[0].text.startswith("Agriculture"))
    assert small[0].small == "few labels: 0 violations"
    assert not any("Agriculture" in item for item in report.sections[0].items)


def test_what_the_records_do_not_say_is_one_sentence(report):
    assert next(s for s in report.sections if s.key == "size").sentences == ("The city's records do not say it.",)


def test_who_inspected_has_rates_at_equal_probability(report):
    section = next(s for s in report.sections if s.key == "inspector")

    assert section.tables[-1].title == "Violation rate at equal probability"
    assert [row[0].text for row in section.tables[-1].rows] == ["blue", "green"]
    assert all("model " in cell.small for row in section.tables[-1].rows for cell in row[1:])


@pytest.mark.parametrize(
    ("kind", "group", "zh", "en"),
    [
        ("district", "110105", "朝阳区", "朝阳区"),
        ("district", "60614", "60614", "60614"),
        ("industry", "H", "住宿和餐饮业", "Accommodation and catering"),
        ("size", "micro", "微型", "micro"),
        ("age", "10 years and more", "10 年及以上", "10 years and more"),
        ("industry", OTHERS, "其余 3 个", "3 others"),
        ("size", UNKNOWN, "无记录", "not known"),
        ("grade", "all", "全体", "All"),
    ],
)
def test_a_group_has_a_name_in_words(kind, group, zh, en):
    assert [group_name(kind, group, 3, language) for language in ("zh", "en")] == [zh, en]


def test_both_languages_say_the_same_figures(audit):
    zh, en = (audit_report(small_city(), audit, language) for language in ("zh", "en"))

    assert [section.key for section in zh.sections] == [section.key for section in en.sections]
    cells = [
        [cell.text for section in r.sections[1:] for table in section.tables for row in table.rows for cell in row[1:4]]
        for r in (zh, en)
    ]
    assert cells[0] == cells[1]
    assert all(all(pair) for key, pair in (WORDS | CARD_WORDS).items() if key)
    assert len(PURPOSE["zh"]) == len(PURPOSE["en"])
    assert len(LIMITS["zh"]) == len(LIMITS["en"])


def test_names_are_escaped_in_html_and_in_tables_of_markdown(audit):
    card = card_report(small_city(), small_card(audit), "en")

    html, text = as_html(card, "card.zh.html"), as_markdown(card)
    assert "<b>C</b>" not in html
    assert "&lt;b&gt;C&lt;/b&gt;" in html
    assert "<i>Co</i>" not in html
    assert "better \\| on AUC" in text


def test_the_card_has_all_that_a_model_card_must(audit):
    card = card_report(small_city(), small_card(audit), "zh")

    assert [section.key for section in card.sections] == [
        "model", "purpose", "data", "labels", "metrics", "calibration", "rivals", "audit", "limits", "approval",
        "versions",
    ]  # fmt: skip
    assert dict(card.sections[0].facts)["批准"] == "王五 & <i>Co</i>，2026-01-02 03:04 UTC（台账第 1 条）"


def test_a_card_of_a_model_that_nobody_approved_says_so(audit):
    card = card_report(small_city(), small_card(audit) | {"approvals": [], "role": "challenger"}, "en")

    assert dict(card.sections[0].facts)["Approved"] == "Nobody has approved it."
    assert next(s for s in card.sections if s.key == "approval").sentences == ("Nobody has approved it.",)


def test_as_text_every_table_is_in_columns(report):
    shown = list(lines(dataclasses.replace(report, sections=report.sections[:1])))

    assert shown[0] == "Qianfen · audit of the model: Toronto: food premises, DineSafe 2017-2019"
    assert Cell("1", "few labels", "above").line == "1 ▲ (few labels)"
