"""Records lie by entity, by the day they became known, then as in their file; whatever way they came."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.ordering import _in_order, order_rows
from data.schemas import TABLES
from data.writing import write_records

CODES = {
    "unified codes": ["91110000802100433B", "92110105MAQ24BU174", "91110000802100433X", "91110105MA0100001Z"],
    "codes of a city's own": ["B-2", "A1", "A10", "a"],
    "both, and one that is missing": ["91110000802100433B", None, "A1", "92110105MAQ24BU174"],
    "eighteen signs of which some are neither letter nor digit": ["A" * 17 + "~", "A" * 18, "a" * 18, "-" + "A" * 17],
}
N_ROWS = 200


@pytest.fixture(params=CODES)
def changes(request):
    """Rows of the table of changes, as they came: by their place in the file."""
    rng = np.random.default_rng(7)
    places = np.arange(N_ROWS)
    return pa.table(
        {
            "record_id": pa.array([f"R{n:03}" for n in rng.permutation(N_ROWS)], pa.large_string()),
            "entity_id": pa.array(rng.choice(np.array(CODES[request.param], dtype=object), N_ROWS), pa.large_string()),
            "known_at": pa.array(rng.integers(18_000, 18_010, N_ROWS), pa.int32()).cast(pa.date32()),
            "source_file": pa.array(["changes.csv"] * N_ROWS, pa.large_string()),
            "source_row": pa.array(places + 1),
        }
    )


def expected(rows):
    """Places of the rows in order, by Python's own comparison; a missing code comes last."""
    keys = zip(*(rows[name].to_pylist() for name in ("entity_id", "known_at", "source_row", "record_id")), strict=True)
    keyed = [((code is None, code or "", *rest), place) for place, (code, *rest) in enumerate(keys)]
    return [place for _, place in sorted(keyed)]


def test_rows_are_in_the_order_of_code_day_and_row_and_numbered_by_code(changes):
    order = order_rows(changes, TABLES["changes"], np.ones(N_ROWS, dtype=np.bool_))

    assert order.places.tolist() == expected(changes)
    codes = changes["entity_id"].take(pa.array(order.places))
    assert order.codes.take(pa.array(order.numbers)).to_pylist() == codes.to_pylist()


def test_rows_that_do_not_stand_are_left_out(changes):
    stands = np.arange(N_ROWS) % 3 > 0

    order = order_rows(changes, TABLES["changes"], stands)

    assert order.places.tolist() == [place for place in expected(changes) if stands[place]]


def test_rows_of_one_place_in_a_file_are_in_the_order_of_their_keys(changes):
    same = changes.set_column(4, "source_row", pa.array(np.arange(N_ROWS) % 5))

    order = order_rows(same, TABLES["changes"], np.ones(N_ROWS, dtype=np.bool_))

    assert order.places.tolist() == expected(same)


def test_the_same_rows_give_the_same_bytes_in_whatever_order_they_come(changes, tmp_path):
    shuffled = changes.take(pa.array(np.random.default_rng(8).permutation(N_ROWS)))

    write_records(changes, TABLES["changes"], tmp_path / "a.parquet")
    write_records(shuffled, TABLES["changes"], tmp_path / "b.parquet")

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_what_is_written_is_what_was_given_group_by_group(changes, tmp_path, monkeypatch):
    monkeypatch.setattr("data.writing._ROWS_OF_A_GROUP", 64)

    write_records(changes, TABLES["changes"], tmp_path / "a.parquet")

    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 4
    written = file.read()
    in_order = changes.take(pa.array(expected(changes)))
    assert written.column_names == list(TABLES["changes"].column_names)
    assert all(written[name].to_pylist() == in_order[name].to_pylist() for name in changes.column_names)
    assert written["withdrawn_at"].null_count == N_ROWS


@pytest.mark.parametrize("above", [0, 2**63])
def test_numbers_that_differ_in_their_lowest_bits_alone_are_told_apart_and_equal_ones_stay_as_they_came(above):
    # With 10 bits for its place and 64 for the number itself, the lowest ten bits have no room in the joint number.
    rng = np.random.default_rng(9)
    numbers = rng.integers(0, 50, 1000).astype(np.uint64) + rng.choice(np.array([0, above], dtype=np.uint64), 1000)

    assert _in_order(numbers).tolist() == np.argsort(numbers, kind="stable").tolist()
