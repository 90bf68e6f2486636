"""The `qianfen` command: one sub-command for each step, and `demo` for all of them."""

from __future__ import annotations

import os
import sys

import click

from data.errors import QianfenError
from data.settings import Settings
from serving.commands import (
    auditing,
    calibration,
    drift,
    features,
    links,
    models,
    monitoring,
    movement,
    parameters,
    promotion,
    records,
    reference,
    rivals,
    service,
    snapshots,
    training,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="qianfen")
def cli() -> None:
    """Grade the risk of a city's market entities, and explain every grade.

    CITY is a name under experiments/ (synthetic, toronto, chicago, beijing) or the path of a folder with a city.toml.
    """


for _command in (
    records.synthetic,
    records.ingest,
    records.check,
    links.links,
    features.features,
    training.train,
    promotion.push,
    promotion.promote,
    promotion.rollback,
    promotion.ledger,
    promotion.reproduce,
    calibration.calibration,
    calibration.recalibrate,
    calibration.stability,
    models.grade,
    rivals.compare,
    monitoring.monitor,
    auditing.audit,
    auditing.model_card,
    movement.movement,
    parameters.learn_parameters,
    service.score,
    service.serve,
    service.demo,
    models.evaluate_published,
    reference.reference,
):
    cli.add_command(_command)

for _command in (
    snapshots.features_list,
    snapshots.features_show,
    snapshots.features_diff,
    snapshots.features_verify,
    snapshots.features_prune,
    drift.drift,
    drift.accept_drift,
):
    features.features.add_command(_command)


def main() -> None:
    """Run the command; an error that a user can act on ends with its message and exit code, without a traceback."""
    try:
        settings = Settings.from_environment(os.environ)
        code = cli.main(obj=settings, prog_name="qianfen", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except QianfenError as error:
        click.echo(f"qianfen: error: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
