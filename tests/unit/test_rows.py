"""CSV files as offices publish them: every record is shown to the mapping or set aside with the reason."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import SourceError
from data.rows import count_records, read_records, stage_rows

TITLE = "二〇二五年名单,Unnamed: 1\r\n"
HEAD = "   序号,名称\r\n"


@pytest.fixture
def stage(tmp_path):
    """Stage the bytes of a file; return its rows, and its rejected records as (row, reason)."""

    def staged(content, encoding="utf-8", header_row=1):
        source = tmp_path / "名单.csv"
        source.write_bytes(content)
        stage_rows(source, "名单.csv", encoding, header_row, tmp_path)
        rows = pq.read_table(tmp_path / ".rows" / "名单.csv.parquet").to_pylist()
        rejected = pq.read_table(tmp_path / ".rejected" / "名单.csv.parquet").to_pylist()
        assert len(rows) + len(rejected) == count_records(source, encoding, header_row)
        return rows, [(row["source_row"], *row["reasons"]) for row in rejected]

    return staged


def row(number, name, place):
    return {"序号": number, "名称": name, "source_file": "名单.csv", "source_row": place}


def test_a_byte_order_mark_is_no_part_of_the_first_columns_name(stage):
    rows, _ = stage(b"\xef\xbb\xbf" + f"{HEAD}1,甲\r\n".encode())

    assert rows == [row("1", "甲", 1)]


def test_gb18030_is_read_as_declared_with_the_header_in_the_second_row(stage):
    rows, rejected = stage(f"{TITLE}{HEAD}1,丂㐀镕\r\n2,乙\r\n".encode("gb18030"), "gb18030", 2)

    assert rows == [row("1", "丂㐀镕", 1), row("2", "乙", 2)]
    assert rejected == []


def test_a_record_with_too_many_or_too_few_columns_is_set_aside_with_the_reason(stage):
    rows, rejected = stage(f"{HEAD}1,甲\r\n2\r\n3,丙,多\r\n4,丁,,\r\n".encode())

    assert rows == [row("1", "甲", 1), row("4", "丁", 4)]
    assert rejected == [
        (2, "the row must have 2 columns, was 1"),
        (3, "the row must have 2 columns, was 3"),
    ]


def test_a_cell_may_hold_a_line_break_and_counts_as_one_record(stage):
    rows, _ = stage(f'{HEAD}1,"甲\n乙"\r\n2,丙\r\n'.encode())

    assert rows == [row("1", "甲\n乙", 1), row("2", "丙", 2)]


def test_an_open_quote_costs_its_own_line_and_not_what_follows(stage):
    rows, rejected = stage(f'{HEAD}1,"甲\r\n2,乙\r\n3,"丙"丁\r\n4,戊\r\n'.encode())

    assert rows == [row("2", "乙", 2), row("4", "戊", 4)]
    assert rejected == [
        (1, "the quotes of the row must close within it, they do not"),
        (3, "the quotes of the row must close within it, they do not"),
    ]


def test_blank_lines_are_no_records_and_empty_cells_are_null(stage):
    rows, _ = stage(f"{HEAD}\r\n1,\r\n\r\n,乙\r\n".encode())

    assert rows == [row("1", None, 1), row(None, "乙", 2)]


def test_columns_without_a_name_are_called_by_their_place(stage):
    rows, _ = stage(b"a,,a,\r\n1,2,3,4\r\n")

    assert list(rows[0])[:4] == ["a", "column2", "a3", "column4"]


def test_another_encoding_than_declared_is_an_error_that_says_so(stage):
    with pytest.raises(SourceError, match="must be in utf-8, as city.toml declares"):
        stage(f"{HEAD}1,甲\r\n".encode("gb18030"))


def test_a_file_without_the_header_that_is_declared_is_refused(stage):
    with pytest.raises(SourceError, match="must name its columns in row 2"):
        stage(b"a,b\r\n", header_row=2)


@given(st.lists(st.text(st.sampled_from('甲a1", \t'), min_size=1, max_size=12), max_size=12))
def test_no_line_of_any_text_is_lost(tmp_path_factory, lines):
    source = tmp_path_factory.mktemp("any") / "any.csv"
    source.write_bytes("\n".join(lines).encode("gb18030"))

    records = list(read_records(source, "gb18030"))

    # A record that spans lines holds their breaks; a broken one is one line.
    breaks = sum(cell.count("\n") for record in records if record for cell in record)
    assert len(records) + breaks == len(lines)
    assert count_records(source, "gb18030", 0) == len(records)
