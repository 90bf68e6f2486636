"""What `qianfen features drift` says: rows and delays by source and month, missing and moved indicators, breaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data.city import City
from features.drift.report import DriftReport

_MONTHS_SHOWN = 4
_SHARES = ("share_missing", "reference_share_missing")


def report_lines(city: City, report: DriftReport) -> Iterator[str]:
    """Yield the lines of a report."""
    reference = report.content["reference"]
    against = f"against {reference['as_of_date']}" if reference else "no reference lies before it"
    yield f"\n{city.title}: drift of the data as of {report.as_of_date}, {against}\n"
    yield from _source_lines(report.content["sources"])
    yield ""
    yield from _indicator_lines(city, report)
    yield from _breach_lines(report)


def _source_lines(sources: list[dict[str, Any]]) -> Iterator[str]:
    if not sources:
        yield "No source had brought a row by then."
        return
    width = max(len(f"{s['table']}/{s['file']}") for s in sources) + 2
    ends = [month["end"] for month in sources[0]["months"]]
    shown = [*range(_MONTHS_SHOWN - 1, -1, -1)]
    yield (
        f"  {'rows in the month before':<{width}}{'year ago':>12}"
        + "".join(f"{ends[m]:>12}" for m in shown)
        + (f"{'usual':>16}{'delay, days':>13}{'usual':>7}{'quarantined':>13}")
    )
    for source in sources:
        months, usual = source["months"], source["usual"]
        counts = "".join(f"{months[m]['n_rows']:>12,}" for m in (12, *shown))
        line = (
            f"  {source['table'] + '/' + source['file']:<{width}}{counts}{_range(usual):>16}{_last(months[0], usual)}"
        )
        yield line.rstrip()


def _range(usual: dict[str, Any]) -> str:
    low, high = usual["lowest_rows"], usual["highest_rows"]
    if low is None:
        return "none"
    return f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f}-{high:,.0f}"


def _last(month: dict[str, Any], usual: dict[str, Any]) -> str:
    delay = "" if month["median_delay_days"] is None else f"{month['median_delay_days']}"
    usual_delay = "" if usual["longest_delay_days"] is None else f"{usual['longest_delay_days']:g}"
    n_all = month["n_rows"] + month["n_quarantined"]
    share = f"{month['n_quarantined'] / n_all:.1%}" if n_all else ""
    return f"{delay:>13}{usual_delay:>7}{share:>13}"


def _indicator_lines(city: City, report: DriftReport) -> Iterator[str]:
    yield f"  {'indicator':<26}{'missing':>9}{'then':>9}{'outside':>9}{'PSI':>9}"
    indicators = report.content["indicators"]
    with_value = [one for one in indicators if any(one[share] not in (1, None) for share in _SHARES)]
    for one in with_value:
        then = "" if one["reference_share_missing"] is None else f"{one['reference_share_missing']:.1%}"
        psi = "" if one["psi"] is None else f"{one['psi']:.3f}"
        counts = f"{one['share_missing']:>9.1%}{then:>9}{one['n_outside']:>9,}{psi:>9}"
        yield f"  {one['name']:<26}{counts}{_remark(city, one)}".rstrip()
    if len(with_value) < len(indicators):
        yield f"  {len(indicators) - len(with_value)} indicators have no value, here or in the reference."


def _remark(city: City, one: dict[str, Any]) -> str:
    psi = one["psi"]
    if psi is None or psi <= one["psi_by_chance"] or psi < city.drift.psi_notable:
        return ""
    return "  too far" if psi >= city.drift.of_indicator(one["name"]).psi else "  worth a look"


def _breach_lines(report: DriftReport) -> Iterator[str]:
    if not report.breaches:
        yield "\nNo limit is broken."
        return
    yield "\nBroken limits:"
    for breach in report.breaches:
        yield f"  {breach.name}: {breach.said}"
        if breach.name in report.accepted:
            given = report.accepted[breach.name]
            yield f"      accepted by {given.who} ({given.accepted_at[:19]}): {given.why}"
        else:
            yield "      nobody accepted it: training and grading stop here"
