"""Parameters of indicators, learned before the test."""

from __future__ import annotations

import click

from data.settings import Settings
from serving.commands.shared import bring_in, held_city, say_next


@click.command("learn-parameters")
@click.argument("study_name", metavar="STUDY")
@click.pass_obj
def learn_parameters(settings: Settings, study_name: str) -> None:
    """Learn half-lives, strengths and look-backs of indicators on temporal folds before the city's test.

    STUDY is a TOML file, or city/name under experiments/. What is found goes to a file, and the lines for city.toml are
    printed; city.toml stays as it is, since a person decides what is in force.
    """
    from data.city import EXPERIMENTS, load_city
    from training.learned_parameters import lines, study_result
    from training.parameter_study import load_parameter_study

    study = load_parameter_study(study_name)
    beside = (study.folder / "city.toml").is_file()
    city = load_city(str(study.folder) if beside else study.city)
    city_name = city.name if city.folder.parent == EXPERIMENTS else str(city.folder)
    with held_city(settings, city_name):
        path, content = study_result(study, city, bring_in(city, settings), settings, click.echo)
    for line in lines(content):
        click.echo(line)
    click.echo(f"All trials: {path}")
    say_next(f"qianfen train {city_name}")
