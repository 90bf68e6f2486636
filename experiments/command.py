"""How a module of experiments is run from a terminal: an error of ours is one line and its exit code."""

from __future__ import annotations

import sys

import click

from data.errors import QianfenError


def run(main: click.Command) -> None:
    """Run a command; end the process with the exit code of its error, if there is one."""
    try:
        main(standalone_mode=False)
    except (QianfenError, click.ClickException) as error:
        click.echo(str(error), err=True)
        sys.exit(getattr(error, "exit_code", 1))
