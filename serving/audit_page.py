"""The audit as a report in Chinese and in English: what stands out, then every kind of groups with all its figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from data.city import City
from serving.audit_wording import group_name, kind_name, words_of
from serving.names import city_title, indicator_name, sentence_case
from serving.report_page import Cell, Report, Section, Table, mark_of, measured, number, share
from training.audit import UNKNOWN
from training.audit_selection import VIOLATING_NOT_VISITED, VISITED_NOT_VIOLATING

Content = Mapping[str, Any]
_Finding = Callable[[Content, Content, Content, str], Iterator[tuple[float, str]]]
_OWN = ("grade", "probability")
MOST_FINDINGS = 10
LEAST_TO_NAME = 20
"""A group with fewer violations, or fewer rows without, is shown and not named as standing apart."""

MUCH_MORE = 1.25
"""False alarms are named from so many times those of all on."""

_SHARES = ("inspected", "observed", "predicted", "drawn", "precision", "false_alarms")


def audit_report(city: City, content: Content, language: str) -> Report:
    """Return the report of what audit.json holds."""
    t = words_of(language)
    return Report(
        language,
        t["product"],
        city_title(city, language),
        (
            (t["everybody"], f"{content['n_everybody']:,}"),
            (t["inspected_n"], f"{content['n_inspected']:,}"),
            (t["test_rows"], f"{content['n_test']:,}"),
            (t["violations"], f"{content['n_test_positive']:,}"),
        ),
        (
            Section("findings", t["findings"], (period(content, language),), tuple(findings(content, language))),
            *(kind_section(content, kind, language) for kind in content["kinds"] if kind["name"] not in _OWN),
            selection_section(content, language),
            _how(content, language),
        ),
        t["versions"].format(
            model=content["model_version"], records=content["records_id"], audit=content["audit_id"]
        ),
    )  # fmt: skip


def period(content: Content, language: str) -> str:
    """Return what the audit stands on, in a sentence."""
    test = content["test"]
    said = (
        f"{test['start']} – {test['end']}"
        if isinstance(test, dict)
        else ", ".join(f"{day} + {content['windows'][day]}" + (" 天" if language == "zh" else " days") for day in test)
    )
    return words_of(language)["period"].format(test=said)


def findings(content: Content, language: str) -> Iterator[str]:
    """Yield what stands out, in sentences: groups by their whole intervals, who inspects, what draws inspectors."""
    t = words_of(language)
    apart = [*_farthest_first(content, _rated, language), *_farthest_first(content, _falsely_drawn, language)]
    ratio = content["overall"]["model"]["calibration"]
    if not ratio["low"] <= 1.0 <= ratio["high"]:
        yield t["all_found"].format(**{name: number(ratio[name], 2) for name in ("value", "low", "high")})
    yield from apart[:MOST_FINDINGS] or [t["nothing"]]
    for kind in content["kinds"]:
        if kind["is_declared"] and kind["adds"]:
            yield _added(kind, language)
    yield from named_predictors(content, language)


def _farthest_first(content: Content, found: _Finding, language: str) -> list[str]:
    """Return what a finding says of the groups that stand apart, the farthest first."""
    said = [
        one
        for kind in content["kinds"]
        for group in kind["groups"][:-1]
        if kind["name"] not in _OWN
        and group["group"] != UNKNOWN
        and min(group["n_violations"], group["n_labelled"] - group["n_violations"]) >= LEAST_TO_NAME
        for one in found(content, kind, group, language)
    ]
    return [sentence for _, sentence in sorted(said, key=lambda one: -one[0])]


def _rated(_: Content, kind: Content, group: Content, language: str) -> Iterator[tuple[float, str]]:
    """Yield how far off the probability of a group is, as the logarithm of a ratio, and a sentence."""
    ratio = group["figures"]["calibration"]
    if ratio["low"] is None or ratio["low"] <= 1.0 <= ratio["high"]:
        return
    shown = {name: number(ratio[name], 2) for name in ("value", "low", "high")}
    # A group that only the inspection tells is no trait of the entity, whose risk is rated.
    key = "found_by" if kind["is_declared"] else "more_found" if ratio["low"] > 1.0 else "less_found"
    text = words_of(language)[key]
    yield abs(math.log(ratio["value"])), sentence_case(text.format(**_names(kind, group, language), **shown))


def _falsely_drawn(content: Content, kind: Content, group: Content, language: str) -> Iterator[tuple[float, str]]:
    """Yield how many times the false alarms of all a group has, as a logarithm, and a sentence."""
    percent = max(content["capacities"])
    key = f"false_alarms_{percent}"
    value, of_all = group["figures"][key]["value"], kind["groups"][-1]["figures"][key]["value"]
    if mark_of(group["against_all"][key]) == "above" and value >= MUCH_MORE * of_all:
        text = words_of(language)["more_false"].format(
            **_names(kind, group, language), percent=percent, value=share(value), all=share(of_all)
        )
        yield math.log(value / of_all), sentence_case(text)


def _names(kind: Content, group: Content, language: str) -> dict[str, str]:
    small = words_of(language)["small_named"] if group["is_small"] else ""
    return {
        "kind": kind_name(kind["name"], kind["name_zh"], language),
        "group": group_name(kind["name"], group["group"], kind["n_others"], language) + small,
    }


def named_predictors(content: Content, language: str) -> Iterator[str]:
    """Yield what draws inspections and not violations, and the reverse, in sentences."""
    t, comma = words_of(language), "；" if language == "zh" else "; "
    if content["selection"] is None:
        return
    for verdict, key in ((VISITED_NOT_VIOLATING, "visited_named"), (VIOLATING_NOT_VISITED, "violating_named")):
        named = [one for one in content["selection"]["effects"] if one["verdict"] == verdict]
        if named:
            yield t[key].format(comma.join(_column(one, language) for one in named))
        elif verdict == VISITED_NOT_VIOLATING:
            yield t["nobody_named"]


def kind_section(content: Content, kind: Content, language: str) -> Section:
    """Return the section of one kind of groups: whom the model draws, how right it is, and what the group would add."""
    t = words_of(language)
    title = t["by"].format(kind_name(kind["name"], kind["name_zh"], language))
    if [group["group"] for group in kind["groups"]] == [UNKNOWN, "all"]:
        return Section(kind["name"], title, (t["not_said"],))
    capacities = content["capacities"]
    drawn = [f"{figure}_{c}" for figure in ("drawn", "precision", "false_alarms") for c in capacities]
    inspected = ["inspected"] if "inspected" in kind["groups"][-1]["figures"] else []
    tables = [
        kind_table(kind, [*inspected, *drawn], t["who_title"], language),
        kind_table(kind, ["observed", "predicted", "calibration", "roc_auc"], t["right_title"], language),
    ]
    sentences = []
    if kind["adds"]:
        n = f"{kind['adds']['n']:,}"
        sentences = [t["adds_sentence"].format(n=n), _added(kind, language)]
    if kind["at_equal_probability"]:
        tables.append(_equal(kind, language))
    return Section(kind["name"], title, tuple(sentences), tables=tuple(tables))


def _added(kind: Content, language: str) -> str:
    """Return what the group adds to the ranking, in a sentence."""
    adds = kind["adds"]
    keys = {"above": "adds_much", "below": "adds_nothing", "": "adds_little"}
    key = keys[mark_of(adds["difference"])]
    return words_of(language)[key].format(
        kind=kind_name(kind["name"], kind["name_zh"], language),
        auc=number(adds["roc_auc"]["value"]),
        with_group=number(adds["with_group"]["value"]),
        low=number(adds["difference"]["low"]),
        high=number(adds["difference"]["high"]),
    )


def kind_table(kind: Content, figures: list[str], title: str, language: str) -> Table:
    """Return a table of some figures of a kind of groups."""
    t = words_of(language)
    rows = []
    for group in kind["groups"]:
        key = "is_small" if group["is_small"] else "with_violations"
        name = Cell(
            group_name(kind["name"], group["group"], kind["n_others"], language),
            t[key].format(f"{group['n_violations']:,}"),
        )
        counts = (Cell(f"{group['n']:,}"), Cell(f"{group['n_labelled']:,}"))
        # That grades differ is what they are for.
        less = {} if kind["name"] in _OWN else group["against_all"] or {}
        cells = (measured(group["figures"].get(f), less.get(f), f.startswith(_SHARES)) for f in figures)
        rows.append((name, *counts, *cells))
    return Table((t["group"], t["n"], t["n_labelled"], *(_head(f, t) for f in figures)), tuple(rows), title)


def _head(figure: str, t: Mapping[str, str]) -> str:
    name, _, percent = figure.rpartition("_")
    return t[name].format(percent) if percent.isdigit() else t[figure]


def _equal(kind: Content, language: str) -> Table:
    t = words_of(language)
    found = {(one["group"], one["band"]): one for one in kind["at_equal_probability"]}
    bands = t["bands"].split("|")
    groups = sorted({group for group, _ in found})
    rows = [
        (
            Cell(group_name(kind["name"], group, 0, language)),
            *(_equal_cell(found.get((group, band + 1)), t) for band in range(len(bands))),
        )
        for group in groups
    ]
    return Table((t["group"], *bands), tuple(rows), t["equal_title"])


def _equal_cell(one: Content | None, t: Mapping[str, str]) -> Cell:
    if one is None:
        return Cell("—")
    cell = measured(one["rate"], None, True)
    expects = t["expects"].format(share(one["predicted"]), f"{one['n']:,}")
    return Cell(f"{cell.text} {cell.small}".strip(), expects)


def selection_section(content: Content, language: str) -> Section:
    """Return the section on what predicts being inspected and not violating."""
    t, found = words_of(language), content["selection"]
    if found is None:
        return Section("selection", t["selection"], (t["no_selection"],))
    counts = {name: f"{found[name]:,}" for name in ("n", "n_inspected", "n_violations")}
    rows = tuple(
        (
            Cell(sentence_case(_column(one, language))),
            *(_effect(one[name]) for name in ("inspected", "violating", "difference")),
            Cell(t[one["verdict"]], is_number=False),
        )
        for one in found["effects"]
    )
    heads = ("indicator", "effect_inspected", "effect_violating", "effect_difference", "verdict")
    table = Table(tuple(t[head] for head in heads), rows)
    return Section("selection", t["selection"], (t["selection_note"].format(**counts),), tables=(table,))


def _effect(figure: Content) -> Cell:
    cell = measured(figure, figure, False)
    return Cell(cell.text, cell.small, cell.mark)


def _column(one: Content, language: str) -> str:
    said = ("、" if language == "zh" else ", ").join(indicator_name(name, language) for name in one["indicators"])
    return words_of(language)["missing"].format(said) if one["is_missing"] else said


def _how(content: Content, language: str) -> Section:
    t = words_of(language)
    items = (
        t["how_drawn"],
        t["how_interval"].format(level=f"{content['level']:.0%}", draws=content["n_draws"]),
        t["how_groups"],
        t["how_small"].format(content["least_of_each_class"]),
    )
    return Section("how", t["how"], items=items)
