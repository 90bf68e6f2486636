"""The model card as a report in Chinese and in English, of what training.model_card gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.city import City
from serving.audit_page import findings, kind_table, named_predictors
from serving.audit_wording import kind_name
from serving.model_card_approval import approval_sections
from serving.model_card_wording import COLUMNS_ZH, LIMITS, PURPOSE, VALUES_ZH, WORDS
from serving.names import city_title, indicator_name, sentence_case, table_name
from serving.report_page import Cell, Report, Section, Table, number, share
from serving.wording import translated
from training.audit import UNKNOWN

Content = Mapping[str, Any]
Words = Mapping[str, str]

_FIGURES = {
    "roc_auc": False, "average_precision": False, "precision_at_5_percent": True, "precision_at_10_percent": True,
    "brier_score": False, "expected_calibration_error": False, "calibration": False,
}  # fmt: skip
_OWN = ("grade", "probability")


def card_report(city: City, content: Content, language: str) -> Report:
    """Return the model card as a report."""
    t = translated(WORDS, language)
    sections = (
        _model(content, t),
        Section("purpose", t["purpose"], items=PURPOSE[language]),
        _data(content, t, language),
        _labels(content, t, language),
        _metrics(content, t),
        _calibration(content, t, language),
        _rivals(city, content, t),
        _audit(content, t, language),
        _limits(content, t, language),
        *approval_sections(content, t, language),
        _versions(content, t),
    )
    return Report(language, t["product"], city_title(city, language), (), sections, t["made_from"])


def _model(content: Content, t: Words) -> Section:
    approvals = content["approvals"]
    scale = {name: number(content["scale"][name], 1) for name in ("pdo", "offset", "factor")}
    facts = (
        (t["version"], content["manifest"]["model_version"]),
        (t["role"], t[content["role"]]),
        (t["kind"], t[content["manifest"]["kind"]]),
        (t["approved_short"], _by(approvals[-1], t) if approvals else t["not_approved"]),
        (t["scale"], t["scale_said"].format(**scale)),
    )
    return Section("model", t["model"], facts=facts)


def _by(approval: Content, t: Words) -> str:
    return t["by_at"].format(
        who=approval["who"], at=approval["at"][:16].replace("T", " "), sequence=approval["sequence"]
    )


def _data(content: Content, t: Words, language: str) -> Section:
    tables, sources = content["tables"], content["sources"]
    n = sum(one["n_accepted"] for one in tables)
    files = _list(sources["files"], language)
    sentences = [t["data_said"].format(records=content["manifest"]["records_id"], n=f"{n:,}", files=files)]
    if sources["taken_on"]:
        sentences.append(t["taken_on"].format(sources["taken_on"]))
    empty = [name for name, missing in content["audit"]["missing"].items() if missing == 1.0]
    if empty:
        sentences.append(t["empty"].format(_list([indicator_name(name, language) for name in empty], language)))
    rows = tuple(
        (
            Cell(sentence_case(table_name(one["table"], language))),
            Cell(f"{one['n_accepted']:,}"),
            Cell(f"{one['n_quarantined']:,}"),
            Cell(one["first"] or "—"),
            Cell(one["last"] or "—"),
        )
        for one in tables
    )
    heads = tuple(t[head] for head in ("table", "rows", "quarantined", "first", "last"))
    notes = {**sources["notes"], **(sources["notes_zh"] if language == "zh" else {})}
    facts = tuple((sentence_case(table_name(name, language)), text) for name, text in notes.items())
    return Section(
        "data",
        t["data"],
        tuple(sentences),
        facts=facts,
        tables=(Table(heads, rows),),
        facts_title=t["notes"] if facts else "",
    )


def _labels(content: Content, t: Words, language: str) -> Section:
    manifest, audit = content["manifest"], content["audit"]
    label, split = manifest["label"], manifest["split"]
    days, is_of_each = t["days"].format(label["horizon_days"]), content["cohort"]["kind"] == "inspection"
    said = t["label_of_each" if is_of_each else "label_said"]
    facts = (
        (t["label"], said.format(**_violation(label, language))),
        *([] if is_of_each else [(t["window"], days)]),
        (t["delay"], t["days"].format(label["reporting_delay_days"])),
    )
    rows = tuple(
        (
            Cell(t["calibration_stage" if stage == "calibration" else stage]),
            Cell(_dates(split[stage]), is_number=False),
            Cell(f"{manifest['n_rows'][stage]:,}"),
            Cell(f"{manifest['n_positive'][stage]:,}"),
        )
        for stage in ("trees", "calibration", "test")
    )
    heads = tuple(t[head] for head in ("stage", "dates", "n_rows", "n_positive"))
    n, inspected = audit["n_everybody"], audit["n_inspected"]
    items = [
        t["inspected_said"].format(n=f"{n:,}", n_inspected=f"{inspected:,}", share=share(inspected / n if n else None)),
        _weights(manifest["selection"], t),
    ]
    if split["calibration_horizon_days"]:
        items.append(t["short_window"].format(split["calibration_horizon_days"]))
    items += list(named_predictors(audit, language))
    return Section("labels", t["labels"], items=tuple(items), facts=facts, tables=(Table(heads, rows),))


def _violation(label: Content, language: str) -> dict[str, str]:
    """Return the column and the values that make a label, in words."""
    column, values = label["column"], label["values"]
    if language == "en":
        return {"column": column, "values": " or ".join(values)}
    said = "或".join(f"“{VALUES_ZH.get(value, value)}”" for value in values)
    return {"column": f"{COLUMNS_ZH[column]}（{column}）", "values": f"{said}（{'、'.join(values)}）"}


def _weights(selection: Content | None, t: Words) -> str:
    if selection is None or selection["method"] == "none":
        return t["no_weights"]
    trees = selection["stages"]["trees"]
    clip = f"{selection['clip']:g}"
    return t["weights"].format(clip=clip, effective=f"{trees['effective_n']:,.0f}", n=f"{trees['n']:,}")


def _metrics(content: Content, t: Words) -> Section:
    audit = content["audit"]
    models = audit["overall"]
    heads = (t["figure"], t["this_model"], *([t["expert_card"]] if "expert_card" in models else []))
    rows = tuple(
        (
            Cell(t["calibration_ratio" if name == "calibration" else name]),
            *(_interval(models[model][name], as_share) for model in models),
        )
        for name, as_share in _FIGURES.items()
    )
    said = t["metrics_said"].format(
        n=f"{audit['n_test']:,}", entities=f"{audit['n_entities']:,}", positive=f"{audit['n_test_positive']:,}",
        level=f"{audit['level']:.0%}", draws=audit["n_draws"],
    )  # fmt: skip
    return Section("metrics", t["metrics"], (said,), tables=(Table(heads, rows),))


def _interval(figure: Content, as_share: bool) -> Cell:
    said = share if as_share else number
    digits = 1 if as_share else 3
    value, low, high = (said(figure[name], digits) for name in ("value", "low", "high"))
    return Cell(value, f"({low}, {high})")


def _calibration(content: Content, t: Words, language: str) -> Section:
    kinds = {kind["name"]: kind for kind in content["audit"]["kinds"]}
    figures = ["observed", "predicted", "calibration"]
    tables = (
        kind_table(kinds["grade"], figures, t["by_grade"], language),
        kind_table(kinds["probability"], figures, t["by_probability"], language),
    )
    return Section("calibration", t["calibration"], tables=tables)


def _rivals(city: City, content: Content, t: Words) -> Section:
    comparison = content["comparison"]
    if comparison is None:
        return Section("rivals", t["rivals"], (t["no_rivals"].format(city=city.name),))
    rivals = comparison["rivals"]
    by_auc = sorted(rivals, key=lambda name: -rivals[name]["figures"]["value"])
    rows = tuple(
        (
            Cell(name),
            _interval(rivals[name]["figures"], False),
            _interval(less, False) if (less := rivals[name].get("against_champion")) else Cell(""),
        )
        for name in by_auc
    )
    table = Table((t["rival"], t["roc_auc"], t["difference"]), rows)
    return Section("rivals", t["rivals"], (t["rivals_said"].format(id=comparison["comparison_id"]),), tables=(table,))


def _audit(content: Content, t: Words, language: str) -> Section:
    figures = ["drawn_10", "false_alarms_10", "observed", "calibration", "roc_auc"]
    tables = tuple(
        kind_table(kind, figures, sentence_case(kind_name(kind["name"], kind["name_zh"], language)), language)
        for kind in content["audit"]["kinds"]
        if kind["name"] not in _OWN and _is_known(kind)
    )
    items = tuple(findings(content["audit"], language))
    link = (t["audit_page"], f"{language}.html")
    return Section("audit", t["audit"], (t["audit_said"],), items=items, tables=tables, links=(link,))


def _limits(content: Content, t: Words, language: str) -> Section:
    items = list(LIMITS[language])
    small = [
        f"{kind_name(kind['name'], kind['name_zh'], language)} {n}"
        for kind in content["audit"]["kinds"]
        if kind["name"] not in _OWN and _is_known(kind) and (n := sum(group["is_small"] for group in kind["groups"]))
    ]
    if small:
        items.append(t["small_groups"].format(_list(small, language)))
    return Section("limits", t["limits"], items=tuple(items))


def _versions(content: Content, t: Words) -> Section:
    manifest = content["manifest"]
    facts = [
        ("model_version", manifest["model_version"]),
        ("artifact", content["artifact"]),
        ("manifest.json (SHA-256)", content["manifest_sha256"]),
        *((f"{name} (SHA-256)", digest) for name, digest in manifest["files"].items()),
        ("catalogue_hash", manifest["catalogue_hash"]),
        ("records_id", manifest["records_id"]),
        ("audit_id", content["audit"]["audit_id"]),
        ("code_version", manifest["code_version"]),
        ("MLflow", f"{content['registered_name']} {content['registered_version'] or '—'}, "
                   f"run {content['mlflow_run_id'] or '—'}"),
        *((name, version) for name, version in manifest["versions"].items()),
        (t["parameters"], ", ".join(f"{name}={value}" for name, value in manifest["lightgbm"].items())),
    ]  # fmt: skip
    return Section("versions", t["versions"], facts=tuple((name, str(value)) for name, value in facts))


def _is_known(kind: Content) -> bool:
    return [group["group"] for group in kind["groups"]] != [UNKNOWN, "all"]


def _dates(stage: Any) -> str:
    if isinstance(stage, dict):
        return f"{stage['start']} – {stage['end']}"
    return stage[0] if len(stage) == 1 else f"{stage[0]} – {stage[-1]} ({len(stage)})"


def _list(names: Sequence[str], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(names)
