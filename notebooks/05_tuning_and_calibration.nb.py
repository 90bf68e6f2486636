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
# # 5. Tuning and calibration
#
# How should the trees grow, and does a probability come true? A study of few trials: `qianfen train run <city>/tuning`
# runs the whole one, keeps it and trains with what it found (docs/tuning.md). Run `make demo` first. Set `QIANFEN_CITY`
# for another city that has a `tuning.toml`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from training.calibration_plots import reliability
from training.calibration_report import find_calibration_report
from training.comparison.trials import comparison_folds
from training.experiment import ROUNDS, load_experiment
from training.fitting import Recipe
from training.folds import fold_rows
from training.objectives import objective
from training.plots import EXPERT, LEARNED, NEUTRAL
from training.studies import ended_trials
from training.tuning import bin_folds, run_study
from training.tuning_plots import history

# %matplotlib inline

plt.rcParams["figure.constrained_layout.use"] = True
settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
records = open_records(city, settings)
experiment = load_experiment(f"{city.name}/tuning").model_copy(update={"n_trials": 10})
pd.DataFrame({name: space.model_dump() for name, space in experiment.search.items()}).transpose()

# %% [markdown]
# ## How does the search go?
#
# Every trial is the mean over folds that lie before the city's test. The storage here is memory: nothing is kept.

# %%
recipe = Recipe.of(city, settings.threads)
folds = bin_folds(experiment.kind, fold_rows(city, records, comparison_folds(city), settings), recipe)
base = {**recipe.lightgbm, ROUNDS: recipe.num_boost_round}
study = run_study(experiment, "notebook", "sqlite:///:memory:", folds, base)

# %%
aim = objective(experiment.objective, experiment.capacity_percent)
present = float(np.mean([aim.value(fold.rows.test.y, fold.scores(aim, base), None) for fold in folds]))
trials = ended_trials(study)
history(trials, {"declared": {"objective": aim.name}, "figures": {"present": {"value": present}}})

# %% [markdown]
# ## Is a trial better everywhere?
#
# Where folds disagree more than trials do, the best of few trials is luck.

# %%
by_fold = pd.DataFrame(trials).filter(like="fold_")
figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(by_fold.columns.str.replace("_", " "), by_fold.T, color=NEUTRAL, linewidth=0.8)
axes.plot(
    by_fold.columns.str.replace("_", " "), by_fold.loc[study.best_trial.number], "o-", color=LEARNED, label="best"
)
axes.set(ylabel=aim.name.replace("_", " "), title="Is the best trial better on every fold?")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Does a probability come true?
#
# Four calibrations, fitted on the calibration rows and judged on the later test rows, with intervals by entity. The
# served one is Platt's: with it alone points stay a sum. `qianfen train` writes this report beside each model.

# %%
folder, report = find_calibration_report(city, settings)
print(report["finding"])
reliability(report)

# %% [markdown]
# ## What is the Brier score made of?
#
# brier = reliability - resolution + uncertainty + within bins. Reliability is what calibration can mend; uncertainty is
# in the labels and the same for all.

# %%
parts = pd.DataFrame({name: {k: v["value"] for k, v in f.items()} for name, f in report["calibrations"].items()}).T
parts.round(4)

# %%
figure, axes = plt.subplots(figsize=(7, 3))
for place, (name, figures) in enumerate(report["calibrations"].items()):
    error = figures["smooth_calibration_error"]
    axes.plot([error["low"], error["high"]], [place, place], color=EXPERT)
    axes.plot(error["value"], place, "o", color=LEARNED if name == "platt" else EXPERT)
axes.set_yticks(range(len(parts)), parts.index)
axes.margins(y=0.15)
axes.set(
    xlabel="smooth calibration error, 95% interval", xlim=(0, None), title="Which calibration is nearest to the truth?"
)
axes.spines[["top", "right"]].set_visible(False)
