"""The words of the audit's page, in Chinese and in English."""

from __future__ import annotations

from data.codes import industry_name, region_name
from serving.wording import LANGUAGES, translated
from training.audit import OTHERS, UNKNOWN
from training.audit_selection import VIOLATING_NOT_VISITED, VISITED_NOT_VIOLATING

WORDS: dict[str, tuple[str, str]] = {
    "product": ("千分 · 模型审计", "Qianfen · audit of the model"),
    "everybody": ("在营主体", "Active entities"),
    "inspected_n": ("其中受检", "Of them inspected"),
    "test_rows": ("有标签的行", "Labelled rows"),
    "violations": ("其中违规", "Of them with a violation"),
    "findings": ("要点", "What stands out"),
    "period": (
        "检验期：{test}。标签只来自检查；未受检的主体没有标签，既不算违规，也不算合规。",
        "Period: {test}. Only inspections make labels; whoever was not inspected has none, and counts neither as a "
        "violation nor as none.",
    ),
    "more_found": (
        "{kind}“{group}”：实际违规是模型预测的 {value} 倍（{low} 至 {high}），风险被低估。",
        "{kind}, {group}: violations are {value} times what the model expects ({low} to {high}), their risk is rated "
        "too low.",
    ),
    "less_found": (
        "{kind}“{group}”：实际违规只有模型预测的 {value} 倍（{low} 至 {high}），风险被高估。",
        "{kind}, {group}: violations are only {value} times what the model expects ({low} to {high}), their risk is "
        "rated too high.",
    ),
    "all_found": (
        "全体：实际违规是模型预测的 {value} 倍（{low} 至 {high}）。",
        "All together: violations are {value} times what the model expects ({low} to {high}).",
    ),
    "found_by": (
        "{kind}“{group}”：指标相同，查出的违规是模型预测的 {value} 倍（{low} 至 {high}）。",
        "{kind}, {group}: finds {value} times the violations that the model expects ({low} to {high}).",
    ),
    "more_false": (
        "{kind}“{group}”：未违规者有 {value} 被排进前 {percent}%，全体为 {all}。",
        "{kind}, {group}: of those without a violation {value} stand in the top {percent}%, of all {all}.",
    ),
    "small_named": ("（标签少）", " (few labels)"),
    "adds_much": (
        "知道{kind}，AUC 就从 {auc} 升到 {with_group}（差 {low} 至 {high}）：结果有一部分取决于它，而模型看不到它。",
        "Knowing the {kind} lifts the AUC from {auc} to {with_group} (by {low} to {high}): part of a finding hangs on "
        "it, and the model does not see it.",
    ),
    "adds_little": (
        "知道{kind}，AUC 由 {auc} 变为 {with_group}（差 {low} 至 {high}）：分不出差别。",
        "Knowing the {kind}, the AUC goes from {auc} to {with_group} (by {low} to {high}): no difference can be told.",
    ),
    "adds_nothing": (
        "知道{kind}，AUC 由 {auc} 降到 {with_group}（差 {low} 至 {high}）：以前学到的各组差别没有延续。",
        "Knowing the {kind}, the AUC falls from {auc} to {with_group} (by {low} to {high}): differences between groups "
        "that were learned before did not last.",
    ),
    "visited_named": ("招来检查、却不预示违规：{}。", "Draws inspections and not violations: {}."),
    "violating_named": ("预示违规、却不招来检查：{}。", "Goes with violations and draws no inspections: {}."),
    "nobody_named": (
        "没有一项指标招来检查却不预示违规（就现有区间而言）。",
        "No indicator draws inspections and not violations, as far as the intervals tell.",
    ),
    "nothing": ("没有一组的校准或误报明显偏离。", "No group's calibration or false alarms stand apart."),
    "by": ("按{}", "By {}"),
    "not_said": ("该市的记录没有这一项。", "The city's records do not say it."),
    "who_title": ("抽中了谁", "Whom it draws"),
    "right_title": ("对各组准不准", "How right it is about each"),
    "group": ("组", "Group"),
    "all": ("全体", "All"),
    "n": ("主体数", "Entities"),
    "n_labelled": ("有标签", "Labelled"),
    "inspected": ("受检比例", "Inspected"),
    "drawn": ("排在前 {}%", "In the top {}%"),
    "precision": ("前 {}% 命中率", "Precision, top {}%"),
    "false_alarms": ("前 {}% 的误报率", "False alarms, top {}%"),
    "observed": ("实际违规率", "Violation rate"),
    "predicted": ("平均预测概率", "Mean probability"),
    "calibration": ("实际 / 预测", "Rate / probability"),
    "roc_auc": ("AUC", "AUC"),
    "is_small": ("标签少：{} 违规", "few labels: {} violations"),
    "with_violations": ("{} 违规", "{} violations"),
    "others": ("其余 {} 个", "{} others"),
    "unknown": ("无记录", "not known"),
    "adds_sentence": (
        "同样的概率下，各组结果是否不同？在更早的行上学会各组的差别，再排本期 {n} 行：",
        "At equal probability, do groups differ? Learned from earlier rows, applied to the {n} rows of this period:",
    ),
    "equal_title": ("同等概率下的违规率", "Violation rate at equal probability"),
    "bands": ("低概率三分之一|中间三分之一|高概率三分之一", "lowest third|middle third|highest third"),
    "expects": ("模型预测 {}；{} 行", "model {}; {} rows"),
    "selection": ("什么招来检查，却不预示违规", "What predicts being inspected and not violating"),
    "selection_note": (
        "两个逻辑回归，同样的列：{n} 户在营主体中谁受检（{n_inspected} 户），受检者中谁违规（{n_violations} 户）。"
        "数字是指标（按名次）高一个标准差时对数几率的变化，其他各项不变。",
        "Two logistic regressions on the same columns: who of {n} active entities was inspected ({n_inspected}), and "
        "who of these violated ({n_violations}). Numbers are the change in log-odds with one standard deviation more "
        "of the indicator's rank, all others held.",
    ),
    "no_selection": (
        "在营主体都受了检，或者都没有：无从比较。",
        "Everybody active was inspected, or nobody: there is nothing to compare.",
    ),
    "indicator": ("指标", "Indicator"),
    "effect_inspected": ("对受检", "On being inspected"),
    "effect_violating": ("对违规", "On violating"),
    "effect_difference": ("差", "Difference"),
    "verdict": ("结论", "Verdict"),
    VISITED_NOT_VIOLATING: ("招来检查，不预示违规", "visited, not violating"),
    VIOLATING_NOT_VISITED: ("预示违规，不招来检查", "violating, not visited"),
    "": ("", ""),
    "missing": ("{}（无记录）", "{} (not known)"),
    "how": ("怎样读", "How to read this"),
    "how_drawn": (
        "“排在前 10%”：按概率从高到低排全体在营主体，最靠前的 10%，不分组。误报率：有标签而未违规者中排进去的比例。",
        "In the top 10%: all active entities by falling probability, all groups together, the first 10%. False alarms: "
        "the share of those labelled without a violation that stand there.",
    ),
    "how_interval": (
        "括号里是 {level} 区间，按主体整户重抽 {draws} 次。▲ ▼：与全体之差的整个区间在零的一侧。"
        "比较很多，二十个里会有一个碰巧如此。",
        "In brackets is the {level} interval over {draws} draws of whole entities. ▲ ▼: the difference to all lies "
        "with its whole interval on one side of zero. There are many comparisons; one in twenty does so by chance.",
    ),
    "how_groups": (
        "各组按每一行的截至日期当时所知划分。只有检查后才知道的组（谁来检查）只用于审计，从不进入指标。",
        "Groups are those known before each row's date. What only an inspection tells (who inspected) serves the audit "
        "alone, and is never an indicator.",
    ),
    "how_small": (
        "违规或未违规少于 {} 行的组标明“标签少”：数字照列，不足以下结论。",
        "A group with fewer than {} rows with a violation, or without, is marked as of few labels: shown, and too few "
        "to judge by.",
    ),
    "versions": ("模型 {model}，记录 {records}，审计 {audit}", "Model {model}, records {records}, audit {audit}"),
}  # fmt: skip

_KINDS = {
    "district": ("区域", "district"), "industry": ("行业门类", "industry"), "size": ("规模", "size"),
    "age": ("存续年限", "age"), "grade": ("等级", "grade"), "probability": ("概率十分位", "tenth of the probability"),
}  # fmt: skip
_SIZES = {"micro": "微型", "small": "小型", "medium": "中型", "large": "大型"}
_AGES = {
    "under 2 years": "不满 2 年", "2 to 5 years": "2 至 5 年", "5 to 10 years": "5 至 10 年",
    "10 years and more": "10 年及以上",
}  # fmt: skip


def words_of(language: str) -> dict[str, str]:
    """Return the words of one language."""
    return translated(WORDS, language)


def kind_name(name: str, name_zh: str, language: str) -> str:
    """Return the name of a kind of groups; one that a city declares brings its own."""
    if name in _KINDS:
        return _KINDS[name][LANGUAGES.index(language)]
    return name_zh if language == "zh" else name.replace("_", " ")


def group_name(kind: str, group: str, n_others: int, language: str) -> str:
    """Return the name of a group in words: of industries and regions that of their code."""
    words = words_of(language)
    if group == "all":
        return words["all"]
    if group == OTHERS:
        return words["others"].format(n_others)
    if group == UNKNOWN:
        return words["unknown"]
    if kind == "industry":
        return industry_name(group, language)
    if kind == "district":
        return region_name(group)
    if kind == "probability":
        return f"{int(group)}/10"
    return {**_SIZES, **_AGES}.get(group, group) if language == "zh" else group
