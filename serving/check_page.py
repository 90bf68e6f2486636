"""The report of `qianfen check` as files: report.json, and a page in Chinese and one in English that need no server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.accounting import ENDS, FileAccount
from data.city import City
from data.files import write_atomically, write_json
from data.reasons import reason_zh
from data.report import QuarantineReason, TableReport
from serving.check import CheckReport, IndicatorReport
from serving.names import city_title, indicator_name, sentence_case, table_name
from serving.pages import file_page, html_language
from serving.wording import LANGUAGES, other_language, translated

_WORDS: dict[str, tuple[str, str]] = {
    "product": ("千分 · 数据核对", "Qianfen · records checked"),
    "rows": ("文件行数", "Rows in the files"),
    "mapped": ("已入库", "In a table"),
    "linked": ("按名称匹配入库", "Linked by name"),
    "waiting": ("待匹配", "Waiting for a link"),
    "quarantined": ("隔离", "In quarantine"),
    "repeated": ("重复送达", "Said nothing new"),
    "not_mapped": ("未取用", "Not mapped"),
    "closes": ("每一行都有去向。", "Every row is accounted for."),
    "does_not_close": (
        "有 {} 份文件有未取用的行：没有一条映射由它们生成记录。",
        "Files with rows of which no mapping made a record: {}.",
    ),
    "files": ("各文件的行去了哪里", "Where the rows of each file ended"),
    "files_note": (
        "一行供几张表使用的只计一次。行号从表头下一行起算，为 1。",
        "A row that feeds several tables counts once. Row 1 is the first below the header.",
    ),
    "file": ("文件", "File"),
    "feeds": ("供：{}", "Feeds {}"),
    "unit_yuan": ("金额单位声明为元", "amounts declared in yuan"),
    "unit_ten_thousand_yuan": ("金额单位声明为万元", "amounts declared in ten thousand yuan"),
    "unknown": ("未知", "unknown"),
    "beyond": ("映射提到文件没有的 {} 行", "mappings name {} rows that it does not have"),
    "why": ("为什么被隔离", "Why rows are in quarantine"),
    "why_note": (
        "一行可能违反几条规则。没有代码的记录按名称匹配主体，匹配上之前也列在这里。",
        "A row may break several rules. A record without a code is linked to its entity by name; until then it stands "
        "here too.",
    ),
    "table": ("表", "Table"),
    "reason": ("原因", "Reason"),
    "n_rows": ("行数", "Rows"),
    "colon": ("：", ": "),
    "before": ("{} 早于 {}", "{} before {}"),
    "first_row": ("首见第 {} 行", "first in row {}"),
    "nothing": ("没有。", "None."),
    "indicators": ("指标有值的主体", "Entities with a value of each indicator"),
    "indicators_note": (
        "截至 {1}，{0} 户在营主体。“无记录即为零”的指标人人有值，故另列不为零的比例。没有值的按评分卡中性分计。",
        "{0} active entities as of {1}. Where no record means zero everybody has a value; the share that is not zero "
        "stands beside it. An indicator without a value gets the card's neutral points.",
    ),
    "no_entities": (
        "截至 {1}，没有已知的主体，指标都没有值。",
        "No entity was known as of {1}: no indicator has a value.",
    ),
    "indicator": ("指标", "Indicator"),
    "with_value": ("有值", "With a value"),
    "not_zero": ("不为零", "Not zero"),
    "zero": ("有值而为零", "With a value, and zero"),
    "waits_for": ("缺值等待", "A missing value waits for"),
    "table_not_mapped": ("{}（未映射）", "{} (not mapped)"),
    "tables": ("标准表", "Canonical tables"),
    "read": ("读入", "Read"),
    "accepted": ("接受", "Accepted"),
    "flagged": ("代码校验位不符", "Check character wrong"),
    "not_mapped_table": ("未映射", "not mapped"),
    "notes": ("映射时的认定", "What was taken for granted"),
    "versions": ("记录版本", "Records"),
}


def write_report(report: CheckReport, folder: Path) -> Path:
    """Write report.json, zh.html and en.html; return the folder."""
    write_json(folder / "report.json", report.to_json())
    for language in LANGUAGES:
        write_atomically(folder / f"{language}.html", render(report, language))
    return folder


def render(report: CheckReport, language: str) -> str:
    """Return the page in `zh` or `en`: one file, style included."""
    words = translated(_WORDS, language)
    shown = [end for end in ENDS if end != "repeated" or any(file.ends[end] for file in report.files)]
    return file_page(
        "check.html",
        language,
        f"{other_language(language)}.html",
        product=words["product"],
        title=city_title(report.city, language),
        t=words,
        report=report,
        ends=shown,
        totals=_totals(report.files),
        n_open=sum(not file.closes for file in report.files),
        files=[_file(report, file, language, words) for file in report.files],
        reasons=[_reason(table, reason, language, words) for table in report.tables for reason in table.reasons],
        indicators=[_indicator(item, report.n_entities, language, words) for item in report.indicators],
        tables=[(table_name(table.name, language), table) for table in report.tables],
        notes=list(_notes(report.city, language)),
    )


def _totals(files: tuple[FileAccount, ...]) -> dict[str, int]:
    ends = {end: sum(file.ends[end] for file in files) for end in ENDS}
    return {
        "rows": sum(file.n_rows or 0 for file in files),
        **ends,
        "not_mapped": sum(file.n_not_mapped or 0 for file in files),
    }


def _file(report: CheckReport, file: FileAccount, language: str, words: dict[str, str]) -> dict[str, Any]:
    feeds = "、".join if language == "zh" else ", ".join
    remarks = [words["feeds"].format(feeds(table_name(name, language) for name in file.tables))] if file.tables else []
    declared = next((f for f in report.city.sources.files if f.path == file.path), None)
    if declared and declared.amount_unit:
        remarks.append(words[f"unit_{declared.amount_unit}"])
    if file.n_beyond:
        remarks.append(words["beyond"].format(f"{file.n_beyond:,}"))
    return {"account": file, "remarks": remarks, "bands": list(_bands(file))}


def _bands(file: FileAccount) -> Iterator[tuple[str, float, float]]:
    """Yield kind, start and width of the parts of a bar of 1000 units."""
    start = 0.0
    for kind, n in (*file.ends.items(), ("not_mapped", file.n_not_mapped or 0)):
        width = 1000 * n / file.n_rows if file.n_rows else 0.0
        if width > 0:
            yield kind, round(start, 1), round(width, 1)
        start += width


def _reason(table: TableReport, reason: QuarantineReason, language: str, words: dict[str, str]) -> dict[str, Any]:
    # Where all rows of a rule have one value, or there is one row, the value says most.
    said = reason.first_reason if reason.n_rows == 1 else reason.reason
    return {
        "table": table_name(table.name, language),
        "text": reason_zh(said, table.name) if language == "zh" else said,
        "n_rows": reason.n_rows,
        "file": reason.source_file,
        "first": words["first_row"].format(f"{reason.source_row:,}"),
        "example": "" if said == reason.first_reason else f"{words['colon']}{_value_of(reason, words)}",
    }


def _value_of(reason: QuarantineReason, words: dict[str, str]) -> str:
    """Return the value that broke the rule in the first row, or the two dates that stand in the wrong order."""
    value = reason.first_reason.removeprefix(f"{reason.reason}, was ")
    dates = re.fullmatch(r"(\S+) before (\S+)", value)
    return words["before"].format(*dates.groups()) if dates else value


def _indicator(item: IndicatorReport, n_entities: int, language: str, words: dict[str, str]) -> dict[str, Any]:
    names = [
        words["table_not_mapped"].format(table_name(table, language))
        if table in (*item.not_mapped, *item.one_of)
        else table_name(table, language)
        for table in item.waits_for
    ]
    return {
        "name": sentence_case(indicator_name(item.name, language)),
        "column": item.name,
        "with_value": item.n_with_value / n_entities if n_entities else 0.0,
        "not_zero": item.n_not_zero / n_entities if n_entities else 0.0,
        "zero": ("有值而为零", "With a value, and zero"),
        "waits_for": ("、" if language == "zh" else ", ").join(names),
    }


def _notes(city: City, language: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, text and language of the notes; one without a Chinese text stands in English."""
    in_chinese = city.sources.notes_zh if language == "zh" else {}
    for name in {**city.sources.notes, **in_chinese}:
        said, said_in = (in_chinese[name], "zh") if name in in_chinese else (city.sources.notes[name], "en")
        yield table_name(name, language), said, html_language(said_in)
