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
# # 6. Auditing and promoting
#
# Is the model as right about every group, what does the gate say, and can the ledger be believed? This notebook writes
# nothing. To promote, a person runs `qianfen promote <city> --who NAME --why REASON` (docs/promotion.md). Run `make
# demo` first. Set `QIANFEN_CITY` for another city.

# %%
import os
from dataclasses import replace
from pathlib import PurePosixPath

import matplotlib.pyplot as plt
import numpy as np

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from features.catalogue import load_catalogue
from serving.database import open_database
from serving.promotion_tables import gate_lines
from training import ledger
from training.audit import audit_groups
from training.audit_rows import audit_rows
from training.audit_selection import selection_effects
from training.champions import load_champion, read_pointer
from training.gate_table import REFUSED, passes
from training.groups import GROUPS
from training.judging import judge_challenger
from training.ledger_checks import check_ledger
from training.plots import EXPERT, LEARNED, NEUTRAL

plt.rcParams.update({"figure.constrained_layout.use": True, "axes.ymargin": 0.1})
settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
champion = load_champion(city, settings)
records = open_records(city, settings, champion.manifest["records_id"])
rows = audit_rows(city, records, champion, settings, print)
f"{len(rows.everybody.y):,} active, {len(rows.test.y):,} labelled rows, {rows.test.y.sum():,.0f} violations"

# %% [markdown]
# ## About whom is the risk rated too low or too high?
#
# Violation rate over mean probability: 1 is right on average. Groups with fewer than 20 violations, or 20 without, are
# left out. Entities are drawn for the intervals (95%); of many groups one in twenty stands apart by chance.
# `qianfen audit` shows all groups and figures.

# %%
kinds = [kind for kind in audit_groups(rows, n_draws=100, least_of_each_class=20) if kind["name"] in GROUPS]
found = {"all": kinds[0]["groups"][-1]}
found |= {f"{kind['name']} {one['group']}": one for kind in kinds for one in kind["groups"][:-1] if not one["is_small"]}
figure, axes = plt.subplots(figsize=(7, 1.1 + 0.25 * len(found)))
for place, one in enumerate(one["figures"]["calibration"] for one in found.values()):
    axes.plot([one["low"], one["high"]], [place, place], color=EXPERT)
    axes.plot(one["value"], place, "o", color=EXPERT if one["low"] <= 1 <= one["high"] else LEARNED)
axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
axes.set_yticks(range(len(found)), [f"{name} ({one['n_labelled']:,})" for name, one in found.items()])
axes.set(xlabel="violation rate / mean probability", title="About whom is the risk rated too low or too high?")
axes.invert_yaxis()

# %% [markdown]
# ## What draws inspectors, and not violations?
#
# Effects on log-odds of one standard deviation more, all else held. On the line an indicator draws inspectors as much
# as it goes with what they find; far below it they go for another reason. Nothing here is a cause.

# %%
effects = selection_effects(rows.everybody, load_catalogue().names, n_draws=50)["effects"]
figure, axes = plt.subplots(figsize=(7, 4.5))
for one in (one for one in effects if not one["is_missing"]):
    x, y = one["inspected"], one["violating"]
    color = LEARNED if one["verdict"] else NEUTRAL
    axes.plot([x["low"], x["high"]], [y["value"]] * 2, color=color, alpha=0.5, linewidth=0.8)
    axes.plot([x["value"]] * 2, [y["low"], y["high"]], color=color, alpha=0.5, linewidth=0.8)
    axes.plot(x["value"], y["value"], "o", color=color)
    if one["verdict"] or (x["low"] * x["high"] > 0 and y["low"] * y["high"] > 0):
        axes.annotate(one["indicators"][0], (x["value"], y["value"]), (4, 4), textcoords="offset points", fontsize=8)
axes.axline((0, 0), slope=1, color="black", linewidth=0.8, linestyle=":")
axes.set(xlabel="effect on being inspected", ylabel="effect on violating")
axes.set_title("What draws inspectors, and not violations?")
axes.margins(0.15)
{", ".join(one["indicators"]): one["verdict"] for one in effects if one["verdict"]}

# %% [markdown]
# ## What does the gate say?
#
# Here the trees without the experts, of the champion's own training, are put forward. A difference counts as it is; its
# interval does not excuse it. `re_anchor` leaves out the question of the points scale.

# %%
artifact = str(PurePosixPath(read_pointer(city, settings).artifact).parent / "lightgbm")
gate = judge_challenger(city, settings, artifact, re_anchor=True)
print("It would pass." if passes(gate) else "It would be refused.")
print(*gate_lines(gate), sep="\n")

# %%
compared = [row for row in gate if row.against == "champion"]
figure, axes = plt.subplots(figsize=(7, 1.1 + 0.25 * len(compared)))
for place, row in enumerate(compared[::-1]):
    sign = 1 if row.what.startswith(("Brier", "Calibration")) else -1
    color = LEARNED if row.verdict == REFUSED else EXPERT
    if row.low is not None:
        axes.plot(sign * np.array([row.low, row.high]) / row.tolerance, [place, place], color=color, alpha=0.5)
    axes.plot(sign * row.difference / row.tolerance, place, "o", color=color)
axes.axvline(0, color=NEUTRAL, linewidth=0.8)
axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
axes.set_yticks(range(len(compared)), [row.what for row in compared[::-1]])
axes.set(xlabel="worse than the champion, in tolerances: beyond 1 is refused", title="Is it worse than it may be?")
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Can the ledger be believed?
#
# Each entry holds the hash of the one before. Another reason, in a copy, is found at once.

# %%
check = check_ledger(city, settings, open_database(settings.database_url))
print(*[entry.said() for entry in check.entries], *check.notes, sep="\n")
print(check.findings or "Nothing was edited, removed or put in.")
forged = [*check.entries[:-1], replace(check.entries[-1], why="Because.")]
ledger.broken_links(forged)
