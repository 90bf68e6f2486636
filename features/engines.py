"""Engines: where the indicators are worked out. DuckDB on one machine, Spark past it; no formula knows which.

An engine is whatever `connect()` of the records returns: an Ibis backend with a view for each mapped table.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import ConfigurationError

if TYPE_CHECKING:
    from data.records import Records
    from features.matrix import Records as MatrixRecords

ENGINES = ("duckdb", "spark")
"""Names of the engines; the first is the one that needs nothing beside Qianfen."""


def records_on(engine: str, records: Records, scratch: Path) -> MatrixRecords:
    """Return the records as an engine sees them.

    Parameters
    ----------
    engine : {"duckdb", "spark"}
        Name of the engine.
    records : Records
        A city's records.
    scratch : Path
        Folder for what Spark writes on the way, and for its log. On a cluster the driver and all executors must see it.

    Raises
    ------
    ConfigurationError
        Where the engine is unknown, or Spark is not installed or does not start.
    """
    if engine == "duckdb":
        return records
    if engine != "spark":
        raise ConfigurationError(f"The engine must be {' or '.join(ENGINES)}, got '{engine}'. Correct it.")
    if importlib.util.find_spec("pyspark") is None:
        raise ConfigurationError(
            "The engine spark needs PySpark, it is not installed. Install `qianfen[spark]`, or run `make install-extra`."
        )
    from features.spark import SparkRecords, start_spark

    return SparkRecords(records.tables, records.records_id, records.n_records, start_spark(scratch), scratch)
