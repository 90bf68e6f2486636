"""Training: by what city.toml declares, or by what a declared experiment finds best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from data.settings import Settings
from serving.commands.shared import CITY, bring_in, held_city, say_next

if TYPE_CHECKING:
    from data.city import City
    from data.records import Records

RE_ANCHOR = click.option(
    "--re-anchor", is_flag=True, help="Set the points scale anew, in place of keeping the champion's."
)


class _CityOrCommand(click.Group):
    """A group whose first argument may be a city: it is then given to the command `city`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `CITY ...` as `city CITY ...`."""
        is_city = bool(args) and args[0] not in (*self.commands, *ctx.help_option_names)
        return super().parse_args(ctx, ["city", *args] if is_city else args)


@click.group(cls=_CityOrCommand, options_metavar="", subcommand_metavar="CITY | run EXPERIMENT")
def train() -> None:
    """Train a city's models as city.toml declares, or as a declared experiment finds best.

    `qianfen train toronto` stands for `qianfen train city toronto`.
    """


@train.command("city")
@CITY
@RE_ANCHOR
@click.pass_obj
def train_by_city(settings: Settings, city_name: str, re_anchor: bool) -> None:
    """Train and compare the expert card, LightGBM, and LightGBM on the experts' offset; register a challenger.

    Where MLflow is away the training is kept, and the exit code is 14.
    """
    from serving.promotions import settle_champion

    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        _train(city, bring_in(city, settings), settings, city_name, re_anchor)
        _say_what_follows(city, settings, city_name)


@train.command("run")
@click.argument("experiment_name", metavar="EXPERIMENT")
@RE_ANCHOR
@click.option(
    "--into",
    "page",
    type=click.Path(path_type=Path),
    help="Page to write what was found into: between `<!-- tuning EXPERIMENT -->` and `<!-- /tuning EXPERIMENT -->`.",
)
@click.pass_obj
def train_by_experiment(settings: Settings, experiment_name: str, re_anchor: bool, page: Path | None) -> None:
    """Run a declared experiment: try parameters on temporal folds, then train with the best as `train city` does.

    EXPERIMENT is a TOML file, or city/name under experiments/. A run that was stopped goes on. What is found is kept
    with the study and in the model's manifest; city.toml stays as it is.
    """
    from data.city import EXPERIMENTS
    from data.pages import require_section, write_section
    from serving.promotions import settle_champion
    from serving.tables import study_page, study_table
    from training.experiment import city_of, load_experiment
    from training.studies import log_or_keep, tune

    experiment = load_experiment(experiment_name)
    city = city_of(experiment)
    section = f"tuning {experiment.full_name}"
    if page is not None:
        # Before the long work, not after it.
        require_section(page, section)
    city_name = city.name if city.folder.parent == EXPERIMENTS else str(city.folder)
    with held_city(settings, city_name):
        settle_champion(city, settings, click.echo)
        records = bring_in(city, settings)
        tuned = tune(experiment, city, records, settings, click.echo)
        log_or_keep(tuned, city, settings, click.echo)
        click.echo(study_table(tuned.result))
        click.echo(f"Pictures: {tuned.folder / 'plots'}")
        metrics = None
        if experiment.trains:
            metrics = _train(tuned.applied_to(city), records, settings, city_name, re_anchor, tuned.record)
        else:
            click.echo("A model to serve keeps the directions and begins from the offset: this one is not trained.")
        if page is not None:
            write_section(page, section, study_page(tuned.result, metrics))
            click.echo(f"{page} holds these figures now.")
        if experiment.trains:
            _say_what_follows(city, settings, city_name)
        else:
            say_next(f"qianfen train {city_name}")


def _say_what_follows(city: City, settings: Settings, city_name: str) -> None:
    from serving.promotions import challenger_waits

    if challenger_waits(city, settings):
        say_next(f"qianfen promote {city_name} --who NAME --why REASON")
    else:
        click.echo("It is the champion already.")
        say_next(f"qianfen grade {city_name}")


def _train(
    city: City,
    records: Records,
    settings: Settings,
    city_name: str,
    re_anchor: bool,
    experiment: Mapping[str, Any] | None = None,
) -> Mapping[str, Mapping[str, float]]:
    """Train, say what came of it, and return the models' metrics on the test."""
    from data.errors import RegistryError
    from serving.tables import model_table
    from training.runs import train_city

    result = train_city(city, records, settings, click.echo, re_anchor, experiment)
    click.echo(model_table(result.metrics))
    said = f"Challenger: {result.challenger} {result.challenger_model.model_version}"
    if result.registered_version is None:
        raise RegistryError(
            f"{said} must be registered in MLflow, it is not yet; it lies whole in {result.folder}. "
            f"Run `qianfen push {city_name}` when MLflow is back."
        )
    click.echo(f"{said} (MLflow run {result.mlflow_run_id}, version {result.registered_version})")
    return result.metrics
