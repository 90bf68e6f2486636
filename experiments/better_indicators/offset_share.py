"""`python -m experiments.better_indicators.offset_share CITY`: trees that begin from shares of the experts' log-odds.

Every share is tried on the folds of the comparison, all of whose labels are known before the city's test, which is not
looked at. Nothing is chosen here: docs/decisions/0012-offset-share.md says by which rule a person does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from data.city import load_city
from data.pages import require_section, write_section
from data.progress import Progress
from data.records import ingest
from data.settings import PROJECT_ROOT, Settings
from experiments.command import run
from training.bootstrap import DRAWS
from training.comparison.contest import Contest, Trial, contest
from training.comparison.trials import comparison_folds, fold_trials
from training.comparison.verdict import signed
from training.fitting import Recipe
from training.folds import fold_rows
from training.rivals import CHAMPION, FittedRival, Rival
from training.rivals.trees import LIGHTGBM
from training.rows import Rows
from training.selection import weigh_folds

PAGE = PROJECT_ROOT / "docs" / "decisions" / "0012-offset-share.md"
SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.1)


@click.command(help=__doc__)
@click.argument("city_name", metavar="CITY")
@click.option("--into", "page", type=click.Path(path_type=Path), default=PAGE, help="Page to write the table into.")
def main(city_name: str, page: Path) -> None:
    """Try every share and write the table between the markers of the city."""
    settings = Settings.from_environment(os.environ)
    city = load_city(city_name)
    section = f"offset share {city.name}"
    require_section(page, section)
    records = ingest(city, settings, click.echo)
    folds = fold_rows(city, records, comparison_folds(city), settings, click.echo)
    folds = weigh_folds(city, records, folds, settings, click.echo)
    recipe = Recipe.of(city, settings.threads)
    found = shares_tried(fold_trials(folds), recipe, city.model.seed, click.echo)
    text = "\n".join(table(found, recipe.offset_share))
    click.echo(text)
    write_section(page, section, text)
    click.echo(f"{page} holds these figures now.")


def shares_tried(
    trials: Sequence[Trial], recipe: Recipe, seed: int, progress: Progress, n_draws: int = DRAWS
) -> Contest:
    """Return how the trees rank from each share, and without offset, against the recipe's own share."""
    tried = [Rival(f"{share:g}", "", "", "by TreeSHAP", partial(_with_share, share)) for share in SHARES]
    return contest(trials, recipe, seed, progress, [CHAMPION, *tried, replace(LIGHTGBM, name="none")], n_draws)


def table(found: Contest, present: float) -> Iterator[str]:
    """Yield the table of a city."""
    yield f"| share | AUC over the folds | against {present:g} | average precision |"
    yield "|---|---|---|---|"
    for name, measured in found.measured.items():
        if name != CHAMPION.name:
            auc, precision = (measured.figures[metric].value for metric in ("roc_auc", "average_precision"))
            against = "" if name == f"{present:g}" else signed(measured.against_champion["roc_auc"].as_json())
            yield f"| {name} | {auc:.4f} | {against} | {precision:.3f} |"


def _with_share(share: float, rows: Rows, recipe: Recipe, seed: int) -> FittedRival:
    return CHAMPION.fit(rows, replace(recipe, offset_share=share), seed)


if __name__ == "__main__":
    run(main)
