"""What keeping a direction costs: the champion's kind with the direction of one indicator given up, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from data.progress import Progress
from training.bootstrap import DRAWS, Interval
from training.comparison.contest import Trial, contest
from training.fitting import Recipe
from training.rivals import CHAMPION, FittedRival, Rival
from training.rivals.rival import informative
from training.rows import Rows


def directions_cost(
    trials: Sequence[Trial], recipe: Recipe, seed: int, progress: Progress, n_draws: int = DRAWS
) -> dict[str, Interval]:
    """Return by indicator what giving up its direction adds to the AUC, the most first.

    Indicators that tell no training rows apart are left out.
    """
    kept = [recipe.card.names[at] for at in informative(trials[-1].train.X)]
    progress(f"What each of {len(kept)} directions costs.")
    rivals = [Rival(name, "", "", "by TreeSHAP", partial(_without, name)) for name in kept]
    found = contest(trials, recipe, seed, lambda _: None, [CHAMPION, *rivals], n_draws)
    gained = {name: found.measured[name].against_champion["roc_auc"] for name in kept}
    return dict(sorted(gained.items(), key=lambda item: -item[1].value))


def _without(name: str, rows: Rows, recipe: Recipe, seed: int) -> FittedRival:
    directions = list(recipe.lightgbm["monotone_constraints"])
    directions[recipe.card.names.index(name)] = 0
    lightgbm = {**recipe.lightgbm, "monotone_constraints": directions}
    return CHAMPION.fit(rows, replace(recipe, lightgbm=lightgbm), seed)
