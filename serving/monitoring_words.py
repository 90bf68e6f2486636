"""The words of the report of monitoring, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.names import indicator_name, sentence_case
from serving.wording import LANGUAGES

_PERCENT = ("precision_at_capacity", "violation_rate")

_WORDS: dict[str, tuple[str, str]] = {
    "product": ("千分 · 模型监测", "Qianfen · monitoring"),
    "state": ("监测结论", "State"),
    "quiet": ("正常", "Quiet"),
    "notice": ("提示", "Notice"),
    "alarm": ("警报", "Alarm"),
    "as_of": ("截至 {}", "as of {}"),
    "no_findings": ("没有需要查看的变化。", "Nothing to look at."),
    "findings": ("需要查看", "What to look at"),
    "compared": (
        "{} 的分级（{} 户），与 {} 的基准主体（{} 户）比较。",
        "The grading as of {} ({} entities) against the reference population as of {} ({} entities).",
    ),
    "auc_now": ("预期 AUC", "Expected AUC"),
    "auc_test": ("训练时测试 {}", "{} on the test at training"),
    "psi_points": ("分数 PSI", "PSI of the points"),
    "psi_hint": ("提示 {}，警报 {}", "notice {}, alarm {}"),
    "apart": ("与基准可辨度", "Told from the reference"),
    "apart_hint": ("AUC，0.5 为无法分辨", "AUC; 0.5 means not at all"),
    "came_true": ("检查结果", "What came true"),
    "came_true_note": (
        "截至 {} 的分级，此后 {} 天内受检的 {} 户。横线为违规率的 95% 区间（Wilson）。标签少于 {} 个的等级不判断。",
        "Of the grading as of {}: within {} days {} entities were inspected. The line is the 95% interval of the "
        "violation rate (Wilson). A grade with fewer than {} labels is not judged.",
    ),
    "made_by": ("此分级由旧模型 {} 作出。", "Model {} made this grading, not the champion."),
    "against_its_test": (
        "实际 AUC 与该模型自己的测试 AUC {} 比较。",
        "The AUC is held against {}, which that model had on its own test.",
    ),
    "without_its_test": (
        "该模型的测试当时尚未知悉，或属另一种标签，故不判断 AUC 是否下降。",
        "That model has no test of this label that was known by the day, so a fall of the AUC is not judged.",
    ),
    "model": ("模型", "Model"),
    "waiting": (
        "尚无预期期已满的分级：{} 的分级，其结果要到 {} 才知悉。",
        "No grading has its whole window behind it yet: what comes of the one as of {} is known on {}.",
    ),
    "no_outcomes_old": (
        "较早的分级若早于其模型所学的标签，或记录尚未覆盖其预期期，也不作比较。",
        "Earlier gradings are not compared where their model learned from labels of that time, or the records do not "
        "reach to the end of their window.",
    ),
    "order_holds": ("违规率随等级上升。", "The violation rates rise with the grade."),
    "order_broken": ("违规率没有随等级上升，见上。", "The violation rates do not rise with the grade; see above."),
    "order_unknown": ("标签不足，无法判断次序。", "There are too few labels to judge the order."),
    "grade": ("等级", "Grade"),
    "inspected": ("受检", "Inspected"),
    "violations": ("违规", "Violations"),
    "rate": ("违规率", "Violation rate"),
    "estimate": ("预期与实际", "Expected and come true"),
    "estimate_note": (
        "预期由校准后的概率得出（CBPE）：概率为 p 的主体，按 p 户违规、1-p 户未违规计。"
        "概率若准确，95% 的实际结果落在区间内。",
        "What is expected follows from the calibrated probabilities (CBPE): an entity with probability p counts as p "
        "violations and 1 - p without. Its interval holds 95% of what comes true, where the probabilities are right.",
    ),
    "among_inspected": ("按各主体的受检概率计。", "Entities count by their chance of being inspected."),
    "among_everybody": (
        "受检概率无从得知，故按全体主体计，与受检者不尽可比。",
        "The chances of being inspected cannot be told, so everybody counts; the inspected may differ.",
    ),
    "figure_name": ("表现", "Figure"),
    "true": ("实际", "Came true"),
    "auc_then": ("预期 AUC", "AUC expected"),
    "auc_true": ("实际 AUC", "AUC come true"),
    "roc_auc": ("AUC", "AUC"),
    "brier_score": ("Brier 分", "Brier score"),
    "precision_at_capacity": ("检查能力内命中率", "Precision at capacity"),
    "violation_rate": ("违规率", "Violation rate"),
    "expected_now": ("本次预期", "Expected now"),
    "expected_before": ("当时预期", "Expected then"),
    "of_these": ("受检者的预期", "For those inspected"),
    "error": ("预期误差", "Error"),
    "capacity_note": ("检查能力按 {}% 计。", "Capacity is {}% of the entities."),
    "earlier": ("更早的分级", "Earlier gradings"),
    "date": ("截至日期", "As of"),
    "moved": ("指标的移动", "How the indicators have moved"),
    "moved_note": (
        "PSI 比较基准主体与本次分级的取值分布；虚线为警报限。分数与等级均由现役模型计算。",
        "PSI between the values of the reference population and of the newest grading; the dashed line is the alarm. "
        "Points and grades are the champion's on both sides.",
    ),
    "indicator_name": ("指标", "Indicator"),
    "psi": ("PSI", "PSI"),
    "limit_beyond": ("警报限 {:g}", "limit {:g}"),
    "missing_then": ("基准缺值", "Missing then"),
    "missing_now": ("本次缺值", "Missing now"),
    "without_value": (
        "另有 {} 项指标在两边都没有值。",
        "{} other indicators have no value on either side.",
    ),
    "shares": ("等级占比", "Shares of the grades"),
    "then": ("基准", "Then"),
    "now": ("本次", "Now"),
    "told_apart": ("本次与当时能否分辨", "Can today be told from then?"),
    "told_apart_note": (
        "用小型树模型分辨两组主体的行，同一主体只在交叉验证的一侧。0.5 为无法分辨。"
        "表中为各指标在树中增益的占比，及单凭该指标的 AUC。与训练行的比较还含“谁受检”之别，不设限。",
        "Small trees try to tell the rows apart; an entity is on one side of the cross-validation only. 0.5 means that "
        "they cannot. The tables have each indicator's share of what the trees gain, and the AUC by it alone. The rows "
        "learned from differ by who was inspected, too, so that comparison has no limit.",
    ),
    "against_reference": ("与基准主体比", "Against the reference population"),
    "against_training": ("与训练行比", "Against the rows learned from"),
    "at_most": ("不高于", "at most"),
    "at_least": ("不低于", "at least"),
    "too_few": ("主体太少，无法比较。", "Too few entities to compare."),
    "share": ("占比", "Share"),
    "alone": ("单独", "Alone"),
    "versions": ("版本", "Versions"),
    "champion": ("现役模型", "champion"),
    "snapshot": ("快照", "snapshot"),
    "records": ("记录", "records"),
    "internal_note": (
        "本页仅供监管内部参考，是对模型的监测，不涉及任何一户主体。",
        "An internal page: it watches the model, and says nothing of any single entity.",
    ),
}

_FINDINGS: dict[str, tuple[str, str]] = {
    "points_moved": (
        "分数分布移动：PSI {measured}，限 {limit}。",
        "The points have moved: PSI {measured}, limit {limit}.",
    ),
    "indicator_moved": (
        "“{subject}”移动：PSI {measured}，限 {limit}。",
        "{subject} has moved: PSI {measured}, limit {limit}.",
    ),
    "grade_order": (
        "{lower} 级的违规率高于 {higher} 级，相差 {gap}。",
        "Grade {lower} violates more than grade {higher}, by {gap}.",
    ),
    "expected_auc": (
        "截至 {subject} 的分级，预期 AUC {measured}，低于 {limit}。",
        "The AUC to be expected of the grading as of {subject} is {measured}, below {limit}.",
    ),
    "came_true_auc": (
        "截至 {subject} 的分级，实际 AUC {measured}，低于 {limit}。",
        "The AUC that came true of the grading as of {subject} is {measured}, below {limit}.",
    ),
    "missed": (
        "{subject}：实际 {measured}，而按概率应{bound} {limit}。概率可能不再准确，应重新校准或训练。",
        "{subject} came true at {measured}, by the probabilities it should be {bound} {limit}: they may no longer "
        "hold. Calibrate or train again.",
    ),
    "told_apart": (
        "本次主体可与基准分辨：AUC 区间下限 {measured}，限 {limit}；首要是“{subject}”。",
        "Today is told from the reference: the AUC is at least {measured}, limit {limit}; first by {subject}.",
    ),
}
_WITHIN_CHANCE = ("可能出于偶然。", "It may be chance.")
_ACCEPTED = ("已由 {} 确认。", "Accepted by {}.")


class MonitoringWords:
    """The words in one language, by key; figures and findings as they are shown."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._place = LANGUAGES.index(language)

    def __getitem__(self, key: str) -> str:
        return _WORDS[key][self._place]

    def indicator(self, name: str) -> str:
        """Return the name of an indicator."""
        return indicator_name(name, self.language)

    def title_of(self, name: str) -> str:
        """Return the name of an indicator as it stands by itself."""
        return sentence_case(self.indicator(name))

    def figure(self, name: str, value: float | None, digits: int = 3) -> str:
        """Return a figure: a share as a percentage, others with three digits; a dash where there is none."""
        if value is None:
            return "—"
        return f"{value:.1%}" if name in _PERCENT else f"{value:.{digits}f}"

    def signed(self, name: str, value: float) -> str:
        """Return a difference of two figures."""
        unit = " 个百分点" if self.language == "zh" else " pp"
        said = f"{100 * value:+.1f}{unit}" if name in _PERCENT else f"{value:+.3f}"
        return said.replace("-", "−")

    def interval(self, name: str, figure: Mapping[str, Any]) -> str:
        """Return a figure with its interval."""
        value = self.figure(name, figure["value"])
        return value if figure["low"] is None else f"{value} ({self.span(name, figure)})"

    def span(self, name: str, figure: Mapping[str, Any]) -> str:
        """Return an interval; nothing where there is none."""
        if figure["low"] is None:
            return ""
        joined = "–" if self.language == "en" else " 至 "
        return f"{self.figure(name, figure['low'])}{joined}{self.figure(name, figure['high'])}"

    def finding(self, finding: Mapping[str, Any]) -> str:
        """Return a finding as a sentence."""
        kind, subject = finding["kind"], finding["subject"]
        shown = {"subject": subject, "lower": "", "higher": "", "gap": ""}
        if kind == "grade_order":
            shown["lower"], shown["higher"] = subject.split()
            shown["gap"] = f"{abs(finding['measured']):.1%}"
        elif kind == "missed":
            shown["subject"] = self[subject]
        else:
            shown["subject"] = self.indicator(subject)
        name = subject if kind == "missed" else "roc_auc"
        shown |= {key: self.figure(name, finding[key]) for key in ("measured", "limit")}
        if kind == "missed":
            shown["bound"] = self["at_most" if finding["measured"] > finding["limit"] else "at_least"]
        said = [sentence_case(_FINDINGS[kind][self._place].format(**shown))]
        if kind == "grade_order" and finding["level"] == "notice":
            said.append(_WITHIN_CHANCE[self._place])
        if finding["accepted_by"]:
            said.append(_ACCEPTED[self._place].format(finding["accepted_by"]))
        return ("" if self.language == "zh" else " ").join(said)

    def made_by(self, content: Mapping[str, Any], outcome: Mapping[str, Any]) -> str:
        """Return which model made a grading where it was not the champion; nothing where it was."""
        if outcome["model_version"] == content["champion"]["model_version"]:
            return ""
        before = outcome["test_roc_auc"]
        measure = self["without_its_test" if before is None else "against_its_test"]
        said = [self["made_by"].format(outcome["model_version"]), measure.format(self.figure("roc_auc", before))]
        return ("" if self.language == "zh" else " ").join(said)

    def no_outcomes(self, content: Mapping[str, Any]) -> str:
        """Return when the labels of the newest grading are known."""
        expected = content["expected"]
        return self["waiting"].format(expected["as_of_date"], expected["labels_known_on"])
