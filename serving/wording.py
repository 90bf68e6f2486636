"""The words of the site's pages, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("zh", "en")

_WORDS: dict[str, tuple[str, str]] = {
    "product": ("千分 · 主体风险分级", "Qianfen · risk grades"),
    "home": ("首页", "Home"),
    "search": ("查询", "Search"),
    "search_label": ("主体代码或名称", "Code or name of an entity"),
    "why_label": ("查询事由", "Reason for the look-up"),
    "found": ("查询结果", "Results"),
    "found_most": ("仅显示前 20 户，请输入更完整的名称。", "Only the first 20 are shown; enter more of the name."),
    "none_found": ("没有符合条件的在营主体。", "No active entity matches."),
    "newest_grading": ("现行分级", "Grades in force"),
    "graded_entities": ("已分级主体", "entities graded"),
    "share_of_grades": ("各等级主体数", "Entities by grade"),
    "grade": ("等级", "Grade"),
    "grade_of": ("{} 级", "Grade {}"),
    "entities": ("主体数", "Entities"),
    "share": ("占比", "Share"),
    "from_points_up": ("起始分", "From points"),
    "as_of": ("截至日期", "As of"),
    "as_of_short": ("截至 {}", "as of {}"),
    "show": ("查看", "Show"),
    "code": ("主体代码", "Code"),
    "name": ("名称", "Name"),
    "district": ("所属区域", "District"),
    "industry": ("行业", "Industry"),
    "status": ("登记状态", "Status"),
    "established": ("成立日期", "Established"),
    "not_known": ("无记录", "not known"),
    "neutral": ("无记录（按中性分计）", "not known (neutral points)"),
    "points": ("风险分", "Points"),
    "points_of_thousand": ("满分 1000 分，分数越高风险越高", "of 1000; more points, more risk"),
    "probability": ("违规概率", "Probability"),
    "probability_note": (
        "如在未来 {} 天内接受检查，查出违规的可能性",
        "that an inspection within {} days finds a violation",
    ),
    "expert_card": ("专家评分卡", "Experts' card alone"),
    "expert_note": ("仅按专家权重计分", "by the experts' weights only"),
    "card_held": ("；仅按其分数为 {} 级，受等级限制", "; by its points {}, held down by a veto"),
    "card_veto": ("评分卡的等级限制", "Veto of the card's grade"),
    "card_own_cut_points": (
        "专家评分卡按自己的分界分级",
        "Experts' card alone, graded by cut points of its own",
    ),
    "scale": ("千分标尺", "Thousand-point scale"),
    "why_grade": ("分数由来", "Where the points come from"),
    "why_grade_note": (
        "自平均主体的基础分起，逐项相加，得到本主体的风险分。各项按影响大小排列。",
        "From the points of the average entity, item by item, to this entity's points; the largest effects come first.",
    ),
    "indicator": ("指标", "Indicator"),
    "effect": ("影响", "Effect"),
    "expert": ("专家", "Experts"),
    "learned": ("历史", "History"),
    "total": ("合计", "Total"),
    "legend_expert": ("专家评分卡给出的部分", "what the experts' card says"),
    "legend_learned": ("历史记录修正的部分", "what history adds or takes away"),
    "boundary": ("等级分界", "boundary of two grades"),
    "base_points": ("基础分", "Base points"),
    "base_note": ("模型学习所见的平均主体", "the average entity that the model learned from"),
    "clipping": ("限幅", "Held within the scale"),
    "clipping_note": ("分数限定在 0 至 1000 之间", "points are held from 0 to 1000"),
    "veto": ("等级限制", "Veto"),
    "veto_after_sum": ("按分数；受等级限制后为 {} 级", "by points; after the veto, grade {}"),
    "what_changed": ("较前次分级的变动", "What changed since the grading before"),
    "since": ("前次分级截至 {}。", "The grading before is as of {}. "),
    "change_not_graded": (
        "截至该日没有按现行模型所作的分级，无从比较。",
        "Nobody is graded as of this date by this model, so there is nothing to compare.",
    ),
    "change_first": ("没有更早的分级可比。", "There is no earlier grading to compare with."),
    "change_entered": (
        "前次分级时尚无本主体，无从比较。",
        "This entity was not in the grading before, so there is nothing to compare.",
    ),
    "change_not_worked_out": (
        "当前版本的程序尚未计算此后的变动（程序升级后须重算一次）。请管理员运行：",
        "This version of the program has not worked out the movement since then; after an upgrade it is worked out "
        "anew. The administrator must run: ",
    ),
    "change_none": ("没有一项使分数有可见的变动。", "Nothing moved its points visibly."),
    "change_of_points": ("分数变动", "Change of points"),
    "then": ("前次", "Then"),
    "now": ("本次", "Now"),
    "what_would_change": ("什么会改变等级", "What would change the grade"),
    "values_then": ("届时数值", "Values then"),
    "taken_for_granted": (
        "前提：自截至日期起采取措施，许可到期前续办；期间没有新的不良记录，年报按期报送；他人的情况不变。过去的处罚不会消失，只随时间减轻；"
        "期间无人检查，检查结果一项的数值随时间趋向行业水平；仅凭数值无从推知的，按不变计。",
        "Taken for granted: acts are done on the as-of date and renewals as they fall due, no adverse record is added, "
        "reports come on time, and others stay as they are. Past penalties do not vanish, they age; nobody inspects it "
        "meanwhile, so that the value of its inspections drifts to that of its industry; what the values alone do not "
        "tell is taken to stay.",
    ),
    "internal_note": (
        "本页仅供监管内部参考，不是公共信用评价，不对外公布，不单独作为处罚或免检依据。查阅已记录。",
        "An internal reference for supervision. It is not a public credit evaluation, is not published, and by itself "
        "neither punishes nor exempts. This look-up is on record.",
    ),
    "versions": ("版本", "Versions"),
    "model": ("模型", "model"),
    "catalogue": ("指标目录", "catalogue"),
    "snapshot": ("快照", "snapshot"),
    "newer_champion": (
        "以下等级由模型 {} 评定；现役模型已换为 {}，单户页面按现役模型计分。请管理员重新分级。",
        "These grades are by model {}. The champion is another since, {}, and the page of an entity is scored by it. "
        "The administrator must grade again.",
    ),
    "unknown_entity_title": ("没有这户主体", "No such entity"),
    "unknown_entity": (
        "截至该日，没有代码为“{}”的在营主体。请核对代码，或按名称查询。",
        "No active entity with the code “{}” was known as of that day. Check the code, or search by name.",
    ),
    "no_date_title": ("没有该日的数据", "Nothing as of that day"),
    "not_ready_title": ("尚未分级", "Nothing is graded yet"),
    "not_ready": (
        "本地主体尚未分级，请管理员先运行训练与分级。",
        "The entities of this city are not graded yet. The administrator must train and grade first.",
    ),
    "unreachable_title": ("暂时无法查询", "Nothing can be looked up now"),
    "unreachable": (
        "业务数据库没有应答，主体的数据并未改变。请稍后再试，或告知管理员。",
        "The operational database does not answer; no entity's data have changed. Try again later, or tell the "
        "administrator.",
    ),
    "error_title": ("无法显示", "This cannot be shown"),
    "api": ("接口文档", "API"),
    "active": ("在营", "active"),
    "suspended": ("停业", "suspended"),
    "revoked": ("吊销", "revoked"),
    "deregistered": ("注销", "deregistered"),
    "enterprise": ("企业", "enterprise"),
    "self_employed": ("个体工商户", "self-employed trader"),
    "cooperative": ("合作社", "cooperative"),
    "branch": ("分支机构", "branch"),
    "other": ("其他", "other"),
}


def words(language: str) -> dict[str, str]:
    """Return the words of the site's pages in one language."""
    return translated(_WORDS, language)


def translated(words: Mapping[str, tuple[str, str]], language: str) -> dict[str, str]:
    """Return words in one language."""
    return {key: pair[LANGUAGES.index(language)] for key, pair in words.items()}


def other_language(language: str) -> str:
    """Return the language that a page leads to."""
    return LANGUAGES[1 - LANGUAGES.index(language)]
