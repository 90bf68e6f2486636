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
# # 4. The champion's rivals
#
# The same rows and the same folds for all: does anybody rank better than the champion? Four quick rivals here;
# `qianfen compare` runs all twelve, with the city's test beside the folds (docs/rivals.md). Run `make demo` first. Set
# `QIANFEN_CITY` for another city.

# %%
import os

import pandas as pd
from matplotlib.figure import Figure

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from training.comparison.contest import contest
from training.comparison.trials import comparison_folds, fold_trials
from training.fitting import Recipe
from training.folds import fold_rows
from training.plots import EXPERT, LEARNED, figure_of
from training.rivals import CHAMPION, RIVALS
from training.tuning_plots import draw_folds

# %matplotlib inline

settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
records = open_records(city, settings)
quick = ("logistic_regression", "reweighted_card", "expert_card", "past_rate")
rivals = [rival for rival in RIVALS if rival is CHAMPION or rival.name in quick]
pd.DataFrame(
    [(r.name, r.what, r.missing, r.additive) for r in rivals], columns=["rival", "what", "missing", "additive"]
)

# %% [markdown]
# ## When does each fold train and test?
#
# A label is known when its window is over. Each fold learns only from labels known before its test begins, and all of
# them lie before the city's own test.

# %%
folds = comparison_folds(city)
draw_folds(city, folds)

# %%
rows = fold_rows(city, records, folds, settings)
pd.DataFrame(
    [(r.fold.number, len(r.train.y), len(r.test.y), r.test.y.mean()) for r in rows],
    columns=["fold", "rows to learn from", "rows tested on", "violation rate"],
).set_index("fold").round(3)

# %% [markdown]
# ## Who ranks best, and how sure is that?
#
# The interval (95%) is from draws of whole entities: rows of one entity are not independent. Intervals of two rivals
# may overlap while one is surely better, for the same entities make both rise and fall.

# %%
found = contest(fold_trials(rows), Recipe.of(city, settings.threads), 1, progress=print, rivals=rivals, n_draws=200)
auc = pd.DataFrame({name: vars(m.figures["roc_auc"]) for name, m in found.measured.items()}).T.sort_values("value")


def draw(table: pd.DataFrame, title: str, xlabel: str, line: float) -> Figure:
    """Draw a figure of each rival with its interval, and a line to hold them against."""
    figure, axes = figure_of(title, xlabel, "", height=1.0 + 0.35 * len(table))
    axes.axvline(line, color="black", linewidth=0.8, linestyle=":")
    for place, (name, row) in enumerate(table.iterrows()):
        color = LEARNED if name == CHAMPION.name else EXPERT
        axes.errorbar(row.value, place, xerr=[[row.value - row.low], [row.high - row.value]], fmt="o", color=color)
    axes.set_yticks(range(len(table)), table.index)
    axes.margins(y=0.15)
    return figure


draw(auc, "Who ranks best?", "AUC, mean over the folds", auc.value[CHAMPION.name])

# %% [markdown]
# ## Is anybody better than the champion?
#
# The difference is taken on the same draws. Only an interval that lies wholly right of zero wins.

# %%
less = pd.DataFrame({name: vars(m.against_champion["roc_auc"]) for name, m in found.measured.items()}).T
less = less.drop(CHAMPION.name).sort_values("value")
draw(less, "Is anybody better than the champion?", "AUC less the champion's, mean over the folds", 0.0)

# %% [markdown]
# ## What does a rival cost?

# %%
pd.DataFrame({"fit, s": found.fit_seconds, "KiB": pd.Series(found.size_bytes) / 1024, "AUC": auc.value}).round(3)
