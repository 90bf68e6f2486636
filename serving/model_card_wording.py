"""The words of the model card, in Chinese and in English; its texts of purpose and limits are the only ones typed."""

from __future__ import annotations

PURPOSE: dict[str, tuple[str, ...]] = {
    "zh": (
        "供监管部门内部排序和提示：在有限的人手下，先看谁。分数说明：如在标签窗口内接受检查，查出违规的可能性有多大，以及为什么。",
        "它是监管的内部参考，不是公开的信用评价：不单独作为处罚依据，不对外公布；A 级不免除检查。",
        "派出检查、认定违规、作出处理的，始终是具名的人。每次查询记录查询人和事由。",
        "不应用于：处罚、许可、融资、招聘的决定；检查以外的用途；没有训练和审计过的城市、时期或人群。",
    ),
    "en": (
        "It ranks and prompts within a regulator: whom to look at first with few hands. The points say how likely an "
        "inspection within the label window is to find a violation, and why.",
        "It is an internal reference for supervision, not a public credit evaluation: it never punishes by itself, is "
        "not published, and grade A never exempts from inspection.",
        "Persons, by name, send inspectors, find violations and dispose of them. Every look-up is logged with who and "
        "why.",
        "Not for: decisions on penalties, licences, credit or jobs; anything but supervision; a city, a time or people "
        "that it was not trained and audited on.",
    ),
}

LIMITS: dict[str, tuple[str, ...]] = {
    "zh": (
        "标签来自检查。没人查过的主体没有标签，模型对他们只能推断；检查去哪里，模型就学到哪里。",
        "模型学的是“检查查出违规”，不是违规本身：检查员宽严不同、检查种类不同，标签就不同。",
        "分数不说明原因。某项指标加分，是说它和违规一起出现，不是说它造成违规。",
        "条件变了（法规、检查方式、登记制度），分数会偏。上线后要监测，要重训。",
        "区间只反映查了哪些主体的偶然，不反映训练本身和将来的变化。",
    ),
    "en": (
        "Labels come from inspections. Whoever was never inspected has none, and the model can only infer; it learns "
        "where inspectors went.",
        "It learns that an inspection found a violation, not the violation itself: strict and mild inspectors, and "
        "other kinds of inspection, make other labels.",
        "Points are no causes. An indicator that adds points goes along with violations; it does not bring them about.",
        "When rules, inspections or registers change, the points drift: watch them after promotion, and train anew.",
        "Intervals tell how far a figure hangs on who was inspected, not on the training, nor on what will change.",
    ),
}

COLUMNS_ZH = {"failed": "是否不合格", "severity": "最严重程度", "outcome": "结果"}
VALUES_ZH = {
    "true": "是", "minor": "轻微", "significant": "较重", "crucial": "严重", "conditional": "有条件通过",
    "fail": "不合格",
}  # fmt: skip

WORDS: dict[str, tuple[str, str]] = {
    "product": ("千分 · 模型卡", "Qianfen · model card"),
    "model": ("模型", "The model"),
    "version": ("版本", "Version"),
    "role": ("身份", "Role"),
    "champion": ("现役模型", "champion"),
    "challenger": ("挑战模型", "challenger"),
    "kind": ("种类", "Kind"),
    "lightgbm_offset": (
        "以专家评分卡为起点的 LightGBM，单调约束，分数可逐项相加",
        "LightGBM on the experts' card, monotone, additive in points",
    ),
    "lightgbm": ("LightGBM，单调约束", "LightGBM, monotone"),
    "expert_card": ("专家评分卡", "Expert card"),
    "approved_short": ("批准", "Approved"),
    "not_approved": ("尚无人批准。", "Nobody has approved it."),
    "by_at": ("{who}，{at} UTC（台账第 {sequence} 条）", "{who}, {at} UTC (ledger entry {sequence})"),
    "scale": ("标尺", "Scale"),
    "scale_said": (
        "风险翻一倍加 {pdo} 分（偏移 {offset}，系数 {factor}）",
        "{pdo} points double the odds (offset {offset}, factor {factor})",
    ),
    "purpose": ("用途", "Purpose"),
    "data": ("数据", "Data"),
    "data_said": (
        "记录 {records}，共 {n} 行进入标准表。文件：{files}。",
        "Records {records}, {n} rows in canonical tables. Files: {files}.",
    ),
    "taken_on": ("取自 {}。", "Taken on {}."),
    "table": ("表", "Table"),
    "rows": ("行数", "Rows"),
    "quarantined": ("隔离", "In quarantine"),
    "first": ("最早", "First"),
    "last": ("最晚", "Last"),
    "empty": (
        "该市没有来源、人人缺值的指标（按中性分计）：{}。",
        "Indicators that nobody has a value of, for want of a source (neutral points): {}.",
    ),
    "notes": ("映射时的认定", "What was taken for granted"),
    "labels": ("标签及其偏差", "Labels and their bias"),
    "label": ("违规的定义", "A violation is"),
    "label_said": (
        "窗口内有检查，其{column}为{values}",
        "an inspection within the window whose {column} is {values}",
    ),
    "label_of_each": ("检查的{column}为{values}", "an inspection whose {column} is {values}"),
    "window": ("标签窗口", "Label window"),
    "days": ("{} 天", "{} day(s)"),
    "delay": ("结果按多少天后已知计", "Results count as known after"),
    "short_window": (
        "校准用 {} 天的短窗口；与完整窗口之差在训练行上量出，并已改正。",
        "The calibration uses windows of {} days; what a shorter window misses is measured on the trees' rows and put "
        "right.",
    ),
    "inspected_said": (
        "检验期在营主体 {n} 户，受检 {n_inspected} 户（{share}）；其余没有标签。",
        "Of {n} entities active in the test period {n_inspected} were inspected ({share}); the rest have no label.",
    ),
    "no_weights": (
        "训练时未按受检机会加权：模型对受检者那样的主体最准。",
        "Training did not weigh rows by the chance of being inspected: it is most right about entities like those "
        "that were.",
    ),
    "weights": (
        "训练时按受检机会的倒数加权，权重不超过 {clip}；有效样本 {effective}（共 {n} 行）。",
        "Training weighs rows by the inverse of their chance of being inspected, at most {clip}; the effective sample "
        "is {effective} of {n} rows.",
    ),
    "stage": ("阶段", "Stage"),
    "trees": ("训练", "trees"),
    "calibration_stage": ("校准", "calibration"),
    "test": ("检验", "test"),
    "dates": ("日期", "Dates"),
    "n_rows": ("行数", "Rows"),
    "n_positive": ("违规", "Violations"),
    "metrics": ("模型表现", "Metrics"),
    "metrics_said": (
        "检验期 {n} 行，{entities} 户，{positive} 行违规；{level} 区间按主体整户重抽 {draws} 次。",
        "On {n} rows of the test, {entities} entities, {positive} with a violation; {level} intervals over {draws} "
        "draws of whole entities.",
    ),
    "figure": ("评价指标", "Figure"),
    "this_model": ("本模型", "This model"),
    "roc_auc": ("AUC", "AUC"),
    "average_precision": ("平均精度", "Average precision"),
    "precision_at_5_percent": ("前 5% 命中率", "Precision at 5%"),
    "precision_at_10_percent": ("前 10% 命中率", "Precision at 10%"),
    "brier_score": ("Brier 分", "Brier score"),
    "expected_calibration_error": ("校准误差", "Calibration error"),
    "calibration_ratio": ("实际 / 预测", "Rate / probability"),
    "calibration": ("校准与等级", "Calibration and grades"),
    "by_probability": ("按概率十等分", "By tenths of the probability"),
    "by_grade": ("按等级", "By grade"),
    "tenth": ("十分位", "Tenth"),
    "grade": ("等级", "Grade"),
    "rivals": ("与其他方法比较", "Rivals"),
    "rivals_said": (
        "同一检验期，同样的行（比较 {id}）。差：对本模型这一种类。",
        "On the same test and rows (comparison {id}). The difference is to this kind of model.",
    ),
    "no_rivals": (
        "没有在同一检验期上的比较。运行 `qianfen compare {city}`。",
        "No comparison on the same test is there. Run `qianfen compare {city}`.",
    ),
    "rival": ("方法", "Model"),
    "difference": ("AUC 之差", "Difference in AUC"),
    "audit": ("分组审计", "Audit by group"),
    "audit_said": (
        "▲ ▼：与全体之差的整个区间在零的一侧。",
        "▲ ▼: the difference to all lies wholly on one side of zero.",
    ),
    "audit_page": ("全部数字见审计页", "All figures, on the audit's page"),
    "parameters": ("LightGBM 参数", "LightGBM parameters"),
    "limits": ("局限", "Limits"),
    "small_groups": (
        "标签太少、不足以下结论的组数：{}；审计页上逐一标明。",
        "Groups with too few labels to judge by, marked on the audit's page: {}.",
    ),
    "approval": ("谁批准的", "Who approved it"),
    "action": ("动作", "What"),
    "promoted": ("批准为现役模型", "promoted"),
    "rolled back to": ("回退到此模型", "rolled back to"),
    "adopted": ("台账之前已是现役模型", "adopted from before the ledger"),
    "who": ("谁", "Who"),
    "at": ("何时（UTC）", "When (UTC)"),
    "why": ("理由", "Why"),
    "former": ("此前的模型", "Champion before"),
    "none": ("无", "none"),
    "entry_hash": ("条目哈希", "Entry's hash"),
    "gate": ("准入门槛的判定（台账第 {} 条）", "What the gate said (ledger entry {})"),
    "gate_groups": (
        "各组的判定：{n} 行，其中未判定 {n_open} 行（台账第 {sequence} 条）",
        "Of the groups: {n} lines, {n_open} of them not judged (ledger entry {sequence})",
    ),
    "what": ("项目", "What"),
    "verdict": ("判定", "Verdict"),
    "passed": ("通过", "passed"),
    "refused": ("不通过", "refused"),
    "not judged": ("未判定", "not judged"),
    "its_value": ("本模型", "This model"),
    "former_value": ("当时的现役模型", "Champion then"),
    "card_value": ("评分卡", "Card"),
    "tolerance": ("容许", "Tolerance"),
    "gate_difference": ("差（95% 区间）", "Difference (95%)"),
    "versions": ("版本与哈希", "Versions and hashes"),
    "made_from": (
        "由制品、台账、审计和记录生成；用途与局限之外没有手写的内容。",
        "Written from artifact, ledger, audit and records; nothing but purpose and limits is typed by hand.",
    ),
}
