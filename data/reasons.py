"""The reasons of quarantine in Chinese: each sentence that a rule can say has its rendering here.

Reasons are kept in English with the rows; they are rendered where they are shown. A rule that is not known here is
shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from data.schemas import TABLES, Table

_KINDS = {"text": "文字", "a date": "日期", "a number": "数字", "a whole number": "整数", "true or false": "是或否"}

_Rendering = Callable[[re.Match[str], Table], str]


def reason_zh(reason: str, table_name: str) -> str:
    """Return a reason of quarantine in Chinese, with or without the value that broke the rule.

    Parameters
    ----------
    reason : str
        As data.quality words it, or as data.report groups it.
    table_name : str
        The canonical table, whose columns have Chinese names.
    """
    for pattern, rendering in _RENDERINGS:
        if match := pattern.fullmatch(reason):
            return rendering(match, TABLES[table_name])
    return reason


def _called(name: str, table: Table) -> str:
    """Return what a column is called: its meaning without remarks, and its name."""
    if name not in table.column_names:
        return name
    meaning = re.split("[，：；（]", table.column(name).description_zh)[0]
    return f"{meaning}（{name}）"


def _was(match: re.Match[str]) -> str:
    return f"，实为{match['was']}" if match["was"] else ""


def _must_be_kind(match: re.Match[str], table: Table) -> str:
    return f"{_called(match['column'], table)}须为{_KINDS[match['kind']]}{_was(match)}"


def _must_be_bounded(match: re.Match[str], table: Table) -> str:
    bound = {"at least": "不小于", "at most": "不大于"}[match["bound"]]
    return f"{_called(match['column'], table)}须{bound} {match['limit']}{_was(match)}"


def _must_not_lie_before(match: re.Match[str], table: Table) -> str:
    was = f"，实为 {match['was']}（早于 {match['than']}）" if match["was"] else ""
    return f"{_called(match['column'], table)}不得早于{_called(match['other'], table)}{was}"


_WAS = r"(?:, was (?P<was>.*))?"
_FORMS: tuple[tuple[str, _Rendering], ...] = (
    (rf"(?P<column>\w+) must be (?P<kind>{'|'.join(_KINDS)}){_WAS}", _must_be_kind),
    (rf"(?P<column>\w+) must be (?P<bound>at least|at most) (?P<limit>\S+?){_WAS}", _must_be_bounded),
    (
        rf"(?P<column>\w+) must be one of (?P<allowed>.+?){_WAS}",
        lambda m, t: f"{_called(m['column'], t)}须为 {m['allowed']} 之一{_was(m)}",
    ),
    (
        rf"(?P<column>\w+) must be between (?P<first>\S+) and (?P<last>\S+?){_WAS}",
        lambda m, t: f"{_called(m['column'], t)}须在 {m['first']} 至 {m['last']} 之间{_was(m)}",
    ),
    (r"entity_id or entity_name must be given", lambda m, t: "主体的代码和名称都缺，至少要有一项"),
    (
        r"either entity_id \(or entity_name\) or person_id must be given",
        lambda m, t: "主体（代码或名称）与人员须有且只有一项",
    ),
    (r"(?P<column>\w+) must be given", lambda m, t: f"缺{_called(m['column'], t)}"),
    (
        r"(?P<column>\w+) must be given where (?P<other>\w+) is",
        lambda m, t: f"有{_called(m['other'], t)}时须有{_called(m['column'], t)}",
    ),
    (
        rf"known_at must not lie after the day the file was taken, (?P<day>\S+?){_WAS}",
        lambda m, t: f"{_called('known_at', t)}不得晚于取得文件之日 {m['day']}{_was(m)}",
    ),
    (
        r"(?P<column>\w+) must not lie before (?P<other>\w+?)(?:, was (?P<was>\S+) before (?P<than>\S+))?",
        _must_not_lie_before,
    ),
    (
        r"duplicate of an earlier row with the same (?P<key>.+)",
        lambda m, t: f"与前面的一行重复（{'、'.join(_called(name, t) for name in m['key'].split(', '))}相同）",
    ),
    (rf"the row must have (?P<width>\d+) columns{_WAS}", lambda m, t: f"该行应有 {m['width']} 列{_was(m)}"),
    (r"the quotes of the row must close within it, they do not", lambda m, t: "该行的引号没有成对"),
    (r"the entry of .+ came after a later one, of .+", lambda m, t: "该登记状态送达时，较新的状态已经知悉"),
    (r"a later entry of the entity became known on the same day", lambda m, t: "同一天知悉了该主体较新的登记状态"),
    (r"no entity, or more than one, has this name", lambda m, t: "没有主体用此名称，或不止一户用此名称"),
    (r"no entity of the register has a name like this one", lambda m, t: "登记中没有与此相近的名称"),
    (
        r"more than one entity may bear this name: decide in the review list",
        lambda m, t: "可能有几户主体用此名称，待在匹配清单中由人决定",
    ),
    (
        r"the likeliest entity is below the bar: decide in the review list",
        lambda m, t: "最可能的主体未达匹配门槛，待在匹配清单中由人决定",
    ),
    (
        r"a person decided that this name is none of the register's",
        lambda m, t: "经人认定，此名称不属于登记的任何主体",
    ),
    (
        r"entity_name must be a name, it has neither letters nor digits",
        lambda m, t: "名称里没有文字，也没有数字",
    ),
)
_RENDERINGS = tuple((re.compile(form, re.DOTALL), rendering) for form, rendering in _FORMS)
