"""Building the synthetic city: source files as departments send them, and the truth beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from data.errors import ConfigurationError
from data.files import atomic_folder, fingerprint, read_json, sha256_of, write_json
from data.schemas import TABLES
from data.synthetic import events, registers
from data.synthetic.dirt import soil
from data.synthetic.licensing import draw_terms
from data.synthetic.population import draw_population
from data.synthetic.simulation import simulate
from data.synthetic.truth import FILE, write_truth

SEED = 20260101
FEWEST, MOST = 2_000, 1_500_000
CSV_TABLES = ("complaints", "annual_reports")
"""Sent as CSV, the others as Parquet."""


def build_synthetic_city(
    n_entities: int, seed: int, folder: Path, progress: Callable[[str], None] = print
) -> dict[str, object]:
    """Write the source files of a synthetic city, unless they are there; return its manifest.

    Parameters
    ----------
    n_entities : int
        2,000 to 1,500,000.
    seed : int
        The same seed and number give the same bytes.
    folder : Path
        Where the files go: one for each of the 13 tables, truth.parquet, dirt.json and manifest.json.

    Raises
    ------
    ConfigurationError
        For a number of entities outside the bounds.
    """
    if not FEWEST <= n_entities <= MOST:
        raise ConfigurationError(f"A synthetic city must have {FEWEST:,} to {MOST:,} entities, got {n_entities:,}.")
    identity = {"n_entities": n_entities, "seed": seed, "generator": _generator_version()}
    if _is_whole(folder) and read_json(folder / "manifest.json")["identity"] == identity:
        progress(f"The synthetic city of {n_entities:,} entities (seed {seed}) is there already: skipped.")
        return dict(read_json(folder / "manifest.json"))
    progress(f"Building a synthetic city of {n_entities:,} entities (seed {seed}).")
    built = folder.parent / f".{folder.name}-{fingerprint(identity)}"
    with atomic_folder(built) as beside:
        _build(n_entities, seed, beside, identity, progress)
    # The old city is moved away whole before it is removed: what stands here is whole, the old or the new.
    aside = folder.parent / f".{folder.name}.old"
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    built.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)
    return dict(read_json(folder / "manifest.json"))


def _build(n: int, seed: int, folder: Path, identity: dict[str, object], progress: Callable[[str], None]) -> None:
    rng = np.random.default_rng(seed)
    population = draw_population(n, seed, rng)
    terms = draw_terms(population, rng)
    history = simulate(population, terms, rng)
    write_truth(population, history, folder)
    tables = {
        "entities": registers.entities(population, rng),
        "licences": registers.licences(population, terms, rng),
        "annual_reports": registers.annual_reports(population, rng),
        "changes": registers.changes(population, rng),
        "people": registers.people(population, rng),
        "products": registers.products(population, rng),
        "inspections": events.inspections(population, history, rng),
        "complaints": events.complaints(population, history, rng),
        "penalties": events.penalties(population, history, rng),
        "tests": events.tests(population, history, rng),
        "listings": events.listings(population, history, rng),
        "obligations": events.obligations(population, history, rng),
        "mentions": events.mentions(population, history, rng),
    }
    tables, planted = soil(tables, rng)
    for name, table in tables.items():
        _write(table, name, folder)
    n_records = {name: table.num_rows for name, table in tables.items()}
    progress(f"  {sum(n_records.values()):,} records in {len(tables)} files")
    write_json(folder / "dirt.json", {"quarantined": planted, "bad_check_characters": int(population.bad_code.sum())})
    write_json(folder / "manifest.json", {"identity": identity, "n_records": n_records})


def _write(table: pa.Table, name: str, folder: Path) -> None:
    if name in CSV_TABLES:
        pa_csv.write_csv(table, folder / f"{name}.csv")
    else:
        pq.write_table(table, folder / f"{name}.parquet", compression="lz4", row_group_size=122_880)


def _is_whole(folder: Path) -> bool:
    tables = (f"{name}.csv" if name in CSV_TABLES else f"{name}.parquet" for name in TABLES)
    return all((folder / name).is_file() for name in (*tables, FILE, "dirt.json", "manifest.json"))


def _generator_version() -> str:
    return fingerprint([sha256_of(path) for path in sorted(Path(__file__).parent.glob("*.py"))])
