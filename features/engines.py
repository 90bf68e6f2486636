"""Engines: where the indicators are worked out. DuckDB on one machine, Spark past it; no formula knows which.

An engine is whatever `connect()` of the records returns: an Ibis backend with a view for each mapped table.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import ConfigurationError

if TYPE_CHECKING:
    from data.records import Records
    from data.settings import Settings
    from features.matrix import Records as MatrixRecords


def records_on(records: Records, settings: Settings) -> MatrixRecords:
    """Return a city's records as the engine of the settings sees them; what Spark says goes to `var`/spark.log.

    Raises
    ------
    ConfigurationError
        Where Spark is not installed or does not start.
    """
    if settings.engine == "duckdb":
        return records
    if importlib.util.find_spec("pyspark") is None:
        raise ConfigurationError(
            "The engine spark needs PySpark, it is not installed. "
            "Install `qianfen[spark]`, or run `make install-extra`."
        )
    from features.spark import SparkRecords, local_options, start_spark

    session = start_spark(settings.var / "spark.log", local_options(settings.threads))
    return SparkRecords(records.tables, records.records_id, records.n_records, session, records.indicator_parameters)


def rows_of(matrix: ir.Table, folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an ordered expression, in their order; then let its engine go.

    DuckDB holds all rows at once. Spark's executors write them below `folder`, which they and the driver see alike, and
    the driver reads on from there: it never holds more than a batch.
    """
    backend = matrix.get_backend()
    if backend.name == "pyspark":
        parts = folder / "parts"
        matrix.to_parquet(parts)
        # Spark numbers the parts of an ordered result in its order.
        for part in sorted(parts.glob("part-*.parquet")):
            yield from pq.ParquetFile(part).iter_batches()
        shutil.rmtree(parts)
    else:
        # ibis-framework 12 asks for batches by a name that DuckDB 2.0 does not have.
        yield from matrix.to_pyarrow().to_batches()
    backend.disconnect()
