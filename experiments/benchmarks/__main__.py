"""`python -m experiments.benchmarks [name]`: run one benchmark, or all."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import click

import experiments.benchmarks as package
from data.errors import QianfenError
from data.settings import Settings
from experiments.benchmarks.harness import BenchmarkError, publish


def benchmarks() -> dict[str, click.Command]:
    """Find every module of the package that declares a `benchmark` command."""
    modules = (importlib.import_module(f"{package.__name__}.{m.name}") for m in _modules())
    found = (getattr(module, "benchmark", None) for module in modules)
    return {str(command.name): command for command in found if isinstance(command, click.Command)}


def main(arguments: list[str]) -> int:
    """Run what is asked for and publish each report; returns the exit code."""
    environment = dict(os.environ)
    known = benchmarks()
    names = arguments[:1] or sorted(known)
    if names[0] not in known:
        click.echo(f"A benchmark must be one of {', '.join(known)}, got '{names[0]}'.", err=True)
        return 2
    try:
        settings = Settings.from_environment(environment)
        for name in names:
            report = known[name].main(arguments[1:], prog_name=name, standalone_mode=False, obj=environment)
            # `--help` ends without a report.
            if not isinstance(report, int):
                publish(report, settings.var)
    except (QianfenError, BenchmarkError, click.ClickException) as error:
        click.echo(str(error), err=True)
        return getattr(error, "exit_code", 1)
    return 0


def _modules() -> list[pkgutil.ModuleInfo]:
    return [m for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("__")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
