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
# # 2. From a snapshot to an explained grade
#
# One entity's 18 values, the points that the experts' card and history give them, and the sum. Run `make demo` first.
# Set `QIANFEN_CITY` for another city.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import build_snapshot
from training.champions import load_champion
from training.plots import EXPERT, LEARNED

settings = Settings.from_environment(os.environ)
city = load_city(settings.city)
records = open_records(city, settings)
snapshot = build_snapshot(records, city.split.grading, settings)
X = snapshot.read().set_index("entity_id").drop(columns="as_of_date")
f"{len(X):,} entities, {X.shape[1]} indicators"

# %% [markdown]
# ## What is known of whom?
#
# Missing is not zero: a never inspected entity has no failure rate, and gets the card's neutral points.

# %%
pd.DataFrame(
    [(i.name, i.name_zh, i.unit, i.risk, X[i.name].isna().mean(), X[i.name].median()) for i in load_catalogue()],
    columns=["indicator", "名称", "unit", "risk", "share missing", "median"],
).set_index("indicator").round(3)

# %% [markdown]
# ## Everybody's points
#
# The champion keeps its own cut points, so a grade means the same for one entity as for all.

# %%
model = load_champion(city, settings)
sample = X.sample(min(len(X), 2_000), random_state=1)
scores = model.score(sample)

figure, axes = plt.subplots(figsize=(7, 3))
axes.hist(scores.points, bins=60, color=LEARNED, alpha=0.85)
for cut, grade in zip(model.cut_points.from_points[1:], model.cut_points.grades[1:], strict=True):
    axes.axvline(cut, color="black", linewidth=0.8)
    axes.text(cut, axes.get_ylim()[1] * 0.92, f" {grade}", fontweight="bold")
axes.set(xlabel="points", ylabel="entities", title="Points of a sample of the city, with the cut points")
figure.tight_layout()

# %% [markdown]
# ## One entity's sum
#
# Base points, plus an expert and a learned part for each indicator, are the points: exactly, for everybody.

# %%
place = int(scores.points.argmax())
parts = pd.DataFrame(
    {
        "value": sample.iloc[place],
        "expert": scores.expert_parts[place],
        "learned": scores.learned_parts[place],
    },
    index=list(model.names),
)
parts["total"] = parts["expert"] + parts["learned"]
total = scores.base_points + parts["total"].sum()
assert abs(total - scores.unclipped_points[place]) < 1e-6
print(f"{scores.base_points:.1f} + {parts['total'].sum():.1f} = {total:.1f} points, grade {scores.grade[place]}")
parts.sort_values("total", key=abs, ascending=False).round(2)

# %%
shown = parts.sort_values("total", key=abs).tail(10)
figure, axes = plt.subplots(figsize=(7, 4))
axes.barh(shown.index, shown["expert"], height=0.38, align="edge", color=EXPERT, label="experts' card")
axes.barh(shown.index, shown["learned"], height=-0.38, align="edge", color=LEARNED, label="learned from history")
axes.axvline(0, color="black", linewidth=0.8)
axes.set(xlabel="points", title=f"What moves the points of {sample.index[place]}")
axes.legend(frameon=False)
figure.tight_layout()

# %% [markdown]
# ## Where does history correct the experts?
#
# Mean absolute points over the sample. Where the learned part is large, the card's weight is not what history shows.

# %%
moves = pd.DataFrame(
    {"expert": abs(scores.expert_parts).mean(axis=0), "learned": abs(scores.learned_parts).mean(axis=0)},
    index=list(model.names),
)
moves.sort_values("learned", ascending=False).round(2)
