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
# # 3. Labels and selection
#
# Only the inspected have a label, and inspectors do not draw by lot. Who is inspected, what weights mend, and what they
# do not. Run `make demo` first. Set `QIANFEN_CITY` for another city; the truth is known of the synthetic one alone.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from data.synthetic.truth import FILE, read_truth
from training.champions import load_champion
from training.inspection_chance import Chances, active_entities, labels_of, learned_chance, past_dates, predicted
from training.plots import EXPERT, LEARNED, NEUTRAL
from training.rows import labelled_rows
from training.selection import CLIPS, clip_errors, effective_sample_size, stage_report, stage_weights
from training.selection_plot import balance_plot
from training.splits import first_day
from training.verification_bias import Everybody, rate_bounds, rates

plt.rcParams.update({"figure.constrained_layout.use": True, "legend.frameon": False})
settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
records = open_records(city, settings)
day, days = first_day(city.split.test), city.label.horizon_days
past = past_dates(city, day, days)
*earlier, active = active_entities(city, records, [*past, day], days, settings, print)
*earlier_labels, y = [labels_of(city, records, one, days, settings) for one in [*earlier, active]]
inspected = np.isfinite(y)
f"{len(y):,} active as of {day}, {inspected.sum():,} inspected in the {days} days after, {np.nansum(y):,.0f} violated"

# %% [markdown]
# ## Who is inspected?
#
# Trees learn the chance of being inspected from earlier as-of dates alone. Where the line and the bars agree, the
# chance can be believed: a weight is its inverse.

# %%
chance = learned_chance(earlier, [np.isfinite(labels) for labels in earlier_labels], active, settings.threads)
tenth = pd.qcut(pd.Series(chance).rank(method="first"), 10, labels=range(1, 11))
by_tenth = pd.DataFrame({"said": chance, "happened": inspected}).groupby(tenth, observed=True).mean()

figure, axes = plt.subplots(figsize=(7, 3))
axes.bar(by_tenth.index, by_tenth.happened, color=EXPERT, alpha=0.6, label="were inspected")
axes.plot(by_tenth.index, by_tenth.said, "o-", color=LEARNED, label="chance, learned before")
axes.set(
    xlabel="tenth of the active entities, by chance", ylabel="share", title="Does the chance say who is inspected?"
)
axes.set_xticks(by_tenth.index)
axes.legend()
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## What does a clip mend, and what does it cost?
#
# Weights take away what the inspected have more of than everybody, and leave fewer rows in effect, written above the
# bars. The clip is where the sum is least; it looks at no label. Beyond the largest weight a clip changes nothing.

# %%
rows = labelled_rows(city, records, "test", (day,), days, settings, print)
weights = stage_weights(rows, [Chances(active, chance, past)])
errors = clip_errors(rows.X, weights)
clip = min(errors, key=errors.get)
# Held at the smallest weight, all rows count the same.
tried = {"no weights": weights.weight.min(), **{f"{c:g}": c for c in CLIPS}}
left = np.array([effective_sample_size(np.minimum(weights.weight, c)) for c in tried.values()])
missed = np.array(list(clip_errors(rows.X, weights, tuple(tried.values())).values())) - 1 / left

figure, axes = plt.subplots(figsize=(7, 3))
axes.bar(list(tried), missed, color=EXPERT, label="what the indicators miss")
bars = axes.bar(list(tried), 1 / left, bottom=missed, color=NEUTRAL, label="chance, 1 / effective rows")
axes.bar_label(bars, [f"{n:,.0f}" for n in left], fontsize=8, padding=2)
axes.margins(y=0.15)
axes.set(
    xlabel=f"clip; {clip:g} is chosen", ylabel="squared error", title="What does a clip mend, and what does it cost?"
)
axes.legend()
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Do the weights make the inspected look like everybody?
#
# Right of the dotted line a difference is usually called notable.

# %%
balance_plot(stage_report(rows.X, weights, clip)["balance"])

# %% [markdown]
# ## Which way of counting is right about the grades?
#
# The rate of the inspected is true of the inspected. Weighted counts each by the inverse of its chance; doubly robust
# corrects a model of the outcome so. The grey bar is what remains possible if the uninspected violate at most as often
# as the inspected of their class; by chance the truth may lie beyond. Thin lines are 95% intervals over entities drawn
# anew: where few were inspected, chance is larger than bias. One city is one draw, docs/selection.md counts over many.

# %%
X = np.concatenate([one.covariates[np.isfinite(found)] for one, found in zip(earlier, earlier_labels, strict=True)])
learned = np.concatenate([found[np.isfinite(found)] for found in earlier_labels]).astype(np.int8)
expected = predicted(X, learned, active.covariates, settings.threads)
champion = load_champion(city, settings)
scores, grades = champion.score(active.X), champion.cut_points.grades
held = np.maximum(chance, chance.mean() / clip)
people = Everybody(scores.raw_score, scores.grade, inspected, y, held, expected)
strata = np.asarray(pd.qcut(expected, 10, labels=False, duplicates="drop"))
table = pd.DataFrame({grade: rates(people.of_grade(grade)) for grade in grades}).T
table[["lowest", "highest"]] = [rate_bounds(people.of_grade(g), strata[scores.grade == g]) for g in grades]
if (city.source_folder(settings) / FILE).is_file():
    truth = read_truth(city.source_folder(settings), day).set_index("entity_id").outcome.reindex(active.entity_ids)
    table["truth"] = truth.astype(float).groupby(scores.grade).mean()
    print("Mean distance to the truth:", table.iloc[:, :3].sub(table.truth, axis=0).abs().mean().round(3).to_dict())
table.round(3)

# %%
generator = np.random.default_rng(1)
drawn = [people.take(generator.integers(len(y), size=len(y))) for _ in range(200)]
figure, axes = plt.subplots(figsize=(7, 3.6))
axes.bar(grades, table.highest - table.lowest, 0.8, table.lowest, color=NEUTRAL, alpha=0.25, label="possible, monotone")
for shift, (answer, color) in enumerate({"inspected": EXPERT, "weighted": LEARNED, "doubly robust": "#3a7d44"}.items()):
    places = np.arange(len(grades)) + 0.2 * (shift - 1)
    axes.plot(places, table[answer], "o", color=color, label=answer)
    of_draws = [[rates(some.of_grade(grade))[answer] for some in drawn] for grade in grades]
    axes.vlines(places, *np.nanquantile(of_draws, [0.025, 0.975], axis=1), color=color, linewidth=0.8)
if "truth" in table:
    axes.hlines(table.truth, np.arange(len(grades)) - 0.4, np.arange(len(grades)) + 0.4, color="black", label="truth")
n_inspected = [(inspected & (scores.grade == grade)).sum() for grade in grades]
axes.set_xticks(range(len(grades)), [f"{grade}\n{n:,} inspected" for grade, n in zip(grades, n_inspected, strict=True)])
axes.set(ylabel="violation rate", ylim=(0, None), title="Which way of counting is right about the grades?")
axes.legend(loc="upper left")
axes.spines[["top", "right"]].set_visible(False)
