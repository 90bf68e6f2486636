"""Spark as an engine. Imported only where Spark is asked for: it needs PySpark and Java.

Everything runs as Spark SQL inside the executors: they need neither Python nor Qianfen.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException, PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from data.errors import ConfigurationError, StorageError
from features.parameters import Values

with warnings.catch_warnings():
    # Raised on import for pandas 3. Nothing here goes through pandas: rows come and go as Arrow.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from ibis.backends.pyspark import Backend

Backend.register_options()

_SESSION_OPTIONS = {
    # What overflows or cannot be cast is an error, as in DuckDB, and not a null.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
}


def local_options(threads: int) -> dict[str, str]:
    """Return what Spark is told where Qianfen starts it itself, on this machine."""
    return {
        "spark.app.name": "qianfen",
        "spark.master": f"local[{threads}]",
        "spark.sql.shuffle.partitions": str(4 * threads),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Nobody else has business with a Spark that lives for one command.
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def start_spark(log: Path, options: Mapping[str, str]) -> SparkSession:
    """Return the session of this process; start Spark where none runs, with what it says in the file `log`.

    `options` hold where Spark is started here. Under `spark-submit` it runs already, and that command decides.

    Raises
    ------
    ConfigurationError
        Where Spark does not start, for want of Java 17 for one.
    """
    if SparkSession.getActiveSession() is None:
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("wb") as file:
                gateway = launch_gateway(SparkConf().setAll(list(options.items())), {"stderr": file, "stdout": file})
            SparkContext(gateway=gateway).setLogLevel("ERROR")
        except PySparkRuntimeError as error:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise ConfigurationError(
                f"Spark must start, it did not: {said[-1] if said else error}. It needs Java 17 or later: install it "
                "(on Debian the package openjdk-17-jre-headless) or set JAVA_HOME."
            ) from error
    return SparkSession.builder.getOrCreate()


@dataclass(frozen=True)
class SparkRecords:
    """A city's records as Spark sees them.

    Attributes
    ----------
    tables : mapping of str to Path or str
        Where the Parquet of each mapped table lies: a path that driver and executors see alike, or a URI that Spark
        can read (`hdfs://`, `s3a://`).
    records_id, n_records, indicator_parameters
        As of data.records.Records.
    session : SparkSession
        Where to run.
    """

    tables: Mapping[str, Path | str]
    records_id: str
    n_records: int
    session: SparkSession
    indicator_parameters: Mapping[str, Values]

    def connect(self, threads: int | None = None) -> Any:
        """Return an Ibis backend with one view for each mapped table. How many threads run is for Spark to say."""
        session = self.session.newSession()
        for key, value in _SESSION_OPTIONS.items():
            session.conf.set(key, value)
        backend = SparkBackend().connect(session)
        for name, location in self.tables.items():
            session.read.parquet(str(location)).createOrReplaceTempView(name)
        return backend


class SparkBackend(Backend):  # type: ignore[misc]
    """Ibis on Spark, with what the matrix needs beside: temporary tables, and rows that go through Arrow."""

    def create_table(self, name: str, /, obj: ir.Table, *, temp: bool = True, **_: Any) -> ir.Table:
        """Keep what a table expression yields, in the memory of the executors and on their disks beyond it."""
        kept = self._frame(obj).cache()
        if name in self._cached_dataframes:
            self._drop_cached_table(name)
        kept.createOrReplaceTempView(name)
        self._cached_dataframes[name] = kept
        return self.table(name)

    def disconnect(self) -> None:
        """Let go of what was kept. The session lives on: others may use it."""
        for name in list(self._cached_dataframes):
            self._drop_cached_table(name)

    def to_parquet(self, expr: ir.Table, /, path: Path | str, **_: Any) -> None:
        """Let the executors write rows to a folder of Parquet files, numbered in the order of the rows."""
        try:
            self._frame(expr).write.parquet(str(path))
        except (PySparkException, Py4JJavaError) as error:
            if "No space left on device" in str(error):
                raise StorageError(
                    f"The disk is full, {path} was not written whole. Free space (Spark spills to spark.local.dir) "
                    "and run again."
                ) from error
            raise

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """Collect rows on the driver."""
        return expr.__pyarrow_result__(self._frame(expr.as_table()).toArrow())

    def execute(self, expr: ir.Expr, /, **_: Any) -> Any:
        """Collect rows on the driver, as pandas."""
        return expr.__pandas_result__(self._frame(expr.as_table()).toArrow().to_pandas())

    def _frame(self, expr: ir.Table) -> Any:
        self._run_pre_execute_hooks(expr)
        return self._session.sql(self.compile(expr))

    def _register_in_memory_table(self, op: Any) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)
