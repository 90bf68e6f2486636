"""`python -m experiments.selection`: study many seeds, and write the table of docs/selection.md."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from typing import Any

import click

from data.files import fingerprint, read_sealed, write_sealed
from data.settings import Settings
from experiments.command import run
from experiments.selection.report import write_page
from experiments.selection.study import study_seed
from features.catalogue import load_catalogue
from training.code import code_of

SIZES = (20_000, 60_000)
"""Entities of the cities. The bias is much the same in cities of any size, chance is smaller in a large one."""


@click.command(help=__doc__)
@click.option("--seeds", default=20, show_default=True, help="How many cities to study, with seeds from 1 on.")
@click.option(
    "--entities",
    multiple=True,
    default=SIZES,
    show_default=True,
    help="Entities of each city; may be given repeatedly.",
)
@click.option("--write/--no-write", default=True, help="Write the table into docs/selection.md.")
def main(seeds: int, entities: tuple[int, ...], write: bool) -> None:
    """Study each seed that is not there yet; a run that was stopped goes on where it was."""
    settings = Settings.from_environment(os.environ)
    code = fingerprint(
        code_of("experiments.selection.study", ("experiments", "training", "data.synthetic")), load_catalogue().hash
    )
    by_size = []
    for size in sorted(set(entities)):
        results = []
        for seed in range(1, seeds + 1):
            start = time.process_time()
            results.append(_result(seed, size, settings.var / "selection" / f"{size}-{code}", settings))
            click.echo(f"Seed {seed} of {seeds}, {size:,} entities: {time.process_time() - start:.0f} CPU seconds.")
        by_size.append(results)
    if write:
        click.echo(f"Written: {write_page(by_size)}")
    click.echo(f"Results of each seed: {settings.var / 'selection'}")


def _result(seed: int, entities: int, home: Any, settings: Settings) -> dict[str, Any]:
    path = home / f"seed-{seed}.json"
    if not path.is_file():
        work = home / "work"
        shutil.rmtree(work, ignore_errors=True)
        result = study_seed(seed, entities, dataclasses.replace(settings, var=work), lambda line: None)
        write_sealed(path, result)
        shutil.rmtree(work)
    return read_sealed(path)


if __name__ == "__main__":
    run(main)
