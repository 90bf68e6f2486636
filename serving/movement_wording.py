"""The words of a movement, in Chinese and in English."""

from __future__ import annotations

from typing import Any

from serving.names import indicator_name
from serving.wording import LANGUAGES

_WORDS: dict[str, tuple[str, str]] = {
    "head": ("{city}：{before} 至 {after} 的变动", "{city}: movement from {before} to {after}"),
    "n": (
        "  两次均有 {stayed:,} 户，新增 {entered:,} 户，退出 {left:,} 户",
        "  {stayed:,} entities in both, {entered:,} entered, {left:,} left",
    ),
    "same_model": (
        "  模型未变（{model}）：变动来自记录与时间",
        "  The model is the same ({model}): records and time moved the points",
    ),
    "separated": (
        "  模型由 {old} 换为 {model}；“模型更换”一行是换模型本身的影响，其余各行来自记录与时间",
        "  The model changed from {old} to {model}. The line `the model` is what that alone did; the other lines are "
        "records and time",
    ),
    "mixed": (
        "  模型由 {old} 换为 {model}，无法与记录的影响分开（{why}）：各行兼含两者",
        "  The model changed from {old} to {model}, which cannot be told apart from the records ({why}): the lines "
        "hold both",
    ),
    "no_champion": ("现行模型无法读取", "the champion cannot be loaded"),
    "not_champion": ("后一模型已不是现行模型", "the later model is no longer the champion"),
    "no_snapshot": ("前次的指标快照已不在", "the earlier snapshot is gone"),
    "other_indicators": ("两次的指标目录不同", "the earlier snapshot is of other indicators"),
    "entered_by_grade": ("  新增：{counts}", "  entered: {counts}"),
    "left_by_grade": ("  退出（按原等级）：{counts}", "  left, by the grade they had: {counts}"),
    "matrix": ("等级变动（行为变动前，列为变动后）", "Grades before (down) and after (across)"),
    "worse": ("等级变差 {n:,} 户{by}", "Grade got worse: {n:,}{by}"),
    "better": ("等级变好 {n:,} 户{by}", "Grade got better: {n:,}{by}"),
    "by_all": ("，平均 {total} 分：{points}", ", by {total} points on average: {points}"),
    "by_points": (
        "  因分数 {n:,} 户，平均 {total} 分：{points}",
        "  by their points: {n:,}, by {total} points on average: {points}",
    ),
    "by_veto": (
        "  仅因等级限制 {n:,} 户，其分数平均 {total} 分：{vetoes}",
        "  by a veto alone: {n:,}, by {total} points on average: {vetoes}",
    ),
    "by_cut_points": (
        "  仅因等级分界调整 {n:,} 户，其分数平均 {total} 分",
        "  by new cut points alone: {n:,}, by {total} points on average",
    ),
    "by_several": (
        "  分数、等级限制、等级分界中不止一项所致 {n:,} 户，平均 {total} 分：{points}",
        "  by more than one of points, veto and cut points: {n:,}, by {total} points on average: {points}",
    ),
    "by_untold": (
        "  分级由旧版本作出，分数、等级限制与分界的影响无法单列（重新分级后即可）：{n:,} 户，平均 {total} 分：{points}",
        "  by points, vetoes or cut points, which an earlier version's gradings do not tell apart until the dates are "
        "graded again: {n:,}, by {total} points on average: {points}",
    ),
    "worsened": ("分数上升最多的主体", "Entities whose points rose most"),
    "worsened_none": ("没有主体分数上升", "No entity's points rose"),
    "entity": ("{who}  {points} 分，{grades} 级", "{who}  {points} points, grade {grades}"),
    "entered": ("{who}  新增：{points:.1f} 分，{grade} 级", "{who}  entered with {points:.1f} points, grade {grade}"),
    "left": ("{who}  退出：原为 {points:.1f} 分，{grade} 级", "{who}  left; it had {points:.1f} points, grade {grade}"),
    "veto_both": ("等级两次都受限制：{after}", "A veto holds the grade both times: {after}"),
    "veto_each": (
        "等级两次都受限制：前次：{before}；本次：{after}",
        "A veto holds the grade both times: before, {before}; now, {after}",
    ),
    "veto_before": (
        "前次等级因此受限制：{before}；本次等级即按分数所得",
        "A veto held the grade before: {before}. The grade now is that of the points",
    ),
    "veto_after": (
        "本次等级因此受限制：{after}；前次等级即按分数所得",
        "A veto holds the grade now: {after}. The grade before was that of the points",
    ),
    "cut_points": (
        "等级分界已调整：前次的分数按当时分界为 {then} 级，按现行分界为 {now} 级",
        "The cut points are new: the points before were grade {then} by those of then, and are {now} by those of now",
    ),
    "held": ("{reason} {n:,} 户", "{n:,} because {reason}"),
    "from_to": ("{old} → {new}", "{old} -> {new}"),
    "as_before": ("{fact}，与前次相同（受其他指标影响）", "{fact}, as before; other indicators bear on it"),
    "as_before_mixed": (
        "{fact}，与前次相同（受其他指标或模型影响）",
        "{fact}, as before; other indicators or the model bear on it",
    ),
    "nearly_as_before": ("{fact}，与前次相差甚微", "{fact}, nearly as before"),
    "now": ("{new}；前次：{old}", "{new}; before: {old}"),
    "said": ("{name}：{fact}", "{name}: {fact}"),
    "between": ("、", ", "),
    "parts": ("（专家 {expert}，历史 {learned}）", " (experts {expert}, history {learned})"),
    "others": ("其余各项", "all other lines"),
    "model": ("模型更换", "the model"),
    "base_points": ("基础分", "base points"),
    "clipping": ("限定在 0 至 1000 之间", "held within 0 to 1000"),
    "rounding": ("取整", "rounding"),
    "total": ("合计", "change of points"),
}


def say(language: str, key: str, **values: Any) -> str:
    """Return a sentence in a language, its places filled."""
    return _WORDS[key][LANGUAGES.index(language)].format(**values)


def name_of(subject: str, language: str) -> str:
    """Return the name of an indicator, or of another line of a movement."""
    if subject in _WORDS:
        return say(language, subject)
    return indicator_name(subject, language)
