"""The indicators in polars: one lazy plan from the Parquet files to the matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from experiments.benchmarks.indicators import ROWS_IN_A_GROUP, Task

OFFICES = ["legal_representative", "director", "supervisor", "owner"]
PERSONAL_LISTS = ["serious_dishonesty", "judgment_defaulter"]
IDENTITY_FIELDS = ["address", "representative", "scope", "name"]
PEERS = ["industry_code", "size"]
NONE_IS_ZERO = [
    "registration_changes",
    "abnormal_listing",
    "serious_dishonesty",
    "unpaid_obligations",
    "penalties",
    "penalty_amount",
    "negative_mentions",
]


def write_indicators(task: Task) -> None:
    """Write the indicators of every active entity as of each date."""
    if pl.thread_pool_size() != task.threads:
        raise ValueError(f"POLARS_MAX_THREADS must be {task.threads}, got {pl.thread_pool_size()} threads.")
    for day in task.as_of_dates:
        matrix = City(task.tables, day).indicators().collect(engine="streaming")
        matrix.write_parquet(task.path(day), compression="zstd", row_group_size=ROWS_IN_A_GROUP)


class City:
    """What was known of a city as of a date."""

    def __init__(self, tables: Mapping[str, Path], as_of_date: date) -> None:
        self._tables = tables
        self._as_of = pl.lit(as_of_date)

    def indicators(self) -> pl.LazyFrame:
        """Return one row for each active entity, sorted; null is missing."""
        active, inspections, fines = self._active(), self._checks("inspections"), self._fines()
        offices = self._offices()
        joined = active.join(inspections, on="entity_id", how="left").join(fines, on="entity_id", how="left")
        of_entities = (
            self._licence_validity(),
            self._annual_report_lapses(),
            self._registration_changes(),
            self._abnormal_listing(),
            self._serious_dishonesty(),
            self._unpaid_obligations(),
            self._person_dishonesty(offices),
            _linked(offices, inspections, fines),
            self._complaints(),
            self._sampling_failures(),
            self._negative_mentions(),
        )
        for values in of_entities:
            joined = joined.join(values, on="entity_id", how="left")
        return self._matrix(joined.join(_overall_rate(inspections), how="cross"))

    def _matrix(self, joined: pl.LazyFrame) -> pl.LazyFrame:
        """Put together what needs more than one table or entity."""
        n, failed = (pl.col(c).fill_null(0).sum().over("industry_code") for c in ("n_recent", "failed_recent"))
        placed = pl.col("industry_code").is_not_null()
        rate = pl.when(placed).then((failed + 50 * pl.col("overall")) / (n + 50)).otherwise(pl.col("overall"))
        own = pl.col("complaints").fill_null(0.0)
        return (
            joined.with_columns(rate=rate)
            .sort("entity_id")
            .select(
                "entity_id",
                self._as_of.alias("as_of_date"),
                "registered_capital",
                pl.when(placed).then(pl.col("rate")).alias("industry_category"),
                (self._age("established_date") / 365.25).clip(lower_bound=0.0).alias("years_in_operation"),
                pl.when(pl.col("address_key").is_not_null())
                .then(pl.len().over("address_key"))
                .alias("address_sharing"),
                "licence_validity",
                "annual_report_lapses",
                *(pl.col(name).fill_null(0) for name in NONE_IS_ZERO[:6]),
                ((pl.col("n_failed") + 2 * pl.col("rate")) / (pl.col("n") + 2)).alias("failed_inspections"),
                "person_dishonesty",
                "person_linked_violations",
                ((own + 1) / (own.mean().over(PEERS) + 1)).alias("complaint_reports"),
                "sampling_failures",
                pl.col("negative_mentions").fill_null(0.0),
            )
            .with_columns(pl.exclude("entity_id", "as_of_date").cast(pl.Float64))
        )

    def _known(self, name: str) -> pl.LazyFrame:
        withdrawn = pl.col("withdrawn_at")
        known = (pl.col("known_at") < self._as_of) & (withdrawn.is_null() | (withdrawn >= self._as_of))
        return pl.scan_parquet(self._tables[name]).filter(known)

    def _age(self, column: str = "event_date") -> pl.Expr:
        return (self._as_of - pl.col(column)).dt.total_days()

    def _decay(self, half_life_days: float, column: str = "event_date") -> pl.Expr:
        return (self._age(column) * (-math.log(2) / half_life_days)).exp()

    def _active(self) -> pl.LazyFrame:
        columns = ["registered_capital", "established_date", "size", "industry_code", "address_key", "status"]
        latest = pl.col(columns).sort_by("known_at").last()
        return self._known("entities").group_by("entity_id").agg(latest).filter(pl.col("status") == "active")

    def _checks(self, name: str) -> pl.LazyFrame:
        """Return per entity the failed and all checks: decayed, and counted over 3 years; violations decay slower."""
        failed, recent, weight = pl.col("failed"), self._age() <= 1095, self._decay(365)
        return (
            self._known(name)
            .filter(failed.is_not_null())
            .group_by("entity_id")
            .agg(
                n=weight.sum(),
                n_failed=(weight * failed).sum(),
                n_recent=recent.sum().cast(pl.Int64),
                failed_recent=(recent & failed).sum().cast(pl.Int64),
                violations=(self._decay(730) * failed).sum(),
            )
        )

    def _sampling_failures(self) -> pl.LazyFrame:
        overall = pl.col("failed_recent").sum() / pl.col("n_recent").sum()
        rate = (pl.col("n_failed") + 5 * overall) / (pl.col("n") + 5)
        return self._checks("tests").select("entity_id", sampling_failures=rate)

    def _fines(self) -> pl.LazyFrame:
        counts = (pl.col("amount_known_at") < self._as_of) & (self._age() <= 1095)
        amount = pl.col("amount").filter(counts).sum()
        return (
            self._known("penalties").group_by("entity_id").agg(penalties=self._decay(730).sum(), penalty_amount=amount)
        )

    def _licence_validity(self) -> pl.LazyFrame:
        days = (-self._age("valid_until")).fill_null(3650).clip(-3650, 3650)
        required = self._known("licences").filter(pl.col("required"))
        kinds = required.group_by("entity_id", "licence_type").agg(licence_validity=days.max())
        return kinds.group_by("entity_id").agg(pl.col("licence_validity").min())

    def _annual_report_lapses(self) -> pl.LazyFrame:
        lapsed = pl.col("report_year").filter(pl.col("status") != "filed").n_unique()
        recent = self._known("annual_reports").filter(self._age() <= 1095)
        return recent.group_by("entity_id").agg(annual_report_lapses=lapsed)

    def _registration_changes(self) -> pl.LazyFrame:
        recent = self._known("changes").filter(pl.col("field").is_in(IDENTITY_FIELDS), self._age() <= 730)
        return recent.group_by("entity_id").agg(registration_changes=pl.len())

    def _listings(self) -> pl.LazyFrame:
        ended_on = pl.when(pl.col("ended_known_at") < self._as_of).then(pl.col("ended_on"))
        stands = pl.col("ended_on").is_null() | (pl.col("ended_on") >= self._as_of)
        return self._known("listings").with_columns(ended_on=ended_on).with_columns(stands=stands)

    def _listings_of_entities(self, kind: str) -> pl.LazyFrame:
        listed = pl.col("entity_id").is_not_null() & pl.col("person_id").is_null()
        return self._listings().filter(listed, pl.col("kind") == kind)

    def _abnormal_listing(self) -> pl.LazyFrame:
        spells = self._listings_of_entities("abnormal_operation").select(
            "entity_id",
            start=pl.max_horizontal("event_date", self._as_of.dt.offset_by("-1095d")),
            stop=pl.min_horizontal(pl.col("ended_on").fill_null(self._as_of), self._as_of),
        )
        seen = pl.col("stop").cum_max().shift().over("entity_id")
        new = (pl.col("stop") - pl.max_horizontal("start", seen)).dt.total_days().clip(lower_bound=0)
        in_order = spells.sort("entity_id", "start", "stop").with_columns(abnormal_listing=new)
        return in_order.group_by("entity_id").agg(pl.col("abnormal_listing").sum())

    def _serious_dishonesty(self) -> pl.LazyFrame:
        weight = pl.when(pl.col("stands")).then(1.0).otherwise(self._decay(730, "ended_on"))
        listed = self._listings_of_entities("serious_dishonesty")
        counted = listed.filter(pl.col("stands") | (self._age("ended_on") <= 1825))
        return counted.group_by("entity_id").agg(serious_dishonesty=weight.sum())

    def _unpaid_obligations(self) -> pl.LazyFrame:
        settled = (pl.col("settled_known_at") < self._as_of) & (pl.col("settled_on") < self._as_of)
        owed = self._known("obligations").filter(~settled.fill_null(False))
        return owed.group_by("entity_id").agg(unpaid_obligations=pl.col("amount").sum())

    def _offices(self) -> pl.LazyFrame:
        left = (pl.col("ended_known_at") < self._as_of) & (pl.col("ended_on") < self._as_of)
        held = self._known("people").filter(pl.col("role").is_in(OFFICES), ~left.fill_null(False))
        return held.select("entity_id", "person_id").unique()

    def _person_dishonesty(self, offices: pl.LazyFrame) -> pl.LazyFrame:
        standing = self._listings().filter(
            pl.col("person_id").is_not_null(), pl.col("kind").is_in(PERSONAL_LISTS), pl.col("stands")
        )
        dishonest = standing.select("person_id", listed=pl.lit(1)).unique()
        marked = offices.join(dishonest, on="person_id", how="left")
        return marked.group_by("entity_id").agg(person_dishonesty=pl.col("listed").sum())

    def _complaints(self) -> pl.LazyFrame:
        columns = ["entity_id", "complainant_id", "topic"]
        # In order, and each with the row before: `over` three columns of text takes ten times as long.
        in_order = self._known("complaints").sort(*columns, "event_date")
        same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift()) for c in columns)
        repeated = same & pl.col("complainant_id").is_not_null() & (pl.col("event_date").diff().dt.total_days() <= 30)
        firsts = in_order.filter(~repeated.fill_null(False))
        return firsts.group_by("entity_id").agg(complaints=self._decay(365).sum())

    def _negative_mentions(self) -> pl.LazyFrame:
        certain = pl.col("match_score").is_null() | (pl.col("match_score") >= 0.8)
        negative = self._known("mentions").filter(pl.col("sentiment") == "negative", certain)
        return negative.group_by("entity_id").agg(negative_mentions=self._decay(180).sum())


def _overall_rate(inspections: pl.LazyFrame) -> pl.LazyFrame:
    return inspections.select(overall=pl.col("failed_recent").sum() / pl.col("n_recent").sum())


def _linked(offices: pl.LazyFrame, inspections: pl.LazyFrame, fines: pl.LazyFrame) -> pl.LazyFrame:
    """Return for each entity with people in office the violations of others that share one of them."""
    failed = inspections.filter(pl.col("violations") > 0).select("entity_id", "violations")
    fined = fines.select("entity_id", violations="penalties")
    violations = pl.concat([failed, fined]).group_by("entity_id").agg(pl.col("violations").sum())
    violating = offices.join(violations, on="entity_id")
    pairs = offices.join(violating, on="person_id").filter(pl.col("entity_id") != pl.col("entity_id_right"))
    others = pairs.select("entity_id", "entity_id_right", "violations").unique(["entity_id", "entity_id_right"])
    linked = others.group_by("entity_id").agg(person_linked_violations=pl.col("violations").sum())
    known = offices.select("entity_id").unique().join(linked, on="entity_id", how="left")
    return known.with_columns(pl.col("person_linked_violations").fill_null(0.0))
