"""The indicators in pandas: only the columns and rows that count are read, every step works on whole columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.benchmarks.indicators import ROWS_IN_A_GROUP, Task

OFFICES = ["legal_representative", "director", "supervisor", "owner"]
PERSONAL_LISTS = ["serious_dishonesty", "judgment_defaulter"]
IDENTITY_FIELDS = ["address", "representative", "scope", "name"]
PEERS = ["industry_code", "size"]


def write_indicators(task: Task) -> None:
    """Write the indicators of every active entity as of each date."""
    pa.set_cpu_count(task.threads)
    for day in task.as_of_dates:
        matrix = City(task.tables, day).indicators()
        rows = pa.Table.from_pandas(matrix.reset_index(), preserve_index=False)
        rows = rows.set_column(1, "as_of_date", rows["as_of_date"].cast(pa.date32()))
        pq.write_table(rows, task.path(day), compression="zstd", row_group_size=ROWS_IN_A_GROUP)


class City:
    """What was known of a city as of a date."""

    def __init__(self, tables: Mapping[str, Path], as_of_date: date) -> None:
        self._tables = tables
        self._as_of = as_of_date
        self._today = pd.Timestamp(as_of_date)

    def indicators(self) -> pd.DataFrame:
        """Return one row for each active entity, sorted; NaN is missing."""
        active = self._active()
        inspections = self._inspections()
        fines = self._fines()
        listings = self._listings()
        offices = self._offices()
        rate = _industry_rate(active, inspections)
        matrix = pd.DataFrame(index=active.index)
        matrix["as_of_date"] = self._today
        matrix["registered_capital"] = active["registered_capital"]
        matrix["industry_category"] = rate.where(active["industry_code"].notna())
        matrix["years_in_operation"] = (self._age(active["established_date"]) / 365.25).clip(lower=0)
        matrix["address_sharing"] = active["address_key"].map(active["address_key"].value_counts())
        matrix["licence_validity"] = self._licence_validity()
        matrix["annual_report_lapses"] = self._annual_report_lapses()
        matrix["registration_changes"] = self._registration_changes()
        matrix["abnormal_listing"] = self._abnormal_listing(listings)
        matrix["serious_dishonesty"] = self._serious_dishonesty(listings)
        matrix["unpaid_obligations"] = self._unpaid_obligations()
        matrix[["penalties", "penalty_amount"]] = fines
        matrix["failed_inspections"] = (inspections["n_failed"] + 2 * rate) / (inspections["n"] + 2)
        matrix["person_dishonesty"] = self._person_dishonesty(offices, listings)
        matrix["person_linked_violations"] = _linked(offices, inspections["violations"], fines["penalties"])
        matrix["complaint_reports"] = self._complaint_reports(active)
        matrix["sampling_failures"] = self._sampling_failures()
        matrix["negative_mentions"] = self._negative_mentions()
        none_is_zero = ["registration_changes", "abnormal_listing", "serious_dishonesty", "unpaid_obligations"]
        none_is_zero += ["penalties", "penalty_amount", "negative_mentions"]
        matrix[none_is_zero] = matrix[none_is_zero].fillna(0.0)
        return matrix.astype({name: "float64" for name in matrix.columns[1:]})

    def _known(self, name: str, columns: Sequence[str], which: pc.Expression | None = None) -> pd.DataFrame:
        """Read the columns of what was known of a table, or of those of its rows that are asked for."""
        withdrawn = pc.field("withdrawn_at")
        known = (pc.field("known_at") < self._as_of) & (withdrawn.is_null() | (withdrawn >= self._as_of))
        asked = known if which is None else known & which
        frame: pd.DataFrame = pq.read_table(self._tables[name], columns=list(columns), filters=asked).to_pandas(
            date_as_object=False
        )
        return frame

    def _since(self, days: int) -> date:
        return (self._today - pd.Timedelta(days=days)).date()

    def _age(self, days: pd.Series) -> pd.Series:
        age: pd.Series = (self._today - days).dt.days
        return age

    def _decay(self, days: pd.Series, half_life_days: float) -> pd.Series:
        weight: pd.Series = np.exp(self._age(days) * (-np.log(2) / half_life_days))
        return weight

    def _active(self) -> pd.DataFrame:
        columns = ["registered_capital", "established_date", "size", "industry_code", "address_key", "status"]
        states = self._known("entities", ["entity_id", *columns, "known_at"])
        latest = states.sort_values(["entity_id", "known_at"]).drop_duplicates("entity_id", keep="last")
        return latest[latest["status"] == "active"].set_index("entity_id")

    def _checks(self, name: str) -> pd.DataFrame:
        """Return per entity the failed and all checks: decayed, and counted over 3 years; violations decay slower."""
        checks = self._known(name, ["entity_id", "event_date", "failed"], pc.field("failed").is_valid())
        failed = checks["failed"].astype("float64")
        weight = self._decay(checks["event_date"], 365)
        recent = (self._age(checks["event_date"]) <= 1095).astype("float64")
        counted = {
            "n": weight,
            "n_failed": weight * failed,
            "n_recent": recent,
            "failed_recent": recent * failed,
            "violations": self._decay(checks["event_date"], 730) * failed,
        }
        return pd.DataFrame(counted).groupby(checks["entity_id"], sort=False).sum()

    def _inspections(self) -> pd.DataFrame:
        return self._checks("inspections")

    def _sampling_failures(self) -> pd.Series:
        tests = self._checks("tests")
        overall = tests["failed_recent"].sum() / tests["n_recent"].sum()
        return (tests["n_failed"] + 5 * overall) / (tests["n"] + 5)

    def _fines(self) -> pd.DataFrame:
        fines = self._known("penalties", ["entity_id", "event_date", "amount", "amount_known_at"])
        counts = (fines["amount_known_at"] < self._today) & (self._age(fines["event_date"]) <= 1095)
        sums = {
            "penalties": self._decay(fines["event_date"], 730),
            "penalty_amount": fines["amount"].where(counts, 0.0).fillna(0.0),
        }
        return pd.DataFrame(sums).groupby(fines["entity_id"], sort=False).sum()

    def _licence_validity(self) -> pd.Series:
        columns = ["entity_id", "licence_type", "valid_until"]
        licences = self._known("licences", columns, pc.field("required"))
        licences["days"] = (-self._age(licences["valid_until"])).fillna(3650).clip(-3650, 3650)
        kinds = licences.groupby(["entity_id", "licence_type"], sort=False)["days"].max()
        return kinds.groupby(level="entity_id", sort=False).min()

    def _annual_report_lapses(self) -> pd.Series:
        columns = ["entity_id", "report_year", "status"]
        reports = self._known("annual_reports", columns, pc.field("event_date") >= self._since(1095))
        lapsed = reports.loc[reports["status"] != "filed", ["entity_id", "report_year"]].drop_duplicates()
        return lapsed["entity_id"].value_counts(sort=False).reindex(reports["entity_id"].unique(), fill_value=0)

    def _registration_changes(self) -> pd.Series:
        which = pc.field("field").isin(IDENTITY_FIELDS) & (pc.field("event_date") >= self._since(730))
        return self._known("changes", ["entity_id"], which)["entity_id"].value_counts(sort=False)

    def _listings(self) -> pd.DataFrame:
        columns = ["entity_id", "person_id", "kind", "event_date", "ended_on", "ended_known_at"]
        listings = self._known("listings", columns)
        listings["ended_on"] = listings["ended_on"].where(listings["ended_known_at"] < self._today)
        listings["stands"] = listings["ended_on"].isna() | (listings["ended_on"] >= self._today)
        return listings

    def _abnormal_listing(self, listings: pd.DataFrame) -> pd.Series:
        listed = _of_entities(listings, "abnormal_operation")
        began, ended, oldest = listed["event_date"], listed["ended_on"], pd.Timestamp(self._since(1095))
        spells = pd.DataFrame(
            {
                "entity_id": listed["entity_id"],
                "start": began.where(began > oldest, oldest),
                "stop": ended.where(ended < self._today, self._today),
            }
        ).sort_values(["entity_id", "start", "stop"])
        reached = spells.groupby("entity_id")["stop"].cummax()
        seen = reached.groupby(spells["entity_id"]).shift()
        new = (spells["stop"] - spells["start"].where(~(seen > spells["start"]), seen)).dt.days.clip(lower=0)
        return new.groupby(spells["entity_id"]).sum()

    def _serious_dishonesty(self, listings: pd.DataFrame) -> pd.Series:
        listed = _of_entities(listings, "serious_dishonesty")
        counted = listed[listed["stands"] | (self._age(listed["ended_on"]) <= 1825)]
        weight = self._decay(counted["ended_on"], 730).where(~counted["stands"], 1.0)
        return weight.groupby(counted["entity_id"]).sum()

    def _unpaid_obligations(self) -> pd.Series:
        owed = self._known("obligations", ["entity_id", "amount", "settled_on", "settled_known_at"])
        settled = (owed["settled_known_at"] < self._today) & (owed["settled_on"] < self._today)
        return owed[~settled].groupby("entity_id")["amount"].sum()

    def _offices(self) -> pd.DataFrame:
        ended, learned = pc.field("ended_on"), pc.field("ended_known_at")
        held = ended.is_null() | learned.is_null() | (learned >= self._as_of) | (ended >= self._as_of)
        which = pc.field("role").isin(OFFICES) & held
        return self._known("people", ["entity_id", "person_id"], which).drop_duplicates()

    def _person_dishonesty(self, offices: pd.DataFrame, listings: pd.DataFrame) -> pd.Series:
        dishonest = listings.loc[listings["kind"].isin(PERSONAL_LISTS) & listings["stands"], "person_id"].dropna()
        return offices["person_id"].isin(dishonest.unique()).groupby(offices["entity_id"], sort=False).sum()

    def _complaint_reports(self, active: pd.DataFrame) -> pd.Series:
        columns = ["entity_id", "complainant_id", "topic", "event_date"]
        complaints = self._known("complaints", columns)
        # Few are signed and on one topic twice: only those are put in order and told apart.
        several = complaints["complainant_id"].notna() & complaints.duplicated(columns[:3], keep=False)
        in_order = complaints[several].sort_values(columns)
        gap = in_order.groupby(columns[:3], sort=False, dropna=False)["event_date"].diff().dt.days
        firsts = pd.concat([complaints[~several], in_order[~(gap <= 30)]])
        weight = self._decay(firsts["event_date"], 365)
        own = weight.groupby(firsts["entity_id"], sort=False).sum().reindex(active.index, fill_value=0.0)
        peers = own.groupby([active[column] for column in PEERS], dropna=False).transform("mean")
        return (own + 1) / (peers + 1)

    def _negative_mentions(self) -> pd.Series:
        score = pc.field("match_score")
        which = (pc.field("sentiment") == "negative") & (score.is_null() | (score >= 0.8))
        mentions = self._known("mentions", ["entity_id", "event_date"], which)
        return self._decay(mentions["event_date"], 180).groupby(mentions["entity_id"], sort=False).sum()


def _industry_rate(active: pd.DataFrame, inspections: pd.DataFrame) -> pd.Series:
    """Return for each active entity the failure rate that its industry leads one to expect."""
    overall = inspections["failed_recent"].sum() / inspections["n_recent"].sum()
    recent = inspections[["failed_recent", "n_recent"]].reindex(active.index)
    of_industry = recent.groupby(active["industry_code"]).sum()
    rate = (of_industry["failed_recent"] + 50 * overall) / (of_industry["n_recent"] + 50)
    return active["industry_code"].map(rate).fillna(overall)


def _of_entities(listings: pd.DataFrame, kind: str) -> pd.DataFrame:
    return listings[(listings["kind"] == kind) & listings["entity_id"].notna() & listings["person_id"].isna()]


def _linked(offices: pd.DataFrame, failed: pd.Series, fined: pd.Series) -> pd.Series:
    """Return for each entity with people in office the violations of others that share one of them."""
    violations = failed[failed > 0].add(fined, fill_value=0.0).rename("violations")
    violating = offices.merge(violations, left_on="entity_id", right_index=True)
    pairs = offices.merge(violating, on="person_id", suffixes=("", "_other"))
    pairs = pairs[pairs["entity_id"] != pairs["entity_id_other"]].drop_duplicates(["entity_id", "entity_id_other"])
    linked = pairs.groupby("entity_id", sort=False)["violations"].sum()
    return linked.reindex(offices["entity_id"].unique(), fill_value=0.0)
