"""Spark as an engine. Imported only where Spark is asked for: it needs PySpark and Java.

Everything runs as Spark SQL inside the executors: they need neither Python nor Qianfen.
"""

from __future__ import annotations

import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from data.errors import ConfigurationError

with warnings.catch_warnings():
    # Raised on import for pandas 3. Nothing here goes through pandas: rows come and go as Arrow.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from ibis.backends.pyspark import Backend

Backend.register_options()

LOCAL_OPTIONS = {
    "spark.app.name": "qianfen",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Nobody else has business with a Spark that lives for one command.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
"""What Spark is told where Qianfen starts it itself. Under `spark-submit` that command decides instead."""

_SESSION_OPTIONS = {
    # What overflows or cannot be cast is an error, as in DuckDB, and not a null.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
}


def start_spark(scratch: Path, options: Mapping[str, str] = LOCAL_OPTIONS) -> SparkSession:
    """Return the session of this process; start Spark where none runs. Its log goes to `scratch`/spark.log.

    Raises
    ------
    ConfigurationError
        Where Spark does not start, for want of Java 17 for one.
    """
    if SparkSession.getActiveSession() is None:
        scratch.mkdir(parents=True, exist_ok=True)
        log = scratch / "spark.log"
        try:
            with log.open("wb") as file:
                # Ignored under `spark-submit`: the JVM runs already.
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
    records_id, n_records
        As of data.records.Records.
    session : SparkSession
        Where to run.
    scratch : Path
        Folder that driver and executors see alike, for what is on its way to one file.
    """

    tables: Mapping[str, Path | str]
    records_id: str
    n_records: int
    session: SparkSession
    scratch: Path

    def connect(self, threads: int | None = None) -> Any:
        """Return an Ibis backend with one view for each mapped table. How many threads run is for Spark to say."""
        session = self.session.newSession()
        for key, value in _SESSION_OPTIONS.items():
            session.conf.set(key, value)
        backend = SparkBackend().connect(session)
        backend.scratch = self.scratch
        for name, location in self.tables.items():
            session.read.parquet(str(location)).createOrReplaceTempView(name)
        return backend


class SparkBackend(Backend):  # type: ignore[misc]
    """Ibis on Spark, with what the matrix needs beside: temporary tables, and rows that go through Arrow."""

    scratch: Path

    def create_table(self, name: str, /, obj: ir.Table, *, temp: bool = True, **_: Any) -> ir.Table:
        """Keep what a table expression yields, in the memory of the executors and on their disks beyond it."""
        self._run_pre_execute_hooks(obj)
        kept = self._frame(obj).cache()
        kept.createOrReplaceTempView(name)
        self._cached_dataframes[name] = kept
        return self.table(name)

    def disconnect(self) -> None:
        """Let go of what was kept. The session lives on: others may use it."""
        for name in list(self._cached_dataframes):
            self._drop_cached_table(name)

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """Collect rows on the driver."""
        return expr.__pyarrow_result__(self._frame(expr.as_table()).toArrow())

    def execute(self, expr: ir.Expr, /, **_: Any) -> Any:
        """Collect rows on the driver, as pandas."""
        return expr.__pandas_result__(self._frame(expr.as_table()).toArrow().to_pandas())

    def to_pyarrow_batches(self, expr: ir.Table, /, *, chunk_size: int = 1_000_000, **_: Any) -> pa.RecordBatchReader:
        """Return rows in their order, without ever holding all of them: Spark writes them, the driver reads on."""
        schema = self._frame(expr).limit(0).toArrow().schema
        return pa.RecordBatchReader.from_batches(schema, self._written_batches(expr, schema, chunk_size))

    def _written_batches(self, expr: ir.Table, schema: pa.Schema, chunk_size: int) -> Iterator[pa.RecordBatch]:
        with self._scratch_folder() as folder:
            self._frame(expr).write.parquet(str(folder))
            for part in sorted(folder.glob("part-*.parquet")):
                for batch in pq.ParquetFile(part).iter_batches(chunk_size):
                    yield batch.cast(schema)

    @contextmanager
    def _scratch_folder(self) -> Iterator[Path]:
        folder = self.scratch / f"matrix-{uuid.uuid4().hex}"
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _frame(self, expr: ir.Table) -> Any:
        self._run_pre_execute_hooks(expr)
        return self._session.sql(self.compile(expr))

    def _register_in_memory_table(self, op: Any) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)
