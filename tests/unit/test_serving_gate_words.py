"""The gate's table in both languages: every line that a judge can write has its words."""

from __future__ import annotations

import re

import pytest

from serving.gate_words import gate_line, gate_remark
from training.gate_figures import MEASURES


@pytest.mark.parametrize("measure", [measure.what for measure in MEASURES])
def test_every_measure_has_a_name_in_chinese_and_what_it_is_held_against(measure):
    row = {"what": measure, "against": "card"}

    said = gate_line(row, "zh").replace("AUC", "").replace("Brier", "")

    assert said.endswith("，对评分卡")
    assert not re.search("[A-Za-z]{3}", said)
    assert gate_line(row, "en") == f"{measure}, against card"


@pytest.mark.parametrize(
    ("what", "zh", "en"),
    [
        ("AUC, district 110105", "AUC，区域“朝阳区”", "AUC, district 朝阳区"),
        ("Calibration gap, age 2 to 5 years", "校准差距，存续年限“2 至 5 年”", "Calibration gap, age 2 to 5 years"),
        ("AUC, industry Food Store (Convenience / Variety)", "AUC，行业门类“Food Store (Convenience / Variety)”",
         "AUC, industry Food Store (Convenience / Variety)"),
        ("AUC, industry H", "AUC，行业门类“住宿和餐饮业”", "AUC, industry Accommodation and catering"),
        ("district", "区域", "District"),
        ("The artifact is complete", "制品完整", "The artifact is complete"),
    ],
)  # fmt: skip
def test_lines_name_groups_in_words(what, zh, en):
    assert (gate_line({"what": what}, "zh"), gate_line({"what": what}, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("what", "said", "zh", "en"),
    [
        ("Largest AUC of a single indicator", "that is failed_inspections", "即检查不合格",
         "that is failed inspections"),
        ("size", "fewer than 50 violations, or 50 without: large, medium",
         "违规少于 50 行或未违规少于 50 行：大型、中型",
         "fewer than 50 violations, or 50 without: large, medium"),
        ("Violation rates rise with the grade", "A 5.5%, B 20.2%; too few labels: C, D",
         "A 5.5%、B 20.2%；标签太少：C、D", "A 5.5%, B 20.2%; too few labels: C, D"),
        ("age", "the city's records do not say it", "该市的记录没有这一项", "the city's records do not say it"),
        ("The champion has not seen these labels", "it learned from labels up to 2025-01-02, which flatters it here",
         "它学过截至 2025-01-02 的标签，在此占便宜", "it learned from labels up to 2025-01-02, which flatters it here"),
        ("Rows stand for everybody, by weights", "1,203 of 1,450 rows in effect", "1,450 行，等效 1,203 行",
         "1,203 of 1,450 rows in effect"),
        ("AUC", "a remark of a later release", "a remark of a later release", "a remark of a later release"),
    ],
)  # fmt: skip
def test_remarks_are_said_in_both_languages_and_an_unknown_one_as_it_stands(what, said, zh, en):
    row = {"what": what, "said": said}

    assert (gate_remark(row, "zh"), gate_remark(row, "en")) == (zh, en)
