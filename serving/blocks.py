"""Blocks of a grading: everybody is graded one row group of the snapshot at a time, and what is done survives a kill.

A block is an Arrow file that is written once and carries its SHA-256 in its name. A run that goes on keeps the blocks
that are whole and grades the rest; the blocks then become one Parquet file, with the bytes of an undisturbed run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import StorageError
from data.files import sha256_of, write_atomically
from data.progress import Progress
from features.snapshots import Snapshot
from training.additive import AdditiveModel, Scores

_BLOCKS_BETWEEN_PROGRESS = 5
_ERROR = b"max_additivity_error_points"


@dataclass(frozen=True)
class Totals:
    """What a grading comes to: entities, entities by grade, largest distance of a sum from its points."""

    n_entities: int
    grade_counts: Counter[str]
    max_additivity_error_points: float


def grade_blocks(home: Path, model: AdditiveModel, snapshot: Snapshot, progress: Progress) -> list[Path]:
    """Return the blocks of a grading in order; grade those that are not whole in the folder `home`.

    Raises
    ------
    StorageError
        Where the disk is full; the blocks that are done stay.
    """
    home.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(snapshot.path) as file:
        n_blocks, n_all = file.num_row_groups, file.metadata.num_rows
        blocks = _whole_blocks(home, progress)
        if blocks:
            progress(f"Going on: {len(blocks)} of {n_blocks} blocks were graded before and are whole.")
        n_done = sum(file.metadata.row_group(number).num_rows for number in blocks)
        for count, number in enumerate((n for n in range(n_blocks) if n not in blocks), start=1):
            rows = file.read_row_group(number, columns=["entity_id", *model.names])
            blocks[number] = _write_block(home, number, _block(rows, model))
            n_done += rows.num_rows
            if count % _BLOCKS_BETWEEN_PROGRESS == 0 or n_done == n_all:
                progress(f"Graded {n_done:,} of {n_all:,} entities.")
    return [blocks[number] for number in range(n_blocks)]


def combine_blocks(blocks: list[Path], path: Path, names: tuple[str, ...]) -> Totals:
    """Write blocks to one Parquet file, a row group each; one block is held at a time."""
    counts: Counter[str] = Counter()
    n_entities, error = 0, 0.0
    with pq.ParquetWriter(path, schema(names), compression="zstd") as writer:
        for block in blocks:
            with pa.ipc.open_file(block) as reader:
                error = max(error, float(reader.schema.metadata[_ERROR]))
                table = reader.read_all().replace_schema_metadata(None)
            writer.write_table(table)
            counts.update(table["grade"].to_pylist())
            n_entities += table.num_rows
    return Totals(n_entities, counts, error)


def schema(names: tuple[str, ...]) -> pa.Schema:
    """Return the columns of a grading. Points are 64-bit; contributions 32-bit, which holds them to 1e-4 points."""
    numbers = ("points", "unclipped_points", "probability", "expert_points", "base_points")
    order = ("entity_id", *numbers[:2], "grade", *numbers[2:4], "expert_grade", numbers[4])
    whole = [pa.field(name, pa.float64() if name in numbers else pa.string()) for name in order]
    parts = [pa.field(f"{part}_{name}", pa.float32()) for part in ("expert", "learned") for name in names]
    return pa.schema([*whole, *parts])


def _whole_blocks(home: Path, progress: Progress) -> dict[int, Path]:
    """Return the whole blocks by number; remove what is damaged or was never finished."""
    blocks = {}
    for path in sorted(home.iterdir()):
        number, _, digest = path.stem.partition("-")
        if not path.name.startswith(".") and sha256_of(path) == digest:
            blocks[int(number)] = path
            continue
        if not path.name.startswith("."):
            progress(f"Block {int(number) + 1} is damaged and is graded again.")
        path.unlink()
    return blocks


def _write_block(home: Path, number: int, table: pa.Table) -> Path:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    path = home / f"{number:06}-{hashlib.sha256(content).hexdigest()}.arrow"
    try:
        write_atomically(path, content)
    except StorageError as error:
        raise StorageError(
            f"The disk is full, block {number + 1} of the grading was not written. "
            "The blocks that are done stay: free space and run again, and the grading goes on."
        ) from error
    return path


def _block(rows: pa.Table, model: AdditiveModel) -> pa.Table:
    columns = [rows[name].to_numpy() for name in model.names]
    scores = model.score(np.column_stack(columns).astype(np.float64))
    error = {_ERROR: repr(scores.additivity_error()).encode()}
    arrays = dict(_columns(rows["entity_id"], scores, model.names))
    return pa.table(arrays, schema=schema(model.names)).combine_chunks().replace_schema_metadata(error)


def _columns(entity_ids: pa.ChunkedArray, scores: Scores, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield "entity_id", entity_ids
    for name in ("points", "unclipped_points", "probability", "expert_points"):
        yield name, getattr(scores, name)
    for name in ("grade", "expert_grade"):
        yield name, getattr(scores, name).tolist()
    yield "base_points", np.full(len(entity_ids), scores.base_points)
    for part, values in (("expert", scores.expert_parts), ("learned", scores.learned_parts)):
        yield from ((f"{part}_{name}", values[:, i].astype(np.float32)) for i, name in enumerate(names))
