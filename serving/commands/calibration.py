"""Calibration: how far probabilities come true, and a new base rate for the champion's trees."""

from __future__ import annotations

from datetime import datetime

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next


@click.command()
@CITY
@click.option("--challenger", is_flag=True, help="Of what was trained last, not of the champion.")
@click.pass_obj
def calibration(settings: Settings, city_name: str, challenger: bool) -> None:
    """Show how far a model's probabilities come true, beside other calibrations, and for whom they do not.

    Report and pictures lie with the model, which was judged when it was trained, on rows later than those it learned
    from.
    """
    from data.city import load_city
    from serving.calibration_table import calibration_lines
    from training.calibration_report import find_calibration_report

    folder, report = find_calibration_report(load_city(city_name), settings, challenger)
    for line in calibration_lines(report):
        click.echo(line)
    click.echo(f"Report and pictures: {folder}")


@click.command()
@CITY
@click.option("--base-rate", type=float, default=None, help="Share of inspected entities that will violate, as 0.2.")
@click.option("--source", default=None, help="Where the base rate comes from, and of what day; goes into the manifest.")
@click.option("--as-of", "as_of", type=DAY, default=None, help="As-of date of newer labelled rows.")
@click.pass_obj
def recalibrate(
    settings: Settings, city_name: str, base_rate: float | None, source: str | None, as_of: datetime | None
) -> None:
    """Move the champion to a new base rate without new trees, and register the result as challenger.

    The rate is that of newer labelled rows, by default those of [split] calibration in city.toml, or one that you
    state. Only base points change: every contribution stays what it was.
    """
    from data.errors import RequestError
    from serving.promotions import settle_champion
    from serving.tables import model_table
    from training.recalibration import BaseRate
    from training.recalibration import recalibrate as run

    if base_rate is not None and as_of is not None:
        raise RequestError("Give either --base-rate or --as-of: one is stated, the other is that of labelled rows.")
    if base_rate is None and source is not None:
        raise RequestError("--source goes with --base-rate, which is missing. Labelled rows are their own source.")
    stated = None if base_rate is None else BaseRate(base_rate, source or "")
    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        records = bring_in(city, settings)
        result = run(city, records, settings, stated or (as_of.date() if as_of else None), click.echo)
        click.echo(model_table(result.metrics))
        click.echo(f"Challenger: {result.challenger} {result.challenger_model.model_version}")
        say_next(
            f"qianfen promote {city_name} --who NAME --why REASON", f"qianfen calibration {city_name} --challenger"
        )


@click.command()
@CITY
@click.option("--as-of", "as_of", type=DAY, default=None, help="End of the month; by default the grading date.")
@click.pass_obj
def stability(settings: Settings, city_name: str, as_of: datetime | None) -> None:
    """Show how many entities change grade when the champion is fitted again, and when a month goes by."""
    from serving.calibration_table import stability_lines
    from serving.promotions import settle_champion
    from training.stability import grade_stability

    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        day = as_of.date() if as_of else city.split.grading
        found = grade_stability(city, bring_in(city, settings), settings, day, click.echo)
    for line in stability_lines(found):
        click.echo(line)
