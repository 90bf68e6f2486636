"""Drift of a snapshot: measured once, kept as JSON beside the snapshots, and held against the limits of the city.

Point in time holds here too. What came from a source is counted before the as-of date alone. The reference of a
snapshot is the one as of `[split] reference` where that lies before it, else the latest date before it that city.toml
declares; the first has none. Pairs of entity and date are held against the pairs of the stage before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.city import City
from data.drift import IndicatorDrift
from data.errors import ConfigurationError, DriftError, NotFoundError, did_you_mean
from data.files import fingerprint, read_sealed, source_fingerprint, write_sealed
from data.parts import files_read
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of, load_catalogue
from features.declaration import Indicator
from features.drift.acceptance import Acceptance, acceptances
from features.drift.arrivals import Arrivals, Source, count_arrivals
from features.drift.psi import Bins, psi, psi_by_chance
from features.drift.rules import CHANCE, Breach, IndicatorDrifted, breaches_of_indicator, breaches_of_source, usual
from features.snapshots import Snapshot, build_snapshot, load_snapshot, open_snapshot

_CODE = tuple(f"features.drift.{module}" for module in ("psi", "arrivals", "rules", "report"))

_REMEDY = "Remove it; the next run measures again."


@dataclass(frozen=True)
class DriftReport:
    """What was measured of one snapshot, and who accepted which breach.

    Attributes
    ----------
    path : Path
        The JSON file: as_of_date, snapshot_id, records_id, reference, limits, sources, indicators, breaches.
    content : dict
        What it holds.
    accepted : dict
        Acceptance by name of the breach.
    """

    path: Path
    content: dict[str, Any]
    accepted: dict[str, Acceptance]

    @property
    def as_of_date(self) -> date:
        """The date; the last one of a snapshot of pairs."""
        return date.fromisoformat(self.content["as_of_date"])

    @property
    def breaches(self) -> list[Breach]:
        """All broken limits."""
        return [Breach(**breach) for breach in self.content["breaches"]]

    @property
    def open_breaches(self) -> list[Breach]:
        """Broken limits that nobody accepted."""
        return [breach for breach in self.breaches if breach.name not in self.accepted]


def check_drift(
    city: City, records: Records, snapshots: Sequence[Snapshot], settings: Settings, progress: Progress = print
) -> list[DriftReport]:
    """Measure the drift of snapshots; stop where a limit is broken that nobody accepted.

    Raises
    ------
    DriftError
        Names every breach that stands open.
    """
    reports = measure_drift(city, records, snapshots, settings, progress)
    stopping = [report for report in reports if report.open_breaches]
    if stopping:
        raise DriftError(_explain(city, stopping))
    return reports


def measure_drift(
    city: City, records: Records, snapshots: Sequence[Snapshot], settings: Settings, progress: Progress = print
) -> list[DriftReport]:
    """Return a report for each snapshot, in order of time; what was measured is not measured again."""
    _refuse_unknown_indicators(city)
    if not snapshots:
        return []
    distinct = sorted({s.snapshot_id: s for s in snapshots}.values(), key=lambda s: (_last_day(s), s.snapshot_id))
    measuring = _Measuring(city, records, _last_day(distinct[0]), settings, progress)
    pairs = [snapshot for snapshot in distinct if snapshot.as_of_date is None]
    accepted = acceptances(city, settings)
    reports = []
    for snapshot in distinct:
        path, content = measuring.measure(snapshot, pairs)
        reports.append(DriftReport(path, content, _covered(content, accepted)))
        progress(_summary(reports[-1]))
    return reports


def kept_reports(city: City, records: Records, as_of_date: date, settings: Settings) -> list[DriftReport]:
    """Return the reports as of a date that are kept, of the snapshots made from these records."""
    accepted = acceptances(city, settings)
    kept = [(path, read_sealed(path, _REMEDY)) for path in sorted(_folder(city, settings).glob("[!.]*.json"))]
    return [
        DriftReport(path, content, _covered(content, accepted))
        for path, content in kept
        if (content["as_of_date"], content["records_id"]) == (as_of_date.isoformat(), records.records_id)
    ]


@dataclass(frozen=True)
class _Measuring:
    """Measures snapshots of one city's records; the sources are counted once, and only if anything is new."""

    city: City
    records: Records
    first_day: date
    settings: Settings
    progress: Progress

    @cached_property
    def _arrivals(self) -> Arrivals:
        return count_arrivals(self.records, _files(self.city), self.first_day, self.settings.threads)

    def measure(self, snapshot: Snapshot, pairs: Sequence[Snapshot]) -> tuple[Path, dict[str, Any]]:
        """Return where a snapshot's report lies, and what it holds; measure it unless that was done."""
        reference = (
            self._reference_of_pairs(snapshot, pairs) if snapshot.as_of_date is None else self._reference(snapshot)
        )
        limits = self.city.drift.model_dump(mode="json", exclude={"accepted"})
        report_id = fingerprint(
            snapshot.manifest["sha256"], reference.manifest["sha256"] if reference else None, self.records.records_id,
            limits, _files(self.city), source_fingerprint(*_CODE),
        )  # fmt: skip
        path = _folder(self.city, self.settings) / f"{snapshot.folder.name}.json"
        if path.is_file() and (content := read_sealed(path, _REMEDY))["report_id"] == report_id:
            return path, content
        content = {
            "report_id": report_id,
            "city": self.city.name,
            "as_of_date": _last_day(snapshot).isoformat(),
            "snapshot_id": snapshot.snapshot_id,
            "records_id": self.records.records_id,
            "reference": _said_of(reference) if reference else None,
            "limits": _finite(limits),
            **self._measured(snapshot, reference),
        }
        write_sealed(path, content)
        return path, content

    def _measured(self, snapshot: Snapshot, reference: Snapshot | None) -> dict[str, Any]:
        sources = self._arrivals.before(_last_day(snapshot))
        indicators = list(_indicators(self.city, snapshot, reference, self.settings.threads))
        drift = self.city.drift
        breaches = [b for s in sources for b in breaches_of_source(s, drift.of_table(s.table))]
        breaches += [b for one in indicators for b in breaches_of_indicator(one, drift.of_indicator(one.name))]
        return {
            "sources": [_source_content(source) for source in sources],
            "indicators": [asdict(one) for one in indicators],
            "breaches": [asdict(breach) for breach in breaches],
        }

    def _reference(self, snapshot: Snapshot) -> Snapshot | None:
        day = _reference_date(self.city, _last_day(snapshot))
        if day is None:
            return None
        try:
            return open_snapshot(self.records, day, self.settings)
        except NotFoundError:
            return self._earlier_built(snapshot, day) or build_snapshot(self.records, day, self.settings, self.progress)

    def _earlier_built(self, snapshot: Snapshot, day: date) -> Snapshot | None:
        """Return the newest snapshot as of a day that other records of the city gave by the same formulas.

        What was known before a day does not change, so new deliveries do not call for another reference.
        """
        folders = [path.parent for path in snapshot.folder.parent.glob(f"{day}-*/manifest.json")]
        same = [s for s in map(load_snapshot, folders) if s.as_of_date == day and _formulas(s) == _formulas(snapshot)]
        return max(same, key=lambda s: str(s.manifest["created_at"]), default=None)

    @staticmethod
    def _reference_of_pairs(snapshot: Snapshot, pairs: Sequence[Snapshot]) -> Snapshot | None:
        first_day = _days(snapshot)[0]
        return max((p for p in pairs if _last_day(p) < first_day), key=_last_day, default=None)


def _reference_date(city: City, as_of_date: date) -> date | None:
    if city.split.reference < as_of_date:
        return city.split.reference
    return max((day for day in city.as_of_dates if day < as_of_date), default=None)


def _indicators(city: City, snapshot: Snapshot, reference: Snapshot | None, threads: int) -> Iterator[IndicatorDrifted]:
    declared = catalogue_of(city)

    def drifted(name: str) -> IndicatorDrifted:
        then = _column(reference, name) if reference else None
        return _drifted(declared[name], _column(snapshot, name), then, city.drift.of_indicator(name))

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(drifted, snapshot.indicators)


def _drifted(
    declared: Indicator, values: NDArray[np.float64], then: NDArray[np.float64] | None, limits: IndicatorDrift
) -> IndicatorDrifted:
    minimum = declared.minimum if limits.minimum is None else limits.minimum
    maximum = declared.maximum if limits.maximum is None else limits.maximum
    n_outside = int(((values < _or(minimum, -np.inf)) | (values > _or(maximum, np.inf))).sum())
    one = IndicatorDrifted(declared.name, len(values), _share_missing(values), n_outside, minimum, maximum)
    if then is None or not len(then) or not len(values):
        return one
    bins = Bins.of(then)
    now = bins.count(values)
    return replace(
        one,
        n_reference=len(then),
        reference_share_missing=_share_missing(then),
        psi=psi(bins.counts, now),
        psi_by_chance=psi_by_chance(bins.counts, now, CHANCE),
    )


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound


def _column(snapshot: Snapshot, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = pq.read_table(snapshot.path, columns=[name])[name].to_numpy()
    return values


def _share_missing(values: NDArray[np.float64]) -> float:
    return float(np.isnan(values).mean()) if len(values) else 0.0


def _days(snapshot: Snapshot) -> tuple[date, date]:
    """Return the first and the last date of a snapshot."""
    if snapshot.as_of_date is not None:
        return snapshot.as_of_date, snapshot.as_of_date
    days = pc.min_max(pq.read_table(snapshot.path, columns=["as_of_date"])["as_of_date"]).as_py()
    return days["min"], days["max"]


def _last_day(snapshot: Snapshot) -> date:
    return _days(snapshot)[1]


def _formulas(snapshot: Snapshot) -> str:
    return str(snapshot.manifest["catalogue_hash"])


def _said_of(reference: Snapshot) -> dict[str, str]:
    return {"snapshot_id": reference.snapshot_id, "as_of_date": _last_day(reference).isoformat()}


def _source_content(source: Source) -> dict[str, Any]:
    return {
        "table": source.table,
        "file": source.file,
        "first_known": source.first_known.isoformat(),
        "usual": asdict(usual(source)),
        "months": [
            {**asdict(month), "start": month.start.isoformat(), "end": month.end.isoformat()} for month in source.months
        ],
    }


def _finite(limits: Any) -> Any:
    """Return limits as JSON can hold them: an infinite one as null."""
    if isinstance(limits, dict):
        return {name: _finite(value) for name, value in limits.items()}
    return None if isinstance(limits, float) and not np.isfinite(limits) else limits


def _refuse_unknown_indicators(city: City) -> None:
    known = load_catalogue().names
    for name in city.drift.indicators:
        if name not in known:
            raise ConfigurationError(
                f"[drift.indicators.{name}] of {city.name} must name an indicator.{did_you_mean(name, known)} "
                "docs/indicators.md lists them."
            )


def _files(city: City) -> dict[str, list[str]]:
    return {table: [file.path for file in files_read(city, table)] for table in city.mapped_tables}


def _covered(content: dict[str, Any], accepted: Sequence[Acceptance]) -> dict[str, Acceptance]:
    day = date.fromisoformat(content["as_of_date"])
    breaches = [Breach(**breach) for breach in content["breaches"]]
    return {breach.name: one for breach in breaches for one in accepted if one.covers(day, breach)}


def _folder(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "drift"


def _summary(report: DriftReport) -> str:
    n, n_open = len(report.breaches), len(report.open_breaches)
    found = "within all limits" if n == 0 else f"{n} limit(s) broken, {n - n_open} accepted"
    return f"Drift as of {report.as_of_date}: {found}."


def _explain(city: City, reports: Sequence[DriftReport]) -> str:
    lines = [f"The data of {city.name} must stay within the limits of [drift], or the breach be accepted:"]
    for report in reports:
        lines += [f"  as of {report.as_of_date}  {breach.name}: {breach.said}" for breach in report.open_breaches]
    day = reports[0].as_of_date
    lines.append(
        f"See `qianfen features drift {city.name} --as-of {day}`. Correct the source, or accept it with a reason: "
        f"`qianfen features accept-drift {city.name} --as-of {day} --who NAME --why TEXT`"
        f"{', and likewise for each other date.' if len({report.as_of_date for report in reports}) > 1 else '.'}"
    )
    return "\n".join(lines)
