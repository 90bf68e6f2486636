"""Fixtures that more than one kind of test needs; each test gets fresh ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from data.settings import Settings

CITY_TOML = """
name = "toy"
name_zh = "玩具"
title = "Toy city"
title_zh = "玩具市"

[sources]
folder = "{city}/files"
files = ["entities.csv", "penalties.csv"]
taken_on = 2020-12-31

[label]
column = "failed"
values = ["true"]
horizon_days = 90

[split]
trees = [2020-01-01]
calibration = [2020-05-01]
test = [2020-09-01]
reference = 2020-05-01
grading = 2020-12-31
"""

ENTITIES_SQL = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status, address,
    parse_date_zh(since) AS established_date, parse_date_zh(since) AS event_date, parse_date_zh(since) + 1 AS known_at,
    filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/entities.csv', all_varchar = true, filename = true)
"""

PENALTIES_SQL = """
SELECT number AS record_id, code AS entity_id, 'fine' AS kind, amount, decided AS event_date, known AS known_at,
    filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/penalties.csv', all_varchar = true, filename = true)
"""

ENTITIES_CSV = """code,name,address,since
91110000802100433B,北京（海淀）某某 有限责任公司,中关村大街１号,2010年1月2日
A1,乙,,2011-02-03
"""

PENALTIES_CSV = """number,code,amount,decided,known
P1,A1,500,2020-01-05,2020-01-06
"""

CityWriter = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose everything lies below the test's own folder."""
    return Settings.from_environment({"QIANFEN_VAR": str(tmp_path / "var"), "QIANFEN_THREADS": "2"})


@pytest.fixture
def write_city(tmp_path: Path) -> CityWriter:
    """Write a small city; keyword arguments replace one of its files each."""

    def write(
        toml: str = CITY_TOML,
        entities_sql: str = ENTITIES_SQL,
        penalties_sql: str = PENALTIES_SQL,
        entities_csv: str | bytes = ENTITIES_CSV,
        penalties_csv: str | bytes = PENALTIES_CSV,
    ) -> Path:
        folder = tmp_path / "toy"
        contents = {
            "city.toml": toml,
            "sources/entities.sql": entities_sql,
            "sources/penalties.sql": penalties_sql,
            "files/entities.csv": entities_csv,
            "files/penalties.csv": penalties_csv,
        }
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write
