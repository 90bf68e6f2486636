"""Figures that somebody else published, computed from their scores with our metric code; our champion beside them.

The scores and what was published stand in ``[[published]]`` of a city's city.toml. Where a figure agrees to the last
digit that was published, the metric code is right; what our own model reaches on the same rows is then comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.city import City, Period, Published
from data.errors import NotFoundError, SourceError, did_you_mean
from data.records import Records, open_records
from data.settings import Settings
from features.pairs import matrix_for_pairs
from training.champions import load_champion
from training.inspection_order import first_half_shares, mean_days_earlier
from training.labels import inspection_labels
from training.metrics import roc_auc


@dataclass(frozen=True)
class PublishedRow:
    """Figures of one set of scores on one set of rows.

    Attributes
    ----------
    name : str
        Whose scores.
    on : str
        The published scores whose rows these are.
    figures : mapping
        n_rows, n_positive, roc_auc, first_half_share_actual, first_half_share_by_model, mean_days_earlier.
    expected : mapping
        The published figures; empty for our own scores.
    """

    name: str
    on: str
    figures: Mapping[str, float]
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """Names of the figures that are not as published, to the last published digit."""
        return tuple(name for name, value in self.expected.items() if not agrees(self.figures[name], value))


def evaluate_published(city: City, settings: Settings) -> list[PublishedRow]:
    """Compute the published figures of a city, and where it has a champion, the champion's on the same rows.

    Raises
    ------
    NotFoundError
        Where the city declares no published scores.
    SourceError
        Where a file of scores, or a column of it, is missing.
    """
    if not city.published:
        raise NotFoundError(f"{city.name} declares no published scores. Add [[published]] to its city.toml.")
    own = _own_scores(city, settings)
    rows = []
    for published in city.published:
        scores = read_scores(city, published, settings)
        rows.append(PublishedRow(published.name, published.name, _figures(scores, "score"), published.expected))
        if own is not None:
            rows.append(_beside(scores.merge(own, on="key"), published))
    return rows


def read_scores(city: City, published: Published, settings: Settings) -> pd.DataFrame:
    """Return the test rows of published scores: key (text), date, label, score."""
    path = city.source_folder(settings) / published.file
    if not path.is_file():
        raise SourceError(f"The scores of {published.name} must lie in {path}, they are missing. Put them there.")
    raw = pd.read_parquet(path)
    names = {"key": published.key, "date": published.date, "label": published.label, "score": published.score}
    for column in (*names.values(), published.test):
        if column not in raw.columns:
            raise SourceError(
                f"{path} must have the column {column}, it is missing.{did_you_mean(column, raw.columns)} "
                f"Correct [[published]] {published.name} in city.toml."
            )
    tested = raw[raw[published.test].astype(bool)]
    return pd.DataFrame({name: tested[column] for name, column in names.items()}).astype({"key": str})


def agrees(figure: float, published: float) -> bool:
    """Whether a figure, rounded to the digits that were published, is the published one."""
    digits = Decimal(str(published)).as_tuple().exponent
    assert isinstance(digits, int), "a published figure is finite"
    return round(figure, -digits) == published


def _figures(scores: pd.DataFrame, column: str) -> dict[str, float]:
    y: NDArray[np.int8] = scores["label"].to_numpy(dtype=np.int8)
    score = scores[column].to_numpy(dtype=np.float64)
    days = scores["date"].to_numpy(dtype="datetime64[D]")
    was, by_model = first_half_shares(days, y, score)
    return {
        "n_rows": len(y),
        "n_positive": int(y.sum()),
        "roc_auc": roc_auc(y, score),
        "first_half_share_actual": was,
        "first_half_share_by_model": by_model,
        "mean_days_earlier": mean_days_earlier(days, y, score),
    }


def _own_scores(city: City, settings: Settings) -> pd.DataFrame | None:
    """Log-odds of the champion for every labelled inspection, by record; None where no champion is there."""
    try:
        model = load_champion(city, settings)
    except NotFoundError:
        return None
    records = open_records(city, settings)
    assert isinstance(city.split.test, Period), "published scores are of inspections"
    labels = inspection_labels(records, city, city.split.test)
    matrix = _matrix(records, labels)
    scored = matrix[["entity_id", "as_of_date"]].assign(own=model.score(matrix[list(model.names)]).raw_score)
    joined = labels.merge(scored, on=["entity_id", "as_of_date"])
    return pd.DataFrame({"key": joined["record_id"], "own": joined["own"], "version": model.model_version})


def _matrix(records: Records, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the indicators of the labelled pairs."""
    pairs = labels[["entity_id", "as_of_date"]].drop_duplicates()
    frame: pd.DataFrame = pa.concat_tables(matrix_for_pairs(records, pairs)).to_pandas(date_as_object=False)
    return frame.assign(as_of_date=pd.to_datetime(frame["as_of_date"]))


def _beside(both: pd.DataFrame, published: Published) -> PublishedRow:
    """Figures of our champion on the published rows that it has a score for."""
    return PublishedRow(f"ours, version {both['version'].iloc[0]}", published.name, _figures(both, "own"))
