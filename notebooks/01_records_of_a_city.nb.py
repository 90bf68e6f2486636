# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. The records of a city
#
# What came in, what went to quarantine and why, and when things became known. Run `make demo` first, or
# `qianfen ingest synthetic`. Set `QIANFEN_CITY` for another city.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

from data.city import load_city
from data.records import open_records
from data.report import report_tables
from data.settings import Settings
from features.store import open_city

settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
records = open_records(city, settings)
backend = records.connect(settings.threads)
f"{city.title}: {records.n_records:,} records, {records.n_quarantined:,} rows in quarantine"

# %% [markdown]
# ## Which tables does the city have?
#
# A table that is not mapped leaves the indicators that need it without a value: missing, not zero.

# %%
reports = report_tables(city, records)
pd.DataFrame(
    [(r.name, r.name_zh, r.mapped, r.n_accepted, r.n_quarantined, r.n_flagged) for r in reports],
    columns=["table", "名称", "mapped", "accepted", "quarantined", "flagged"],
).set_index("table")

# %% [markdown]
# ## Why do rows go to quarantine?

# %%
pd.DataFrame(
    [(r.name, q.reason, q.n_rows, f"{q.source_file}:{q.source_row}") for r in reports for q in r.reasons],
    columns=["table", "reason", "rows", "first seen"],
)

# %% [markdown]
# ## How late do records arrive?
#
# `known_at` decides what an earlier grade may use. The tail on the right is why `event_date` alone would leak.

# %%
inspections = backend.table("inspections")
delay = inspections.mutate(days=inspections.known_at.delta(inspections.event_date, unit="day")).days.execute()

figure, axes = plt.subplots(figsize=(7, 3))
axes.hist(delay, bins=40, log=True, color="#2b5d8a")
axes.set(xlabel="days from an inspection until it is known", ylabel="inspections (log)", title="Arrival delay")
figure.tight_layout()

# %% [markdown]
# ## Are the inspected like the rest?
#
# Where complaints steer inspections, labels exist for the suspicious ones. A model learns from these and grades all.

# %%
monthly = (
    inspections.mutate(month=inspections.event_date.truncate("M"))
    .group_by("month")
    .agg(inspections=lambda t: t.count(), failure_rate=lambda t: t.failed.cast("float64").mean())
)
by_month = monthly.order_by("month").execute().set_index("month")

figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 4), sharex=True)
upper.plot(by_month.index, by_month.inspections, color="#2b5d8a")
upper.set(ylabel="inspections")
lower.plot(by_month.index, by_month.failure_rate, color="#b5532a")
lower.set(ylabel="failure rate", ylim=(0, None))
figure.tight_layout()

# %% [markdown]
# ## What was known of the inspected before the visit?
#
# Any table with an entity and a date can get the indicators as they were known on that date: here the inspections of
# the last two weeks. A row known on the day of the visit or later does not count.

# %%
visits = inspections.select("entity_id", "event_date", "failed").execute()
visits = visits[visits.event_date > visits.event_date.max() - pd.Timedelta(days=14)]
known = open_city(settings=settings).join(visits, "event_date", indicators=["failed_inspections", "complaint_reports"])
ranks = known.failed_inspections.rank(method="first")
known["earlier failures"] = pd.qcut(ranks, 3, labels=["few", "some", "many"])
known.groupby("earlier failures", observed=True).failed.agg(["size", "mean"]).round(3)

# %%
backend.disconnect()
