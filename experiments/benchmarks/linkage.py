"""How well and how fast names find their entities: real names with known truth, as written and damaged.

Two registers: the real one (the names of the Beijing files), and one filled up to 1.3 M with names put together from
parts of real ones. On the large one everything runs as a user runs it: `qianfen ingest` of a city with that register
and 100,000 rows that carry a name and no code, in a process of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import duckdb
import pyarrow as pa

from data.city import Linking
from data.connection import connect
from data.settings import Settings
from experiments.benchmarks.harness import Report, Row, Run, command_path, measure
from experiments.linkage.city import add_rows, read_outcomes, write_city
from experiments.linkage.dense_register import fill_register
from experiments.linkage.errors import write_errors
from experiments.linkage.measure import Outcome, figures, figures_of_equality, link_trials
from experiments.linkage.names_with_truth import PLACES, RealNames, read_names
from experiments.linkage.trials import ABSENT, Trials, load_trials, make_trials

BAR = float(Linking().bar)
N_ROWS, N_ENTITIES = 100_000, 1_300_000


@click.command("linkage", help=__doc__)
@click.option("--entities", default=N_ENTITIES, show_default=True, help="Entities of the large register.")
@click.option("--rows", default=N_ROWS, show_default=True, help="Rows with a name that are linked to it.")
@click.option("--bar", default=BAR, show_default=True, help="Share of certainty from which a row is linked.")
@click.option("--tune", is_flag=True, help="Look at the half of the names that the model was fitted on instead.")
@click.pass_obj
def benchmark(environment: Mapping[str, str], entities: int, rows: int, bar: float, tune: bool) -> Report:
    """Measure both registers; the errors go to var/bench/linkage_errors*.csv."""
    settings = Settings.from_environment(environment)
    names = read_names(settings)
    trials = make_trials(names, tune)
    checks: dict[str, float] = {}
    with connect(settings.threads) as connection:
        load_trials(connection, trials)
        outcomes = link_trials(connection, trials.trials, bar)
        write_errors(outcomes, dict(reversed(trials.register)), settings.var / "bench" / "linkage_errors.csv")
        checks |= _checks(f"{len(trials.register):,} entities", outcomes)
        fill_register(connection, entities, PLACES)
        _draw_rows(connection, names, trials, rows, tune)
        run, large = _at_scale(connection, environment, outcomes[:rows], bar)
        n_entities = connection.execute("SELECT count(*) FROM dense").fetchone()
        checks |= _checks(f"{n_entities[0] if n_entities else 0:,} entities", large)
        register = dict(connection.execute("SELECT code, name FROM dense").fetchall()) | dict(reversed(trials.register))
        write_errors(large, register, settings.var / "bench" / "linkage_errors_at_scale.csv")
    work = f"{rows:,} names against {entities:,} entities: `qianfen ingest` with the register read already"
    return Report(
        "linkage", work, (Row("link names, write tables", (run.seconds,), rows, run.peak_rss_mib),), {}, checks
    )


def _draw_rows(connection: duckdb.DuckDBPyConnection, names: RealNames, trials: Trials, n: int, tune: bool) -> None:
    """Make `rows` (id, name): the trials, and as many of the other half as are needed to have so many."""
    others = [trial.name for trial in make_trials(names, not tune).trials]
    written = ([trial.name for trial in trials.trials] + others)[:n]
    connection.register("written", pa.table({"id": range(1, len(written) + 1), "name": written}))
    connection.execute("CREATE OR REPLACE TEMP TABLE rows AS FROM written")


def _at_scale(
    connection: duckdb.DuckDBPyConnection, environment: Mapping[str, str], outcomes: Sequence[Outcome], bar: float
) -> tuple[Run, list[Outcome]]:
    """Ingest the register, and then, measured, the rows."""
    home = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(home / "var")}
    try:
        write_city(connection, home / "city", bar)
        measure([command_path(), "ingest", str(home / "city")], own)
        add_rows(home / "city")
        run = measure([command_path(), "ingest", str(home / "city")], own)
        return run, read_outcomes(connection, home / "var", outcomes)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _checks(register: str, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the figures of all rows of a registered entity, of each kind, and of equality of names alone."""
    registered = [outcome for outcome in outcomes if outcome.trial.kind != ABSENT]
    found = {f"{register}, all": figures(registered), f"{register}, and rows of nobody": figures(outcomes)}
    for kind in dict.fromkeys(outcome.trial.kind for outcome in registered):
        found[f"{register}, {kind}"] = figures(o for o in registered if o.trial.kind == kind)
    found[f"{register}, equality alone"] = figures_of_equality(registered)
    return {
        f"{what}: {figure}": round(float(getattr(of, figure)), 5)
        for what, of in found.items()
        for figure in ("n", "precision", "recall", "blocking_loss", "n_wrong")
    }
