"""The audit of a model by groups, and its model card."""

from __future__ import annotations

import click

from data.settings import Settings
from serving.commands.shared import CITY, held_city, say_next

_CHALLENGER = click.option(
    "--challenger", is_flag=True, help="Of the challenger, what was trained last, in place of the champion."
)


@click.command()
@CITY
@_CHALLENGER
@click.pass_obj
def audit(settings: Settings, city_name: str, challenger: bool) -> None:
    """Audit the champion by district, industry, size, age, and the groups that city.toml declares for the audit alone.

    Whom it draws, how right it is about each group, what knowing the group would add, and what predicts being inspected
    and not violating; every figure with its interval. Writes audit.json and a page in Chinese and English.
    """
    from serving.audits import audit_city

    with held_city(settings, city_name) as city:
        lines, folder = audit_city(city, settings, challenger, click.echo)
        for line in lines:
            click.echo(line)
        click.echo(f"As a page: {folder / 'zh.html'} or {folder / 'en.html'}; for machines: {folder / 'audit.json'}")
        say_next(f"qianfen model-card {city_name}{' --challenger' if challenger else ''}")


@click.command("model-card")
@CITY
@_CHALLENGER
@click.pass_obj
def model_card(settings: Settings, city_name: str, challenger: bool) -> None:
    """Write the model card of the champion: purpose, data, labels and their bias, metrics, limits, who approved it.

    Audits the model first where that was not done. HTML and Markdown, in Chinese and English.
    """
    from serving.audits import write_model_card

    with held_city(settings, city_name) as city:
        folder = write_model_card(city, settings, challenger, click.echo)
        click.echo(f"Model card: {folder / 'card.zh.html'} or {folder / 'card.en.html'}; as Markdown: card.*.md there.")
