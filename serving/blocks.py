"""Blocks of a grading: everybody is graded one row group of the snapshot at a time, and what is done survives a kill.

A block is an Arrow file that is written once and carries its SHA-256 in its name. A run that goes on keeps the blocks
that are whole and grades the rest; the blocks then become one Parquet file, with the bytes of an undisturbed run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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

MOST_WRITTEN_ERROR_POINTS = 1e-4
"""Contributions are written in 32 bits where their sum then stays as near to the points as this, else in 64."""

_PARTS = {"expert": "expert_parts", "learned": "learned_parts"}
_BLOCKS_BETWEEN_PROGRESS = 5
_COMPUTED, _WRITTEN = b"max_additivity_error_points", b"max_written_error_points"


@dataclass(frozen=True)
class Totals:
    """What a grading comes to.

    Attributes
    ----------
    n_entities : int
    grade_counts : Counter
        Entities by grade.
    max_additivity_error_points : float
        Largest distance between points before they are held in [0, 1000] and their sum of contributions.
    max_written_error_points : float
        The same for the contributions as they are in the file.
    """

    n_entities: int
    grade_counts: Counter[str]
    max_additivity_error_points: float
    max_written_error_points: float


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
    n_entities, computed, written = 0, 0.0, 0.0
    columns = schema(names, wide=any(_is_wide(block, names) for block in blocks))
    with pq.ParquetWriter(path, columns, compression="zstd") as writer:
        for block in blocks:
            with pa.ipc.open_file(block) as reader:
                computed = max(computed, float(reader.schema.metadata[_COMPUTED]))
                written = max(written, float(reader.schema.metadata[_WRITTEN]))
                table = reader.read_all().replace_schema_metadata(None).cast(columns)
            writer.write_table(table)
            counts.update(table["grade"].to_pylist())
            n_entities += table.num_rows
    return Totals(n_entities, counts, computed, written)


def schema(names: tuple[str, ...], wide: bool = False) -> pa.Schema:
    """Return the columns of a grading. Points are 64-bit; contributions 32-bit, or 64-bit where `wide`."""
    numbers = ("points", "unclipped_points", "probability", "expert_points", "base_points")
    order = ("entity_id", *numbers[:2], "grade", *numbers[2:4], "expert_grade", "veto", numbers[4])
    whole = [pa.field(name, pa.float64() if name in numbers else pa.string()) for name in order]
    kind = pa.float64() if wide else pa.float32()
    return pa.schema([*whole, *(pa.field(f"{part}_{name}", kind) for part in ("expert", "learned") for name in names)])


def part_columns(columns: Sequence[str]) -> list[str]:
    """Return those of a grading's columns that hold contributions."""
    names = [column.removeprefix("learned_") for column in columns if column.startswith("learned_")]
    return [f"{part}_{name}" for part in ("expert", "learned") for name in names]


def _is_wide(block: Path, names: tuple[str, ...]) -> bool:
    with pa.ipc.open_file(block) as reader:
        return bool(reader.schema.field(f"learned_{names[0]}").type == pa.float64())


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
    narrow = replace(scores, **{part: getattr(scores, part).astype(np.float32) for part in _PARTS.values()})
    wide = narrow.additivity_error() > MOST_WRITTEN_ERROR_POINTS
    kept = scores if wide else narrow
    errors = {_COMPUTED: scores.additivity_error(), _WRITTEN: kept.additivity_error()}
    table = pa.table(dict(_columns(rows["entity_id"], kept, model.names)), schema=schema(model.names, wide))
    return table.combine_chunks().replace_schema_metadata({name: repr(error) for name, error in errors.items()})


def _columns(entity_ids: pa.ChunkedArray, scores: Scores, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield "entity_id", entity_ids
    for name in ("points", "unclipped_points", "probability", "expert_points"):
        yield name, getattr(scores, name)
    for name in ("grade", "expert_grade", "veto"):
        yield name, getattr(scores, name).tolist()
    yield "base_points", np.full(len(entity_ids), scores.base_points)
    for part, attribute in _PARTS.items():
        yield from ((f"{part}_{name}", getattr(scores, attribute)[:, i]) for i, name in enumerate(names))
