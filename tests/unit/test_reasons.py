"""Every reason that a rule can give has a rendering in Chinese."""

from __future__ import annotations

import re

import duckdb
import pytest

from data.quality import row_rules, type_rule
from data.reasons import reason_zh
from data.schemas import TABLES


def sentences():
    """All sentences that the rules of all tables can say, with a value put in and as the report groups them."""
    for table in TABLES.values():
        rules = [*row_rules(table), *(type_rule(c, "told") for c in table.columns)]
        for rule in rules:
            said = re.fullmatch("'(.*)'", rule.sentence, re.DOTALL).group(1)
            sentence = re.sub(r"' \|\| .*? \|\| '", "值", said).replace("''", "'")
            yield table.name, sentence
            yield table.name, re.sub(", was .*$", "", sentence)


@pytest.mark.parametrize("table", TABLES)
def test_every_sentence_of_every_rule_is_rendered(table):
    said = [sentence for name, sentence in sentences() if name == table]

    assert len(said) > 10
    for sentence in said:
        assert reason_zh(sentence, table) != sentence, sentence


@pytest.mark.parametrize(
    ("reason", "rendered"),
    [
        ("amount must be at least 0, was -5.0", "罚没金额（amount）须不小于 0，实为-5.0"),
        ("event_date must be a date, was '不祥'", "发生日期（event_date）须为日期，实为'不祥'"),
        ("event_date must be given", "缺发生日期（event_date）"),
        (
            "duplicate of an earlier row with the same record_id",
            "与前面的一行重复（来源中的记录编号（record_id）相同）",
        ),
        (
            "known_at must not lie before event_date, was 2019-01-06 before 2020-01-05",
            "知悉日期（known_at）不得早于发生日期（event_date），实为 2019-01-06（早于 2020-01-05）",
        ),
        ("the row must have 8 columns, was 9", "该行应有 8 列，实为9"),
        ("something new", "something new"),
    ],
)
def test_a_reason_is_rendered_with_its_value_and_columns_by_their_meaning(reason, rendered):
    assert reason_zh(reason, "penalties") == rendered


def test_the_sentences_are_those_that_the_engine_says():
    rule = next(rule for rule in row_rules(TABLES["penalties"]) if "at least" in rule.sentence)

    said = duckdb.execute(f"SELECT {rule.sentence} FROM (SELECT -5.0::DOUBLE AS amount)").fetchone()[0]

    assert said == "amount must be at least 0, was -5.0"
