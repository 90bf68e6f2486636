"""One plain sentence for each indicator, in Chinese and in English: what is known, and what it does to the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from features.declaration import Indicator
from features.parameters import said

NEGLIGIBLE_POINTS = 0.05
"""Contributions below this are shown as none: points are shown with one decimal."""

_CURRENCIES_ZH = {"CNY": "元", "CAD": "加元", "USD": "美元"}
_LEAST_SHOWN = 0.01
_BY_GRAVITY = "share of the gravest result"
_NO_LAPSE_DAYS = 3650.0
_SINGULAR = {
    "changes": "change",
    "days": "day",
    "entities": "entity",
    "listings, decayed": "listing, decayed",
    "mentions, decayed": "mention, decayed",
    "penalties, decayed": "penalty, decayed",
    "persons": "person",
    "report years": "report year",
    "violations, decayed": "violation, decayed",
    "years": "year",
}

Words = Callable[[float], tuple[str, str]]


@dataclass(frozen=True)
class Sentence:
    """The same statement in both languages."""

    zh: str
    en: str


def sentence(
    item: Indicator, value: float | None, expert: float, learned: float, is_available: bool, currency: str
) -> Sentence:
    """Say what an indicator is and what it does.

    Parameters
    ----------
    value : float or None
        None where missing.
    expert, learned : float
        Contribution in points against the average entity, from the experts' card and from history.
    is_available : bool
        Whether the city has a source for the indicator at all.
    currency : str
        ISO code for amounts.
    """
    said = fact(item, value, is_available, currency)
    effect_zh, effect_en = _effect(expert, learned)
    return Sentence(f"{said.zh}；{effect_zh}。", f"{said.en}, {effect_en}.")


def fact(item: Indicator, value: float | None, is_available: bool, currency: str) -> Sentence:
    """Say what an indicator is, without what it does and without a full stop; parameters as of `sentence`."""
    return Sentence(*_fact(item, value, is_available, currency))


def shown_value(item: Indicator, value: float | None, language: str, currency: str) -> str:
    """Return a value with its unit, as a page shows it; an empty text where missing."""
    if value is None:
        return ""
    if item.unit == "currency units":
        zh, en = _money(value, currency)
        return zh if language == "zh" else en
    if item.unit.startswith("share"):
        return f"{value:.1%}"
    number = _number(value)
    unit = item.unit_zh if language == "zh" else item.unit
    return f"{number} {_SINGULAR.get(unit, unit) if number == '1' else unit}"


def signed(points: float) -> str:
    """Return points with a sign and one decimal, with a true minus."""
    if abs(points) < NEGLIGIBLE_POINTS:
        return "0.0"
    return f"{'+' if points > 0 else '−'}{abs(points):,.1f}"


def _fact(item: Indicator, value: float | None, is_available: bool, currency: str) -> tuple[str, str]:
    if not is_available:
        return (
            f"本地尚无{item.name_zh}的数据来源，按中性分计",
            f"This city has no source for {_spoken(item.name)}, so its neutral points count",
        )
    if value is None:
        zh, en = _MISSING.get(item.name, (f"{item.name_zh}没有记录", f"Nothing is known of {_spoken(item.name)}"))
        return f"{item.says(zh, 'zh')}，按中性分计", f"{item.says(en, 'en')}, so its neutral points count"
    if item.unit == "currency units":
        zh, en = _amount_fact(item.name, value, currency)
    else:
        zh, en = _words(item)(value)
    return item.says(zh, "zh"), item.says(en, "en")


def is_by_gravity(item: Indicator) -> bool:
    """Say whether an indicator counts the gravity of results, and not how many failed."""
    return item.unit == _BY_GRAVITY


def _words(item: Indicator) -> Words:
    """Return the words of an indicator, with names of its parameters in braces where they say the value in force."""
    if is_by_gravity(item):
        return _GRAVITY_WORDS[item.name]
    if item.name == "person_linked_violations" and item.unit.startswith("share"):
        return _LINKED_RATE
    return _WORDS[item.name]


def _effect(expert: float, learned: float) -> tuple[str, str]:
    total = expert + learned
    if max(abs(expert), abs(learned)) < NEGLIGIBLE_POINTS:
        return "不增减分数", "which changes nothing"
    parts_zh = f"（专家 {signed(expert)}，历史 {signed(learned)}）"
    parts_en = f" (experts {signed(expert)}, history {signed(learned)})"
    if abs(total) < NEGLIGIBLE_POINTS:
        return f"两部分相抵{parts_zh}", f"which comes to nothing{parts_en}"
    verb_zh, verb_en = ("加", "adds") if total > 0 else ("减", "takes off")
    return f"{verb_zh} {abs(total):.1f} 分{parts_zh}", f"which {verb_en} {abs(total):.1f} points{parts_en}"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    """Return a number with as many digits as a reader can use."""
    if value == 0:
        return "0"
    if abs(value) < _LEAST_SHOWN:
        return f"<{_LEAST_SHOWN}"
    text = f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"
    return text.rstrip("0").rstrip(".")


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _plural(value: float, one: str, many: str) -> str:
    return f"{_count(value)} {one if round(value) == 1 else many}"


def _money(value: float, currency: str) -> tuple[str, str]:
    unit_zh = _CURRENCIES_ZH.get(currency, currency)
    if value >= 1e8:
        zh = f"{value / 1e8:,.2f} 亿{unit_zh}"
    elif value >= 1e4:
        zh = f"{value / 1e4:,.2f} 万{unit_zh}"
    else:
        zh = f"{value:,.0f} {unit_zh}"
    return zh.replace(".00 ", " "), f"{currency} {value:,.0f}"


def _amount_fact(name: str, value: float, currency: str) -> tuple[str, str]:
    zh, en = _money(value, currency)
    if name == "registered_capital":
        return f"登记的注册资本为 {zh}", f"The registered capital is {en}"
    if name == "unpaid_obligations":
        if value == 0:
            return "没有尚未缴清的税款、罚款或判决款", "No tax, penalty or judgment is outstanding"
        return f"尚有税款、罚款或判决款 {zh}未缴清", f"{en} of taxes, penalties or judgments are outstanding"
    if value == 0:
        return "近{look_back_days}没有罚没款", "No fine or forfeiture in the last {look_back_days}"
    return f"近{{look_back_days}}罚没款合计 {zh}", f"Fines and forfeitures of {en} in the last {{look_back_days}}"


def _licence(days: float) -> tuple[str, str]:
    if days >= _NO_LAPSE_DAYS:
        return "必需的许可长期有效", "The required licences do not lapse within ten years"
    if days < 0:
        return f"必需的许可已过期 {_count(-days)} 天", f"A required licence lapsed {_plural(-days, 'day', 'days')} ago"
    if days == 0:
        return "必需的许可当天到期", "A required licence lapses on the day"
    return (
        f"最早到期的必需许可还有 {_count(days)} 天",
        f"The first required licence lapses in {_plural(days, 'day', 'days')}",
    )


def _address(n: float) -> tuple[str, str]:
    if n <= 1:
        return "登记地址上没有其他在营主体", "No other active entity is registered at its address"
    return f"同一地址登记有 {_count(n)} 户在营主体", f"{_count(n)} active entities are registered at its address"


def _complaints(ratio: float) -> tuple[str, str]:
    if abs(ratio - 1) < 0.05:
        return "投诉举报与同行业同规模主体相当", "Complaints and reports are like its peers'"
    text = _number(ratio)
    return f"投诉举报约为同行业同规模主体的 {text} 倍", f"Complaints and reports are {text} times its peers'"


def _counted(zero: tuple[str, str], zh: str, en_one: str, en_many: str) -> Words:
    """Return words for a count that may be 0; `{n}` stands for it."""

    def say(n: float) -> tuple[str, str]:
        if n == 0:
            return zero
        return _put(zh, n=_count(n)), _put(en_one if round(n) == 1 else en_many, n=_count(n))

    return say


def _decayed(zero: tuple[str, str], zh: str, en: str) -> Words:
    """Return words for a count that fades with time; `{n}` stands for it."""

    def say(n: float) -> tuple[str, str]:
        return (_put(zh, n=_number(n)), _put(en, n=_number(n))) if n > 0 else zero

    return say


def _rate(zh: str, en: str) -> Words:
    return lambda share: (_put(zh, share=f"{share:.1%}"), _put(en, share=f"{share:.1%}"))


def _put(text: str, **values: str) -> str:
    """Put values in the place of their names in braces; names of parameters stay."""
    return said(text, {name: (value, value) for name, value in values.items()}, "en")


_MISSING: dict[str, tuple[str, str]] = {
    "registered_capital": ("登记中没有注册资本", "The register gives no capital"),
    "industry_category": ("行业不明", "The industry is not known"),
    "years_in_operation": ("成立日期不明", "The day of establishment is not known"),
    "address_sharing": ("没有登记地址", "No address is registered"),
    "licence_validity": ("没有必需许可的记录", "No required licence is known"),
    "annual_report_lapses": ("近{look_back_days}没有年报记录", "No annual report is known in {look_back_days}"),
    "failed_inspections": ("从未检查过", "It was never inspected"),
    "person_dishonesty": ("任职人员不明", "Nobody in office is known"),
    "person_linked_violations": ("任职人员不明", "Nobody in office is known"),
    "sampling_failures": ("从未抽检过", "Its products were never tested"),
}

_GRAVITY_WORDS: dict[str, Words] = {
    "industry_category": _rate(
        "所属行业近{industry_look_back_days}检查结果的平均严重度为最严重结果的 {share}",
        "What inspections found in its industry in the last {industry_look_back_days} comes to {share} of the gravest "
        "result",
    ),
    "failed_inspections": _rate(
        "检查结果的平均严重度为最严重结果的 {share}（近期权重大，参照本行业）",
        "What its inspections found comes to {share} of the gravest result, recent ones weighing more, held near its "
        "industry's",
    ),
    "person_linked_violations": _rate(
        "现任人员的其他主体检查结果的平均严重度为最严重结果的 {share}（近期权重大，参照本行业）",
        "What inspections found at other entities of the people in office comes to {share} of the gravest result, "
        "recent ones weighing more, held near its industry's",
    ),
}
_LINKED_RATE = _rate(
    "现任人员的其他主体检查不合格率为 {share}（近期权重大，参照本行业）",
    "Inspections of other entities of the people in office failed at a rate of {share}, recent ones weighing more, "
    "held near its industry's rate",
)

_WORDS: dict[str, Words] = {
    "industry_category": _rate(
        "所属行业近{industry_look_back_days}的检查不合格率约为 {share}",
        "About {share} of inspections in its industry failed in the last {industry_look_back_days}",
    ),
    "years_in_operation": lambda years: (
        f"已经营 {years:.1f} 年",
        f"It has been in operation for {years:.1f} years",
    ),
    "address_sharing": _address,
    "licence_validity": _licence,
    "annual_report_lapses": _counted(
        ("近{look_back_days}的年报均按期报送", "All annual reports of the last {look_back_days} came on time"),
        "近{look_back_days}有 {n} 个年度的年报逾期或未报",
        "The annual report of {n} year was late or missed in the last {look_back_days}",
        "The annual reports of {n} years were late or missed in the last {look_back_days}",
    ),
    "registration_changes": _counted(
        (
            "近{look_back_days}未变更地址、法定代表人、经营范围或名称",
            "No change of address, representative, scope or name in {look_back_days}",
        ),
        "近{look_back_days}变更地址、法定代表人、经营范围或名称 {n} 次",
        "{n} change of address, representative, scope or name in {look_back_days}",
        "{n} changes of address, representative, scope or name in {look_back_days}",
    ),
    "abnormal_listing": _counted(
        ("近{look_back_days}未列入经营异常名录", "Not on the list of abnormal operation in the last {look_back_days}"),
        "近{look_back_days}列入经营异常名录共 {n} 天",
        "On the list of abnormal operation for {n} day in the last {look_back_days}",
        "On the list of abnormal operation for {n} days in the last {look_back_days}",
    ),
    "serious_dishonesty": _decayed(
        ("近{look_back_days}没有严重违法失信记录", "No listing for serious dishonesty in {look_back_days}"),
        "严重违法失信记录按时间折算为 {n} 次",
        "Listings for serious dishonesty, faded with time, come to {n}",
    ),
    "penalties": _decayed(
        ("没有行政处罚记录", "No administrative penalty is on record"),
        "行政处罚按时间折算为 {n} 次",
        "Administrative penalties, faded with time, come to {n}",
    ),
    "failed_inspections": _rate(
        "检查不合格率为 {share}（近期权重大，参照本行业）",
        "Its inspections failed at a rate of {share}, recent ones weighing more, held near its industry's rate",
    ),
    "person_dishonesty": _counted(
        ("现任人员均不在失信名单上", "Nobody in office is on a list of dishonest persons"),
        "现任人员中有 {n} 人在失信名单上",
        "{n} person in office is on a list of dishonest persons",
        "{n} persons in office are on a list of dishonest persons",
    ),
    "person_linked_violations": _decayed(
        (
            "现任人员的其他主体没有违法记录",
            "Other entities of the people in office have no violation on record",
        ),
        "现任人员的其他主体违法记录按时间折算为 {n} 次",
        "Violations of other entities of the people in office, faded with time, come to {n}",
    ),
    "complaint_reports": _complaints,
    "sampling_failures": _rate(
        "抽样检验不合格率为 {share}（近期权重大，参照总体）",
        "Its samples failed at a rate of {share}, recent ones weighing more, held near the overall rate",
    ),
    "negative_mentions": _decayed(
        ("没有负面舆情", "No negative media mention"),
        "负面舆情按时间折算为 {n} 条",
        "Negative media mentions, faded with time, come to {n}",
    ),
}
