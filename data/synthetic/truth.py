"""The truth: what an inspection would have found, for everybody. Only evaluation may read it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import NotFoundError
from data.synthetic.columns import dates
from data.synthetic.grid import N_PERIODS, period_start
from data.synthetic.population import Population
from data.synthetic.registers import codes
from data.synthetic.simulation import History

FILE = "truth.parquet"


def write_truth(population: Population, history: History, folder: Path) -> None:
    """Write entity_id, as_of_date, probability and outcome of everybody registered on each first day of a period."""
    path = folder / FILE
    writer = None
    for period in range(N_PERIODS + 1):
        day = period_start(period)
        row = np.flatnonzero(population.alive(day))
        table = pa.table(
            {
                "entity_id": codes(population, row),
                "as_of_date": dates(np.full(len(row), day)),
                "probability": pa.array(history.probability[period][row]),
                "outcome": pa.array(history.outcome[period][row]),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None, "there is a period"
    writer.close()


def read_truth(folder: Path, as_of_date: date) -> pd.DataFrame:
    """Return entity_id, probability and outcome of everybody as of a date of the grid.

    Raises
    ------
    NotFoundError
        Where the city has no truth, or none as of the date.
    """
    path = folder / FILE
    if not path.is_file():
        raise NotFoundError(f"{path} must hold the truth of the synthetic city, it is missing. Build the city again.")
    frame = pq.read_table(path, filters=[("as_of_date", "=", as_of_date)]).to_pandas()
    if frame.empty:
        raise NotFoundError(f"The synthetic city has no truth as of {as_of_date}, which is no date of its grid.")
    result: pd.DataFrame = frame.drop(columns="as_of_date")
    return result
